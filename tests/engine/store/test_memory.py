"""The store in memory keeps what every store promises."""

from __future__ import annotations

import pytest

from apo_engine.store import MemoryStore
from tests.engine.store.conformance import Open, StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def opened(self) -> Open:
        store = MemoryStore()
        return lambda: store
