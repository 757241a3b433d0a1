"""Attacks on what is read: files outside the allowed folders, and things that are not files.

Whatever a prompt, a workspace or a link in it names, nothing outside the allowed folders is read or sent, and a device,
a FIFO, a socket or a folder is refused at once, in a sentence, with exit code 2 or 3.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apo_engine import allowed_paths
from apo_engine.allowed_paths import NotRegularError, OutsideError, open_allowed, open_regular, read_allowed
from apo_engine.evaluation.function import find_function
from apo_engine.examples.load import load_examples
from apo_engine.models.embedded import load_embedded
from apo_engine.problems import ApoError, InputError, Problem
from apo_engine.prompt.file import load_prompt, parse_prompt
from apo_engine.prompt.partials import load_partials
from apo_engine.runs.naming import own_meta_prompts, roots_of
from apo_engine.runs.options import Options
from apo_engine.settings import ExamplesSettings, Layer, Settings, resolve
from apo_server.settings import from_options, updated
from tests.cli.conftest import APO, Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, devices and FIFOs are those of POSIX")

SECRET = "-----BEGIN MADE UP PRIVATE KEY-----"
ROWS = f'{{"text": "{SECRET}", "label": "a"}}\n' * 2
SECONDS = 20


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the user works in, which others wrote."""
    folder = tmp_path / "clone"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's with private files in it, under every name that something is looked for."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    for place in (folder, folder / "inner"):
        for name in ("rows.jsonl", "_tone.prompt", "critic.prompt", "x.gguf"):
            (place / name).write_text(ROWS if name.endswith("l") else SECRET)
        (place / "score.py").write_text(f"# {SECRET}\ndef score(answer, expected):\n    return 1\n")
    return folder


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Nothing waits for what never comes."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 3 * SECONDS


# What names a file, and what reads it: each gives what was read as text, or raises.
def rows(clone: Path, name: str) -> str:
    found = load_examples(ExamplesSettings(path=name), clone, ("text",))
    return str([row.inputs for row in found.rows])


def partial(clone: Path, name: str) -> str:
    prompt = parse_prompt(f"{{{{> {name}}}}}", clone / "a.prompt")
    return str(load_partials(prompt))


def metric(clone: Path, name: str) -> str:
    return str(find_function(f"{name}:score", clone).digest)


def meta(clone: Path, name: str) -> str:
    prompt = parse_prompt(f"---\napo.optimizer:\n  meta: {name}\n---\nHi", clone / "a.prompt")
    layers = [prompt.layer()]
    return str([one.text for one in own_meta_prompts(prompt, layers, resolve(layers), Options()).values()])


def weights(clone: Path, name: str) -> str:
    prompt = parse_prompt(f"---\nmodel: embedded/{name}\n---\nHi", clone / "a.prompt")
    roots = roots_of([prompt.layer()], ("model",), clone, Options())
    return load_embedded(f"embedded/{name}", clone.parent / "cache", None, roots).identity


READERS: dict[str, tuple[Callable[[Path, str], str], str]] = {
    "rows": (rows, "rows.jsonl"),
    "partial": (partial, "_tone.prompt"),
    "metric": (metric, "score.py"),
    "meta-prompt": (meta, "critic.prompt"),
    "weights": (weights, "x.gguf"),
}


def spelled(reader: str, path: str) -> str:
    """How a prompt names the file at a path."""
    if reader == "partial":
        folder, _, base = path.rpartition("/")
        return f"{folder}/{base.removeprefix('_').removesuffix('.prompt')}".lstrip("/" if not folder else "")
    if reader == "metric":
        return path.removesuffix(".py").replace("/", ".")
    return path.rpartition("/")[0] or "." if reader == "meta-prompt" else path


def refused(reader: str, clone: Path, name: str, says: str) -> Problem:
    """Reading ends with one clear problem, and gives nothing away."""
    with pytest.raises(ApoError) as caught:
        READERS[reader][0](clone, spelled(reader, name))
    problem = caught.value.problems[0]
    assert says in str(problem)
    assert problem.remedy
    assert SECRET not in str(caught.value)
    return problem


# Ways out of the folder; what each leads to is there.
def _link(clone: Path, outside: Path, file: str) -> str:
    (clone / file).symlink_to(outside / file)
    return file


