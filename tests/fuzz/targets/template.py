"""Templates: nodes, checks, edits that go there and back, and rendering."""

from __future__ import annotations

import json
from contextlib import suppress

from apo_engine.problems import ApoError, InputError
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.difference import minimal_edits
from apo_engine.prompt.edit import EditRejected, tunable_text, with_exemplars, with_tunable_text
from apo_engine.prompt.file import PromptFile, parse_prompt, require_runnable
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.template import Text
from apo_engine.search.phrases import phrases
from tests.fuzz.promises import applied, sound, within
from tests.fuzz.target import Target, text_of

_WORDS = (
    "{{", "}}", "{{{", "}}}", "{{{{raw}}}}", "{{{{/raw}}}}", "{{~", "~}}", "{{!--", "--}}", "{{! ", "{{#if x}}",
    "{{#unless x}}", "{{#each xs as |a b|}}", "{{#with x}}", "{{else}}", "{{else if y}}", "{{^}}", "{{/if}}",
    "{{/each}}", "{{/with}}", "{{text}}", "{{a.b.[c d]}}", "{{../x}}", "{{@root.c}}", "{{@index}}", "{{this}}",
    "{{> part}}", "{{#> part}}", "{{/part}}", '{{#*inline "part"}}', "{{/inline}}", "{{lookup xs 0}}",
    "{{json x indent=2}}", "(json x)", '{{role "system"}}', '{{role "user"}}', "{{role x}}", "{{history}}",
    '{{section "s"}}', "{{media url=x}}", '{{#ifEquals x "a"}}', "{{/ifEquals}}", "{{log x}}",
    "{{!-- apo:keep --}}", "{{!-- apo:exemplars --}}", "{{!-- apo:end --}}", "=== next system message ===", "\\",
    "\\{{", '"', "'", "(", ")", "|", "[", "]", "=", "---\n", "a: 1\n", "\n", "\r\n", "\r", " ", "\ufeff", "\x00",
    "\u202e", "\u2028", "and", "Say it.", "<system>",
)  # fmt: skip
_INPUTS = {"text": "words", "x": "a", "y": "", "xs": ["1", {"a": "b"}], "a": {"b": {"c d": 1}}}


def check(data: bytes) -> None:
    """See the module; the text after a NUL is a rewrite of the text before it."""
    given, _, new = text_of(data).partition("\x00")
    prompt = parse_prompt(given)
    at = prompt.template.start
    for node in prompt.nodes:
        assert node.span.start == at, "the nodes tile the template"
        at = node.span.end
    assert at == len(prompt.text)
    sound((*prompt.problems, *check_prompt(prompt, None), *check_prompt(prompt, ("text", "x"))), prompt.text)
    for span in (*prompt.passages, *prompt.literals, *prompt.kept, *(span for _, span in prompt.variables)):
        within(span, prompt.text)
    for use in prompt.uses:
        for _, span in use.names:
            within(span, prompt.text)
    later = prompt.changed(new)
    assert later.nodes == parse_prompt(new).nodes
    assert applied(given, minimal_edits(given, new)) == new
    _edited(prompt, new)
    try:
        require_runnable(prompt)
    except InputError:
        return
    _faithful(prompt, new)
    _rendered(prompt)


def _edited(prompt: PromptFile, new: str) -> None:
    """Whatever the prompt, an edit is made or rejected."""
    shown = tunable_text(prompt)
    assert with_tunable_text(prompt, shown).text == prompt.text
    for part in phrases(shown, "==="):
        within(part.span, shown)
    for wanted in _rewrites(shown, new):
        with suppress(EditRejected):
            with_tunable_text(prompt, wanted)
    with suppress(EditRejected):
        without = with_exemplars(with_exemplars(prompt, "One: two"), None)
        assert prompt.exemplars is not None or without.text == prompt.text


def _faithful(prompt: PromptFile, new: str) -> None:
    """An edit of a prompt that can run changes nothing but the passages, and keeps every tag of those."""
    for wanted in _rewrites(tunable_text(prompt), new):
        try:
            edited = with_tunable_text(prompt, wanted)
        except EditRejected:
            continue
        assert tags(edited) == tags(prompt), "every tag survives"
        assert tunable_text(with_tunable_text(edited, tunable_text(edited))) == tunable_text(edited)
        if prompt.passages:
            assert edited.text.startswith(prompt.text[: prompt.passages[0].start])
            assert edited.text.endswith(prompt.text[prompt.passages[-1].end :])


def _rewrites(shown: str, new: str) -> tuple[str, ...]:
    return new, shown.upper(), f"{shown} More.", f"{shown} {new}"


def tags(prompt: PromptFile) -> list[str]:
    """The tags of the template, sorted: expressions may change places."""
    found = (node.span.of(prompt.text) for node in prompt.nodes if not isinstance(node, Text))
    return sorted(tag.replace("\r\n", "\n").replace("\r", "\n") for tag in found)


def _rendered(prompt: PromptFile) -> None:
    try:
        messages = Renderer(prompt).messages(_INPUTS)
    except ApoError:
        return
    json.dumps([message.content for message in messages])
    assert all(message.role in ("system", "user", "model", "tool", "assistant") for message in messages)


TARGET = Target("template", check, tuple(word.encode() for word in _WORDS))
