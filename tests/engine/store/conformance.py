"""What every back end of the store must do: subclass `StoreConformance` and say how to open one."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable

import pytest

from apo_engine.store import RowFingerprints, Sighting, Store, StoreError

Open = Callable[[], Store]


def row(*names: bytes, recorded: tuple[bytes, ...] | None = None) -> RowFingerprints:
    return RowFingerprints(names, names if recorded is None else recorded)


class StoreConformance:
    """``opened`` gives a function that opens the same, at first empty, store anew each time."""

    @pytest.fixture
    @abstractmethod
    def opened(self) -> Open: ...

    async def test_events_are_numbered_in_order_and_read_from_a_number_on(self, opened: Open) -> None:
        store = opened()
        await store.begin("R1", "e", 1)
        await store.append("R1", [b"a", b"b"])
        await store.append("R1", [])
        await store.append("R1", [b"\x00\xff"])
        assert [(event.number, event.data) for event in await store.events("R1")] == [
            (1, b"a"), (2, b"b"), (3, b"\x00\xff"),
        ]  # fmt: skip
        assert [event.number for event in await store.events("R1", after=2)] == [3]
        assert await store.events("R1", after=3) == ()
        await store.close()

    async def test_runs_are_listed_the_last_begun_first_whatever_their_ids_are(self, opened: Open) -> None:
        store = opened()
        for run, experiment in (("Z1", "e"), ("A2", "f"), ("Z3", "e")):
            await store.begin(run, experiment, 7)
        assert [run.run for run in await store.runs()] == ["Z3", "A2", "Z1"]
        assert [run.run for run in await store.runs(most=1)] == ["Z3"]
        assert [run.run for run in await store.runs(experiment="e")] == ["Z3", "Z1"]
        assert [run.run for run in await store.runs(begins_with="A")] == ["A2"]
        assert {run.event_format for run in await store.runs()} == {7}
        await store.close()

    async def test_a_run_is_never_overwritten(self, opened: Open) -> None:
        store = opened()
        await store.begin("R1", "e", 1)
        with pytest.raises(StoreError):
            await store.begin("R1", "e", 1)
        await store.close()

    async def test_an_empty_store_answers_every_question(self, opened: Open) -> None:
        store = opened()
        assert await store.runs() == ()
        assert await store.events("R1") == ()
        assert await store.size() == (0, 0)
        assert await store.sightings([b"x"]) == {}
        assert await store.recorded_look("e") is None
        assert await store.writer("e") is None
        assert (await store.looks([row(b"x")])).earlier is None
        await store.clear()
        await store.close()

    async def test_one_run_writes_an_experiment_at_a_time(self, opened: Open) -> None:
        one, other = opened(), opened()
        await one.begin("R1", "e", 1)
        lock = await one.lock("e", "R1")
        assert lock is not None
        assert await other.lock("e", "R2") is None
        assert await other.writer("e") == "R1"
        assert [run.state for run in await other.runs()] == ["running"]
        elsewhere = await other.lock("f", "R3")
        assert elsewhere is not None
        await elsewhere.release()
        await lock.release()
        assert await other.writer("e") is None
        assert [run.state for run in await other.runs()] == ["unfinished"]
        second = await other.lock("e", "R2")
        assert second is not None
        await second.release()
        await one.finish("R1")
        assert [run.state for run in await other.runs()] == ["finished"]
        await one.close()
        await other.close()

    async def test_a_side_stays_what_it_was_at_first_sight_and_shown_stays_shown(self, opened: Open) -> None:
        store = opened()
        await store.record_sightings({b"x": Sighting("holdout", shown=False), b"y": Sighting("critique", shown=True)})
        await store.record_sightings({b"x": Sighting("critique", shown=True), b"y": Sighting("holdout", shown=False)})
        assert await store.sightings([b"x", b"y", b"z"]) == {
            b"x": Sighting("holdout", shown=True),
            b"y": Sighting("critique", shown=True),
        }
        await store.close()

    async def test_looks_are_the_most_that_any_row_had(self, opened: Open) -> None:
        store = opened()
        assert (await store.record_look([row(b"a"), row(b"b")], "e1")).earlier is None
        assert await store.looks([row(b"c")]) == await store.looks([])
        assert (await store.looks([row(b"c")])).earlier is None, "looks at other rows make nothing known of these"
        again = await store.record_look([row(b"b"), row(b"c")], "e2")
        assert (again.earlier, again.opened) == (1, 1)
        third = await store.record_look([row(b"a"), row(b"b"), row(b"d")], "e1")
        assert (third.earlier, third.opened) == (2, 2)
        assert await store.recorded_look("e1") == third
        assert await store.recorded_look("e2") == again
        await store.close()

    async def test_looks_for_a_prompt_are_counted_by_any_of_its_names(self, opened: Open) -> None:
        store = opened()
        named: tuple[tuple[bytes, ...], ...] = ((b"p", b"q"), (b"q", b"r"), (b"r",), (b"p", b"r"), (b"s",), ())
        looks = [await store.record_look([row(b"%d" % at)], f"e{at}", names) for at, names in enumerate(named)]
        assert [look.on_prompt for look in looks] == [0, 1, 1, 3, 0, 0]
        assert {look.earlier for look in looks} == {None}
        assert len({look.began for look in looks}) == 1
        assert await store.recorded_look("e3") == looks[3]
        await store.close()

    async def test_a_row_is_known_by_any_fingerprint_and_each_execution_counts_once(self, opened: Open) -> None:
        store = opened()
        await store.record_look([row(b"a", b"b", recorded=(b"a",)), row(b"a", b"c")], "e")
        assert (await store.looks([row(b"b")])).earlier is None, "not recorded"
        assert (await store.looks([row(b"a", b"c")])).earlier == 1
        await store.close()

    async def test_a_row_that_was_shown_under_any_fingerprint_counts_as_opened_once(self, opened: Open) -> None:
        store = opened()
        await store.record_sightings({b"x": Sighting("critique", shown=True), b"y": Sighting("holdout", shown=False)})
        shown = await store.looks([row(b"x"), row(b"y"), row(b"x", b"y")])
        assert (shown.earlier, shown.opened) == (1, 2)
        await store.close()

    async def test_a_look_is_repeated_by_the_same_comparison_alone(self, opened: Open) -> None:
        store = opened()
        first = await store.record_look([row(b"a")], "e")
        # Whoever is killed now has looked, at what nobody knows.
        assert await store.recorded_look("e") == first
        assert await store.recorded_look("e", b"one") is None
        second = await store.record_look([row(b"a")], "e")
        await store.complete_look("e", b"one")
        third = await store.record_look([row(b"a")], "e")
        await store.complete_look("e", b"other")
        assert await store.recorded_look("e", b"one") == second
        assert await store.recorded_look("e", b"other") == third
        assert await store.recorded_look("f", b"one") is None
        await store.close()

    async def test_clearing_deletes_runs_and_forgets_no_row(self, opened: Open) -> None:
        store = opened()
        await store.begin("R1", "e", 1)
        await store.append("R1", [b"secret"])
        await store.record_sightings({b"x": Sighting("holdout", shown=False)})
        await store.record_look([row(b"x")], "e")
        assert await store.size() == (1, 6)
        await store.clear()
        assert (await store.size(), await store.runs(), await store.events("R1")) == ((0, 0), (), ())
        # A run under way goes on, and leaves nothing.
        await store.append("R1", [b"more"])
        await store.finish("R1")
        assert await store.size() == (0, 0)
        assert (await store.looks([row(b"x")])).earlier == 1
        assert await store.sightings([b"x"])
        await store.close()

    async def test_who_records_at_the_same_time_loses_nothing(self, opened: Open) -> None:
        stores = [opened() for _ in range(4)]
        await stores[0].begin("R1", "e", 1)
        seen = await asyncio.gather(
            *(store.record_look([row(b"a")], "e") for store in stores for _ in range(5)),
            *(store.append("R1", [b"x", b"y"]) for store in stores for _ in range(5)),
        )
        looks = [found.earlier or 0 for found in seen if found is not None]
        assert sorted(looks) == list(range(20)), "each look is another one"
        assert [event.number for event in await stores[1].events("R1")] == list(range(1, 41))
        assert [event.data for event in await stores[1].events("R1")] == [b"x", b"y"] * 20
        for store in stores:
            await store.close()

    async def test_a_store_that_was_closed_opens_again(self, opened: Open) -> None:
        store = opened()
        await store.begin("R1", "e", 1)
        await store.close()
        await store.close()
        assert len(await store.runs()) == 1
        await store.close()
