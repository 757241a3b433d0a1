"""Which connection to a socket is the editor's: the first that begins with a valid `initialize` request.

Where there is a token, the request must show it. Any program of this machine can connect, and so can any page in a
browser. Several connections may wait side by side, so that none of them keeps the editor out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from lsprotocol.types import ErrorCodes, LSPErrorCodes

from apo_server.initialize_request import initialize_fault
from apo_server.token_file import Token

_log = logging.getLogger(__name__)
# How long a client may take for its first message, in seconds, and how long that may be, in bytes.
PATIENCE = 10.0
LONGEST_INITIALIZE = 256 * 1024
# After a wrong token, a client waits for its answer so long, in seconds, and keeps its place. With 64 places, 64 tokens
# can be tried in a second.
_PENALTY = 1.0
_PLACES = 64


class Refused(Exception):
    """A connection is not the editor's; the message says why. ``answer`` is a message for its client, if any."""

    def __init__(self, reason: str, answer: bytes = b"", *, guessed: bool = False) -> None:
        super().__init__(reason)
        self.answer = answer
        self.guessed = guessed


class Admission:
    """Holds connections to the rule above until one of them is the editor's."""

    def __init__(self, token: Token | None, places: int = _PLACES) -> None:
        self._token = token
        self._places = places
        # The connections that are not admitted yet, the oldest first, and those among them that showed a wrong token.
        self._waiting: dict[asyncio.WriteTransport, None] = {}
        self._held: set[asyncio.WriteTransport] = set()
        self._reported: set[str] = set()

    @property
    def authenticates(self) -> bool:
        """Whether the client that is admitted has shown a token."""
        return self._token is not None

    def enter(self, transport: asyncio.WriteTransport) -> None:
        """Take in a new connection. If too many wait, the one that has waited longest is closed."""
        if len(self._waiting) >= self._places:
            self.report(f"more than {self._places} wait without an initialize request")
            last = next((other for other in self._waiting if other not in self._held), transport)
            last.abort()
            self.leave(last)
            if last is transport:
                return
        self._waiting[transport] = None

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Drop a connection that is the editor's, or gone. A penalty goes on after its client has hung up."""
        if transport not in self._held:
            self._waiting.pop(transport, None)

    def end(self) -> None:
        """Close every connection that waits: the editor has been admitted."""
        for transport in self._waiting:
            transport.abort()
        self._waiting.clear()
        self._held.clear()

    def check_token(self, value: object) -> None:
        """Check a token that was shown in a web socket's address.

        Raises:
            Refused: the token is wrong.
        """
        if self._token is not None and not self._token.matches(value):
            raise Refused("its address holds a wrong token", guessed=True)

    def admit(self, body: bytes, *, authenticated: bool = False) -> bytes:
        """The first message of the editor, without the token. An ``authenticated`` client has shown it already.

        Raises:
            Refused: the message is not a proper `initialize` request, or the token is missing or wrong.
        """
        message = _request(body)
        number = message["id"]
        if message["method"] != "initialize":
            answer = _error(number, ErrorCodes.ServerNotInitialized, "The server is not initialized yet.")
            raise Refused("its first message is not an initialize request", answer)
        fault = initialize_fault(message)
        if fault is not None:
            raise Refused("its initialize request is not valid", _error(number, ErrorCodes.InvalidParams, fault))
        options = message["params"].get("initializationOptions")
        given = options.pop("token", None) if isinstance(options, dict) else None
        if self._token is not None and not authenticated and not self._token.matches(given):
            lacks = "has no token" if given is None else "has a wrong token"
            remedy = "Set 'token' in the initialization options to the content of the server's token file."
            answer = _error(number, LSPErrorCodes.RequestFailed, f"The request {lacks}. {remedy}", retry=False)
            raise Refused(f"its initialize request {lacks}", answer, guessed=True)
        return json.dumps(message).encode()

    async def refuse(self, transport: asyncio.WriteTransport, refused: Refused) -> None:
        """Report a refusal. After a wrong token this takes a while, so that guessing is slow."""
        self.report(str(refused))
        if not refused.guessed:
            return
        self._held.add(transport)
        try:
            await asyncio.sleep(_PENALTY)
        finally:
            self._held.discard(transport)
            if transport.is_closing():
                self.leave(transport)

    def report(self, reason: str) -> None:
        """Say why a connection is closed: as a warning once for each reason, and as information after that."""
        level = logging.INFO if reason in self._reported else logging.WARNING
        self._reported.add(reason)
        _log.log(level, "A connection is closed: %s.", reason)


def _request(body: bytes) -> dict[str, Any]:
    """A message that has the form of a request.

    Raises:
        Refused: it has not.
    """
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Refused("its first message is not JSON") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused("its first message is not JSON-RPC 2.0")
    number = message.get("id")
    if not isinstance(message.get("method"), str) or not isinstance(number, (int, str)) or isinstance(number, bool):
        raise Refused("its first message is not a request")
    return message


def _error(number: int | str, code: ErrorCodes | LSPErrorCodes, text: str, **data: bool) -> bytes:
    error = {"code": int(code), "message": text, **({"data": data} if data else {})}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()
