"""The routes along which a key reaches a model server, each with a canary on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.scripted.server import Exchange
from tests.secrets.canary import Canary

Carried = Callable[[Exchange, Canary], bool]


@dataclass(frozen=True)
class Route:
    """How a key is given: ``environ`` and the user's ``config`` for the server at ``base``, and how it must arrive.

    In both, ``{key}`` is the canary, ``{quoted}`` the same as it is written into a URL, ``{base}`` the address without
    its scheme. ``model`` is the one that a prompt names.
    """

    carried: Carried
    environ: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    model: str = "openai/scripted"

    def environment(self, canary: Canary, base_url: str) -> dict[str, str]:
        words = _words(canary, base_url)
        return {"OPENAI_BASE_URL": base_url} | {name: value.format(**words) for name, value in self.environ.items()}

    def write_config(self, folder: Path, canary: Canary, base_url: str) -> None:
        """The user's configuration file, where this route needs one."""
        if self.config:
            place = folder / "apo-language-server" / "config.yaml"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self.config.format(**_words(canary, base_url)))


def _words(canary: Canary, base_url: str) -> dict[str, str]:
    return {"key": canary.secret, "quoted": canary.quoted, "base": base_url.removeprefix("http://")}


def _bearer(exchange: Exchange, canary: Canary) -> bool:
    return exchange.headers.get("authorization") == f"Bearer {canary.secret}"


def _basic(exchange: Exchange, canary: Canary) -> bool:
    return exchange.headers.get("authorization") == f"Basic {canary.basic}"


def _query(exchange: Exchange, canary: Canary) -> bool:
    return exchange.query == f"api_key={canary.quoted}"


def _header(exchange: Exchange, canary: Canary) -> bool:
    return exchange.headers.get("x-gateway-token") == canary.secret


_ENDPOINT = "endpoints:\n  corp:\n    base_url: http://{base}\n    key_env: CORP_KEY\n"
_ENDPOINT_PASSWORD = "endpoints:\n  corp:\n    base_url: http://user:{quoted}@{base}\n"
_ENDPOINT_QUERY = "endpoints:\n  corp:\n    base_url: http://{base}?api_key={quoted}\n"

ROUTES = {
    "environment": Route(_bearer, {"OPENAI_API_KEY": "{key}"}),
    "password in the address": Route(_basic, {"OPENAI_BASE_URL": "http://user:{quoted}@{base}"}),
    "query of the address": Route(_query, {"OPENAI_BASE_URL": "http://{base}?api_key={quoted}"}),
    "custom header": Route(_header, {"OPENAI_CUSTOM_HEADERS": "X-Gateway-Token: {key}"}),
    "key of an endpoint": Route(_bearer, {"CORP_KEY": "{key}"}, _ENDPOINT, "corp/scripted"),
    "password of an endpoint": Route(_basic, {}, _ENDPOINT_PASSWORD, "corp/scripted"),
    "query of an endpoint": Route(_query, {}, _ENDPOINT_QUERY, "corp/scripted"),
}
