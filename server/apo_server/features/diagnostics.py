"""Problems and critiques as diagnostics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from lsprotocol import types

from apo_engine.names import shown_name
from apo_engine.positions import Lines, Span
from apo_engine.problems import Problem, Severity
from apo_server.capabilities import ClientCapabilities
from apo_server.features.plain import said
from apo_server.knowledge import Row
from apo_server.view import Passage, PromptView

SOURCE = "apo"
CRITIQUE = "critique"
# A critique of at least this share of the failures is a warning, of fewer an information.
_WEIGHTY = 0.25
_ROWS = 5
_SEVERITY = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFORMATION: types.DiagnosticSeverity.Information,
}


def diagnostics(view: PromptView, client: ClientCapabilities) -> list[types.Diagnostic]:
    """All diagnostics of a prompt: what is wrong with it first, then critiques by falling share of failures."""
    problems = [of_problem(view, problem) for problem in view.problems]
    told = {(diagnostic.code, diagnostic.range.start.line) for diagnostic in problems}
    trouble = [of_problem(view, problem) for problem in view.trouble if _is_here(view, problem)]
    problems += [one for one in trouble if (one.code, one.range.start.line) not in told]
    return [*problems, *(of_critique(view, passage, client) for passage in view.passages)]


def of_rows(problems: Sequence[Problem], ranges: Mapping[int, types.Range]) -> list[types.Diagnostic]:
    """The diagnostics of an example file, each on its row; rows that are not there any more have none."""
    placed = [(problem, ranges.get(problem.place.line) if problem.place else None) for problem in problems]
    return [
        types.Diagnostic(
            range=range_,
            message=_words(problem),
            severity=_SEVERITY[problem.severity],
            code=problem.code,
            source=SOURCE,
        )
        for problem, range_ in placed
        if range_ is not None
    ]


def of_critique(view: PromptView, passage: Passage, client: ClientCapabilities) -> types.Diagnostic:
    """The diagnostic of one critique, on the passage it is about; a whole section is marked on its first line."""
    finding = passage.finding
    span = _first_line(view, passage.span) if finding.anchor == "section" else passage.span
    rows = finding.rows[:_ROWS]
    message = f"{said(finding.critique)} ({_share(finding.share, finding.rows_in_all)})"
    related = None
    if client.related_information:
        related = [_related(row) for row in rows]
    elif rows:
        message += f" See {shown_name(Path(rows[0].path).name)}, line {', '.join(str(row.line) for row in rows)}."
    weighty = finding.share >= _WEIGHTY
    return types.Diagnostic(
        range=view.range(span),
        message=message,
        severity=types.DiagnosticSeverity.Warning if weighty else types.DiagnosticSeverity.Information,
        code=CRITIQUE,
        source=SOURCE,
        related_information=related,
        data={"critique": finding.id},
    )


def _share(share: float, rows: int) -> str:
    return f"explains {100 * share:.0f} % of the failures seen: {rows} row{'' if rows == 1 else 's'}"


def _related(row: Row) -> types.DiagnosticRelatedInformation:
    start = types.Position(max(0, row.line - 1), 0)
    return types.DiagnosticRelatedInformation(
        location=types.Location(_address(row.path), types.Range(start, start)),
        message=f"expected “{said(row.expected)}”, answered “{said(row.answered)}”",
    )


@lru_cache(maxsize=64)
def _address(path: str) -> str:
    return Path(path).absolute().as_uri()


def _is_here(view: PromptView, problem: Problem) -> bool:
    return problem.place is not None and problem.place.path == view.prompt.path


def of_problem(view: PromptView, problem: Problem) -> types.Diagnostic:
    """The diagnostic of a problem in the prompt."""
    return types.Diagnostic(
        range=view.range(span_of(view, problem)),
        message=_words(problem),
        severity=_SEVERITY[problem.severity],
        code=problem.code,
        source=SOURCE,
    )


def _words(problem: Problem) -> str:
    return said(f"{problem.message} {problem.remedy}")


def span_of(view: PromptView, problem: Problem) -> Span:
    """Where a problem is marked: the exact span, else from the place to the end of its line."""
    place = problem.place
    if place is None:
        return Span(0, 0)
    if place.span is not None:
        return place.span
    lines: Lines = view.prompt.lines
    line = lines.span_of_line(max(0, min(place.line, len(lines.starts)) - 1))
    return Span(min(line.end, line.start + max(0, place.column - 1)), line.end)


def _first_line(view: PromptView, span: Span) -> Span:
    line = view.prompt.lines.span_of_line(view.prompt.lines.line_of(span.start))
    return Span(span.start, max(span.start, min(span.end, line.end)))
