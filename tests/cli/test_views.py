"""What people read of events and results, from events made by hand."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from apo_engine.cli import figures, words
from apo_engine.cli.diff import unified
from apo_engine.cli.progress import LiveView
from apo_engine.cli.render_optimization import print_optimization
from apo_engine.cli.tables import confusion
from apo_engine.cli.transcript import Transcript
from apo_engine.evaluation.figures import Figures
from apo_engine.positions import Span
from apo_engine.problems import Severity
from apo_engine.runs.results import Optimization
from apo_engine.scoring.comparison import Comparison
from apo_engine.search.candidate import Candidate, Operator
from apo_engine.search.events import (
    AnyEvent,
    CandidateDiscarded,
    CandidateProposed,
    Destination,
    Estimate,
    GradientFound,
    HoldoutOpened,
    Noted,
    Progressed,
    RoundEnded,
    RoundStarted,
    RowCounts,
    RunStarted,
    Spent,
    Standing,
    Stopped,
    Verdict,
)
from apo_engine.search.gradient import Gradient

SEED = Candidate("seed", "Pick a queue.\nAnswer with its name.\n", "seed")
BEST = Candidate("best", "Pick the queue.\nAnswer with its name.\n", "edit", 1, "seed")
SPENT = Spent({"task": 900, "gradient": 12}, 100, 250_000, 9_000, 0.0321)


FAR = Destination("task", "openai/gpt-4.1-mini", "api.openai.com", RowCounts(96, 72, 72), encrypted=True)


def started(local: bool = False, usd: float | None = 0.12, judge: str | None = None) -> RunStarted:
    return RunStarted(
        run="r1", job="optimize", prompt=SEED, task_model="openai/gpt-4.1-mini", optimizer_model="openai/gpt-4.1",
        destinations=() if local else (FAR,), metric="label", labels=("a", "b"), rows=RowCounts(96, 72, 72),
        estimate=Estimate(1000, 400_000, usd), seed=0, judge_model=judge,
    )  # fmt: skip


def gradient(name: str, critique: str = "It leaves out refunds.") -> Gradient:
    return Gradient(name, critique, "Pick a queue.", Span(0, 13), "exact", ("x1", "x2"), 0.25, "model")


EVENTS: list[AnyEvent] = [
    started(),
    Noted("Two rows were left out.", Severity.WARNING),
    Progressed("Scoring your prompt", 0, 104),
    Progressed("Scoring your prompt", 104, 104, SPENT),
    RoundStarted(1, ("seed",)),
    *(GradientFound("seed", gradient(f"g{number}", f"Reason {number}.")) for number in range(6)),
    CandidateProposed(BEST),
    CandidateDiscarded("seed", "edit", ("g1",), "too long (9,120 characters)"),
    CandidateDiscarded("seed", "edit", ("g2",), "too long (8,001 characters)"),
    CandidateDiscarded("seed", "edit", ("g3",), "copies the text of a row"),
    RoundEnded(1, (Standing("best", 0.75, 48), Standing("seed", 0.5, 48)), SPENT),
    HoldoutOpened(72, 2),
]


def seen(events: list[AnyEvent], width: int = 100, *, terminal: bool = False) -> str:
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=terminal, markup=False, highlight=False, emoji=False)
    with LiveView(Path("tickets.prompt"), console) as view:
        for event in events:
            view.read(event)
    return written.getvalue()


def test_the_way_is_told_line_by_line() -> None:
    told = seen(EVENTS)
    for line in (
        "At most 1,000 calls of openai/gpt-4.1-mini and openai/gpt-4.1, about 0.4 M tokens, about $0.12.",
        "96 rows to criticise, 72 to select by, 72 sealed for the verdict",
        "Warning: Two rows were left out.",
        "Scoring your prompt (104)",
        "  tickets.prompt:1:1  explains 2 rows, 25 % of the failures",
        "    “Pick a queue.”",
        "    Reason 0.",
        "  2 more critiques · 1 new prompt · 3 rewrites discarded (2 × too long, 1 × copies the text of a row)",
        "  Now leading: 75.0 %, 50.0 % on 48 selection rows",
        "Opening the hold-out  72 unseen rows, for the winner and your prompt alone. They were opened 2 times before;",
    ):
        assert line in told


def test_a_pipe_gets_neither_bars_nor_escapes_nor_breaks_within_a_sentence() -> None:
    told = seen(EVENTS, width=40)
    assert "\x1b" not in told
    assert "━" not in told
    assert "about 0.4 M tokens, about $0.12." in told


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_bars_within_its_width(width: int) -> None:
    long = Progressed("Scoring your prompt, a phase of a long name, " * 3, 5, 104, SPENT)
    told = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen([*EVENTS[:3], long], width, terminal=True))
    bars = [line for line in re.split(r"[\r\n]+", told) if "━" in line]
    assert bars
    assert max(map(len, bars)) <= width
    assert any("5/104" in line for line in bars)


def test_the_same_critique_is_told_once() -> None:
    again = [*EVENTS[:5], GradientFound("seed", gradient("g", "Once.")), GradientFound("best", gradient("g", "Once."))]
    assert seen(again).count("Once.") == 1


def test_what_a_model_wrote_is_not_obeyed() -> None:
    nasty = "[red]\x1b[2J\u202eevil[/red]"
    told = seen([started(), RoundStarted(1, ("seed",)), GradientFound("seed", gradient("g", nasty)), Noted(nasty)])
    assert told.count("[red]\\x1b[2J\\u202eevil[/red]") == 2


def test_where_the_data_goes_is_said() -> None:
    assert "nothing is sent" in words.estimate(started(local=True))
    assert "nothing is sent" not in words.estimate(started())
    assert words.destinations(started(local=True)) == ""
    assert words.destinations(started()) == "Rows are sent to api.openai.com (encrypted)."
    proxied = msgspec.structs.replace(FAR, encrypted=False, proxy="proxy.example:3128")
    told = words.destinations(msgspec.structs.replace(started(), destinations=(proxied,)))
    assert told == "Rows are sent to api.openai.com (not encrypted, read by the proxy proxy.example:3128)."
    assert "at an unknown price" in words.estimate(started(usd=None))


def test_whoever_is_asked_is_named_the_judge_too() -> None:
    judged = started(judge="other/judge")
    assert "calls of openai/gpt-4.1-mini, openai/gpt-4.1 and other/judge, about" in words.estimate(judged)
    assert "All run on this machine" in words.estimate(started(local=True, judge="other/judge"))
    # The optimizer model may judge as well: it is one model.
    assert "calls of openai/gpt-4.1-mini and openai/gpt-4.1, about" in words.estimate(started(judge="openai/gpt-4.1"))
    alone = msgspec.structs.replace(judged, job="evaluate")
    assert "calls of openai/gpt-4.1-mini and other/judge, about" in words.estimate(alone)


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (("exemplars",), "Worked examples from your rows were added; the wording was not improved by a model."),
        (
            ("exemplars", "rule", "exemplars"),
            "Worked examples from your rows were added and rules were counted from your rows; "
            "the wording was not improved by a model.",
        ),
        (("edit", "paraphrase"), "The wording was rewritten by m/x."),
        (("edit", "exemplars"), "Worked examples from your rows were added, and the wording was rewritten by m/x."),
        ((), "Nothing was changed."),
    ],
)
def test_nobody_is_credited_for_what_another_did(operators: tuple[Operator, ...], said: str) -> None:
    assert words.credit(operators, "m/x") == said


START = Figures(72, 5, 0.5, (0.4, 0.6), {"macro": 0.42, "binary": 0.45}, "yes")
WINNER = Figures(72, 1, 0.65, (0.5, 0.8), {"macro": 0.61, "binary": 0.66}, "yes")


def optimization(decision: str | None, stopped: Stopped = "finished", earlier_looks: int = 0) -> Optimization:
    verdict = None
    if decision is not None:
        compared = Comparison(0.5, 0.65, 0.15, (0.06, 0.24), 0.001, 72)
        said = "+15.0 points on 72 unseen rows, 95 % interval +6.0 to +24.0"
        verdict = Verdict(compared, decision, said, earlier_looks, START, WINNER)  # type: ignore[arg-type]
    return Optimization(
        run="r1", experiment="e1", start=SEED, best=BEST, start_score=0.4, best_score=0.6, n=33, verdict=verdict,
        operators=("edit",), stopped=stopped, reason="all 6 rounds are done", spent=SPENT, seconds=62.0,
    )  # fmt: skip


def printed(result: Optimization, metric: str = "label") -> str:
    written = io.StringIO()
    transcript = Transcript()
    for event in EVENTS:
        transcript.read(event)
    print_optimization(
        Console(file=written, width=100),
        result,
        Path("tickets.prompt"),
        metric=metric,
        writer="openai/gpt-4.1",
        proposed=transcript.proposed,
        discarded=transcript.discarded,
    )
    return written.getvalue()


def test_selection_scores_are_never_sold_as_the_result() -> None:
    for decision in ("adopt", "keep", None):
        told = printed(optimization(decision))
        (line,) = [line for line in told.splitlines() if "40.0 % → 60.0 %" in line]
        assert line.startswith("Selection:")
        assert "not the result" in line


def test_the_verdict_decides_the_advice() -> None:
    assert "Adopt it: +15.0 points on 72 unseen rows" in printed(optimization("adopt"))
    assert "Keep your prompt: +15.0 points on 72 unseen rows" in printed(optimization("keep"))
    assert "The unseen rows were not judged. Keep your prompt." in printed(optimization(None))
    assert "None yet: the search did not come to its end." in printed(optimization(None, "cancelled"))


def test_accuracy_f1_and_unreadable_answers_each_have_their_own_name() -> None:
    label = printed(optimization("adopt"))
    assert "Hold-out:  accuracy 50.0 % → 65.0 % on 72 unseen rows, p = 0.001\n" in label
    both = "F1 of 'yes' 45.0 % → 66.0 %, macro F1 42.0 % → 61.0 %"
    unread = "could not be read 5 → 1 answer, on the same rows"
    assert f"Besides:   {both}, {unread}" in label
    macro = printed(optimization("adopt"), "f1_macro")
    assert "Hold-out:  macro F1 50.0 % → 65.0 %" in macro
    assert f"Besides:   accuracy 50.0 % → 65.0 %, F1 of 'yes' 45.0 % → 66.0 %, {unread}" in macro


def test_what_reads_no_labels_has_nothing_beside_its_figure() -> None:
    plain = Figures(72, 0)
    assert words.figures(plain, plain, "judge") == ""
    assert words.figures(Figures(72, 3), plain, "json_match") == "could not be read 3 → 0 answers"


def test_earlier_looks_at_the_unseen_rows_are_told() -> None:
    assert "(two-sided; look 3 at these rows asks for" in printed(optimization("keep", earlier_looks=2))
    assert "corrected" not in printed(optimization("keep"))


def test_the_cost_is_told_whole() -> None:
    told = printed(optimization("adopt"))
    assert "912 calls (900 task, 12 gradient) · 100 of them answered before · 250,000 tokens in and 9,000 out" in told
    assert "$0.0321 · 1 min 2 s" in told


def test_a_wide_confusion_becomes_a_list_of_the_most_frequent() -> None:
    labels = [f"a rather long label {number}" for number in range(20)]
    counts = {expected: {answer: int(expected < answer) for answer in labels} for expected in labels}
    counts[labels[3]][labels[0]] = 40
    for width in (60, 80, 120):
        written = io.StringIO()
        Console(file=written, width=width).print(confusion(counts, width))
        lines = written.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        assert lines[2].split()[0] == "40"
        assert "rarer confusions" in lines[-1]


def test_a_diff_holds_every_changed_line_and_no_escape() -> None:
    shown = unified("a\r\nb\r\n", "a\r\nb\x1b[1m\r\nc\r\n", "x.prompt").plain
    assert shown.splitlines()[3:] == [" a", "-b", "+b\\x1b[1m", "+c"]
    assert unified("same\n", "same\n", "x.prompt").plain == ""


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (figures.percent(0.81449), "81.4 %"), (figures.money(0.0), "$0"), (figures.money(0.12), "$0.12"),
        (figures.money(0.0021), "$0.0021"), (figures.money(1234.5), "$1,234.50"), (figures.rounded(400_000), "0.4 M"),
        (figures.rounded(8_210), "8,200"), (figures.rounded(84_300), "84 k"), (figures.duration(185), "3 min 5 s"),
        (figures.count(1, "row"), "1 row"), (figures.count(1200, "row"), "1,200 rows"),
        (figures.probability(0.00001), "p < 0.0001"), (figures.span((0.741, 0.87)), "74.1 to 87.0 %"),
    ],
)  # fmt: skip
def test_figures_read_as_people_write_them(figure: str, said: str) -> None:
    assert figure == said
