"""Errors as endpoints write them: in the body of a status, in a 200, inside a choice; as numbers, text or objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping

from apo_engine.encodable import encodable
from apo_engine.models.secrets import Secrets

# How endpoints say that a filter refused the question.
_FILTERING = frozenset({400, 403})
_FILTERS = frozenset(
    {"content_filter", "content_policy_violation", "content_filtered", "responsibleaipolicyviolation", "safety"}
)
_UNKNOWN = 500
_DEEPEST = 4
_LONGEST = 100_000
#: In bytes. Endpoints may repeat a request in an error; what is longer would take long to be read.
LONGEST_BODY = 2**20
# In words.
_LONGEST_NAME = 4
_LONGEST_WORD = 200
_STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_status", "httpStatus", "http_code", "error_code")
_NAME_FIELDS = ("code", "type", "status", "reason", "error_code", "error_type")
_MESSAGE_FIELDS = ("message", "detail", "msg", "title")
_INNER_FIELDS = ("error", "err", "errors", "metadata", "innererror", "inner_error", "raw", "details", "cause")
_FIELDS = tuple(dict.fromkeys((*_STATUS_FIELDS, *_NAME_FIELDS, *_MESSAGE_FIELDS, *_INNER_FIELDS, "param")))
# A status that is written out: "429", "429 Too Many Requests", "HTTP 401", "error_503".
_WRITTEN_STATUS = re.compile(
    r"(?:\s*(?:http|status|error|err|code)(?:[\s:/_-]|\d\.\d)*)?([1-9]\d\d)(?:\.0+)?(?!\d)", re.I
)
# What the names in use mean, the most particular first; each is looked for in a name without its signs.
_NAMES = (
    ("insufficientquota|outofcredit|insufficient(?:credit|balance|funds)|billing|paymentrequired|creditbalance", 402),
    ("contentfilter|contentpolicy|responsibleai", 400),
    ("quotaexceeded|ratelimit|toomanyrequests|throttl|resourceexhausted|requestlimit|concurrencylimit", 429),
    ("unauthori[sz]ed|unauthenticated|authentication|invalid(?:api)?key|invalidtoken|apikey|incorrectkey", 401),
    ("permission|forbidden|accessdenied|notallowed|accountdeactivated|countryunsupported", 403),
    ("notfound|nosuchmodel|unknownmodel|modelnotavailable|doesnotexist", 404),
    ("timeout|timedout|deadlineexceeded", 504),
    ("overloaded|unavailable|capacity|serverbusy|enginebusy", 503),
    ("badgateway|upstream|providererror", 502),
    ("internal|servererror|apierror|unknownerror", 500),
    ("contextlength|toolong|toolarge|invalid|badrequest|unsupported|unprocessable|validation|missing|maxtokens", 400),
)
_OUT_OF_CREDIT = ("insufficient_quota", 402)


class Refusal(Exception):
    """A status other than 200, with the endpoint's own words: not yet a failure, for it may be answered by asking in
    another way. ``begun`` says that it came in the place of an answer that was begun."""

    def __init__(
        self, status: int, headers: Mapping[str, str], detail: str, code: str, param: str, *, begun: bool = False
    ) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.detail = detail
        self.code = code
        self.param = param
        self.begun = begun

    @property
    def filtered(self) -> bool:
        """Whether it is the question that a filter refuses, and not the request."""
        return self.status in _FILTERING and self.code.casefold() in _FILTERS


def refused(status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> Refusal:
    """An answer with another status than 200; ``secrets`` are struck out of it before anything is cut."""
    try:
        error = json.loads(body) if len(body) <= LONGEST_BODY else None
    except (ValueError, RecursionError):
        error = None
    if error is None:
        # A web page says nothing that would help; its status does. The same holds for a book.
        return Refusal(status, headers, "", "", "")
    return _refusal(status, headers, told_of(error, secrets))


def told_of(error: object, secrets: Secrets, depth: int = 2 * _DEEPEST) -> object:
    """As much of an error as is ever read, with ``secrets`` struck out of it before anything is cut."""
    if isinstance(error, str):
        return secrets.struck(error, _LONGEST)
    if isinstance(error, (list, dict)) and depth == 0:
        return None
    if isinstance(error, list):
        return [told_of(one, secrets, depth - 1) for one in error[:1]]
    if isinstance(error, dict):
        return {field: told_of(error[field], secrets, depth - 1) for field in _FIELDS if field in error}
    return error


def error_in_answer(error: object, headers: Mapping[str, str], *, begun: bool = False) -> Refusal:
    """An error inside an answer with status 200, read as the status that it stands for; 500 where it names none."""
    return _refusal(status_in(error), headers, error, begun=begun)


def status_in(error: object) -> int:
    """The HTTP status that an error stands for: its number, else the meaning of its names; 500 where there is none.

    Names of an account without credit count before a number, which is 429 at some endpoints.
    """
    named = [meaning for name in _names(error) if (meaning := _meaning(name))]
    if _OUT_OF_CREDIT[1] in named:
        return _OUT_OF_CREDIT[1]
    written = next(_statuses(error), None)
    return written or (named[0] if named else _UNKNOWN)


def error_instead(body: object) -> object:
    """A body without choices that is an error itself, as ``{"code": 401, "message": …}``; None where it is none."""
    named = isinstance(body, Mapping) and (next(_statuses(body), None) or any(map(_meaning, _names(body))))
    return body if named else None


def says_error(error: object, depth: int = 2 * _DEEPEST) -> bool:
    """Whether the value of a field ``error`` is one: some servers write an empty one, or success, beside an answer."""
    if isinstance(error, Mapping) and depth:
        return any(says_error(value, depth - 1) for value in error.values())
    if isinstance(error, str):
        return error.strip().casefold() not in ("", "none", "null", "ok", "success", "false", "0", "200")
    if isinstance(error, (bool, list, Mapping)):
        return bool(error)
    return isinstance(error, (int, float)) and error not in (0, 200)


def _refusal(status: int, headers: Mapping[str, str], error: object, *, begun: bool = False) -> Refusal:
    inner = _innermost(error)
    names = [name.strip() for name in _names(error) if not _WRITTEN_STATUS.fullmatch(name)]
    if any(_meaning(name) == _OUT_OF_CREDIT[1] for name in names):
        names = [_OUT_OF_CREDIT[0]]
    known = [name for name in names if name.casefold() in _FILTERS]
    code = encodable((known or names or [""])[0])
    if not isinstance(inner, Mapping):
        return Refusal(status, headers, encodable(str(inner))[:_LONGEST], code, "", begun=begun)
    detail = next((text for key in _MESSAGE_FIELDS if (text := _text(inner.get(key)))), "")
    return Refusal(status, headers, detail, code, _text(inner.get("param")), begun=begun)


def _innermost(error: object) -> object:
    """The object that holds the message, below fields that only wrap it."""
    for _ in range(_DEEPEST):
        if isinstance(error, list) and error:
            error = error[0]
        elif isinstance(error, Mapping) and error.get("error") and not isinstance(error["error"], bool):
            # A text beside a message is the error's name.
            if isinstance(error["error"], str) and _text(error.get("message")):
                break
            error = error["error"]
        else:
            break
    return error


def _layers(error: object, depth: int = _DEEPEST) -> Iterator[object]:
    """The error and what it wraps, from the outside in; JSON in a text counts as what it holds."""
    if isinstance(error, str) and error.lstrip()[:1] in ("{", "[") and len(error) <= _LONGEST:
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return
    yield error
    if depth == 0:
        return
    inner: list[object] = []
    if isinstance(error, list):
        inner = error[:1]
    elif isinstance(error, Mapping):
        inner = [error[field] for field in _INNER_FIELDS if error.get(field)]
        message = error.get("message")
        inner += [message] if isinstance(message, str) and message.lstrip().startswith("{") else []
    for one in inner:
        yield from _layers(one, depth - 1)


def _statuses(error: object) -> Iterator[int]:
    for layer in _layers(error):
        values = [layer.get(field) for field in _STATUS_FIELDS] if isinstance(layer, Mapping) else [layer]
        for value in values:
            number = _number(value)
            if number is not None and 400 <= number < 600:
                yield number


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) or math.isfinite(value) else None
    found = _WRITTEN_STATUS.match(value[:_LONGEST_WORD]) if isinstance(value, str) else None
    return int(found[1]) if found else None


def _names(error: object) -> Iterator[str]:
    for layer in _layers(error):
        values = [layer.get(field) for field in _NAME_FIELDS] if isinstance(layer, Mapping) else [layer]
        if isinstance(layer, Mapping):
            values += [layer.get("error"), layer.get("message"), layer.get("detail")]
        # A sentence speaks of many things.
        yield from (value for value in values if isinstance(value, str) and 0 < len(value.split()) <= _LONGEST_NAME)


def _meaning(name: str) -> int | None:
    letters = re.sub(r"[\W_]", "", name[:_LONGEST_WORD]).casefold()
    return next((status for pattern, status in _NAMES if re.search(pattern, letters)), None)


def _text(value: object) -> str:
    return encodable(value)[:_LONGEST] if isinstance(value, str) else ""
