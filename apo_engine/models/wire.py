"""The OpenAI chat protocol: what goes over the wire, and what comes back, to and from this package's terms."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from apo_engine.decoding import decoded
from apo_engine.encodable import encodable
from apo_engine.endpoint_settings import BUILT_IN
from apo_engine.models import failure
from apo_engine.models.chat import Completion, Message, Params, Shape, finish_letters
from apo_engine.models.refusal import (
    LONGEST_BODY,
    Refusal,
    error_in_answer,
    error_instead,
    refused,
    says_error,
    told_of,
)
from apo_engine.models.reported_usage import parse_lenient, read_usage
from apo_engine.parameters import config_problems, wire_parameters
from apo_engine.problems import InputError

if TYPE_CHECKING:
    import httpx2

    from apo_engine.models.failure import Target

KindT = TypeVar("KindT")
_ROLES = {"model": "assistant"}
# No endpoint lists so many; to search millions of ids for keys would take a quarter of a minute.
_MOST_MODELS = 50_000
# How endpoints say, in small letters alone, that an answer came to nothing half way: asking again may help.
_BROKEN_OFF = frozenset(
    {
        *("error", "failed", "failure", "abort", "aborted", "cancelled", "canceled", "timeout", "overloaded"),
        *("upstreamerror", "internalerror", "servererror", "networkerror", "insufficientsystemresource"),
    }
)


class _Part(msgspec.Struct):
    text: str = ""


class _Said(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said | None = None
    finish_reason: str | None = None
    error: msgspec.Raw = msgspec.Raw()


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


def params(given: Params, allowed: Collection[str] = ()) -> dict[str, object]:
    """Parameters by the protocol's names; ``None`` stands for the endpoint's default and is left out.

    ``allowed`` are the names that the user has added to the allow-list.

    Raises:
        InputError: one of them must not be sent.
    """
    problems = [*config_problems(given, BUILT_IN, allowed, lambda _: None, lambda _: None)]
    if problems:
        raise InputError(*problems)
    return wire_parameters(given, allowed)


def shape(wanted: Shape | None) -> dict[str, object]:
    """The parameter that asks for an answer of this shape; none where none is wanted."""
    if wanted is None:
        return {}
    form = {"name": wanted.name, "strict": True, "schema": wanted.schema}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def completion(target: Target, body: bytes, headers: Mapping[str, str] | None = None) -> Completion | Refusal:
    """The first choice of an answer with status 200, with every secret of the request struck out of its texts.

    ``usage`` is marked as estimated (and empty) if it is not given, or cannot be true.

    Some gateways answer an error with status 200, in the place of an answer or inside it: that is a :class:`Refusal`.

    Raises:
        CallFailure: the body holds no answer.
    """
    answer = _decoded(target, body, _Answer)
    choice = answer.choices[0] if answer.choices else None
    error = _error(target, bytes(answer.error))
    if error is not None:
        return error_in_answer(error, headers or {}, begun=choice is not None)
    if choice is None:
        error = error_instead(told_of(_parsed(body), target.secrets))
        if error is not None:
            return error_in_answer(error, headers or {})
        raise failure.no_answer(target, "it has no choices")
    error = _error(target, bytes(choice.error))
    if error is not None:
        return error_in_answer(error, headers or {}, begun=True)
    finish = target.secrets.struck(choice.finish_reason or "stop")
    if finish_letters(finish) in _BROKEN_OFF:
        return error_in_answer({"message": f"the answer ended with {finish}"}, headers or {}, begun=True)
    if choice.message is None:
        raise failure.no_answer(target, "its first choice has no message")
    text = _text(choice.message.content)
    if choice.message.refusal:
        text, finish = text or choice.message.refusal, "refusal"
    return Completion(target.secrets.struck(text), read_usage(bytes(answer.usage), text), finish)


def model_ids(target: Target, body: bytes) -> tuple[str, ...]:
    """The ids in a list of models, sorted; one that quotes a secret is not one that can be asked for, and left out.

    Raises:
        CallFailure: the body is no such list.
    """
    listed = (model.id for model in _decoded(target, body, _Models).data[:_MOST_MODELS])
    return tuple(sorted(name for name in listed if target.secrets.struck(name) == name))


def refusal(target: Target, response: httpx2.Response) -> Refusal:
    """An answer with another status than 200."""
    return refused(response.status_code, response.headers, response.content, target.secrets)


def _error(target: Target, said: bytes) -> object:
    """What a field ``error`` says, as far as it is read and without secrets; None if it says none."""
    error = _parsed(said)
    return told_of(error, target.secrets) if says_error(error) else None


def _parsed(said: bytes) -> object:
    """What JSON says; None if it cannot be read. Only errors are read in this way."""
    if len(said) > LONGEST_BODY:
        return "an error that is too long to be read"
    try:
        return parse_lenient(said.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


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
        raise failure.not_json(target, body.decode("utf-8", "replace")) from None


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text for part in content)
    return content or ""
