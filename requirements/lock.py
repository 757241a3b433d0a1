"""Resolve the dependencies anew into hashed requirement files, for every platform and Python from 3.10 on."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMON = ["--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"]


def resolve(*arguments: str) -> None:
    """Run the resolver from the root of the project."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *COMMON, *arguments]
    subprocess.run(command, check=True, cwd=HERE.parent)


def main() -> None:
    """Resolve everything once, then write each file within that resolution, so that they agree."""
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        resolve("--group", "dev", "--extra", "local", "--upgrade", "-o", str(everything))
        everything.write_text(re.sub(r"^[^a-zA-Z].*\n", "", everything.read_text(), flags=re.MULTILINE))
        within = ["--generate-hashes", "-c", str(everything)]
        resolve(*within, "-o", str(HERE / "server.txt"))
        resolve("--group", "dev", *within, "-o", str(HERE / "dev.txt"))
        resolve("--group", "build", "--extra", "local", *within, "-o", str(HERE / "local.txt"))


if __name__ == "__main__":
    main()
