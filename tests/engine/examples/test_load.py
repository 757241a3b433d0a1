from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apo_engine.examples.example import ExampleSet
from apo_engine.examples.load import load_examples
from apo_engine.problems import InputError, Place
from apo_engine.settings import ExamplesSettings

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def load(folder: Path, name: str, data: bytes | str, **given_settings: object) -> ExampleSet:
    inputs = given_settings.pop("inputs", ())
    assert isinstance(inputs, tuple)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return load_examples(ExamplesSettings(path=name, **given_settings), folder, inputs)  # type: ignore[arg-type]


def said(examples: ExampleSet) -> list[tuple[int, str]]:
    return [(problem.place.line if problem.place else 0, problem.message) for problem in examples.problems]


def pairs(examples: ExampleSet) -> list[tuple[dict[str, str], str, int]]:
    return [(dict(row.inputs), row.expected, row.line) for row in examples.rows]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "late", "label": "shipping"}\n{"text": "a, \\"b\\"", "label": "billing"}\n'),
        ("a.ndjson", '{"text": "late", "label": "shipping"}\n{"text": "a, \\"b\\"", "label": "billing"}'),
        ("a.csv", 'text,label\nlate,shipping\n"a, ""b""",billing\n'),
        ("a.TSV", 'text\tlabel\nlate\tshipping\n"a, ""b"""\tbilling\n'),
    ],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("windows", [False, True])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, text: str, bom: bytes, windows: bool) -> None:
    data = bom + (text.replace("\n", "\r\n") if windows else text).encode()
    examples = load(tmp_path, name, data)
    first = 1 if "json" in name else 2
    assert pairs(examples) == [
        ({"text": "late"}, "shipping", first),
        ({"text": 'a, "b"'}, "billing", first + 1),
    ]
    assert (examples.columns, examples.problems) == (("text",), ())


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=8))
@SHARED_FOLDER
def test_rows_written_as_json_lines_come_back(tmp_path: Path, cells: list[tuple[str, str]]) -> None:
    rows = [{"text": text, "label": f"L{label}"} for text, label in cells if "\0" not in text + label]
    text = "".join(json.dumps(row) + "\n" for row in [*rows, {"text": "last", "label": "L"}])
    expected = {(row["text"], row["label"].strip()) for row in rows} | {("last", "L")}
    assert {(row.inputs["text"], row.expected) for row in load(tmp_path, "a.jsonl", text).rows} == expected


@given(st.binary(max_size=60), st.sampled_from(["a.jsonl", "a.csv", "a.tsv"]))
@SHARED_FOLDER
def test_any_bytes_give_rows_or_an_input_error(tmp_path: Path, data: bytes, name: str) -> None:
    try:
        examples = load(tmp_path, name, data)
    except InputError:
        return
    assert examples.rows


@given(
    st.lists(st.sampled_from([b"nope", b'{"text":"x\xff","label":"y"}', b"[1]", b'{"text":"a\0","label":"b"}', b"{"]))
)
@SHARED_FOLDER
def test_no_row_is_lost_silently(tmp_path: Path, bad: list[bytes]) -> None:
    good = [json.dumps({"text": str(number), "label": "l"}).encode() for number in range(3)]
    data = b"\n".join([good[0], *bad, good[1], good[2]])
    examples = load(tmp_path, "a.jsonl", data)
    assert [row.line for row in examples.rows] == [1, len(bad) + 2, len(bad) + 3]
    assert [line for line, _ in said(examples)] == list(range(2, len(bad) + 2))


def test_broken_json_rows_are_named_with_line_and_reason(tmp_path: Path) -> None:
    data = (
        b'{"text":"ok","label":"x"}\n\nnope\n{"text":"\xff","label":"x"}\n[1]\n{"text":"b"}\n'
        b'{"text":"z\\u0000","label":"x"}\n' + b"[" * 5000 + b"\n" + b'{"text":"also","label":"y"}'
    )
    examples = load(tmp_path, "a.jsonl", data)
    assert [row.line for row in examples.rows] == [1, 9]
    reasons = dict(said(examples))
    assert list(reasons) == [3, 4, 5, 6, 7, 8]
    assert "not valid JSON" in reasons[3]
    assert "UTF-8" in reasons[4]
    assert "not a JSON object" in reasons[5]
    assert "no answer in 'label'" in reasons[6]
    assert "NUL" in reasons[7]


def test_broken_table_rows_are_named_with_the_line_on_which_they_begin(tmp_path: Path) -> None:
    data = (
        b'text,label\r\n"two\r\nlines",x\r\na,b,c\r\n\xff,x\r\n"q"z,x\r\n'
        b'n\0,x\r\n\r\nok,y\r\n"open,z\r\nswallowed,z\r\n'
    )
    examples = load(tmp_path, "a.csv", data)
    assert pairs(examples) == [({"text": "two\r\nlines"}, "x", 2), ({"text": "ok"}, "y", 9)]
    reasons = dict(said(examples))
    assert list(reasons) == [4, 5, 6, 7, 10]
    assert "3 cells" in reasons[4]
    assert "never closed" in reasons[10]


@pytest.mark.parametrize(
    ("name", "head", "good", "long"),
    [
        ("a.jsonl", b"", b'{"text":"%d","label":"x"}\n', b'{"text":"' + b"a" * 10_000_000 + b'","label":"x"}\n'),
        ("a.csv", b"text,label\n", b"%d,x\n", b"a" * 10_000_000 + b",x\n"),
        ("a.csv", b"text,label\n", b"%d,x\n", b'"' + b"a" * 200_000 + b'",x\n'),
    ],
)
def test_a_row_of_ten_megabytes_neither_harms_the_rest_nor_fills_the_memory(
    tmp_path: Path, name: str, head: bytes, good: bytes, long: bytes
) -> None:
    (tmp_path / name).write_bytes(head + good % 1 + long + good % 2)
    tracemalloc.start()
    examples = load_examples(ExamplesSettings(path=name), tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.inputs["text"] for row in examples.rows] == ["1", "2"]
    assert len(examples.problems) == 1
    assert peak < 8_000_000


