"""Who named a file that a run reads: the user may name any; a prompt or a workspace, those in allowed folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from apo_engine.examples.files import readable_roots
from apo_engine.prompt.file import PromptFile
from apo_engine.runs.options import Options
from apo_engine.search.meta_prompts import load_meta_prompts
from apo_engine.settings import PRECEDENCE, Layer, Settings

# Sources that no workspace writes.
_OF_THE_USER = ("flag", "user", "environment", "default")


def roots_of(layers: Iterable[Layer], key: Sequence[str], folder: Path, options: Options) -> tuple[Path, ...] | None:
    """Where a file that this setting names may lie; None where the user named it, so that it may lie anywhere.

    A model that the editor's settings name is the user's own if the editor was started with it. That holds for settings
    that name a model alone: elsewhere a workspace could name a folder of its own by the same words.

    Args:
        layers: the sources of the settings.
        key: the path of the setting, such as ``("optimizer", "model")``.
        folder: the folder of the prompt.
        options: how the run was asked for.
    """
    for layer in sorted(layers, key=lambda layer: PRECEDENCE.index(layer.name)):
        named = _value(layer.values, key)
        if named is not None:
            is_own_model = layer.name == "editor" and key[-1] == "model" and named in options.own_models
            own = layer.name in _OF_THE_USER or is_own_model
            return None if own else readable_roots(folder, options.allowed_roots)
    return None


def own_meta_prompts(
    prompt: PromptFile, layers: Sequence[Layer], settings: Settings, options: Options
) -> Mapping[str, PromptFile]:
    """The prompts, by name, that replace the optimizer's own.

    Raises:
        InputError: they lie where they may not, or cannot be used.
    """
    folder, key = prompt.path.parent if prompt.path else Path.cwd(), ("optimizer", "meta")
    roots, place = roots_of(layers, key, folder, options), prompt.layer().place(key)
    return load_meta_prompts(settings.optimizer.meta, folder, roots, place)


def _value(found: object, key: Sequence[str]) -> object:
    for part in key:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif part != "model":
            # A map of settings may be written as the name of its model alone.
            return None
    return found
