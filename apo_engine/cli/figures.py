"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def percent(fraction: float) -> str:
    """A fraction of 1 as ``81.4 %``."""
    return f"{100 * fraction:.1f} %"


def span(interval: Sequence[float]) -> str:
    """An interval of fractions in percent: ``74.1 to 87.0 %``."""
    low, high = interval
    return f"{100 * low:.1f} to {percent(high)}"


def probability(p: float) -> str:
    """A p value; ``p < 0.0001`` where more digits would tell nothing."""
    return f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def rounded(number: int) -> str:
    """A rough figure: ``640``, ``8,200``, ``84 k``, ``0.4 M``."""
    if number < 1_000:
        return f"{number}"
    if number < 10_000:
        return f"{round(number, -2):,}"
    return f"{round(number / 1_000)} k" if number < 95_000 else f"{number / 1_000_000:.1f} M"


def money(usd: float) -> str:
    """Dollars, with cents, or with two digits that tell something where it is less than that."""
    if usd == 0:
        return "$0"
    if usd >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.0001 else "less than $0.0001"


def size(number: int) -> str:
    """Bytes as ``0 kB``, ``84 kB``, ``1.2 MB``, ``10.4 GB``."""
    if number < 1_000_000:
        return f"{number / 1_000:,.0f} kB"
    return f"{number / 1_000_000:,.1f} MB" if number < 1_000_000_000 else f"{number / 1_000_000_000:,.1f} GB"


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``3 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
