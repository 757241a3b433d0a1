"""What is known about a prompt text from earlier runs, and where it is kept.

Knowledge is about one exact text. It lies in the cache folder by prompt path and text, so that a file that is opened
again shows what is known without a single call.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from stat import S_ISDIR
from typing import TypeVar

import msgspec

from apo_engine.allowed_paths import open_allowed
from apo_engine.decoding import decoded
from apo_engine.positions import Span
from apo_engine.private import NotPrivateError
from apo_engine.private_files import PrivateFolder, warn_once
from apo_engine.scoring.comparison import Comparison, Interval
from apo_engine.search.events import Job, Part, Verdict

_log = logging.getLogger(__name__)
# Texts remembered for one prompt; the oldest go first.
_TEXTS = 20
_IGNORED = "ignored.json"
_KNOWN = ".known.json"
# The path of the prompt that a folder is about.
_ORIGIN = "prompt.json"
KindT = TypeVar("KindT")


class Row(msgspec.Struct, frozen=True):
    """A failing row that the critic was allowed to see; ``text`` is an excerpt of its inputs."""

    line: int
    path: str
    expected: str
    answered: str
    text: str = ""


class Finding(msgspec.Struct, frozen=True):
    """A textual gradient of the text, with the first of the rows that show it. ``rows_in_all`` counts them all."""

    id: str
    critique: str
    span: Span
    anchor: str
    share: float
    rows: tuple[Row, ...]
    rows_in_all: int


class Rewrite(msgspec.Struct, frozen=True):
    """A candidate and its evidence; ``against`` is its paired comparison with the text on selection rows.

    ``gradients`` are the findings of the text that it answers. ``suspicions`` are what it adds that a reader should
    look at.
    """

    id: str
    text: str
    operator: str
    gradients: tuple[str, ...]
    parent: str | None
    score: float | None = None
    n: int = 0
    against: Comparison | None = None
    suspicions: tuple[str, ...] = ()


class Score(msgspec.Struct, frozen=True):
    """The metric of the text, with its interval, on ``n`` rows of a part; ``f1`` is the macro F1 of its labels.

    ``usd`` is what was paid for it, where that is known.
    """

    metric: str
    value: float
    interval: Interval
    n: int
    part: Part
    f1: float | None = None
    usd: float | None = None


class Winner(msgspec.Struct, frozen=True):
    """The best candidate of a search, what made it, what the hold-out says of it, and what a reader should look at."""

    id: str
    text: str
    operators: tuple[str, ...]
    verdict: Verdict | None
    suspicions: tuple[str, ...] = ()


class Doubt(msgspec.Struct, frozen=True):
    """A row that none of ``candidates`` prompts answered as expected, and ``agreeing`` of them alike.

    ``text`` is an excerpt of its inputs, by which the row is known again.
    """

    line: int
    path: str
    expected: str
    answered: str
    agreeing: int
    candidates: int
    text: str = ""


class Ran(msgspec.Struct, frozen=True):
    """A run in the store."""

    run: str
    job: Job


class Knowledge(msgspec.Struct, frozen=True):
    """Everything that is known about ``text``. Findings stand by falling share of failures.

    ``doubtful`` are rows whose expected answer may be wrong. ``ran`` is the run that there is most to read of: the
    last search, else the last run. ``rows`` are the SHA-256 of the example files, by their paths from the prompt's
    folder (`rows_beside`); None if they are not known.
    """

    text: str
    score: Score | None = None
    findings: tuple[Finding, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    winner: Winner | None = None
    last_job: Job | None = None
    doubtful: tuple[Doubt, ...] = ()
    ran: Ran | None = None
    rows: dict[str, str] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.score is None and not self.findings and self.winner is None

    def rewrite_for(self, gradient: str) -> Rewrite | None:
        """The measured rewrite of the text that answers a gradient: alone if there is one, else with the fewest others.

        The best where there are several.
        """
        measured = [(rewrite, rewrite.against) for rewrite in self.rewrites if gradient in rewrite.gradients]
        known = [(len(rewrite.gradients), -found.difference, rewrite) for rewrite, found in measured if found]
        return min(known, key=lambda one: one[:2])[2] if known else None

    def rewrite(self, candidate: str) -> str | None:
        """The text of a candidate."""
        if self.winner is not None and self.winner.id == candidate:
            return self.winner.text
        return next((rewrite.text for rewrite in self.rewrites if rewrite.id == candidate), None)


def rows_beside(folder: Path, names: Iterable[str], roots: Sequence[Path]) -> dict[str, str] | None:
    """The SHA-256 of example files, named from a prompt's folder.

    None if one cannot be read there, or in one of the folders ``roots``.
    """
    found = {}
    for name in names:
        digest = hashlib.sha256()
        try:
            with open_allowed(Path(os.path.normpath(folder / name)), (folder, *roots)) as file:
                while block := file.read(2**20):
                    digest.update(block)
        except OSError:
            return None
        found[name] = digest.hexdigest()
    return found


def _is_of_rows(known: Knowledge | None, folder: Path, roots: Sequence[Path]) -> bool:
    """Whether a prompt in a folder has the rows that something is known of."""
    return known is not None and known.rows is not None and rows_beside(folder, known.rows, roots) == known.rows


def merged(earlier: Knowledge | None, later: Knowledge) -> Knowledge:
    """Two runs on one text as one: the later one's word where both speak, the wider score where one is wider."""
    if earlier is None or earlier.text != later.text:
        return later
    score = later.score or earlier.score
    if earlier.score and later.score and later.score.part != "open" and earlier.score.n > later.score.n:
        score = earlier.score
    if earlier.score and score and (earlier.score.part, earlier.score.n) == (score.part, score.n):
        # Answers that were kept cost nothing the second time.
        score = msgspec.structs.replace(score, usd=score.usd or earlier.score.usd)
    # Findings stay together with their rewrites: a rewrite without its finding would have nothing to stand on.
    findings = {finding.id: finding for finding in (later.findings or earlier.findings)}
    rewrites = {rewrite.id: rewrite for rewrite in (*earlier.rewrites, *later.rewrites)}
    return Knowledge(
        text=later.text,
        score=score,
        findings=tuple(findings.values()),
        rewrites=tuple(rewrites.values()),
        winner=later.winner or earlier.winner,
        last_job=later.last_job,
        # Only a search measures enough prompts to doubt a row.
        doubtful=later.doubtful if later.last_job == "optimize" else earlier.doubtful,
        rows=later.rows,
        ran=max((ran for ran in (later.ran, earlier.ran) if ran), key=lambda ran: ran.job == "optimize", default=None),
    )


