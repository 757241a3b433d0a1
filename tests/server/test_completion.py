"""What may be written at the caret: in front matter and in tags, whole or broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.examples.facts import ExampleFacts
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Document
from apo_server.features.completion import completions
from apo_server.features.hover import hover
from apo_server.features.inlay_hints import inlay_hints
from apo_server.lookups import Lookups
from apo_server.positions import Encoding
from apo_server.wire import Reply, Request
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES, Editor
from tests.server.views import CARET, Desk, facts, view_of

PLAIN, SNIPPETS = ClientCapabilities(), ClientCapabilities(snippets=True)


async def offered(
    text: str, known: ExampleFacts | None = None, path: Path | None = None, client: ClientCapabilities = PLAIN
) -> list[types.CompletionItem]:
    view, position = view_of(text, known, path)
    desk = Desk()
    roots = (path.parent,) if path else ()
    completions(view, position, client, desk.lookups, roots)
    await desk.settled()
    return list(completions(view, position, client, desk.lookups, roots).items)


async def labels(text: str, known: ExampleFacts | None = None, path: Path | None = None) -> list[str]:
    return [item.label for item in await offered(text, known, path)]


async def written(text: str, label: str, client: ClientCapabilities = PLAIN, **more: object) -> str:
    """The text after the item of that label was taken, which replaces what the client says it replaces."""
    items = await offered(text, client=client, **more)  # type: ignore[arg-type]
    (item,) = (item for item in items if item.label == label)
    assert isinstance(item.text_edit, types.TextEdit)
    plain = text.replace(CARET, "")
    span = Document("x:x", "dotprompt", 1, plain, "utf-16").positions.span(item.text_edit.range)
    assert span.contains(text.index(CARET))
    return plain[: span.start] + item.text_edit.new_text + plain[span.end :]


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("---\n‸\n---\n", {"model", "input", "apo.examples", "apo.optimizer"}, {"rounds", "apo.model"}),
        ("---\nmodel: a/b\nap‸\n---\n", {"apo.examples"}, {"model"}),
        ("---\nconfig:\n  ‸\n---\n", {"temperature"}, {"model"}),
        ("---\nconfig: {‸\n---\n", {"temperature"}, {"model"}),
        ("---\napo.optimizer: {model: x/y, al‸\n---\n", {"algorithm", "rounds"}, {"model", "apo.metric"}),
        ("---\napo.optimizer:\n  ‸\n  beam: 3\n---\n", {"rounds"}, {"beam"}),
        ("---\n: : {{\napo.judge: {‸\n---\n", {"rubric", "repeats"}, {"model:"}),
        ("---\napo.metric: ‸\n---\n", {"label", "f1_macro", "judge"}, {"text"}),
        ("---\napo.optimizer: {algorithm: p‸}\n---\n", {"apo", "phrase-rl"}, {"ucb"}),
        ("---\napo.optimizer: {joint: ‸}\n---\n", {"true", "false"}, set()),
        ("---\noutput: {format: ‸\n---\n", {"json", "text"}, set()),
        ("---\ninput: {schema: {text: ‸}}\n---\n", {"string", "integer"}, set()),
        ("---\ninput:\n  schema:\n    ‸\n---\n{{order}}", {"order"}, {"string"}),
        ("---\nmodel: ‸\n---\n", {"openai/gpt-4.1-mini", "embedded/gemma-3-270m"}, set()),
        ("---\napo.optimizer: {model: ‸\n---\n", {"openai/gpt-4.1-mini"}, set()),
        ("---\n# ‸\n---\n", set(), {"model"}),
        ("---\nname: ‸\n---\n", set(), {"model", "string"}),
    ],
)
async def test_front_matter_offers_what_can_stand_there(text: str, some: set[str], none: set[str]) -> None:
    found = set(await labels(text))
    assert some <= found
    assert not none & found
    assert some or not found


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("a {{‸", {"text", "[tone of voice]", "#if", "json", 'role "system"'}, {"if", "@index"}),
        ("a {{te‸}} b", {"text"}, set()),
        ("{{#‸", {"if", "each", "ifEquals"}, {"json", "text"}),
        ("{{#if ‸}}", {"text"}, {"json", "#if"}),
        ("{{#if (‸", {"lookup", "json"}, {"text"}),
        ('{{role "‸', {"system", "user", "model", "tool"}, {"text"}),
        ("{{role ‸}}", {"system"}, {"text"}),
        ("{{#if a}}{{#each b}}x{{/‸", {"each"}, {"if"}),
        ("{{#each items as |one|}}{{‸}}", {"one", "this", "@index", "@root.text", "else"}, {"text"}),
        ("{{#if a}}{{‸}}", {"text", "else", "/if"}, {"@index", "this"}),
        ("---\ninput: {schema: {a(object): {b: string}}}\n---\n{{a.‸}}", {"a.b"}, {"text"}),
        ("---\ninput: {schema: {a(array): {b: string}}}\n---\n{{#each a as |x|}}{{x.‸}}", {"x.b"}, {"text"}),
        ("{{!-- apo:‸", {"apo:keep", "apo:exemplars", "apo:end"}, {"text"}),
        ("{{!-- just words ‸", set(), {"apo:keep"}),
        ("plain words ‸", set(), {"text"}),
        ("\\{{‸", set(), {"text"}),
        ("{{text}} ‸", set(), {"text"}),
    ],
)
async def test_tags_offer_what_can_stand_there(text: str, some: set[str], none: set[str]) -> None:
    found = set(await labels(text, facts()))
    assert some <= found
    assert not none & found
    assert some or not found


@pytest.mark.parametrize(
    ("text", "label", "after"),
    [
        ("---\nmo‸\n---\n", "model", "---\nmodel: \n---\n"),
        ("---\nmo‸: x/y\n---\n", "model", "---\nmodel: x/y\n---\n"),
        ("---\napo.metric: ex‸act # 😀\n---\n", "label", "---\napo.metric: label # 😀\n---\n"),
        (
            "---\napo.optimizer: {algorithm: p‸hr, beam: 2}\n---\n",
            "apo",
            "---\napo.optimizer: {algorithm: apo, beam: 2}\n---\n",
        ),
        ('---\nmodel: "op‸"\n---\n', "openai/gpt-4.1-mini", '---\nmodel: "openai/gpt-4.1-mini"\n---\n'),
        ("😀 {{te‸", "text", "😀 {{text}}"),
        ("😀 {{te‸xt}} 😀", "[tone of voice]", "😀 {{[tone of voice]}} 😀"),
        ('{{role "us‸"}}', "model", '{{role "model"}}'),
        ('{{role "us‸', "user", '{{role "user"}}'),
        ("{{role ‸}}", "user", '{{role "user"}}'),
        ("{{#i‸", "if", "{{#if "),
        ("{{#if a}}b{{/‸", "if", "{{#if a}}b{{/if}}"),
        ("{{!-- apo:k‸", "apo:keep", "{{!-- apo:keep --}}"),
    ],
)
async def test_taking_an_item_replaces_the_word_and_no_more(text: str, label: str, after: str) -> None:
    assert await written(text, label, known=facts()) == after


async def test_a_block_is_a_snippet_where_the_client_has_snippets() -> None:
    assert await written("{{#i‸", "if", SNIPPETS) == "{{#if ${1:value}}}$0{{/if}}"
    # The tag ends already: the rest of the block would stand within it.
    assert await written("{{#i‸}}", "if", SNIPPETS) == "{{#if }}"


async def test_columns_are_offered_where_columns_are_named() -> None:
    assert await labels("---\napo.examples: {input: {body: ‸\n---\n", facts()) == ["text", "tone of voice", "label"]
    assert (await labels("---\napo.examples:\n  expected: ‸\n---\n", facts()))[0] == "label"
    assert await written("---\napo.examples: {expected: ‸}\n---\n", "tone of voice", known=facts()) == (
        "---\napo.examples: {expected: tone of voice}\n---\n"
    )


async def test_files_folders_and_partials_beside_the_prompt_are_offered(tmp_path: Path) -> None:
    for name in ("other.csv", "queue.jsonl", "notes.txt", "_greeting.prompt", ".hidden.csv"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "yes: no.csv").touch()
    path = tmp_path / "queue.prompt"
    assert await labels("---\napo.examples: ‸\n---\n", path=path) == ["queue.jsonl", "other.csv", "more/"]
    assert await labels("---\napo.examples: {train: more/‸\n---\n", path=path) == ["more/yes: no.csv"]
    taken = await written("---\napo.examples: more/‸\n---\n", "more/yes: no.csv", path=path)
    assert taken == "---\napo.examples: 'more/yes: no.csv'\n---\n"
    assert await labels("---\napo.optimizer: {meta: ‸\n---\n", path=path) == ["more/"]
    assert await labels("{{> ‸", path=path) == ["greeting", "more/"]
    assert await written("{{> gr‸", "greeting", path=path) == "{{> greeting}}"
    assert await labels("---\napo.examples: /‸\n---\n", path=path) == []
    # Nothing is listed outside of the folders that one works in.
    inner = tmp_path / "more" / "inner.prompt"
    for name in ("../", "../more/../", "//host/share/", "\\\\\\\\host\\\\share/"):
        assert await labels(f"---\napo.examples: {name}‸\n---\n", path=inner) == []
        assert await labels(f"{{{{> {name}‸", path=inner) == []


async def never(_: Request) -> Reply:
    raise AssertionError


PIECES = [
    *(
        "---\n",
        "---",
        "{{",
        "}}",
        "#each a as |b|",
        "/each",
        'role "',
        "apo.optimizer:",
        " {",
        "}",
        "[",
        "'",
        '"',
        ": ",
    ),
    *(", ", "\n", "\r\n", "  ", "model", "text", "> p", "!-- apo:", "--", ".", "@", "😀", "|", "\ufeff", "#", "- "),
    "input:\n  schema:\n    ",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=25),
    st.integers(0, 6),
    st.integers(0, 40),
    st.sampled_from(("utf-8", "utf-16", "utf-32")),
    st.booleans(),
)
def test_no_text_and_no_position_is_too_broken(
    pieces: list[str], line: int, column: int, encoding: Encoding, known: bool
) -> None:
    view, _ = view_of("".join(pieces), facts() if known else None, encoding=encoding)
    lookups = Lookups(never, lambda: None, lambda: None)
    lookups._begin = lambda *_: None  # type: ignore[method-assign]
    position = types.Position(line, column)
    document = view.document
    caret = document.positions.offset(position)
    for item in completions(view, position, SNIPPETS, lookups, ()).items:
        assert isinstance(item.text_edit, types.TextEdit)
        span = document.positions.span(item.text_edit.range)
        assert span.contains(caret)
        assert item.text_edit.range.start.line == item.text_edit.range.end.line
        assert document.positions.range(span) == item.text_edit.range
    found = hover(view, position, SNIPPETS, lookups)
    if found is not None and found.range is not None:
        assert document.positions.range(document.positions.span(found.range)) == found.range
    whole = types.Range(types.Position(0, 0), types.Position(1000, 0))
    for hint in inlay_hints(view, whole, lookups):
        assert document.positions.position(document.positions.offset(hint.position)) == hint.position


async def complete(editor: Editor, uri: str, at: types.Position) -> list[types.CompletionItem]:
    params = types.CompletionParams(types.TextDocumentIdentifier(uri), at)
    answer = await editor.client.text_document_completion_async(params)
    assert isinstance(answer, types.CompletionList)
    return list(answer.items)


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_editor_completes_in_front_matter_and_template(
    start: StartEditor, workspace: Path, profile: str
) -> None:
    editor = await start(profile, options={"background": "off"})
    text = "---\nmodel: openai/scripted\nname: 😀\napo.examples: tick\n---\n😀 {{te}} {{#i}}"
    uri = editor.open("tickets.prompt", text)
    where = editor.positions(uri)
    (file,) = await complete(editor, uri, where.position(text.index("tick") + 4))
    assert isinstance(file.text_edit, types.TextEdit)
    editor.edit(uri, [file.text_edit])
    assert "apo.examples: tickets.jsonl\n" in editor.texts[uri]
    at = editor.texts[uri].index("{{te") + 4

    async def known() -> types.CompletionItem | None:
        items = await complete(editor, uri, editor.positions(uri).position(at))
        return next((item for item in items if item.label == "text"), None)

    item = await known()
    while item is None:
        item = await known()
    assert isinstance(item.text_edit, types.TextEdit)
    editor.edit(uri, [item.text_edit])
    assert "😀 {{text}} {{#i}}" in editor.texts[uri]


async def test_the_models_of_the_price_list_are_offered_without_a_network(start: StartEditor) -> None:
    editor = await start(options={"background": "off"}, environ={"OPENAI_BASE_URL": ""})
    uri = editor.open("tickets.prompt", "---\nmodel: \n---\n")

    async def models() -> list[types.CompletionItem]:
        return await complete(editor, uri, types.Position(1, 7))

    found = await models()
    while not found:
        found = await models()
    names = {item.label: item.detail for item in found}
    assert names["embedded/gemma-3-270m"] == "runs on this machine, free"
    assert "per million tokens" in (names["openai/gpt-4.1-mini"] or "")
