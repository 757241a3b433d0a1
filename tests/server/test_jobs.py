"""One job per prompt; newer cancels older; bursts are one job."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from apo_engine.search.events import Job
from apo_server.jobs import Jobs, Order, Turn


class Bench:
    """Work that takes until it is let go, and what became of it."""

    def __init__(self, debounce: float = 0.01) -> None:
        self.log: list[str] = []
        self.gate = asyncio.Event()
        self.changes = 0
        self.jobs = Jobs(self.work, on_change=self.changed, debounce=debounce)

    def changed(self) -> None:
        self.changes += 1

    async def work(self, order: Order, turn: Turn) -> None:
        try:
            async with turn:
                self.log.append(f"begin {order.text} {order.job}")
                await self.gate.wait()
                self.log.append(f"end {order.text}")
        except asyncio.CancelledError:
            self.log.append(f"cancelled {order.text}")
            raise

    def place(
        self, text: str, job: Job = "gradients", *, uri: str = "u", asked: bool = False, sources: object = None
    ) -> None:
        self.jobs.place(Order(uri, Path("p"), text, job, asked, sources))

    async def settle(self) -> None:
        await asyncio.sleep(0.05)


async def test_a_burst_of_saves_is_one_job_on_the_last_text() -> None:
    bench = Bench(debounce=0.03)
    for text in "abcde":
        bench.place(text)
        await asyncio.sleep(0.005)
    await bench.settle()
    assert bench.log == ["begin e gradients"]


async def test_saving_the_same_text_again_does_not_begin_again() -> None:
    bench = Bench()
    bench.place("a")
    await bench.settle()
    bench.place("a")
    bench.place("a", "evaluate")
    await bench.settle()
    assert bench.log == ["begin a gradients"]


async def test_a_newer_text_ends_the_older_job_first() -> None:
    bench = Bench()
    bench.place("a")
    await bench.settle()
    bench.place("b")
    await bench.settle()
    assert bench.log == ["begin a gradients", "cancelled a", "begin b gradients"]


async def test_a_greater_job_on_the_same_text_replaces_a_smaller_one() -> None:
    bench = Bench()
    bench.place("a")
    await bench.settle()
    bench.place("a", "optimize", asked=True)
    await bench.settle()
    assert bench.log[-1] == "begin a optimize"


async def test_rows_that_have_changed_begin_the_background_job_anew() -> None:
    bench = Bench()
    bench.place("a", sources=1)
    await bench.settle()
    bench.place("a", sources=1)
    bench.place("a", sources=2)
    await bench.settle()
    assert bench.log == ["begin a gradients", "cancelled a", "begin a gradients"]


async def test_rows_that_have_changed_leave_what_was_asked_for_to_its_end() -> None:
    bench = Bench()
    bench.place("a", "optimize", asked=True, sources=1)
    await bench.settle()
    bench.place("a", sources=2)
    bench.place("a", sources=3)
    await bench.settle()
    assert bench.log == ["begin a optimize"]
    bench.gate.set()
    await bench.settle()
    assert bench.log == ["begin a optimize", "end a", "begin a gradients", "end a"]


async def test_what_would_follow_is_dropped_with_a_cancel_a_close_and_a_newer_text() -> None:
    bench = Bench()
    for end in ("cancel", "close", "text"):
        bench.place(end, "optimize", asked=True, uri=end, sources=1)
        bench.place(end, uri=end, sources=2)
    await bench.settle()
    bench.jobs.cancel("cancel")
    bench.jobs.cancel("close", asked_too=False)
    bench.place("newer", uri="text", sources=2)
    await bench.settle()
    bench.gate.set()
    await bench.settle()
    begun = [words for words in bench.log if words.endswith("gradients")]
    assert begun == ["begin newer gradients"]


async def test_prompts_do_not_wait_for_each_other() -> None:
    bench = Bench()
    bench.place("a", uri="u")
    bench.place("b", uri="v")
    await bench.settle()
    assert sorted(bench.log) == ["begin a gradients", "begin b gradients"]


async def test_cancel_ends_a_job_and_leaves_nothing_running() -> None:
    bench = Bench()
    bench.place("a")
    await bench.settle()
    assert bench.jobs.cancel("u")
    assert bench.jobs.running("u") is None
    await bench.settle()
    assert bench.log[-1] == "cancelled a"
    assert not bench.jobs.cancel("u")


async def test_what_was_asked_for_outlives_the_closing_of_its_prompt() -> None:
    bench = Bench()
    bench.place("a", asked=True)
    await bench.settle()
    assert not bench.jobs.cancel("u", asked_too=False)
    running = bench.jobs.running("u")
    assert running is not None
    assert running.text == "a"


async def test_lenses_hear_of_beginning_and_end() -> None:
    bench = Bench()
    bench.place("a", asked=True)
    assert bench.changes == 1
    bench.gate.set()
    await bench.settle()
    assert bench.changes == 2
    assert bench.jobs.running("u") is None


async def test_a_job_that_fails_takes_nothing_along_and_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(order: Order, turn: Turn) -> None:
        raise ValueError("secretword")

    jobs = Jobs(fail, debounce=0)
    with caplog.at_level(logging.INFO):
        jobs.place(Order("u", Path("p"), "a", "evaluate"))
        await asyncio.sleep(0.05)
    assert jobs.running("u") is None
    assert caplog.messages == ["A job failed: ValueError"]
    assert "secretword" not in caplog.text
    await jobs.close()


async def test_of_the_background_two_run_at_once_and_the_others_wait_in_order() -> None:
    bench = Bench()
    for name in "abcd":
        bench.place(name, uri=name)
        await bench.settle()
    assert bench.log == ["begin a gradients", "begin b gradients"]
    assert [bench.jobs.waiting(name) for name in "abcd"] == [False, False, True, True]
    bench.jobs.cancel("b")
    await bench.settle()
    assert bench.log[2:] == ["cancelled b", "begin c gradients"]
    assert bench.jobs.waiting("d")
    bench.gate.set()
    await bench.settle()
    assert bench.log[-1] == "end d"
    assert not bench.jobs.waiting("d")


async def test_what_is_asked_for_begins_at_once() -> None:
    bench = Bench()
    for name in "abc":
        bench.place(name, uri=name)
        await bench.settle()
    bench.place("asked", uri="u", asked=True)
    await bench.settle()
    assert bench.log[-1] == "begin asked gradients"
    bench.place("c", uri="c", asked=True)
    await bench.settle()
    assert bench.log[-2:] == ["cancelled c", "begin c gradients"], "what waits in the background is asked for now"
    assert not bench.jobs.waiting("c")


async def test_what_waits_can_be_cancelled_and_takes_no_turn_along() -> None:
    bench = Bench()
    for name in "abc":
        bench.place(name, uri=name)
        await bench.settle()
    changes = bench.changes
    assert bench.jobs.cancel("c")
    assert bench.jobs.running("c") is None
    await bench.settle()
    assert not bench.jobs.waiting("c")
    assert bench.changes > changes
    bench.jobs.cancel("a")
    bench.place("d", uri="d")
    await bench.settle()
    assert bench.log[-1] == "begin d gradients"
