"""Which provider of the price list an address belongs to: by its host, never by the beginning of a text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from apo_engine.models.address import Address

if TYPE_CHECKING:
    from genai_prices.types import Provider

# The list's patterns say how an address begins. A match ends where the host or a part of the path does: what begins
# like a provider's host, such as `api.openai.com.example`, is somebody else's.
_WHOLE = r"(?:{})(?:(?<=/)|(?=/)|\Z)"
# A pattern that matches without the provider's host has found its name in the path: wildcards reach as far as that, and
# some do not get over a dot.
_NOBODY = ("https://nobody", "https://nobody.invalid")
# Patterns that end in the middle of the host, and the hosts that they are meant for.
_OPEN_ENDED = {r"https://api\.moonshot\.": r"https://api\.moonshot\.(?:ai|cn)"}


@lru_cache(maxsize=1024)
def provider_at(base_url: str) -> Provider | None:
    """The provider whose host a base URL has, encrypted and at the usual port; None for any other. Loads the list."""
    from genai_prices.data import providers

    try:
        address = Address.parse(base_url)
    except ValueError:
        return None
    if not address.encrypted:
        return None
    path = address.url.removeprefix(f"https://{address.host}")
    for provider in providers:
        pattern = _WHOLE.format(_OPEN_ENDED.get(provider.api_pattern, provider.api_pattern))
        if re.match(pattern, address.url) and not any(re.match(pattern, host + path) for host in _NOBODY):
            return provider
    return None