class KnowledgeStore:
    """Knowledge and ignored critiques in the folder that the user named, which only its owner can read.

    Knowledge is evidence: a file counts only if it belongs to the user and nobody else can write to it, and no link is
    followed to it. A file that does not, or that is damaged, counts as not there and is logged. What cannot be written
    is logged and otherwise forgotten: losing it costs nothing but another look into the answer cache. Where it no
    longer ``keeps`` anything, it is read alone.
    """

    def __init__(self, folder: Path, *, keeps: Callable[[], bool] = lambda: True) -> None:
        self._prompts = PrivateFolder(folder).child("editor")
        self._keeps = keeps

    def load(self, path: Path, text: str, roots: Sequence[Path] = ()) -> Knowledge | None:
        """What is known about this text, else about the text of this prompt that was measured last.

        A prompt of which nothing is known takes over what is known of one with this very text that is gone: it has
        been renamed or moved. Its rows, in the folders ``roots``, must be the same.
        """
        folder = self._of(path)
        if not _newest_first(folder):
            self._adopt(path, text, roots)
        exact = _read(folder, _name(text), Knowledge)
        if exact is not None and exact.text == text:
            return exact
        for name in _newest_first(folder):
            known = _read(folder, name, Knowledge)
            if known is not None:
                return known
        return None

    def save(self, path: Path, known: Knowledge) -> None:
        """Keep what is known about a text."""
        if not self._keeps():
            return
        folder = self._of(path)
        _write(folder, _name(known.text), known)
        _write(folder, _ORIGIN, os.fspath(path))
        for name in _newest_first(folder)[_TEXTS:]:
            folder.remove(name)

    def moved(self, old: Path, new: Path, roots: Sequence[Path]) -> None:
        """A prompt, or a folder with prompts, has another path now.

        What is known of them, and what the user ignores, goes along if the rows there, in the folders ``roots``, are
        those that it was measured on.
        """
        self._move(old, new, roots)
        for folder in self._known_prompts():
            origin = Path(_read(folder, _ORIGIN, str) or "")
            if origin != old and origin.is_relative_to(old):
                self._move(origin, new / origin.relative_to(old), roots)

    def _move(self, old: Path, new: Path, roots: Sequence[Path]) -> None:
        before, now = self._of(old), self._of(new)
        try:
            if not self._keeps() or before == now or not (names := before.entries()):
                return
            known = [name for name in names if name.endswith(_KNOWN)]
            # Elsewhere, the same name may stand for other rows: a score is shown only beside those it was earned on.
            stay = {name for name in known if not _is_of_rows(_read(before, name, Knowledge), new.parent, roots)}
            if known and len(stay) == len(known):
                return
            ignored = self.ignored(old) | self.ignored(new)
            for name in names.keys() - now.entries().keys() - stay - ({_ORIGIN} if stay else set()):
                before.move(name, now)
            if not stay:
                self._prompts.remove(before.parts[-1])
        except OSError as error:
            _log.warning("Results of a prompt cannot be moved: %s.", error)
            return
        _write(now, _ORIGIN, os.fspath(new))
        if ignored:
            _write(now, _IGNORED, sorted(ignored))

    def ignored(self, path: Path) -> frozenset[str]:
        """The ids of the critiques that the user does not want to see again."""
        return frozenset(_read(self._of(path), _IGNORED, list[str]) or ())

    def ignore(self, path: Path, gradient: str) -> frozenset[str]:
        """Add a critique to the ignored ones, and give them all."""
        ignored = self.ignored(path) | {gradient}
        if self._keeps():
            _write(self._of(path), _IGNORED, sorted(ignored))
        return ignored

    def restore(self, path: Path) -> None:
        """Ignore no critique of a prompt any longer."""
        if self._keeps():
            _write(self._of(path), _IGNORED, [])

    def save_page(self, path: Path, kind: str, page: str) -> Path:
        """Write a page of a kind about a prompt for the user to read, and say where it lies.

        Raises:
            OSError: the folder cannot be written, or is not private.
        """
        if not self._keeps():
            raise OSError(errno.EPERM, "'apo.keep' is 'nothing'")
        folder, name = self._of(path), f"{path.stem}.{kind}.md"
        folder.write(name, page.encode())
        return folder.path / name

    def _adopt(self, path: Path, text: str, roots: Sequence[Path]) -> None:
        if not os.path.lexists(path):
            return
        for folder in self._known_prompts():
            origin = _read(folder, _ORIGIN, str) if _read(folder, _name(text), Knowledge) is not None else None
            # One that is still there was copied: the rows beside the copy may be others.
            if origin is not None and not os.path.lexists(origin):
                self._move(Path(origin), path, roots)
                if _newest_first(self._of(path)):
                    return

    def _known_prompts(self) -> tuple[PrivateFolder, ...]:
        """The folders of all prompts of which something is known."""
        try:
            found = self._prompts.entries()
        except OSError as error:
            warn_once(f"Results are not read: {error}.")
            return ()
        return tuple(self._prompts.child(name) for name, entry in sorted(found.items()) if S_ISDIR(entry.st_mode))

    def _of(self, path: Path) -> PrivateFolder:
        return self._prompts.child(hashlib.sha256(os.fsencode(path)).hexdigest()[:24])


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24] + _KNOWN


def _newest_first(folder: PrivateFolder) -> list[str]:
    try:
        found = [(entry.st_mtime_ns, name) for name, entry in folder.entries().items() if name.endswith(_KNOWN)]
    except OSError as error:
        warn_once(f"Results are not read: {error}.")
        return []
    return [name for _, name in sorted(found, reverse=True)]


def _read(folder: PrivateFolder, name: str, kind: type[KindT]) -> KindT | None:
    try:
        return decoded(folder.read(name), kind)
    except FileNotFoundError:
        return None
    except NotPrivateError as error:
        warn_once(f"Results do not count: {error}.")
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        warn_once(f"A damaged file was left out: {folder.path / name}.")
        return None


def _write(folder: PrivateFolder, name: str, value: object) -> None:
    try:
        folder.write(name, msgspec.json.encode(value))
    except (OSError, UnicodeError) as error:
        # A path that is no text cannot be written down; nothing else depends on it.
        reason = str(error) if isinstance(error, NotPrivateError) else getattr(error, "strerror", None) or error
        warn_once(f"Results cannot be kept in {folder.path}: {reason}.")
