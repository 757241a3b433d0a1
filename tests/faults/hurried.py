"""``python -m tests.faults.hurried …``: `apo` with less patience for an answer, so that time-outs take no minutes."""

from __future__ import annotations

import sys

from apo_engine.models.openai_chat import OpenAIChat

READ_SECONDS = 1.5


def main() -> None:
    """Run `apo`."""
    defaults = OpenAIChat.__init__.__kwdefaults__
    assert defaults is not None
    defaults["read_seconds"] = READ_SECONDS
    from apo_engine.cli.main import run

    sys.argv[0] = "apo"
    run()


if __name__ == "__main__":
    main()
