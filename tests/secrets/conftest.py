"""The fixtures of the terminal's tests."""

from tests.cli.conftest import apo

__all__ = ["apo"]
