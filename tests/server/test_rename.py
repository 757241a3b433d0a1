"""A renamed input leaves the prompt saying what it said, on the rows as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.examples.facts import ColumnFacts, ExampleFacts, FileFacts
from apo_engine.examples.load import load_examples
from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.message import Message
from apo_engine.prompt.render import Renderer
from apo_engine.settings import resolve
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Documents
from apo_server.features.rename import CannotRename, prepare, rename
from apo_server.texts import Texts
from tests.engine.prompt.strategies import TEMPLATES
from tests.server.conftest import StartEditor
from tests.server.editor import PROFILES
from tests.server.views import view_of

TEXTS = Texts(Documents)
CLIENT = ClientCapabilities()
ROWS = [{"text": f"row {number} 😀", "name": "N", "items": "", "flag": "yes", "label": "a"} for number in range(3)]
COLUMNS = tuple(ColumnFacts(name, name, 1, ()) for name in ("text", "name", "items", "flag"))
FACTS = ExampleFacts((FileFacts("rows.jsonl", 3),), COLUMNS, "label", ())


def renamed(text: str, new: str, facts: ExampleFacts | None = FACTS, path: Path | None = None) -> str:
    """The text after its caret's name was renamed."""
    view, position = view_of(text, facts, path)
    found = rename(view, position, new, CLIENT, TEXTS)
    assert found is not None
    assert found.changes is not None
    changed = view.document.text
    for edit in sorted(found.changes[view.document.uri], key=lambda edit: -view.offset(edit.range.start)):
        span = view.document.positions.span(edit.range)
        changed = changed[: span.start] + edit.new_text + changed[span.end :]
    return changed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{old‸}} {{json old}} {{oldest}} old", "{{new}} {{json new}} {{oldest}} old"),
        ("{{#each x}}{{old}}{{../old‸}}{{@root.old}}{{/each}}", "{{#each x}}{{old}}{{../new}}{{@root.new}}{{/each}}"),
        ("{{#old‸}}a{{else}}b{{/old}}", "{{#new}}a{{else}}b{{/new}}"),
        ("{{#old}}{{#old}}a{{/old}}{{/o‸ld}}", "{{#new}}{{#old}}a{{/old}}{{/new}}"),
        ("{{^old}}{{^old}}a{{/o‸ld}}{{/old}}", "{{^new}}{{^new}}a{{/new}}{{/new}}"),
        ("{{#old‸.old}}a{{/old.old}}{{#if x}}a{{/if}}", "{{#new.old}}a{{/new.old}}{{#if x}}a{{/if}}"),
        ("{{#with old‸}}{{old}}{{/with}} {{old.old}}", "{{#with new}}{{old}}{{/with}} {{new.old}}"),
        ("{{[old]}} {{o‸ld}} {{> card old=old}}", "{{[new]}} {{new}} {{> card old=new}}"),
        (
            "---\ninput:\n  schema: {ol‸d?: 'string, old'}\n  default: {old: 3}\n---\n{{old}}",
            "---\ninput:\n  schema: {new?: 'string, old'}\n  default: {new: 3}\n---\n{{new}}",
        ),
        (
            "---\ninput: {schema: {type: object, required: [old], properties: {old: {type: string}}}}\n---\n{{ol‸d}}",
            "---\ninput: {schema: {type: object, required: [new], properties: {new: {type: string}}}}\n---\n{{new}}",
        ),
    ],
)
def test_every_place_that_names_the_input_is_renamed(text: str, expected: str) -> None:
    assert renamed(text, "new", None) == expected


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ("rows.jsonl", "{path: rows.jsonl, input: {body: text}}"),
        ("'rows.jsonl'", "{path: 'rows.jsonl', input: {body: text}}"),
        ("a[1].jsonl", '{path: "a[1].jsonl", input: {body: text}}'),
        ("{path: rows.jsonl, expected: label}", "{input: {body: text}, path: rows.jsonl, expected: label}"),
        ("\n  path: rows.jsonl", "\n  input: {body: text}\n  path: rows.jsonl"),
        ("{path: rows.jsonl, input: {x: y}}", "{path: rows.jsonl, input: {body: text, x: y}}"),
        ("\n  path: a.jsonl\n  input:\n    x: y", "\n  path: a.jsonl\n  input:\n    body: text\n    x: y"),
    ],
)
def test_the_front_matter_learns_which_column_fills_the_input(examples: str, expected: str) -> None:
    text = f"---\napo.examples: {examples}\n---\n{{{{te‸xt}}}}"
    assert renamed(text, "body") == f"---\napo.examples: {expected}\n---\n{{{{body}}}}"


def test_a_column_that_is_named_already_stays() -> None:
    facts = ExampleFacts(FACTS.files, (ColumnFacts("text", "Body of mail", 1, ()),), "label", ())
    text = "---\napo.examples: {path: rows.jsonl, input: {text: Body of mail}}\n---\n{{te‸xt}}"
    expected = "---\napo.examples: {path: rows.jsonl, input: {body: Body of mail}}\n---\n{{body}}"
    assert renamed(text, "body", facts) == expected


