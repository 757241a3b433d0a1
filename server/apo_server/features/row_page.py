"""One row as a Markdown page: what was sent, what came back, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apo_server.features.plain import markdown, verbatim

if TYPE_CHECKING:
    from apo_engine.evaluation.result import RowAnswer


def page(name: str, row: RowAnswer) -> str:
    """The page about one answer of a prompt."""
    result = row.result
    mark = "right" if result.score >= 1 else "wrong" if result.score <= 0 else f"worth {result.score:.2f}"
    cost = "" if not row.usd else f" It cost ${row.usd:.4f}."
    parts = [
        f"# {markdown(name)} on {markdown(Path(result.path).name)}, line {result.line}",
        f"The answer is **{mark}**.{cost}",
    ]
    parts += ["## Answer", verbatim(result.answer)]
    if result.predicted and result.predicted != result.answer.strip():
        parts.append(f"Read as **{markdown(result.predicted)}**.")
    if result.remark:
        parts.append(f"{'' if result.invalid else 'The judge says: '}{markdown(result.remark)}")
    parts += ["## Expected", verbatim(result.expected), "## What was sent"]
    for message in row.messages:
        parts += [f"**{markdown(message.role)}**", verbatim(message.content)]
    return "\n\n".join(parts) + "\n"
