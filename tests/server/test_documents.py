"""Open documents: what the editor sends is what the server holds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.positions import Span
from apo_server.addresses import path_of
from apo_server.documents import Document, Documents
from apo_server.positions import Encoding, PositionMapper
from tests.server.test_positions import encodings, texts

URI = "file:///tmp/a%20b.prompt"


def opened(text: str, encoding: Encoding = "utf-16") -> Documents:
    documents = Documents(encoding)
    documents.open(types.TextDocumentItem(URI, "dotprompt", 1, text))
    return documents


def text_of(documents: Documents) -> str:
    document = documents.get(URI)
    assert document is not None
    return document.text


@given(texts, encodings, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), texts), max_size=5))
def test_a_chain_of_edits_gives_the_text_that_the_editor_shows(
    text: str, encoding: Encoding, edits: list[tuple[int, int, str]]
) -> None:
    documents = opened(text, encoding)
    changes: list[types.TextDocumentContentChangeEvent] = []
    for first, second, new in edits:
        mapper = PositionMapper(text, encoding)
        range_ = mapper.range(Span(*sorted((min(first, len(text)), min(second, len(text))))))
        changes.append(types.TextDocumentContentChangePartial(range=range_, text=new))
        span = mapper.span(range_)
        text = text[: span.start] + new + text[span.end :]
    named = types.VersionedTextDocumentIdentifier(uri=URI, version=2)
    documents.change(types.DidChangeTextDocumentParams(named, changes))
    assert text_of(documents) == text


def test_line_separators_that_editors_do_not_break_at_do_not_move_an_edit() -> None:
    documents = opened("one\u2028still one\fand on\ntwo")
    second_line = types.Range(types.Position(1, 0), types.Position(1, 3))
    change = types.TextDocumentContentChangePartial(range=second_line, text="zwei")
    documents.change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(uri=URI, version=2), [change])
    )
    assert text_of(documents) == "one\u2028still one\fand on\nzwei"


def test_a_change_of_a_document_that_is_not_open_is_ignored() -> None:
    documents = Documents()
    change = types.TextDocumentContentChangeWholeDocument("new")
    named = types.VersionedTextDocumentIdentifier(uri=URI, version=2)
    documents.change(types.DidChangeTextDocumentParams(named, [change]))
    assert documents.get(URI) is None


def test_one_address_in_two_spellings_is_one_document() -> None:
    documents = opened("text")
    assert documents.get("file:///tmp/a b.prompt") is documents.get(URI)
    documents.close("file:///tmp/a b.prompt")
    assert documents.get(URI) is None


def test_prompts_are_known_by_language_or_name() -> None:
    def document(uri: str, language: str) -> Document:
        return Document(uri, language, 1, "", "utf-16")

    assert document("untitled:Untitled-1", "dotprompt").is_prompt
    assert document(URI, "plaintext").is_prompt
    assert not document("file:///tmp/rows.jsonl", "jsonl").is_prompt


def test_only_file_addresses_have_a_path() -> None:
    assert path_of(URI) == Path("/tmp/a b.prompt")
    assert path_of("untitled:Untitled-1") is None
