"""Attacks on consent: a yes covers what was asked about and no more, and nobody else can give it."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import re
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from lsprotocol import types

from apo_engine import api
from apo_engine.examples.columns import Columns
from apo_engine.file_lock import hold_lock
from apo_engine.private_files import PrivateFolder
from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.search.events import (
    CustomMetric,
    Destination,
    Estimate,
    FileRows,
    Job,
    ModelFile,
    RowCounts,
    RunStarted,
)
from apo_engine.settings import ExamplesSettings
from apo_server.consent import ALLOW, Consent, words_on_code
from apo_server.consent_file import ConsentFile, FileScope, Grant, Recipient, Remembered
from apo_server.consent_scope import needed_scope, question
from apo_server.features.plain import said
from tests.attacks.plans import started
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

# What a yes covers.


class User:
    """Answers every question; ``during`` happens while one is open."""

    def __init__(self, folder: Path, answer: str | None = ALLOW) -> None:
        self.answer = answer
        self.questions: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self.consent = Consent(self.ask, {"APO_CACHE_DIR": str(folder)})

    async def ask(self, asked: str, _answers: tuple[str, ...]) -> str | None:
        self.questions.append(asked)
        await asyncio.sleep(0.02)
        self.during()
        return self.answer

    async def may(self, run: RunStarted, workspace: str = "file:///w", *, begins: bool = True) -> bool:
        may = await self.consent.to_send(workspace, run, asked=False)
        if may and begins:
            self.consent.begun(workspace, run)
        return may


ROWS = RowCounts(60, 40, 0)


def to(**changes: object) -> tuple[Destination, ...]:
    return (msgspec.structs.replace(Destination("task", "openai/m", "api.example", ROWS, encrypted=True), **changes),)


def rows(path: str = "/w/t.jsonl", shown: int = 100, **changes: object) -> tuple[FileRows, ...]:
    return (msgspec.structs.replace(FileRows(path, shown, 40, ("text",), sealed=30), **changes),)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        pytest.param({"rows_fingerprint": "r2"}, False, id="edited-rows"),
        pytest.param({"files": rows(shown=150)}, False, id="some-more-rows"),
        pytest.param({"files": rows(shown=201)}, True, id="many-more-rows"),
        pytest.param({"files": rows("/w/u.jsonl")}, True, id="another-file"),
        pytest.param({"files": rows(target="/w/secret.jsonl")}, True, id="a-link-under-the-same-name"),
        pytest.param({"files": rows(columns=("text", "email"))}, True, id="a-new-column"),
        pytest.param({"files": rows(columns=("email",))}, True, id="another-column"),
        pytest.param({"files": rows(answers="label")}, True, id="the-answers-too"),
        pytest.param({"files": rows(kept=39)}, True, id="fewer-rows-that-stay"),
        pytest.param({"files": rows(kept=55)}, False, id="more-rows-that-stay"),
        pytest.param({"destinations": to(host="api.example:444")}, True, id="another-port"),
        pytest.param({"destinations": to(host="evil.example")}, True, id="another-host"),
        pytest.param({"destinations": to(role="judge")}, True, id="another-role"),
        pytest.param({"destinations": to(encrypted=False)}, True, id="no-longer-encrypted"),
        pytest.param({"destinations": to(proxy="proxy.example")}, True, id="read-by-a-proxy"),
        pytest.param({"destinations": to(rows=RowCounts(60, 40, 20))}, True, id="sealed-rows"),
        pytest.param({"destinations": (*to(), *to(role="optimizer", host="b.example"))}, True, id="one-host-more"),
        pytest.param({"estimate": Estimate(200, 1000, 0.2)}, False, id="twice-the-calls-and-the-cost"),
        pytest.param({"estimate": Estimate(201, 1000, 0.1)}, True, id="more-calls"),
        pytest.param({"estimate": Estimate(100, 1000, 0.21)}, True, id="a-higher-cost"),
        pytest.param({"estimate": Estimate(100, 1000, None)}, True, id="a-price-that-is-not-known"),
        pytest.param({"estimate": Estimate(100, 1000, math.inf)}, True, id="no-number-for-a-cost"),
        pytest.param({"estimate": Estimate(100, 1000, 0.0)}, False, id="no-cost"),
    ],
)
async def test_a_remembered_yes_covers_its_scope_and_no_more(
    tmp_path: Path, changes: dict[str, object], asks: bool
) -> None:
    assert await User(tmp_path).may(started(files=rows()))
    later = User(tmp_path, None)
    assert await later.may(started(**{"fingerprint": "f2", "files": rows(), **changes})) is not asks
    assert len(later.questions) == asks


@pytest.mark.parametrize(("usd", "asks"), [(None, False), (0.0, False), (0.01, True)])
async def test_a_yes_to_an_unknown_price_is_none_to_a_known_one(tmp_path: Path, usd: float | None, asks: bool) -> None:
    assert await User(tmp_path).may(started(estimate=Estimate(100, 1000, None)))
    later = User(tmp_path, None)
    assert await later.may(started(fingerprint="f2", estimate=Estimate(100, 1000, usd))) is not asks


async def test_prompts_of_other_lengths_share_a_question_within_its_cost(tmp_path: Path) -> None:
    user = User(tmp_path)
    longer = started(file="/w/b.prompt", fingerprint="f2", estimate=Estimate(110, 2000, 0.15))
    dearer = started(file="/w/c.prompt", fingerprint="f3", estimate=Estimate(100, 2000, 9.0))
    assert await asyncio.gather(*map(user.may, (started(), longer, dearer))) == [True, True, True]
    assert len(user.questions) == 2


async def test_a_shared_yes_covers_what_the_question_said_and_no_more(tmp_path: Path) -> None:
    user = User(tmp_path)
    longer = started(file="/w/b.prompt", fingerprint="f2", estimate=Estimate(180, 2000, 0.18))
    assert await asyncio.gather(user.may(started()), user.may(longer)) == [True, True]
    assert "up to 200 calls and about $0.20 a run" in user.questions[0]
    assert not await User(tmp_path, None).may(started(fingerprint="f3", estimate=Estimate(201, 1000, 0.1)))
    assert not await User(tmp_path, None).may(started(fingerprint="f4", estimate=Estimate(100, 1000, 0.21)))


MANY = tuple(FileRows(f"/w/{n:03}{'x' * 60}.jsonl", 10, 2, ("text", "y" * 60, "z" * 60)) for n in range(200))
LONG_HOST = f"{'.'.join(['h' * 60] * 4)}.example:8443"
COLUMNS = tuple(f"{'`' * 60}{n}" for n in range(40))


def three(*hosts: str, model: str = "openai/m") -> tuple[Destination, ...]:
    """A destination in each role."""
    roles = zip(("task", "optimizer", "judge"), hosts, strict=True)
    return tuple(dest for role, host in roles for dest in to(role=role, host=host, model=model))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"files": MANY}, id="files"),
        pytest.param({"files": MANY, "destinations": three("a.example", "b.example", "c.example")}, id="hosts-too"),
        pytest.param({"files": rows(columns=COLUMNS, answers="\\" * 300)}, id="columns"),
        pytest.param({"files": rows("/w/" + "'" * 3000), "file": "/w/" + "'" * 3000}, id="names"),
        pytest.param({"files": rows(target="/" + "t" * 3000)}, id="a-link"),
        pytest.param({"destinations": three(*(f"{n}.{'h' * 60}.example" for n in range(3)))}, id="long-hosts"),
        pytest.param(
            {"destinations": three("a.example", "b.example", "c.example", model="openai/" + "m" * 190)}, id="models"
        ),
        pytest.param({"notices": ("'store: true' is sent to api.example.",) * 3, "files": MANY}, id="notices"),
        pytest.param({"estimate": Estimate(10**30, 1, 1e30), "files": MANY}, id="calls"),
    ],
)
def test_a_question_stays_short_and_keeps_what_matters(changes: dict[str, object]) -> None:
    run = started(job="optimize", **changes)
    words = question("file:///w", run)
    assert len(f"APO: {said(words)}") < 1000
    for one in run.destinations:
        assert f"At {one.host}, " in words
        assert {"task": "answers", "optimizer": "writes critiques", "judge": "grades"}[one.role] in words
    assert all(notice in words for notice in run.notices)
    assert f"At most {run.estimate.calls:,} calls, about ${run.estimate.usd:,.2f}." in words
    assert f"{sum(file.shown for file in run.files):,} rows" in words


def test_links_and_the_files_of_the_most_rows_are_named_where_not_all_are(tmp_path: Path) -> None:
    hidden = (*rows("/w/link.jsonl", 1, target="/w/secret.jsonl"), *rows("/w/large.jsonl", 5000))
    words = question("file:///w", started(files=(*MANY, *hidden)))
    assert "link.jsonl (a link to /w/secret.jsonl)" in words
    assert "5,000 rows of large.jsonl" in words
    assert "7,001 rows in all" in words
    assert "more files (listed in the log" in words


async def test_what_a_short_question_leaves_out_is_in_the_log(tmp_path: Path) -> None:
    log: list[str] = []

    async def ask(asked: str, answers: tuple[str, ...]) -> str:
        return ALLOW

    consent = Consent(ask, {"APO_CACHE_DIR": str(tmp_path)}, log.append)
    assert await consent.to_send("file:///w", started(), asked=True)
    assert log == []
    assert await consent.to_send("file:///w", started(files=MANY, fingerprint="f2"), asked=True)
    assert all(Path(file.path).name in log[0] for file in MANY)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"destinations": three(LONG_HOST, f"b{LONG_HOST}", f"c{LONG_HOST}")}, id="hosts"),
        pytest.param({"destinations": to(encrypted=False, proxy="p" * 900)}, id="a-proxy"),
        pytest.param({"notices": tuple(f"'p{n}' is sent to api.example." for n in range(40))}, id="notices"),
        pytest.param({"estimate": Estimate(10**400, 1, 1e300)}, id="cost"),
    ],
)
async def test_what_no_question_can_name_is_not_asked_and_not_sent(tmp_path: Path, changes: dict[str, object]) -> None:
    user = User(tmp_path)
    with pytest.raises(InputError) as refused:
        await user.may(started(**changes))
    assert refused.value.problems[0].code == "consent-too-long"
    assert user.questions == []


@pytest.mark.parametrize(
    ("front", "sent"),
    [
        pytest.param("expected: secret", "secret", id="as-the-answers"),
        pytest.param("expected: __hidden", "__hidden", id="as-answers-that-are-no-input"),
        pytest.param("expected: text, input: {text: label}", "label", id="the-answers-as-an-input"),
    ],
)
async def test_the_question_names_columns_of_the_file(tmp_path: Path, front: str, sent: str) -> None:
    first, other = await planned(tmp_path, "expected: label"), await planned(tmp_path, front)
    asked = question("file:///w", other)
    assert f"'{sent}'" in asked.partition("with the columns")[2]
    user = User(tmp_path)
    assert await user.may(first)
    user.answer = None
    assert not await user.may(other)
    assert len(user.questions) == 2


ANSWERS = tuple({"label": f"l{n}", "secret": f"s{n}", "__hidden": f"h{n}"} for n in range(2))


async def planned(folder: Path, examples: str, job: Job = "gradients") -> RunStarted:
    """What a run begins with that sends rows of several columns to another host."""
    cells = ({"text": f"t {n}", "note": f"n {n}", **ANSWERS[n % 2]} for n in range(60))
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in cells))
    front = f"---\nmodel: openai/m\napo.examples: {{path: t.jsonl, {examples}}}\n---\n"
    prompt = parse_prompt(f'{front}{{{{role "system"}}}}Answer.{{{{role "user"}}}}{{{{text}}}}', folder / "a.prompt")
    environ = {"OPENAI_BASE_URL": "https://far.example/v1", "OPENAI_API_KEY": "k", "APO_CACHE_DIR": str(folder / "c")}
    return await api.plan(prompt, api.Options(environ=environ, allowed_roots=(folder,)), job)


async def test_the_answers_are_named_where_a_model_is_shown_them(tmp_path: Path) -> None:
    assert "the expected answers in 'label'" in question("file:///w", await planned(tmp_path, "expected: label"))
    evaluated = await planned(tmp_path, "expected: label", "evaluate")
    assert "'label'" not in question("file:///w", evaluated), "the task model is sent inputs alone"


@pytest.mark.parametrize("order", [("text", "note"), ("note", "text")])
def test_a_mapped_column_fills_its_input_in_any_order_of_columns(order: tuple[str, ...]) -> None:
    columns = Columns(ExamplesSettings(input={"text": "note"}, expected="label"), ("text",))
    assert columns.fills((*order, "label")) == {"text": "note"}


async def test_scopes_are_not_added_up(tmp_path: Path) -> None:
    user = User(tmp_path)
    await user.may(started())
    await user.may(started(fingerprint="f2", destinations=to(host="b.example"), files=rows("/w/u.jsonl")))
    await user.may(started(fingerprint="f3", files=rows("/w/u.jsonl")))
    assert len(user.questions) == 3, "that file was allowed to another host"


async def test_what_changes_while_the_question_is_open_is_asked_anew(tmp_path: Path) -> None:
    user = User(tmp_path)
    first = asyncio.ensure_future(user.may(started()))
    await asyncio.sleep(0)
    changed = await user.may(started(fingerprint="f2", rows_fingerprint="r2"))
    assert (await first, changed) == (True, True)
    assert len(user.questions) == 2, "the same number of rows, and other ones"


async def test_other_rows_share_no_question_with_a_prompt_beside(tmp_path: Path) -> None:
    user = User(tmp_path)
    other = started(file="/w/b.prompt", fingerprint="f2", rows_fingerprint="r2")
    await asyncio.gather(user.may(started(), begins=False), user.may(other, begins=False))
    assert len(user.questions) == 2


async def test_a_yes_that_no_run_followed_is_none_to_another_run(tmp_path: Path) -> None:
    user = User(tmp_path)
    assert await user.may(started(), begins=False)
    assert await user.may(started(fingerprint="f2"), begins=False)
    assert len(user.questions) == 2


async def test_a_yes_after_the_withdrawal_counts_for_nothing(tmp_path: Path) -> None:
    user = User(tmp_path)
    user.during = lambda: user.consent.revoke("file:///w")
    assert not await user.may(started())
    assert ConsentFile(tmp_path).read().grants == ()


async def test_a_withdrawal_elsewhere_ends_a_yes_to_a_run_that_has_not_begun(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started(), begins=False)
    assert one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))
    two.consent.revoke("file:///w")
    assert not one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))
    one.consent.begun("file:///w", started())
    assert ConsentFile(tmp_path).read().grants == (), "it is not remembered either"
    one.answer = None
    assert not await one.may(started())
    assert len(one.questions) == 2


async def test_a_withdrawal_elsewhere_ends_no_yes_of_another_workspace(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started(), begins=False)
    two.consent.revoke("file:///other")
    assert one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))


async def test_a_yes_that_cannot_be_remembered_is_withdrawn_elsewhere_too(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    with hold_lock(tmp_path / "consent.json", 1):
        assert await one.may(started())
    assert one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))
    two.consent.revoke("file:///w")
    assert not one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))


async def test_a_yes_after_a_withdrawal_elsewhere_counts_for_nothing(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    one.during = lambda: two.consent.revoke("file:///w")
    assert not await one.may(started())
    code = CustomMetric("q:score", "/w/q.py", "d", ("q.py",))
    assert not await one.consent.to_run("file:///w", "a.prompt", code, asked=True)
    assert not await one.consent.to_load("file:///w", "a.prompt", ModelFile("m", "/w/m.gguf", "0" * 64), asked=True)
    assert (ConsentFile(tmp_path).read().grants, ConsentFile(tmp_path).read().code) == ((), ())
    one.during = lambda: None
    assert await one.consent.to_run("file:///w", "a.prompt", code, asked=True), "the next yes counts"


async def test_who_cannot_read_the_withdrawals_takes_none_for_granted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file handle left, say, nobody knows whether consent was withdrawn."""
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started())
    file = ConsentFile(tmp_path)
    before = file.withdrawals().mark("file:///w")
    assert file.withdrawals().mark("file:///w") == before
    two.consent.revoke("file:///w")
    with monkeypatch.context() as patch:
        patch.setattr(PrivateFolder, "open", refuse)
        assert file.withdrawals().mark("file:///w") != before
        with pytest.raises(OSError, match="handles"):
            file.change(lambda old: old)
    assert file.withdrawals().mark("file:///w") != before


