"""Attacks on what a prompt includes: after a yes, no other text of a partial or meta-prompt leaves unasked."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from apo_engine import api
from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.search.events import IncludedFile, RunStarted
from apo_server.consent import ALLOW, NOT_NOW, Consent
from apo_server.consent_file import ConsentFile
from apo_server.consent_scope import question, question_in_full
from apo_server.features.plain import said
from tests.attacks.plans import started
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

SECRET = "DB_PASSWORD=hunter2-very-secret"
CHANGED, NEW = "changed since you agreed", "new since you agreed"
SETTINGS = "apo.optimizer: {meta: meta}\napo.budget: {calls: 120}"


@pytest.fixture
def folder(tmp_path: Path, scripted: ScriptedServer) -> Path:
    """A prompt with partials within partials, a meta-prompt of the user's own with a partial, and other files."""
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    (folder / "other").mkdir()
    (folder / "meta").mkdir()
    world = World(60)
    world.write(folder, SETTINGS)
    scripted.script = world.script
    prompt = folder / "tickets.prompt"
    includes = "{{> style}}{{> sub/tone}}{{#> maybe}}{{/maybe}}\n"
    prompt.write_text(prompt.read_text().replace('{{role "user"}}', f'{includes}{{{{role "user"}}}}'))
    (folder / "_style.prompt").write_text("Be brief. {{> nested}}")
    (folder / "_nested.prompt").write_text("Be plain.")
    (folder / "sub" / "_tone.prompt").symlink_to(folder / "_kind.prompt")
    (folder / "_kind.prompt").write_text("Be kind.")
    critic = (files("apo_engine.search") / "meta" / "critic.prompt").read_text("utf-8")
    (folder / "meta" / "critic.prompt").write_text(critic.replace('{{role "user"}}', '{{> rules}}{{role "user"}}'))
    (folder / "meta" / "_rules.prompt").write_text("Be thorough.")
    for secret in ("_secret.prompt", "other/_tone.prompt"):
        (folder / secret).write_text(SECRET)
    (folder / "secret.prompt").write_text(f'{{{{role "system"}}}}{SECRET}')
    return folder


async def opened(folder: Path, scripted: ScriptedServer, background: str = "off") -> Editor:
    """An editor whose user allows everything."""
    environ = environment(folder.parent / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    editor = await Editor.start(folder, environ, options={"background": background})
    editor.answer = ALLOW
    return editor


async def ran(editor: Editor, command: str, uri: str) -> None:
    """A run that the user started has ended."""
    before = len(editor.progress())
    await editor.command(command, uri)
    await editor.until(lambda: len(editor.progress()) > before and editor.finished())


def sent(scripted: ScriptedServer) -> str:
    return json.dumps(scripted.log.bodies)


def overwrite(name: str, text: str = SECRET) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        """With the size and times of the old file, as far as that can be."""
        file = folder / name
        found = file.stat() if file.exists() else None
        file.write_text(text.ljust(found.st_size if found else 0))
        if found is not None:
            os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))

    return change


def link(name: str, target: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder / target)

    return change


def linked_folder(folder: Path) -> None:
    (folder / "sub" / "_tone.prompt").unlink()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(folder / "other")


