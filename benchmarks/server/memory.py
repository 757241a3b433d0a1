"""The memory of a process and of everything that it has started, as Linux accounts for it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

_MIB = 1024


class Peak:
    """The most that a process and its descendants held at once, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mib = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.mib = max(self.mib, tree(self._pid))


def tree(pid: int) -> float:
    """MiB of a process and its descendants; what processes share is counted once (PSS)."""
    return sum(held(one) for one in family(pid))


def held(pid: int) -> float:
    """MiB of one process, its share of what it shares included; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / _MIB


def highest(pid: int) -> float:
    """MiB that one process held at most since it began (VmHWM)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / _MIB


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(child))]
