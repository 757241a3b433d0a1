"""How many calls the search may still plan, whatever the caps are written in."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from apo_engine.models.budget import Budget
from apo_engine.models.chat import Usage
from apo_engine.problems import BudgetError, Problem

Price = Callable[[Usage], float | None]


class Allowance:
    """Turns caps on calls, tokens and money into calls, and sets the verdict's own aside.

    Tokens and money are turned into calls by what a call has taken on average so far, cached or not: a resumed run
    must plan as the first one did. The budget itself holds the caps; this only keeps the search from walking into them.
    """

    def __init__(self, budget: Budget, *, set_aside: int, price: Price) -> None:
        self._budget = budget
        self._set_aside = set_aside
        self._price = price

    def remaining(self) -> int:
        """Calls that may be planned from now on, at least 0."""
        caps, spent = self._budget.caps, self._budget.spent
        used = sum(spent.calls.values())
        bounds = [sys.maxsize if caps.calls is None else caps.calls - used]
        if used:
            tokens = spent.tokens.input + spent.tokens.output
            if caps.tokens is not None and tokens:
                bounds.append(math.floor((caps.tokens - tokens) * used / tokens))
            worth = self._price(spent.tokens)
            if caps.usd is not None and worth:
                bounds.append(math.floor((caps.usd - worth) * used / worth))
        return max(0, min(bounds) - self._set_aside)

    def require(self, calls: int, purpose: str) -> None:
        """Make sure, before anything is asked, that one step can be made.

        Raises:
            BudgetError: fewer than ``calls`` remain; ``purpose`` says what they are for.
        """
        if self.remaining() >= calls:
            return
        whole = calls + self._set_aside
        raise BudgetError(
            Problem(
                "budget-too-small",
                f"The cap on calls is too small for one step of the search: with these rows it needs {whole:,} calls "
                f"({calls:,} {purpose}, {self._set_aside:,} for the verdict).",
                f"Allow at least {whole:,} calls (--max-calls, 'apo.budget: {{calls: …}}'), or use fewer rows.",
            )
        )
