"""The process itself: its command line, its exit codes, and what it writes where."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

SERVER = [sys.executable, "-m", "apo_server"]
INITIALIZE = {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}
INITIALIZED = {"method": "initialized", "params": {}}
SHUTDOWN = {"id": 2, "method": "shutdown"}
EXIT = {"method": "exit"}


def framed(*messages: dict[str, object]) -> bytes:
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    return b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)


def spoken(given: bytes) -> tuple[list[dict[str, object]], subprocess.CompletedProcess[bytes]]:
    """What the server says to these bytes; everything on stdout must be protocol."""
    done = subprocess.run([*SERVER, "--stdio"], input=given, capture_output=True, timeout=30, check=False)
    said, rest = [], done.stdout
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        length = int(lengths[0].removeprefix(b"Content-Length: "))
        said.append(json.loads(rest[:length]))
        rest = rest[length:]
    return said, done


def test_version_and_help_are_for_people() -> None:
    shown = subprocess.run([*SERVER, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"apo-language-server {version('apo-language-server')}\n"
    assert "--log-level" in subprocess.run([*SERVER, "--help"], capture_output=True, text=True, check=True).stdout


def test_an_orderly_end_is_a_success_and_quiet() -> None:
    said, done = spoken(framed(INITIALIZE, INITIALIZED, SHUTDOWN, EXIT))
    assert [message["id"] for message in said] == [1, 2]
    assert done.returncode == 0
    assert done.stderr == b""


def test_exit_without_shutdown_is_a_failure() -> None:
    assert spoken(framed(INITIALIZE, EXIT))[1].returncode == 1


@pytest.mark.parametrize("end", [b"", b"Content-Length: 500\r\n\r\n{", b"Content-Le"])
def test_a_client_that_vanishes_leaves_no_server(end: bytes) -> None:
    said, done = spoken(framed(INITIALIZE, INITIALIZED) + end)
    assert [message["id"] for message in said] == [1]
    assert b"Traceback" not in done.stderr


def test_nonsense_between_messages_is_survived() -> None:
    nonsense = (
        b"garbage\r\n\r\n"
        + b"Content-Length: 5\r\n\r\n{{{{{"
        + framed(
            {"id": 5, "method": "no/such"}, {"id": 6, "method": "textDocument/hover", "params": {"textDocument": 3}}
        )
    )
    said, done = spoken(framed(INITIALIZE) + nonsense + framed(SHUTDOWN, EXIT))
    answers = {message["id"]: message for message in said if "id" in message}
    assert answers.keys() == {1, 2, 5, 6}
    assert "error" in answers[5]
    assert "error" in answers[6]
    assert [message for message in said if message.get("method") == "window/showMessage"] == []
    assert done.returncode == 0
