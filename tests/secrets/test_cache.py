"""`apo cache`: where things are kept, how much that is, and that it can be deleted at any time."""

from __future__ import annotations

import time
from pathlib import Path

from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer


def _kept(apo: Apo) -> dict[str, object]:
    return apo("cache", "stats", "--json").object


def test_the_folder_is_named(apo: Apo) -> None:
    assert apo("cache", "path").out.strip() == apo.environ["APO_CACHE_DIR"]
    assert apo("cache", "path", "--json").object == {"path": apo.environ["APO_CACHE_DIR"]}
    assert not Path(apo.environ["APO_CACHE_DIR"]).exists(), "to ask makes no folder"


def test_what_is_kept_is_counted_and_deleted(apo: Apo, scripted: ScriptedServer) -> None:
    empty = _kept(apo)
    assert (empty["answers"], empty["runs"], empty["answer_bytes"]) == (0, 0, 0)
    assert not Path(apo.environ["APO_CACHE_DIR"]).exists(), "to count makes no file"
    assert apo("evaluate", "tickets.prompt").code == 0
    asked = len(scripted.log)
    full = _kept(apo)
    assert (full["answers"], full["runs"]) == (asked, 1)
    table = apo("cache", "stats").out
    assert f"{asked}" in table
    assert "apo cache clear" in table
    outcome = apo("cache", "clear", "--yes")
    assert (outcome.code, outcome.out) == (0, f"Deleted {asked} answers and 1 run.\n")
    cleared = _kept(apo)
    assert (cleared["answers"], cleared["runs"], cleared["run_bytes"]) == (0, 0, 0)
    assert apo("evaluate", "tickets.prompt").code == 0
    assert len(scripted.log) == 2 * asked, "what is deleted is asked for again"


def test_nothing_is_deleted_unasked(apo: Apo) -> None:
    assert apo("evaluate", "tickets.prompt").code == 0
    for more in ((), ("--json",)):
        outcome = apo("cache", "clear", *more)
        assert outcome.code == 2
        assert "Add --yes" in outcome.err
    assert _kept(apo)["runs"] == 1


def test_no_word_of_a_row_is_left(apo: Apo) -> None:
    """Deleted rows of a database lie in its file until they are written over."""
    assert apo("evaluate", "tickets.prompt").code == 0
    assert apo("cache", "clear", "--yes", "--json").object["after"]["answers"] == 0
    for path in Path(apo.environ["APO_CACHE_DIR"]).rglob("*"):
        assert not path.is_file() or b"billing" not in path.read_bytes(), path


def test_how_often_rows_were_opened_is_not_forgotten(apo: Apo) -> None:
    search = ("optimize", "tickets.prompt", "--json", "--max-calls", "300")
    first = apo(*search).object
    assert first["holdout"]["earlier_looks"] is None
    assert apo("cache", "clear", "--yes").code == 0
    assert apo(*search, "--seed", "0", "--rounds", "3").object["holdout"]["earlier_looks"] == 1


def test_a_run_under_way_goes_on(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.05
    process = apo.start("optimize", "tickets.prompt", "--json", "--max-calls", "300", "--concurrency", "4")
    while len(scripted.log) < 40:
        assert process.poll() is None
        time.sleep(0.01)
    outcome = apo("cache", "clear", "--yes")
    assert outcome.code == 0, outcome.err
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert '"verdict"' in out
