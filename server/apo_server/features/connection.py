"""Whether the endpoints of the user answer, in one sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from apo_engine.models.reachable import EndpointStatus
from apo_engine.problems import ApoError
from apo_server.features.plain import said
from apo_server.wire import Reply, Request

_EMBEDDED = "embedded"
_NO_KEY = "model-key-missing"
_WORDS = {
    "model-unauthorized": "{} refuses the API key.",
    "model-forbidden": "{} does not allow this API key to list its models.",
    _NO_KEY: "There is no API key for {} yet.",
    "model-unreachable": "Nothing answers at {}.",
    "model-timeout": "{} does not answer in time.",
    "model-proxy": "The proxy on the way to {} lets nothing through.",
    "model-answer-not-json": "{} is not an endpoint that speaks OpenAI's protocol; such an address often ends in /v1.",
    "model-redirect": "{} leads elsewhere, and the key is not sent there; such an address often ends in /v1.",
    "model-not-found": "{} lists no models; such an address often ends in /v1.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a test of the connection found; ``code`` is that of the problem, empty where there is none."""

    sentence: str
    code: str = ""


async def ask(engine: Callable[[Request], Awaitable[Reply]], cache: str | None, *, trusted: bool) -> Finding:
    """Ask every endpoint for its models, with the user's key; in an untrusted workspace nobody is asked."""
    if not trusted:
        return Finding("This workspace is not trusted: no endpoint is asked.", "untrusted")
    try:
        return found((await engine(Request(0, "endpoints", cache=cache))).endpoints)
    except ApoError as error:
        return Finding(str(error), error.problems[0].code)


def found(endpoints: Sequence[EndpointStatus]) -> Finding:
    """The sentence about all endpoints.

    What is wrong with one of them goes before the rest. A key that is missing is only wrong where nobody else answers:
    who uses another endpoint needs none.
    """
    remote = [endpoint for endpoint in endpoints if endpoint.name != _EMBEDDED]
    answering = [endpoint for endpoint in remote if endpoint.reachable]
    silent = [endpoint for endpoint in remote if not endpoint.reachable]
    for endpoint in sorted(silent, key=lambda endpoint: endpoint.code == _NO_KEY):
        if endpoint.code != _NO_KEY or not answering:
            return Finding(_trouble(endpoint), endpoint.code or "failed")
    counts = (f"{_models(len(endpoint.models))} at {endpoint.address}" for endpoint in answering)
    return Finding(f"The connection works: {' and '.join(counts)}.")


def as_answer(finding: Finding) -> dict[str, object]:
    """What the client is answered."""
    return {"ok": not finding.code, "sentence": said(finding.sentence), "code": finding.code}


def _trouble(endpoint: EndpointStatus) -> str:
    words = _WORDS.get(endpoint.code)
    return words.format(endpoint.address) if words else endpoint.reason


def _models(count: int) -> str:
    return f"{count} model" if count == 1 else f"{count} models"
