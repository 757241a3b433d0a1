"""Where this program imports modules from: never from the folder that it happens to be started in.

Imports nothing but what Python has loaded by then: a file of that folder could take the place of anything else. That is
why there is no future import here, nor in the modules that lead here.
"""

import os
import sys

_PACKAGES = ("apo_engine", "apo_server")


def leave_out_working_folder() -> None:
    """Take the working folder off the module path of this process, see `safe_path`."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """The module path without the working folder, and without what ``PYTHONPATH`` names relative to it.

    A folder that holds this program's own packages stays, wherever the process was started.
    """
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it was deleted: nothing can be imported from it
        here = os.devnull
    relative = (entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if not os.path.isabs(entry))  # noqa: PTH117
    unsafe = {os.path.realpath(folder) for folder in (here, *(os.path.join(here, entry) for entry in relative))}  # noqa: PTH118
    own = {os.path.realpath(os.path.dirname(folder)) for name in _PACKAGES for folder in _folders(name)}  # noqa: PTH120
    return [entry for entry in sys.path if entry and _is_safe(os.path.realpath(entry), unsafe, own)]


def _is_safe(entry: str, unsafe: set[str], own: set[str]) -> bool:
    return entry in own or entry not in unsafe


def _folders(package: str) -> list[str]:
    module = sys.modules.get(package)
    return list(module.__path__) if module is not None else []
