"""What is known of a prompt as one Markdown page: scores, verdict, critiques, candidates, doubtful rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from apo_server.features.candidates import verdict_in_words
from apo_server.features.code_lens import score_in_words
from apo_server.features.plain import markdown, points
from apo_server.knowledge import Finding, Knowledge


def page(name: str, known: Knowledge, *, current: bool) -> str:
    """The page. ``current`` says whether all this is about the prompt as it stands."""
    parts = [f"# Report on {markdown(name)}"]
    if not current:
        parts.append("The prompt has been edited since; what follows is about the text before.")
    if known.score is not None:
        parts.append(f"Your prompt: **{markdown(score_in_words(known.score))}**, {_part(known.score.part)}.")
    if known.winner is not None:
        parts.append(verdict_in_words(known.winner))
    parts += ["## Critiques", _critiques(known)]
    if known.rewrites:
        parts += ["## Candidates", "On selection rows, which rank candidates and promise nothing.", _candidates(known)]
    if known.doubtful:
        parts += ["## Rows whose label may be wrong", _doubts(known)]
    return "\n\n".join(parts) + "\n"


def _part(part: str) -> str:
    return {"open": "on all rows but the sealed hold-out", "selection": "on selection rows"}.get(
        part, f"on {part} rows"
    )


def _critiques(known: Knowledge) -> str:
    if not known.findings:
        return "None so far. Find critiques, or optimize."
    rows = [
        (f"{100 * one.share:.0f} %", str(one.rows_in_all), _worth(known, one), one.critique) for one in known.findings
    ]
    return _table(("failures", "rows", "rewrite", "critique"), rows)


def _worth(known: Knowledge, finding: Finding) -> str:
    rewrite = known.rewrite_for(finding.id)
    return f"{points(rewrite.against.difference)} points" if rewrite and rewrite.against else "–"


def _candidates(known: Knowledge) -> str:
    """One line for each, a child under its parent."""
    of_parent: dict[str | None, list[int]] = {}
    ids = {rewrite.id for rewrite in known.rewrites}
    for number, rewrite in enumerate(known.rewrites):
        of_parent.setdefault(rewrite.parent if rewrite.parent in ids else None, []).append(number)
    rows = []
    waiting = [(number, 0) for number in reversed(of_parent.get(None, []))]
    while waiting:
        number, depth = waiting.pop()
        rewrite = known.rewrites[number]
        crown = " (winner)" if known.winner is not None and known.winner.id == rewrite.id else ""
        caution = " (check first)" if rewrite.suspicions else ""
        name = f"{'· ' * depth}{rewrite.id}{crown}{caution}"
        score = f"{100 * rewrite.score:.1f} %" if rewrite.score is not None else "–"
        gain = "–"
        if rewrite.against is not None:
            low, high = (points(end) for end in rewrite.against.interval)
            gain = f"{points(rewrite.against.difference)} ({low} to {high})"
        rows.append((name, rewrite.operator, score, str(rewrite.n), gain))
        waiting += [(child, depth + 1) for child in reversed(of_parent.get(rewrite.id, []))]
    return _table(("candidate", "made by", "score", "rows", "points to your prompt"), rows)


def _doubts(known: Knowledge) -> str:
    rows = [
        (
            f"{Path(one.path).name}:{one.line}",
            one.expected,
            f"{one.answered} ({one.agreeing} of {one.candidates})",
            one.text,
        )
        for one in known.doubtful
    ]
    return _table(("row", "expected", "prompts answered", "text"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(markdown(cell) for cell in row)} |" for row in rows)])
