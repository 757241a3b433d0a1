"""The frames of the base protocol: a block of headers, an empty line, and a body of the length that the block names.

A block is strict: each of its lines ends with CRLF and is exactly ``Content-Length: DIGITS``, once, or
``Content-Type: TEXT``, at most once. Names count in any case. Everything else breaks the stream.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

_log = logging.getLogger(__name__)
# A whole example file may be open in the editor; a message is never longer than this, in bytes.
LONGEST_BODY = 256 * 1024 * 1024
_LONGEST_LINE = 1024
_LENGTH = re.compile(rb"content-length: ([0-9]{1,9})\r", re.IGNORECASE)
_TYPE = re.compile(rb"content-type: [\x20-\x7e]+\r", re.IGNORECASE)


class BrokenFrame(Exception):
    """The bytes are not frames; the message says why and quotes none of them."""


class Frames:
    """Takes bytes as they come, and gives the bodies that are complete. It holds at most one unfinished frame.

    ``longest_body`` bounds a body, in bytes, and may be raised between two bodies.

    With ``recovers`` a broken stream is reported in the log, and skipped up to the next line that is exactly a
    ``Content-Length`` header. This is for a peer that is the editor beyond doubt. A document cannot forge such a line:
    JSON text holds no line break inside a string.
    """

    def __init__(self, longest_body: int = LONGEST_BODY, *, recovers: bool = False) -> None:
        self.longest_body = longest_body
        self._recovers = recovers
        self._skips = False
        self._held = bytearray()
        # What the block so far names, and the length of a body that has begun.
        self._length: int | None = None
        self._typed = False
        self._body: int | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bodies that these bytes complete. All of them must be taken before more is fed.

        Raises:
            BrokenFrame: the bytes are not frames, unless this object recovers.
        """
        self._held += chunk
        while True:
            if self._body is not None:
                if len(self._held) < self._body:
                    return
                body, self._body = self._take(self._body), None
                yield body
            elif (line := self._line()) is None:
                return
            else:
                self._read_header(line)

    def _read_header(self, line: bytes) -> None:
        length = _LENGTH.fullmatch(line)
        if length is not None:
            if self._length is not None:
                self._break("a header names two lengths")
            elif int(length[1]) > self.longest_body:
                self._break("a header names a length that is too large")
            else:
                self._length, self._skips = int(length[1]), False
        elif self._skips:
            return
        elif line == b"\r" and self._length is not None:
            self._body, self._length, self._typed = self._length, None, False
        elif _TYPE.fullmatch(line) and not self._typed:
            self._typed = True
        else:
            self._break("a header line is malformed")

    def _line(self) -> bytes | None:
        """The next line without its line feed; None while it is not complete."""
        end = self._held.find(b"\n", 0, _LONGEST_LINE)
        if end >= 0:
            return self._take(end + 1)[:-1]
        if len(self._held) >= _LONGEST_LINE:
            if not self._skips:
                self._break("a header line is too long")
            end = self._held.find(b"\n")
            if end >= 0:
                del self._held[: end + 1]
                return b""
            # The rest of the line must not look like the beginning of one.
            self._held[:] = b"\0"
        return None

    def _break(self, reason: str) -> None:
        if not self._recovers:
            raise BrokenFrame(reason)
        _log.error("The editor's input is not valid: %s. Messages are skipped up to the next valid header.", reason)
        self._skips, self._length, self._typed = True, None, False

    def _take(self, count: int) -> bytes:
        taken = bytes(memoryview(self._held)[:count])
        del self._held[:count]
        return taken
