"""Partials: ``{{> name}}`` stands for the template in ``_name.prompt`` beside the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.allowed_paths import is_network_path, is_within, read_allowed, require_same_kind
from apo_engine.positions import Lines
from apo_engine.problems import InputError, Place, Problem, Repair
from apo_engine.prompt.frontmatter import front_matter_length, read_front_matter
from apo_engine.prompt.scan_budget import ScanBudget, ScanBudgetSpent
from apo_engine.prompt.template import BlockOpen, Partial, scan
from apo_engine.prompt.usage import usage_faults
from apo_engine.settings import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apo_engine.positions import Span
    from apo_engine.prompt.file import PromptFile
    from apo_engine.prompt.template import Node

MAX_PARTIALS = 100
MAX_BYTES = 1_000_000
# Partials that include others twice each grow beyond all measure in a few steps.
MAX_CHARS = 500_000
# Each is looked up on disk.
MAX_PROBLEMS = 100
_MAX_NAMES = 1_000
# The text of a file in a folder; None where there is none. Raises OSError or UnicodeDecodeError where it cannot be
# read, or lies elsewhere.
Read = Callable[[Path, Path], str | None]


def partial_names(nodes: Sequence[Node]) -> tuple[tuple[str, Span, bool], ...]:
    """The files that these nodes include: name, place, and whether there must be one (no fallback is given)."""
    inline = {
        node.call.arguments[0].literal or node.call.arguments[0].text
        for node in nodes
        if isinstance(node, BlockOpen) and node.kind == "#*" and node.call.arguments
    }
    found = []
    for node in nodes:
        if isinstance(node, Partial) or (isinstance(node, BlockOpen) and node.kind == "#>"):
            name = node.call.name
            if name not in inline and name != "@partial-block" and node.call.head.call is None:
                found.append((name, node.call.head.span, isinstance(node, Partial)))
    return tuple(found)


def partial_path(prompt: PromptFile, name: str) -> Path | None:
    """The file that a partial's name stands for, be it there or not; None outside the prompt's folder."""
    if prompt.path is None or is_network_path(name):
        return None
    path = path_beside(prompt.path, name)
    # A NUL, half a surrogate pair, a name that is too long, links in a circle: no file is called so.
    return path if is_within(path, (prompt.path.parent,)) else None


def path_beside(prompt: Path, name: str) -> Path:
    """The path that a partial's name stands for beside a prompt, wherever it leads."""
    folder, _, base = name.rpartition("/")
    return prompt.parent / folder / f"_{base}.prompt"


def load_partials(prompt: PromptFile) -> Mapping[str, str]:
    """The templates of all partials that a prompt includes, directly or through others, by name.

    Raises:
        InputError: some are missing, broken, outside the prompt's folder, or they include each other in a circle.
    """
    loading = _Loading(prompt, read_partial)
    if loading.problems:
        raise InputError(*loading.problems)
    return loading.texts


def partial_texts(prompt: PromptFile, read: Read) -> Mapping[str, str]:
    """The templates of the partials that can be read, by name, whatever is wrong with them or with others."""
    return _Loading(prompt, read).texts


def partial_files(prompt: PromptFile, read: Read) -> tuple[Path, ...]:
    """The files of the partials that a prompt includes, directly or through others, also those that are missing."""
    return tuple(_Loading(prompt, read).looked_at.values())


def partial_problems(prompt: PromptFile, read: Read) -> tuple[Problem, ...]:
    """What is wrong with the partials of a prompt, each thing at the tag in the prompt that leads to it."""
    return tuple(dict.fromkeys(_Loading(prompt, read).at_tags))


def read_partial(path: Path, folder: Path) -> str | None:
    """The text of a partial on disk, in the folder of the prompt that includes it; None where there is no file.

    Raises:
        OSError: it cannot be read, lies elsewhere, is not a regular file, is too large, or is a link to a file of
            another kind, which nobody would expect to be sent.
        UnicodeDecodeError: it is not UTF-8 text.
    """
    try:
        require_same_kind(path)
        return read_allowed(path, (folder,), MAX_BYTES).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None


