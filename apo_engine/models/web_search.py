"""Models that search the web with what they are sent, whether the request asks for that or not."""

from __future__ import annotations

import re

#: The parameter that asks other models for the same. Whoever allows it for an endpoint allows these models too.
PARAMETER = "web_search_options"
_SEARCHING = re.compile(
    r"search-(preview|api|pro)|deep[-_.]?(re)?search|web[-_.]?search|sonar|[-:]online\b|\bcompound\b|-search\b"
    r"|all-?tools\b|\b(exa|linkup|tavily|fastgpt)\b",
    re.IGNORECASE,
)


def searches_web(model_id: str) -> bool:
    """Whether a model of this name searches by itself: for a fee per request or search, which no token count shows."""
    return _SEARCHING.search(model_id) is not None
