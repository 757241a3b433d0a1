"""JSON answers, compared field by field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.scoring.json_match import json_match, no_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ORDER = {"id": 7, "paid": True, "customer": {"name": "Ada", "city": None}, "items": ["tea", "cup"]}


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ({"id": 7, "paid": True, "customer": {"name": "Ada", "city": None}, "items": ["tea", "cup"]}, 6 / 6),
        ({"items": ["tea", "cup"], "customer": {"city": None, "name": "Ada"}, "paid": True, "id": 7}, 6 / 6),
        # By value, whatever the notation; text but for the white space around it.
        ({**ORDER, "id": 7.0, "customer": {"name": " Ada\n", "city": None}}, 6 / 6),
        # Case, kind and truth count.
        ({**ORDER, "customer": {"name": "ada", "city": None}}, 5 / 6),
        ({**ORDER, "id": "7"}, 5 / 6),
        ({**ORDER, "paid": 1}, 5 / 6),
        # What is missing is wrong, null too; a field too many does not count, an item too many does.
        ({**ORDER, "customer": {"name": "Ada"}}, 5 / 6),
        ({**ORDER, "customer": "Ada"}, 4 / 6),
        ({**ORDER, "note": "gift"}, 6 / 6),
        ({**ORDER, "items": ["tea", "cup", "pot"]}, 6 / 7),
        ({**ORDER, "items": ["cup"]}, 4 / 6),
        ({}, 0.0),
        ([], 0.0),
    ],
)
def test_the_score_is_the_share_of_expected_fields(answer: object, share: float) -> None:
    judgement = json_match(json.dumps(answer), json.dumps(ORDER))
    assert judgement.score == pytest.approx(share)
    assert not judgement.invalid


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        'Sure! Here it is:\n```\n{"a": 1}\n```\nAnything else?',
        'There are 3 fields in {this}, see [1]: {"a": 1}. Also {"a": 2}.',
    ],
)
def test_the_first_value_of_the_expected_kind_is_read_whatever_surrounds_it(answer: str) -> None:
    judgement = json_match(answer, '{"a": 1}')
    assert (judgement.score, judgement.predicted, judgement.invalid) == (1.0, '{"a": 1}', False)


@pytest.mark.parametrize("answer", ["", "no", "{a: 1}", '{"a": NaN}', '{"a": 1', "[" * 5000, '{"a":' * 5000])
def test_an_answer_without_json_is_invalid(answer: str) -> None:
    judgement = json_match(answer, '{"a": 1}')
    assert (judgement.score, judgement.invalid) == (0.0, True)


def test_empty_maps_and_lists_are_fields_too() -> None:
    assert json_match('{"a": {"b": 1}, "c": []}', '{"a": {}, "c": []}').score == 1.0
    assert json_match('{"a": [], "c": ["x"]}', '{"a": {}, "c": []}').score == 0.0


def test_scalars_are_compared_where_they_are_all_of_the_answer() -> None:
    assert json_match(" 42.0\n", "42").score == 1.0
    assert json_match("It is 42.", "42").invalid


@given(JSON)
def test_every_value_matches_itself_and_is_expected_as_it_is_written(value: object) -> None:
    text = json.dumps(value)
    assert no_json(text) == ""
    judgement = json_match(text, text)
    assert (judgement.score, judgement.invalid) == (1.0, False)
    judgement.predicted.encode()


@given(JSON, JSON, st.text(max_size=30))
def test_any_answer_has_a_share(expected: object, answer: object, around: str) -> None:
    judgement = json_match(f"{around}{json.dumps(answer)}{around}", json.dumps(expected))
    assert 0.0 <= judgement.score <= 1.0


@pytest.mark.parametrize("expected", ["hello", "{'a': 1}", '{"a": NaN}', "", "[1, 2", "[" * 100_000])
def test_an_expected_value_that_is_no_json_is_refused(expected: str) -> None:
    assert "is not valid JSON" in no_json(expected)
