"""Where the requests of a model go: its host, whether they are encrypted on their way, and a proxy that reads them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from apo_engine.models.address import Address
from apo_engine.problems import InputError, Problem

_HTTP_PROXIES, _SOCKS_PROXIES = ("http", "https"), ("socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Route:
    """The way that every request of one model takes.

    ``host`` is the address's (see `Address`). ``reader`` is the host of a proxy that can read the requests, empty if
    none can: a proxy passes encrypted requests on unread. ``proxy`` is the address of the proxy that is asked, with
    its credentials.
    """

    host: str
    encrypted: bool
    reader: str = ""
    proxy: str | None = field(default=None, repr=False, compare=False)

    @property
    def proxy_credentials(self) -> tuple[str, str] | None:
        """Name and password for the proxy, if its address holds any."""
        parts = urlsplit(self.proxy or "")
        if parts.username is None and parts.password is None:
            return None
        return unquote(parts.username or ""), unquote(parts.password or "")

    @staticmethod
    def to(address: Address) -> Route:
        """The route to an address, by the proxies of the environment or the system; none is used for this machine.

        Raises:
            InputError: a proxy is set to something that is not the address of one.
        """
        proxy = None if address.loopback else _proxy_for(address)
        if proxy is None:
            return Route(address.host, address.encrypted)
        reader = "" if address.encrypted else _proxy_host(proxy)
        return Route(address.host, address.encrypted, reader, proxy)


def _proxy_for(address: Address) -> str | None:
    import urllib.request  # costs a tenth of the server's start, and is needed for models elsewhere alone

    scheme = "https" if address.encrypted else "http"
    proxies = urllib.request.getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or _bypassed(address.host, proxies.get("no", "")):
        return None
    if not urllib.request.getproxies_environment() and urllib.request.proxy_bypass(address.host):
        return None
    proxy = found if "://" in found else f"http://{found}"
    if not _usable(proxy):
        name = f"{scheme.upper()}_PROXY" if proxies.get(scheme) else "ALL_PROXY"
        message = f"The proxy of this machine ({name}) is not an address that can be used."
        raise InputError(Problem("proxy-address", message, f"Write {name} like http://host:8080, or remove it."))
    return proxy


def _bypassed(host: str, exceptions: str) -> bool:
    """Whether NO_PROXY names a host, or a domain that it belongs to."""
    name = urlsplit(f"//{host}").hostname or ""
    for exception in (one.strip().lower() for one in exceptions.split(",")):
        if exception == "*":
            return True
        domain = exception.removeprefix("*").removeprefix(".")
        if domain and (domain in (name, host) or name.endswith(f".{domain}")):
            return True
    return False


def _usable(proxy: str) -> bool:
    try:
        scheme = urlsplit(proxy).scheme
        if scheme in _SOCKS_PROXIES:
            return bool(_proxy_host(proxy)) and importlib.util.find_spec("socksio") is not None
        return scheme in _HTTP_PROXIES and bool(_proxy_host(proxy))
    except ValueError:
        return False


def _proxy_host(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return Address.parse(f"{'https' if scheme == 'https' else 'http'}://{rest}").host
