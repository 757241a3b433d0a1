"""What programs and browsers send that are not an editor; each goes on with the frames of one."""

from __future__ import annotations

import json

from tests.attacks.door import EVIL
from tests.server.raw import HELLO

HOSTILE_PAGE = b"Origin: https://evil.example\r\nReferer: https://evil.example/content-length: 2\r\n"


def post(head: bytes, body: bytes = b"{}" + EVIL) -> bytes:
    return b"%b\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


# Streams that do not begin with a frame of the protocol.
STRANGERS = {
    "GET": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + EVIL,
    "POST with frames as its body": post(b"POST / HTTP/1.1"),
    "POST whose address fills the first packets": post(b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOSTILE_PAGE),
    "POST with a length in its Referer": post(b"POST / HTTP/1.1\r\n" + HOSTILE_PAGE),
    "POST with a length in its address": post(b"POST /\r\nContent-Length: 2\r\n\r\n{} HTTP/1.1"),
    "POST with a length in a cookie": post(b"POST / HTTP/1.1\r\nCookie: a=content-length: 2"),
    "POST of a form": post(
        b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x", b"--x\r\n" + EVIL + b"\r\n--x--\r\n"
    ),
    "POST in chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(EVIL), EVIL),
    "a method in small letters": post(b"post / http/1.1"),
    "a method that nobody knows": post(b"X / HTTP/1.1"),
    "OPTIONS, as before a request across origins": post(b"OPTIONS * HTTP/1.1\r\nAccess-Control-Request-Method: POST"),
    "CONNECT": post(b"CONNECT 127.0.0.1:1 HTTP/1.1"),
    "HTTP/0.9": b"GET /\r\n" + EVIL,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + EVIL,
    "a web socket's upgrade": b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + EVIL,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(250)) * 2 + EVIL,
    "an SSL 2 hello": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40) + b"\n" + EVIL,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n" + EVIL,
    "SMTP": b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\nDATA\r\n" + EVIL,
    "Redis": b"*2\r\n$4\r\nAUTH\r\n$2\r\n{}\r\n" + EVIL,
    "FTP with a length": b"USER content-length: 2\r\n\r\n{}" + EVIL,
    "the PROXY protocol": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + EVIL,
    "the PROXY protocol in binary": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + EVIL,
    "NULs": bytes(5000) + b"\r\n" + EVIL,
    "a line without end": b"x" * 300_000,
    "a message without headers": json.dumps({"jsonrpc": "2.0", **HELLO}).encode() + b"\r\n" + EVIL,
    "a byte order mark": b"\xef\xbb\xbf" + EVIL,
    "a space first": b" " + EVIL,
    "an empty line first": b"\r\n" + EVIL,
    "line feeds alone": EVIL.replace(b"\r\n", b"\n"),
    "carriage returns alone": EVIL.replace(b"\r\n", b"\r") + b"\n",
    "two lengths": b"Content-Length: 2\r\n" + EVIL,
    "a length with a sign": EVIL.replace(b"Length: ", b"Length: +"),
    "a negative length": b"Content-Length: -1\r\n\r\n" + EVIL,
    "a length that overflows": b"Content-Length: 18446744073709551618\r\n\r\n{}" + EVIL,
    "a length of many digits": b"Content-Length: " + b"9" * 100_000 + b"\r\n\r\n" + EVIL,
    "a first message of 200 MB": b"Content-Length: 200000000\r\n\r\n" + b"{" * 100_000,
    "a header of HTTP beside the length": b"Host: localhost\r\n" + EVIL,
    "a folded length": b"Content-Length:\r\n 2\r\n\r\n{}" + EVIL,
}


def upgrade(*headers: str, target: str = "/", host: str | None = "127.0.0.1") -> bytes:
    """A request for a web socket."""
    named = [] if host is None else [f"Host: {host}"]
    fixed = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    return "\r\n".join([f"GET {target} HTTP/1.1", *named, *fixed, key, *headers, "", ""]).encode("utf-8")
