"""Fuzzing guided by coverage, with atheris (libFuzzer)."""

from __future__ import annotations

import sys
from pathlib import Path

# What is watched runs several times slower.
_SLOWER = 8.0
_MEGABYTES = 1024


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz a target; never returns. The corpus, and what broke a promise, is left in ``folder``.

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
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        f"-rss_limit_mb={_MEGABYTES}",
        *("-timeout=60", "-print_final_stats=1", "-verbosity=1"),
    ]
    atheris.Setup([sys.argv[0], *arguments], lambda data: target.run(data, _SLOWER))
    atheris.Fuzz()


def _spelled(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
