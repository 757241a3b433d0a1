"""Colours that only a parse can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from lsprotocol import types

from apo_engine.prompt.checks import check_prompt
from apo_server.features.semantic_tokens import semantic_tokens
from apo_server.positions import Encoding, PositionMapper
from apo_server.token_legend import TYPES, legend
from apo_server.view import PromptView
from tests.engine.prompt.strategies import FILES
from tests.server.conftest import StartEditor
from tests.server.views import view_of

LEGEND = legend(TYPES, ["declaration"])


def decoded(
    view: PromptView, tokens: types.SemanticTokens, known: types.SemanticTokensLegend
) -> list[tuple[str, str, int]]:
    """Text, kind and modifiers of each token."""
    positions = PositionMapper(view.document.text, view.document.encoding)
    found, line, column = [], 0, 0
    data = list(tokens.data)
    for delta, start, length, kind, modifiers in zip(*(iter(data),) * 5, strict=True):
        line, column = line + delta, start if delta else column + start
        assert length > 0
        span = positions.span(types.Range(types.Position(line, column), types.Position(line, column + length)))
        found.append((span.of(view.document.text), known.token_types[kind], modifiers))
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_tokens_have_the_kinds_of_what_they_stand_for(encoding: Encoding) -> None:
    text = (
        "---\nmodel: a/b\ninput: {schema: {text: string}}\n---\n"
        '{{role "system"}}😀 {{text}} {{> card}} {{! note\nover two lines }}{{!-- apo:keep --}}x{{!-- apo:end --}}'
        "{{#if text}}a{{else}}b{{/if}} {{other}}"
    )
    view, _ = view_of(text, encoding=encoding)
    prompt = view.prompt
    view = PromptView(view.document, prompt, lambda: check_prompt(prompt, None))
    assert decoded(view, semantic_tokens(view, LEGEND), LEGEND) == [
        ("model", "property", 0), ("input", "property", 0), ("text", "variable", 1),
        ("role", "keyword", 0), ('"system"', "string", 0), ("text", "variable", 0), ("card", "macro", 0),
        ("{{! note", "comment", 0), ("over two lines }}", "comment", 0),
        ("{{!-- apo:keep --}}", "decorator", 0), ("{{!-- apo:end --}}", "decorator", 0),
        ("if", "keyword", 0), ("text", "variable", 0), ("if", "keyword", 0),
    ]  # fmt: skip


def test_a_byte_order_mark_counts() -> None:
    view, _ = view_of("\ufeff{{a}}", encoding="utf-8")
    assert decoded(view, semantic_tokens(view, LEGEND), LEGEND) == [("a", "variable", 0)]


def test_a_client_gets_the_kinds_that_it_knows_and_the_lines_it_asks_for() -> None:
    known = legend(["variable", "comment", "other"], [])
    view, _ = view_of("{{a}}\n{{! b }}\n{{c}}\n{{json d}}")
    assert (known.token_types, known.token_modifiers) == (["variable", "comment"], [])
    within = types.Range(types.Position(1, 0), types.Position(2, 3))
    assert decoded(view, semantic_tokens(view, known, within), known) == [
        ("{{! b }}", "comment", 0),
        ("c", "variable", 0),
    ]


@given(FILES)
def test_tokens_of_any_text_are_in_order_and_within_it(text: str) -> None:
    view, _ = view_of(text)
    found = decoded(view, semantic_tokens(view, LEGEND), LEGEND)
    assert all(kind in TYPES for _, kind, _ in found)


async def test_an_editor_gets_them(start: StartEditor) -> None:
    editor = await start("vscode-1.139", options={"background": "off"})
    uri = editor.open("main.prompt", "{{role 'user'}}{{text}}")
    assert editor.result is not None
    offered = editor.result.capabilities.semantic_tokens_provider
    assert offered is not None
    assert "variable" in offered.legend.token_types
    named = types.TextDocumentIdentifier(uri)
    found = await editor.client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(named))
    assert found is not None
    assert len(found.data) == 15
