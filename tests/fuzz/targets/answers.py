"""What models answer: bodies of HTTP, texts that hold JSON, labels, numbers and rewrites."""

from __future__ import annotations

import math

import msgspec

from apo_engine.evaluation.rubric import read_grade
from apo_engine.models import failure, wire
from apo_engine.models.chat import Completion
from apo_engine.models.failure import CallFailure
from apo_engine.models.failure import Target as Endpoint
from apo_engine.models.secrets import Secrets
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.tags import between
from apo_engine.scoring.json_match import json_match, no_json
from apo_engine.scoring.judgement import Judgement
from apo_engine.scoring.labels import label_judge, read_label
from apo_engine.scoring.patterns import PatternCheck
from apo_engine.scoring.text import contains, exact_match, no_number, numeric, regex
from apo_engine.search.anchor import anchor
from apo_engine.search.critic import read_critiques
from tests.fuzz.promises import within
from tests.fuzz.target import Target, text_of

_WORDS = (
    '{"choices": [{"message": {"content": "', '"}, "finish_reason": "stop"}]', '"usage": {"prompt_tokens": ', "-1",
    '"completion_tokens": ', "99999999999999999999", '{"error": {"message": "', '"code": 429', '"refusal": "',
    '[{"text": "', '{"data": [{"id": "', '{"critiques": [{"critique": "', '", "quote": "', '", "rows": [1]',
    "```json\n", "```", '{"grade": 5, "reason": "', "4/5", "<new-prompt-a>", "</new-prompt-a>", "1,234.5%", "e5",
    "NaN", "Infinity", "1e999", "\\ud800", "\\u202e", "\x1b[31m", "\u202e", "\x00", "[", "{", "]", "}", '"', ":",
    ",", "null", "true", "not sure", "sure", "yes", "<html>", "data: ", "\\u0000", "(a+)+$", "\u0661", "\u00b2",
)  # fmt: skip
_ENDPOINT = Endpoint("model.example", "m", "KEY", "URL", Secrets(("sk-key",)))
_PROMPT = parse_prompt('{{role "system"}}\nSort the ticket. Answer with one word.\n{{role "user"}}{{text}}')


def check(data: bytes) -> None:
    """Bodies end as an answer or a failure; texts are read, or not, and never raise."""
    _body(data)
    answer = text_of(data)
    # What comes over the wire has no lone surrogates any more, but escapes of some inside.
    _text(answer.encode("utf-8", "replace").decode())


def _body(body: bytes) -> None:
    try:
        answer = wire.completion(_ENDPOINT, body)
        if isinstance(answer, Completion):
            msgspec.json.encode(answer.text)
            assert answer.usage.input >= 0
            assert answer.usage.output >= 0
        else:
            _shown(failure.from_status(_ENDPOINT, answer.status, answer.headers, answer.detail, answer.code))
    except CallFailure as failed:
        _shown(failed)
    try:
        msgspec.json.encode(wire.model_ids(_ENDPOINT, body))
    except CallFailure as failed:
        _shown(failed)
    header = body[:40].decode("latin-1")
    for name in ("retry-after", "retry-after-ms"):
        wait = failure.retry_after({name: header})
        assert wait is None or (wait >= 0 and math.isfinite(wait))


def _shown(failed: CallFailure) -> None:
    for problem in failed.problems:
        msgspec.json.encode(problem.message)
        assert not any(mark in problem.message for mark in "\x1b\x00\u202e\n\r\u2066\u2028"), problem.message
        assert len(problem.message) < 1000


def _text(answer: str) -> None:
    for found in read_critiques(answer):
        msgspec.json.encode(found)
        span, _ = anchor(_PROMPT, found.quote)
        within(span, _PROMPT.text)
    grade = read_grade(answer)
    assert grade is None or 0 <= grade[0] <= 1
    msgspec.json.encode(grade)
    between(answer, "new-prompt-a")
    assert read_label(answer, ("sure", "not sure", "yes")) in (None, "sure", "not sure", "yes")
    expected = answer[: len(answer) // 2]
    half = answer[len(answer) // 2 :]
    for wanted in ('{"a": [1, {"b": null}]}', "[]", "1", expected):
        if not no_json(wanted):
            _judged(json_match(answer, wanted))
            _judged(json_match(half, wanted))
    for wanted in ("5", expected):
        if not no_number(wanted):
            _judged(numeric(answer, wanted))
    for wanted in (r"\bsure\b", expected[:40]):
        if not PatternCheck()(wanted):
            _judged(regex(answer[:200], wanted))
    for judge in (exact_match, contains, label_judge(("yes", "not sure"))):
        _judged(judge(answer, expected))


def _judged(found: Judgement) -> None:
    assert 0 <= found.score <= 1
    msgspec.json.encode((found.predicted, found.remark))


TARGET = Target("answers", check, tuple(word.encode() for word in _WORDS))
