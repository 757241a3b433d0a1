"""Tests that are repeated on the same rows: how strict each must be, so that all together keep one level.

The k-th look at a hold-out is tested one-sided at .05 / (k (k + 1)): .025, .0083, .0042, … Over any number of looks
these add up to .05 at most, so the probability that a text without a gain is ever called better is at most .05, however
often somebody looks and whenever they stop (the union bound; the weights are those of alpha-spending, Foster & Stine
2008, J. R. Statist. Soc. B 70:429).
"""

from __future__ import annotations

ALPHA = 0.05


def level_of_look(look: int) -> float:
    """The one-sided level at which look number ``look`` is tested, counted from 1.

    Raises:
        ValueError: there is no such look.
    """
    if look < 1:
        raise ValueError(f"looks are counted from 1, not {look}")
    return ALPHA / (look * (look + 1))


def two_sided_level(look: int) -> float:
    """The level of the two-sided test that finds the same gains: its p value is twice the one-sided one."""
    return 2 * level_of_look(look)


def confidence_of_look(look: int) -> float:
    """The confidence of the two-sided interval whose lower end belongs to this look: .95 for the first."""
    return 1 - two_sided_level(look)