def _linked_folder(clone: Path, outside: Path, file: str) -> str:
    (clone / "linked").symlink_to(outside)
    return f"linked/{file}"


def _chain(clone: Path, outside: Path, file: str) -> str:
    (clone / "first").symlink_to("second")
    (clone / "second").symlink_to(outside / "inner")
    return f"first/{file}"


def _back_through_a_link(clone: Path, outside: Path, file: str) -> str:
    (clone / "linked").symlink_to(outside / "inner")
    return f"linked/../{file}"


def _relative_link(clone: Path, outside: Path, file: str) -> str:
    (clone / "inner" / file).symlink_to(f"../../outside/{file}")
    return f"inner/{file}"


def _up(clone: Path, outside: Path, file: str) -> str:
    return f"../outside/{file}"


def _down_and_up(clone: Path, outside: Path, file: str) -> str:
    return f"inner/../../outside/{file}"


def _absolute(clone: Path, outside: Path, file: str) -> str:
    return str(outside / file)


def _through_proc(clone: Path, outside: Path, file: str) -> str:
    (clone / "linked").symlink_to(f"/proc/self/root{outside}")
    return f"linked/{file}"


def _beside_a_name_that_begins_alike(clone: Path, outside: Path, file: str) -> str:
    shutil.copytree(outside, clone.with_name("clone-of-others"))
    return f"../clone-of-others/{file}"


WAYS = (
    _link, _linked_folder, _chain, _back_through_a_link, _relative_link, _up, _down_and_up, _absolute, _through_proc,
    _beside_a_name_that_begins_alike,
)  # fmt: skip
# A module's name has no dots and slashes of a path.
_NO_MODULE = (_back_through_a_link, _up, _down_and_up, _absolute, _beside_a_name_that_begins_alike)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_").replace("_", "-"))
def test_nothing_outside_the_allowed_folders_is_read(
    clone: Path, outside: Path, reader: str, way: Callable[[Path, Path, str], str]
) -> None:
    name = way(clone, outside, READERS[reader][1])
    says = "" if reader == "metric" and way in _NO_MODULE else "outside"
    refused(reader, clone, name, says)


