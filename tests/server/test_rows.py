"""The line that a hover shows of a row."""

from __future__ import annotations

from pathlib import Path

from apo_server.rows import excerpts


def test_rows_of_json_show_their_inputs_without_the_answer(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('\ufeff{"text": "first", "label": "a"}\n{"label": "b", "text": "second\\nline", "n": 3}\n', "utf-8")
    assert excerpts(file, {1: "a", 2: "b"}, (tmp_path,)) == {1: "first", 2: "second line · 3"}


def test_rows_of_a_table_are_found_by_the_line_they_begin_on(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b'text,label\r\n"two\r\nlines",a\r\nlast,b\r\n')
    assert excerpts(file, {2: "a", 4: "b"}, (tmp_path,)) == {2: "two lines", 4: "last"}


def test_long_rows_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "' + "x" * 200_000 + '"}\n', "utf-8")
    assert len(excerpts(file, {1: ""}, (tmp_path,))[1]) == 80


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert excerpts(tmp_path / "missing.jsonl", {1: "a"}, (tmp_path,)) == {}
    broken = tmp_path / "rows.jsonl"
    broken.write_bytes(b"\xff\xfe not json\n")
    assert excerpts(broken, {1: "a", 9: "b"}, (tmp_path,)).keys() == {1}
