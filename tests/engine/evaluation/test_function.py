"""A scoring function of the user's, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apo_engine.evaluation import function
from apo_engine.evaluation.function import FunctionGrader, find_function
from apo_engine.problems import InputError
from apo_engine.scoring.judgement import Judgement
from tests.engine.table_model import row

GOOD = """
import helper

def score(answer, expected):
    print("this goes nowhere")
    return helper.same(answer, expected)
"""


@asynccontextmanager
async def opened(folder: Path, source: str, name: str = "score", seconds: float = 10) -> AsyncIterator[FunctionGrader]:
    (folder / "my_metrics.py").write_text(source, "utf-8")
    grader = FunctionGrader(find_function(f"my_metrics:{name}", folder), dict(os.environ), seconds=seconds)
    try:
        await grader.open()
        yield grader
    finally:
        await grader.close()


async def graded(folder: Path, source: str, answer: str = "yes") -> Judgement:
    async with opened(folder, source) as grader:
        return await grader.grade(row(1), answer)


async def test_the_function_scores_from_the_folder_of_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def same(a, b):\n    return a == b\n")
    async with opened(tmp_path, GOOD) as grader:
        assert await grader.grade(row(1), "yes") == Judgement(1.0, "yes")
        both = await asyncio.gather(grader.grade(row(2, "ü\n\ud800"), "ü\n\ud800"), grader.grade(row(3), "no"))
        assert [judgement.score for judgement in both] == [1.0, 0.0]


async def test_inputs_are_given_to_whoever_takes_them(tmp_path: Path) -> None:
    source = "def score(answer, expected, inputs=None):\n    return 0.25 if inputs == {'text': 'row 1'} else 1\n"
    assert (await graded(tmp_path, source)).score == 0.25


async def test_a_module_of_a_standard_name_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise RuntimeError('not this one')\n")
    assert (await graded(tmp_path, "def score(answer, expected):\n    return True\n")).score == 1.0


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("def score(answer, expected):\n    return 1 / 0\n", 2, "raised ZeroDivisionError: division by zero"),
        ("\n\ndef score(answer, expected):\n    return 1.5\n", 3, "returned 1.5, which is no number from 0 to 1"),
        ("def score(answer, expected):\n    return 'good'\n", 1, "returned 'good', which is no number"),
        ("def score(answer, expected):\n    return float('nan')\n", 1, "returned nan, which is no number"),
        ("def score(answer, expected):\n    pass\n", 1, "returned None, which is no number"),
        ("\ndef score(answer):\n    return 1\n", 2, r"must take \(answer, expected\)"),
        ("async def score(answer, expected):\n    return 1\n", 1, "is no plain function"),
        ("def other(answer, expected):\n    return 1\n", 1, "is not in 'my_metrics'"),
        ("import nothing_like_that\n", 1, "raised ModuleNotFoundError"),
        ("x = 1\ndef score(:\n", 2, "cannot be loaded: SyntaxError"),
        ("raise SystemExit(3)\n", 1, "raised SystemExit: 3"),
        ("import os\n\ndef score(answer, expected):\n    os._exit(7)\n", 1, r"ended its process \(exit code 7\)"),
    ],
)
async def test_a_function_that_cannot_score_is_one_clear_error(
    tmp_path: Path, source: str, line: int, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        await graded(tmp_path, source)
    (problem,) = caught.value.problems
    assert problem.place is not None
    assert (problem.place.path, problem.place.line) == (tmp_path / "my_metrics.py", line)
    assert "my_metrics:score" in problem.message
    assert "Correct the function" in problem.remedy


async def test_an_error_names_the_row_that_was_scored(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scoring rows\.jsonl, line 2"):
        await graded(tmp_path, "def score(answer, expected):\n    return -1\n")


async def test_a_function_that_hangs_costs_its_row_and_not_the_run(tmp_path: Path) -> None:
    source = "import os, time\ndef score(answer, expected):\n    return 1 if answer != 'slow' else time.sleep(600)\n"
    async with opened(tmp_path, source, seconds=0.5) as grader:
        slow, quick = await asyncio.gather(grader.grade(row(1), "slow"), grader.grade(row(2), "yes"))
        assert (slow.score, slow.invalid, slow.remark) == (0.0, True, "The metric took longer than 0.5 s.")
        assert (quick.score, quick.invalid) == (1.0, False)
        assert (await grader.grade(row(3), "slow")).invalid
        with pytest.raises(InputError, match=r"took longer than 0\.5 s on 3 rows"):
            await grader.grade(row(4), "slow")


async def test_a_cancelled_row_does_not_answer_for_the_next(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    source = (
        "import pathlib, time\ndef score(answer, expected):\n    if answer == 'slow':\n"
        "        pathlib.Path(__file__).with_name('begun').write_text('yes')\n        time.sleep(600)\n    return 0.5\n"
    )
    async with opened(tmp_path, source) as grader:
        task = asyncio.ensure_future(grader.grade(row(1), "slow"))
        await asyncio.to_thread(begun.read_text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await grader.grade(row(2), "yes")).score == 0.5


async def test_closing_ends_the_process(tmp_path: Path) -> None:
    source = (
        "import os, pathlib\n"
        "def score(answer, expected):\n"
        "    pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n    return 1\n"
    )
    await graded(tmp_path, source)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_finding_a_function_runs_nothing_and_follows_its_source(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.py").write_text("raise RuntimeError\n")
    found = find_function("sub.mine:score", tmp_path)
    assert (found.module, found.name, found.file) == ("sub.mine", "score", tmp_path / "sub" / "mine.py")
    (tmp_path / "sub" / "mine.py").write_text("raise ValueError\n")
    assert find_function("sub.mine:score", tmp_path).digest != found.digest
    with pytest.raises(InputError, match=r"names a module that is not there: .*json\.py") as caught:
        find_function("json:dumps", tmp_path)
    assert caught.value.problems[0].code == "metric-missing"


async def test_a_module_that_takes_too_long_to_load_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "LOAD_SECONDS", 0.3)
    with pytest.raises(InputError, match="could not be loaded within"):
        await graded(tmp_path, "import time\ntime.sleep(600)\n")


async def test_a_process_that_cannot_be_started_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"cannot be started \(No such file or directory\)"):
        await graded(tmp_path, "def score(answer, expected):\n    return 1\n")
