"""The settings of the editor's section `apo`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import msgspec

from apo_engine.caps import cap_in
from apo_engine.decoding import converted
from apo_engine.machine import user_folder
from apo_engine.models.purse import DailyCaps
from apo_engine.problems import InputError

# Larger caps are no practical limit, and count as these.
_MOST_CALLS, _MOST_USD = 1_000_000_000, 1_000_000.0
Background = Literal["off", "evaluate", "gradients", "optimize"]
# What only the user can say, in the initialization options.
_FOR_THE_USER = ("consent", "trusted", "cacheDir")
_NO_TOKEN = (
    "This connection has no token, so the workspace is not trusted: prompts are checked, and not run. "
    "Start the server with --token-file, and send the token in the initialization options."
)
NO_TOKEN_TO_CHANGE = (
    "This connection has no token, so nothing that is stored is changed. Start the server with --token-file, and send "
    "the token in the initialization options."
)
CACHE_IGNORED = (
    "'apo.cacheDir' is ignored here: a workspace must not choose where results are kept. Set it in your user settings "
    "or the initialization options, then restart the language server."
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the editor has set. ``editor`` holds the engine's settings by their names in the file without ``apo.``.

    ``consent``, ``trusted`` and ``cache``, the folder of everything stored, come from the initialization options alone:
    everything else may be set by a workspace, and a workspace must not be able to let its own rows go anywhere, nor to
    bring results along. ``own_models`` are the models that the initialization options name: what the user names may lie
    anywhere. ``daily`` caps what leaves the machine in a day for a workspace (`apo.workspaceBudget`). The caps that the
    initialization options set, ``most_daily`` for a day and ``most_budget`` for a run, are never passed. If they say
    ``keeps_nothing``, no later configuration keeps anything.
    """

    background: Background = "gradients"
    consent: bool = False
    trusted: bool = True
    cache: str | None = None
    own_models: tuple[str, ...] = ()
    editor: Mapping[str, object] = field(default_factory=dict)
    daily: DailyCaps = field(default_factory=DailyCaps)
    most_daily: DailyCaps = field(default_factory=DailyCaps)
    most_budget: Mapping[str, object] = field(default_factory=dict)
    keeps_nothing: bool = False


def from_options(options: object, *, authenticated: bool = True) -> tuple[ServerSettings, tuple[str, ...]]:
    """The settings that a client starts the server with, and what is wrong with them, for people.

    A client that is not ``authenticated`` may be any program of this machine: it can give neither consent nor trust,
    nor say where results are kept.
    """
    section = _section(options)
    wrong = []
    if not authenticated:
        if section.get("trusted", True) is not False:
            wrong.append(_NO_TOKEN)
        section = {**{key: section[key] for key in section if key not in _FOR_THE_USER}, "trusted": False}
        options = {"apo": section}
    for name in ("consent", "trusted"):
        if not isinstance(section.get(name, False), bool):
            wrong.append(f"'apo.{name}' must be true or false.")
    cache, objection = _cache_folder(section.get("cacheDir"))
    started = ServerSettings(
        consent=section.get("consent") is True,
        # Anything but a plain yes is no trust, where the client speaks of trust at all.
        trusted=section.get("trusted", True) is True,
        cache=cache,
    )
    given = {name: value for name, value in section.items() if name != "cacheDir"}
    settings, more = updated(started, given)
    own_models = _models(settings.editor) if authenticated else ()
    budget = settings.editor.get("budget")
    most_budget = budget if isinstance(budget, Mapping) else {}
    own = replace(
        settings,
        most_daily=settings.daily,
        most_budget=most_budget,
        keeps_nothing=settings.editor.get("keep") == "nothing",
        own_models=own_models,
    )
    return own, (*wrong, *objection, *more)


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
        elif isinstance(value, Mapping) and not all(map(_is_finite, value.values())):
            wrong.append(f"'apo.{name}' holds a number that is not finite.")
        elif name in section:
            kept = _without_empty(value) if isinstance(value, Mapping) else value
            if name == "budget":
                kept = _lowered(settings.most_budget, kept)
            elif name == "keep" and settings.keeps_nothing:
                kept = "nothing"
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
    refused = section.get("cacheDir")
    if refused and _cache_folder(refused)[0] != settings.cache:
        wrong.append(CACHE_IGNORED)
    changed = replace(settings, background=cast("Background", background), editor=editor, daily=daily)
    return changed, tuple(wrong)


def _cache_folder(value: object) -> tuple[str | None, tuple[str, ...]]:
    """The folder of everything stored that the initialization options name, and what is wrong with it, for people."""
    if not value:
        return None, ()
    if not isinstance(value, str):
        return None, ("'apo.cacheDir' must be text.",)
    try:
        return str(user_folder(value, "'apo.cacheDir'")), ()
    except InputError as error:
        return None, (f"{error.problems[0].message} The default folder is used.",)


def _models(editor: Mapping[str, object]) -> tuple[str, ...]:
    """The models that these settings name."""
    optimizer = editor.get("optimizer")
    named = [editor.get("model"), optimizer.get("model") if isinstance(optimizer, Mapping) else optimizer]
    return tuple(name for name in named if isinstance(name, str))


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
    if not (given.keys() <= {"calls", "usd"} and (caps.calls or 0) >= 0 and (caps.usd or 0) >= 0):
        return None
    return DailyCaps(
        None if caps.calls is None else min(caps.calls, _MOST_CALLS),
        None if caps.usd is None else min(caps.usd, _MOST_USD),
    )


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _within(most: DailyCaps, asked: DailyCaps) -> DailyCaps:
    """The caps asked for, none above what it may be at most."""
    calls = [cap for cap in (most.calls, asked.calls) if cap is not None]
    usd = [cap for cap in (most.usd, asked.usd) if cap is not None]
    return DailyCaps(min(calls, default=None), min(usd, default=None))


def _lowered(most: Mapping[str, object], asked: object) -> dict[str, object]:
    """The caps of one run that are asked for, none above the user's own; what is not a number stays, and is wrong."""
    caps = {**most, **asked} if isinstance(asked, Mapping) else {**most}
    for key, own in most.items():
        cap, other = cap_in(most, (key,)), cap_in(caps, (key,))
        if cap is None:
            caps[key] = own
        elif other is not None:
            caps[key] = min(cap, other)
    return caps


def _without_empty(value: Mapping[str, object]) -> dict[str, object]:
    return {str(key): item for key, item in value.items() if item is not None}
