"""A parsed `.prompt` file: its text, what stands where, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from apo_engine.positions import Lines, Span
from apo_engine.problems import InputError, Place, Problem, Severity
from apo_engine.prompt import frontmatter, schema, sections
from apo_engine.prompt.frontmatter import FrontMatter
from apo_engine.prompt.references import Use, references
from apo_engine.prompt.template import Fault, Node, Text, scan
from apo_engine.prompt.usage import usage_faults
from apo_engine.settings import Layer

MAX_CHARS = 1_000_000
_BOM = "\ufeff"
_WARNINGS = ("region-repeated", "region-stray", "region-unknown", "region-unclosed", "region-nested", "region-crossing")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A `.prompt` file, parsed. Immutable; every span is in offsets of ``text``, which has no byte order mark.

    ``nodes`` tile the template exactly. ``declared`` are the inputs that the front matter declares and ``variables``
    each use of a root-level input in the template; ``uses`` are all references that lead to an input or into one.
    ``passages`` are what may be optimized: the system messages' sections, else the first user section. ``literals``
    is the text in them that may change: what stands outside tags, the ``kept`` regions and the ``exemplars`` block
    (both with their markers).
    """

    path: Path | None
    text: str
    bom: bool
    front_matter: FrontMatter | None
    nodes: tuple[Node, ...]
    problems: tuple[Problem, ...]
    declared: tuple[tuple[str, Span], ...]
    variables: tuple[tuple[str, Span], ...]
    uses: tuple[Use, ...]
    reads_everything: bool
    sections: tuple[sections.Section, ...]
    passages: tuple[Span, ...]
    literals: tuple[Span, ...]
    kept: tuple[Span, ...]
    exemplars: Span | None
    lines: Lines
    fingerprint: str

    @property
    def template(self) -> Span:
        """The template: everything after the front matter."""
        return Span(self.front_matter.span.end if self.front_matter else 0, len(self.text))

    @property
    def defaults(self) -> dict[str, object]:
        """The values of ``input.default``."""
        return frontmatter.default_inputs(self.front_matter)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that ``output.schema`` declares, if it declares one enumeration."""
        return schema.declared_labels(self.front_matter)

    @property
    def required_inputs(self) -> tuple[str, ...]:
        """The inputs that a row must fill: all that the template reads, but optional ones and those with a default."""
        free = {*schema.optional_inputs(self.front_matter), *self.defaults}
        return tuple(dict.fromkeys(name for name, _ in self.variables if name not in free))

    def layer(self) -> Layer:
        """The settings in the front matter, with their places."""
        return frontmatter.file_layer(self.front_matter, self.path, self.lines)

    def place(self, span: Span) -> Place:
        """Where ``span`` is, for a problem."""
        return Place.at(self.path, self.lines, span)


def parse_prompt(text: str, path: Path | None = None) -> PromptFile:
    """Parse the text of a `.prompt` file. Never raises: what is wrong is in ``problems``, the rest is usable."""
    bom = text.startswith(_BOM)
    text = text.removeprefix(_BOM)
    lines = Lines(text)
    front, problems = frontmatter.read_front_matter(text, path, lines)
    start = front.span.end if front else 0
    nodes, faults = _scanned(text, start)
    objects = {found.path for found in schema.declarations(front) if found.type == "object"}
    reads = references(nodes, objects)
    parts = sections.sections(nodes, start, len(text))
    passages = sections.passages(text, parts)
    marked = sections.regions(nodes, len(text))
    frozen = sorted([*marked.kept, *([marked.exemplars] if marked.exemplars else [])])
    faults = (*faults, *usage_faults(nodes), *marked.faults)
    return PromptFile(
        path=path,
        text=text,
        bom=bom,
        front_matter=front,
        nodes=nodes,
        problems=(*problems, *(_problem(fault, path, lines) for fault in faults)),
        declared=schema.declared_inputs(front),
        variables=reads.names,
        uses=reads.uses,
        reads_everything=reads.whole,
        sections=parts,
        passages=passages,
        literals=sections.literals(nodes, passages, frozen),
        kept=marked.kept,
        exemplars=marked.exemplars,
        lines=lines,
        fingerprint=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def load_prompt(path: Path) -> PromptFile:
    """Read and parse a `.prompt` file.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text. Problems inside it are collected, not raised.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problem = Problem("prompt-missing", "There is no such file.", "Check the path.", Place(path))
        raise InputError(problem) from None
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or error}."
        raise InputError(Problem("prompt-unreadable", message, "Check the path.", Place(path))) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix(_BOM)
        place = Place.at(path, Lines(before), Span(len(before), len(before)))
        message = f"The byte 0x{data[error.start]:02x} here is not UTF-8 text."
        raise InputError(Problem("prompt-encoding", message, "Save the file as UTF-8.", place)) from None
    if "\0" in text:
        at = text.index("\0")
        message = "There is a NUL character here; this is not a text file."
        place = Place.at(path, Lines(text), Span(at, at + 1))
        raise InputError(Problem("prompt-encoding", message, "Remove it, or save the file as UTF-8.", place))
    return parse_prompt(text, path)


def require_runnable(prompt: PromptFile, more: Iterable[Problem] = ()) -> None:
    """Make sure that a prompt can run; ``more`` are further findings to heed, as of ``check_prompt``.

    Raises:
        InputError: there are problems that are errors; all of them are reported, once each.
    """
    errors = [problem for problem in (*prompt.problems, *more) if problem.severity is Severity.ERROR]
    if not prompt.text[prompt.template.start :].strip():
        message, remedy = "There is no template.", "Write the prompt below the front matter."
        errors.append(Problem("template-empty", message, remedy, prompt.place(prompt.template)))
    if errors:
        raise InputError(*dict.fromkeys(errors))


def _scanned(text: str, start: int) -> tuple[tuple[Node, ...], tuple[Fault, ...]]:
    rest = Span(start, len(text))
    if len(text) > MAX_CHARS:
        message = f"The file is longer than {MAX_CHARS:,} characters."
        fault = Fault("prompt-large", message, "Shorten it.", Span(start, start))
        return ((Text(rest),) if len(rest) else ()), (fault,)
    nodes, faults = scan(text, start)
    nul = text.find("\0")
    if nul >= 0:
        message = "There is a NUL character here."
        faults = (*faults, Fault("prompt-encoding", message, "Remove it.", Span(nul, nul + 1)))
    return nodes, faults


def _problem(fault: Fault, path: Path | None, lines: Lines) -> Problem:
    severity = Severity.WARNING if fault.code in _WARNINGS else Severity.ERROR
    return Problem(fault.code, fault.message, fault.remedy, Place.at(path, lines, fault.span), severity, fault.repairs)
