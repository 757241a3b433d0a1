"""The command `apo-language-server`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apo_engine import __version__
from apo_engine.problems import InputError
from apo_server.listening import Address, CannotListen
from apo_server.token_file import BadTokenFile, Token
from apo_server.transports import Serve, over_pipes

_NAME = "apo-language-server"
_LEVELS = ("error", "warning", "info", "debug")
_MISUSE = 2
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Way:
    """How the editor comes: over one of two sockets, or else over standard input and output."""

    tcp: Address | None
    websocket: Address | None
    token: Token | None


def run(argv: Sequence[str] | None = None) -> None:
    """Read the command line and serve one editor until it is gone."""
    parser = argparse.ArgumentParser(
        prog=_NAME, description="Shows in the editor why a prompt fails, and offers rewrites that were measured."
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="speak over standard input and output (the default)")
    way.add_argument(
        "--tcp",
        type=_address,
        metavar="[HOST:]PORT",
        help="listen on a socket for one editor, on this machine alone unless a host is named; "
        "port 0 takes one that is free; standard error tells the address",
    )
    way.add_argument("--ws", type=_address, metavar="[HOST:]PORT", help="the same on a web socket")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="admit an editor to the socket only if it sends the token in this file; "
        "required if other machines can reach the host",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="warning", help="what goes to standard error (default: warning)"
    )
    given = parser.parse_args(argv)
    if given.version:
        print(f"{_NAME} {__version__}")
        return
    if given.token_file is not None and given.tcp is None and given.ws is None:
        parser.error("argument --token-file: only a socket asks for a token; add --tcp or --ws")
    try:
        token = Token.read(given.token_file) if given.token_file is not None else None
        _serve(_Way(given.tcp, given.ws, token), given.log_level)
    except BadTokenFile as error:
        parser.exit(_MISUSE, f"{_NAME}: The token file {str(given.token_file)!a} {error}.\n")
    except CannotListen as error:
        parser.exit(_MISUSE, f"{_NAME}: {error}\n")
    except InputError as error:
        problem = error.problems[0]
        parser.exit(_MISUSE, f"{_NAME}: {problem.message} {problem.remedy}\n")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _serve(way: _Way, level: str) -> None:
    # Building the protocol's types makes very many objects and no garbage: collecting among them only costs time.
    gc.disable()
    from apo_engine.machine import cache_dir
    from apo_server.logs import set_up_logs
    from apo_server.wiring import create_server

    set_up_logs(level)
    # Whoever cannot say where to keep things is told at once, not at the first run.
    cache_dir(os.environ)
    server = create_server(__version__)
    gc.freeze()
    # A keystroke makes thousands of objects, few of which refer to each other: collecting less often misses nothing.
    gc.set_threshold(10_000, 10, 10)
    gc.enable()
    # A thread that reads a long file lets a keystroke through at once.
    sys.setswitchinterval(0.0005)
    requests, replies = os.dup(0), os.dup(1)
    # Whatever a library prints must not land between the replies.
    os.dup2(2, 1)

    async def serve_and_leave() -> None:
        await _serve_over(server.serve, way, requests, replies)
        logging.shutdown()
        # Nothing is left but threads in the middle of a read, which nobody waits for.
        os._exit(server.exit_code)

    asyncio.run(serve_and_leave())


async def _serve_over(serve: Serve, way: _Way, requests: int, replies: int) -> None:
    if way.tcp is not None:
        from apo_server.tcp import over_tcp

        await over_tcp(serve, way.tcp, way.token, lambda address: _announce("tcp", address))
    elif way.websocket is not None:
        from apo_server.web_socket import over_websocket

        await over_websocket(serve, way.websocket, way.token, lambda address: _announce("ws", address))
    else:
        await over_pipes(serve, requests, replies)


def _announce(scheme: str, address: Address) -> None:
    print(f"{_NAME}: listening on {scheme}://{address}", file=sys.stderr, flush=True)


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a [HOST:]PORT, such as 8765 or 127.0.0.1:8765") from None
