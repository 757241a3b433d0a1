"""Fixtures for every suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.scripted import ScriptedServer

# A busy machine is no counter-example; how fast things are is measured where it is promised.
settings.register_profile("apo", deadline=None)
settings.load_profile("apo")


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A model server on loopback: set ``.script`` and ``.latency``, read ``.base_url`` and ``.log``."""
    with ScriptedServer() as server:
        yield server
