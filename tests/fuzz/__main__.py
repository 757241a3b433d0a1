"""Fuzz one target for a while: with atheris where it is installed, else with a plain mutator."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import random
import sys
import time
from pathlib import Path

_TARGETS = sorted(path.name for path in (Path(__file__).parent / "seeds").iterdir())


def main() -> int:
    """Read the command line; 1 where an input broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=_TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="of the processor")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="where findings and corpora are left")
    parser.add_argument("--plain", action="store_true", help="use the plain mutator in any case")
    parser.add_argument("--seed", type=int, default=0, help="of the plain mutator")
    given = parser.parse_args()
    folder = given.folder / given.target
    logging.disable()
    if not given.plain and importlib.util.find_spec("atheris") is not None:
        from tests.fuzz.guided import fuzz

        fuzz(given.target, given.seconds, folder)
    return _plainly(given.target, given.seconds, given.seed, folder)


def _plainly(name: str, seconds: float, seed: int, folder: Path) -> int:
    from tests.fuzz.mutation import inputs
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    begun, count, size = time.process_time(), 0, 0
    for data in inputs(target, random.Random(seed)):
        if time.process_time() - begun > seconds:
            break
        try:
            target.run(data)
        except BaseException:
            folder.mkdir(parents=True, exist_ok=True)
            finding = folder / f"finding-{hashlib.sha256(data).hexdigest()[:16]}"
            finding.write_bytes(data)
            print(f"A promise is broken by {finding}, after {count:,} inputs:", file=sys.stderr)
            raise
        count, size = count + 1, size + len(data)
    print(f"{name}: {count:,} inputs, {size:,} bytes, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
