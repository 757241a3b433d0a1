"""The event stream as live output on stderr: the estimate, a bar per phase, and what is found on the way."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from apo_engine.cli import words
from apo_engine.cli.console import remarks, say, warnings_shown
from apo_engine.cli.figures import count, money, percent
from apo_engine.cli.plain import literal, one_line, visible
from apo_engine.cli.render_gradient import heading, passage
from apo_engine.cli.transcript import Transcript
from apo_engine.names import shown_name
from apo_engine.positions import Lines
from apo_engine.problems import Severity
from apo_engine.search.events import (
    AnyEvent,
    GradientFound,
    HoldoutOpened,
    Noted,
    Progressed,
    RoundEnded,
    RoundStarted,
    RunEnded,
    RunStarted,
    Spent,
)

if TYPE_CHECKING:
    from rich.console import Console

_KINDS = {
    Severity.INFORMATION: ("Note", "cyan"),
    Severity.WARNING: ("Warning", "yellow"),
    Severity.ERROR: ("Error", "red"),
}
_BAR = 16
# What stands beside a phase and its bar: rows done, time left, calls or money, and the gaps between.
_FIGURES = 29
# Of each round, the first new gradients are shown; the rest are counted.
_SHOWN_GRADIENTS = 4


class LiveView:
    """A reader of events that shows them as they come; a context manager, because it owns the bars.

    Where stderr is no terminal there are no bars: every phase is one line.
    """

    def __init__(self, path: Path, console: Console | None = None) -> None:
        self._path = path
        self._console = console or remarks()
        self._started: RunStarted | None = None
        self._round = Transcript()
        self._shown: set[str] = set()
        self._criticised = 0
        self._tasks: dict[str, TaskID] = {}
        self._phases: set[str] = set()
        self._warnings = warnings_shown(self._console)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=_name_column(self._console.width)),
            BarColumn(bar_width=_BAR),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[spent]}", style="dim", markup=False, table_column=Column(no_wrap=True)),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> LiveView:
        self._warnings.__enter__()
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        if self._console.is_terminal:
            self._console.print()
        self._warnings.__exit__(kind, error, trace)

    def read(self, event: AnyEvent) -> None:
        """Show the next event."""
        self._round.read(event)
        match event:
            case RunStarted():
                self._start(event)
            case Progressed():
                self._advance(event)
            case Noted():
                kind, colour = _KINDS[event.severity]
                say(self._console, literal(f"{kind}: ", colour), one_line(event.message))
            case RoundStarted():
                self._console.print()
                kept = f"{count(len(event.beam), 'prompt')} kept" if event.round > 1 else "starting from your prompt"
                say(self._console, literal(f"Round {event.round}", "bold"), f"  {kept}")
            case GradientFound():
                self._criticise(event)
            case RoundEnded():
                self._end_round(event)
            case HoldoutOpened():
                self._open_holdout(event)
            case RunEnded():
                self._clear()

    def _start(self, event: RunStarted) -> None:
        self._started = event
        doing = {"evaluate": "Evaluating", "gradients": "Criticising", "optimize": "Optimizing"}[event.job]
        say(self._console, literal(f"{doing} {shown_name(self._path.name)}", "bold"), f"  {words.rows(event)}")
        say(self._console, words.estimate(event), style="dim")
        if where := words.destinations(event):
            say(self._console, where, style="dim")
        for notice in event.notices:
            say(self._console, literal("Warning: ", "yellow"), notice)

    def _advance(self, event: Progressed) -> None:
        if event.phase not in self._phases:
            self._phases.add(event.phase)
            if not self._console.is_terminal:
                say(self._console, f"{event.phase} ({event.total:,})")
        spent = _tally(event.spent)
        task = self._tasks.get(event.phase)
        if task is None:
            for phase in [phase for phase, known in self._tasks.items() if self._bars.tasks[known].finished]:
                self._bars.update(self._tasks.pop(phase), visible=False)
            task = self._bars.add_task(visible(event.phase), total=event.total, spent=spent)
            self._tasks[event.phase] = task
        self._bars.update(task, completed=event.done, total=event.total, spent=spent)

    def _criticise(self, event: GradientFound) -> None:
        started = self._started
        if started is None or started.job != "optimize":
            return  # The result of the other jobs is the gradients themselves.
        gradient = event.gradient
        if gradient.id in self._shown:
            return
        self._shown.add(gradient.id)
        self._criticised += 1
        if self._criticised > _SHOWN_GRADIENTS:
            return
        own = event.candidate == started.prompt.id
        say(self._console, heading(gradient, Lines(started.prompt.text), self._path if own else None), indent=2)
        say(self._console, passage(gradient), indent=4)
        say(self._console, gradient.critique, indent=4)

    def _end_round(self, event: RoundEnded) -> None:
        self._clear()
        if not event.beam:
            return
        best = event.beam[0]
        scores = ", ".join(percent(standing.score) for standing in event.beam)
        found = [
            count(self._criticised - _SHOWN_GRADIENTS, "more critique") if self._criticised > _SHOWN_GRADIENTS else "",
            count(self._round.proposed, "new prompt"),
            words.discards(self._round.discarded),
        ]
        say(self._console, " · ".join(part for part in found if part), style="dim", indent=2)
        say(self._console, f"Now leading: {scores} on {count(best.n, 'selection row')}", indent=2)
        self._round = Transcript()
        self._criticised = 0

    def _open_holdout(self, event: HoldoutOpened) -> None:
        self._console.print()
        before = event.earlier_looks
        again = (
            f" They were opened {count(before, 'time')} before; the verdict takes that into account." if before else ""
        )
        opened = f"{count(event.n, 'unseen row')}, for the winner and your prompt alone.{again}"
        say(self._console, literal("Opening the hold-out", "bold"), f"  {opened}")

    def _clear(self) -> None:
        for task in self._tasks.values():
            self._bars.update(task, visible=False)
        self._tasks.clear()
        self._phases.clear()


def _tally(spent: Spent) -> str:
    calls = sum(spent.calls.values())
    return money(spent.usd) if spent.usd else count(calls, "call") if calls else ""


def _name_column(width: int) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=max(8, width - _BAR - _FIGURES))
