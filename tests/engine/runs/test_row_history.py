"""A row stays on the side of the split where it was first seen; in a conflict it is sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from apo_engine.examples.example import Example, ExampleSet
from apo_engine.examples.split import Split, split
from apo_engine.models.deadline import Deadline
from apo_engine.runs.row_history import RowHistory, read_history, sightings_of
from apo_engine.store import MemoryStore, Store


def example(number: int, **cells: str) -> Example:
    inputs = cells or {"text": f"This is what row number {number} says of itself"}
    return Example(f"{number}:{sorted(inputs.values())}", inputs, ("yes", "no")[number % 2], number, Path("a.jsonl"))


def examples(rows: list[Example], holdout: list[Example] | None = None) -> ExampleSet:
    held = None if holdout is None else tuple(row.id for row in holdout)
    return ExampleSet((*rows, *(holdout or ())), (), ("text",), ("yes", "no"), held, "")


async def dealt(store: Store, rows: ExampleSet) -> tuple[RowHistory, Split]:
    """The split of a set, which is recorded."""
    history = await read_history(store, rows, Deadline())
    found = split(rows, history.groups, history.sides)
    await store.record_sightings(sightings_of(history, found, found))
    return history, found


def sides(found: Split) -> dict[str, str]:
    named = {"critique": found.critique, "selection": found.selection, "holdout": found.holdout}
    return {row.inputs.get("text", row.id): side for side, rows in named.items() for row in rows}


async def test_a_new_store_splits_by_content_alone() -> None:
    rows = examples([example(number) for number in range(200)])
    _, found = await dealt(MemoryStore(), rows)
    assert found == split(rows)
    assert [len(side) for side in (found.critique, found.selection, found.holdout)] == [80, 60, 60]


@pytest.mark.parametrize("change", ["rows added", "rows removed", "labels changed", "column renamed", "column added"])
async def test_a_known_row_stays_where_it_was(change: str) -> None:
    store = MemoryStore()
    first = [example(number) for number in range(200)]
    _, before = await dealt(store, examples(first))
    later = {
        "rows added": [*first, *(example(number) for number in range(500, 560))],
        "rows removed": first[:150],
        "labels changed": [Example(row.id, row.inputs, "yes", row.line, row.path) for row in first],
        "column renamed": [example(number, body=row.inputs["text"]) for number, row in enumerate(first)],
        "column added": [example(number, **row.inputs, lang="en") for number, row in enumerate(first)],
    }[change]
    _, after = await dealt(store, examples(later))
    known = sides(before)
    found = {next(iter(row.inputs.values())): side for row, side in _each(after)}
    assert {text: side for text, side in found.items() if text in known} == {
        text: side for text, side in known.items() if text in found
    }
    if change == "rows added":
        new = [side for text, side in found.items() if text not in known]
        assert [new.count(side) for side in ("critique", "selection", "holdout")] == [24, 18, 18]


def _each(found: Split) -> list[tuple[Example, str]]:
    named = {"critique": found.critique, "selection": found.selection, "holdout": found.holdout}
    return [(row, side) for side, rows in named.items() for row in rows]


async def test_a_row_that_was_on_several_sides_is_sealed() -> None:
    store = MemoryStore()
    first = [example(number) for number in range(100)]
    _, before = await dealt(store, examples(first))
    mixed = example(999, text=before.critique[0].inputs["text"], context=before.selection[0].inputs["text"])
    _, after = await dealt(store, examples([*first[1:], mixed]))
    assert mixed in after.holdout


async def test_new_rows_fill_the_hold_out_that_has_lost_its_own() -> None:
    store = MemoryStore()
    first = [example(number) for number in range(200)]
    _, before = await dealt(store, examples(first))
    new = [example(number) for number in range(1000, 1060)]
    rest = [row for row in first if row not in before.holdout]
    _, after = await dealt(store, examples([*rest, *new]))
    assert {row.id for row in after.holdout} == {row.id for row in new}


async def test_the_users_own_split_is_kept_and_rows_that_a_search_saw_are_known() -> None:
    store = MemoryStore()
    rows = [example(number) for number in range(120)]
    _, before = await dealt(store, examples(rows))
    held = [*before.critique[:10], *before.holdout[:10]]
    history, after = await dealt(store, examples([row for row in rows if row not in held], held))
    assert {row.id for row in after.holdout} == {row.id for row in held}
    assert history.shown & {row.id for row in held} == {row.id for row in before.critique[:10]}