@pytest.mark.parametrize("reader", ["rows", "meta-prompt", "weights"])
@pytest.mark.parametrize("name", ["//evil.example/share/x", "\\\\evil.example\\share\\x"])
def test_nothing_is_looked_for_on_other_machines(
    clone: Path, reader: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("the name was looked for")

    monkeypatch.setattr(Path, "resolve", touched)
    with pytest.raises(ApoError, match="outside"):
        READERS[reader][0](clone, f"'{name}'" if reader == "meta-prompt" else name)


# What is in the folder and is not a file.
def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _fifo_behind_a_link(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket is short
        server.bind(path.name)
        os.chdir(here)


def _folder(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def _kernel(path: Path) -> None:
    path.symlink_to("/proc/self/environ")


def _standard_input(path: Path) -> None:
    path.symlink_to("/dev/stdin")


THINGS = (_fifo, _fifo_behind_a_link, _socket, _folder, _device, _terminal, _kernel, _standard_input)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.__name__.strip("_").replace("_", "-"))
def test_what_is_no_file_is_refused_at_once(clone: Path, reader: str, thing: Callable[[Path], None]) -> None:
    thing(clone / READERS[reader][1])
    refused(reader, clone, READERS[reader][1], "")


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="the kernel shows itself in /proc")
@pytest.mark.parametrize("file", ["/proc/self/environ", "/proc/kmsg", "/proc/self/mem", "/sys/kernel/uevent_seqnum"])
def test_the_kernel_is_not_read_even_where_everything_is_allowed(file: str) -> None:
    if not Path(file).exists():
        pytest.skip("this kernel has no such file")
    with pytest.raises(NotRegularError):
        open_allowed(Path(file), (Path("/"),))
    with pytest.raises(NotRegularError):
        open_regular(Path(file))


def test_a_file_of_no_end_is_not_read_to_its_end(clone: Path) -> None:
    with (clone / "_tone.prompt").open("wb") as file:
        file.truncate(1 << 40)
    refused("partial", clone, "_tone.prompt", "larger than 1,000,000 bytes")
    (clone / "_tone.prompt").rename(clone / "a.prompt")
    with pytest.raises(InputError, match="larger than"):
        load_prompt(clone / "a.prompt")


# What is swapped between the look and the reading.
@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_link_that_is_put_in_the_way_afterwards_is_not_followed(
    clone: Path, outside: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = clone / "inner" / "rows.jsonl"
    target.write_text("{}\n")
    real = allowed_paths._root_of

    def root_of(*given: Any) -> Path | None:
        found = real(*given)
        if swapped == "file":
            target.unlink()
            target.symlink_to(outside / "rows.jsonl")
        else:
            target.parent.rename(clone / "aside")
            (clone / "inner").symlink_to(outside)
        return found

    monkeypatch.setattr(allowed_paths, "_root_of", root_of)
    with pytest.raises(OSError):
        read_allowed(target, (clone,), 1000)


@pytest.mark.parametrize("kind", ["link", "FIFO"])
def test_what_is_put_in_the_way_at_the_last_moment_is_not_opened(
    clone: Path, outside: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = clone / "rows.jsonl"
    target.write_text("{}\n")
    real = allowed_paths._require_regular

    def require_regular(found: os.stat_result, path: Path) -> None:
        real(found, path)
        if target.is_file() and not target.is_symlink():
            target.unlink()
            os.mkfifo(target) if kind == "FIFO" else target.symlink_to(outside / "rows.jsonl")

    monkeypatch.setattr(allowed_paths, "_require_regular", require_regular)
    with pytest.raises(OSError, match=r"not a regular file|symbolic link"):
        open_allowed(target, (clone,))


def test_links_that_change_all_the_time_never_lead_out(clone: Path, outside: Path) -> None:
    target, stop = clone / "inner" / "rows.jsonl", threading.Event()
    target.write_text("{}\n")

    def swap() -> None:
        while not stop.is_set():
            (clone / "inner").rename(clone / "aside")
            (clone / "inner").symlink_to(outside)
            (clone / "inner").unlink()
            (clone / "aside").rename(clone / "inner")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(2000):
            with suppress(OSError):
                assert read_allowed(target, (clone,), 1000) == b"{}\n"
    finally:
        stop.set()
        thread.join()


# Who named it.
def named(layer: Layer, options: Options | None = None) -> tuple[Path, ...] | None:
    return roots_of([layer], ("model",), Path("/w"), options or Options(allowed_roots=()))


def test_the_user_may_name_any_model_file_and_others_may_not() -> None:
    values = {"model": "embedded//x.gguf"}
    assert all(named(Layer(name, values)) is None for name in ("flag", "user", "environment"))
    assert all(named(Layer(name, values)) == (Path("/w"),) for name in ("file", "editor"))


def test_a_model_is_the_users_if_the_editor_was_started_with_it_and_no_other() -> None:
    started, _ = from_options({"model": "embedded//mine.gguf", "optimizer": {"model": "embedded//also.gguf"}})
    changed, _ = updated(started, {"model": "embedded//theirs.gguf"})
    options = Options(own_models=changed.own_models, allowed_roots=())
    mine, theirs = Layer("editor", {"model": "embedded//mine.gguf"}), Layer("editor", dict(changed.editor))
    assert named(mine, options) is None
    assert named(theirs, options) == (Path("/w"),)


@pytest.mark.parametrize("key", [("optimizer", "meta"), ("judge", "rubric"), ("metric",)])
def test_the_name_of_the_users_model_vouches_for_nothing_but_a_model(key: tuple[str, ...]) -> None:
    named_as_the_model: object = "embedded//mine.gguf"
    for part in reversed(key):
        named_as_the_model = {part: named_as_the_model}
    options = Options(own_models=frozenset({"embedded//mine.gguf"}), allowed_roots=())
    layer = Layer("editor", named_as_the_model)  # type: ignore[arg-type]
    assert roots_of([layer], key, Path("/w"), options) == (Path("/w"),)


def test_meta_prompts_in_a_folder_with_the_name_of_the_users_model_stay_inside(clone: Path, outside: Path) -> None:
    (clone / "openai" / "m").mkdir(parents=True)
    (clone / "openai" / "m" / "critic.prompt").symlink_to(outside / "critic.prompt")
    layers = [Layer("editor", {"model": "openai/m", "optimizer": {"meta": "openai/m"}})]
    options = Options(own_models=frozenset({"openai/m"}), allowed_roots=())
    with pytest.raises(InputError, match="lie outside"):
        own_meta_prompts(parse_prompt("Hi", clone / "a.prompt"), layers, resolve(layers), options)


def test_what_the_user_says_elsewhere_does_not_vouch_for_what_the_prompt_says() -> None:
    layers = [Layer("file", {"optimizer": "embedded//theirs.gguf"}), Layer("user", {"optimizer": {"model": "mine"}})]
    assert roots_of(layers, ("optimizer", "model"), Path("/w"), Options(allowed_roots=())) == (Path("/w"),)


def test_meta_prompts_of_the_users_own_configuration_may_lie_anywhere(clone: Path, outside: Path) -> None:
    (outside / "critic.prompt").write_text('{{role "system"}}Why?')
    layers = [Layer("user", {"optimizer": {"meta": str(outside)}})]
    found = own_meta_prompts(parse_prompt("Hi", clone / "a.prompt"), layers, resolve(layers), Options())
    assert list(found) == ["critic"]
    assert own_meta_prompts(parse_prompt("Hi", clone / "a.prompt"), [], Settings(), Options()) == {}


def test_what_is_inside_is_read(clone: Path, outside: Path) -> None:
    shutil.copytree(outside, clone / "own")
    (clone / "linked").symlink_to(clone / "own")
    assert SECRET in partial(clone, "linked/tone")
    with pytest.raises(OutsideError):
        read_allowed(outside / "rows.jsonl", (clone,), 10**6)
    assert read_allowed(clone / "linked" / "rows.jsonl", (clone,), 10**6).decode() == ROWS


# The commands and the server.
@pytest.fixture
def apo(tmp_path: Path, scripted: ScriptedServer, clone: Path) -> Apo:
    world = World(60)
    world.write(clone)
    scripted.script = world.script
    made = make_apo(clone, scripted)
    made.environ["APO_CACHE_DIR"] = str(tmp_path / "cache")
    return made


@pytest.mark.parametrize("way", ["link", "absolute"])
def test_meta_prompts_outside_are_a_problem_at_their_line_and_not_sent(
    apo: Apo, outside: Path, scripted: ScriptedServer, way: str
) -> None:
    (apo.folder / "m").mkdir()
    (apo.folder / "m" / "critic.prompt").symlink_to(outside / "critic.prompt")
    meta = "m" if way == "link" else str(outside)
    apo.edit("apo.examples:", f"apo.optimizer:\n  meta: {meta}\napo.examples:")
    line = (apo.folder / "tickets.prompt").read_text().splitlines().index(f"  meta: {meta}") + 1
    for command, code in (("gradients", 2), ("check", 1)):
        outcome = apo(command, "tickets.prompt")
        assert outcome.code == code
        assert f"tickets.prompt:{line}:9: error: The meta-prompts" in outcome.out + outcome.err
        assert "lie outside the prompt's folder and the folders you work in" in outcome.out + outcome.err
    assert len(scripted.log) == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [("check", "FIFO"), ("evaluate", "FIFO"), ("check", "/dev/zero"), ("evaluate", "/dev/zero"),
     ("check", "/dev/stdin"), ("check", "/proc/self/environ"), ("optimize", "/proc/kmsg"), ("evaluate", ".")],
)  # fmt: skip
def test_a_prompt_that_is_no_file_is_refused_in_a_sentence(apo: Apo, command: str, name: str) -> None:
    if name == "FIFO":
        os.mkfifo(apo.folder / name)
    if name.startswith("/proc") and not Path(name).exists():
        pytest.skip("this kernel has no such file")
    done = subprocess.run(
        [APO, command, name], cwd=apo.folder, env=apo.environ, stdin=subprocess.PIPE, capture_output=True, text=True,
        check=False, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


@pytest.mark.parametrize("command", ["check", "evaluate", "gradients", "optimize"])
@pytest.mark.parametrize("name", ["tickets.jsonl", "notes", "binary.gguf", "tickets.prompt.bak", "link.txt"])
def test_a_file_of_another_kind_is_refused_in_a_sentence(
    apo: Apo, scripted: ScriptedServer, command: str, name: str
) -> None:
    (apo.folder / "notes").write_text("Sort {{text}}.")
    (apo.folder / "binary.gguf").write_bytes(b"GGUF\0\xff")
    shutil.copy(apo.folder / "tickets.prompt", apo.folder / "tickets.prompt.bak")
    (apo.folder / "link.txt").symlink_to("tickets.prompt")
    assert (apo.folder / name).exists()
    outcome = apo(command, name)
    assert outcome.code == 2
    assert outcome.out == ""
    place, _, message = outcome.err.rstrip("\n").partition(": error: ")
    assert place.startswith(name)
    assert message.splitlines()[0] == "This is not a .prompt file: its name does not end in '.prompt'."
    assert len(message.splitlines()) <= 2, "a sentence and what to do"
    assert len(scripted.log) == 0


@pytest.mark.parametrize("command", ["check", "evaluate"])
def test_the_name_of_a_prompt_may_be_in_capitals(apo: Apo, command: str) -> None:
    shutil.copy(apo.folder / "tickets.prompt", apo.folder / "MAIL.PROMPT")
    assert apo(command, "MAIL.PROMPT").code == 0


@pytest.mark.parametrize("where", ["/dev/zero", "x.gguf"])
def test_weights_that_are_no_file_are_refused_in_a_sentence(apo: Apo, scripted: ScriptedServer, where: str) -> None:
    os.mkfifo(apo.folder / "x.gguf")
    apo.edit("openai/scripted", f"embedded/{where}")
    outcome = apo("evaluate", "tickets.prompt")
    assert outcome.code in (2, 3)
    assert "not a regular file" in outcome.err
    assert len(scripted.log) == 0


def test_checking_a_folder_reads_nothing_that_a_link_leads_to(apo: Apo, outside: Path) -> None:
    (apo.folder / "link.prompt").symlink_to(outside / "critic.prompt")
    (apo.folder / "linked").symlink_to(outside)
    (apo.folder / "gone.prompt").symlink_to(outside / "none")
    os.mkfifo(apo.folder / "pipe.prompt")
    outcome = apo("check", ".")
    assert outcome.code == 1
    assert "link.prompt:1:1: error: This prompt is a link that leads outside" in outcome.out
    assert "pipe.prompt:1:1: error: The file cannot be read: it is a FIFO" in outcome.out
    assert "gone.prompt:1:1: error" in outcome.out
    assert "linked/" not in outcome.out
    assert SECRET not in outcome.out


@pytest.mark.parametrize("name", ["/dev/zero", "x.gguf"])
async def test_the_server_shows_weights_that_are_no_file_and_works_on(
    apo: Apo, tmp_path: Path, scripted: ScriptedServer, name: str
) -> None:
    os.mkfifo(apo.folder / "x.gguf")
    apo.edit("openai/scripted", f"embedded/{name}")
    away = {**environment(tmp_path / "cache", scripted.base_url), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    editor = await Editor.start(apo.folder, away, options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    found = await editor.until(lambda: editor.diagnostics(uri, "model-not-found"))
    assert "not a regular file" in found[0].message
    await editor.stop()


# What the machine lacks.
@pytest.mark.parametrize("proxy", ["::::", "foo://user:canary@x", "socks5://127.0.0.1:9", "http://[bad"])
def test_a_broken_proxy_setting_is_said_in_a_sentence(apo: Apo, proxy: str) -> None:
    outcome = apo(
        "evaluate", "tickets.prompt", "--max-calls", "2",
        OPENAI_BASE_URL="http://far.invalid/v1", OPENAI_API_KEY="k", HTTP_PROXY=proxy,
    )  # fmt: skip
    assert outcome.code == 2, outcome.err
    assert "HTTP_PROXY" in outcome.err
    assert "canary" not in outcome.err
    assert "went wrong" not in outcome.err


@pytest.mark.parametrize("most", [6, 8, 10, 12])
def test_few_file_handles_are_said_in_a_sentence(apo: Apo, most: int) -> None:
    limit = (
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", limit, APO, "evaluate", "tickets.prompt", "--max-calls", "2"]
    done = subprocess.run(
        command, cwd=apo.folder, env=apo.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (0, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "file" in done.stderr or "connection" in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["check", "evaluate"])
def test_a_working_folder_that_is_gone_is_said_in_a_sentence(apo: Apo, tmp_path: Path, command: str) -> None:
    prompt = apo.folder / "tickets.prompt"
    script = f"mkdir gone && cd gone && rmdir ../gone && exec '{APO}' {command} '{prompt}'"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env=apo.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "The working folder is gone" in done.stderr
