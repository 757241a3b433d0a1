"""The last door: no secret of a run's models is told, stored or returned, whoever wrote it into a text and however."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from apo_engine.models.chat import HoldsSecrets
from apo_engine.models.secrets import Secrets
from apo_engine.runs.plan import Plan
from apo_engine.search.events import Progressed, RunStarted

ValueT = TypeVar("ValueT")

# Events without a text of a model: what the user wrote, and counts.
_OWN_EVENTS = (RunStarted, Progressed)
# Fields that name the user's own files and rows. A key such as "projects" must not make them others.
_OWN_FIELDS = frozenset({"path", "row", "rows", "messages"})


def secrets_of(plan: Plan) -> Secrets:
    """The secrets of the plan's models, but for words that the prompt holds anyway."""
    held = (model.secrets.words for model in plan.models if isinstance(model, HoldsSecrets))
    text = plan.prompt.text.casefold()
    return Secrets(tuple(dict.fromkeys(word for words in held for word in words if word.casefold() not in text)))


def without_secrets(value: ValueT, secrets: Secrets) -> ValueT:
    """An event or a result with every secret struck out of its texts; the same object where it holds none."""
    if not secrets.words or isinstance(value, _OWN_EVENTS):
        return value
    return cast("ValueT", _struck(value, secrets))


def _struck(value: object, secrets: Secrets) -> object:
    if isinstance(value, str):
        struck = secrets.struck(value)
        return value if struck == value else struck
    if isinstance(value, (tuple, list)):
        items = [_struck(item, secrets) for item in value]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return (items if isinstance(value, list) else tuple(items)) if changed else value
    if isinstance(value, Mapping):
        mapped = {_struck(name, secrets): _struck(item, secrets) for name, item in value.items()}
        return value if mapped == value else mapped
    if isinstance(value, msgspec.Struct):
        changes = _changes(value, value.__struct_fields__, secrets)
        value = msgspec.structs.replace(value, **changes) if changes else value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = _changes(value, tuple(field.name for field in dataclasses.fields(value)), secrets)
        value = dataclasses.replace(value, **changes) if changes else value
    return value


def _changes(value: object, names: tuple[str, ...], secrets: Secrets) -> dict[str, object]:
    fields = {name: getattr(value, name) for name in names if name not in _OWN_FIELDS}
    return {name: new for name, old in fields.items() if (new := _struck(old, secrets)) is not old}
