"""Fuzzing guided by coverage, with atheris (libFuzzer)."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# What is watched runs several times slower.
_SLOWER = 8.0
_MEGABYTES = 1024


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz a target for so many seconds of the processor; never returns.

    The corpus, and what broke a promise, is left in ``folder``.

    Raises:
        ImportError: atheris is not installed.
    """
    import atheris

    with atheris.instrument_imports(include=["apo_engine", "apo_server"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus, words = folder / "corpus", folder / "words.dict"
    corpus.mkdir(parents=True, exist_ok=True)
    words.write_text("".join(f'"{_spelled(word)}"\n' for word in target.words), "ascii")
    arguments = [
        *(str(corpus), str(target.seeds[0].parent)),
        f"-max_len={target.longest}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        f"-rss_limit_mb={_MEGABYTES}",
        *("-timeout=60", "-verbosity=1"),
    ]
    tally = _Tally()

    def check(data: bytes) -> None:
        target.run(data, _SLOWER)
        tally.inputs, tally.size = tally.inputs + 1, tally.size + len(data)
        # The library's own limit is one of the clock, which says little on a busy machine.
        if (spent := time.process_time()) > seconds:
            kept = sum(1 for _ in corpus.iterdir())
            print(f"{name}: {tally.inputs:,} inputs, {tally.size:,} bytes, {spent:.0f} s of the processor, ", end="")
            print(f"{kept:,} inputs kept for what they reached, nothing found", flush=True)
            os._exit(0)

    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()


@dataclass
class _Tally:
    inputs: int = 0
    size: int = 0


def _spelled(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