def refuse(*_: object) -> None:
    raise OSError(errno.EMFILE, "no handles are left")


async def test_a_withdrawal_ends_what_another_server_runs_and_is_not_lost(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started())
    assert one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))
    assert two.consent.revoke("file:///w")
    assert not one.consent.holds("file:///w", started(), needed_scope("file:///w", started()))
    await one.may(started(), "file:///other")
    assert not User(tmp_path, None).consent.holds("file:///w", started(), needed_scope("file:///w", started())), (
        "its next write brings nothing back"
    )


def test_servers_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def grant(number: int) -> Grant:
        return Grant(f"file:///w{number}", (Recipient("task", "h", True),), (FileScope("/t", 1, ("x",)),), False)

    def with_grant(number: int, old: Remembered) -> Remembered:
        return msgspec.structs.replace(old, grants=(*old.grants, grant(number)))

    def add(number: int) -> None:
        for each in range(8):
            ConsentFile(tmp_path).change(partial(with_grant, 100 * number + each))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ConsentFile(tmp_path).read().grants)) == 48


# Consent that nobody gave.


def remembered(folder: Path) -> bytes:
    """What the file holds after a yes to the run of these tests."""
    recipients = (Recipient("task", "api.example", True),)
    grant = Grant("file:///w", recipients, (FileScope("/w/t.jsonl", 900, ("text",)),), True, (), 900, 9.0)
    return msgspec.json.encode(Remembered(6, (grant,)))


