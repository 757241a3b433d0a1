"""Messages of the language server protocol: frames, decoding, and every handler on documents of all kinds."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from functools import lru_cache
from typing import Any

from pygls.exceptions import JsonRpcException, JsonRpcInternalError

from apo_engine import __version__
from apo_server.framing import Frames
from apo_server.server import ApoLanguageServer
from tests.fuzz.target import Target, text_of

_WORDS = (
    "Content-Length: 30\r\n\r\n", '{"jsonrpc":"2.0","method":"', '","params":{', '"id":1,',
    '"textDocument":{"uri":"', "file:///none/a.prompt", '"position":{"line":0,"character":4294967295}', '"range":',
    '"contentChanges":[{"text":"', "textDocument/hover", "textDocument/didOpen", "textDocument/didChange",
    "textDocument/codeAction", "workspace/executeCommand", "apo.cancel", "$/cancelRequest",
    "workspace/didChangeConfiguration", "\\ud800", "}}", "]", "null", "-1", "1e400", "%00", "\x00", "\x01", "\x02",
    "\n", "---\n", "apo.examples: rows.jsonl\n", "model: openai/x\n", "input: {schema: {text: string}}\n",
    "output: {schema: {label(enum): [a, b]}}\n", "{{#each rows as |r|}}", "{{r.text}}", "{{/each}}", "{{> tone}}",
    '{{role "user"}}', "{{!-- apo:keep --}}", "{{", "}}", "\U0001f600", "\r\n",
)  # fmt: skip
_URI = "file:///nowhere/at/all/a.prompt"
_AT = (
    *("hover", "completion", "definition", "references", "documentHighlight", "prepareRename"),
    *("rename", "codeAction", "codeLens", "documentSymbol", "foldingRange", "selectionRange", "inlayHint"),
    *("documentLink", "semanticTokens/full", "diagnostic"),
)
_CAN = {
    "textDocument": {
        "hover": {"contentFormat": ["markdown"]},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}, "disabledSupport": True},
        "rename": {"prepareSupport": True},
        "diagnostic": {},
        "inlayHint": {},
        "semanticTokens": {
            "requests": {"full": True},
            "tokenTypes": ["variable", "keyword", "function", "comment", "string", "property"],
            "tokenModifiers": [],
            "formats": ["relative"],
        },
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
    },
    "workspace": {"diagnostics": {"refreshSupport": True}},
}
_HELLO = {
    "jsonrpc": "2.0",
    "id": "hello",
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": _CAN},
}
_INTERNAL = -32603


class _Heard:
    """Takes what the server says, and keeps the answers by id."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.answers: dict[object, list[dict[str, Any]]] = {}

    def write(self, data: bytes) -> None:
        for body in self.frames.feed(data):
            said = json.loads(body)
            if "method" not in said:
                self.answers.setdefault(said.get("id"), []).append(said)

    def close(self) -> None: ...


