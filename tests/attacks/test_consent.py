"""Attacks on consent: what leaves is what was asked about, it goes where that was said, and names say nothing else."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pytest

from apo_engine import api
from apo_engine.cli.render_problems import problem_text
from apo_engine.models.address import Address
from apo_engine.models.budget import Budget, CallRole, Caps
from apo_engine.models.chat import ChatRequest, Message
from apo_engine.models.failure import FinalFailure
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.route import Route
from apo_engine.names import shown_name
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.announcement import announce
from apo_engine.runs.desk import open_desk
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from apo_engine.search.candidate import Candidate
from apo_engine.search.events import Destination, Estimate, FileRows, Job, RowCounts, RunStarted
from apo_engine.settings import Layer, resolve
from apo_server.consent import ALLOW, Consent
from apo_server.consent_file import ConsentFile, FileScope, Grant, Recipient, Remembered
from apo_server.consent_scope import question
from apo_server.logs import set_up_logs
from tests.scripted import Reply, ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

ASK = ChatRequest((Message("user", "hello"),))


# Names that would say something of their own.


def faults(front: str, folder: Path) -> list[tuple[str, int]]:
    """The codes and lines of what is wrong with a prompt of these settings."""
    text = f"---\n{front}\n---\n{{{{text}}}}\n"
    found = api.check(parse_prompt(text, folder / "a.prompt"))
    return [(problem.code, problem.place.line if problem.place else 0) for problem in found]


@pytest.mark.parametrize(
    ("front", "line"),
    [
        pytest.param('model: "openai/m, on this machine).\\nNothing leaves it. (x"', 2, id="model-line-break"),
        pytest.param('model: "openai/m\\u2028Nothing leaves."', 2, id="model-line-separator"),
        pytest.param('model: "openai/\\u202egnihton"', 2, id="model-turns-writing"),
        pytest.param('model: "openai/gpt-4.1\\u200b-mini"', 2, id="model-without-width"),
        pytest.param('model: "openai/\\e[2K\\rlocal"', 2, id="model-escape-sequence"),
        pytest.param("model: openai/m' to nobody. 'x", 2, id="model-closes-the-quotation"),
        pytest.param("model: openai/m” to nobody", 2, id="model-curly-quote"),
        pytest.param(f"model: openai/{'m' * 200}", 2, id="model-too-long"),
        pytest.param(f"model: embedded/{'m' * 1200}", 2, id="embedded-too-long"),
        pytest.param('seed: 1\napo.optimizer: {model: "far/x\\nAllow."}', 3, id="optimizer-line-break"),
        pytest.param('apo.judge:\n  rubric: Be kind.\n  model: "far/x\\tAllow."', 4, id="judge-tab"),
    ],
)
def test_a_models_name_that_is_a_sentence_is_refused_at_its_line(tmp_path: Path, front: str, line: int) -> None:
    assert ("model-name", line) in faults(front, tmp_path)


@pytest.mark.parametrize("layer", ["flag", "editor", "user", "environment"])
def test_such_a_name_is_refused_wherever_it_comes_from(layer: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve([Layer(layer, {"model": "openai/x\nNothing is sent."})])  # type: ignore[arg-type]
    assert caught.value.problems[0].code == "model-name"


@pytest.mark.parametrize(
    "name",
    ["openai/gpt-4.1-mini", "far/llama3:8b-q4_K_M", "openai/ft:gpt-4.1:acme::a1", "embedded/models/o'brien/x y.gguf"],
)
def test_the_names_that_models_have_are_none_of_these(tmp_path: Path, name: str) -> None:
    assert "model-name" not in [code for code, _ in faults(f"model: {json.dumps(name)}", tmp_path)]


def started(**changes: object) -> RunStarted:
    """A plan of 100 rows of /w/t.jsonl to one host."""
    rows = RowCounts(60, 40, 0)
    plan = RunStarted(
        run="r",
        job="evaluate",
        prompt=Candidate("s", "text", "seed"),
        task_model="openai/m",
        optimizer_model="openai/m",
        metric="label",
        labels=(),
        rows=rows,
        estimate=Estimate(100, 1000, 0.1),
        seed=0,
        destinations=(Destination("task", "openai/m", "api.example", rows, encrypted=True),),
        files=(FileRows("/w/t.jsonl", 100, 0, ("text",)),),
        file="/w/a.prompt",
        fingerprint="f1",
        rows_fingerprint="r1",
    )
    return msgspec.structs.replace(plan, **changes)


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        pytest.param("nothing", "'nothing'", id="a-word"),
        pytest.param("t.jsonl to nobody. Ignore", "'t.jsonl to nobody. Ignore'", id="a-sentence"),
        pytest.param("a' to nobody 'b.jsonl", "'a\\' to nobody \\'b.jsonl'", id="closing-quote"),
        pytest.param("a’ to nobody ‘b.jsonl", "'a\\’ to nobody \\‘b.jsonl'", id="curly-quote"),
        pytest.param(
            "a.jsonl\n\nAPO: nothing is sent", "'a.jsonl<U+000A><U+000A>APO: nothing is sent'", id="line-break"
        ),
        pytest.param("a\u202elnosj.jsonl", "'a<U+202E>lnosj.jsonl'", id="turned-writing"),
        pytest.param("a\x1b[2J.jsonl", "'a<U+001B>[2J.jsonl'", id="escape-sequence"),
        pytest.param("a" + 40 * " " + "b.jsonl", "'a b.jsonl'", id="pushed-out-of-sight"),
        pytest.param("a\u200bb.jsonl", "'a<U+200B>b.jsonl'", id="without-width"),
    ],
)
def test_a_files_name_says_nothing_of_its_own(file: str, shown: str) -> None:
    asked = question("file:///w", started(files=(FileRows(f"/w/{file}", 100, 0, ("text",)),)))
    assert f"and 100 rows of {shown} to api.example? " in asked
    assert "\n" not in asked


def test_a_long_name_loses_its_middle_and_keeps_its_end() -> None:
    shown = shown_name("safe-" + "a" * 5000 + ".prod-secrets.jsonl")
    assert len(shown) <= 64
    assert shown.startswith("safe-aaa")
    assert shown.endswith("prod-secrets.jsonl")
    assert "…" in shown


def test_a_column_and_a_prompt_say_nothing_of_their_own_either() -> None:
    files = (FileRows("/w/t.jsonl", 100, 0, ("text, no other column.\nAllow", "b")),)
    asked = question("file:///w", started(file="/w/x. Nothing leaves.prompt", files=files))
    assert asked.startswith("Send 'x. Nothing leaves.prompt' and ")
    assert "the columns 'text, no other column.<U+000A>Allow', 'b'," in asked


def test_two_files_of_one_name_are_told_apart() -> None:
    files = (FileRows("/w/a/t.jsonl", 1, 0, ("x",)), FileRows("/w/b/t.jsonl", 2, 0, ("x",)))
    asked = question("file:///w", started(files=files))
    assert "1 row of a/t.jsonl and 2 rows of b/t.jsonl" in asked
    outside = question("file:///w/deep", started(files=files))
    assert "1 row of /w/a/t.jsonl and 2 rows of /w/b/t.jsonl" in outside


def test_a_line_break_in_a_files_name_begins_no_line_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a.prompt:1:1: error\nAll is well"
    problem = Problem("x", f"There is no file {name}.", "Look.", Place(Path(name), 1, 1))
    first, second = problem_text(problem, sys.stdout).split("\n")
    assert "All is well" in first
    assert second == "  Look."


def test_a_line_break_in_a_name_begins_no_record_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        set_up_logs("warning")
        logging.getLogger("apo_server.x").warning("File %s is gone", "a\nERROR apo_server: consent given")
        root.handlers[0].flush()
    finally:
        root.handlers, root.level = before, level
    assert "a<U+000A>ERROR apo_server" in capfd.readouterr().err


# Where it goes.


@dataclass
class Project:
    """A prompt with rows and partials, whose plan can be made, changed and run."""

    folder: Path
    base_url: str
    editor: dict[str, object] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    front: str = ""
    text: str = "Answer yes or no. {{> more}}"

    def __post_init__(self) -> None:
        self.rows("row")
        (self.folder / "_more.prompt").write_text("Be short.")
        (self.folder / "meta").mkdir()

    def rows(self, word: str, count: int = 60, file: str = "t.jsonl") -> None:
        lines = ({"text": f"{word} {n}", "label": ("yes", "no")[n % 2]} for n in range(count))
        (self.folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def options(self, agreed: str | None = None) -> Options:
        environ = {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": "sk-test",
            "APO_CACHE_DIR": str(self.folder / "cache"),
            **self.environ,
        }
        return Options(editor=self.editor, environ=environ, allowed_roots=(self.folder,), agreed=agreed)

    def prompt(self) -> api.PromptFile:
        front = f"---\nmodel: openai/m\napo.examples: t.jsonl\n{self.front}\n---\n"
        text = f'{front}{{{{role "system"}}}}\n{self.text}\n{{{{role "user"}}}}\n{{{{text}}}}\n'
        return parse_prompt(text, self.folder / "a.prompt")

    async def plan(self, job: Job = "evaluate") -> RunStarted:
        return await api.plan(self.prompt(), self.options(), job)


@pytest.fixture
def place(tmp_path: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Project(tmp_path, scripted.base_url.replace("127.0.0.1", "0.0.0.0"))


def configure(place: Project, text: str) -> None:
    file = place.folder / "config" / "apo-language-server" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


async def test_an_endpoint_called_openai_is_named_by_its_real_host(place: Project) -> None:
    configure(place, "endpoints: {openai: {base_url: 'https://llm.corp.example/v1', key_env: OPENAI_API_KEY}}")
    place.base_url = "https://api.openai.com/v1"
    (sent,) = (await place.plan()).destinations
    assert sent.host == "llm.corp.example"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("https://api.openai.com@evil.example/v1", "evil.example", id="user-info"),
        pytest.param("https://api.openai.com:443@evil.example:8443/v1", "evil.example:8443", id="port-in-user-info"),
        pytest.param("https://аpi.openai.com/v1", "xn--pi-6kc.openai.com", id="cyrillic-letter"),
        pytest.param("https://API.OpenAI.com./v1", "api.openai.com", id="case-and-dot-at-the-end"),
        pytest.param("https://api.openai.com:443/v1", "api.openai.com", id="usual-port"),
        pytest.param("https://api.openai.com:444/v1", "api.openai.com:444", id="other-port"),
        pytest.param("http://evil.localhost/v1", "evil.localhost", id="below-localhost"),
        pytest.param("http://127.0.0.1.evil.example/v1", "127.0.0.1.evil.example", id="begins-like-loopback"),
        pytest.param("http://[::ffff:127.0.0.1]/v1", "[::ffff:7f00:1]", id="mapped-loopback"),
        pytest.param("http://2130706433/v1", "2130706433", id="decimal-loopback"),
    ],
)
async def test_the_host_that_is_shown_is_the_host_that_is_asked(place: Project, url: str, host: str) -> None:
    place.base_url = url
    plan = await place.plan()
    assert [one.host for one in plan.destinations] == [host]
    assert not plan.local
    assert f" to {host}? " in question("file:///w", plan)
    assert Address.parse(url).url.partition("://")[2].startswith(f"{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com%2eevil.example/v1",
        "https://a b.example/v1",
        "https://-a.example",
        f"https://{'a.' * 127}b",
    ],
)
def test_what_is_no_hosts_name_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        Address.parse(url)


async def test_a_proxy_that_reads_the_rows_is_named_without_its_password(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://ada:s3cr3t-pass@proxy.example:3128")
    place.base_url = "http://models.example/v1"
    (sent,) = (await place.plan()).destinations
    assert (sent.host, sent.encrypted, sent.proxy) == ("models.example", False, "proxy.example:3128")
    asked = question("file:///w", await place.plan())
    assert "the proxy proxy.example:3128 can read it" in asked
    assert "s3cr3t" not in asked
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    place.base_url = "https://models.example/v1"
    (through,) = (await place.plan()).destinations
    assert (through.encrypted, through.proxy) == (True, ""), "a tunnel is not read"


async def test_a_proxy_that_turns_up_after_the_plan_gets_nothing(
    place: Project, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = OpenAIChat("openai/m", model_id="m", address=Address.parse(place.base_url), key="k")
    with ScriptedServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert (await model.complete(ASK)).text == "yes"
        assert (len(scripted.log), proxy.every) == (1, [])
    await model.close()


async def test_a_judge_and_an_optimizer_elsewhere_are_named_with_their_rows(place: Project) -> None:
    far = "{base_url: 'https://far.example/v1', key_env: OPENAI_API_KEY}"
    configure(place, f"endpoints: {{far: {far}, judge: {far.replace('far', 'judge')}}}")
    place.front = "apo.metric: judge\napo.judge: {rubric: Be kind., model: judge/j}\napo.optimizer: far/o"
    plan = await place.plan("optimize")
    sent = {one.role: (one.host, sum(msgspec.structs.astuple(one.rows))) for one in plan.destinations}
    assert sent == {
        "task": (Address.parse(place.base_url).host, 60),
        "optimizer": ("far.example", plan.rows.critique),
        "judge": ("judge.example", 60),
    }


# Nothing goes anywhere else.


def door(model: OpenAIChat, routes: dict[CallRole, frozenset[Route]]) -> Gateway:
    return Gateway(model, cache=None, budget=Budget(Caps()), limiter=Limiter(4, backoff=0.001), routes=routes)


@pytest.mark.parametrize("agreed", ["another-host", "another-role", "only-encrypted", "nobody"])
async def test_a_gateway_lets_nothing_through_that_was_not_agreed(
    place: Project, scripted: ScriptedServer, agreed: str
) -> None:
    model = OpenAIChat("openai/m", model_id="m", address=Address.parse(place.base_url), key="k")
    route = model.route
    routes: dict[str, dict[CallRole, frozenset[Route]]] = {
        "another-host": {"judge": frozenset({Route("far.example", encrypted=False)})},
        "another-role": {"task": frozenset({route})},
        "only-encrypted": {"judge": frozenset({Route(route.host, encrypted=True)})},
        "nobody": {},
    }
    with pytest.raises(FinalFailure) as caught:
        await door(model, routes[agreed]).complete("judge", ASK)
    assert caught.value.problems[0].code == "destination-refused"
    assert len(scripted.every) == 0
    assert (await door(model, {"judge": frozenset({route})}).complete("judge", ASK)).text == "yes"
    await model.close()


@pytest.mark.parametrize("elsewhere", ["other-host", "other-port"])
async def test_a_transport_stops_what_the_sdk_would_send_elsewhere(
    place: Project, scripted: ScriptedServer, elsewhere: str
) -> None:
    with ScriptedServer() as other:
        host = scripted.base_url.replace("127.0.0.1", "localhost") if elsewhere == "other-host" else other.base_url
        model = OpenAIChat("openai/m", model_id="m", address=Address.parse(scripted.base_url), key="k")
        client = await model._client()
        with pytest.raises(FinalFailure) as caught:
            await model._send(client.post, f"{host}/chat/completions", 5, body={})
        assert caught.value.problems[0].code == "destination-refused"
        assert (scripted.every, other.every) == ([], [])
        await model.close()


async def test_a_listing_of_models_takes_the_key_to_nobody_else(scripted: ScriptedServer, place: Project) -> None:
    with ScriptedServer() as other:
        model = OpenAIChat("openai/m", model_id="m", address=Address.parse(scripted.base_url), key="k")
        client = await model._client()
        client.base_url = other.base_url
        with pytest.raises(FinalFailure):
            await model.model_ids(5)
        assert (scripted.every, other.every) == ([], [])
        await model.close()


# What changed since the question.


def linked(place: Project) -> None:
    place.rows("other", file="u.jsonl")
    (place.folder / "t.jsonl").unlink()
    (place.folder / "t.jsonl").symlink_to(place.folder / "u.jsonl")


CHANGES: dict[str, Callable[[Project], object]] = {
    "as-many-other-rows": lambda place: place.rows("other"),
    "more-rows": lambda place: place.rows("row", 61),
    "fewer-rows": lambda place: place.rows("row", 59),
    "rows-behind-a-link": linked,
    "the-prompt": lambda place: setattr(place, "text", "Tell me all. {{> more}}"),
    "a-partial": lambda place: (place.folder / "_more.prompt").write_text("Repeat: AKIA"),
    "the-model": lambda place: setattr(place, "front", "config: {temperature: 0.5}"),
    "the-optimizer": lambda place: place.editor.update(optimizer={"model": "openai/other"}),
    "a-meta-prompt": lambda place: place.editor.update(optimizer={"meta": "meta"}) or critic(place, "Send it to me."),
    "the-endpoint": lambda place: setattr(place, "base_url", place.base_url.replace("0.0.0.0", "0.0.0.0.")),
    "the-endpoints-path": lambda place: setattr(place, "base_url", f"{place.base_url}/tenant"),
    "a-cap": lambda place: place.editor.update(budget={"calls": 5000}),
    "the-config-file": lambda place: configure(
        place, f"endpoints: {{openai: {{base_url: '{place.base_url}/x', key_env: OPENAI_API_KEY}}}}"
    ),
}


def critic(place: Project, text: str) -> None:
    built_in = Path(api.__file__).parent / "search" / "meta" / "critic.prompt"
    (place.folder / "meta" / "critic.prompt").write_text(built_in.read_text("utf-8") + text, "utf-8")


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "the-endpoint"])
async def test_a_run_sends_what_was_asked_about_or_nothing(
    place: Project, scripted: ScriptedServer, change: str
) -> None:
    agreed = (await place.plan("gradients")).fingerprint
    CHANGES[change](place)
    run = api.gradients(place.prompt(), place.options(agreed), fixes=True)
    with pytest.raises(InputError) as caught:
        await run
    assert caught.value.problems[0].code == "consent-stale"
    assert len(scripted.every) == 0


async def test_an_unchanged_run_is_let_through(place: Project, scripted: ScriptedServer) -> None:
    agreed = (await place.plan()).fingerprint
    place.editor["concurrency"] = 3
    assert (await api.evaluate(place.prompt(), place.options(agreed))).spent.calls["task"] == 42
    assert len(scripted.log) == 42


async def test_a_partial_that_changes_after_the_plan_is_not_read_again(
    place: Project, scripted: ScriptedServer
) -> None:
    plan = await make_plan("evaluate", place.prompt(), place.options())
    async with open_desk(plan, place.options(announce(plan).fingerprint), lambda _: None) as desk:
        (place.folder / "_more.prompt").write_text("AKIA-SECRET")
        await desk.evaluator.score(plan.prompt, plan.open_rows[:3])
    assert len(scripted.log) == 3
    assert "AKIA" not in str(scripted.log.bodies)


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


def rows(path: str = "/w/t.jsonl", shown: int = 100, columns: tuple[str, ...] = ("text",), target: str = "") -> object:
    return (FileRows(path, shown, 0, columns, target),)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        pytest.param({"rows_fingerprint": "r2"}, False, id="edited-rows"),
        pytest.param({"files": rows(shown=150)}, False, id="some-more-rows"),
        pytest.param({"files": rows(shown=201)}, True, id="many-more-rows"),
        pytest.param({"files": rows("/w/u.jsonl")}, True, id="another-file"),
        pytest.param({"files": rows(target="/w/secret.jsonl")}, True, id="a-link-under-the-same-name"),
        pytest.param({"files": rows(columns=("text", "email"))}, True, id="a-new-column"),
        pytest.param({"destinations": to(host="api.example:444")}, True, id="another-port"),
        pytest.param({"destinations": to(host="evil.example")}, True, id="another-host"),
        pytest.param({"destinations": to(role="judge")}, True, id="another-role"),
        pytest.param({"destinations": to(encrypted=False)}, True, id="no-longer-encrypted"),
        pytest.param({"destinations": to(proxy="proxy.example")}, True, id="read-by-a-proxy"),
        pytest.param({"destinations": to(rows=RowCounts(60, 40, 20))}, True, id="sealed-rows"),
        pytest.param({"destinations": (*to(), *to(role="optimizer", host="b.example"))}, True, id="one-host-more"),
    ],
)
async def test_a_remembered_yes_covers_its_scope_and_no_more(
    tmp_path: Path, changes: dict[str, object], asks: bool
) -> None:
    assert await User(tmp_path).may(started())
    later = User(tmp_path, None)
    assert await later.may(started(fingerprint="f2", **changes)) is not asks
    assert len(later.questions) == asks


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
    assert not (tmp_path / "consent.json").exists()


async def test_a_withdrawal_ends_what_another_server_runs_and_is_not_lost(tmp_path: Path) -> None:
    one, two = User(tmp_path), User(tmp_path)
    assert await one.may(started())
    assert one.consent.holds("file:///w", started())
    assert two.consent.revoke("file:///w")
    assert not one.consent.holds("file:///w", started())
    await one.may(started(), "file:///other")
    assert not User(tmp_path, None).consent.holds("file:///w", started()), "its next write brings nothing back"


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
    grant = Grant("file:///w", recipients, (FileScope("/w/t.jsonl", 900, ("text",)),), True)
    return msgspec.json.encode(Remembered(2, (grant,)))


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
    "a-newer-version": lambda file: written(remembered(file.parent).replace(b'"version":2', b'"version":3'))(file),
    "no-version": lambda file: written(remembered(file.parent).replace(b'"version":2,', b""))(file),
    "cut-off": lambda file: written(remembered(file.parent)[:-5])(file),
    "not-utf-8": lambda file: written(remembered(file.parent).replace(b"task", b"t\xffsk"))(file),
    "nested-deeply": written(b'{"version":2,"grants":' + b"[" * 100_000),
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


def swap(folder: Path, count: int) -> None:
    lines = ({"text": f"NEW ROW {n}", "label": ("billing", "shipping")[n % 2]} for n in range(count))
    (folder / "tickets.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


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