@pytest.mark.parametrize("new", ["", "two words", "1st", "if", "else", "this", "name", "taken", "a.b", "{{x}}", "😀"])
def test_a_name_that_is_none_or_is_taken_is_refused(new: str) -> None:
    view, position = view_of("---\ninput: {schema: {taken: string}}\n---\n{{te‸xt}}{{taken}}", FACTS)
    with pytest.raises(CannotRename):
        rename(view, position, new, CLIENT, TEXTS)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{{te‸xt}}{{json this}}", "all inputs"),
        ("{{te‸xt}}{{> tone}}", "partial 'tone'"),
        ("---\napo.examples: rows.jsonl\n---\n{{te‸xt}}", "not read yet"),
    ],
)
def test_what_could_not_be_renamed_everywhere_is_refused(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "_tone.prompt").write_text("Be kind about {{text}}.")
    view, position = view_of(text, None, tmp_path / "main.prompt")
    with pytest.raises(CannotRename, match=word):
        rename(view, position, "body", CLIENT, TEXTS)


PARTIALS = {
    "card": "Card {{text}}",
    "dump": "{{json this}}",
    "loop": "{{#each this}}{{@key}}{{/each}}",
    "body": "[{{body}}]",
    "root": "{{@root.text}}",
    "outer": "{{> card}}",
    "item": "{{this}}",
}


@pytest.mark.parametrize(
    ("include", "possible"),
    [
        ("{{> card text=text}}", True),
        ("{{> card name}}", True),
        ("{{> card}}", False),
        ("{{> card name=name}}", False),
        ("{{#if name}}{{> card}}{{/if}}", False),
        ("{{> outer}}", False),
        ("{{> outer text=name}}", True),
        ("{{> dump}}", False),
        ("{{> loop}}", False),
        ("{{> body}}", False),
        ("{{> body body=text}}", True),
        ("{{> root name}}", False),
        ("{{#each items}}{{> item}}{{/each}}", True),
        ('{{#*inline "x"}}{{text}}{{/inline}}{{> x}}', False),
        ('{{#*inline "x"}}{{text}}{{/inline}}{{> x text=text}}', True),
        ("{{#each items}}{{#> item}}a{{/item}}{{json this}}{{/each}}", True),
    ],
)
def test_a_partial_says_what_it_said_or_the_name_stays(tmp_path: Path, include: str, possible: bool) -> None:
    for name, text in PARTIALS.items():
        (tmp_path / f"_{name}.prompt").write_text(text)
    path = tmp_path / "main.prompt"
    row = {"text": "T", "name": "N", "items": ["a", "b"]}
    text = f"{{{{te‸xt}}}} {include}"
    if not possible:
        with pytest.raises(CannotRename, match="The partial"):
            renamed(text, "body", None, path)
        return
    after = {"body" if name == "text" else name: value for name, value in row.items()}
    before = Renderer(parse_prompt(text.replace("‸", ""), path)).messages(row)
    assert Renderer(parse_prompt(renamed(text, "body", None, path), path)).messages(after) == before


@pytest.mark.parametrize(
    "text", ["plain ‸words", "{{#i‸f x}}{{/if}}", "{{us‸er.na}}", "{{> to‸ne}}", "---\nmo‸del: a/b\n---\n"]
)
def test_only_inputs_can_be_renamed(text: str) -> None:
    view, position = view_of(text)
    found = prepare(view, position)
    assert found is None or found.placeholder == "user"


EXAMPLES = st.sampled_from(
    [
        "rows.jsonl",
        "{path: rows.jsonl}",
        "\n  path: rows.jsonl\n  expected: label",
        "{path: rows.jsonl, input: {mail: name}}",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(TEMPLATES | st.just("{{#text}}{{.}}{{/text}}{{^text}}none{{/text}}"), EXAMPLES)
def test_the_prompt_says_what_it_said_on_every_row(tmp_path: Path, template: str, examples: str) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    path = tmp_path / "main.prompt"
    text = f"---\ninput:\n  schema:\n    te‸xt: string\napo.examples: {examples}\n---\n{template}{{{{text}}}}"
    try:
        before = messages(text.replace("‸", ""), path)
    except InputError:
        assume(False)
    assert messages(renamed(text, "body", FACTS, path), path) == before


def messages(text: str, path: Path) -> list[tuple[Message, ...]]:
    prompt = parse_prompt(text, path)
    assert not [problem for problem in prompt.problems if problem.severity.value == "error"] or assume(False)
    examples = resolve([prompt.layer()]).examples
    assert examples is not None
    renderer = Renderer(prompt)
    return [renderer.messages(row.inputs) for row in load_examples(examples, path.parent).rows]


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_editor_renames_or_is_told_why_not(start: StartEditor, workspace: Path, profile: str) -> None:
    editor = await start(profile, options={"background": "off"})
    text = "😀 {{text}} and {{#if text}}{{text}}{{/if}}"
    uri = editor.open("main.prompt", text)
    named = types.TextDocumentIdentifier(uri)
    at = editor.positions(uri).position(text.index("text") + 1)
    found = await editor.client.text_document_rename_async(types.RenameParams(named, at, "body"))
    assert found is not None
    await editor.apply(types.CodeAction("rename", edit=found))
    assert editor.texts[uri] == text.replace("text", "body")
    with pytest.raises(Exception, match="no name for an input"):
        await editor.client.text_document_rename_async(types.RenameParams(named, at, "a b"))
