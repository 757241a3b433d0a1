"""What the things in a prompt are: keys, values, models, files, inputs, helpers, roles, markers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.prompt import keys
from apo_engine.prompt.template import BlockOpen, Comment, Else, Expression, Partial
from apo_server.features.prices import price
from apo_server.features.template_words import DATA, HELPERS, MARKERS, ROLE_WORDS
from apo_server.inputs import input_at
from apo_server.lookups import Lookups
from apo_server.survey import example_files
from apo_server.view import PromptView
from apo_server.yaml_caret import yaml_caret

if TYPE_CHECKING:
    from apo_engine.examples.facts import ExampleFacts
    from apo_engine.prompt.call import Argument, Call
    from apo_engine.prompt.keys import Key

_LABELS, _COLUMNS = 8, 12


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the thing at ``span`` is: its ``title`` and ``facts`` may quote prompt and rows, ``words`` are ours."""

    span: Span
    title: str
    words: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


def explanation(view: PromptView, offset: int, lookups: Lookups) -> Explanation | None:
    """What there is to say about what stands at an offset."""
    if offset < view.prompt.template.start:
        return _in_front_matter(view, offset, lookups)
    named = [found for use in view.prompt.uses for found in use.names]
    for path, span in (*named, *(((name,), span) for name, span in view.prompt.variables)):
        if span.contains(offset):
            return _input(view, path, span)
    node = next((node for node in view.prompt.nodes if node.span.start <= offset < node.span.end), None)
    if isinstance(node, Comment) and node.text in MARKERS:
        return Explanation(node.span, node.text, (MARKERS[node.text],))
    if isinstance(node, Partial):
        return _partial(view, node.call, offset)
    if isinstance(node, Else):
        found = _in_call(node.call, offset) if node.call is not None else None
        return found or Explanation(node.span, "else", (HELPERS["else"],))
    return _in_call(node.call, offset) if isinstance(node, Expression | BlockOpen) else None


def _in_front_matter(view: PromptView, offset: int, lookups: Lookups) -> Explanation | None:
    front, text = view.prompt.front_matter, view.prompt.text
    caret = yaml_caret(text, front.root.span, offset) if front else None
    if caret is None or not len(caret.word):
        return None
    word = caret.word.of(text)
    path = caret.path if caret.in_value else (*caret.path, word)
    in_schema = path[:2] == ("input", "schema") or path[:2] == ("apo.examples", "input")
    if in_schema and len(path) == 3 and not caret.in_value:
        name = next((name for name, span in view.prompt.declared if span.contains(offset)), path[-1])
        return _input(view, (name.partition("(")[0].rstrip("?"),), caret.word)
    key = keys.keys().get(path)
    if key is None:
        return None
    if caret.in_value:
        return _value(view, key, word, caret.word, lookups)
    return Explanation(caret.word, ".".join(path), (key.words, _kind(key)))


def _kind(key: Key) -> str:
    choices = f": {', '.join(key.values)}" if key.values and key.values != ("true", "false") else ""
    default = f"; {key.default} by default" if key.default else ""
    return f"Takes {key.type}{choices}{default}."


def _value(view: PromptView, key: Key, word: str, span: Span, lookups: Lookups) -> Explanation:
    if key.type == keys.MODEL:
        return _model(word, span, lookups)
    if key.name == "apo.metric" and word in keys.METRIC_WORDS:
        return Explanation(span, word, (keys.METRIC_WORDS[word],))
    if key.type == keys.FILE or key.path == ("apo.examples",):
        return _file(view, word, span) or Explanation(span, ".".join(key.path), (key.words, _kind(key)))
    return Explanation(span, ".".join(key.path), (key.words, _kind(key)))


def _model(name: str, span: Span, lookups: Lookups) -> Explanation:
    model = lookups.model(name)
    if model is None:
        return Explanation(span, name, ("Price and context are being looked up.",))
    if not model.known:
        return Explanation(span, name, ("No such provider is set up; `apo models` lists what is.",))
    words = [f"{price(model)[0].upper()}{price(model)[1:]}."]
    if not model.local:
        words.append("Prompts and rows leave this machine for it.")
    if model.context_window:
        words.append(f"A context of {model.context_window:,} tokens.")
    return Explanation(span, name, tuple(words))


def _file(view: PromptView, word: str, span: Span) -> Explanation | None:
    facts, path = view.facts, view.document.path
    if facts is None or path is None or path.parent / word not in example_files(view.prompt):
        return None
    named = [file for file in facts.files if file.path == word or Path(file.path) == path.parent / word]
    rows = sum(file.rows for file in named)
    aside = ", set aside for the verdict" if any(file.held_out for file in named) else ""
    words = f"{rows:,} usable row{'' if rows == 1 else 's'}{aside}."
    return Explanation(span, word, (words,), tuple(_contents(facts)))


def _contents(facts: ExampleFacts) -> Iterator[str]:
    names = [column.column for column in facts.columns]
    more = f" and {len(names) - _COLUMNS} more" if len(names) > _COLUMNS else ""
    yield f"Columns: {', '.join(names[:_COLUMNS])}{more}"
    if facts.expected is not None:
        yield f"Answers: {facts.expected}"
    if facts.labels:
        labels = sorted(facts.labels, key=lambda label: -label.rows)
        more = f" and {len(labels) - _LABELS} more" if len(labels) > _LABELS else ""
        yield f"Labels: {', '.join(f'{label.text} ({label.rows})' for label in labels[:_LABELS])}{more}"


def _input(view: PromptView, path: tuple[str, ...], span: Span) -> Explanation:
    found, name = input_at(view, path), ".".join(path)
    named = {span for use in view.prompt.uses for other, span in use.names if other == path}
    uses = len(named | {span for used, span in view.prompt.variables if (used,) == path})
    times = {0: "not used", 1: "used once", 2: "used twice"}.get(uses, f"used {uses} times")
    declared = found.declaration or any(path == (declared,) for declared, _ in view.prompt.declared)
    if len(path) > 1:
        words = f"A field that `input.schema` {'declares' if declared else 'does not declare'}, {times}."
    elif declared:
        words = f"An input that `input.schema` declares, {times}."
    else:
        words = f"An input, {times}." if found.column else f"An input that nothing declares, {times}."
    facts = [found.declaration] if found.declaration else []
    if found.column is not None:
        facts += [f"In the rows: {value}" for value in found.column.values[:3]]
    return Explanation(span, name, (words,), tuple(facts))


def _partial(view: PromptView, call: Call, offset: int) -> Explanation | None:
    if not call.head.span.contains(offset):
        return _in_call(call, offset)
    folder, slash, base = call.name.rpartition("/")
    return Explanation(
        call.head.span,
        call.name,
        ("A partial: the template of this file stands here.",),
        (f"{folder}{slash}_{base}.prompt",),
    )


def _in_call(call: Call, offset: int) -> Explanation | None:
    """The helper, role or data variable of a tag that an offset touches."""
    arguments: list[Argument] = [*call.arguments, *(argument for _, argument in call.named)]
    if call.head.span.contains(offset) and call.head.text in HELPERS:
        return Explanation(call.head.span, call.head.text, (HELPERS[call.head.text],))
    for argument in (call.head, *arguments):
        if not argument.span.contains(offset):
            continue
        if argument.call is not None:
            return _in_call(argument.call, offset)
        if argument.literal in ROLE_WORDS and call.name == "role":
            return Explanation(argument.span, argument.literal or "", (ROLE_WORDS[argument.literal or ""],))
        if argument.text in DATA:
            return Explanation(argument.span, argument.text, (DATA[argument.text],))
    return None
