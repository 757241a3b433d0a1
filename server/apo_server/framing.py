"""The frames of the base protocol: headers, an empty line, and a body of the length that the headers name.

A client that sends nonsense costs the messages it spoils, no more: what is no header is left out, and the next header
that names a length is found again, even at the end of a line that begins with something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A whole example file may be open in the editor; what claims to be longer is no message.
LONGEST_BODY = 256 * 1024 * 1024
_LONGEST_LINE = 8 * 1024
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?\Z", re.IGNORECASE)


class Frames:
    """Takes bytes as they come, and gives the bodies that are complete. It holds no more than one unfinished frame."""

    def __init__(self, longest_body: int = LONGEST_BODY) -> None:
        self._longest_body = longest_body
        self._held = bytearray()
        # The length that the headers so far name, and how much is missing of a body that has begun.
        self._length: int | None = None
        self._missing = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bodies that these bytes complete. All of them must be taken before more is fed."""
        self._held += chunk
        while True:
            if self._missing:
                if len(self._held) < self._missing:
                    return
                yield self._taken(self._missing)
                self._missing = 0
            line = self._line()
            if line is None:
                return
            named = _LENGTH.search(line)
            if named is not None:
                length = int(named[1])
                self._length = length if length <= self._longest_body else None
            elif not line.strip() and self._length is not None:
                self._missing, self._length = self._length, None

    def _line(self) -> bytes | None:
        """The next line without its line feed; None while it is not complete."""
        end = self._held.find(b"\n")
        if end >= 0:
            return self._taken(end + 1)[:-1]
        # No header is so long, and the end of the line is all that could still be one.
        if len(self._held) > _LONGEST_LINE:
            del self._held[: -_LONGEST_LINE // 2]
        return None

    def _taken(self, count: int) -> bytes:
        taken = bytes(memoryview(self._held)[:count])
        del self._held[:count]
        return taken
