"""From names to models."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from apo_engine.models.endpoints import Endpoint, list_models, open_model
from apo_engine.models.failure import FinalFailure
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.reachable import EndpointStatus
from apo_engine.problems import ApoError, InputError, ModelError, Problem
from tests.engine.models.support import KEY, Canned, ask
from tests.scripted import ScriptedServer, html


def _open(name: str | None, environ: dict[str, str] | None = None, **endpoints: Endpoint) -> OpenAIChat:
    model = open_model(name, environ=environ or {}, endpoints=endpoints, cache_dir=Path("unused"), concurrency=4)
    assert isinstance(model, OpenAIChat)
    return model


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """A stand-in for the embedded runtime, which is an extra: what it is asked to load."""
    loaded: list[tuple[str, Path]] = []

    def load_embedded(name: str, cache_dir: Path, *_: object) -> Canned:
        loaded.append((name, cache_dir))
        return Canned()

    module = types.ModuleType("apo_engine.models.embedded")
    module.load_embedded = load_embedded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apo_engine.models.embedded", module)
    return loaded


def test_openai_models_take_key_and_address_from_the_environment() -> None:
    model = _open("openai/gpt-4.1-mini", {"OPENAI_API_KEY": KEY})
    assert (model.name, model.model_id, model.base_url, model.local) == (
        "openai/gpt-4.1-mini",
        "gpt-4.1-mini",
        "https://api.openai.com/v1",
        False,
    )
    other = _open("openai/org/model:tag", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://host:8443/v1/"})
    assert (other.model_id, other.base_url) == ("org/model:tag", "https://host:8443/v1")
    assert model.identity != other.identity


async def test_a_loopback_address_needs_no_key(scripted: ScriptedServer) -> None:
    model = _open("openai/scripted", {"OPENAI_BASE_URL": scripted.base_url})
    assert model.local
    assert (await model.complete(ask())).text == "yes"
    await model.close()


async def test_named_endpoints_have_their_own_address_and_key(scripted: ScriptedServer) -> None:
    scripted.key = "sk-of-mine"
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "MINE": "sk-of-mine"}
    model = _open("mine/some/model", environ, mine=Endpoint(scripted.base_url, "MINE"))
    assert (await model.complete(ask())).text == "yes"
    assert scripted.log[0].body["model"] == "some/model"
    await model.close()


async def test_a_named_endpoint_without_a_key_never_gets_anothers(scripted: ScriptedServer) -> None:
    model = _open("mine/m", {"OPENAI_API_KEY": KEY}, mine=Endpoint(scripted.base_url))
    await model.complete(ask())
    assert KEY not in str(scripted.log[0].headers)
    await model.close()


@pytest.mark.parametrize(
    ("name", "environ", "error", "says"),
    [
        ("openai/gpt-4.1-mini", {}, FinalFailure, "Set OPENAI_API_KEY"),
        ("openai/m", {"OPENAI_BASE_URL": "https://elsewhere/v1"}, FinalFailure, "Set OPENAI_API_KEY"),
        ("openai/m", {"OPENAI_API_KEY": "  "}, FinalFailure, "Set OPENAI_API_KEY"),
        ("openai/m", {"OPENAI_API_KEY": "sk-ключ"}, FinalFailure, "characters that no key has"),
        ("gone/m", {}, FinalFailure, "Set GONE_KEY"),
        ("openai/m", {"OPENAI_BASE_URL": "sk-no-url", "OPENAI_API_KEY": KEY}, InputError, "OPENAI_BASE_URL"),
        ("openai/m", {"OPENAI_BASE_URL": "http://host:port/v1", "OPENAI_API_KEY": KEY}, InputError, "OPENAI_BASE_URL"),
        ("gpt-4.1-mini", {}, InputError, "openai/, gone/, embedded/"),
        ("openai/", {}, InputError, "provider/name"),
        ("nobody/m", {}, InputError, "`apo models`"),
        ("", {}, InputError, "provider/name"),
        (None, {"OPENAI_API_KEY": KEY}, InputError, "No model is named"),
        (None, {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, InputError, "No model is named"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_told_with_its_remedy_and_no_key(
    name: str | None, environ: dict[str, str], error: type[ApoError], says: str
) -> None:
    with pytest.raises(error) as caught:
        _open(name, environ, gone=Endpoint("https://gone.example/v1", "GONE_KEY"))
    assert says in str(caught.value)
    assert caught.value.problems[0].remedy
    assert "sk-" not in str(caught.value)


def test_the_embedded_model_is_the_default_without_key_and_address(
    embedded: list[tuple[str, Path]], tmp_path: Path
) -> None:
    for name in (None, "embedded/models/own.gguf"):
        open_model(name, environ={}, endpoints={}, cache_dir=tmp_path, concurrency=4)
    assert embedded == [("embedded/gemma-3-270m", tmp_path), ("embedded/models/own.gguf", tmp_path)]


async def test_what_is_reachable_is_listed_with_models_and_what_is_not_with_its_reason(
    scripted: ScriptedServer, embedded: list[tuple[str, Path]], tmp_path: Path
) -> None:
    scripted.models = ("b-model", "a-model")
    with ScriptedServer() as web, ScriptedServer(key="other") as locked:
        web.reply_to = lambda exchange: html()  # type: ignore[method-assign]
        listed = await list_models(
            environ={"OPENAI_BASE_URL": scripted.base_url, "LOCKED": KEY},
            endpoints={
                "locked": Endpoint(locked.base_url, "LOCKED"),
                "web": Endpoint(web.base_url),
                "gone": Endpoint("http://user:hunter2@127.0.0.1:9/v1"),
                "odd": Endpoint("ftp://x"),
                "keyless": Endpoint("https://keyless.example/v1", "NO_SUCH_KEY"),
            },
            cache_dir=tmp_path,
        )
    by_name = {status.name: status for status in listed}
    assert [status.name for status in listed if status.reachable] == ["openai", "embedded"]
    assert [model.name for model in by_name["openai"].models] == ["openai/a-model", "openai/b-model"]
    assert [model.name for model in by_name["embedded"].models] == ["embedded/gemma-3-270m"]
    reasons = {status.name: status.reason for status in listed if not status.reachable}
    assert set(reasons) == {"locked", "web", "gone", "odd", "keyless"}
    assert "LOCKED" in reasons["locked"]
    assert "a web page" in reasons["web"]
    assert "NO_SUCH_KEY" in reasons["keyless"]
    assert {name: status.code for name, status in by_name.items() if not status.reachable} == {
        "locked": "model-unauthorized",
        "web": "model-answer-not-json",
        "gone": "model-unreachable",
        "odd": "endpoint-address",
        "keyless": "model-key-missing",
    }
    assert KEY not in repr(listed)
    assert "hunter2" not in repr(listed)


async def test_a_runtime_that_is_not_installed_is_a_reason_not_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load_embedded(name: str, cache_dir: Path, *_: object) -> Canned:
        raise ModelError(Problem("no-runtime", "Not installed.", 'Run pip install "apo-language-server[local]".'))

    module = types.ModuleType("apo_engine.models.embedded")
    module.load_embedded = load_embedded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apo_engine.models.embedded", module)
    listed = await list_models(environ={}, endpoints={}, cache_dir=tmp_path)
    assert listed[1] == EndpointStatus(
        "embedded",
        "this machine",
        False,
        'Not installed. Run pip install "apo-language-server[local]".',
        code="no-runtime",
    )
    assert "OPENAI_API_KEY" in listed[0].reason
