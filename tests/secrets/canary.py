"""A made-up key, and every form in which it could be written."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus


@dataclass(frozen=True)
class Canary:
    """A secret that stands nowhere else. It needs quoting in a URL, so that the quoted form is another."""

    secret: str

    @staticmethod
    def hatch() -> Canary:
        return Canary(f"Canary+{secrets.token_hex(12)}/{secrets.token_hex(6)}=")

    @property
    def quoted(self) -> str:
        """As it is written into a URL."""
        return quote(self.secret, safe="")

    @property
    def basic(self) -> str:
        """As the password of ``user`` in an Authorization header."""
        return base64.b64encode(f"user:{self.secret}".encode()).decode()

    @property
    def forms(self) -> tuple[bytes, ...]:
        """The secret as it is, quoted, reversed, in hexadecimal, and in base64 at each of its three alignments.

        The middle of the secret by itself as well: half a key is too much.
        """
        plain = self.secret.encode()
        half = plain[7:27]
        encoded = []
        for offset in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                # The characters at both ends hold bits of what stands beside the secret.
                encoded.append(encode(b"x" * offset + half)[4:-4])
        return (plain, self.quoted.encode(), quote_plus(self.secret).encode(), half, plain.hex().encode(), *encoded)

    def seen_in(self, data: bytes) -> bytes | None:
        """Where it is betrayed, with a little of what stands around it."""
        for form in self.forms:
            at = data.find(form)
            if at >= 0:
                return data[max(0, at - 120) : at + len(form) + 60]
        return None


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder with its name as part of what it says."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, str(path).encode() + b"\n" + path.read_bytes()
