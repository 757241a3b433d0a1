from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apo_engine.examples.load import load_examples
from apo_engine.examples.survey import RowCheck, survey
from apo_engine.problems import InputError, Place, Severity
from apo_engine.settings import ExamplesSettings

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
LONG = "Since the storm a window in the bedroom does not close any more, and it rains in."


def look(folder: Path, text: str | bytes, name: str = "a.jsonl", **given_settings: object) -> RowCheck:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    named = {key: given_settings.pop(key) for key in ("inputs", "labels", "buffers") if key in given_settings}
    return survey(ExamplesSettings(path=name, **given_settings), folder, **named)  # type: ignore[arg-type]


def lines(*rows: Mapping[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row(text: str, label: str = "x") -> dict[str, object]:
    return {"text": text, "label": label}


def said(check: RowCheck) -> list[tuple[int, str]]:
    return [(problem.place.line if problem.place else 0, problem.code) for problem in check.problems]


def test_facts_name_columns_labels_and_where_they_first_stand(tmp_path: Path) -> None:
    text = lines(
        {"body": "one\n two", "label": "x"}, {"body": "three", "label": "y", "who": "me"}, {"body": "4", "label": "x"}
    )
    facts = look(tmp_path, text + lines({"body": "5", "label": "y"}), input={"text": "body"}).facts
    assert facts is not None
    assert [(file.rows, file.held_out) for file in facts.files] == [(4, False)]
    columns = [(column.name, column.column, column.line, column.values) for column in facts.columns]
    assert columns == [("text", "body", 1, ("one two", "three", "4")), ("who", "who", 2, ("me",))]
    assert [(label.text, label.rows, label.line) for label in facts.labels] == [("x", 2, 1), ("y", 2, 2)]
    assert (facts.expected, facts.complete, facts.rows) == ("label", True, 4)


def test_a_tables_columns_stand_in_its_header(tmp_path: Path) -> None:
    facts = look(tmp_path, "\n\ntext,queue\na,x\nb,y\n", "a.csv", expected="queue").facts
    assert facts is not None
    assert [(column.name, column.line) for column in facts.columns] == [("text", 3)]
    assert facts.expected == "queue"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
@given(
    data=st.one_of(
        st.binary(max_size=80),
        st.text(alphabet='{}[]":,\n\r\t atextlb1é\u200b"\\', max_size=80).map(lambda text: text.encode()),
        st.lists(
            st.sampled_from(
                [b'{"text":"a b","label":"x"}', b'{"label":"x"}', b'{"text":"A, B","label":"y"}', b"x,y", b'"']
            ),
            max_size=12,
        ).map(b"\n".join),
    )
)
@SHARED_FOLDER
def test_any_bytes_give_problems_inside_the_file(tmp_path: Path, name: str, data: bytes) -> None:
    check = look(tmp_path, data, name, inputs=("text",))
    last = data.replace(b"\r\n", b"\n").count(b"\n") + data.count(b"\r") + 1
    for problem in check.problems:
        assert problem.message
        if problem.place is not None:
            assert problem.place.path == tmp_path / name
            assert 1 <= problem.place.line <= last
    assert check.facts is None or all(1 <= column.line <= last for column in check.facts.columns)


@given(
    st.lists(
        st.sampled_from(['{"text":"%d","label":"x"}', "nope", '{"text":"%d"}', '{"label":"x"}', "[]"]), max_size=30
    )
)
@SHARED_FOLDER
def test_a_run_uses_the_rows_that_the_survey_counts(tmp_path: Path, kinds: list[str]) -> None:
    text = "\n".join(kind.replace("%d", str(number)) for number, kind in enumerate(kinds))
    check = look(tmp_path, text, inputs=("text",))
    try:
        used = len(load_examples(ExamplesSettings(path="a.jsonl"), tmp_path, ("text",)).rows)
    except InputError:
        return
    assert check.facts is not None
    assert check.facts.rows == used


def test_rows_that_cannot_be_used_say_why_at_their_line(tmp_path: Path) -> None:
    text = lines(row("a")) + "oops\n" + lines({"text": "b"}, {"label": "x"})
    check = look(tmp_path, text, inputs=("text",))
    assert said(check) == [(2, "row-unusable"), (3, "row-unusable"), (4, "row-unusable")]
    assert [problem.severity for problem in check.problems] == [Severity.WARNING] * 3
    assert "no answer in 'label'" in check.problems[1].message
    assert "no 'text'" in check.problems[2].message


def test_rows_before_the_first_that_has_an_input_lack_it_too(tmp_path: Path) -> None:
    check = look(tmp_path, lines({"label": "x"}, {"label": "x"}, row("a")), inputs=("text",))
    assert said(check) == [(1, "row-unusable"), (2, "row-unusable")]
    assert check.facts is not None
    assert check.facts.rows == 1


def test_an_input_that_no_row_has_is_left_to_where_the_prompt_reads_it(tmp_path: Path) -> None:
    check = look(tmp_path, lines(row("a"), row("b")), inputs=("question",))
    assert check.problems == ()
    assert check.facts is not None
    assert [column.name for column in check.facts.columns] == ["text"]


@pytest.mark.parametrize(
    ("text", "name", "given_settings", "code"),
    [
        ("", "a.jsonl", {}, "examples-empty"),
        ("text,label\n", "a.csv", {}, "examples-empty"),
        ("", "a.csv", {}, "examples-empty"),
        ("x", "a.xlsx", {}, "examples-kind"),
        (lines(row("a")), "a.jsonl", {"expected": "lable"}, "column-missing"),
        (lines(row("a")), "a.jsonl", {"input": {"q": "txet"}}, "column-missing"),
        (lines({"text": "a"}), "a.jsonl", {}, "column-missing"),
    ],
)
def test_what_is_wrong_with_a_whole_file_is_said_in_the_prompt(
    tmp_path: Path, text: str, name: str, given_settings: dict[str, object], code: str
) -> None:
    (tmp_path / name).write_text(text)
    place = Place(Path("triage.prompt"), 3, 15)
    check = survey(ExamplesSettings(path=name, **given_settings), tmp_path, place=place)  # type: ignore[arg-type]
    (problem,) = check.problems
    assert (problem.code, problem.place, problem.severity) == (code, place, Severity.ERROR)


def test_a_missing_file_is_said_and_the_other_is_read(tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("text,label\na,x\n")
    check = survey(ExamplesSettings(train="none.csv", holdout="held.csv"), tmp_path)
    assert [problem.code for problem in check.problems] == ["examples-missing"]
    assert check.facts is not None
    assert [file.held_out for file in check.facts.files] == [True]


def test_an_unsaved_text_is_read_in_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    check = look(tmp_path, lines(row("a")), buffers={path: lines(row("b", "y")) + "oops"})
    assert said(check) == [(2, "row-unusable")]
    path.unlink()
    assert survey(ExamplesSettings(path="./a.jsonl"), tmp_path, buffers={path: lines(row("c"))}).facts is not None


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (row("a"), row("a"), "row-duplicate"),
        (row("a"), row("a", "y"), "row-contradiction"),
        (row("I was charged twice!"), row("i was charged\ttwice"), "row-near-duplicate"),
        (row("I was charged twice!"), row("i was charged  twice", "y"), "row-contradiction"),
        (row(LONG), row(LONG.replace("bedroom", "bathroom")), "row-near-duplicate"),
        (row(LONG), row(LONG.replace("bedroom", "bathroom"), "y"), "row-near-contradiction"),
        (row("Café\u200b, s'il vous plaît"), row("café s'il vous plaît"), "row-near-duplicate"),
        (row("3 + 5"), row("35"), None),
        (row("1.5 kg"), row("15 kg"), None),
        (row("1 5"), row("15"), None),
        (row("-5 degrees"), row("5 degrees"), None),
        (row("a < b"), row("a > b"), None),
        (row("5 - 3"), row("53"), None),
        (row("My e-mail of 5 May"), row("my email of 5 may"), "row-near-duplicate"),
        (row("Grüße per E-Mail!"), row("grüße per email"), "row-near-duplicate"),
        (row("!!!"), row("???"), None),
        (row("so good 😀"), row("so good 😡"), None),
        (row("Turn the light on"), row("Turn the light off", "y"), None),
        (row(f"{LONG} Flat 12"), row(f"{LONG} Flat 13"), None),
    ],
)
def test_rows_that_repeat_another(
    tmp_path: Path, first: dict[str, object], second: dict[str, object], found: str | None
) -> None:
    check = look(tmp_path, lines(first, row("Nothing of the kind", "y"), second))
    assert said(check) == ([(3, found)] if found else [])
    if found:
        assert "line 1" in check.problems[0].message


def test_a_repeated_row_counts_once(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\na,x\n")
    (tmp_path / "held.csv").write_text("text,label\nB,y\na,x\n")
    check = survey(ExamplesSettings(train="train.csv", holdout="held.csv"), tmp_path)
    assert check.facts is not None
    assert [file.rows for file in check.facts.files] == [1, 2]
    assert [(p.place.path.name, p.place.line, p.code) for p in check.problems if p.place and p.place.path] == [
        ("train.csv", 4, "row-duplicate"),
        ("held.csv", 2, "row-near-duplicate"),
        ("held.csv", 3, "row-duplicate"),
    ]
    assert "line 3 of train.csv" in check.problems[1].message
    assert "held out" in check.problems[1].message


def test_an_answer_that_the_schema_does_not_declare(tmp_path: Path) -> None:
    check = look(tmp_path, lines(row("a", "billing"), row("b", "Biling")), labels=("billing", "shipping"))
    assert said(check) == [(2, "label-unknown")]
    assert "'Biling'" in check.problems[0].message
    assert check.problems[0].remedy == "Did you mean 'billing'?"


@pytest.mark.parametrize(
    ("rare", "often", "found"),
    [
        ("Biling", "billing", "misspelling of 'billing', which 60 rows have"),
        ("Billing", "billing", "in case or space alone from 'billing'"),
        ("tech nical", "technical", "in case or space alone from 'technical'"),
        ("billing\u200b", "billing", "'billing<U+200B>' looks like"),
        ("atypical", "typical", None),
        ("grade 2", "grade 1", None),
        ("cat", "car", None),
        ("shipping", "billing", None),
    ],
)
def test_a_rare_answer_that_looks_like_a_slip(tmp_path: Path, rare: str, often: str, found: str | None) -> None:
    rows = [row(f"row {number}", often) for number in range(60)]
    check = look(tmp_path, lines(*rows[:30], row("slip", rare), *rows[30:]))
    if found is None:
        assert check.problems == ()
        return
    assert said(check) == [(31, "label-misspelt")]
    assert found in check.problems[0].message


def test_a_second_label_that_is_as_frequent_is_no_slip(tmp_path: Path) -> None:
    rows = [row(f"row {number}", ("billing", "filling")[number % 2]) for number in range(40)]
    assert look(tmp_path, lines(*rows)).problems == ()


def test_what_cannot_be_seen_is_shown_by_its_number(tmp_path: Path) -> None:
    check = look(tmp_path, lines(row("a\u202eb", "x\u200b"), row("a\u202eb", "y\u202e")))
    (problem,) = check.problems
    assert problem.message == "The same input has two answers: 'x<U+200B>' on line 1, 'y<U+202E>' here."
    assert check.facts is not None
    assert check.facts.columns[0].values == ("a<U+202E>b",)


def test_findings_are_bounded_in_the_order_of_lines_and_the_rest_is_counted(tmp_path: Path) -> None:
    text = "".join("nope\n" if number % 2 else lines({"text": str(number)}) for number in range(900))
    check = look(tmp_path, lines(row("a")) + text)
    assert [line for line, _ in said(check)[:200]] == list(range(2, 202))
    assert said(check)[200:] == [(201, "rows-unsaid")]
    assert check.problems[-1].message == "There are 700 more findings in the rows of this file."


def test_rows_past_the_bounds_are_counted_and_said_to_be_unchecked(tmp_path: Path) -> None:
    rows = [row(f"{number} of a kind {number * 7919}", "xy"[number % 2]) for number in range(20_010)]
    check = look(tmp_path, lines(*rows, row("0 of  a kind 0", "x")))
    assert check.facts is not None
    assert (check.facts.rows, check.facts.complete) == (20_011, False)
    assert said(check) == [(20_011, "row-near-duplicate")]


MEASURED = """
import resource, sys, time
from pathlib import Path
from apo_engine.examples.survey import survey
from apo_engine.settings import ExamplesSettings
begun = time.process_time()
check = survey(ExamplesSettings(path=sys.argv[1]), Path(sys.argv[2]), inputs=("text",))
print(check.facts.rows, time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measured(folder: Path, count: int) -> tuple[int, float, int]:
    """The rows that a process of its own found, and what it needed: seconds of its processor, and kilobytes."""
    words = [
        "invoice",
        "parcel",
        "statement",
        "courier",
        "refund",
        "address",
        "coupon",
        "customs",
        "ticket",
        "letter",
        "order",
        "bill",
    ]
    with (folder / "many.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            mixed = " ".join(words[(number * step + number // 7) % 12] for step in range(1, 9))
            file.write(json.dumps(row(f"{mixed} {number}", ("x", "y")[number % 2])) + "\n")
    command = [sys.executable, "-c", MEASURED, "many.jsonl", str(folder)]
    rows, seconds, peak = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return int(rows), float(seconds), int(peak)


def test_many_rows_take_little_time_and_bounded_memory(tmp_path: Path) -> None:
    rows, seconds, few = measured(tmp_path, 10_000)
    assert (rows, seconds < 2.5) == (10_000, True)
    rows, seconds, many = measured(tmp_path, 100_000)
    assert (rows, seconds < 10) == (100_000, True)
    # A row costs some 70 bytes at the peak; as an object it would cost a kilobyte.
    assert (many - few) * 1024 < 90_000 * 300
