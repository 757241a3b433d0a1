"""Typed settings, and where each one comes from.

A setting may be given by a flag, the prompt file, the editor, the user's configuration file, the environment or a
default, in that order of precedence; of caps, the lowest counts unless a flag sets it. Each source is a :class:`Layer`
of untyped values; :func:`resolve` checks every layer on its own, so that an error names the source at fault, and merges
them into one :class:`Settings`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, inspect

from apo_engine import caps, parameters
from apo_engine.decoding import converted, described
from apo_engine.endpoint_settings import EndpointSettings, allowed_parameters, endpoint_problems, provider_of
from apo_engine.names import model_name_fault
from apo_engine.problems import InputError, Place, Problem, Repair
from apo_engine.setting_types import described_type

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
# Larger amounts are slips of the keyboard; no cap at all is written by leaving it out.
Amount = Annotated[float, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Algorithm = Literal["apo", "monte-carlo", "phrase-rl"]
Selection = Literal["uniform", "ucb", "ucb-e", "successive-rejects", "successive-halving"]
LayerName = Literal["flag", "file", "editor", "user", "environment", "default"]

PRECEDENCE: tuple[LayerName, ...] = ("flag", "file", "editor", "user", "environment", "default")
METRICS = ("exact_match", "label", "contains", "regex", "numeric", "json_match", "f1", "f1_macro", "judge")
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# Keys of endpoints are typed in the wrong place now and then: what may be one is not repeated.
_KEY = re.compile(r"(?=\S{0,200}\d)[^\s']{20,}")
#: The name of a variable of the environment; those that steer Python itself are given to no process.
VARIABLE = r"^(?!PYTHON)[A-Za-z_][A-Za-z0-9_]{0,99}$"
# Dotprompt's own keys: in a prompt file they stand without the `apo.` prefix.
_UNPREFIXED = ("model", "config", "endpoints")
_MODELS = (("model",), ("optimizer", "model"), ("judge", "model"))
# The settings that have a variable of their own.
ENVIRONMENT = {("model",): "APO_MODEL", ("optimizer", "model"): "APO_OPTIMIZER_MODEL"}


class ExamplesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the rows are, relative to the prompt file: one file to split, or one to train on and one held out.

    ``input`` maps an input of the prompt to the column that fills it; ``expected`` names the column of the answers.
    """

    path: str | None = None
    train: str | None = None
    holdout: str | None = None
    input: dict[str, str] = {}
    expected: str | None = None


class OptimizerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the search goes about it. ``model`` writes critiques and rewrites; None means the task model.

    ``algorithm`` finds candidates, ``selection`` tells them apart; ``beam`` prompts survive each of at most ``rounds``
    rounds (how many there are follows from the cap on calls). A parent is read on up to ``minibatch`` critique rows;
    those that fail are shown in ``groups`` groups of ``group_size``, each asked once for up to ``reasons`` reasons. A
    ``joint`` edit answers all reasons of a group, and one more those of all groups; otherwise each reason gets an edit
    of its own. Each is edited ``edits`` times and each edit paraphrased ``paraphrases`` times; at most
    ``max_children`` children per prompt are scored. The search stops after ``patience`` rounds without a gain.
    ``meta`` is a folder, relative to the prompt file, whose ``critic.prompt``, ``editor.prompt``,
    ``paraphrase.prompt`` and ``phrase.prompt`` replace the optimizer's own.
    """

    model: str | None = None
    algorithm: Algorithm = "apo"
    selection: Selection = "successive-halving"
    rounds: Annotated[int, Meta(ge=1, le=100)] = 20
    beam: Annotated[int, Meta(ge=1, le=64)] = 4
    minibatch: Annotated[int, Meta(ge=1, le=10_000)] = 64
    groups: Annotated[int, Meta(ge=1, le=64)] = 2
    group_size: Annotated[int, Meta(ge=1, le=64)] = 8
    reasons: Annotated[int, Meta(ge=1, le=16)] = 6
    joint: bool = True
    edits: Annotated[int, Meta(ge=1, le=16)] = 1
    paraphrases: Annotated[int, Meta(ge=0, le=16)] = 0
    max_children: Annotated[int, Meta(ge=1, le=256)] = 8
    temperature: Annotated[float, Meta(ge=0, le=2)] = 1.0
    critic: Literal["auto", "model", "evidence"] = "auto"
    patience: Annotated[int, Meta(ge=1, le=100)] = 8
    meta: str | None = None


class JudgeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a model judges answers, for the metric ``judge``.

    ``rubric`` says what makes an answer good. ``model`` grades; None means the optimizer model, else the task model.
    Each answer is graded ``repeats`` times; two or more show how far the judge agrees with itself.
    """

    rubric: str | None = None
    model: str | None = None
    repeats: Annotated[int, Meta(ge=1, le=16)] = 1


class BudgetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Caps of one run: logical calls and tokens of every role, real money in US dollars, wall-clock seconds."""

    usd: Amount | None = None
    calls: Count = 1000
    tokens: Count | None = None
    seconds: Seconds | None = None


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set, resolved. ``config`` is Dotprompt's: parameters of the task model.

    ``keep`` says whether answers and runs are written to disk; ``nothing`` holds wherever it is said. ``metric_env``
    names the variables that a metric which is code may read; only the user's configuration file may set it.
    """

    model: str | None = None
    config: dict[str, object] = {}
    examples: ExamplesSettings | None = None
    metric: str | None = None
    judge: JudgeSettings = JudgeSettings()
    calibration: Literal["none", "batch"] = "none"
    optimizer: OptimizerSettings = OptimizerSettings()
    budget: BudgetSettings = BudgetSettings()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 32
    endpoints: dict[str, EndpointSettings] = {}
    keep: Literal["all", "nothing"] = "all"
    metric_env: list[Annotated[str, Meta(pattern=VARIABLE)]] = []


def _nowhere(_path: tuple[str, ...]) -> Place | None:
    return None


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: untyped ``values`` by key.

    ``place`` finds where a key's value stands, ``key`` where the key itself does; None where the source is no text.
    """

    name: LayerName
    values: Mapping[str, object]
    place: Callable[[tuple[str, ...]], Place | None] = _nowhere
    key: Callable[[tuple[str, ...]], Place | None] = _nowhere


def resolve(layers: Iterable[Layer]) -> Settings:
    """Check every layer and merge them: maps key by key, caps by the lowest, anything else by precedence.

    A flag sets a cap whatever the others say: it is typed by the user.

    Raises:
        InputError: a key is unknown or a value is wrong, in any layer; all of them are reported.
    """
    merged: dict[str, object] = {}
    problems: list[Problem] = []
    configs: list[tuple[Layer, dict[str, object]]] = []
    capped: list[Mapping[str, object]] = []
    flags: Mapping[str, object] = {}
    for layer in sorted(layers, key=lambda layer: PRECEDENCE.index(layer.name)):
        checked = _checked(layer, problems)
        config = checked.get("config")
        if isinstance(config, dict):
            configs.append((layer, dict(config)))
            checked["config"] = parameters.without_respelled(config, merged.get("config"))
        _fill(merged, checked)
        if layer.name == "flag":
            flags = checked
        else:
            capped.append(checked)
        if checked.get("keep") == "nothing":
            # A wish for silence is no matter of precedence.
            merged["keep"] = "nothing"
    caps.lower(merged, capped, flags)
    settings = converted(merged, Settings)
    provider, allowed = provider_of(settings.model), allowed_parameters(settings.endpoints, settings.model)
    for layer, config in configs:
        problems += parameters.config_problems(config, provider, allowed, layer.place, layer.key)
    if problems:
        raise InputError(*problems)
    return settings


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``word`` most likely is a misspelling of, if any is close enough."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(word.lower(), list(known), scorer=fuzz.ratio, processor=str.lower, score_cutoff=70)
    return found[0] if found else None


def _checked(layer: Layer, problems: list[Problem]) -> dict[str, object]:
    """The valid part of a layer; what is wrong is added to ``problems``."""
    values = dict(layer.values)
    if isinstance(values.get("examples"), str):
        values["examples"] = {"path": values["examples"]}
    if isinstance(values.get("optimizer"), str):
        values["optimizer"] = {"model": values["optimizer"]}
    if isinstance(values.get("judge"), str):
        values["judge"] = {"rubric": values["judge"]}
    if "endpoints" in values and layer.name != "user":
        message = f"{_spelled(layer, ('endpoints',))} may only be set in the user's configuration file."
        remedy = "Move it there: a file that others wrote could send your key elsewhere."
        problems.append(Problem("setting-misplaced", message, remedy, layer.place(("endpoints",))))
        del values["endpoints"]
    elif "endpoints" in values:
        problems += endpoint_problems(values["endpoints"], layer.place)
    if "metric_env" in values and layer.name != "user":
        message = f"{_spelled(layer, ('metric_env',))} may only be set in the user's configuration file."
        remedy = "Move it there: a file that others wrote could hand your keys to code."
        problems.append(Problem("setting-misplaced", message, remedy, layer.place(("metric_env",))))
        del values["metric_env"]
    if "keep" in values and layer.name == "file":
        message = f"{_spelled(layer, ('keep',))} is a choice of whoever runs the prompt, not of the prompt."
        remedy = "Set it in the editor or your configuration file, or give --keep."
        problems.append(Problem("setting-misplaced", message, remedy, layer.place(("keep",))))
        del values["keep"]
    checked = _checked_struct(layer, (), values, Settings, problems)
    examples = checked.get("examples")
    if isinstance(examples, dict) and "path" in examples and {"train", "holdout"} & examples.keys():
        message = f"{_spelled(layer, ('examples',))} names a file to split and files already split."
        place = layer.place(("examples",))
        problems.append(Problem("setting-invalid", message, "Keep either path, or train and holdout.", place))
    elif isinstance(examples, dict) and "holdout" in examples and "train" not in examples:
        message = f"{_spelled(layer, ('examples',))} names hold-out rows and no rows to train on."
        place = layer.place(("examples", "holdout"))
        problems.append(Problem("setting-invalid", message, "Add train: and its file.", place))
    return checked


@lru_cache(maxsize=64)
def _shape(struct: type[Struct]) -> tuple[dict[str, inspect.Field], dict[str, object]]:
    """The fields of a struct as they are described, and their types. Both are slow to find out."""
    fields = {field.name: field for field in described(struct).fields}
    return fields, {field.name: field.type for field in msgspec.structs.fields(struct)}


def _checked_struct(
    layer: Layer,
    path: tuple[str, ...],
    values: Mapping[str, object],
    struct: type[Struct],
    problems: list[Problem],
) -> dict[str, object]:
    fields, kinds = _shape(struct)
    checked: dict[str, object] = {}
    for key, value in values.items():
        here = (*path, str(key))
        if value is None:
            continue
        if key not in fields:
            close = nearest(str(key), fields)
            meant = _written(layer, (*path, str(close)))
            remedy = f"Did you mean {meant!r}?" if close else f"The keys here are {', '.join(fields)}."
            if "." in str(key):
                remedy = "Write nested keys as a map."
            message = f"{_spelled(layer, here)} is not a setting."
            place = layer.key(here) or layer.place(here)
            # A key that stands there twice would break its map.
            certain = close and "." not in str(key) and close not in values
            repairs = _respelled(place, meant) if certain else ()
            problems.append(Problem("setting-unknown", message, remedy, place, repairs=repairs))
            continue
        inner = _struct_of(fields[key].type)
        if inner is not None and isinstance(value, Mapping):
            checked[key] = _checked_struct(layer, here, value, inner, problems)
            continue
        problem = _problem_with(layer, here, value, kinds[key], fields[key])
        if problem:
            problems.append(problem)
        else:
            checked[key] = converted(value, kinds[key])
    return checked


def _problem_with(
    layer: Layer, path: tuple[str, ...], value: object, kind: object, field: inspect.Field
) -> Problem | None:
    if path == ("metric",) and isinstance(value, str) and value not in METRICS and not _FUNCTION.fullmatch(value):
        return _unknown_metric(layer, value)
    if path in _MODELS and isinstance(value, str) and (fault := model_name_fault(value)):
        message = f"The model's name in {_spelled(layer, path)} {fault}."
        return Problem("model-name", message, "Write it like openai/gpt-4.1-mini.", layer.place(path))
    try:
        converted(value, kind)
    except msgspec.ValidationError:
        pass
    else:
        if not (isinstance(value, float) and not math.isfinite(value)):
            return None
    place = layer.place(path)
    if path[0] in ("endpoints", "metric_env"):
        expected, remedy = _near_keys(path)
        return Problem("setting-invalid", f"{_spelled(layer, path)} must be {expected}.", remedy, place)
    message = f"{_spelled(layer, path)} must be {described_type(field.type)}, not {_shown(value)}."
    close = _meant(value, field.type)
    if close:
        return Problem("setting-invalid", message, f"Did you mean {close!r}?", place, repairs=_respelled(place, close))
    default = field.default if isinstance(field.default, (str, int, float)) else None
    if isinstance(default, bool):
        default = str(default).lower()
    remedy = f"Write for example {path[-1]}: {default}" if default is not None else "Correct it, or remove the key."
    return Problem("setting-invalid", message, remedy, place)


def _near_keys(path: tuple[str, ...]) -> tuple[str, str]:
    """What belongs to a setting where keys are written by mistake, so that its value is not shown; and the remedy."""
    if path[0] == "metric_env":
        expected = "a list of names of variables, without those that begin with PYTHON"
        return expected, "Write for example metric_env: [HF_HOME]."
    if "parameters" in path:
        return "a list of names, such as [min_p]", "Write the names as they stand in `config`."
    remedy = "Write base_url: https://host/v1 and, as key_env:, the variable that holds the key, such as CORP_KEY."
    return "a map of endpoints, each with a base_url and perhaps a key_env", remedy


def _unknown_metric(layer: Layer, value: str) -> Problem:
    spelled, place = _spelled(layer, ("metric",)), layer.place(("metric",))
    close = None if ":" in value else nearest(value, METRICS)
    remedy = f"Did you mean {close!r}?" if close else f"Use one of {', '.join(METRICS)}, or 'module:function'."
    message = f"{spelled}: there is no metric {_shown(value)}."
    return Problem("setting-invalid", message, remedy, place, repairs=_respelled(place, close) if close else ())


def _respelled(place: Place | None, word: str) -> tuple[Repair, ...]:
    return (Repair.respelling(place.span, word),) if place is not None and place.span is not None else ()


def _written(layer: Layer, path: tuple[str, ...]) -> str:
    """The last key of a path as it is written in this layer."""
    prefixed = layer.name in ("file", "editor") and len(path) == 1 and path[0] not in _UNPREFIXED
    return f"apo.{path[0]}" if prefixed else path[-1]


def _meant(value: object, kind: inspect.Type) -> str | None:
    """What a wrong word was most likely meant to be, for a field that is one of some words."""
    if not isinstance(value, str):
        return None
    options = getattr(kind, "types", (kind,))
    if any(type(option).__name__ == "BoolType" for option in options):
        # YAML 1.2, unlike its forerunner, takes these for text.
        return {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}.get(
            value.lower()
        )
    choices = [str(word) for option in options for word in getattr(option, "values", ())]
    return nearest(value, choices) if choices else None


def _spelled(layer: Layer, path: tuple[str, ...]) -> str:
    """A key as the user wrote it in this layer; with the layer's name where no place will tell."""
    key = ".".join(_KEY.sub("…", part) for part in path)
    if layer.name in ("file", "editor") and path[0] not in _UNPREFIXED:
        key = f"apo.{key}"
    if layer.name == "environment":
        key = ENVIRONMENT.get(path, key)
    source = {
        "flag": "given on the command line",
        "editor": "in the editor's settings",
        "default": "as a default",
    }
    return f"'{key}' {source[layer.name]}" if layer.name in source else f"'{key}'"


def _struct_of(kind: inspect.Type) -> type[Struct] | None:
    """The struct that a field holds, or may hold beside None."""
    for option in getattr(kind, "types", (kind,)):
        found = getattr(option, "cls", None)
        if found is not None and issubclass(found, Struct):
            return found  # type: ignore[no-any-return]
    return None


def _shown(value: object) -> str:
    text = _KEY.sub("…", repr(value))
    return text if len(text) <= 60 else f"{text[:57]}…"


def _fill(higher: dict[str, object], lower: Mapping[str, object]) -> None:
    """Add to ``higher``, in place, what only ``lower`` says."""
    for key, below in lower.items():
        present, value = higher.get(key), below
        if key == "examples" and isinstance(present, dict) and {"path", "train"} & present.keys():
            # Rows named by a higher layer replace all files of a lower one, never half of them.
            assert isinstance(below, dict)
            value = {name: below[name] for name in below if name not in ("path", "train", "holdout")}
        if isinstance(present, dict) and isinstance(value, dict):
            _fill(present, value)
        elif key not in higher:
            higher[key] = dict(value) if isinstance(value, dict) else value
