"""Money and token counts in words."""

from __future__ import annotations

from apo_engine.models.listed import ListedModel


def price(model: ListedModel) -> str:
    """What a model costs, in words: ``$0.4 in, $1.6 out per million tokens``."""
    if model.local:
        return "runs on this machine, free"
    if model.input_usd is None or model.output_usd is None:
        return "price unknown"
    return f"{dollars(model.input_usd)} in, {dollars(model.output_usd)} out per million tokens"


def dollars(amount: float) -> str:
    """An amount with two significant digits where it is small: ``$0.00016``."""
    if amount == 0:
        return "$0"
    if amount >= 1:
        return f"${amount:.2f}".removesuffix(".00")
    digits = f"{amount:.12f}".rstrip("0")
    first = next((n for n, char in enumerate(digits) if char not in "0."), len(digits))
    return f"${round(amount, first):.{first}f}".rstrip("0").rstrip(".") if first < 14 else "$0"


def tokens(count: int, *, estimated: bool) -> str:
    """A count of tokens, marked where it is estimated: ``≈ 1,412 tokens``."""
    return f"{'≈ ' if estimated else ''}{count:,} token{'' if count == 1 else 's'}"
