"""What a run says while it works: one typed stream that every reader (terminal, editor, store, JSON) shares.

Events are plain data: they encode to one JSON line each and decode back to the same value. Their order and content
depend on inputs, seed and answers only; clocks appear in `RunEnded.seconds` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from apo_engine.decoding import decoded
from apo_engine.evaluation.figures import Figures
from apo_engine.evaluation.result import RowResult
from apo_engine.problems import Severity
from apo_engine.scoring.comparison import Comparison, Interval
from apo_engine.scoring.sequential import level_of_look
from apo_engine.search.candidate import Candidate
from apo_engine.search.gradient import Gradient

# Raise it when stored events change their meaning. New fields with a default, and new events, need no new number.
EVENT_FORMAT = 1

Job = Literal["evaluate", "gradients", "optimize"]
# The three disjoint sets of rows; "open" is critique and selection together: all that is not sealed.
Part = Literal["critique", "selection", "holdout", "open"]
Stopped = Literal["finished", "no-failures", "no-progress", "budget", "cancelled", "endpoint", "nothing-to-improve"]


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=lambda name: name):
    """Base of all events."""


class Spent(msgspec.Struct, frozen=True):
    """Consumption so far. ``calls`` are logical calls by role; ``usd`` is real money, None where a price is unknown."""

    calls: Mapping[str, int] = {}
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0


class RowCounts(msgspec.Struct, frozen=True):
    """How many rows each disjoint set holds."""

    critique: int
    selection: int
    holdout: int


class Estimate(msgspec.Struct, frozen=True):
    """The most a run may use before it starts: an upper bound in calls, a guess in tokens and money."""

    calls: int
    tokens: int
    usd: float | None


class RunCaps(msgspec.Struct, frozen=True):
    """What a run may use at most: logical calls and tokens of every role, US dollars, seconds. None is no cap."""

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None


class FileRows(msgspec.Struct, frozen=True):
    """How many rows of an example file the models of a run may be shown, and how many stay where they are.

    ``columns`` are the file's columns that fill inputs: every role is sent them. ``answers`` is its column of the
    expected answers, empty if no model is shown them. ``sealed`` rows are kept for the verdict of a search; they are
    among those that stay. ``target`` is the file that ``path`` leads to by links, empty if it is not a link.
    """

    path: str
    shown: int
    kept: int
    columns: tuple[str, ...] = ()
    target: str = ""
    answers: str = ""
    sealed: int = 0


class IncludedFile(msgspec.Struct, frozen=True):
    """Another prompt file whose text a run sends: a partial, or a meta-prompt of the user's own with its partials.

    ``digest`` is the SHA-256 of the text as it was read for the run. ``target`` is the file that ``path`` leads to by
    links, empty if it is not a link.
    """

    path: str
    digest: str
    target: str = ""


class Destination(msgspec.Struct, frozen=True):
    """One role of a model that is not on this machine, and what it is sent besides the prompt.

    ``host`` is the host that is asked, with its port if that is not the usual one. ``task`` answers rows, ``optimizer``
    criticises and rewrites, ``judge`` grades answers. ``rows`` are the most that it may be shown of each set.
    ``encrypted`` is False where whoever carries the requests can read them; ``proxy`` is the host of a proxy that reads
    them, empty if none does.
    """

    role: Literal["task", "optimizer", "judge"]
    model: str
    host: str
    rows: RowCounts
    encrypted: bool
    proxy: str = ""


class CustomMetric(msgspec.Struct, frozen=True):
    """The metric of a run that is code: ``module:function``, its file, and all ``files`` that it is made of.

    ``files`` are relative to the prompt's folder, the function's own first; ``digest`` is a hash of all they hold.
    """

    name: str
    path: str
    digest: str
    files: tuple[str, ...]


class ModelFile(msgspec.Struct, frozen=True):
    """A file of weights that a run would load: the model's name, the file with links followed, and its SHA-256."""

    name: str
    path: str
    sha256: str


class RunStarted(Event, frozen=True):
    """The first event: what will run on what, and what it may cost.

    ``run`` is the id of this execution, empty in a plan; ``experiment`` is a hash of all that is asked.
    ``judge_model`` grades answers where the metric is ``judge``, and is shown the rows it grades; ``custom_metric`` is
    run if the metric is code; ``model_files`` are read by a native runtime. ``destinations`` are all to which anything
    is sent, in the order task, optimizer, judge; no request goes anywhere else. ``files`` are the example files,
    ``file`` is the prompt's, empty if it has none; ``included`` are all others whose text is sent. ``notices`` are
    sentences on parameters that the user's own configuration allowed: what each one does besides tuning an answer,
    where, and whether its price is known.
    ``fingerprint`` changes with whatever would be sent, and with where to; ``rows_fingerprint`` changes with the rows
    alone.
    """

    run: str
    job: Job
    prompt: Candidate
    task_model: str
    optimizer_model: str
    metric: str
    labels: tuple[str, ...]
    rows: RowCounts
    estimate: Estimate
    seed: int
    judge_model: str | None = None
    custom_metric: CustomMetric | None = None
    destinations: tuple[Destination, ...] = ()
    files: tuple[FileRows, ...] = ()
    file: str = ""
    caps: RunCaps = RunCaps()
    model_files: tuple[ModelFile, ...] = ()
    notices: tuple[str, ...] = ()
    fingerprint: str = ""
    rows_fingerprint: str = ""
    experiment: str = ""
    included: tuple[IncludedFile, ...] = ()

    @property
    def local(self) -> bool:
        """Whether nothing leaves this machine."""
        return not self.destinations


