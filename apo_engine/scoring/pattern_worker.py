"""Compiles and matches regular expressions in a process of its own, so that its memory and time can be bounded.

Started as a script, with the folder of the library and the most bytes that it may take. Requests come as JSON lines
[pattern, text or null, seconds], replies go back as such: {"found"}, {"error"}, {"slow"} or {"large"}. It ends itself
in the middle of what takes too long, after some time without a request, and with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

_IDLE_SECONDS = 30.0
# For what the library's own limit does not reach.
_GRACE_SECONDS = 0.25
_WATCH_SECONDS = 0.01


def main(library: str, most_bytes: int) -> None:
    """Answer requests until there are no more."""
    # An interrupted terminal interrupts the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.append(library)
    import regex

    _bound_memory(most_bytes)
    print(json.dumps({"ready": True}), flush=True)
    _rest()
    while line := sys.stdin.buffer.readline():
        print(json.dumps(_reply(regex, *json.loads(line))), flush=True)
        _rest()


def _allow(seconds: float) -> None:
    """End this process after so many seconds of work, whatever it is doing; a second call replaces the first."""
    if sys.platform == "win32":
        _end_in(seconds)
        return
    # Nothing handles these signals, so they end the process even in the middle of the library's own code. Processor
    # time is counted, as the library does, so that a busy machine changes no score.
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _rest() -> None:
    """End this process if nothing is asked for a while."""
    if sys.platform == "win32":
        _end_in(_IDLE_SECONDS)
        return
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, _IDLE_SECONDS)


def _end_in(seconds: float) -> None:
    import faulthandler

    faulthandler.dump_traceback_later(seconds, exit=True)


def _reply(regex: Any, pattern: str, text: str | None, seconds: float) -> dict[str, object]:
    try:
        _allow(seconds + _GRACE_SECONDS)
        compiled = regex.compile(pattern)
        if text is None:
            return {"found": False}
        _allow(seconds + _GRACE_SECONDS)
        return {"found": compiled.search(text, timeout=seconds) is not None}
    except TimeoutError:
        return {"slow": True}
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except (MemoryError, RuntimeError):  # no memory, or none for the thread of the alarm
        return {"large": True}
    except (regex.error, OverflowError, ValueError) as error:
        return {"error": str(error)}


def _bound_memory(most_bytes: int) -> None:
    """Let this process have so many bytes beside those that it has now."""
    if sys.platform == "win32":
        _join_bounded_job(most_bytes)
        return
    import resource

    if sys.platform == "darwin":
        # There the kernel holds no such limit.
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        threading.Thread(target=_watch_memory, args=(used + most_bytes, 1), daemon=True).start()
        return
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + most_bytes if hard == resource.RLIM_INFINITY else min(used + most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _watch_memory(most: int, unit: int) -> None:
    """End this process once it has had more than ``most`` bytes; ``unit`` is in how many the system counts them."""
    import resource

    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit <= most:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def _join_bounded_job(most_bytes: int) -> None:
    """Put this process into a job object whose processes may commit so much memory (Windows)."""
    import ctypes
    from ctypes import wintypes

    class Basic(ctypes.Structure):
        _fields_ = (
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("working_sets", ctypes.c_size_t * 2),
            ("processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
        )

    class Extended(ctypes.Structure):
        _fields_ = (("basic", Basic), ("io", ctypes.c_uint64 * 6), ("memory", ctypes.c_size_t * 4))

    process_memory, extended_information = 0x100, 9
    limits = Extended()
    limits.basic.flags = process_memory
    limits.memory[0] = most_bytes + 2**25
    kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = wintypes.HANDLE
    job, process = wintypes.HANDLE(kernel.CreateJobObjectW(None, None)), wintypes.HANDLE(kernel.GetCurrentProcess())
    kernel.SetInformationJobObject(job, extended_information, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, process)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
