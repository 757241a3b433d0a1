"""A bound on what it takes to read the templates of files that a prompt includes."""

from __future__ import annotations

#: For all partials of a prompt together. The slowest ones take about 5 µs a step.
MAX_STEPS = 100_000
# What a tag takes whatever stands in it; each character in it takes one step more.
_TAG_STEPS = 10
# YAML is slower to read than tags are.
_FRONT_MATTER_STEPS = 10


class ScanBudgetSpent(Exception):
    """A template takes more steps to read than are left."""


class ScanBudget:
    """The steps that are left."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def spend_on_tag(self, chars: int) -> None:
        """Count a tag in which so many characters stand.

        Raises:
            ScanBudgetSpent: too few steps are left for it.
        """
        self._spend(_TAG_STEPS + chars)

    def spend_on_front_matter(self, chars: int) -> None:
        """Count front matter of so many characters.

        Raises:
            ScanBudgetSpent: too few steps are left for it.
        """
        self._spend(_FRONT_MATTER_STEPS * chars)

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ScanBudgetSpent
