"""How many of the rows a cap on calls can do justice to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from apo_engine.examples.split import Split
from apo_engine.search.events import Job


@dataclass(frozen=True, slots=True)
class _Shares:
    """The most calls that scoring the prompt once may take on each set, as shares of the cap; None is no limit."""

    critique: float | None
    selection: float | None
    holdout: float | None


# A search scores many prompts on selection rows, and two on the hold-out; critique rows are read in minibatches.
_SHARES: dict[Job, _Shares] = {
    "gradients": _Shares(0.3, 0.1, None),
    "optimize": _Shares(None, 0.1, 0.1),
}
# Fewer rows than this cannot tell anything, whatever the cap; the search itself refuses a cap that is too small.
_FEWEST = 20


def within_cap(rows: Split, job: Job, calls: int) -> Split:
    """The leading rows of each set that the cap leaves room for, in the sets' own balanced order.

    An evaluation takes all rows that are not sealed, or as many as there are calls, in proportion.
    """
    if job == "evaluate":
        scored = len(rows.critique) + len(rows.selection)
        if scored <= calls:
            return rows
        critique = len(rows.critique) * calls // scored
        return Split(rows.critique[:critique], rows.selection[: calls - critique], rows.holdout)
    shares = _SHARES[job]

    def most(share: float | None, count: int) -> int:
        return count if share is None else min(count, max(_FEWEST, int(share * calls)))

    return Split(
        rows.critique[: most(shares.critique, len(rows.critique))],
        rows.selection[: most(shares.selection, len(rows.selection))],
        rows.holdout[: most(shares.holdout, len(rows.holdout))],
    )


def cap_for_holdout(rows: int) -> int:
    """The cap, in rows that can be scored, under which a search leaves out none of so many hold-out rows."""
    share = _SHARES["optimize"].holdout
    return rows if share is None or rows <= _FEWEST else math.ceil(rows / share)


def left_out_words(whole: Split, used: Split, calls: int) -> str:
    """What to tell people of rows that the cap leaves out; empty where it leaves out none."""
    sets = (
        ("critique", whole.critique, used.critique),
        ("selection", whole.selection, used.selection),
        ("sealed", whole.holdout, used.holdout),
    )
    parts = [f"{len(some):,} of {len(all_):,} {name} rows" for name, all_, some in sets if len(some) < len(all_)]
    return f"The cap of {calls:,} calls leaves room for {', '.join(parts)}." if parts else ""
