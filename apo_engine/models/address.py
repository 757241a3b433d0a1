"""Where a model server is: a base URL taken apart, so that what is secret in it is shown and kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL without credentials, query and a usual port, its host and port, and what was taken out of it.

    A query is as secret as credentials are: some gateways take their key in it.
    """

    url: str
    host: str
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @staticmethod
    def parse(url: str) -> Address:
        """Take a base URL apart.

        Raises:
            ValueError: it is no http(s) URL with a host; the message does not quote it.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            # The library's own words quote the part that it does not understand, which may be a password.
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("not an http:// or https:// address")
        shown = f"[{host}]" if ":" in host else host
        usual = port is None or port == _USUAL_PORTS[parts.scheme]
        netloc = shown if usual else f"{shown}:{port}"
        credentials = None
        if parts.username is not None or parts.password is not None:
            credentials = (unquote(parts.username or ""), unquote(parts.password or ""))
        path = parts.path.rstrip("/")
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return Address(urlunsplit((parts.scheme, netloc, path, "", "")), netloc, credentials, query)

    @property
    def exposed(self) -> bool:
        """Whether what is sent there can be read on the way: to another machine, without encryption."""
        return self.url.startswith("http:") and not self.loopback

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
