"""The types of settings in words, for messages."""

from __future__ import annotations

from msgspec import inspect


def described_type(kind: inspect.Type) -> str:
    """What a value of this type is called in a sentence."""
    name = type(kind).__name__
    if name == "UnionType":
        return " or ".join(described_type(option) for option in kind.types if type(option).__name__ != "NoneType")  # type: ignore[attr-defined]
    if name == "LiteralType":
        return " or ".join(repr(value) for value in kind.values)  # type: ignore[attr-defined]
    if name in ("IntType", "FloatType"):
        return ("a whole number" if name == "IntType" else "a number") + _bounds(kind)
    words = {"StrType": "text", "BoolType": "true or false", "DictType": "a map", "StructType": "a map"}
    return words.get(name, "a value")


def _bounds(kind: inspect.Type) -> str:
    least, most, above = (getattr(kind, name, None) for name in ("ge", "le", "gt"))
    until = ""
    if most is not None and most <= 1_000_000_000:
        until = f" to {most:,}" if most >= 10_000 else f" to {most}"
    if above is not None:
        return f" above {above}" + (f", up{until}" if until else "")
    if until:
        return f" from {least}{until}"
    return f" of at least {least}" if least is not None else ""
