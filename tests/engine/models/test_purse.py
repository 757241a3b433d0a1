"""What may leave in a day: reserved before it leaves, shared by runs and processes, and kept."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.models import ledger
from apo_engine.models.layout import set_unusable_aside
from apo_engine.models.ledger import Ledger
from apo_engine.models.purse import EMPTY, DailyCaps, Purse
from apo_engine.problems import BudgetError

DAY = date.today()


def purse(folder: Path, caps: DailyCaps, name: str = "w", day: date = DAY) -> Purse:
    return Purse(Ledger(folder / "spending.sqlite"), name, caps, today=lambda: day)


def damaged(folder: Path) -> list[Path]:
    return list(folder.glob("*.damaged-*"))


async def test_calls_are_counted_to_the_cap_and_not_beyond(tmp_path: Path) -> None:
    capped = purse(tmp_path, DailyCaps(calls=2))
    for _ in range(2):
        (await capped.draw(None)).settle(None)
    with pytest.raises(BudgetError, match="2 of 2 requests") as raised:
        await capped.draw(None)
    assert raised.value.problems[0].code == EMPTY


async def test_what_is_spent_is_kept_by_day_and_by_name(tmp_path: Path) -> None:
    caps = DailyCaps(calls=1)
    (await purse(tmp_path, caps).draw(None)).settle(None)
    with pytest.raises(BudgetError):
        await purse(tmp_path, caps).draw(None)
    await purse(tmp_path, caps, "other").draw(None)
    await purse(tmp_path, caps, day=DAY + timedelta(1)).draw(None)


async def test_money_that_is_reserved_and_not_used_comes_back(tmp_path: Path) -> None:
    capped = purse(tmp_path, DailyCaps(usd=1.0))
    first = await capped.draw(0.8)
    second = asyncio.ensure_future(capped.draw(0.8))
    await asyncio.sleep(0.01)
    assert not second.done(), "it waits for what may come back"
    first.settle(0.1)
    (await second).settle(0.8)
    with pytest.raises(BudgetError, match=r"\$0.9000 of \$1.0000"):
        await capped.draw(0.2)


async def test_without_a_price_money_cannot_be_capped(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="price"):
        await purse(tmp_path, DailyCaps(usd=1.0)).draw(None)


async def test_what_another_process_reserves_counts_at_once(tmp_path: Path) -> None:
    caps = DailyCaps(usd=1.0)
    await purse(tmp_path, caps).draw(0.6)
    with pytest.raises(BudgetError):
        await purse(tmp_path, caps).draw(0.6)


async def test_two_at_once_set_one_ledger_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hesitant(path: Path, error: Exception) -> Path:
        time.sleep(0.1)
        return set_unusable_aside(path, error)

    monkeypatch.setattr(ledger, "set_unusable_aside", hesitant)
    path = tmp_path / "spending.sqlite"
    path.write_bytes(b"no database " * 100)
    ledgers = [Ledger(path) for _ in range(4)]
    day = DAY.isoformat()

    def reserve(each: Ledger) -> None:
        each.reserve(day, "w", 1, DailyCaps())
        each.close()

    await asyncio.gather(*(asyncio.to_thread(reserve, each) for each in ledgers))
    assert len(damaged(tmp_path)) == 1
    assert Ledger(path).spent(day, "w")[0] == len(ledgers)


@pytest.mark.skipif(os.name == "nt", reason="permissions of their own")
async def test_the_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    await purse(tmp_path / "cache", DailyCaps(calls=1)).draw(None)
    for entry in (tmp_path / "cache").iterdir():
        assert stat.S_IMODE(entry.stat().st_mode) == (0o700 if entry.is_dir() else 0o600)


@pytest.mark.parametrize("way", ["folder", "noise", "half"])
async def test_a_ledger_that_cannot_be_read_or_written_lets_nothing_leave(tmp_path: Path, way: str) -> None:
    """It is set aside and begun anew the next day: nobody knows any more what was spent today."""
    path = tmp_path / "spending.sqlite"
    if way == "folder":
        path.mkdir()
    elif way == "noise":
        path.write_bytes(bytes(range(256)) * 40)
    else:
        (await purse(tmp_path, DailyCaps(calls=5)).draw(None)).settle(None)
        gc.collect()
        path.write_bytes(path.read_bytes()[:4096] + b"\0" * 4096)
    for _ in range(2):
        with pytest.raises(BudgetError, match=r"unknown: .*spending\.sqlite .* was set aside") as raised:
            await purse(tmp_path, DailyCaps(calls=5)).draw(None)
    assert "tomorrow" in raised.value.problems[0].remedy
    tomorrow = Purse(Ledger(path), "w", DailyCaps(calls=5), today=lambda: date.today() + timedelta(days=1))
    (await tomorrow.draw(None)).settle(None)


async def test_a_clock_that_is_ahead_for_a_moment_forgets_nothing_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(date):
        @classmethod
        def today(cls) -> date:
            return DAY + timedelta(400)

    caps = DailyCaps(calls=1)
    (await purse(tmp_path, caps).draw(None)).settle(None)
    monkeypatch.setattr(ledger, "date", Ahead, raising=False)
    (await purse(tmp_path, caps, day=Ahead.today()).draw(None)).settle(None)
    with pytest.raises(BudgetError, match="2 of 1 requests"):
        await purse(tmp_path, caps).draw(None)


@pytest.mark.parametrize("back", [1, 31, 32, 400])
async def test_a_clock_that_is_set_back_begins_no_new_day(tmp_path: Path, back: int) -> None:
    caps = DailyCaps(calls=1)
    (await purse(tmp_path, caps).draw(None)).settle(None)
    with pytest.raises(BudgetError, match="1 of 1 requests"):
        await purse(tmp_path, caps, day=DAY - timedelta(back)).draw(None)
    # What earlier days spent does not count today.
    (await purse(tmp_path, caps, day=DAY + timedelta(1)).draw(None)).settle(None)


async def test_no_number_of_days_makes_today_forgotten(tmp_path: Path) -> None:
    caps = DailyCaps(calls=35)
    (await purse(tmp_path, caps).draw(None)).settle(None)
    for ahead in range(32, 66):
        (await purse(tmp_path, DailyCaps(), day=DAY + timedelta(ahead)).draw(None)).settle(None)
    with pytest.raises(BudgetError, match="35 of 35 requests"):
        await purse(tmp_path, caps).draw(None)


async def test_an_unknown_day_is_unknown_by_a_clock_that_is_set_back(tmp_path: Path) -> None:
    (tmp_path / "spending.sqlite").write_bytes(b"noise" * 2000)
    for back in (0, 40):
        with pytest.raises(BudgetError, match="unknown"):
            await purse(tmp_path, DailyCaps(calls=1), day=DAY - timedelta(back)).draw(None)


@given(costs=st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 1)), min_size=1, max_size=12))
def test_no_cap_is_ever_passed(tmp_path_factory: pytest.TempPathFactory, costs: list[tuple[float, float]]) -> None:
    capped = purse(tmp_path_factory.mktemp("ledger"), DailyCaps(usd=1.0, calls=8))
    spent: list[float] = []

    async def ask(most: float, share: float) -> None:
        draw = await capped.draw(most)
        await asyncio.sleep(0)
        spent.append(most * share)
        draw.settle(most * share)

    async def ask_all() -> None:
        await asyncio.gather(*(ask(most, share) for most, share in costs), return_exceptions=True)

    asyncio.run(ask_all())
    assert sum(spent) <= 1.0 + 1e-9
    assert len(spent) <= 8