SWAPS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a-partial": (overwrite("_style.prompt"), "apo.evaluate", f"_style.prompt ({CHANGED})"),
    "a-nested-partial": (overwrite("_nested.prompt"), "apo.evaluate", f"_nested.prompt ({CHANGED})"),
    "what-a-link-leads-to": (overwrite("_kind.prompt"), "apo.evaluate", f"_kind.prompt, {CHANGED})"),
    "a-file-becomes-a-link": (link("_style.prompt", "_secret.prompt"), "apo.evaluate", f"_secret.prompt, {NEW})"),
    "a-link-leads-elsewhere": (
        link("sub/_tone.prompt", "_secret.prompt"),
        "apo.evaluate",
        f"_secret.prompt, {NEW})",
    ),
    "a-folder-becomes-a-link": (linked_folder, "apo.evaluate", f"other/_tone.prompt, {NEW})"),
    "a-partial-that-was-optional": (overwrite("_maybe.prompt"), "apo.evaluate", f"_maybe.prompt ({NEW})"),
    "a-partial-of-a-partial": (
        overwrite("_nested.prompt", "Be plain. {{> secret}}"),
        "apo.evaluate",
        f"_secret.prompt ({NEW})",
    ),
    "a-meta-prompt": (
        overwrite("meta/critic.prompt", f'{{{{role "system"}}}}{SECRET}'),
        "apo.gradients",
        f"meta/critic.prompt ({CHANGED})",
    ),
    "a-partial-of-a-meta-prompt": (
        overwrite("meta/_rules.prompt"),
        "apo.gradients",
        f"meta/_rules.prompt ({CHANGED})",
    ),
    "another-meta-prompt": (
        overwrite("meta/editor.prompt", f'{{{{role "system"}}}}{SECRET}'),
        "apo.gradients",
        f"meta/editor.prompt ({NEW})",
    ),
    "a-meta-prompt-becomes-a-link": (
        link("meta/critic.prompt", "secret.prompt"),
        "apo.gradients",
        f"secret.prompt, {NEW})",
    ),
}


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("swap", SWAPS)
async def test_after_a_yes_another_text_leaves_only_after_a_question_that_names_it(
    folder: Path, scripted: ScriptedServer, swap: str
) -> None:
    change, command, named = SWAPS[swap]
    editor = await opened(folder, scripted)
    uri = editor.open("tickets.prompt")
    await ran(editor, command, uri)
    assert len(editor.questions) == 1
    change(folder)
    editor.answer = None
    before = len(scripted.log)
    await editor.command(command, uri)
    await editor.until(lambda: len(editor.questions) == 2)
    await asyncio.sleep(0.5)
    assert named in editor.questions[1].message
    assert len(scripted.log) == before
    editor.answer = ALLOW
    await ran(editor, command, uri)
    assert len(editor.questions) == 3
    assert len(scripted.log) > before, "a yes to the new text lets it leave"
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
async def test_unchanged_files_edits_of_the_prompt_and_more_rows_ask_no_second_question(
    folder: Path, scripted: ScriptedServer
) -> None:
    editor = await opened(folder, scripted)
    uri = editor.open("tickets.prompt")
    await ran(editor, "apo.gradients", uri)
    (asked,) = editor.questions
    for name in ("_style.prompt", "_nested.prompt", "sub/_tone.prompt (a link to ", "meta/critic.prompt"):
        assert name in asked.message
    assert "You are asked again when one of the other 5 prompt files changes." in asked.message
    editor.replace(uri, "help desk", "service desk")
    editor.save(uri)
    before = len(scripted.log)
    await ran(editor, "apo.gradients", uri)
    assert len(scripted.log) > before
    more = World(70)
    (folder / "tickets.jsonl").write_text(more.examples_text())
    scripted.script = more.script
    before = len(scripted.log)
    await ran(editor, "apo.evaluate", uri)
    assert len(scripted.log) > before
    (folder / "_style.prompt").write_text("Be long. {{> nested}}")
    await ran(editor, "apo.evaluate", uri)
    assert len(editor.questions) == 2
    (folder / "_style.prompt").write_text("Be brief. {{> nested}}")
    await ran(editor, "apo.evaluate", uri)
    assert len(editor.questions) == 2, "the text that was agreed to is back"
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("swap", ["a-nested-partial", "a-file-becomes-a-link", "a-partial-that-was-optional"])
async def test_a_text_that_is_swapped_while_the_question_is_open_does_not_leave(
    folder: Path, scripted: ScriptedServer, swap: str
) -> None:
    change, command, _ = SWAPS[swap]
    editor = await opened(folder, scripted)
    editor.while_asked = lambda: change(folder) if len(editor.questions) == 1 else None
    uri = editor.open("tickets.prompt")
    await editor.command(command, uri)
    await editor.until(lambda: any("has changed since you were asked" in one for one in editor.messages()))
    assert (len(editor.questions), len(scripted.log)) == (1, 0)
    editor.answer = None
    await editor.command(command, uri)
    await editor.until(lambda: len(editor.questions) == 2)
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
async def test_a_text_that_is_swapped_during_the_run_does_not_leave_with_it(
    folder: Path, scripted: ScriptedServer
) -> None:
    editor = await opened(folder, scripted)
    uri = editor.open("tickets.prompt")
    scripted.latency = 0.1
    await editor.command("apo.gradients", uri)
    await editor.until(lambda: len(scripted.log) > 3)
    for swap in ("a-partial", "a-nested-partial", "a-partial-of-a-meta-prompt"):
        SWAPS[swap][0](folder)
    await editor.until(editor.finished)
    assert SECRET not in sent(scripted)
    assert "Be thorough." in sent(scripted), "the critic was asked meanwhile"
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
async def test_background_work_asks_once_about_a_changed_text(folder: Path, scripted: ScriptedServer) -> None:
    editor = await opened(folder, scripted, "evaluate")
    uri = editor.open("tickets.prompt")
    await ran(editor, "apo.evaluate", uri)
    before = len(scripted.log)
    overwrite("_style.prompt")(folder)
    editor.answer = NOT_NOW
    editor.replace(uri, "help desk", "service desk")
    editor.save(uri)
    await editor.until(lambda: len(editor.questions) == 2)
    editor.replace(uri, "service desk", "front desk")
    editor.save(uri)
    await asyncio.sleep(1.5)
    assert (len(editor.questions), len(scripted.log)) == (2, before)
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
async def test_a_single_row_takes_no_other_text_along(folder: Path, scripted: ScriptedServer) -> None:
    editor = await opened(folder, scripted)
    uri = editor.open("tickets.prompt")
    await ran(editor, "apo.evaluate", uri)
    before = len(scripted.log)
    overwrite("_style.prompt")(folder)
    editor.answer = None
    for line in range(1, 4):
        await editor.command("apo.runRow", uri, line, str(folder / "tickets.jsonl"))
    assert len(editor.questions) >= 2
    assert len(scripted.log) == before
    await editor.stop()