class Noted(Event, frozen=True):
    """Something the user should read: a fallback taken, rows left out, a weak model."""

    message: str
    severity: Severity = Severity.INFORMATION


class Progressed(Event, frozen=True):
    """Work done in the current phase, in rows or calls; ``phase`` is worded for people."""

    phase: str
    done: int
    total: int
    spent: Spent = Spent()


class RoundStarted(Event, frozen=True):
    """A round of the search begins with this beam (candidate ids, best first)."""

    round: int
    beam: tuple[str, ...]


class CandidateProposed(Event, frozen=True):
    """A new prompt entered the pool."""

    candidate: Candidate


class CandidateDiscarded(Event, frozen=True):
    """A rewrite that never entered the pool, and why."""

    parent: str
    operator: str
    gradients: tuple[str, ...]
    reason: str


class CandidateScored(Event, frozen=True):
    """The evidence of a candidate on one part, so far.

    ``results`` are the new rows only, in row order (always empty for the hold-out). ``against_seed`` is paired on the
    rows both have. ``figures`` and ``usd`` are told of the user's prompt where all its open rows are scored: what else
    its answers come to, and what the requests for them cost, None where a price is unknown.
    """

    candidate: str
    part: Part
    score: float
    interval: Interval
    n: int
    results: tuple[RowResult, ...] = ()
    against_seed: Comparison | None = None
    figures: Figures | None = None
    usd: float | None = None


class GradientFound(Event, frozen=True):
    """A critique of a candidate."""

    candidate: str
    gradient: Gradient


class Standing(msgspec.Struct, frozen=True):
    """A candidate's place in the beam, with its selection score over ``n`` rows."""

    candidate: str
    score: float
    n: int


class RoundEnded(Event, frozen=True):
    """The beam after a round, best first."""

    round: int
    beam: tuple[Standing, ...]
    spent: Spent = Spent()


class HoldoutOpened(Event, frozen=True):
    """The sealed rows are about to be scored, for the winner and the seed alone.

    ``earlier_looks`` is the number of executions that opened them before, None if the store holds none.
    """

    n: int
    earlier_looks: int | None


class Verdict(msgspec.Struct, frozen=True):
    """What the hold-out says. ``words`` is one sentence for people, with n and interval.

    ``comparison`` is of the metric, and alone decides; ``start`` and ``best`` hold what else the answers of the seed
    and of the winner come to. ``level`` is that of the one-sided test, which ``earlier_looks`` at these rows make
    stricter (None if the store holds none); ``opened_rows`` were opened before, and as many new ones would restore it.
    ``prompt_looks`` counts the earlier looks for this prompt or its files, whatever rows they were at. If it is the
    larger number, these rows are new, or those in other words.
    """

    comparison: Comparison
    decision: Literal["adopt", "keep"]
    words: str
    earlier_looks: int | None = None
    start: Figures | None = None
    best: Figures | None = None
    level: float = level_of_look(1)
    opened_rows: int = 0
    prompt_looks: int = 0


class VerdictReached(Event, frozen=True):
    """The verdict on the winner."""

    verdict: Verdict


class RunEnded(Event, frozen=True):
    """The last event. ``best`` is the search's winner (the seed where nothing beat it), as ranked on selection rows.

    ``operators`` names what made it out of the seed, in order, so that nobody credits the wrong part. ``code`` is that
    of the problem, where one stopped the run.
    """

    stopped: Stopped
    reason: str
    best: Candidate
    spent: Spent
    seconds: float
    operators: tuple[str, ...] = ()
    code: str = ""


AnyEvent = (
    RunStarted
    | Noted
    | Progressed
    | RoundStarted
    | CandidateProposed
    | CandidateDiscarded
    | CandidateScored
    | GradientFound
    | RoundEnded
    | HoldoutOpened
    | VerdictReached
    | RunEnded
)


def encode(event: AnyEvent) -> bytes:
    """The event as one line of JSON, without a line end."""
    return msgspec.json.encode(event)


def decode(line: bytes | str) -> AnyEvent:
    """The event a line of JSON stands for.

    Raises:
        msgspec.ValidationError: the line is no event.
    """
    event: AnyEvent = decoded(line, AnyEvent)
    return event