class _Desk:
    """A server in this process, without an engine, that has been greeted."""

    def __init__(self) -> None:
        os.environ["APO_CACHE_DIR"] = os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="apo-fuzz-")
        from apo_server.wiring import create_server

        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.errors: list[Exception] = []
        self.heard = _Heard()
        self.server: ApoLanguageServer = self.loop.run_until_complete(self._greeted(create_server))

    async def _greeted(self, create: Any) -> ApoLanguageServer:
        server: ApoLanguageServer = create(__version__)
        server.report_server_error = self._reported  # type: ignore[method-assign]
        server.engine._command = ("false",)
        server.engine._closed = True
        server.protocol.set_writer(self.heard, include_headers=True)
        server.protocol.take(json.dumps(_HELLO).encode())
        for _ in range(1000):
            if "hello" in self.heard.answers:
                break
            await asyncio.sleep(0.01)
        return server

    def _reported(self, error: Exception, source: type[Exception]) -> None:
        # What a client gets wrong is refused; anything else is a fault of ours.
        if not isinstance(error, JsonRpcException) or isinstance(error, JsonRpcInternalError):
            self.errors.append(error)

    def check(self, bodies: list[bytes], asked: list[object]) -> None:
        self.heard.answers.clear()
        self.errors.clear()
        self.loop.run_until_complete(self._said(bodies, asked))
        assert not self.errors, self.errors
        for number in asked:
            answers = self.heard.answers.get(number, [])
            assert len(answers) == 1, (number, answers)
        for found in self.heard.answers.values():
            for answer in found:
                assert answer.get("error", {}).get("code") != _INTERNAL, answer

    async def _said(self, bodies: list[bytes], asked: list[object]) -> None:
        protocol, session = self.server.protocol, self.server.session
        for body in bodies:
            if b"shutdown" not in body and b"exit" not in body:
                protocol.take(body)
                await protocol.settled()
        for _ in range(400):
            if not protocol._request_futures or all(number in self.heard.answers for number in asked):
                break
            await asyncio.sleep(0.005)
        for document in list(session.documents):
            session.closed(document.uri)
            self.server.surveys.closed(document.uri)


@lru_cache(maxsize=1)
def _desk() -> _Desk:
    return _Desk()


def check(data: bytes) -> None:
    """The first byte chooses: bytes for the frames, bodies parted by NUL, or a prompt that every feature looks at."""
    if not data:
        return
    way, rest = data[0] % 3, data[1:]
    if way == 0:
        frames, bodies = Frames(4096, recovers=True), []
        for at in range(0, len(rest), 7):
            bodies += frames.feed(rest[at : at + 7])
        assert bodies == list(Frames(4096, recovers=True).feed(rest)), "in whatever pieces it arrives"
        _desk().check(bodies, [])
    elif way == 1:
        _desk().check(rest.split(b"\x00"), [])
    else:
        _desk().check(*_looked_at(rest))


def _looked_at(data: bytes) -> tuple[list[bytes], list[object]]:
    """A prompt is opened, each feature asked at three places, and edited in between."""
    places, text = data[:8].ljust(8, b"\0"), text_of(data[8:])
    lines = text.count("\n") + 1
    bodies = [_message("didOpen", {"languageId": "dotprompt", "version": 1, "text": text})]
    asked: list[object] = []
    for turn in range(2):
        for number, method in enumerate(_AT):
            line, column = places[number % 8] % (lines + 1), places[(number + 1) % 8]
            asked.append(f"{turn} {number}")
            bodies.append(_request(asked[-1], method, line, column))
        edit = {"range": _range(places[turn] % lines, places[turn + 1], places[turn + 2]), "text": text[-9:]}
        bodies.append(_change([edit], turn + 2))
    return bodies, asked


def _range(line: int, one: int, other: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": one}, "end": {"line": line + other % 2, "character": other}}


def _message(method: str, item: dict[str, Any]) -> bytes:
    params = {"textDocument": {"uri": _URI, **item}}
    return json.dumps({"jsonrpc": "2.0", "method": f"textDocument/{method}", "params": params}).encode()


def _change(changes: list[dict[str, Any]], version: int) -> bytes:
    params = {"textDocument": {"uri": _URI, "version": version}, "contentChanges": changes}
    return json.dumps({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}).encode()


def _request(number: object, method: str, line: int, column: int) -> bytes:
    at = {"line": line, "character": column}
    params = {
        "textDocument": {"uri": _URI},
        "position": at,
        "positions": [at],
        "range": {"start": at, "end": {"line": line + 1, "character": column}},
        "context": {"diagnostics": [], "includeDeclaration": True, "triggerKind": 1},
        "newName": "other",
    }
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": f"textDocument/{method}", "params": params}).encode()


TARGET = Target("messages", check, tuple(word.encode("utf-8", "surrogatepass") for word in _WORDS), seconds=4.0)
