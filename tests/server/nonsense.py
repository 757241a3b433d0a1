"""What no client should send."""

from __future__ import annotations

import json

from tests.server.raw import framed, opened


def body(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return b"Content-Length: %d\r\n\r\n%s" % (len(raw), raw)


NONSENSE = {
    "bytes": bytes(range(256)) * 40,
    "no body": b"Content-Length: 0\r\n\r\n",
    "headers alone": b"Content-Type: x\r\n\r\n" * 20,
    "too short a length": b"Content-Length: 5\r\n\r\n" + json.dumps({"jsonrpc": "2.0", "method": "x/y"}).encode(),
    "no number": b"Content-Length: many\r\n\r\n{}",
    "a negative length": b"Content-Length: -1\r\n\r\n{}",
    "a length beyond all measure": b"Content-Length: 999999999999999\r\n\r\n",
    "a huge header": b"X-Long: " + b"x" * 3_000_000 + b"\r\n\r\n",
    "invalid JSON": body("{{{{{"),
    "invalid UTF-8": body(b'{"jsonrpc": "2.0", "method": "\xff\xfe"}'),
    "deep JSON": body("[" * 100_000),
    "a long number": body('{"jsonrpc": "2.0", "id": ' + "9" * 10_000 + ', "method": "x/y"}'),
    "a batch": body(json.dumps([{"jsonrpc": "2.0", "id": 9, "method": "x/y"}])),
    "an empty batch": body("[]"),
    "scalars": body("1") + body("null") + body('"text"') + body("true"),
    "an empty object": body("{}"),
    "another version": body('{"jsonrpc": "1.0", "id": 9, "method": "shutdown"}'),
    "a message of nothing": body('{"jsonrpc": "2.0"}'),
    "methods of wrong kinds": b"".join(
        body(json.dumps({"jsonrpc": "2.0", "id": 9, "method": method})) for method in (None, 3, [], {}, True)
    ),
    "ids of wrong kinds": b"".join(
        body(json.dumps({"jsonrpc": "2.0", "id": number, "method": "textDocument/hover"}))
        for number in (None, 1.5, [], {}, True, [[1]])
    ),
    "answers to no question": b"".join(
        body(json.dumps({"jsonrpc": "2.0", "id": number, **answer}))
        for number in (None, 1.5, {}, [], 17, "x")
        for answer in ({"result": None}, {"error": {"code": 1, "message": "m"}}, {"error": "text"}, {"result": {}})
    ),
    "notifications of wrong kinds": b"".join(
        framed({"method": method, "params": params})
        for method in ("textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "$/cancelRequest",
                       "workspace/didChangeConfiguration", "workspace/didChangeWatchedFiles", "$/setTrace",
                       "window/workDoneProgress/cancel", "notebookDocument/didOpen", "textDocument/didSave")
        for params in (None, 3, [], {}, "text", {"textDocument": 5}, {"id": {}}, {"token": []}, {"changes": 4})
    ),
    "unknown notifications": framed({"method": "no/such"}, {"method": "$/none", "params": {"a": [1]}}, {"method": ""}),
    "a change out of this world": framed(
        {
            "method": "textDocument/didChange",
            "params": {
                "textDocument": {"uri": "file:///tmp/none/health.prompt", "version": -(2**31)},
                "contentChanges": [
                    {"range": {"start": {"line": 2**31, "character": 5}, "end": {"line": -4, "character": 1}},
                     "text": "x"}
                ],
            },
        }
    ),
    "addresses that are none": framed(
        *(opened(uri, "{{x}}") for uri in ("", "x", "file://", "file:///%00", "http://[", "file:///" + "a" * 9000))
    ),
    "a document that is not Unicode": body(
        '{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///tmp/none/s.prompt",'
        '"languageId":"dotprompt","version":1,"text":"\\ud800 {{x}} \\u0000"}}}'
    ),
    "a message inside a message": framed(
        {
            "method": "workspace/didChangeConfiguration",
            "params": {"settings": {"apo": {"jsonrpc": "2.0", "id": 1, "method": "exit"}}},
        }
    ),
}  # fmt: skip
