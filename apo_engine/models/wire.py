"""The OpenAI chat protocol: what goes over the wire, and what comes back, to and from this package's terms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from apo_engine.decoding import decoded
from apo_engine.encodable import encodable
from apo_engine.models import failure
from apo_engine.models.chat import Completion, Message, Params, Shape
from apo_engine.models.reported_usage import parse_lenient, read_usage
from apo_engine.prompt.keys import LEFT_OUT

if TYPE_CHECKING:
    import httpx2

    from apo_engine.models.failure import Target

KindT = TypeVar("KindT")
_ROLES = {"model": "assistant"}
# Dotprompt's names; whatever else stands in `config` goes out as it is written.
_PARAMS = {
    "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "stopSequences": "stop",
}

# How endpoints say that a filter refused the question.
_FILTERING = frozenset({400, 403})
_FILTERS = frozenset({"content_filter", "content_policy_violation"})


class Refusal(Exception):
    """An HTTP status other than 200, with the endpoint's own words: not yet a failure, for it may be answered
    by asking in another way."""

    def __init__(self, status: int, headers: Mapping[str, str], detail: str, code: str, param: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.detail = detail
        self.code = code
        self.param = param

    @property
    def filtered(self) -> bool:
        """Whether it is the question that a filter refuses, and not the request."""
        return self.status in _FILTERING and self.code in _FILTERS


class _Part(msgspec.Struct):
    text: str = ""


class _Said(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


def messages(given: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as the protocol has them; what UTF-8 cannot carry becomes ``?``."""
    return [
        {"role": _ROLES.get(message.role, message.role), "content": encodable(message.content)} for message in given
    ]


def params(given: Params) -> dict[str, object]:
    """Parameters by the protocol's names; ``None`` stands for the endpoint's default and is left out."""
    said = {name: value for name, value in given.items() if value is not None and name not in LEFT_OUT}
    return {_PARAMS.get(name, name): value for name, value in said.items()}


def shape(wanted: Shape | None) -> dict[str, object]:
    """The parameter that asks for an answer of this shape; none where none is wanted."""
    if wanted is None:
        return {}
    form = {"name": wanted.name, "strict": True, "schema": wanted.schema}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def completion(target: Target, body: bytes) -> Completion | Refusal:
    """The first choice of an answer with status 200.

    ``usage`` is marked as estimated (and empty) if it is not given, or cannot be true.

    Some gateways answer an error with status 200: that is a :class:`Refusal`.

    Raises:
        CallFailure: the body holds no answer.
    """
    answer = _decoded(target, body, _Answer)
    if not answer.choices:
        if bytes(answer.error) not in (b"", b"null"):
            return _refusal(_status_in(bytes(answer.error)), {}, bytes(answer.error))
        raise failure.no_answer(target, "it has no choices")
    choice = answer.choices[0]
    text, finish = _text(choice.message.content), choice.finish_reason or "stop"
    if not text and choice.message.refusal:
        text, finish = choice.message.refusal, "refusal"
    return Completion(text, read_usage(bytes(answer.usage), text), finish)


def model_ids(target: Target, body: bytes) -> tuple[str, ...]:
    """The ids in a list of models, sorted.

    Raises:
        CallFailure: the body is no such list.
    """
    return tuple(sorted(model.id for model in _decoded(target, body, _Models).data))


def refusal(response: httpx2.Response) -> Refusal:
    """An answer with another status than 200."""
    return _refusal(response.status_code, response.headers, response.content)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        # A web page says nothing that would help; its status does.
        return Refusal(status, headers, "", "", "")
    if isinstance(said, dict):
        said = said.get("error", said)
    if isinstance(said, dict):
        detail = said.get("message") or said.get("detail") or ""
        return Refusal(
            status, headers, encodable(str(detail)), str(said.get("code") or ""), str(said.get("param") or "")
        )
    return Refusal(status, headers, encodable(str(said)), "", "")


def _status_in(error: bytes) -> int:
    """The HTTP status that an error inside a 200 answer stands for; 500 where it names none."""
    try:
        code = json.loads(error).get("code")
    except (ValueError, AttributeError):
        return 500
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _decoded(target: Target, body: bytes, kind: type[KindT]) -> KindT:
    try:
        try:
            return decoded(body, kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Lone surrogates, which some models emit as escapes, and NaN are legal to this parser only.
            return decoded(encodable(json.dumps(parse_lenient(body), ensure_ascii=False)), kind)
    except msgspec.ValidationError as error:
        raise failure.no_answer(target, f"it is not of the protocol's form ({error})") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        if body.lstrip()[:1] in (b"{", b"["):
            raise failure.cut_off(target) from None
        raise failure.not_json(target, body[:4096].decode("utf-8", "replace")) from None


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text for part in content)
    return content or ""
