"""A parsed `.prompt` file: its text, what stands where, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from apo_engine.allowed_paths import (
    NotRegularError,
    read_allowed,
    read_regular,
    require_regular,
    require_same_kind,
)
from apo_engine.positions import Lines, Span, common_prefix
from apo_engine.problems import InputError, Place, Problem, Severity
from apo_engine.prompt import frontmatter, schema, sections
from apo_engine.prompt.frontmatter import FrontMatter
from apo_engine.prompt.references import References, Use, references
from apo_engine.prompt.sections import Regions, Section
from apo_engine.prompt.template import Fault, Node, Text, scan, unchanged
from apo_engine.prompt.usage import usage_faults
from apo_engine.settings import Layer

MAX_CHARS = 1_000_000
# What is larger is not even read.
MAX_BYTES = 64 << 20
_BOM = "\ufeff"
_WARNINGS = ("region-repeated", "region-stray", "region-unknown", "region-unclosed", "region-nested", "region-crossing")


@dataclass(frozen=True)
class PromptFile:
    """A `.prompt` file. Immutable; every span is in offsets of ``text``, which has no byte order mark.

    It is parsed part by part, each when first asked for: who completes a word while it is typed waits for no check.
    ``known`` are nodes at its beginning that an earlier version has already.
    """

    path: Path | None
    text: str
    bom: bool = False
    known: tuple[Node, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def lines(self) -> Lines:
        """The lines of the text."""
        return Lines(self.text)

    @property
    def front_matter(self) -> FrontMatter | None:
        """The front matter, if there is any."""
        return self._front[0]

    @property
    def template(self) -> Span:
        """The template: everything after the front matter."""
        return Span(self.front_matter.span.end if self.front_matter else 0, len(self.text))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the template; they tile it exactly."""
        return self._scanned[0]

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the file."""
        faults = (*self._scanned[1], *usage_faults(self.nodes), *self._regions.faults)
        return (*self._front[1], *(_problem(fault, self.path, self.lines) for fault in faults))

    @cached_property
    def declared(self) -> tuple[tuple[str, Span], ...]:
        """The inputs that the front matter declares."""
        return schema.declared_inputs(self.front_matter)

    @property
    def variables(self) -> tuple[tuple[str, Span], ...]:
        """Each use of a root-level input in the template."""
        return self._reads.names

    @property
    def uses(self) -> tuple[Use, ...]:
        """All references that lead to an input or into one."""
        return self._reads.uses

    @property
    def reads_everything(self) -> bool:
        """Whether the template reads inputs that it does not name."""
        return self._reads.whole

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The messages that the template is made of."""
        return sections.sections(self.nodes, self.template.start, len(self.text))

    @cached_property
    def passages(self) -> tuple[Span, ...]:
        """What may be optimized: the system messages' sections, else the first user section."""
        return sections.passages(self.text, self.sections)

    @cached_property
    def literals(self) -> tuple[Span, ...]:
        """The text in the passages that may change: outside of tags, of the ``kept`` regions and of ``exemplars``."""
        exemplars = [self.exemplars] if self.exemplars else []
        return sections.literals(self.nodes, self.passages, sorted([*self.kept, *exemplars]))

    @property
    def kept(self) -> tuple[Span, ...]:
        """The regions that are to stay as they are, with their markers."""
        return self._regions.kept

    @property
    def exemplars(self) -> Span | None:
        """The block of exemplars, with its markers."""
        return self._regions.exemplars

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

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

    def changed(self, text: str) -> PromptFile:
        """A later version, for which what stands before the first change is not read again."""
        new = parse_prompt(text, self.path)
        if "_scanned" not in vars(self) or new.template.start != self.template.start or len(self.text) > MAX_CHARS:
            return new
        return replace(new, known=tuple(unchanged(self.nodes, common_prefix(self.text, new.text))))

    @cached_property
    def _front(self) -> tuple[FrontMatter | None, tuple[Problem, ...]]:
        return frontmatter.read_front_matter(self.text, self.path, self.lines)

    @cached_property
    def _scanned(self) -> tuple[tuple[Node, ...], tuple[Fault, ...]]:
        return _scanned(self.text, self.template.start, self.known)

    @cached_property
    def _reads(self) -> References:
        objects = {found.path for found in schema.declarations(self.front_matter) if found.type == "object"}
        return references(self.nodes, objects)

    @cached_property
    def _regions(self) -> Regions:
        return sections.regions(self.nodes, len(self.text))


def parse_prompt(text: str, path: Path | None = None) -> PromptFile:
    """The `.prompt` file of a text. Nothing in it raises: what is wrong is in ``problems``, the rest is usable."""
    return PromptFile(path, text.removeprefix(_BOM), bom=text.startswith(_BOM))


def load_prompt(path: Path) -> PromptFile:
    """Read and parse a `.prompt` file that the user named.

    Raises:
        InputError: as of :func:`require_prompt_file`; or the file is not UTF-8 text. Problems inside it are collected,
            not raised.
    """
    require_prompt_file(path)
    return _load_prompt(path, lambda: read_regular(path, MAX_BYTES))


def require_prompt_file(path: Path) -> None:
    """Make sure that a path leads to a regular file with the name of a prompt, without opening it.

    Raises:
        InputError: there is no such file, it is something else such as a folder or a FIFO, or its name ends otherwise.
    """
    try:
        require_regular(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    if not path.name.lower().endswith(".prompt"):
        message = "This is not a .prompt file: its name does not end in '.prompt'."
        raise InputError(Problem("prompt-kind", message, "Name a .prompt file.", Place(path)))


def load_named_prompt(path: Path, roots: Sequence[Path]) -> PromptFile:
    """Read and parse a `.prompt` file that a prompt or a workspace named, in one of the folders ``roots``.

    Raises:
        InputError: the file cannot be read, lies elsewhere, is a link to a file of another kind, or is not UTF-8 text.
    """

    def read() -> bytes:
        require_same_kind(path)
        return read_allowed(path, roots, MAX_BYTES)

    return _load_prompt(path, read)


def _load_prompt(path: Path, read: Callable[[], bytes]) -> PromptFile:
    try:
        data = read()
    except OSError as error:
        raise _unreadable(path, error) from None
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


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(Problem("prompt-missing", "There is no such file.", "Check the path.", Place(path)))
    message = f"The file cannot be read: {error.strerror or error}."
    remedy = "Name a .prompt file." if isinstance(error, NotRegularError) else "Check the path."
    return InputError(Problem("prompt-unreadable", message, remedy, Place(path)))


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


def _scanned(text: str, start: int, known: Sequence[Node] = ()) -> tuple[tuple[Node, ...], tuple[Fault, ...]]:
    rest = Span(start, len(text))
    if len(text) > MAX_CHARS:
        message = f"The file is longer than {MAX_CHARS:,} characters."
        fault = Fault("prompt-large", message, "Shorten it.", Span(start, start))
        return ((Text(rest),) if len(rest) else ()), (fault,)
    nodes, faults = scan(text, start, known)
    nul = text.find("\0")
    if nul >= 0:
        message = "There is a NUL character here."
        faults = (*faults, Fault("prompt-encoding", message, "Remove it.", Span(nul, nul + 1)))
    return nodes, faults


def _problem(fault: Fault, path: Path | None, lines: Lines) -> Problem:
    severity = Severity.WARNING if fault.code in _WARNINGS else Severity.ERROR
    return Problem(fault.code, fault.message, fault.remedy, Place.at(path, lines, fault.span), severity, fault.repairs)
