"""The settings of the editor's section `apo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from apo_engine.decoding import converted
from apo_engine.models.purse import DailyCaps

Background = Literal["off", "evaluate", "gradients", "optimize"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the editor has set. ``editor`` holds the engine's settings by their names in the file without ``apo.``.

    ``consent`` and ``trusted`` come from the initialization options alone: everything else may be set by a
    workspace, and a workspace must not be able to let its own rows go anywhere. ``daily`` caps what leaves the machine
    in a day for a workspace (`apo.workspaceBudget`): what the initialization options say of it, ``most_daily``, is
    never passed.
    """

    background: Background = "gradients"
    consent: bool = False
    trusted: bool = True
    cache: str | None = None
    editor: Mapping[str, object] = field(default_factory=dict)
    daily: DailyCaps = field(default_factory=DailyCaps)
    most_daily: DailyCaps = field(default_factory=DailyCaps)


def from_options(options: object) -> tuple[ServerSettings, tuple[str, ...]]:
    """The settings that a client starts the server with, and what is wrong with them, for people."""
    section = _section(options)
    wrong = []
    for name in ("consent", "trusted"):
        if not isinstance(section.get(name, False), bool):
            wrong.append(f"'apo.{name}' must be true or false.")
    started = ServerSettings(
        consent=section.get("consent") is True,
        # Anything but a plain yes is no trust, where the client speaks of trust at all.
        trusted=section.get("trusted", True) is True,
    )
    settings, more = updated(started, options)
    return replace(settings, most_daily=settings.daily), (*wrong, *more)


def updated(settings: ServerSettings, configuration: object) -> tuple[ServerSettings, tuple[str, ...]]:
    """The settings after the client has sent its configuration, and what is wrong with it, for people.

    A key that is missing or wrong leaves its setting as it was; an empty value takes it back.
    """
    section = _section(configuration)
    wrong: list[str] = []
    background = section.get("background", settings.background)
    if background not in get_args(Background):
        wrong.append(f"'apo.background' must be one of {', '.join(get_args(Background))}.")
        background = settings.background
    editor = dict(settings.editor)
    for name, kinds in (("model", str), ("optimizer", (str, Mapping)), ("budget", Mapping), ("keep", str)):
        value = section.get(name)
        if value is not None and not isinstance(value, kinds):
            wrong.append(f"'apo.{name}' must be {'text' if kinds is str else 'a map'}.")
        elif name in section:
            kept = _without_empty(value) if isinstance(value, Mapping) else value
            editor.pop(name, None)
            if kept:
                editor[name] = kept
    daily = settings.daily
    if "workspaceBudget" in section:
        asked = _daily_caps(section["workspaceBudget"])
        if asked is None:
            wrong.append("'apo.workspaceBudget' must be a map with 'usd' and 'calls', numbers from 0.")
        else:
            daily = _within(settings.most_daily, asked)
    cache = section.get("cacheDir", settings.cache)
    if cache is not None and not isinstance(cache, str):
        wrong.append("'apo.cacheDir' must be text.")
        cache = settings.cache
    if cache:
        # The engine works in a folder of its own, from which a relative path would lead elsewhere.
        cache = str(Path(cache).expanduser().absolute())
    changed = replace(
        settings, background=cast("Background", background), cache=cache or None, editor=editor, daily=daily
    )
    return changed, tuple(wrong)


def _section(value: object) -> Mapping[str, object]:
    """The section `apo`, whether the client sends it alone or inside its name."""
    if not isinstance(value, Mapping):
        return {}
    inner = value.get("apo")
    return inner if isinstance(inner, Mapping) else value


def _daily_caps(value: object) -> DailyCaps | None:
    """The caps that a value stands for; None where it is none."""
    if value is not None and not isinstance(value, Mapping):
        return None
    given = _without_empty(value or {})
    try:
        caps = converted(given, DailyCaps)
    except msgspec.ValidationError:
        return None
    return caps if given.keys() <= {"calls", "usd"} and (caps.calls or 0) >= 0 and (caps.usd or 0) >= 0 else None


def _within(most: DailyCaps, asked: DailyCaps) -> DailyCaps:
    """The caps asked for, none above what it may be at most."""
    calls = [cap for cap in (most.calls, asked.calls) if cap is not None]
    usd = [cap for cap in (most.usd, asked.usd) if cap is not None]
    return DailyCaps(min(calls, default=None), min(usd, default=None))


def _without_empty(value: Mapping[str, object]) -> dict[str, object]:
    return {str(key): item for key, item in value.items() if item is not None}
