"""`apo runs` and `apo report` as processes: what was run, and one run as a page."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

from tests.cli.conftest import Apo, Finished, Outcome, store_events, stored_events


def test_the_runs_are_listed_the_latest_first(again: Apo, adopted: Finished) -> None:
    time.sleep(0.05)
    assert again("gradients", "tickets.prompt").code == 0
    (seed,) = (branch for branch in again("report", "--json").object["branches"] if branch["operator"] == "seed")
    assert seed["score"] is not None
    found = again("runs", "--json").object["runs"]
    assert [run["job"] for run in found] == ["gradients", "optimize"]
    searched = adopted.outcome.object
    assert found[1]["run"] == searched["run"]
    assert found[1]["verdict"] == "adopt"
    assert found[1]["difference"] == searched["holdout"]["difference"]
    assert all(run["finished"] and run["file"].endswith("tickets.prompt") for run in found)


def test_the_list_fits_a_terminal_and_says_how_to_go_on(again: Apo) -> None:
    shown = again("runs", COLUMNS="80", TERM="xterm")
    assert shown.code == 0
    assert max(len(line) for line in shown.out.splitlines()) <= 80
    assert "optimize" in shown.out
    assert re.search(r"adopt: \+\d+\.\d points", shown.out)
    assert shown.out.rstrip().endswith("See one: apo report RUN")


def test_an_empty_history_says_how_to_begin(apo: Apo) -> None:
    assert apo("runs").out == "Nothing was run yet. Begin with: apo evaluate FILE\n"
    failed = apo("report")
    assert failed.code == 2
    assert "There is no run yet." in failed.err


def test_the_report_tells_what_the_run_told(again: Apo, adopted: Finished) -> None:
    searched = adopted.outcome.object
    found = again("report", searched["run"][:6], "--json").object
    assert found["run"] == searched["run"]
    branches = {branch["id"]: branch for branch in found["branches"]}
    assert branches[found["prompt"]]["text"] == searched["start"]["prompt"]
    best = branches[found["best"]]
    assert best["text"] == searched["best"]["prompt"]
    assert (best["against"]["best"], best["against"]["n"]) == (searched["best"]["score"], searched["best"]["n"])
    assert all(branch["parent"] in branches for branch in found["branches"] if branch["id"] != found["prompt"])
    assert found["verdict"]["comparison"]["difference"] == searched["holdout"]["difference"]
    assert found["spent"]["calls"]["task"] == searched["calls"]["task"]
    assert found["caps"]["calls"] == 1000
    assert [point["round"] for point in found["points"]] == list(range(1, len(found["points"]) + 1))
    assert found["discarded"] == searched["discarded"]


def test_confusion_and_changes_count_the_same_open_rows(again: Apo) -> None:
    found = again("report", "--json").object
    before, after = ([n for answers in found[side].values() for n in answers.values()] for side in ("before", "after"))
    assert sum(before) == sum(after) == found["compared"] > 0
    right = [sum(found[side][label].get(label, 0) for label in found["labels"]) for side in ("before", "after")]
    better = sum(change["better"] for change in found["changes"])
    worse = len(found["changes"]) - better
    assert right[1] - right[0] == better - worse > 0
    assert [change["better"] for change in found["changes"]] == sorted(change["better"] for change in found["changes"])
    rows = [json.loads(line) for line in (again.folder / "tickets.jsonl").read_text().splitlines()]
    for change in found["changes"]:
        assert rows[change["line"] - 1]["label" if "label" in rows[0] else "expected"] == change["expected"]


def test_a_run_that_has_just_begun_has_no_confusion_to_show(again: Apo) -> None:
    store_events(again, stored_events(again)[:1], finished=False)
    found = again("report", "--json").object
    assert found["labels"]
    assert (found["compared"], found["before"], found["after"]) == (0, {}, {})


def test_failing_rows_are_those_that_the_evaluation_names(again: Apo) -> None:
    named = again("evaluate", "tickets.prompt", "--json").object["failing"]
    found = again("report", "--json").object["failing"]
    assert sorted((row["line"], row["expected"]) for row in named) == [(row["line"], row["expected"]) for row in found]
    assert found


def test_sealed_rows_are_in_no_list(again: Apo, adopted: Finished) -> None:
    found = again("report", "--json").object
    assert found["rows"]["holdout"] == adopted.outcome.object["holdout"]["n"]
    assert found["compared"] <= found["rows"]["selection"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.policy = ""
        self.fetched: list[str] = []
        self.inside = ""
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inside = given.get("id") or tag
        self.policy += (given.get("content") or "") if given.get("http-equiv") == "Content-Security-Policy" else ""
        self.fetched += [value for name in ("src", "href") if (value := given.get(name))]

    def handle_data(self, data: str) -> None:
        self.texts[self.inside] = self.texts.get(self.inside, "") + data


def _written(outcome: Outcome, folder: Path) -> str:
    assert outcome.code == 0, outcome.err
    return (folder / outcome.out.strip()).read_text("utf-8")


def test_the_page_needs_nothing_else_and_runs_nothing_else(again: Apo) -> None:
    text = _written(again("report"), again.folder)
    page = _Page()
    page.feed(text)
    assert page.fetched == []
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in page.policy
    assert json.loads(page.texts["report"]) == again("report", "--json").object


def test_what_a_model_or_row_says_stays_data_in_the_page(again: Apo, adopted: Finished) -> None:
    hostile = "</script><script>alert(1)</script><!-- &amp;"
    events = [json.loads(event) for event in stored_events(again)]
    for event in events:
        if event["event"] == "GradientFound":
            event["gradient"]["critique"] = hostile
    store_events(again, [json.dumps(event).encode() for event in events])
    text = _written(again("report"), again.folder)
    page = _Page()
    page.feed(text)
    data = json.loads(page.texts["report"])
    assert data["critiques"][0]["critique"] == hostile
    assert "alert(1)</script>" not in text


def test_a_run_that_broke_off_is_told_as_far_as_it_came(again: Apo) -> None:
    events = stored_events(again)
    store_events(again, events[: len(events) // 2], finished=False)
    (run,) = again("runs", "--json").object["runs"]
    assert (run["finished"], run["state"]) == (False, "unfinished")
    assert "unfinished" in again("runs").out
    outcome = again("report")
    assert "This run has not ended" in outcome.err
    assert _written(outcome, again.folder)


def test_events_of_another_version_are_left_out_and_said(again: Apo) -> None:
    events = stored_events(again)
    other = [json.dumps({"event": "RowsRanked", "ranks": [1]}).encode(), b"\xff\xfe"]
    more = [json.dumps({**json.loads(event), "added": {"later": 1}}).encode() for event in events]
    store_events(again, [more[0], *other, *more[1:]])
    found = again("report", "--json").object
    assert "2 events of this run come from another version of this program and are left out." in found["notes"]
    assert found["verdict"]["decision"] == "adopt"
    store_events(again, other)
    assert again("runs", "--json").object["runs"] == []
    failed = again("report")
    assert failed.code == 2
    assert "has no event that this version can read" in failed.err


def test_runs_are_never_overwritten_and_a_name_that_means_several_is_asked_for_in_full(
    again: Apo, adopted: Finished
) -> None:
    first = adopted.outcome.object["run"]
    assert again("optimize", "tickets.prompt", "--json").object["run"] != first
    found = again("runs", "--json").object["runs"]
    assert len(found) == 2
    assert found[1]["run"] == first
    failed = again("report", "0")
    assert failed.code == 2
    assert "2 runs begin with '0'." in failed.err
    assert again("report", first.lower(), "--json").object["run"] == first
    assert again("report", "zzz").code == 2


def test_a_page_that_cannot_be_written_says_so(again: Apo) -> None:
    failed = again("report", "-o", str(again.folder / "nowhere" / "page.html"))
    assert failed.code == 2
    assert "The page cannot be written" in failed.err
    assert "-o" in failed.err