@dataclass
class _Loading:
    """Everything that a prompt includes: ``texts`` by name, and ``problems``, also placed ``at_tags`` of the prompt."""

    prompt: PromptFile
    read: Read
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    at_tags: list[Problem] = field(default_factory=list)
    inner: dict[str, list[str]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    looked_at: dict[str, Path] = field(default_factory=dict)
    budget: ScanBudget = field(default_factory=ScanBudget)
    chars: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        prompt, total = self.prompt, 0
        for name, span, required in partial_names(prompt.nodes):
            place = prompt.place(span)
            self.include(name, required, place, place, ())
            if self.stopped:
                return
            # A circle is a problem already, and has no length.
            total += 0 if self.problems else self.length(name)
            if total > MAX_CHARS:
                message = f"With all that they include, the partials grow beyond {MAX_CHARS:,} characters here."
                self.stop(Problem("partial-large", message, "Include less, or less often.", place), place)
                return

    def length(self, name: str) -> int:
        """How long a partial is with all that it includes."""
        if name not in self.lengths:
            within = sum(map(self.length, self.inner.get(name, ())))
            self.lengths[name] = len(self.texts.get(name, "")) + within
        return self.lengths[name]

    def include(self, name: str, required: bool, place: Place, tag: Place, chain: tuple[str, ...]) -> None:
        """Add one partial and what it includes; ``tag`` is the place in the prompt that all this hangs on."""
        if name in chain and not self.stopped:
            circle = " → ".join((*chain[chain.index(name) :], name))
            message = f"Partials include each other in a circle: {circle}."
            self.say(Problem("partial-circle", message, "Take one of them out.", place), tag)
            return
        if self.stopped or name in self.texts or (name in self.looked_at and not required):
            return
        path = partial_path(self.prompt, name)
        if path is None:
            self.say(_unplaced(self.prompt, name, place), tag)
            return
        if name not in self.looked_at and len(self.looked_at) >= MAX_PARTIALS:
            self.stop(Problem("partial-many", f"More than {MAX_PARTIALS} partials.", "Use fewer.", place), tag)
            return
        self.looked_at[name] = path
        try:
            assert self.prompt.path is not None
            text = self.read(path, self.prompt.path.parent)
        except (OSError, ValueError) as error:
            message = f"The partial {path.name} cannot be read: {getattr(error, 'strerror', None) or error}."
            remedy = "Check the file." if isinstance(error, OSError) else "Save it as UTF-8 text."
            self.say(Problem("partial-unreadable", message, remedy, place), tag)
            return
        if text is not None:
            self.take(name, path, text, place, tag, chain)
        elif required:
            self.say(_missing(name, path, place), tag)

    def take(self, name: str, path: Path, text: str, place: Place, tag: Place, chain: tuple[str, ...]) -> None:
        """Add the text of one partial and what it includes."""
        self.chars += len(text)
        if self.chars > MAX_CHARS:
            message = f"With '{name}', the partials are longer than {MAX_CHARS:,} characters together."
            self.stop(Problem("partial-large", message, "Shorten them, or include fewer.", place), tag)
            return
        try:
            self.budget.spend_on_front_matter(front_matter_length(text))
            lines = Lines(text)
            front, problems = read_front_matter(text, path, lines)
            start = front.span.end if front else 0
            nodes, faults = scan(text, start, budget=self.budget)
        except ScanBudgetSpent:
            message = (
                f"With '{name}', the partials have more or longer tags, or more front matter, than can be checked."
            )
            self.stop(Problem("partial-large", message, "Shorten them, or include fewer.", place), tag)
            return
        wrong = [
            Problem(fault.code, fault.message, fault.remedy, Place.at(path, lines, fault.span), repairs=fault.repairs)
            for fault in (*faults, *usage_faults(nodes))
        ]
        self.texts[name] = text[start:]
        self.inner[name] = [inner for inner, _, _ in partial_names(nodes)]
        for problem in (*problems, *wrong):
            if not self.stopped:
                self.say(problem, tag)
        for inner, span, required in partial_names(nodes):
            self.include(inner, required, Place.at(path, lines, span), tag, (*chain, name))

    def stop(self, problem: Problem, tag: Place) -> None:
        """Say what is wrong, and look at no more partials."""
        self.say(problem, tag)
        self.stopped = True

    def say(self, problem: Problem, tag: Place) -> None:
        self.stopped = self.stopped or len(self.problems) >= MAX_PROBLEMS
        self.problems.append(problem)
        if problem.place is not None and problem.place != tag:
            where = f"{problem.place.path.name if problem.place.path else ''}:{problem.place.line}"
            problem = Problem(problem.code, f"{where}: {problem.message}", problem.remedy, tag)
        self.at_tags.append(problem)


def _missing(name: str, path: Path, place: Place) -> Problem:
    folder = path.parent
    there = [found.name[1 : -len(".prompt")] for found in islice(_listed(folder), _MAX_NAMES)]
    prefix, slash, base = name.rpartition("/")
    close = nearest(base, there)
    message = f"The partial '{name}' is missing: there is no file {path.name} beside the prompt."
    remedy = f"Did you mean {prefix + slash + close!r}?" if close else "Make it, or correct the name."
    span = place.span
    repairs = (Repair.respelling(span, prefix + slash + close),) if close and span and len(span) == len(name) else ()
    return Problem("partial-missing", message, remedy, place, repairs=repairs)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("_*.prompt"))
    except OSError:
        return []


def _unplaced(prompt: PromptFile, name: str, place: Place) -> Problem:
    if prompt.path is None:
        message = f"The partial '{name}' cannot be found: this prompt has no file."
        return Problem("partial-missing", message, "Save the prompt first.", place)
    message = f"The partial '{name}' lies outside the prompt's folder."
    return Problem("partial-outside", message, "Move it beside the prompt.", place)
