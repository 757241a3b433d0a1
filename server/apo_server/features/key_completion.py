"""What may be written in front matter: keys, values, models, files and columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from apo_engine.positions import Span
from apo_engine.prompt import keys
from apo_engine.prompt.keys import Key
from apo_server.features.plain import visible
from apo_server.features.prices import price
from apo_server.lookups import Lookups
from apo_server.proposals import Kind, Proposal, Proposals, entries
from apo_server.view import PromptView
from apo_server.yaml_caret import YamlCaret, yaml_caret

_EXAMPLE_FILES = (".jsonl", ".ndjson", ".csv", ".tsv")
_SAFE = re.compile(r"[^\W\d_][\w./-]*(?: [\w./-]+)*")
_MISREAD = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
# Most prompts begin with these.
_FIRST = ("model", "config", "input", "apo.examples", "apo.metric", "apo.optimizer")


def key_proposals(view: PromptView, offset: int, lookups: Lookups, roots: Collection[Path]) -> Proposals | None:
    """What may be written at an offset; None outside of front matter."""
    front = view.prompt.front_matter
    caret = yaml_caret(view.prompt.text, front.root.span, offset) if front else None
    if caret is None:
        return None
    if not caret.in_value:
        return Proposals(caret.word, tuple(_keys(view, caret)))
    word = caret.word
    if _is_schema(caret.path):
        # What follows the type is its description.
        comma = word.of(view.prompt.text).find(",")
        word = Span(word.start, word.start + comma) if comma >= 0 else word
        if not word.contains(offset):
            return None
    return Proposals(word, tuple(_values(view, caret, Span(word.start, offset).of(view.prompt.text), lookups, roots)))


def _is_schema(path: tuple[str, ...]) -> bool:
    return len(path) > 2 and path[:2] in (("input", "schema"), ("output", "schema"))


def _keys(view: PromptView, caret: YamlCaret) -> Iterator[Proposal]:
    root = view.prompt.front_matter.root if view.prompt.front_matter else None
    present = root.get(*caret.path) if root else None
    taken = {*caret.beside}
    taken |= {
        entry.key.text for entry in getattr(present, "entries", ()) if not entry.key.span.contains(caret.word.end)
    }
    colon = view.prompt.text.startswith(":", caret.word.end)
    if caret.path == ("input", "schema"):
        declared = {name for name, _ in view.prompt.declared}
        for name in dict.fromkeys(name for name, _ in view.prompt.variables):
            if name not in declared:
                insert = name if colon else f"{name}: string"
                yield Proposal(name, Kind.Variable, insert, "used in the template", rank=1)
        return
    if caret.path in (("input", "default"), ("apo.examples", "input")):
        names = dict.fromkeys(
            [*(name for name, _ in view.prompt.variables), *(name for name, _ in view.prompt.declared)]
        )
        for name in names:
            if name not in taken:
                yield Proposal(name, Kind.Variable, name if colon else f"{name}: ", "an input")
        return
    for key in keys.below(caret.path):
        if key.name in taken:
            continue
        ours = key.path[0].startswith("apo.")
        rank = 0 if key.name in _FIRST else 1 if ours or len(key.path) > 1 else 2
        insert = key.name if colon else f"{key.name}:" if key.nests else f"{key.name}: "
        yield Proposal(key.name, Kind.Property, insert, _detail(key), key.words, rank)


def _detail(key: Key) -> str:
    return f"{key.type}, {key.default} by default" if key.default else key.type


def _values(  # noqa: PLR0911 - one return for each kind
    view: PromptView, caret: YamlCaret, typed: str, lookups: Lookups, roots: Collection[Path]
) -> Iterable[Proposal]:
    """The values that a key may have; ``typed`` is what stands before the caret."""
    key = keys.keys().get(caret.path)
    if key is not None and key.values:
        return _choices(key)
    if caret.path[:2] == ("apo.examples", "input") and len(caret.path) == 3:
        return _columns(view, caret)
    if _is_schema(caret.path):
        if caret.path[0] == "output" and "(enum" in caret.path[-1]:
            return _labels(view, caret)
        return [Proposal(name, Kind.TypeParameter, words=words) for name, words in keys.PICOSCHEMA.items()]
    takes = key.type if key is not None else ""
    if takes == keys.MODEL:
        return _models(lookups)
    if takes in (keys.FILE, keys.FOLDER) or caret.path == ("apo.examples",):
        return _files(view, caret, typed, roots, folders_only=takes == keys.FOLDER)
    return _columns(view, caret) if takes == keys.COLUMN else ()


def _choices(key: Key) -> Iterator[Proposal]:
    for number, value in enumerate(key.values):
        words = keys.METRIC_WORDS.get(value, "") if key.name == "apo.metric" else ""
        detail = "the default" if value == key.default else ""
        yield Proposal(value, Kind.EnumMember, "", detail, words, 0 if detail else 1 + number)


def _models(lookups: Lookups) -> Iterator[Proposal]:
    for model in lookups.models():
        yield Proposal(model.name, Kind.Value, "", price(model), rank=0 if model.local else 1)


def _columns(view: PromptView, caret: YamlCaret) -> Iterator[Proposal]:
    if view.facts is None:
        return
    expected = view.facts.expected
    if expected is not None:
        rank = 0 if caret.path[-1] == "expected" else 9
        yield Proposal(visible(expected), Kind.Field, _yaml(expected, caret), "the answers", rank=rank)
    for column in view.facts.columns:
        detail = ", ".join(visible(value) for value in column.values[:1])
        yield Proposal(visible(column.column), Kind.Field, _yaml(column.column, caret), detail)


def _labels(view: PromptView, caret: YamlCaret) -> Iterator[Proposal]:
    for label in view.facts.labels if view.facts else ():
        rows = f"{label.rows} row{'' if label.rows == 1 else 's'}"
        yield Proposal(visible(label.text), Kind.EnumMember, _yaml(label.text, caret), rows)


def _files(
    view: PromptView, caret: YamlCaret, typed: str, roots: Collection[Path], *, folders_only: bool
) -> Iterator[Proposal]:
    """The files, and the folders on the way to more of them, in the folder that is written so far."""
    path = view.document.path
    if path is None or typed.startswith(("/", "~")) or "\0" in typed:
        return
    folder = typed.rpartition("/")[0]
    lead = f"{folder}/" if folder else ""
    for name, is_folder in sorted(entries(path.parent, folder, roots)):
        if is_folder and not name.startswith("_"):
            yield Proposal(f"{lead}{name}/", Kind.Folder, _yaml(f"{lead}{name}/", caret), rank=6)
        elif not folders_only and name.lower().endswith(_EXAMPLE_FILES):
            close = name.startswith(path.stem)
            yield Proposal(f"{lead}{name}", Kind.File, _yaml(f"{lead}{name}", caret), rank=4 if close else 5)


def _yaml(text: str, caret: YamlCaret) -> str:
    """A text as YAML takes it for nothing but text."""
    if caret.quote:
        return text.replace("'", "''") if caret.quote == "'" else text.replace("\\", "\\\\").replace('"', '\\"')
    if _SAFE.fullmatch(text) and text.lower() not in _MISREAD:
        return text
    return "'" + text.replace("'", "''") + "'"
