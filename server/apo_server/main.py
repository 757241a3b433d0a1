"""The command `apo-language-server`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

_LEVELS = ("error", "warning", "info", "debug")


def run(argv: Sequence[str] | None = None) -> None:
    """Read the command line and serve one editor over stdio until it is gone."""
    parser = argparse.ArgumentParser(
        prog="apo-language-server",
        description="Shows in the editor why a prompt fails, and offers rewrites that were measured.",
    )
    parser.add_argument("--stdio", action="store_true", help="speak over standard input and output (the default)")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="warning", help="what goes to standard error (default: warning)"
    )
    given = parser.parse_args(argv)
    if given.version:
        print(f"apo-language-server {_version()}")
        return
    _serve(given.log_level)


def _serve(level: str) -> None:
    # Building the protocol's types makes very many objects and no garbage: collecting among them only costs time.
    gc.disable()
    from apo_server.logs import set_up_logs
    from apo_server.wiring import create_server

    set_up_logs(level)
    server = create_server(_version())
    gc.freeze()
    gc.enable()
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not land between the replies.
    os.dup2(2, 1)
    server.start_io(requests, replies)
    sys.exit(server.exit_code)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("apo-language-server")
    except PackageNotFoundError:
        return "unknown"
