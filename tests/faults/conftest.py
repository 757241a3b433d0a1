"""What the commands decide where nothing goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.trial import WORLD, attempt, decided

Reference = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What a command decides without faults."""
    known: dict[str, dict[str, Any]] = {}

    def find(command: str) -> dict[str, Any]:
        if command not in known:
            trial = attempt(tmp_path_factory.mktemp(command), WORLD.script, command)
            assert trial.outcome.code == 0, trial.outcome.err
            known[command] = decided(command, trial.outcome)
        return known[command]

    return find
