"""The one place where this program starts processes: each runs its own code alone, and is given what it needs alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from apo_engine.module_path import safe_path

# The module path goes over as it is here: what PYTHONPATH or a user's own site folder has added is in it.
_BEGIN = (
    "import json, runpy, sys\n"
    "sys.path[:] = json.loads(sys.argv.pop(1))\n"
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A process, and the empty folder that it works in."""

    process: Process
    folder: Path
    has_group: bool = False

    def kill(self) -> None:
        """End the process, and those that it has started if it has a group of its own."""
        with suppress(ProcessLookupError):
            if os.name == "posix" and self.has_group:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    async def wait(self) -> int:
        """Wait for the end of the process, and remove its folder; its exit code."""
        code = await self.process.wait()
        self.remove_folder()
        return code

    def remove_folder(self) -> None:
        """Remove the folder of a process that nobody waits for any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def python_command(module: str) -> tuple[str, ...]:
    """The command that runs a module of this program in another process of this interpreter.

    The process imports from where this one does, but for the working folder. Python is started with ``-P`` and without
    ``-I``: a program that was installed for one user (``pip install --user``) lies in that user's own site folder.
    """
    flags = ["-P"]
    if sys.flags.no_user_site:
        flags.append("-s")
    if sys.flags.dont_write_bytecode:
        flags.append("-B")
    if sys.flags.utf8_mode:
        flags += ["-X", "utf8"]
    return (sys.executable, *flags, "-c", _BEGIN, json.dumps(safe_path()), module)


async def start_child(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    longest_line: int,
    stderr: int = PIPE,
    own_group: bool = False,
) -> ChildProcess:
    """Start a process with pipes for its streams, in a new and empty folder that is the user's alone.

    Nothing but ``environ`` is passed on of the environment. With ``own_group``, what the process starts ends with it.

    Raises:
        OSError: the process cannot be started, or there is no room for its folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="apo-"))
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            limit=longest_line,
            cwd=folder,
            env=dict(environ),
            start_new_session=own_group,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ChildProcess(process, folder, own_group)