# What a run says that it sends.


async def planned(folder: Path, job: api.Job = "gradients", **environ: str) -> RunStarted:
    """The first event of a run whose models are elsewhere."""
    remote = {"OPENAI_BASE_URL": "https://far.example/v1", "OPENAI_API_KEY": "k"}
    whole = {**remote, "APO_CACHE_DIR": str(folder.parent / "cache"), **environ}
    prompt = parse_prompt((folder / "tickets.prompt").read_text(), folder / "tickets.prompt")
    return await api.plan(prompt, api.Options(environ=whole, allowed_roots=(folder,)), job)


def names(run: RunStarted, folder: Path) -> list[str]:
    return [os.path.relpath(one.path, folder) for one in run.included]


PARTIALS = ["_style.prompt", "_nested.prompt", "sub/_tone.prompt"]
META = ["meta/critic.prompt", "meta/_rules.prompt"]


@pytest.mark.skipif(os.name == "nt", reason="makes links")
async def test_every_file_whose_text_leaves_is_named_and_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(await planned(folder, "evaluate"), folder) == PARTIALS, "an evaluation sends no meta-prompt"
    searched = await planned(folder)
    assert names(searched, folder) == [*PARTIALS, *META]
    targets = [one.target for one in searched.included]
    assert targets == ["", "", str((folder / "_kind.prompt").resolve()), "", ""]
    local = await planned(folder, OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert (local.local, local.included) == (True, ())
    config = folder.parent / "config" / "apo-language-server" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("endpoints: {near: {base_url: 'http://127.0.0.1:1/v1'}}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent / "config"))
    text = (folder / "tickets.prompt").read_text().replace("{meta: meta}", "{meta: meta, model: openai/m}")
    (folder / "tickets.prompt").write_text(text.replace("openai/scripted", "near/m"))
    assert names(await planned(folder), folder) == META, "the optimizer model alone is elsewhere"


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("target", [".env", "notes.txt", "rows.jsonl"])
async def test_a_meta_prompt_is_no_link_to_a_file_of_another_kind(folder: Path, target: str) -> None:
    (folder / target).write_text(f'{{{{role "system"}}}}{SECRET}')
    link("meta/critic.prompt", target)(folder)
    with pytest.raises(InputError, match="a link to a file of another kind"):
        await planned(folder)


# What a yes covers, and what the question says.


def texts(*changes: tuple[str, str], target: str = "") -> tuple[IncludedFile, ...]:
    """Files of the workspace, by name and digest."""
    return tuple(IncludedFile(f"/w/{name}", digest, target) for name, digest in changes)


INCLUDED = texts(("_a.prompt", "a1"), ("_b.prompt", "b1"))


class User:
    """Allows everything, and counts the questions."""

    def __init__(self, folder: Path, answer: str | None = ALLOW) -> None:
        self.answer = answer
        self.questions: list[str] = []
        self.log: list[str] = []
        self.consent = Consent(self.ask, {"APO_CACHE_DIR": str(folder)}, self.log.append)

    async def ask(self, asked: str, _answers: tuple[str, ...]) -> str | None:
        self.questions.append(asked)
        await asyncio.sleep(0.02)
        return self.answer

    async def may(self, run: RunStarted) -> bool:
        may = await self.consent.to_send("file:///w", run, asked=False)
        if may:
            self.consent.begun("file:///w", run)
        return may


@pytest.mark.parametrize(
    ("included", "asks"),
    [
        pytest.param(INCLUDED, False, id="the-same"),
        pytest.param(INCLUDED[::-1], False, id="in-another-order"),
        pytest.param(INCLUDED[:1], False, id="fewer"),
        pytest.param((), False, id="none"),
        pytest.param(texts(("_a.prompt", "a2"), ("_b.prompt", "b1")), True, id="another-text"),
        pytest.param(texts(("_a.prompt", "b1"), ("_b.prompt", "a1")), True, id="exchanged"),
        pytest.param((*INCLUDED, *texts(("_c.prompt", "a1"))), True, id="a-new-file-of-a-known-text"),
        pytest.param(texts(("_a.prompt", "a1"), target="/w/_c.prompt"), True, id="a-link-to-the-same-text"),
        pytest.param(texts(("_c.prompt", "a1"), target="/w/_a.prompt"), False, id="a-link-to-a-file-that-is-known"),
    ],
)
async def test_a_remembered_yes_covers_the_texts_that_were_agreed_to(
    tmp_path: Path, included: tuple[IncludedFile, ...], asks: bool
) -> None:
    assert await User(tmp_path).may(started(included=INCLUDED))
    later = User(tmp_path, None)
    assert await later.may(started(fingerprint="f2", included=included)) is not asks
    assert len(later.questions) == asks


async def test_texts_of_two_questions_are_not_added_up(tmp_path: Path) -> None:
    user = User(tmp_path)
    for number, included in enumerate((INCLUDED[:1], INCLUDED[1:], INCLUDED)):
        await user.may(started(fingerprint=f"f{number}", included=included))
    assert len(user.questions) == 3


async def test_prompts_that_are_saved_at_once_share_a_question_about_the_same_texts_alone(tmp_path: Path) -> None:
    user = User(tmp_path)
    runs = [
        started(file=f"/w/{name}.prompt", fingerprint=name, included=included)
        for name, included in {"a": INCLUDED, "b": INCLUDED[:1], "c": texts(("_a.prompt", "a2"))}.items()
    ]
    assert await asyncio.gather(*map(user.may, runs)) == [True, True, True]
    assert len(user.questions) == 2


async def test_a_withdrawal_for_a_folder_ends_consent_to_send_texts_that_lie_in_it(tmp_path: Path) -> None:
    user = User(tmp_path)
    assert await user.may(started(included=(IncludedFile("/elsewhere/_a.prompt", "a1"),)))
    assert user.consent.revoke("file:///elsewhere")
    assert ConsentFile(tmp_path).read().grants == ()


async def test_the_question_names_the_texts_and_says_which_have_changed(tmp_path: Path) -> None:
    user = User(tmp_path)
    await user.may(started(included=INCLUDED[:1]))
    await user.may(started(fingerprint="f2", included=texts(("_a.prompt", "a2"), ("sub/_c.prompt", "c1"))))
    first, second = user.questions
    assert first.startswith("Send a.prompt, _a.prompt and 100 rows of t.jsonl to api.example? ")
    assert first.endswith("to the same hosts and roles. You are asked again when _a.prompt changes.")
    assert second.startswith(
        "Send a.prompt, _a.prompt (changed since you agreed), sub/_c.prompt (new since you agreed) and 100 rows of "
    )
    assert second.endswith("You are asked again when one of the other 2 prompt files changes.")


async def test_where_the_texts_are_many_changes_and_links_are_named_first_and_all_are_in_the_log(
    tmp_path: Path,
) -> None:
    names = [f"_{number:02}{'x' * 50}.prompt" for number in range(90)]
    many = texts(*((name, "1") for name in names))
    user = User(tmp_path)
    await user.may(started(included=many))
    linked = IncludedFile("/w/_link.prompt", "1", "/w/_secret.prompt")
    changed = msgspec.structs.replace(many[70], digest="2")
    await user.may(started(fingerprint="f2", included=(*many[:70], changed, *many[71:], linked)))
    first, second = user.questions
    assert all(len(f"APO: {said(words)}") < 1000 for words in user.questions)
    assert "more prompt files (listed in the log) and 100 rows" in first
    assert f"(a link to /w/_secret.prompt, {NEW})" in second
    assert f"{names[70][:3]}" in second
    assert f"({CHANGED})" in second
    for line in user.log:
        assert all(name in line for name in names)


@pytest.mark.parametrize("count", [1, 3, 90])
def test_a_question_stays_short_whatever_the_texts_are_called(count: int) -> None:
    included = texts(*((f"{'`' * 60}{number}{'y' * 200}/_a.prompt", "1") for number in range(count)), target="/" * 300)
    hosts = started().destinations
    far = tuple(msgspec.structs.replace(hosts[0], role=role, host=f"{role}.{'h' * 60}.example") for role in ROLES)
    run = started(job="optimize", included=included, destinations=far)
    words = question("file:///w", run)
    assert len(f"APO: {said(words)}") < 1000
    assert "You are asked again when " in words
    assert "100 rows" in words
    assert len(question_in_full("file:///w", run)) > len(words)


ROLES = ("task", "optimizer", "judge")
