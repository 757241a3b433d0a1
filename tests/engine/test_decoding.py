"""Typed values from JSON, read by several threads that all meet a type for the first time."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from apo_engine.decoding import converted, decoded

# A thread that meets a half laid out struct takes the process with it: the race is run in one of its own.
_RACE = """
import sys, threading
from typing import Annotated
import msgspec
from apo_engine.decoding import converted, decoded, described

sys.setswitchinterval(1e-6)
for number in range(400):
    fields = [(f"field{at}", Annotated[int, msgspec.Meta(ge=0)], 0) for at in range(20)]
    inner = msgspec.defstruct(f"Inner{number}", fields)
    outer = msgspec.defstruct(f"Outer{number}", [(f"field{at}", "Inner | None", None) for at in range(20)],
                              namespace={"__module__": __name__})
    globals()["Inner"] = inner
    start = threading.Barrier(4)
    def read(number, outer=outer, start=start):
        start.wait()
        if number < 2:
            described(outer)
        elif number < 3:
            converted({f"field{at}": {"field1": 1} for at in range(20)}, outer)
        else:
            decoded(b'{"field19": {"field3": 3}}', outer)
    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print("done")
"""


class _Row(msgspec.Struct):
    number: int


def test_many_threads_may_meet_a_type_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", _RACE], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_values_are_checked_against_their_type() -> None:
    assert decoded(b'{"number": 3}', _Row) == _Row(3)
    assert converted({"number": 3}, _Row) == _Row(3)
    assert converted({"number": "3"}, _Row, strict=False) == _Row(3)
    with pytest.raises(msgspec.ValidationError):
        decoded(b'{"number": "3"}', _Row)
    with pytest.raises(msgspec.ValidationError):
        converted({"number": "3"}, _Row)
    with pytest.raises(msgspec.DecodeError):
        decoded(b"{", _Row)