def test_scalars_become_their_json_text(tmp_path: Path) -> None:
    data = '{"n": 3, "f": 1.5, "b": true, "z": null, "l": [1, "a"], "label": false}\n'
    (row,) = load(tmp_path, "a.jsonl", data).rows
    assert row.inputs == {"n": "3", "f": "1.5", "b": "true", "z": "", "l": '[1,"a"]'}
    assert row.expected == "false"


@pytest.mark.parametrize("column", ["label", "expected", "__expected"])
def test_the_answers_column_is_found_by_its_usual_names(tmp_path: Path, column: str) -> None:
    examples = load(tmp_path, "a.csv", f"text,__description,{column}\na,note,x\n")
    assert pairs(examples) == [({"text": "a"}, "x", 2)]


def test_columns_can_be_named_and_mapped_to_inputs(tmp_path: Path) -> None:
    examples = load(tmp_path, "a.csv", "body,queue,label\nhi,q,l\n", expected="queue", input={"text": "body"})
    assert pairs(examples) == [({"text": "hi", "label": "l"}, "q", 2)]
    assert examples.columns == ("text", "label")


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"expected": "lable"}, r"has no column 'lable'\. Did you mean 'label'\?"),
        ({"input": {"q": "txet"}}, r"has no column 'txet'\. Did you mean 'text'\?"),
        ({"inputs": ("question",)}, r"has no column 'question'\. It has text, label\."),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_wrong_column_is_said_once(
    tmp_path: Path, name: str, given_settings: dict[str, object], message: str
) -> None:
    data = "text,label\na,x\nb,y\n" if name == "a.csv" else '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n'
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, name, data, **given_settings)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", "", "has no rows"),
        ("a.jsonl", "\n \n", "has no rows"),
        ("a.csv", "", "it is empty"),
        ("a.csv", "text,label\n", "has no rows"),
        ("a.csv", "text,text\na,b\n", "names 'text' twice"),
        ("a.csv", "text,answer\na,b\n", "has no column label, expected or __expected"),
        ("a.jsonl", "nope\n", "No row of the example file .* can be used"),
        ("a.xlsx", "x", r"of the kind '\.xlsx' cannot be read.*Use one of \.jsonl"),
    ],
)
def test_a_set_without_rows_is_an_input_error(tmp_path: Path, name: str, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, name, data)


def test_a_missing_file_is_said_at_the_place_that_names_it(tmp_path: Path) -> None:
    place = Place(Path("triage.prompt"), 3, 15)
    with pytest.raises(InputError, match=r"triage\.prompt:3:15: There is no example file .*none\.jsonl"):
        load_examples(ExamplesSettings(path="none.jsonl"), tmp_path, (), place)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="There is no example file"):
        load_examples(ExamplesSettings(path="folder.csv"), tmp_path)


def test_exact_duplicates_count_once_and_contradictions_are_said(tmp_path: Path) -> None:
    examples = load(tmp_path, "a.csv", "text,label\na,x\nb,y\na,x\na,y\n")
    assert [(row.inputs["text"], row.expected) for row in examples.rows] == [("a", "x"), ("b", "y"), ("a", "y")]
    assert said(examples) == [
        (4, "This row repeats line 2; it counts once."),
        (5, "The same input has two answers: 'x' on line 2, 'y' here."),
    ]


def test_problems_are_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    examples = load(tmp_path, "a.csv", "text,label\na,x\n" + "a,b,c\n" * 1000)
    assert len(examples.problems) == 201
    assert examples.problems[-1].message == "800 more rows have problems."


def test_ids_and_fingerprints_follow_the_content(tmp_path: Path) -> None:
    one = load(tmp_path, "a.csv", "text,label\na,x\nb,y\n")
    same = load(tmp_path, "b.jsonl", '{"label":"x","text":"a"}\n\n{"label":"y","text":"b"}\n')
    other = load(tmp_path, "c.csv", "text,label\na,x\nb,z\n")
    assert [row.id for row in one.rows] == [row.id for row in same.rows]
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert len({row.id for row in (*one.rows, *other.rows)}) == 3


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        (["b", "a", "b", "a"], ("b", "a")),
        (["a", "b", "c"], ()),
        (["x" * 41] * 4, ()),
        ([str(n) for n in range(21)] * 3, ()),
    ],
)
def test_labels_are_few_short_answers_that_repeat(tmp_path: Path, answers: list[str], labels: tuple[str, ...]) -> None:
    data = "text,label\n" + "".join(f"{number},{answer}\n" for number, answer in enumerate(answers))
    assert load(tmp_path, "a.csv", data).labels == labels


def test_a_given_hold_out_is_marked_and_wins_over_a_repeated_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "held.jsonl").write_text('{"text":"c","label":"x"}\n{"text":"a","label":"x"}\n')
    examples = load_examples(ExamplesSettings(train="train.csv", holdout="held.jsonl"), tmp_path)
    held = {row.id: row.inputs["text"] for row in examples.rows if row.id in (examples.holdout or ())}
    assert sorted(held.values()) == ["a", "c"]
    assert said(examples) == [(2, "This row repeats line 2 of train.csv; it counts once, as a hold-out row.")]
    assert load_examples(ExamplesSettings(train="train.csv"), tmp_path).holdout is None
