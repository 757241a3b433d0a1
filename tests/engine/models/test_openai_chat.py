"""The OpenAI-compatible chat model, with the real SDK over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from apo_engine.models.address import Address
from apo_engine.models.chat import ChatModel, ChatRequest, Message, Remote, Usage
from apo_engine.models.failure import CallFailure, FinalFailure, TransientFailure
from apo_engine.problems import InputError
from tests.engine.models.support import KEY, ask, chat, complete
from tests.scripted import (
    Reply,
    ScriptedServer,
    content_filtered,
    empty_choices,
    hang,
    html,
    not_found,
    rejects,
    reset,
    server_error,
    throttled,
    truncated,
    unauthorized,
)
from tests.scripted.reply import cut_connection, failure


async def test_an_answer_comes_with_its_text_finish_and_tokens(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: Reply("four", usage=(11, 3), finish="length")
    model = chat(scripted)
    answer = await model.complete(ask("2 + 2?"))
    assert (answer.text, answer.finish, answer.usage, answer.cached) == ("four", "length", Usage(11, 3), False)
    await model.close()


async def test_roles_and_parameters_go_out_in_the_protocols_terms(scripted: ScriptedServer) -> None:
    model = chat(scripted)
    messages = (Message("system", "s"), Message("user", "u"), Message("model", "m"), Message("user", "v"))
    params = {
        "temperature": 0.5,
        "maxOutputTokens": 7,
        "topP": 0.9,
        "topK": 5,
        "stopSequences": ["\n"],
        "seed": 3,
        "reasoning_effort": "low",
        "user": None,
    }
    await model.complete(ChatRequest(messages, params))
    body = scripted.log[0].body
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    del body["messages"]
    assert body == {
        "model": "scripted",
        "temperature": 0.5,
        "max_tokens": 7,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["\n"],
        "seed": 3,
        "reasoning_effort": "low",
    }
    assert scripted.log[0].headers["authorization"] == f"Bearer {KEY}"
    await model.close()


async def test_one_answer_is_asked_for_as_a_whole_whatever_a_prompt_says(scripted: ScriptedServer) -> None:
    model = chat(scripted)
    for wanted in ({"n": 5}, {"best_of": 9}, {"candidateCount": 3}, {"stream": True}, {"stream_options": {}}):
        with pytest.raises(InputError):
            await model.complete(ask(temperature=0, **wanted))
    assert len(scripted.log) == 0
    assert (await model.complete(ask(temperature=0, n=1, stream=False))).text == "yes"
    assert scripted.log[0].body.keys() == {"model", "messages", "temperature"}
    await model.close()


async def test_a_bound_that_is_known_by_neither_name_is_not_left_out(scripted: ScriptedServer) -> None:
    """A cap may rest on it."""
    scripted.script = _knows("temperature")
    model = chat(scripted, "boundless")
    with pytest.raises(FinalFailure, match="max_completion_tokens"):
        await complete(model, ask(maxOutputTokens=9))
    assert len(scripted.log) == 2
    await model.close()


async def test_no_parameter_can_replace_the_model_or_the_messages(scripted: ScriptedServer) -> None:
    model = chat(scripted)
    for name, value in (("model", "other"), ("messages", [])):
        with pytest.raises(InputError, match="set by every request itself"):
            await model.complete(ask("mine", **{name: value}))
    assert len(scripted.log) == 0
    await model.close()


async def test_missing_usage_is_estimated_and_marked(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: Reply("x" * 40, usage=None)
    model = chat(scripted)
    usage = (await model.complete(ask("y" * 400))).usage
    assert usage == Usage(100, 10, estimated=True)
    await model.close()


def _knows(*known: str) -> Callable[[dict[str, Any]], str | Reply]:
    def script(request: dict[str, Any]) -> str | Reply:
        for name in sorted(request.keys() - {"model", "messages", *known}):
            return rejects(name, "max_completion_tokens" if name == "max_tokens" else None)
        return "fine"

    return script


async def test_parameters_that_a_model_does_not_know_are_dropped_or_renamed_once(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script = _knows("max_completion_tokens")
    first, params = chat(scripted, "reasoner"), {"temperature": 0, "maxOutputTokens": 9}
    assert (await complete(first, ask(**params))).text == "fine"
    assert len(scripted.log) == 3
    assert [record.getMessage() for record in caplog.records if record.name.startswith("apo_engine")] == [
        "'reasoner' does not accept 'temperature'; it is left out from now on."
    ]
    again = chat(scripted, "reasoner")
    await again.complete(ask("more", **params))
    assert len(scripted.log) == 4
    assert scripted.log[3].body["max_completion_tokens"] == 9
    assert "temperature" not in scripted.log[3].body
    other = chat(scripted, "another")
    await complete(other, ask(temperature=0))
    assert "temperature" in scripted.log[4].body
    for model in (first, again, other):
        await model.close()


async def test_what_a_filter_keeps_from_the_model_is_an_answer_with_nothing_in_it(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: content_filtered()
    model = chat(scripted)
    answer = await model.complete(ask("of bombs"))
    assert (answer.text, answer.finish, answer.usage.estimated) == ("", "content_filter", True)
    assert len(scripted.log) == 1
    await model.close()


async def test_many_requests_refused_at_once_all_find_the_way(scripted: ScriptedServer) -> None:
    scripted.script = _knows("max_completion_tokens")
    scripted.latency = 0.02
    model = chat(scripted, "busy")
    answers = await asyncio.gather(
        *(complete(model, ask(str(i), temperature=0, top_p=1, max_tokens=3)) for i in range(16))
    )
    assert {answer.text for answer in answers} == {"fine"}
    await model.close()


@pytest.mark.parametrize(
    "reply",
    [
        failure(400, "temperature must be at most 2", param="temperature", code="decimal_above_max_value"),
        failure(400, "Unsupported parameter: 'verbosity'", param="verbosity"),
        failure(400, "The context is too long"),
        failure(422, "Unsupported: nothing that was sent"),
    ],
)
async def test_other_refusals_are_final_and_say_why(scripted: ScriptedServer, reply: Reply) -> None:
    scripted.script = lambda request: reply
    model = chat(scripted, "strict")
    with pytest.raises(FinalFailure) as caught:
        await model.complete(ask(temperature=9, verbosity="low"))
    assert len(scripted.log) == 1
    assert caught.value.problems[0].code == "model-refused"
    assert "config" in caught.value.problems[0].remedy
    await model.close()


FAULTS: list[tuple[Reply, type[CallFailure], str, str]] = [
    (unauthorized(KEY), FinalFailure, "model-unauthorized", "OPENAI_API_KEY"),
    (failure(403, f"Key {KEY} may not"), FinalFailure, "model-forbidden", "OPENAI_API_KEY"),
    (not_found(), FinalFailure, "model-not-found", "`apo models`"),
    (Reply(status=407), FinalFailure, "model-proxy", "HTTPS_PROXY"),
    (failure(429, "No credit", code="insufficient_quota"), FinalFailure, "model-out-of-credit", "credit"),
    (Reply(status=307, headers={"Location": "http://127.0.0.1:9/"}), FinalFailure, "model-redirect", "OPENAI_BASE_URL"),
    (html(), TransientFailure, "model-answer-not-json", "OPENAI_BASE_URL"),
    (Reply(body=b""), TransientFailure, "model-answer-not-json", "OPENAI_BASE_URL"),
    (Reply(body=b"[]"), TransientFailure, "model-answer-empty", "`apo models`"),
    (empty_choices(), TransientFailure, "model-answer-empty", "`apo models`"),
    (throttled(), TransientFailure, "model-throttled", "concurrency"),
    (Reply(body=b'{"error": {"code": 429, "message": "slow"}}'), TransientFailure, "model-throttled", "concurrency"),
    (server_error(), TransientFailure, "model-server-error", "later"),
    (html(502), TransientFailure, "model-server-error", "later"),
    (truncated(), TransientFailure, "model-answer-cut", "again"),
    (cut_connection(), TransientFailure, "model-unreachable", "OPENAI_BASE_URL"),
    (reset(), TransientFailure, "model-unreachable", "OPENAI_BASE_URL"),
    (hang(), TransientFailure, "model-timeout", "faster"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "kind", "code", "remedy"), FAULTS, ids=lambda value: str(value)[:24])
async def test_every_fault_is_named_with_host_model_and_remedy_and_without_the_key(
    scripted: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    kind: type[CallFailure],
    code: str,
    remedy: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.script = lambda request: reply
    model = chat(scripted, "tested", read_seconds=2)
    with pytest.raises(kind) as caught:
        await model.complete(ask())
    problem = caught.value.problems[0]
    assert problem.code == code
    assert f"127.0.0.1:{scripted.port}" in problem.message
    assert "'tested'" in problem.message
    assert remedy in problem.remedy
    assert KEY not in str(caught.value) + caplog.text
    assert len(scripted.log) == 1
    await model.close()


async def test_a_key_of_any_shape_is_struck_out_of_an_endpoints_words(scripted: ScriptedServer) -> None:
    key = "0a1b2c3d4e5f"
    scripted.script = lambda request: failure(400, f"Unknown tenant for {key}, {KEY} or Bearer abc.def")
    model = chat(scripted, key=key)
    with pytest.raises(FinalFailure) as caught:
        await model.complete(ask())
    assert "Unknown tenant for [key], [key] or [key]" in str(caught.value)
    await model.close()


async def test_a_server_that_is_not_there_is_named_and_not_billed(scripted: ScriptedServer) -> None:
    scripted.stop()
    model = chat(scripted)
    with pytest.raises(TransientFailure) as caught:
        await model.complete(ask())
    assert caught.value.problems[0].code == "model-unreachable"
    assert not caught.value.charged
    await model.close()


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0.5"}, 0.5, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25, 0.25),
        (3600, 3500, 3600),
        (-60, 0, 0),
    ],
)
async def test_the_wait_an_endpoint_asks_for_is_understood(
    scripted: ScriptedServer, headers: dict[str, str] | int, low: float, high: float
) -> None:
    if isinstance(headers, int):  # seconds from now, as an HTTP date
        headers = {"Retry-After": formatdate(time.time() + headers, usegmt=True)}
    scripted.script = lambda request: failure(429, "slow", headers=headers)
    model = chat(scripted)
    with pytest.raises(TransientFailure) as caught:
        await model.complete(ask())
    assert caught.value.throttled
    assert caught.value.retry_after is not None
    assert low <= caught.value.retry_after <= high
    await model.close()


@pytest.mark.parametrize("asked", ["soon", "-1", "nan", "inf", ""])
async def test_a_senseless_wait_is_no_wait(scripted: ScriptedServer, asked: str) -> None:
    scripted.script = lambda request: throttled(asked)
    model = chat(scripted)
    with pytest.raises(TransientFailure) as caught:
        await model.complete(ask())
    assert caught.value.retry_after is None
    await model.close()


async def test_a_redirect_carries_nothing_to_another_host(scripted: ScriptedServer) -> None:
    with ScriptedServer() as elsewhere:
        target = elsewhere.base_url.replace("127.0.0.1", "localhost") + "/chat/completions"
        scripted.script = lambda request: Reply(status=308, headers={"Location": target})
        model = chat(scripted)
        with pytest.raises(FinalFailure):
            await model.complete(ask())
        assert len(elsewhere.log) == 0
        await model.close()


async def test_without_a_key_no_authorization_is_sent(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-from-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer stolen")
    model = chat(scripted, key=None)
    await model.complete(ask())
    assert "authorization" not in scripted.log[0].headers
    await model.close()


async def test_the_environments_headers_go_to_the_environments_endpoint_only(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway-Token: secret\nAuthorization: Bearer stolen")
    own, named = chat(scripted, ambient=True), chat(scripted, ambient=False)
    await own.complete(ask())
    await named.complete(ask())
    ours, theirs = scripted.log[0].headers, scripted.log[1].headers
    assert (ours["openai-organization"], ours["x-gateway-token"]) == ("org-1", "secret")
    assert not {"openai-organization", "x-gateway-token"} & theirs.keys()
    assert theirs["authorization"] == f"Bearer {KEY}"
    await own.close()
    await named.close()


async def test_credentials_in_the_address_authorize_and_stay_out_of_sight(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = Address.parse(scripted.base_url.replace("http://", "http://olga:s3cr3t%21@"))
    model = chat(scripted, address=address, key=None)
    await model.complete(ask())
    assert scripted.log[0].headers["authorization"].startswith("Basic ")
    scripted.script = lambda request: server_error()
    with pytest.raises(TransientFailure) as caught:
        await model.complete(ask())
    shown = f"{caught.value} {model.identity} {model.base_url} {address!r} {caplog.text}"
    assert "s3cr3t" not in shown
    assert "olga" not in shown
    await model.close()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://192.168.1.4:11434/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://127.0.0.1@example.com/v1", False),
    ],
)
def test_only_loopback_addresses_are_local(scripted: ScriptedServer, url: str, local: bool) -> None:
    assert chat(scripted, address=Address.parse(url)).local is local


@pytest.mark.parametrize(
    ("status", "kind"),
    [("407 Proxy Authentication Required", FinalFailure), ("503 Service Unavailable", TransientFailure)],
)
async def test_a_proxy_that_lets_nothing_through_is_named(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, status: str, kind: type[CallFailure]
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        model = chat(scripted, address=Address.parse("https://models.example/v1"))
        with pytest.raises(kind) as caught:
            await model.complete(ask())
        await model.close()
    problem = caught.value.problems[0]
    assert problem.code == "model-proxy"
    assert "models.example" in problem.message
    assert status in problem.message
    assert not caught.value.charged, "no model has seen the request"


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    model = chat(scripted)
    assert (await model.complete(ask())).text == "yes"
    await model.close()


async def test_it_keeps_the_models_promise_and_its_identity_tells_models_apart(scripted: ScriptedServer) -> None:
    one, two = chat(scripted, "one"), chat(scripted, "two")
    assert isinstance(one, ChatModel)
    assert isinstance(one, Remote)
    assert one.name == "openai/one"
    assert one.identity != two.identity
    assert KEY not in one.identity


async def test_connections_are_kept_and_thirty_two_requests_are_under_way_at_once(scripted: ScriptedServer) -> None:
    scripted.latency = 0.2
    model = chat(scripted)
    await asyncio.gather(*(model.complete(ask(str(i))) for i in range(32)))
    assert scripted.log.peak == 32
    await model.close()


@pytest.mark.parametrize("text", ["\ud800 alone", "zero\x00byte", "😀 \u202e"])
async def test_odd_characters_go_out_as_text(scripted: ScriptedServer, text: str) -> None:
    model = chat(scripted)
    await model.complete(ask(text))
    sent = scripted.log[0].messages[0]["content"]
    assert sent == text.replace("\ud800", "?")
    await model.close()


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (b'{"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}', "", "content_filter"),
        (b'{"choices": [{"message": {"content": null, "refusal": "No."}}]}', "No.", "refusal"),
        (b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]}', "ab", "stop"),
        (b'{"choices": [{"message": {"content": "a\\ud800b"}}]}', "a?b", "stop"),
        (b'{"choices": [{"message": {}}], "usage": {"total_tokens": 3}}', "", "stop"),
    ],
)
async def test_unusual_answers_are_read_as_what_they_say(
    scripted: ScriptedServer, body: bytes, text: str, finish: str
) -> None:
    scripted.script = lambda request: Reply(body=body)
    model = chat(scripted)
    answer = await model.complete(ask())
    assert (answer.text, answer.finish) == (text, finish)
    await model.close()


async def test_an_endpoints_words_are_shown_short_and_without_control_characters(scripted: ScriptedServer) -> None:
    scripted.script = lambda request: failure(400, "\x1b[31mbad\u202e\n" + "long " * 500)
    model = chat(scripted)
    with pytest.raises(FinalFailure) as caught:
        await model.complete(ask())
    message = caught.value.problems[0].message
    assert message.isprintable()
    assert len(message) < 400
    await model.close()
