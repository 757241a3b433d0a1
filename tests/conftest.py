"""Fixtures for every suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scripted import ScriptedServer


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A model server on loopback: set ``.script`` and ``.latency``, read ``.base_url`` and ``.log``."""
    with ScriptedServer() as server:
        yield server
