"""What can go wrong with one request to a model, and whether trying again can help."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from apo_engine.models.secrets import Secrets
from apo_engine.problems import InputError, ModelError, Place, Problem
from apo_engine.unseen import spelled

_BAD_REQUEST, _UNAUTHORIZED, _PAYMENT, _FORBIDDEN, _NOT_FOUND, _THROTTLED = 400, 401, 402, 403, 404, 429
_PROXY_UNAUTHORIZED = 407
_TRANSIENT_STATUSES = frozenset({408, 409, 425})
# Somebody in between gave up waiting, and the model may have answered all the same.
_TIMED_OUT = frozenset({408, 504, 524})
_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
# How many requests in a row may come to nothing before any is answered: a quarter of a minute of an endpoint that is
# busy or not there, one second where somebody answers in another language.
_SCOUTS, _SCOUTS_GARBLED = 8, 4
_MODELS_REMEDY = "`apo models` lists what is reachable."
_EXCERPT = 240
# How much of a foreign text is looked at for it.
_READ = 100_000
_KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|xai|key)[-_][\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)


class CallFailure(ModelError):
    """A request that got no usable answer. ``charged``: the provider may have billed it all the same."""

    def __init__(self, problem: Problem, *, charged: bool = False) -> None:
        super().__init__(problem)
        self.charged = charged


class TransientFailure(CallFailure):
    """Trying again may help: throttling, a fault of the server, a broken connection, a time-out.

    ``retry_after`` is the wait in seconds that the endpoint asked for; ``throttled`` says that it was asked
    too much at once. ``scouts`` is how many failures in a row, from the first request on, mean that there is no such
    endpoint.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        charged: bool = False,
        retry_after: float | None = None,
        throttled: bool = False,
        scouts: int = _SCOUTS,
    ) -> None:
        super().__init__(problem, charged=charged)
        self.scouts = scouts
        self.retry_after = retry_after
        self.throttled = throttled


class FinalFailure(CallFailure):
    """The same request would fail again."""


class FormRefused(FinalFailure):
    """The endpoint refused a parameter, or the shape that was asked for. The model leaves it out or renames it from
    now on: the request can be sent again at once, as a request of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a request went to, as messages may name it; ``secrets`` are known only in order to be struck out.

    ``host`` holds no credentials; ``key_env`` and ``url_env`` are the variables that a remedy can name. ``place`` is
    where the user has written the model's name, if that is known.
    """

    host: str
    model: str
    key_env: str | None
    url_env: str | None
    secrets: Secrets = field(default_factory=Secrets)
    place: Place | None = None

    @property
    def address_remedy(self) -> str:
        """What to check when something answers that is no model server."""
        where = self.url_env or "the endpoint's base_url in the user settings"
        return f"Check {where} (it usually ends in /v1). {_MODELS_REMEDY}"

    def shown(self, text: str, most: int = _EXCERPT) -> str:
        """Foreign text made fit to be shown: one short line without control characters or keys."""
        text = self.secrets.struck(text, _READ)
        text = " ".join(spelled(_KEY_LIKE.sub("[key]", text), lambda _: " ").split())
        return text if len(text) <= most else text[: most - 1] + "…"


def from_status(
    target: Target, status: int, headers: Mapping[str, str], detail: str = "", code: str = ""
) -> CallFailure:
    """The failure that an HTTP status other than 2xx means.

    Args:
        target: whom the request went to.
        status: the HTTP status code.
        headers: the answer's headers, with lower-case or case-insensitive names.
        detail: the endpoint's own words, if it gave any; shown cleaned and shortened.
        code: the endpoint's own error code, if it gave one.
    """
    said = _saying(target.shown(detail))
    if status == _THROTTLED and code not in _OUT_OF_CREDIT:
        return TransientFailure(
            Problem("model-throttled", f"{target.host} is refusing requests to '{target.model}' for now (429){said}",
                    "Wait, or lower the concurrency."),
            retry_after=retry_after(headers),
            throttled=True,
        )  # fmt: skip
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return TransientFailure(
            Problem("model-server-error", f"{target.host} failed on a request to '{target.model}' ({status}){said}",
                    "Try again later; what was answered is kept."),
            charged=status in _TIMED_OUT,
            retry_after=retry_after(headers),
            throttled=status == 503 and retry_after(headers) is not None,
        )  # fmt: skip
    if status == _PROXY_UNAUTHORIZED:
        return proxy_refuses(target, str(status))
    return FinalFailure(_final_problem(target, status, said))


def _saying(detail: str) -> str:
    return f": {detail}" + ("" if detail[-1] in ".!?…" else ".") if detail else "."


