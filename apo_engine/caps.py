"""Caps and limits: whoever sets one may lower what others set, and nobody but the command line raises it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The settings of which the lowest counts, wherever it is set; `concurrency` limits how hard an endpoint is pressed.
CAPS = (("budget", "usd"), ("budget", "calls"), ("budget", "tokens"), ("budget", "seconds"), ("concurrency",))


def lower(settings: dict[str, object], given: Sequence[Mapping[str, object]], flags: Mapping[str, object]) -> None:
    """Put the lowest of the ``given`` caps into ``settings``, in place, but for those that a flag sets."""
    for path in CAPS:
        caps = [cap for values in given if (cap := cap_in(values, path)) is not None]
        if caps and cap_in(flags, path) is None:
            inner = settings
            for key in path[:-1]:
                inner = inner[key]  # type: ignore[assignment]
            inner[path[-1]] = min(caps)


def cap_in(values: Mapping[str, object], path: tuple[str, ...]) -> int | float | None:
    """The cap at a path of a map of settings; None where there is not a number."""
    found: object = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def lowered(
    values: Mapping[str, object], flags: Mapping[str, object], used: Mapping[str, object]
) -> tuple[tuple[str, float, float], ...]:
    """The caps in ``values`` above those that are ``used`` and that no flag decides: name, cap asked for, cap used."""
    found = []
    for path in CAPS:
        asked, cap = cap_in(values, path), cap_in(used, path)
        if asked is not None and cap is not None and cap < asked and cap_in(flags, path) is None:
            found.append((".".join(path), asked, cap))
    return tuple(found)