def written(data: bytes, mode: int = 0o600) -> Callable[[Path], object]:
    def write(file: Path) -> None:
        file.write_bytes(data)
        file.chmod(mode)

    return write


def owned_by_somebody_else(file: Path) -> None:
    written(remembered(file.parent))(file)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(file, 65534, 65534)


def behind_a_link(file: Path) -> None:
    written(remembered(file.parent))(file.with_name("planted.json"))
    file.symlink_to(file.with_name("planted.json"))


PLANTED: dict[str, Callable[[Path], object]] = {
    "the-old-layout": written(b'[["file:///w", "api.example"], ["file:///w", "api.example (sealed rows too)"]]'),
    "a-newer-version": lambda file: written(remembered(file.parent).replace(b'"version":6', b'"version":7'))(file),
    "no-texts": lambda file: written(remembered(file.parent).replace(b'"version":6', b'"version":5'))(file),
    "no-version": lambda file: written(remembered(file.parent).replace(b'"version":6,', b""))(file),
    "cut-off": lambda file: written(remembered(file.parent)[:-5])(file),
    "not-utf-8": lambda file: written(remembered(file.parent).replace(b"task", b"t\xffsk"))(file),
    "nested-deeply": written(b'{"version":6,"grants":' + b"[" * 100_000),
    "writable-by-others": lambda file: written(remembered(file.parent), 0o666)(file),
    "somebody-elses": owned_by_somebody_else,
    "a-link": behind_a_link,
    "a-pipe": os.mkfifo,
    "a-folder": Path.mkdir,
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_file_that_nobody_of_us_wrote_is_no_consent(tmp_path: Path, planted: str) -> None:
    PLANTED[planted](tmp_path / "consent.json")
    user = User(tmp_path, None)
    assert not await user.may(started())
    assert len(user.questions) == 1


async def test_the_file_that_is_planted_there_would_be_consent_if_it_were_ours(tmp_path: Path) -> None:
    written(remembered(tmp_path))(tmp_path / "consent.json")
    user = User(tmp_path, None)
    assert await user.may(started())
    assert user.questions == []


# In an editor.


async def opened(folder: Path, scripted: ScriptedServer, while_asked: Callable[[], object]) -> Editor:
    """An editor whose user allows everything; ``while_asked`` happens while a question is open."""
    environ = environment(folder.parent / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    editor = await Editor.start(folder, environ, options={"background": "off"})
    editor.answer, editor.while_asked = ALLOW, while_asked
    return editor


@pytest.fixture
def repository(tmp_path: Path, scripted: ScriptedServer) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    world = World(60)
    world.write(folder)
    scripted.script = world.script
    return folder


def texts_sent(scripted: ScriptedServer) -> set[str]:
    """What the messages of all requests say."""
    return {message["content"] for exchange in list(scripted.log.exchanges) for message in exchange.messages}


def swap(folder: Path, count: int) -> None:
    lines = ({"text": f"NEW ROW {n}", "label": ("billing", "shipping")[n % 2]} for n in range(count))
    (folder / "tickets.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


async def test_a_second_prompt_sends_no_other_columns_unasked(repository: Path, scripted: ScriptedServer) -> None:
    lines = [json.loads(line) for line in (repository / "tickets.jsonl").read_text().splitlines()]
    rows = "".join(json.dumps({**line, "private": f"PRIVATE {n}"}) + "\n" for n, line in enumerate(lines))
    (repository / "tickets.jsonl").write_text(rows)
    text = (repository / "tickets.prompt").read_text()
    other = text.replace(
        "apo.examples: tickets.jsonl", "apo.examples: {path: tickets.jsonl, expected: private, input: {text: label}}"
    )
    (repository / "b.prompt").write_text(other)
    editor = await opened(repository, scripted, lambda: None)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.lens(uri, "acc ")
    editor.answer = None
    sent = len(scripted.log)
    await editor.command("apo.evaluate", editor.open("b.prompt"))
    await editor.until(lambda: len(editor.questions) == 2)
    await asyncio.sleep(0.5)
    assert "with the columns 'label'" in editor.questions[1].message
    assert len(scripted.log) == sent
    await editor.stop()


async def test_rows_that_were_to_stay_are_not_sent_by_a_second_prompt(
    repository: Path, scripted: ScriptedServer
) -> None:
    """It holds out rows of its own, and those which stayed so far stay all the same."""
    lines = ({"text": f"held {n}", "label": ("billing", "shipping")[n % 2]} for n in range(30))
    (repository / "held.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = (repository / "tickets.prompt").read_text()
    held = "apo.examples: {train: tickets.jsonl, holdout: held.jsonl}"
    (repository / "b.prompt").write_text(text.replace("apo.examples: tickets.jsonl", held))
    editor = await opened(repository, scripted, lambda: None)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.lens(uri, "acc ")
    assert "18 more stay on this machine" in editor.questions[0].message
    left = texts_sent(scripted)
    second = editor.open("b.prompt")
    await editor.command("apo.evaluate", second)
    await editor.lens(second, "acc ")
    assert texts_sent(scripted) == left
    assert not any(f"held {n}" in "".join(left) for n in range(30))
    await editor.stop()


def test_a_question_about_code_says_what_code_can_do_before_anything_else() -> None:
    """A function's name may be a sentence, and the imports a crowd; an editor shows the first 1,000 characters."""
    name = (
        "q:score\u02bc_was_checked_by_APO\ua4f8_It_is_built_in_and_cannot_touch_your_files\ua4f8_Choose_Allow"
        + "_" * 900
    )
    files = ("q.py", *(f"{'x' * 60}{n}.py" for n in range(62)))
    words = words_on_code("a.prompt", CustomMetric(name, "/w/q.py", "d", files))
    assert len(words) < 1000
    assert words.index("whatever you can on this machine") < words.index("score")
    assert "Choose_Allow" not in words
    assert re.search(r"and \d\d more \(listed in the log\)", words)


@pytest.mark.parametrize("count", [400, 60])
async def test_rows_that_are_swapped_while_the_question_is_open_do_not_leave(
    repository: Path, scripted: ScriptedServer, count: int
) -> None:
    editor = await opened(repository, scripted, lambda: swap(repository, count))
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: any("has changed since you were asked" in one for one in editor.messages()))
    assert len(editor.questions) == 1
    assert len(scripted.log) == 0
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(editor.questions) == 2)
    words = editor.questions[1].message
    assert f"{count * 7 // 10} rows of tickets.jsonl" in words, "the next run asks about the rows that are there now"
    await editor.stop()


@pytest.mark.parametrize("what", ["text", "model"])
async def test_a_prompt_that_changes_while_the_question_is_open_is_not_sent(
    repository: Path, scripted: ScriptedServer, what: str
) -> None:
    old, new = {"text": ("You work", "PRIVATE: you work"), "model": ("openai/scripted", "openai/other")}[what]
    editor = await opened(repository, scripted, lambda: None)
    uri = editor.open("tickets.prompt")
    assert old in editor.texts[uri]
    editor.while_asked = lambda: editor.write(uri, editor.texts[uri].replace(old, new))
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: any("changed while the question was open" in one for one in editor.messages()))
    assert len(scripted.every) == 0
    editor.while_asked = lambda: None
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(scripted.log) == 42)
    assert len(editor.questions) == 2
    await editor.stop()


