"""What can be done about a row in its example file: take it out, or run the prompt on it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types

from apo_engine.names import shown_name
from apo_engine.positions import Span
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Document
from apo_server.edits import document_edit
from apo_server.features.commands import RUN_ROW
from apo_server.features.diagnostics import of_rows
from apo_server.row_lines import ranges_in
from apo_server.survey import SurveyOf

# A row that is there already, or that cannot be used, says nothing: it can go.
_REMOVABLE = ("row-duplicate", "row-near-duplicate", "row-unusable")


def row_actions(
    document: Document, line: int, surveys: dict[str, SurveyOf], client: ClientCapabilities
) -> list[types.CodeAction]:
    """The actions for the row on a 1-based line; ``surveys`` are those of the prompts that name the file."""
    assert document.path is not None
    actions = []
    if any(survey.facts for survey in surveys.values()) and _text(document, line).strip():
        actions = [_run(uri, line, document.path) for uri in surveys]
    found = {problem: None for survey in surveys.values() for problem in survey.in_file(document.path)}
    wrong = [problem for problem in found if problem.place and problem.place.line == line]
    removable = [problem for problem in wrong if problem.code in _REMOVABLE]
    if removable and _stands_alone(_text(document, line), document.path):
        whole = _whole_line(document, line)
        removed = types.CodeAction(
            title="Remove this row",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=of_rows(removable, ranges_in(document, [line])),
            edit=document_edit(document, [(document.positions.range(whole), "")], client),
        )
        actions.insert(0, removed)
    return actions


def _run(uri: str, line: int, path: Path) -> types.CodeAction:
    title = f"Run {shown_name(unquote(uri.rpartition('/')[2]))} on this row"
    command = types.Command(title, RUN_ROW, arguments=[uri, line, str(path)])
    return types.CodeAction(title=title, kind=types.CodeActionKind.Empty, command=command)


def _text(document: Document, line: int) -> str:
    lines = document.positions.lines
    return lines.span_of_line(line - 1).of(document.text) if 1 <= line <= len(lines.starts) else ""


def _stands_alone(text: str, path: Path) -> bool:
    """Whether a row surely begins and ends on its line: a cell in quotes may hold line ends."""
    return path.suffix.lower() in (".jsonl", ".ndjson") or text.count('"') % 2 == 0


def _whole_line(document: Document, line: int) -> Span:
    starts = document.positions.lines.starts
    end = starts[line] if line < len(starts) else len(document.text)
    return Span(starts[line - 1], end)
