"""The words of the lenses: what a prompt scores, and how far a run has come."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest
from lsprotocol import types

from apo_server.features.code_lens import score_in_words
from apo_server.knowledge import Knowledge, Score, merged
from tests.scripted import ScriptedServer
from tests.scripted.world import LABELS, World
from tests.server.conftest import StartEditor


@pytest.mark.parametrize(
    ("metric", "name"),
    [("label", "acc"), ("exact_match", "acc"), ("f1", "F1"), ("f1_macro", "macro F1"), ("json_match", "JSON"),
     ("judge", "grade"), ("tools.queues:strictly", "strictly")],
)  # fmt: skip
def test_each_metric_has_a_short_name_of_its_own(metric: str, name: str) -> None:
    assert score_in_words(Score(metric, 0.814, (0.78, 0.842), 140, "open")) == f"{name} 81.4 % ± 3.1 (n 140)"


def test_f1_stands_beside_the_accuracy_of_labels_alone() -> None:
    score = Score("label", 0.814, (0.78, 0.842), 140, "open", 0.794)
    assert score_in_words(score).endswith("(n 140) · F1 .79")
    assert score_in_words(Score("label", 1.0, (0.9, 1.0), 140, "open", 1.0)).endswith("(n 140) · F1 1.00")
    assert score_in_words(msgspec.structs.replace(score, metric="f1_macro")).endswith("(n 140)")


@pytest.mark.parametrize(
    ("usd", "words"),
    [(None, "(n 140)"), (0.0, "(n 140)"), (0.0001, "· below $0.001"), (0.004, "· $0.004"), (1.2, "· $1.20")],
)
def test_the_cost_is_told_where_there_was_one(usd: float | None, words: str) -> None:
    assert score_in_words(Score("label", 0.814, (0.78, 0.842), 140, "open", None, usd)).endswith(words)


def test_measuring_again_with_kept_answers_keeps_what_it_cost() -> None:
    first = Knowledge("p", Score("label", 0.8, (0.7, 0.9), 140, "open", 0.79, 0.004))
    again = Knowledge("p", Score("label", 0.8, (0.7, 0.9), 140, "open", 0.79, 0.0))
    fewer = Knowledge("p", Score("label", 0.8, (0.7, 0.9), 100, "open", 0.79, 0.0))
    scores = [merged(first, again).score, merged(first, fewer).score]
    assert [score.usd for score in scores if score] == [0.004, 0.0]


async def test_f1_is_that_of_the_rows_behind_the_score_and_a_local_model_costs_nothing(
    start: StartEditor, world: World, scripted: ScriptedServer
) -> None:
    editor = await start(options={"background": "evaluate"})
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    prompt = scripted.log[0].messages[0]["content"]
    asked = {str(body["messages"]).split("#")[1][:4] for body in scripted.log.bodies}
    rows = [row for row in world.rows if f"{row.number:04}" in asked]
    pairs = Counter((row.concept.label, world.label(prompt, row)) for row in rows)
    f1 = f"{sum(_f1(pairs, label) for label in LABELS) / len(LABELS):.2f}".removeprefix("0")
    assert (await editor.lens(uri, "acc ")).endswith(f"(n 105) · F1 {f1}")


def _f1(pairs: Counter[tuple[str, str]], label: str) -> float:
    named = sum(n for pair, n in pairs.items() for one in pair if one == label)
    return 2 * pairs[label, label] / named


async def test_a_run_tells_how_far_it_has_come(start: StartEditor, scripted: ScriptedServer) -> None:
    scripted.latency = 0.3
    asked = 0
    editor = await start(options={"background": "evaluate"})
    editor.client.protocol.fm.features.pop(types.WORKSPACE_CODE_LENS_REFRESH)

    @editor.client.feature(types.WORKSPACE_CODE_LENS_REFRESH)  # type: ignore[untyped-decorator]
    def ask(params: None) -> None:
        nonlocal asked
        asked += 1

    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: len(scripted.log))
    before = asked
    told = [await editor.lens(uri, f"Evaluating … {tens}") for tens in (1, 4, 7)]
    assert all(words.endswith(" % · Scoring your prompt") for words in told)
    assert asked > before, "the client is told that its lenses have changed"


async def test_an_editor_that_asks_for_lenses_only_when_told_to_shows_the_end_of_a_run(start: StartEditor) -> None:
    shown: list[list[str]] = []
    asking: set[asyncio.Task[None]] = set()

    async def ask() -> None:
        shown.append(await editor.lenses(uri))

    def refresh(_: None) -> None:
        task = asyncio.ensure_future(ask())
        asking.add(task)
        task.add_done_callback(asking.discard)

    editor = await start(
        "vscode-1.139", options={"background": "evaluate"}, features={types.WORKSPACE_CODE_LENS_REFRESH: refresh}
    )
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    await editor.until(lambda: shown and shown[-1][0].startswith("acc "))
    assert "Cancel" not in shown[-1]
    assert any("Cancel" in titles for titles in shown)
