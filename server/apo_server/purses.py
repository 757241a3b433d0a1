"""What the runs of each workspace may spend in a day, together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from apo_server.wire import Request

if TYPE_CHECKING:
    from apo_engine.models.ledger import Ledger
    from apo_engine.models.purse import Purse


class Purses:
    """The purse of each workspace, shared by all its runs.

    Spending is kept in the cache folder that the environment names, whatever the initialization options say: another
    folder for answers must not begin a new count.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._ledger: Ledger | None = None
        self._purses: dict[str, Purse] = {}

    def of(self, request: Request) -> Purse | None:
        """What the run of a request draws from; None where nothing is capped."""
        if request.daily is None:
            return None
        from apo_engine.machine import cache_dir
        from apo_engine.models.ledger import Ledger
        from apo_engine.models.purse import Purse

        if self._ledger is None:
            self._ledger = Ledger(cache_dir(self._environ) / "spending.sqlite")
        purse = self._purses.setdefault(request.workspace, Purse(self._ledger, request.workspace, request.daily))
        purse.caps = request.daily
        return purse
