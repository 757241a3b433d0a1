"""kill -9 at random moments of a search; `python -m tests.kills` does it two hundred times."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kills.chain import Search, chain, command, engine, reference, server


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
@pytest.mark.parametrize("search", [command, server, engine])
def test_a_search_that_is_killed_goes_on_and_pays_for_no_answer_twice(search: Search, tmp_path: Path) -> None:
    for name in ("reference", "killed"):
        (tmp_path / name).mkdir()
    found = chain(search, reference(search, tmp_path / "reference"), tmp_path / "killed", seed=7, kills=3)
    assert found.sound, found
    assert found.kills
