"""Attacks on where data goes: another host than the one shown, and other rows than those asked about."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from apo_engine import api
from apo_engine.models.address import Address
from apo_engine.models.budget import Budget, CallRole, Caps
from apo_engine.models.chat import ChatRequest, Message
from apo_engine.models.failure import FinalFailure
from apo_engine.models.gateway import Gateway
from apo_engine.models.limits import Limiter
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.route import Route
from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.announcement import announce
from apo_engine.runs.desk import open_desk
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from apo_engine.search.events import Job, RunStarted
from apo_server.consent_scope import question
from tests.scripted import ScriptedServer

ASK = ChatRequest((Message("user", "hello"),))


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
