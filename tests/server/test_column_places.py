"""The name of a column is found where the file names it, and nowhere that merely reads alike."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from apo_engine.examples.facts import ColumnFacts, ExampleFacts, FileFacts
from apo_server.column_places import column_at, column_places
from apo_server.documents import Document, Documents
from apo_server.positions import Encoding, PositionMapper
from apo_server.texts import Texts

TEXTS = Texts(Documents, lambda: (Path("/"),))
WORDS = st.text(st.sampled_from('ab ,"\\é😀{}[]:\t'), max_size=6).map(str.strip)


def found(path: Path, content: str, column: str, encoding: Encoding = "utf-16") -> tuple[int, str]:
    """The offset at which a file names a column, and what stands there."""
    path.write_text(content, "utf-8")
    facts = ExampleFacts((FileFacts(str(path), 1),), (ColumnFacts(column, column, 1, ()),), None, ())
    place = next(iter(column_places(facts, column, TEXTS, encoding)), None)
    assert place is not None
    span = PositionMapper(content, encoding).span(place.range)
    return span.start, span.of(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content", "column", "at"),
    [
        ("rows.csv", "😀data,a\n1,2\n", "a", (6, "a")),
        ("rows.csv", '"a, b", a\n1,2\n', "a", (8, "a")),
        ("rows.csv", '"say ""a""",a\n1,2\n', 'say "a"', (1, 'say ""a""')),
        ("rows.tsv", "a,b\ta\n1\t2\n", "a", (4, "a")),
        ("rows.jsonl", '{"kind": "a", "a" : 1}', "a", (15, "a")),
        ("rows.jsonl", '{"😀": {"a": 1}, "x": "\\"a\\": ", "a": 1}', "a", (33, "a")),
        ("rows.jsonl", '{"\\u0061": 1}', "a", (2, "\\u0061")),
        ("rows.jsonl", '{"b": 1}', "a", (0, "")),
    ],
)
def test_a_column_is_found_by_its_whole_name(
    tmp_path: Path, name: str, content: str, column: str, at: tuple[int, str], encoding: Encoding
) -> None:
    assert found(tmp_path / name, content, column, encoding) == at


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS.filter(bool), min_size=1, max_size=5, unique=True), WORDS, st.data())
def test_the_columns_of_any_file_are_found_in_order(
    tmp_path: Path, names: list[str], value: str, data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        path, content = tmp_path / "rows.jsonl", json.dumps(dict.fromkeys(names, value), ensure_ascii=False)
        written = [json.dumps(name, ensure_ascii=False)[1:-1] for name in names]
    else:
        table = io.StringIO()
        csv.writer(table, quoting=csv.QUOTE_ALL).writerow(names)  # noqa: TID251
        path, content = tmp_path / "rows.csv", table.getvalue()
        written = [name.replace('"', '""') for name in names]
    places = [found(path, content, name) for name in names]
    assert [text for _, text in places] == written
    assert [at for at, _ in places] == sorted({at for at, _ in places})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("rows.jsonl", '{"😀": 1, ‸"size": "x"}', ("size", "size")),
        ("rows.jsonl", '{"😀": 1, "si‸ze": "x"}', ("size", "size")),
        ("rows.jsonl", '{"a": "size", "size": "x‸"}', ("size", "size")),
        ("rows.jsonl", '{"a": "size"‸, "size": "x"}', ("a", "a")),
        ("rows.jsonl", '{"a": {"size": ‸1}}', ("a", "a")),
        ("rows.jsonl", '{"a": 1}\n{"\\u0061": ‸1}', ("\\u0061", "a")),
        ("rows.jsonl", "no ‸json", None),
        ("rows.jsonl", '‸ {"a": 1}', None),
        ("rows.csv", "\ufefftext‸,size\na,b\n", ("text", "text")),
        ("rows.csv", 'text,size\n"😀, a",b‸\n', ("b", "size")),
        ("rows.csv", "text,size\na‸,b\n", ("a", "text")),
        ("rows.csv", "text,size\na,b,c‸\n", ("b", "size")),
        ("rows.tsv", "text\tsize\na\t‸b\n", ("b", "size")),
        ("rows.csv", "‸", ("", "")),
    ],
)
def test_the_column_under_a_caret_is_that_of_its_name_or_value(
    name: str, content: str, column: tuple[str, str] | None, encoding: Encoding
) -> None:
    at = content.index("‸")
    document = Document((Path("/x") / name).as_uri(), "data", 1, content.replace("‸", ""), encoding)
    there = column_at(document, document.positions.position(at))
    assert (there and (document.positions.span(there[0]).of(document.text), there[1])) == column


@given(st.text(max_size=40), st.integers(0, 5), st.integers(0, 50), st.sampled_from(["a.jsonl", "a.csv", "a.tsv", "a"]))
def test_no_text_and_no_caret_is_too_broken(text: str, line: int, character: int, name: str) -> None:
    document = Document((Path("/x") / name).as_uri(), "data", 1, text, "utf-16")
    column_at(document, types.Position(line, character))
