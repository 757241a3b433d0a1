"""Symbols, folding and selections follow the structure of a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from apo_server.features.outline import Part, folding, parts, selections, symbols
from apo_server.view import PromptView
from tests.engine.prompt.strategies import FILES
from tests.server.conftest import StartEditor
from tests.server.views import CARET, view_of

TEXT = """---
model: a/b
input:
  schema:
    text: string
---
{{role "system"}}
You sort 😀 tickets.

{{!-- apo:keep --}}
Answer in one word.
{{!-- apo:end --}}
{{role "user"}}
{{#if text}}
  {{#each items}}
  {{> card}}
  {{/each}}
{{/if}}
{{!
 a note
}}
"""


def names(found: tuple[Part, ...]) -> list[object]:
    return [(part.name, names(part.parts)) if part.parts else part.name for part in found]


def test_the_parts_of_a_prompt_stand_in_a_tree() -> None:
    view, _ = view_of(TEXT)
    assert names(parts(view.prompt)) == [
        ("front matter", ["model", ("input", [("schema", ["text"])])]),
        ("system", ["kept"]),
        ("user", [("#if text", [("#each items", ["> card"])])]),
    ]


def test_a_block_over_several_messages_stands_beside_them() -> None:
    view, _ = view_of('{{#if a}}{{role "system"}}A{{else}}{{role "system"}}B{{/if}}')
    assert [part.name for part in parts(view.prompt)] == ["user", "system", "system", "#if a"]


def test_clients_without_trees_get_a_list() -> None:
    view, _ = view_of(TEXT)
    found = symbols(view, nested=False)
    assert [(one.name, one.container_name) for one in found if isinstance(one, types.SymbolInformation)][:4] == [
        ("front matter", None), ("model", "front matter"), ("input", "front matter"), ("schema", "input"),
    ]  # fmt: skip


def test_what_has_several_lines_can_be_folded() -> None:
    view, _ = view_of(TEXT)
    found = {(one.start_line, one.end_line): one.kind for one in folding(view)}
    assert found == {
        (0, 5): None,
        (2, 4): None,
        (3, 4): None,
        (6, 11): None,
        (9, 10): types.FoldingRangeKind.Region,
        (12, 20): None,
        (13, 16): None,
        (14, 15): None,
        (18, 20): types.FoldingRangeKind.Comment,
    }


def selected(text: str) -> list[str]:
    view, position = view_of(text)
    (chosen,) = selections(view, [position])
    found = []
    step: types.SelectionRange | None = chosen
    while step is not None:
        found.append(view.document.positions.span(step.range).of(view.document.text))
        step = step.parent
    return found


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        (
            "One two.\n\nThr‸ee {{x}} four\nfive.\n\nSix.",
            ["Three", "Three {{x}} four", "One two.\n\nThree {{x}} four\nfive.\n\nSix."],
        ),
        ("a {{json us‸er.name}} b", ["user", "user.name", "{{json user.name}}", "a {{json user.name}} b"]),
        (
            "{{#if x}}yes {{y‸}} no{{/if}} end",
            ["y", "{{y}}", "{{#if x}}yes {{y}} no{{/if}}", "{{#if x}}yes {{y}} no{{/if}} end"],
        ),
        (
            "---\nmodel: a‸b/c\n---\nHi",
            ["ab", "ab/c", "model: ab/c", "---\nmodel: ab/c\n---\n", "---\nmodel: ab/c\n---\nHi"],
        ),
    ],
)
def test_a_selection_grows_from_word_to_prompt(text: str, begin: list[str]) -> None:
    found = selected(text)
    assert [one for one in found if one in begin] == begin
    assert found[0] == begin[0]


@pytest.mark.parametrize("text", ["‸\ufeff", "‸\ufeffab c"])
def test_a_selection_holds_a_caret_before_the_byte_order_mark(text: str) -> None:
    view, position = view_of(text)
    (chosen,) = selections(view, [position])
    assert chosen.range.start == position


def ranges(view: PromptView) -> list[types.Range]:
    def below(found: types.DocumentSymbol) -> list[types.Range]:
        inside = [one for child in found.children or () for one in below(child)]
        assert all(within(one, found.range) for one in (found.selection_range, *inside))
        return [found.range, found.selection_range, *inside]

    tree = symbols(view, nested=True)
    return [one for symbol in tree if isinstance(symbol, types.DocumentSymbol) for one in below(symbol)]


def within(inner: types.Range, outer: types.Range) -> bool:
    begin = (outer.start.line, outer.start.character) <= (inner.start.line, inner.start.character)
    return begin and (inner.end.line, inner.end.character) <= (outer.end.line, outer.end.character)


@given(FILES, st.data())
def test_the_structure_of_any_text_lies_within_it(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    view, position = view_of(text[:at].replace(CARET, "") + CARET + text[at:].replace(CARET, ""))
    whole = types.Range(types.Position(0, 0), view.document.positions.position(len(view.document.text)))
    assert all(within(one, whole) for one in ranges(view))
    assert all(0 <= one.start_line < one.end_line <= whole.end.line for one in folding(view))
    (chosen,) = selections(view, [position])
    step: types.SelectionRange = chosen
    assert within(types.Range(position, position), step.range)
    while step.parent is not None:
        assert within(step.range, step.parent.range)
        assert step.range != step.parent.range
        step = step.parent


async def test_an_editor_shows_blocks_nested_beyond_reason(start: StartEditor) -> None:
    editor = await start(options={"background": "off"})
    uri = editor.open("main.prompt", "{{#if a}}\n" * 1_500 + "x\n" + "{{/if}}\n" * 1_500)
    named = types.TextDocumentIdentifier(uri)
    assert await editor.client.text_document_document_symbol_async(types.DocumentSymbolParams(named))
    folds = await editor.client.text_document_folding_range_async(types.FoldingRangeParams(named))
    assert len(folds or ()) == 1_501
    within_all = types.SelectionRangeParams(named, [types.Position(1_500, 0)])
    assert await editor.client.text_document_selection_range_async(within_all)


async def test_an_editor_shows_the_outline(start: StartEditor) -> None:
    editor = await start(options={"background": "off"})
    uri = editor.open("main.prompt", TEXT)
    named = types.TextDocumentIdentifier(uri)
    found = await editor.client.text_document_document_symbol_async(types.DocumentSymbolParams(named))
    assert [one.name for one in found or ()][:3] == ["front matter", "system", "user"]
    folds = await editor.client.text_document_folding_range_async(types.FoldingRangeParams(named))
    assert folds
    chosen = await editor.client.text_document_selection_range_async(
        types.SelectionRangeParams(named, [types.Position(7, 1)])
    )
    assert chosen
