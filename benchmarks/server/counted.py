"""The server, which on SIGUSR1 says on the last line of its log how many tasks it has.

What is asked is answered by the process itself: nothing outside knows its tasks.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

from apo_server.main import run


def _say(_signal: int, _frame: object) -> None:
    tasks = sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())
    sys.stderr.write(f"tasks: {tasks}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _say)
    run()
