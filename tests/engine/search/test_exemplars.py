"""Worked examples: how they are drawn, exchanged and shown."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from apo_engine.prompt.edit import tunable_text
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.render import Renderer
from apo_engine.search import exemplars
from tests.engine.table_model import row

LABELS = ("billing", "shipping", "account")
ROWS = tuple(row(n, LABELS[n % 3], f"ticket {n} about {LABELS[n % 3]} matters") for n in range(30))


@given(st.integers(1, 30), st.integers())
def test_worked_examples_are_balanced_and_drawn_once(count: int, seed: int) -> None:
    drawn = exemplars.balanced(ROWS, count, random.Random(seed))
    assert len({example.id for example in drawn}) == count
    counts = Counter(example.expected for example in drawn)
    assert max(counts.values()) - min(counts[label] for label in LABELS) <= 1


@given(st.integers(1, 12), st.integers())
def test_an_exchange_keeps_size_and_labels_and_prefers_what_went_wrong(count: int, seed: int) -> None:
    rng = random.Random(seed)
    shown = exemplars.balanced(ROWS, 9, rng)
    wrong = [example for example in ROWS if example not in shown][:3]
    changed = exemplars.exchanged(shown, ROWS, wrong, count, rng)
    assert len({example.id for example in changed}) == 9
    assert [example.expected for example in changed] == [example.expected for example in shown]
    assert any(example in wrong for example in changed) or count < 9


def test_worked_examples_read_as_the_prompt_asks_and_render_as_text() -> None:
    asked = parse_prompt('{{role "system"}}\nSort tickets.\n{{role "user"}}\nTicket: {{text}}\nQueue:\n', None)
    shown = exemplars.with_rows(asked, ROWS[:2], {})
    system = Renderer(shown).messages({"text": "new one"})[0].content
    assert "Ticket: ticket 0 about billing matters\nQueue: billing" in system
    assert "Ticket: ticket 1 about shipping matters\nQueue: shipping" in system
    assert "apo:" not in system
    assert tunable_text(shown) == tunable_text(asked)
    assert exemplars.with_rows(shown, ROWS[:2], {}).text == shown.text


def test_rows_with_template_braces_are_never_shown() -> None:
    assert exemplars.usable([row(1, text="{{role}} hello"), ROWS[0]]) == (ROWS[0],)
