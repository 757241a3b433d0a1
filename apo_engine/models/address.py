"""Where a model server is: a base URL taken apart, so that its credentials never travel with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL without credentials, its host and port, and the credentials that were written into it."""

    url: str
    host: str
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @staticmethod
    def parse(url: str) -> Address:
        """Take a base URL apart.

        Raises:
            ValueError: it is no http(s) URL with a host; the message does not quote it.
        """
        parts = urlsplit(url.strip())
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("not an http:// or https:// address")
        shown = f"[{host}]" if ":" in host else host
        netloc = shown if parts.port is None else f"{shown}:{parts.port}"
        credentials = None
        if parts.username is not None or parts.password is not None:
            credentials = (unquote(parts.username or ""), unquote(parts.password or ""))
        path = parts.path.rstrip("/")
        return Address(urlunsplit((parts.scheme, netloc, path, parts.query, "")), netloc, credentials)

    @property
    def loopback(self) -> bool:
        """Whether this machine itself is addressed."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False
