"""Where the server listens, and who can reach it there."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass


class CannotListen(Exception):
    """An address cannot be listened on; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is any that is free."""

    host: str
    port: int

    @staticmethod
    def parse(text: str) -> Address:
        """Read ``[HOST:]PORT``; without a host nothing but this machine can connect.

        Raises:
            ValueError: the text is not such an address.
        """
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(text)
        return Address(host.strip("[]") or "127.0.0.1", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def resolve_hosts(address: Address, *, has_token: bool) -> list[str]:
    """The numeric hosts to listen on. Without a token they are of this machine alone.

    Raises:
        CannotListen: the host is not known, or other machines can reach it and there is no token.
    """
    with translate_errors(address):
        found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not has_token and not all(map(is_loopback, hosts)):
        raise CannotListen(
            f"Other machines can reach {address.host}. Name a token file with --token-file, or listen on 127.0.0.1."
        )
    return hosts


@contextlib.contextmanager
def translate_errors(address: Address) -> Iterator[None]:
    """Turns what goes wrong while a socket is opened into ``CannotListen``."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListen(f"Cannot listen on {address}: {reason}. Choose another port, or 0 for any.") from None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached by this machine alone: `localhost`, or a loopback address."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
