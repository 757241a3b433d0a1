"""Hover says what keys, values, models, files, inputs, helpers and roles are."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.examples.facts import ExampleFacts
from apo_server.capabilities import ClientCapabilities
from apo_server.features.hover import hover
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES
from tests.server.views import CARET, Desk, facts, view_of

PLAIN, MARKDOWN = ClientCapabilities(), ClientCapabilities(markdown_hover=True)


async def said(
    text: str, known: ExampleFacts | None = None, client: ClientCapabilities = PLAIN, path: Path | None = None
) -> tuple[str, str]:
    """What hover says, once everything was looked up, and the text that it is about."""
    view, position = view_of(text, known, path)
    desk = Desk()
    hover(view, position, client, desk.lookups)
    await desk.settled()
    found = hover(view, position, client, desk.lookups)
    if found is None:
        return "", ""
    assert isinstance(found.contents, types.MarkupContent)
    assert found.range is not None
    return found.contents.value, view.document.positions.span(found.range).of(text.replace(CARET, ""))


@pytest.mark.parametrize(
    ("text", "about", "words"),
    [
        ("---\n# 😀\napo.bud‸get: {calls: 3}\n---\n", "apo.budget", "What one run may use at most."),
        ("---\napo.budget: {ca‸lls: 3}\n---\n", "calls", "1000 by default"),
        ("---\napo.optimizer:\n  sele‸ction: ucb\n---\n", "selection", "successive-halving by default"),
        ("---\napo.optimizer:\n  selection: u‸cb\n---\n", "ucb", "How candidates are told apart"),
        ("---\napo.metric: f1_m‸acro\n---\n", "f1_macro", "The mean over the labels"),
        ("---\nmodel: openai/gpt-4.1-m‸ini\n---\n", "openai/gpt-4.1-mini", "$0.4 in, $1.60 out per million tokens"),
        ("---\nmodel: openai/gpt-4.1-m‸ini\n---\n", "openai/gpt-4.1-mini", "A context of 1,000,000 tokens."),
        ("---\nmodel: openai/gpt-4.1-m‸ini\n---\n", "openai/gpt-4.1-mini", "leave this machine"),
        ("---\nmodel: embedded/gemma-3-‸270m\n---\n", "embedded/gemma-3-270m", "Runs on this machine, free."),
        ("---\nmodel: opnai/‸x\n---\n", "opnai/x", "No such provider is set up"),
        ("---\ninput: {schema: {te‸xt: string}}\n---\n{{text}}", "text", "declares, used once."),
        ("---\ninput: {schema: {text: 'string, what they wrote'}}\n---\n{{te‸xt}}{{text}}", "text", "what they wrote"),
        ("{{te‸xt}}", "text", "An input that nothing declares, used once."),
        (
            "---\ninput: {schema: {rows(array): {cell: 'string, one of them'}}}\n---\n{{#each rows}}{{ce‸ll}}{{/each}}",
            "cell",
            "one of them",
        ),
        (
            "{{#each rows}}{{ce‸ll}}{{this.cell}}{{/each}}",
            "cell",
            "does not declare, used twice.",
        ),
        ("{{#i‸f x}}{{/if}}", "if", "What stands in the block is there if"),
        ("{{js‸on x}}", "json", "The value as JSON"),
        ('😀 {{role "sys‸tem"}}', '"system"', "This is the text that is optimized."),
        ("{{#each x}}{{@ind‸ex}}{{/each}}", "@index", "The number of the item, from 0."),
        ("{{> gree‸ting}}", "greeting", "_greeting.prompt"),
        ("{{!-- apo:ke‸ep --}}", "{{!-- apo:keep --}}", "is never rewritten"),
    ],
)
async def test_hover_says_what_it_is(text: str, about: str, words: str) -> None:
    found, marked = await said(text)
    assert words in found
    assert marked == about


@pytest.mark.parametrize("text", ["plain ‸ words {{text}}", "---\nx-y: ‸z\n---\n", "---\n# mo‸del: x\n---\n", "‸"])
async def test_hover_is_silent_where_there_is_nothing_to_say(text: str) -> None:
    assert await said(text) == ("", "")


async def test_values_of_rows_are_text_and_never_markup() -> None:
    found, _ = await said("{{te‸xt}}", facts(), MARKDOWN)
    assert "In the rows: The \\*parcel\\* is late" in found
    assert "<b>" not in found
    assert "fourth" not in found
    assert "In the rows: <b>No</b> invoice" in (await said("{{te‸xt}}", facts()))[0]


async def test_a_file_tells_its_rows_columns_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "queue.prompt"
    text = "---\napo.examples: ro‸ws.jsonl\n---\n{{text}}"
    found, about = await said(text, facts(str(tmp_path / "rows.jsonl")), path=path)
    assert about == "rows.jsonl"
    assert found.splitlines() == [
        "rows.jsonl",
        "100 usable rows.",
        "Columns: text, tone of voice",
        "Answers: label",
        "Labels: shipping (60), billing (40)",
    ]
    assert "The rows of what should come out" in (await said(text, path=path))[0]


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_editor_is_told_values_of_the_rows(start: StartEditor, workspace: Path, profile: str) -> None:
    (workspace / "few.jsonl").write_text(
        '{"text": "😀 late", "label": "a"}\n{"text": "two", "label": "b"}\n' * 3, "utf-8"
    )
    editor = await start(profile, options={"background": "off"})
    text = "---\nmodel: openai/scripted\napo.examples: few.jsonl\n---\n😀😀 {{text}}\n"
    uri = editor.open("few.prompt", text)
    at = editor.positions(uri).position(text.index("text}}") + 4)
    found = await editor.hover(uri, at)
    while found is None or "😀 late" not in found:
        found = await editor.hover(uri, at)
    assert "used once" in found
    assert await editor.hover(uri, types.Position(4, 0)) is None