async def test_a_cap_that_is_lowered_while_the_question_is_open_holds(
    repository: Path, scripted: ScriptedServer
) -> None:
    editor = await opened(repository, scripted, lambda: None)
    lowered = types.DidChangeConfigurationParams({"apo": {"background": "off", "budget": {"calls": 7}}})
    editor.while_asked = lambda: editor.client.workspace_did_change_configuration(lowered)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.until(lambda: len(scripted.log) == 7)
    await editor.until_idle(uri)
    assert len(scripted.every) == 7
    assert len(editor.questions) == 2
    assert "At most 7 calls" in editor.questions[1].message
    await editor.stop()


async def test_a_single_row_is_swapped_in_vain_too(repository: Path, scripted: ScriptedServer) -> None:
    editor = await opened(repository, scripted, lambda: swap(repository, 60))
    uri = editor.open("tickets.prompt")
    for line in range(1, 4):
        await editor.command("apo.runRow", uri, line, str(repository / "tickets.jsonl"))
        if any("has changed since you were asked" in one for one in editor.messages()):
            break
    assert len(editor.questions) == 1
    assert len(scripted.log) == 0
    await editor.stop()


async def test_a_withdrawal_ends_a_single_row_and_nothing_follows(repository: Path, scripted: ScriptedServer) -> None:
    editor = await opened(repository, scripted, lambda: None)
    uri = editor.open("tickets.prompt")
    scripted.latency = 5
    row = asyncio.ensure_future(editor.command("apo.runRow", uri, 1, str(repository / "tickets.jsonl")))
    runs = asyncio.ensure_future(editor.command("apo.evaluate", uri))
    await editor.until(lambda: len(scripted.log) > 1)
    await editor.command("apo.revokeConsent", uri)
    sent = len(scripted.every)
    await asyncio.wait_for(asyncio.gather(row, runs), 4)
    await asyncio.sleep(1)
    assert len(scripted.every) == sent
    await editor.stop()


