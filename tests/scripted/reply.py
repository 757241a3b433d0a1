"""What a scripted server answers: a text, or one of the things that go wrong with real endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["whole", "truncated", "reset", "hang", "twice", "drip"]


@dataclass(frozen=True)
class Reply:
    """One answer. ``usage`` is (prompt, completion) tokens: "auto" makes some up from the lengths, None leaves
    it out. ``latency`` in seconds overrides the server's. ``body`` replaces the JSON of a completion. ``drip`` is
    how many seconds a dripping answer takes."""

    text: str | None = ""
    latency: float | None = None
    usage: tuple[int, int] | Literal["auto"] | None = "auto"
    finish: str = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    end: End = "whole"
    drip: float = 0.0

    def payload(self, request: Mapping[str, Any], number: int) -> bytes:
        """The body, as it goes over the wire."""
        if self.body is not None:
            return self.body
        answer: dict[str, Any] = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1700000000,
            "model": request.get("model", "scripted"),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": self.text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": self.finish,
                }
            ],
        }
        if self.usage is not None:
            prompt, completion = self.usage if self.usage != "auto" else _made_up(request, self.text or "")
            answer["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return json.dumps(answer).encode()


def _made_up(request: Mapping[str, Any], text: str) -> tuple[int, int]:
    asked = sum(len(message.get("content") or "") for message in request.get("messages", ()))
    return asked // 4 + 4, len(text) // 4 + 1


def failure(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error in the protocol's own form."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply(status=status, body=json.dumps({"error": error}).encode(), headers=dict(headers or {}))


def throttled(retry_after: float | str | None = None) -> Reply:
    """429, with or without Retry-After (seconds, or a date as a string)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failure(429, "Rate limit reached", code="rate_limit_exceeded", headers=headers)


def server_error(status: int = 500) -> Reply:
    """A fault of the server."""
    return failure(status, "The server had an error")


def unauthorized(quoting: str = "sk-secret") -> Reply:
    """401, quoting the key as some endpoints do."""
    return failure(401, f"Incorrect API key provided: {quoting}.", code="invalid_api_key")


def not_found(model: str = "nope") -> Reply:
    """404 for a model."""
    return failure(404, f"The model `{model}` does not exist", code="model_not_found")


def rejects(param: str, use: str | None = None) -> Reply:
    """400 naming a parameter, as OpenAI's reasoning models answer it."""
    hint = f" Use '{use}' instead." if use else ""
    message = f"Unsupported parameter: '{param}' is not supported with this model.{hint}"
    return failure(400, message, param=param, code="unsupported_parameter")


def html(status: int = 200) -> Reply:
    """A web page where an answer should be."""
    page = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Sign in</body></html>"
    return Reply(status=status, body=page, content_type="text/html; charset=utf-8")


def truncated() -> Reply:
    """JSON that stops in the middle, with a length that says it were whole."""
    return Reply(body=b'{"id": "x", "choices": [{"index": 0, "message": {"role": "assi')


def cut_connection() -> Reply:
    """An answer whose connection closes before the promised length has come."""
    return Reply("never complete", end="truncated")


def empty_choices() -> Reply:
    """A completion without a choice."""
    return Reply(body=b'{"id": "x", "object": "chat.completion", "model": "m", "choices": []}')


def wrong_schema() -> Reply:
    """JSON of another protocol."""
    return Reply(body=b'{"choices": "soon", "result": {"text": "billing"}}')


def refused() -> Reply:
    """An answer in which the model refuses to answer."""
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
    return Reply(body=json.dumps({"id": "x", "choices": [choice], "usage": usage}).encode())


def content_filtered() -> Reply:
    """400, as a gateway with a filter on what is asked gives it."""
    return failure(400, "The prompt triggered the content filter", code="content_filter", param="prompt")


def hang() -> Reply:
    """No answer, ever."""
    return Reply(end="hang")


def reset() -> Reply:
    """The connection is reset."""
    return Reply(end="reset")
