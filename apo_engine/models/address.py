"""Where a model server is: a base URL taken apart, so that what is secret in it is shown and kept nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# The longest name that can be resolved (RFC 1035).
_LONGEST_HOST = 253
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL without credentials and query, and what was taken out of it.

    ``host`` is what is asked and what people are shown: in lower case, an international name in Punycode, without a
    dot at its end, and with the port if that is not the scheme's own. A query is as secret as credentials are: some
    gateways take their key in it.
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
            port, name = parts.port, _name(parts.hostname or "")
        except ValueError:
            # The library's own words quote the part that it does not understand, which may be a password.
            parts, port, name = urlsplit(""), None, ""
        if parts.scheme not in _DEFAULT_PORTS or not name:
            raise ValueError("not an http:// or https:// address")
        host = name if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{name}:{port}"
        credentials = None
        if parts.username is not None or parts.password is not None:
            credentials = (unquote(parts.username or ""), unquote(parts.password or ""))
        path = parts.path.rstrip("/")
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return Address(urlunsplit((parts.scheme, host, path, "", "")), host, credentials, query)

    @property
    def encrypted(self) -> bool:
        """Whether what is sent there is encrypted on its way."""
        return self.url.startswith("https:")

    @property
    def loopback(self) -> bool:
        """Whether this machine itself is addressed, whatever a resolver says: by a loopback address or `localhost`.

        Names below `localhost` are left to resolvers by some systems, and count as another machine.
        """
        name = urlsplit(self.url).hostname or ""
        if name == "localhost":
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        # Python versions differ in whether an IPv4 address within IPv6 is a loopback one.
        return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def _name(host: str) -> str:
    """A host's name as it is resolved and shown; empty if it is not a name that can be asked.

    Raises:
        ValueError: it is not a host's name.
    """
    if ":" in host:
        return f"[{ip_address(host).compressed}]" if "%" not in host else ""
    name = host.removesuffix(".")
    if not name.isascii():
        import idna

        # Letters that look like Latin ones become visible, and what is shown is what is asked.
        name = idna.encode(name.lower()).decode("ascii")
    return name if len(name) <= _LONGEST_HOST and _HOST.fullmatch(name) else ""