def _final_problem(target: Target, status: int, said: str) -> Problem:
    model, host = target.model, target.host
    if status == _UNAUTHORIZED:
        # The endpoint's own words are left out here: they often quote a part of the key.
        message = f"{host} did not accept the key for '{model}' (401)."
        return Problem("model-unauthorized", message, key_remedy(target))
    if status == _FORBIDDEN:
        remedy = f"{key_remedy(target)} Or use a model that the key may use: {_MODELS_REMEDY}"
        return Problem("model-forbidden", f"{host} does not allow this key to use '{model}' (403){said}", remedy)
    if status == _NOT_FOUND:
        message = f"{host} knows no model '{model}', or is not a model server (404){said}"
        return Problem("model-not-found", message, f"Check the model's name. {target.address_remedy}", target.place)
    if status in (_PAYMENT, _THROTTLED):
        message = f"The account at {host} has no credit left for '{model}' ({status}){said}"
        return Problem("model-out-of-credit", message, "Add credit, or use another model.")
    if 300 <= status < 400:
        message = (
            f"{host} redirects requests to '{model}' ({status}); redirects are not followed, to keep the key safe."
        )
        return Problem("model-redirect", message, target.address_remedy)
    message = f"{host} refused the request to '{model}' ({status}){said}"
    return Problem("model-refused", message, "Check the model's name and the `config` of the prompt file.")


def key_remedy(target: Target) -> str:
    """How to give this endpoint a key."""
    if target.key_env is None:
        return "Name the variable that holds its key as the endpoint's key_env in the user settings."
    return f"Set {target.key_env} to a valid key."


def unreachable(target: Target, reason: str, *, connected: bool) -> TransientFailure:
    """No connection, or one that broke before an answer was complete (``connected``, and perhaps billed)."""
    problem = Problem(
        "model-unreachable",
        f"No answer from {target.host} for '{target.model}': {target.shown(reason) or 'the connection failed'}.",
        f"Check that the server runs and the network is up. {target.address_remedy}",
    )
    return TransientFailure(problem, charged=connected)


def proxy_refuses(target: Target, reason: str) -> CallFailure:
    """A proxy on the way that lets nothing through; ``reason`` begins with the status that it answered, if it did."""
    message = (
        f"The proxy on the way to {target.host} lets no request to '{target.model}' through ({target.shown(reason)})."
    )
    problem = Problem("model-proxy", message, "Check HTTPS_PROXY and HTTP_PROXY.")
    wants_name = reason.startswith(str(_PROXY_UNAUTHORIZED))
    return FinalFailure(problem) if wants_name else TransientFailure(problem)


def timed_out(target: Target, seconds: float) -> TransientFailure:
    """No complete answer within ``seconds``; the provider may still bill it."""
    problem = Problem(
        "model-timeout",
        f"{target.host} gave no answer for '{target.model}' within {seconds:g} s.",
        "Try again later, or use a faster model.",
    )
    return TransientFailure(problem, charged=True)


def cut_off(target: Target) -> TransientFailure:
    """An answer that begins as JSON and is not complete."""
    message = f"{target.host} broke off in the middle of an answer for '{target.model}'."
    return TransientFailure(Problem("model-answer-cut", message, "Try again later."), charged=True)


def broken_off(target: Target, status: int, headers: Mapping[str, str], detail: str) -> TransientFailure:
    """An answer that was begun and ended with an error of the endpoint's; what was written may be billed."""
    message = f"{target.host} began to answer the request to '{target.model}' and failed ({status})"
    problem = Problem("model-server-error", f"{message}{_saying(target.shown(detail))}", "Try again later.")
    return TransientFailure(problem, charged=True, retry_after=retry_after(headers))


def not_json(target: Target, body: str) -> TransientFailure:
    """An answer in another language than the protocol's, such as the web page of a wrong address or a busy proxy."""
    what = "a web page" if "<html" in body[:2000].lower() or "<!doctype" in body[:200].lower() else "no JSON"
    begin = f", beginning '{target.shown(body, 80)}'" if body.strip() else ""
    message = f"{target.host} answered the request to '{target.model}' with {what}{begin}."
    problem = Problem("model-answer-not-json", message, target.address_remedy)
    return TransientFailure(problem, charged=True, scouts=_SCOUTS_GARBLED)


def no_answer(target: Target, reason: str) -> TransientFailure:
    """JSON that holds no answer, such as an empty list of choices."""
    message = f"{target.host} answered the request to '{target.model}' without an answer: {target.shown(reason)}."
    problem = Problem("model-answer-empty", message, f"Use another model. {_MODELS_REMEDY}")
    return TransientFailure(problem, charged=True, scouts=_SCOUTS_GARBLED)


def not_agreed(host: str, model: str, agreed: str = "") -> FinalFailure:
    """A request that was stopped before it left: its host is not among those that the run may send to."""
    message = f"A request to '{model}' at {host} was stopped: this run may send to {agreed or 'no other machine'} only."
    return FinalFailure(Problem("destination-refused", message, "Nothing was sent there. Please report this."))


def consent_withdrawn() -> InputError:
    """The user has withdrawn consent: the request does not leave."""
    return InputError(Problem("consent-withdrawn", "The run ended: consent to it was withdrawn."))


def unusable_key(target: Target, what: str) -> FinalFailure:
    """A key that cannot be sent: there is none, or it holds characters that no key has."""
    return FinalFailure(Problem("model-key-missing", f"{what} '{target.model}' at {target.host}.", key_remedy(target)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that an endpoint asked for (RFC 9110 §10.2.3, or OpenAI's ``retry-after-ms``)."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and (seconds := _number(milliseconds)) is not None:
        return seconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 10**9 else None
