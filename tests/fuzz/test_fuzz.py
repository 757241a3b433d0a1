"""Every kept seed, and a short slice of plain fuzzing: the long runs are `python -m tests.fuzz`."""

from __future__ import annotations

import itertools
import os
import random
import time

import pytest

from tests.fuzz.mutation import inputs
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

SLICE_SECONDS = float(os.environ.get("APO_FUZZ_SECONDS", "2"))


@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, path.name) for name, target in TARGETS.items() for path in target.seeds],
)
def test_every_seed_keeps_the_promises(name: str, seed: str) -> None:
    target = TARGETS[name]
    target.run(next(path for path in target.seeds if path.name == seed).read_bytes(), slower=3)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_a_slice_of_fuzzing_finds_nothing(target: Target) -> None:
    begun = time.monotonic()
    for data in itertools.islice(inputs(target, random.Random(2026)), 20_000):
        try:
            target.run(data, slower=3)
        except Exception as error:
            raise AssertionError(f"broken by {data!r}") from error
        if time.monotonic() - begun > SLICE_SECONDS:
            break
