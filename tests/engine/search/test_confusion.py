"""What counting alone says of failing rows: confusions, the words that go with them, and the critic made of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.evaluation.fanout import fan_out
from apo_engine.evaluation.result import RowResult
from apo_engine.search.arm import seed_arm
from apo_engine.search.confusion import Scored, confusions, failing, telling_words
from apo_engine.search.evidence import EvidenceCritic
from tests.engine.table_model import prompt, row

LABELS = ("billing", "shipping", "account")


def scored(number: int, expected: str, answered: str, text: str | None = None) -> Scored:
    """A row as it was answered; an empty answer could not be read."""
    example = row(number, expected, text)
    right = float(expected == answered)
    return example, RowResult(example.id, 1, "", expected, answered, right, answered, invalid=not answered)


REFUNDS = [scored(n, "billing", "account", f"please refund the charge {n}") for n in range(6)]
PROFILES = [scored(n, "account", "account", f"cannot open my profile {n}") for n in range(20, 30)]


def test_a_confusion_says_what_was_expected_what_came_and_which_words_go_with_it() -> None:
    (found,) = confusions([*REFUNDS, *PROFILES])
    assert (found.expected, found.answered, found.failures) == ("billing", "account", 6)
    assert found.rows == tuple(example.id for example, _ in REFUNDS)
    assert "refund" in found.words
    assert "6 of 6 failing rows expect 'billing' and were answered 'account'." in str(found)


def test_answers_that_could_not_be_read_are_a_confusion_of_their_own() -> None:
    found = confusions([scored(1, "billing", ""), scored(2, "billing", ""), scored(3, "billing", "account")])
    assert [(one.answered, len(one.rows)) for one in found] == [("", 2), ("account", 1)]
    assert "nothing that could be read as an answer" in str(found[0])


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, ""))), max_size=40))
def test_confusions_hold_failing_rows_once_the_most_frequent_first(answers: list[tuple[str, str]]) -> None:
    rows = [scored(number, *answer) for number, answer in enumerate(answers)]
    found = confusions(rows)
    sizes = [len(one.rows) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    explained = [name for one in found for name in one.rows]
    assert len(explained) == len(set(explained))
    assert set(explained) <= {example.id for example, _ in failing(rows)}
    assert bool(found) == bool(failing(rows))


def test_telling_words_need_more_than_one_mention() -> None:
    assert telling_words(["odd"], ["even"] * 5) == ()
    assert telling_words(["late parcel"] * 5, ["wrong bill"] * 5)[:2] == ("late", "parcel")


def test_words_that_all_rows_share_tell_nothing() -> None:
    assert "please" not in telling_words(["please refund"] * 6, ["please open"] * 6)


async def test_the_evidence_critic_names_the_confusion_and_its_words() -> None:
    asked = prompt("Sort tickets.\nUse billing for invoices.\nUse account for log-ins.")
    (found,) = await fan_out(EvidenceCritic().criticise(seed_arm(asked), [*REFUNDS, *PROFILES], 1))
    (gradient,) = found.gradients
    assert "6 of 6 failing rows expect 'billing' and were answered 'account'" in gradient.critique
    assert "refund" in gradient.critique
    assert gradient.span.of(asked.text) == "Use billing for invoices."
    assert gradient.source == "evidence"
    assert gradient.share == pytest.approx(1.0)
    assert found.shown == tuple(REFUNDS)
