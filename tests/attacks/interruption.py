"""Ctrl-C for a command that is at work."""

from __future__ import annotations

import signal
import subprocess
import time


def interrupt(process: subprocess.Popen[str], after: float) -> float:
    """Press Ctrl-C ``after`` so many seconds; the seconds until the command has ended in order."""
    time.sleep(after)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "Stopped." in said
    return time.monotonic() - began
