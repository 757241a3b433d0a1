"""One row: what the prompt says to the model there, what comes back, and what that is worth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from apo_engine.evaluation.result import RowAnswer, Said
from apo_engine.examples.example import Example
from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.render import Renderer
from apo_engine.runs.desk import open_desk
from apo_engine.runs.options import Options
from apo_engine.runs.plan import make_plan
from apo_engine.runs.row_history import shown_sightings
from apo_engine.runs.secret_free import secrets_of, without_secrets
from apo_engine.search.events import AnyEvent
from apo_engine.store import StoreError


async def answer_row(prompt: PromptFile, options: Options, path: Path, line: int) -> RowAnswer:
    """Ask the task model for one row, or take the answer that was kept.

    Raises:
        InputError: the prompt or its rows cannot be used, or no open row begins on that line.
        BudgetError: a cap was reached.
        ModelError: the endpoint fails for good.
    """
    plan = await make_plan("evaluate", prompt, options)
    try:
        async with open_desk(plan, options, _unheard) as desk:
            row = _row_at(plan.examples.rows, path, line)
            if row is None:
                message = "No row that can be used begins on this line."
                raise InputError(
                    Problem("row-missing", message, "Save the file, and correct the row.", Place(path, line))
                )
            if row not in plan.open_rows:
                # Whoever writes a prompt with an eye on a sealed row can no longer judge it by that row; and a yes to
                # sending the open rows is none to sending the others.
                message = "This row is kept for the verdict: nobody looks at it before."
                remedy = "Run an open row; a row with a critique is one."
                raise InputError(Problem("row-sealed", message, remedy, Place(path, line)))
            # From now on the row is not unseen. Without a store, no verdict can claim that it is.
            with suppress(StoreError):
                await plan.store.record_sightings(shown_sightings(plan.history, [row]))
            inputs = row.inputs
            messages = await plan.deadline.run_in_thread(
                lambda _: Renderer(plan.prompt, plan.partials).messages(inputs)
            )
            (result,) = await desk.evaluator.score(plan.prompt, [row])
            said = tuple(Said(message.role, message.content) for message in messages)
            return without_secrets(RowAnswer(said, result, desk.reporter.spent().usd), secrets_of(plan))
    finally:
        await plan.close()


def _row_at(rows: Sequence[Example], path: Path, line: int) -> Example | None:
    wanted = os.path.normpath(path)
    return next((row for row in rows if row.line == line and os.path.normpath(row.path) == wanted), None)


def _unheard(_event: AnyEvent) -> None:
    """A single row makes no run to follow."""
