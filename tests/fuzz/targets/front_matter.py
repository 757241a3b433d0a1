"""Front matter: the YAML tree, settings, schemas, and every check of keys."""

from __future__ import annotations

from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.schema import schema_of
from apo_engine.prompt.yaml_tree import Mapping, Node, Sequence, value_of
from tests.fuzz.promises import sound, within
from tests.fuzz.target import Target, text_of

_WORDS = (
    "---\n", "model: ", "config:\n  ", "temperature: 0", "input:\n  schema:\n    ", "output:\n  schema:\n    ",
    "properties:", "type: object", "required: [", "enum: [", "text?: string, words", "name(enum, why): [a, b]",
    "items(array):", "(*): any", "default: {", "apo.examples: ", "apo.examples: {path: rows.jsonl, holdout: 3}",
    "apo.metric: f1", "apo.optimizer: {model: m, rounds: 2}", "apo:\n  metric: f1\n", "- ", "? ", ": ", "&a ", "*a",
    "!!binary ", "!tag ", "|\n  ", ">-\n  ", "'", '"', "\\x41", "\\ud800", "{", "}", "[", "]", ", ", "# comment\n",
    "%YAML 1.2\n", "%TAG ! x\n", "...\n", "\t", "\r\n", "\r", "\u2028", "\u0085", "\ufeff", "\x00", "\x07", "0o7",
    "0x1F", "1e999", ".inf", ".nan", "~", "<<: ", "\u202e", "{{text}}",
)  # fmt: skip


def check(data: bytes) -> None:
    """Nothing raises, nodes and problems stand within the text, and what is read is the same twice."""
    text = text_of(data)
    for whole in (text, f"---\n{text}\n---\n{{{{text}}}}"):
        prompt = parse_prompt(whole)
        sound((*prompt.problems, *check_prompt(prompt, None), *check_prompt(prompt, ("text",))), prompt.text)
        front = prompt.front_matter
        if front is None:
            continue
        within(front.span, prompt.text)
        _sound_tree(front.root, prompt.text)
        value_of(front.root, as_written=True)
        layer = prompt.layer()
        for name in layer.values:
            place = layer.place((name,))
            assert place is None or place.span is None or place.span.end <= len(prompt.text)
        for side in ("input", "output"):
            for found in schema_of(front, side):
                within(found.span, prompt.text)
                if found.type_span is not None:
                    within(found.type_span, prompt.text)
        assert prompt.defaults is not None
        assert prompt.labels is not None


def _sound_tree(node: Node, text: str) -> None:
    within(node.span, text)
    if isinstance(node, Sequence):
        for item in node.items:
            _sound_tree(item, text)
    elif isinstance(node, Mapping):
        names = [entry.key.text for entry in node.entries]
        assert len(names) == len(set(names)), "keys are unique"
        for entry in node.entries:
            _sound_tree(entry.key, text)
            _sound_tree(entry.value, text)


TARGET = Target("front_matter", check, tuple(word.encode("utf-8", "surrogatepass") for word in _WORDS))
