"""From a name to where it comes from, to all that name it, and to the files that a prompt names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.examples.facts import ColumnFacts, ExampleFacts, FileFacts, LabelFacts
from apo_server.documents import Document, Documents
from apo_server.features.navigation import (
    definition,
    highlights,
    included_elsewhere,
    links,
    partial_at,
    references,
)
from apo_server.positions import Encoding, PositionMapper
from apo_server.texts import Texts
from apo_server.view import PromptView
from tests.engine.prompt.strategies import FILES
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES
from tests.server.views import CARET, view_of

HEAD = "---\ninput:\n  schema:\n    text: string\n    items(array):\n      name: string\n---\n"
TEXTS = Texts(Documents, lambda: (Path("/"),))


def spans(view: PromptView, ranges: list[types.Range]) -> list[str]:
    return [view.document.positions.span(one).of(view.document.text) for one in ranges]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + "😀 {{te‸xt}}", 3),
        (HEAD + "{{#each items}}{{na‸me}}{{/each}}", 5),
        (HEAD + "{{#each it‸ems as |one|}}{{one.name}}{{/each}}", 4),
        (HEAD + "{{#each items as |one|}}{{one.na‸me}}{{/each}}", 5),
        (HEAD + "{{json te‸xt}}", 3),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_variable_leads_to_its_declaration(text: str, line: int, encoding: Encoding) -> None:
    view, position = view_of(text, encoding=encoding)
    ((origin, place),) = definition(view, position, TEXTS)
    assert place.uri == view.document.uri
    assert place.range.start.line == line
    assert spans(view, [origin]) == spans(view, [place.range])


def folder_with_rows(tmp_path: Path) -> tuple[Path, ExampleFacts]:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "größe": "b", "kind": "x"}\n{"text": "c", "kind": "y"}\n')
    (tmp_path / "rows.csv").write_text("\ufefftext,größe,kind\na,b,x\n")
    columns = (ColumnFacts("text", "text", 1, ()), ColumnFacts("size", "größe", 1, ()))
    labels = (LabelFacts("x", 1, 1, str(tmp_path / "rows.jsonl")), LabelFacts("y", 1, 2, str(tmp_path / "rows.jsonl")))
    return tmp_path / "main.prompt", ExampleFacts(
        (FileFacts(str(tmp_path / "rows.jsonl"), 2),), columns, "kind", labels
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{te‸xt}}", ("rows.jsonl", 0, "text")),
        ("---\ninput: {schema: {si‸ze: string}}\n---\n{{size}}", ("rows.jsonl", 0, "größe")),
        ("---\napo.examples: {path: rows.jsonl, input: {size: grö‸ße}}\n---\n{{size}}", ("rows.jsonl", 0, "größe")),
        ("---\napo.examples: {path: rows.jsonl, expected: ki‸nd}\n---\n", ("rows.jsonl", 0, "kind")),
        ("---\noutput: {schema: {kind(enum): [x, ‸y]}}\n---\n", ("rows.jsonl", 1, "")),
        ("---\napo.examples: ro‸ws.jsonl\n---\n", ("rows.jsonl", 0, "")),
        ("{{> to‸ne}}", ("_tone.prompt", 0, "")),
        ("---\napo.metric: 'scores:clo‸se'\n---\n", ("scores.py", 2, "close")),
        ("{{> no‸ne}}", None),
        ("plain ‸words", None),
        ("{{unkno‸wn}}", None),
    ],
)
def test_names_lead_into_the_files_they_stand_for(
    tmp_path: Path, text: str, found: tuple[str, int, str] | None
) -> None:
    path, facts = folder_with_rows(tmp_path)
    (tmp_path / "_tone.prompt").write_text("Be kind.")
    (tmp_path / "scores.py").write_text("import re\n\nasync def close(answer, expected):\n    return 1\n")
    view, position = view_of(text, facts, path)
    places = [place for _, place in definition(view, position, TEXTS)]
    if found is None:
        assert places == []
        return
    (place,) = places
    name, line, word = found
    assert place.uri == (tmp_path / name).as_uri()
    assert place.range.start.line == line
    content = (tmp_path / name).read_text("utf-8")
    assert PositionMapper(content, "utf-16").span(place.range).of(content) == word


@pytest.mark.parametrize("name", ["a‸" + "a" * 300, "\\ud800‸a", "a\\0‸b"])
def test_what_can_be_no_file_leads_nowhere(tmp_path: Path, name: str) -> None:
    view, position = view_of(f'---\napo.examples: "{name}"\n---\n', None, tmp_path / "main.prompt")
    assert definition(view, position, TEXTS) == []
    assert len(links(view)) <= 1


def test_the_column_of_a_table_is_found_behind_its_byte_order_mark(tmp_path: Path) -> None:
    path, facts = folder_with_rows(tmp_path)
    table = ExampleFacts((FileFacts(str(tmp_path / "rows.csv"), 1),), facts.columns, "kind", ())
    view, position = view_of("---\napo.examples: {path: rows.csv, input: {size: grö‸ße}}\n---\n", table, path)
    ((_, place),) = definition(view, position, TEXTS)
    assert place.range == types.Range(types.Position(0, 5), types.Position(0, 10))


def test_a_column_is_found_in_each_example_file(tmp_path: Path) -> None:
    path, facts = folder_with_rows(tmp_path)
    both = ExampleFacts(
        (*facts.files, FileFacts(str(tmp_path / "rows.csv"), 1, held_out=True)), facts.columns, None, ()
    )
    view, position = view_of("{{te‸xt}}", both, path)
    found = [place.uri for _, place in definition(view, position, TEXTS)]
    assert found == [(tmp_path / "rows.jsonl").as_uri(), (tmp_path / "rows.csv").as_uri()]


def test_references_name_every_place_and_the_column(tmp_path: Path) -> None:
    path, facts = folder_with_rows(tmp_path)
    text = (
        "---\ninput:\n  schema:\n    size?: string\n  default: {size: big}\napo.examples:\n  path: rows.jsonl\n"
        "  input: {size: größe}\n---\n{{#if size}}{{si‸ze}} {{@root.size}}{{/if}} {{sizes}}"
    )
    view, position = view_of(text, facts, path)
    found = references(view, position, TEXTS, declarations=True)
    here = [place.range for place in found if place.uri == view.document.uri]
    assert spans(view, here) == ["size"] * 6
    assert [place.uri for place in found if place.uri != view.document.uri] == [(tmp_path / "rows.jsonl").as_uri()]
    used = references(view, position, TEXTS, declarations=False)
    assert len(used) == 4
    kinds = [one.kind for one in highlights(view, position)]
    assert kinds.count(types.DocumentHighlightKind.Write) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("---\napo.examples: {path: rows.jsonl, expected: ki‸nd}\n---\n", 0),
        ("---\napo.examples: {path: rows.jsonl, input: {size: grö‸ße}}\n---\n", 0),
        ("---\noutput: {schema: {kind(enum): [x, ‸y]}}\n---\n", 1),
    ],
)
def test_references_of_a_column_and_a_label_name_the_rows(tmp_path: Path, text: str, line: int) -> None:
    path, facts = folder_with_rows(tmp_path)
    view, position = view_of(text, facts, path)
    here, there = references(view, position, TEXTS, declarations=True)
    assert here.uri == view.document.uri
    assert (there.uri, there.range.start.line) == ((tmp_path / "rows.jsonl").as_uri(), line)
    assert references(view, position, TEXTS, declarations=False) == [here]


def test_references_of_a_partial_are_found_in_the_other_prompts(tmp_path: Path) -> None:
    (tmp_path / "_tone.prompt").write_text("Be kind.")
    (tmp_path / "other.prompt").write_text("Hi\n😀 {{> tone}} {{> tones}}")
    (tmp_path / "third.prompt").write_bytes(b"\xff{{> tone}}")
    view, position = view_of("{{> to‸ne}} and {{> tone}}", None, tmp_path / "main.prompt")
    found = references(view, position, TEXTS, declarations=True)
    name = partial_at(view, position)
    assert name == "tone"
    opened = Document((tmp_path / "open.prompt").as_uri(), "dotprompt", 1, "{{> tone}}", "utf-16")
    (tmp_path / "open.prompt").write_text("as it was saved")
    found += included_elsewhere(view, name, {tmp_path / "open.prompt": opened})
    assert found.pop(2).uri == opened.uri
    assert [place.uri for place in found] == [view.document.uri] * 2 + [(tmp_path / "other.prompt").as_uri()]
    assert found[-1].range == types.Range(types.Position(1, 7), types.Position(1, 11))


def test_the_files_that_a_prompt_names_are_links(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text("def close(a, b): return 1\n")
    text = "---\napo.examples: {train: 'a.jsonl', holdout: b.csv}\napo.metric: scores:close\n---\n{{> tone}}{{> ../x}}"
    view, _ = view_of(text, None, tmp_path / "main.prompt")
    found = [(spans(view, [link.range])[0], link.target) for link in links(view)]
    assert found == [
        ("a.jsonl", (tmp_path / "a.jsonl").as_uri()),
        ("b.csv", (tmp_path / "b.csv").as_uri()),
        ("tone", (tmp_path / "_tone.prompt").as_uri()),
        ("scores:close", (tmp_path / "scores.py").as_uri()),
    ]


@given(FILES, st.data())
def test_nothing_raises_on_any_text(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    view, position = view_of(
        text[:at].replace(CARET, "") + CARET + text[at:].replace(CARET, ""), None, Path("/x/main.prompt")
    )
    end = view.document.positions.position(len(view.document.text))
    found = [place.range for _, place in definition(view, position, TEXTS) if place.uri == view.document.uri]
    found += [place.range for place in references(view, position, TEXTS, declarations=True)]
    found += [one.range for one in highlights(view, position)]
    found += [link.range for link in links(view)]
    assert all((one.start.line, one.start.character) <= (one.end.line, one.end.character) for one in found)
    assert all((one.end.line, one.end.character) <= (end.line, end.character) for one in found)


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_editor_goes_to_the_declaration_and_the_column(
    start: StartEditor, workspace: Path, profile: str
) -> None:
    (workspace / "rows.jsonl").write_text('{"text": "a", "label": "x"}\n' * 3)
    text = "---\ninput: {schema: {text: string}}\napo.examples: rows.jsonl\n---\n😀 {{text}}\n"
    editor = await start(profile, options={"background": "off"})
    uri = editor.open("main.prompt", text)
    named = types.TextDocumentIdentifier(uri)
    use = editor.positions(uri).position(text.index("{{text}}") + 3)
    (found,) = await editor.client.text_document_definition_async(types.DefinitionParams(named, use))  # type: ignore[misc]
    target = found.target_range if isinstance(found, types.LocationLink) else found.range  # type: ignore[union-attr]
    assert editor.positions(uri).span(target).of(text) == "text"
    assert target.start.line == 1
    await editor.until(lambda: editor.client.diagnostics.get((workspace / "rows.jsonl").as_uri()))
    places = await editor.client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), named, use)
    )
    assert [place.uri for place in places or ()] == [uri, uri, (workspace / "rows.jsonl").as_uri()]


async def test_an_editor_finds_where_a_partial_is_included(start: StartEditor, workspace: Path) -> None:
    (workspace / "_tone.prompt").write_text("Be kind.")
    (workspace / "other.prompt").write_text("Hi {{> tone}}")
    editor = await start(options={"background": "off"})
    uri = editor.open("main.prompt", "{{> tone}} and {{> tone}}")
    named = types.TextDocumentIdentifier(uri)
    params = types.ReferenceParams(types.ReferenceContext(True), named, types.Position(0, 5))
    places = await editor.client.text_document_references_async(params)
    assert [place.uri for place in places or ()] == [uri, uri, (workspace / "other.prompt").as_uri()]
    links = await editor.client.text_document_document_link_async(types.DocumentLinkParams(named))
    assert [link.target for link in links or ()] == [(workspace / "_tone.prompt").as_uri()] * 2
    found = await editor.client.text_document_document_highlight_async(
        types.DocumentHighlightParams(named, types.Position(0, 5))
    )
    assert len(found or ()) == 2
    partial = types.TextDocumentIdentifier(editor.open("_tone.prompt"))
    params = types.ReferenceParams(types.ReferenceContext(True), partial, types.Position(0, 2))
    places = await editor.client.text_document_references_async(params)
    assert [place.uri for place in places or ()] == [(workspace / "other.prompt").as_uri()]


async def test_an_editor_goes_from_a_row_to_the_prompts_that_name_its_file(start: StartEditor, workspace: Path) -> None:
    registered: list[types.Registration] = []

    def register(params: types.RegistrationParams) -> None:
        registered.extend(params.registrations)

    (workspace / "rows.jsonl").write_text('{"body": "a", "queue": "x"}\n' * 3)
    text = (
        "---\ninput: {schema: {text: string}}\napo.examples: {path: rows.jsonl, input: {text: body}, expected: queue}\n"
        "---\n😀 {{text}} {{#if text}}!{{/if}}\n"
    )
    features = {types.CLIENT_REGISTER_CAPABILITY: register}
    editor = await start("vscode-1.139", options={"background": "off"}, features=features)
    uri, other = editor.open("main.prompt", text), editor.open("other.prompt", "{{text}}\n")
    data = editor.open("rows.jsonl")
    await editor.until(lambda: editor.diagnostics(data))
    methods = {one.method for one in registered}
    assert {types.TEXT_DOCUMENT_DEFINITION, types.TEXT_DOCUMENT_REFERENCES} <= methods
    named = types.TextDocumentIdentifier(data)

    async def references(column: int, *, declarations: bool = True) -> list[str]:
        params = types.ReferenceParams(types.ReferenceContext(declarations), named, types.Position(1, column))
        found = await editor.client.text_document_references_async(params) or ()
        assert {place.uri for place in found} == {uri} != {other}
        return [editor.positions(uri).span(place.range).of(text) for place in found]

    assert await references(3) == ["text", "text", "body", "text", "text"]
    assert await references(3, declarations=False) == ["text", "body", "text", "text"]
    assert await references(15) == ["queue"]
    params = types.DefinitionParams(named, types.Position(1, 9))
    (link,) = await editor.client.text_document_definition_async(params)  # type: ignore[misc]
    assert isinstance(link, types.LocationLink)
    assert (link.target_uri, link.target_range.start.line) == (uri, 1)
    assert editor.positions(uri).span(link.target_range).of(text) == "text"
    assert link.origin_selection_range is not None
    assert editor.positions(data).span(link.origin_selection_range).of(editor.texts[data]) == "body"