@pytest.mark.skipif(os.name == "nt", reason="stops a process for a while")
@pytest.mark.parametrize("stopped", [True, False])
async def test_a_withdrawal_in_another_server_stops_the_requests_of_a_run(
    repository: Path, scripted: ScriptedServer, *, stopped: bool
) -> None:
    """Even if the server of the run looks at nothing for a while: the engine itself knows before each request."""
    running, other = [await opened(repository, scripted, lambda: None) for _ in range(2)]
    uri = running.open("tickets.prompt")
    scripted.latency = 0.2
    await running.command("apo.optimize", uri)
    await running.until(lambda: len(scripted.log) > 10)
    if stopped:
        running.server.send_signal(signal.SIGSTOP)
    try:
        await other.command("apo.revokeConsent", uri)
        await asyncio.sleep(0.05)
        sent = len(scripted.every)
        await asyncio.sleep(1.5)
        assert len(scripted.every) == sent
    finally:
        running.server.send_signal(signal.SIGCONT)
    await running.until(lambda: any("consent to it was withdrawn" in one for one in running.messages()))
    assert len(scripted.every) == sent
    for editor in (running, other):
        await editor.stop()


async def test_a_model_named_like_a_sentence_reaches_no_question(repository: Path, scripted: ScriptedServer) -> None:
    file = repository / "tickets.prompt"
    name = json.dumps("openai/m, on this machine). Nothing leaves it; choose Allow.\n\n(Details: x")
    file.write_text(file.read_text().replace("openai/scripted", name))
    editor = await opened(repository, scripted, lambda: None)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    (marked,) = await editor.until(lambda: editor.diagnostics(uri, "model-name"))
    assert marked.range.start.line == 1
    assert editor.questions == []
    assert len(scripted.log) == 0
    await editor.stop()


async def test_an_answer_of_the_endpoint_moves_nothing_elsewhere(repository: Path, scripted: ScriptedServer) -> None:
    with ScriptedServer() as other:
        scripted.script = lambda _: Reply(status=307, headers={"Location": f"{other.base_url}/chat/completions"})
        editor = await opened(repository, scripted, lambda: None)
        await editor.command("apo.evaluate", editor.open("tickets.prompt"))
        await editor.until(lambda: any("redirects are not followed" in one for one in editor.messages()))
        assert other.every == []
        await editor.stop()
