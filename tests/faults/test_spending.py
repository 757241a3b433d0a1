"""No cap is passed, by the endpoint's own books. ``python -m tests.faults.spending`` tries many more seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.spending import CAPS, ROUNDING, trial


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 12))])
@pytest.mark.parametrize("cap", CAPS)
async def test_no_cap_is_passed_whatever_happens(cap: str, seed: int, tmp_path: Path) -> None:
    bill = await trial(tmp_path, seed, cap)
    assert bill.overspent <= ROUNDING, bill
