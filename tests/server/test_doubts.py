"""Rows that every prompt gets wrong alike are named at the row, as long as they stand there."""

from __future__ import annotations

import json
from pathlib import Path

from lsprotocol import types

from apo_engine.evaluation.result import RowResult
from apo_server.unanimity import Unanimity
from tests.server.conftest import StartEditor


def result(row: str, predicted: str, score: float = 0.0) -> RowResult:
    return RowResult(row, int(row), "rows.jsonl", "a", predicted, score, predicted)


def test_a_row_is_doubtful_when_no_prompt_is_right_and_most_agree() -> None:
    tally = Unanimity()
    for number in range(4):
        tally.add(
            f"c{number}", [result("1", "b"), result("2", "b"), result("3", "bbcd"[number]), result("4", "wxyz"[number])]
        )
    tally.add("c3", [result("1", "c")] * 9)
    tally.add("c4", [result("2", "a", 1.0)])
    tally.add("c0", [result("5", "b")])
    assert [(one.row, answer, agreeing, prompts) for one, answer, agreeing, prompts in tally.doubtful()] == [
        ("1", "b", 4, 4)
    ]


async def test_after_a_search_a_wrong_label_is_doubted_at_its_row(start: StartEditor, workspace: Path) -> None:
    path = workspace / "tickets.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kinds = sorted({row["label"] for row in rows})
    wrong = range(0, len(rows), 15)
    for number in wrong:
        rows[number]["label"] = kinds[(kinds.index(rows[number]["label"]) + 1) % len(kinds)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    found = await editor.until(lambda: editor.diagnostics(path.as_uri(), "label-doubtful"), seconds=60)
    # A ticket that the scripted model never gets right is doubted as well.
    doubted = {one.range.start.line for one in found} & set(wrong)
    assert doubted
    assert all(one.severity is types.DiagnosticSeverity.Information for one in found)
    assert "The label may be wrong: none of " in found[0].message
    # One that is corrected is doubted no longer.
    line = min(doubted)
    rows[line]["label"] = kinds[(kinds.index(rows[line]["label"]) - 1) % len(kinds)]
    rows[line]["text"] += " And thanks."
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    await editor.until(
        lambda: line not in {one.range.start.line for one in editor.diagnostics(path.as_uri(), "label-doubtful")}
    )
