"""Variables that nothing fills, fields that are not declared, and inputs that are never used."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.problems import Problem, Repair, Severity
from apo_engine.prompt.schema import accepts_more, declarations
from apo_engine.prompt.template import Partial
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.references import Use

# Of each kind; who wrote so many wants no list of them.
MAX_PROBLEMS = 100
_PLAIN = re.compile(r"[^\W\d][\w-]*")
# Handlebars knows the length of a list without being told.
_BUILT_IN = ("length",)


def undefined(prompt: PromptFile, columns: Collection[str] | None) -> Iterator[Problem]:
    """Variables that neither the rows nor the schema nor defaults fill, and fields that the schema does not have.

    ``columns`` are the inputs that the rows fill; None where they are not known.
    """
    declared = declarations(prompt.front_matter)
    roots = [found.path[0] for found in declared if len(found.path) == 1]
    if columns is not None or (roots and not accepts_more(prompt.front_matter)):
        optional = [found.path[0] for found in declared if found.optional and len(found.path) == 1]
        offered = sorted(roots) if columns is None else list(columns)
        known = [*dict.fromkeys([*offered, *optional, *prompt.defaults])]
        where = "the example rows do not have it" if columns is not None else "input.schema does not declare it"
        severity = Severity.ERROR if columns is not None else Severity.WARNING
        filled_names = frozenset(known)
        wanting = ((name, span) for name, span in prompt.variables if name not in filled_names)
        for name, span in islice(wanting, MAX_PROBLEMS):
            message = f"Nothing fills the variable '{name}': {where}."
            yield _unknown(prompt, span, name, known, message, severity)
    fields: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for found in declared:
        fields[found.path[:-1]].append(found.path[-1])
    for found in declared:
        if found.open:
            fields.pop(found.path, None)
    filled = roots if columns is None else columns
    wrong = (problem for use in prompt.uses for problem in _field(prompt, use, fields, filled))
    yield from islice(wrong, MAX_PROBLEMS)


def _field(
    prompt: PromptFile, use: Use, fields: Mapping[tuple[str, ...], list[str]], roots: Collection[str]
) -> Iterator[Problem]:
    """The first name of a reference that is no field of what stands before it."""
    for path, span in use.names:
        known = fields.get(path[:-1], ()) if len(path) > 1 else ()
        if not known or path[-1] in known or path[-1] in _BUILT_IN:
            continue
        owner, name = ".".join(path[:-1]), path[-1]
        message = f"'{owner}' has no field '{name}': input.schema does not declare it."
        # Within a block, Handlebars does not look for a name around it.
        if name in roots and (path, span) == use.names[0]:
            repair = Repair.respelling(span, f"@root.{name}")
            remedy = f"Write @root.{name} for the input of that name."
            yield Problem("variable-undefined", message, remedy, prompt.place(span), Severity.WARNING, (repair,))
        else:
            yield _unknown(prompt, span, name, known, message, Severity.WARNING)
        return


def unused(prompt: PromptFile) -> Iterator[Problem]:
    """Declared inputs that the template never reads; none where it may read them all."""
    if prompt.reads_everything or any(isinstance(node, Partial) for node in prompt.nodes):
        return
    used = {name for name, _ in prompt.variables}
    for name, span in prompt.declared:
        if name not in used:
            message = f"The input '{name}' is declared and never used."
            remedy = f"Write {{{{{name}}}}} where it belongs, or remove it."
            line = _own_line(prompt, span)
            repairs = (Repair(f"Remove the declaration of {name}", ((line, ""),)),) if line else ()
            yield Problem("variable-unused", message, remedy, prompt.place(span), Severity.WARNING, repairs)


def _unknown(
    prompt: PromptFile, span: Span, name: str, known: Sequence[str], message: str, severity: Severity
) -> Problem:
    close = nearest(name, known)
    remedy = f"Did you mean {close!r}?" if close else f"There are {', '.join(known) or 'no inputs'}."
    repairs: tuple[Repair, ...] = ()
    if close:
        bracketed = prompt.text[span.start - 1 : span.start] == "["
        repairs = (Repair.respelling(span, close if bracketed or _PLAIN.fullmatch(close) else f"[{close}]"),)
    return Problem("variable-undefined", message, remedy, prompt.place(span), severity, repairs)


def _own_line(prompt: PromptFile, span: Span) -> Span | None:
    """The whole line of a declaration that has one to itself, its line end included."""
    lines, text = prompt.lines, prompt.text
    number = lines.line_of(span.start)
    line = lines.span_of_line(number)
    if text[line.start : span.start].strip(" \t\"'") or number + 1 >= len(lines.starts):
        return None
    following = lines.span_of_line(number + 1).of(text)
    indented = len(following) - len(following.lstrip())
    if following.strip() and indented > span.start - line.start:
        return None
    return Span(line.start, lines.starts[number + 1])
