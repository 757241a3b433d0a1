"""Tables that keep within the width of a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table

from apo_engine.cli.figures import count, percent
from apo_engine.cli.location import located, row_text
from apo_engine.cli.plain import excerpt, literal
from apo_engine.evaluation.result import RowResult
from apo_engine.names import MAX_MODEL_NAME, shown_name

if TYPE_CHECKING:
    from apo_engine.models.reachable import EndpointStatus

_LABEL = 18
# What rich puts between two columns.
_GAP = 3
_MOST_PAIRS = 12


def plain_table(*headings: str, title: str = "") -> Table:
    """An empty table in the one style that all of them have."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=literal(title, "bold") if title else None)
    table.title_justify = "left"
    for heading in headings:
        table.add_column(literal(heading), no_wrap=True)
    return table


def confusion(counts: Mapping[str, Mapping[str, int]], width: int) -> Table:
    """Rows by expected and answered label: a matrix, or the most frequent confusions where it would be too wide."""
    answers = list(dict.fromkeys(answer for row in counts.values() for answer in row))
    cells = [max(cell_len(excerpt(answer, _LABEL)), 4) + _GAP for answer in answers]
    if _LABEL + sum(cells) > width:
        return _confused_pairs(counts)
    table = plain_table("expected ↓  answered →", *(excerpt(answer, _LABEL) for answer in answers))
    for column in table.columns[1:]:
        column.justify = "right"
    for expected, row in counts.items():
        figures = [
            literal(str(row.get(answer, 0)), "green" if answer == expected else "red" if row.get(answer) else "dim")
            for answer in answers
        ]
        table.add_row(literal(excerpt(expected, _LABEL)), *figures)
    return table


def _confused_pairs(counts: Mapping[str, Mapping[str, int]]) -> Table:
    pairs = [(n, expected, answer) for expected, row in counts.items() for answer, n in row.items() if n]
    wrong = sorted((pair for pair in pairs if pair[1] != pair[2]), key=lambda pair: -pair[0])
    table = plain_table("rows", "expected", "answered")
    table.columns[0].justify = "right"
    for n, expected, answer in wrong[:_MOST_PAIRS]:
        table.add_row(f"{n}", literal(excerpt(expected, 2 * _LABEL)), literal(excerpt(answer, 2 * _LABEL)))
    if len(wrong) > _MOST_PAIRS:
        table.caption = literal(f"and {count(len(wrong) - _MOST_PAIRS, 'rarer confusion')}")
    return table


def failing_rows(failing: Sequence[RowResult], width: int, roots: tuple[Path, ...]) -> Table:
    """Where each row stands, what was expected and answered, and the row itself as far as it fits.

    Where rows are more than right or wrong, their scores too. The rows are read from files in the folders ``roots``.
    """
    graded = any(0 < row.score < 1 for row in failing)
    most = min(40, width // (6 if graded else 5))
    facts = [
        (
            _ending(located(row.path, row.line), most),
            excerpt(row.expected, most),
            (excerpt(row.answer, most) or "(nothing)") if row.invalid else excerpt(row.predicted, most),
            *([percent(row.score)] if graded else []),
        )
        for row in failing
    ]
    headings = ("row", "expected", "answered", *(["score"] if graded else []))
    taken = sum(max(map(cell_len, column)) + _GAP for column in zip(headings, *facts, strict=True))
    table = plain_table(*headings, "what the row says")
    for row, (where, expected, answered, *score) in zip(failing, facts, strict=True):
        said = excerpt(row_text(row.path, row.line, row.expected, roots), max(8, width - taken))
        style = "yellow" if row.invalid else ""
        table.add_row(literal(where), literal(expected), literal(answered, style), *score, literal(said, "dim"))
    return table


def _ending(text: str, width: int) -> str:
    """The text, cut at its beginning: the end of a place tells more."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def models(endpoint: EndpointStatus) -> Table:
    """The models of one endpoint with what is known about them."""
    table = plain_table("model", "context", "$ per M in", "out")
    table.columns[0].overflow = "fold"
    table.columns[0].no_wrap = False
    for column in table.columns[1:]:
        column.justify = "right"
    for model in endpoint.models:
        table.add_row(
            literal(shown_name(model.name, MAX_MODEL_NAME)),
            f"{model.context_window:,}" if model.context_window else "",
            _price(model.input_usd),
            _price(model.output_usd),
        )
    return table


def _price(usd: float | None) -> str:
    return "" if usd is None else "free" if usd == 0 else f"{usd:.2f}"
