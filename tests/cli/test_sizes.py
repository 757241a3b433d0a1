"""Prompts and rows of absurd sizes and depths: said in a sentence, in little time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

from apo_engine.examples.quotation import Quotations
from tests.cli.conftest import APO, Apo

ROWS = '{"text": "Where is my parcel?", "label": "a"}\n{"text": "I paid twice.", "label": "b"}\n'
_MOST_BYTES, _SECONDS = 700 * 2**20, 60
# What a process may have of memory, before it becomes `apo`.
_LIMITED = (
    "import os, resource, sys\n"
    "most = int(sys.argv[1])\n"
    "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def prompt(template: str = "", settings: str = "") -> str:
    head = "---\nmodel: openai/scripted\ninput: {schema: {text: string}}\napo.examples: rows.jsonl\n"
    return f"{head}{settings}\n---\n{{{{text}}}} {template}\n"


def bomb() -> str:
    return "a0: &a0 [x,x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1},*a{i - 1}]\n" for i in range(1, 60))


#: The command, prompt and rows that it gets, and what is said of them.
ABSURD: dict[str, tuple[str, Callable[[], tuple[str, str]], str]] = {
    "a line of 30 MB": (
        "check",
        lambda: (prompt(" ".join(map(str, range(4_000_000)))), ROWS),
        "longer than 1,000,000 characters",
    ),
    "a setting of 30 MB": ("check", lambda: (prompt("", f'a: "{"word " * 6_000_000}"'), ROWS), "longer than 100,000"),
    "a row of 100 MB": (
        "check",
        lambda: (prompt(), f'{{"text": "{"x" * 10**8}", "label": "a"}}\n{ROWS}'),
        "it is longer than 1,000,000 bytes",
    ),
    "aliases of aliases": ("check", lambda: (prompt("", bomb()), ROWS), "alias"),
    "nested settings": ("check", lambda: (prompt("", f"a: {'[' * 40_000}"), ROWS), "nested too deeply"),
    "nested blocks": (
        "evaluate",
        lambda: (prompt("{{#if text}}" * 20_000 + "{{/if}}" * 20_000), ROWS),
        "nested too deeply",
    ),
    "a nested row": (
        "check",
        lambda: (prompt(), f'{{"text": {"[" * 400_000}{"]" * 400_000}}}\n{ROWS}'),
        "rows.jsonl:1:",
    ),
}


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
@pytest.mark.parametrize("name", ABSURD)
def test_what_is_absurd_is_told_in_a_sentence(apo: Apo, name: str) -> None:
    command, make, said = ABSURD[name]
    text, rows = make()
    (apo.folder / "a.prompt").write_text(text)
    (apo.folder / "rows.jsonl").write_text(rows)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(_MOST_BYTES), APO, command, "a.prompt"],
        cwd=apo.folder,
        env=apo.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    told = done.stdout + done.stderr
    assert done.returncode in (1, 2), told[-2_000:]
    assert said in told
    assert "Traceback" not in told
    assert len(told) < 10_000
    assert time.monotonic() - began < _SECONDS


def test_of_one_line_no_more_is_looked_through_than_of_many() -> None:
    numbers = " ".join(map(str, range(400_000)))
    tracemalloc.start()
    Quotations([(1, numbers)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000
