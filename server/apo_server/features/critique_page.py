"""One critique as a Markdown page: what it says, the rows that show it in full, and what answering it was worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from apo_server.features.candidates import difference, evidence
from apo_server.features.plain import markdown, verbatim
from apo_server.knowledge import Finding, Knowledge
from apo_server.rows import whole_rows


def page(name: str, known: Knowledge, finding: Finding, roots: Sequence[Path]) -> str:
    """The page about one critique of a prompt. Reads the rows from files in the folders ``roots``."""
    rows = finding.rows_in_all
    parts = [
        f"# Critique of {markdown(name)}",
        markdown(finding.critique),
        f"It explains {100 * finding.share:.0f} % of the failures seen: {rows} row{'' if rows == 1 else 's'}.",
        "It is about this passage:",
        verbatim(finding.span.of(known.text)),
        "## Rows that show it",
        *_rows(finding, roots),
    ]
    if rows > len(finding.rows):
        parts.append(f"{rows - len(finding.rows)} more are like them.")
    rewrite = known.rewrite_for(finding.id)
    parts.append("## What answering it was worth")
    if rewrite is None:
        parts.append("No rewrite that answers it has been measured yet.")
    else:
        parts += [evidence(rewrite), verbatim(difference(known.text, rewrite.text), "diff")]
    return "\n\n".join(parts) + "\n"


def _rows(finding: Finding, roots: Sequence[Path]) -> list[str]:
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for row in finding.rows:
        wanted[row.path].add(row.line)
    there = {path: whole_rows(Path(path), lines, roots) for path, lines in wanted.items()}
    parts = []
    for row in finding.rows:
        parts.append(f"### {markdown(Path(row.path).name)}, line {row.line}")
        parts.append(f"Expected **{markdown(row.expected)}**, answered **{markdown(row.answered)}**.")
        cells = there[row.path].get(row.line)
        parts.append(
            "\n".join(f"- {markdown(name)}: {markdown(cell)}" for name, cell in cells.items())
            if cells
            else "The row is not there any more."
        )
    return parts
