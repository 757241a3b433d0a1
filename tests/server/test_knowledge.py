"""What is known about a text is kept, found again, and never mistaken for knowledge about another."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from apo_engine.positions import Span
from apo_engine.scoring.comparison import Comparison
from apo_engine.search.events import Verdict
from apo_server.knowledge import Finding, Knowledge, KnowledgeStore, Rewrite, Row, Score, Winner, merged, rows_beside

PROMPT = Path("/somewhere/a.prompt")
COMPARISON = Comparison(0.5, 0.6, 0.1, (0.02, 0.18), 0.03, 48)
KNOWN = Knowledge(
    text="old 😀",
    score=Score("label", 0.5, (0.4, 0.6), 100, "open"),
    findings=(Finding("g", "why", Span(0, 3), "exact", 0.4, (Row(3, "r.jsonl", "a", "b", "text"),), 5),),
    rewrites=(Rewrite("c", "new 😀", "edit", ("g",), "s", 0.6, 48, COMPARISON),),
    winner=Winner("c", "new 😀", ("edit",), Verdict(COMPARISON, "adopt", "words")),
    last_job="optimize",
    rows={},
)


def test_knowledge_comes_back_as_it_was(tmp_path: Path) -> None:
    KnowledgeStore(tmp_path).save(PROMPT, KNOWN)
    assert KnowledgeStore(tmp_path).load(PROMPT, KNOWN.text) == KNOWN


def test_another_text_of_the_prompt_gives_what_was_measured_last(tmp_path: Path) -> None:
    store = KnowledgeStore(tmp_path)
    store.save(PROMPT, Knowledge(text="first", score=KNOWN.score))
    store.save(PROMPT, KNOWN)
    assert store.load(PROMPT, "edited since") == KNOWN


def test_a_prompt_that_was_renamed_keeps_what_is_known_and_ignored(tmp_path: Path) -> None:
    store, old, new = KnowledgeStore(tmp_path), tmp_path / "old.prompt", tmp_path / "new.prompt"
    old.write_text(KNOWN.text)
    store.save(old, KNOWN)
    store.ignore(old, "g")
    store.moved(old, new, ())
    assert store.load(new, "edited since") == KNOWN
    assert store.ignored(new) == {"g"}
    assert store.load(old, "edited since") is None
    store.ignore(old, "h")
    store.moved(old, new, ())
    assert store.ignored(new) == {"g", "h"}
    store.moved(new, new, ())
    store.moved(tmp_path / "unknown.prompt", old, ())
    assert store.load(new, "edited since") == KNOWN


def test_a_prompt_that_was_moved_unseen_is_known_by_its_text(tmp_path: Path) -> None:
    store, old, new = KnowledgeStore(tmp_path), tmp_path / "old.prompt", tmp_path / "new.prompt"
    old.write_text(KNOWN.text)
    store.save(old, KNOWN)
    store.ignore(old, "g")
    assert store.load(new, KNOWN.text) is None, "a copy has rows of its own"
    old.rename(new)
    assert store.load(new, "another text") is None
    assert store.load(new, KNOWN.text) == KNOWN
    assert store.ignored(new) == {"g"}


def test_what_is_known_goes_along_only_to_the_rows_it_was_measured_on(tmp_path: Path) -> None:
    for folder, rows in (("a", "one"), ("b", "other"), ("c", "one")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.jsonl").write_text(rows)
    a, b, c = (tmp_path / folder / "p.prompt" for folder in "abc")
    measured = msgspec.structs.replace(KNOWN, rows=rows_beside(tmp_path / "a", ["rows.jsonl"], ()))
    store = KnowledgeStore(tmp_path / "store")
    store.save(a, measured)
    store.ignore(a, "g")
    b.write_text(KNOWN.text)
    store.moved(a, b, ())
    assert store.load(b, KNOWN.text) is None, "nor is it taken over because the text is the same"
    assert store.ignored(b) == frozenset()
    assert store.load(a, KNOWN.text) == measured
    store.moved(a, c, ())
    assert store.load(c, KNOWN.text) == measured
    assert store.ignored(c) == {"g"}
    store.save(c, msgspec.structs.replace(measured, text="earlier", rows=None))
    store.moved(c, a, ())
    assert store.load(a, KNOWN.text) == measured
    assert store.load(c, KNOWN.text) == msgspec.structs.replace(measured, text="earlier", rows=None)


def test_rows_outside_the_folders_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "rows.jsonl").write_text("one")
    assert rows_beside(tmp_path / "a", ["../rows.jsonl"], ()) is None
    assert rows_beside(tmp_path / "a", ["../rows.jsonl"], (tmp_path,)) is not None


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    KnowledgeStore(tmp_path).save(PROMPT, KNOWN)
    (file,) = tmp_path.rglob("*.known.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_damaged_file_counts_as_not_there(tmp_path: Path) -> None:
    store = KnowledgeStore(tmp_path)
    store.save(PROMPT, KNOWN)
    for file in tmp_path.rglob("*.known.json"):
        file.write_bytes(b'{"text": 3')
    assert store.load(PROMPT, KNOWN.text) is None


def test_a_folder_that_cannot_be_written_loses_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "editor").write_text("in the way")
    store = KnowledgeStore(tmp_path)
    store.save(PROMPT, KNOWN)
    assert store.ignore(PROMPT, "g") == {"g"}
    assert store.load(PROMPT, KNOWN.text) is None


def test_ignored_critiques_stay_ignored(tmp_path: Path) -> None:
    store = KnowledgeStore(tmp_path)
    store.ignore(PROMPT, "a")
    store.ignore(PROMPT, "b")
    assert KnowledgeStore(tmp_path).ignored(PROMPT) == {"a", "b"}


def test_old_texts_are_forgotten(tmp_path: Path) -> None:
    store = KnowledgeStore(tmp_path)
    for number in range(30):
        store.save(PROMPT, Knowledge(text=f"text {number}", score=KNOWN.score))
        for file in tmp_path.rglob("*.known.json"):
            age = file.stat().st_mtime - 1
            os.utime(file, (age, age))
    assert len(list(tmp_path.rglob("*.known.json"))) == 20
    assert store.load(PROMPT, "text 29") is not None


def test_runs_on_one_text_add_up() -> None:
    evaluated = Knowledge(text=KNOWN.text, score=Score("label", 0.52, (0.4, 0.6), 105, "open"), last_job="evaluate")
    both = merged(KNOWN, evaluated)
    assert both.score == evaluated.score
    assert both.findings == KNOWN.findings
    assert both.winner == KNOWN.winner
    assert both.last_job == "evaluate"


def test_a_search_on_fewer_rows_does_not_replace_the_wider_score() -> None:
    searched = Knowledge(text=KNOWN.text, score=Score("label", 0.7, (0.4, 0.9), 32, "critique"))
    assert merged(KNOWN, searched).score == KNOWN.score


def test_knowledge_about_another_text_is_not_mixed_in() -> None:
    other = Knowledge(text="another", score=KNOWN.score)
    assert merged(KNOWN, other) == other


def test_the_best_measured_rewrite_of_a_critique_is_offered() -> None:
    worse = Rewrite("d", "worse", "paraphrase", ("g",), "s", 0.5, 48, Comparison(0.5, 0.4, -0.1, (-0.2, 0), 1, 48))
    unmeasured = Rewrite("e", "unmeasured", "edit", ("g",), "s")
    known = Knowledge(text="t", rewrites=(worse, *KNOWN.rewrites, unmeasured))
    best = known.rewrite_for("g")
    assert best is not None
    assert best.id == "c"
    assert known.rewrite_for("other") is None
