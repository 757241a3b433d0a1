"""Regular expressions that users wrote are compiled and matched within bounds of time and memory, out of process."""

from __future__ import annotations

import ast
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apo_engine.scoring import patterns
from apo_engine.scoring.metric import make_metric
from apo_engine.scoring.patterns import PatternCheck, PatternProcess, UnusablePattern
from apo_engine.scoring.text import regex
from tests.cli.conftest import APO
from tests.scripted.world import World

ROOT = Path(__file__).resolve().parents[2]
CASE = "(?:a{60000}){60000}"


@pytest.fixture
def process() -> Iterator[PatternProcess]:
    """A process of its own."""
    process = PatternProcess()
    yield process
    process.close()


#: Patterns that would take gigabytes or minutes.
HARMFUL = {
    "nested repeats": CASE,
    "repeated choice": "(?:a|b{99999}){99999}",
    "repeated groups": "(?:(a){9999}){9999}",
    "deep repeats": "(?:" * 150 + "a?" + "){50}" * 150,
    "repeats side by side": "(?:a{50000}){50}" * 40,
    "repeated set": "(?:[a-zà-ÿ]{30000}){30000}",
    "repeated look-ahead": "(?:(?=b{30000}){3000}a){30000}",
    "repeated fuzzy text": "(?:(?:abc){e<=3}){99999}" * 100 + "(?:x{99999}){99999}",
    "reversed": "(?r)(?:a{60000}){60000}",
    "longer than any": "a|" * 60_000,
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_a_pattern_that_was_written_to_harm(kind: str) -> None:
    began = os.times().children_user, time.monotonic()
    objection = PatternCheck()(HARMFUL[kind])
    assert objection.startswith(("takes more than 96 MB", "takes longer than 1 s", "is longer than", "is no regular"))
    assert time.monotonic() - began[1] < 10, "a busy machine included"


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("(?:x+x+)+y", "x" * 5000),
        ("(a|aa)+$", "a" * 100 + "c"),
        ("(?:(?:x+){3}x+)+y", "x" * 5000),
    ],
)
def test_an_answer_on_which_a_pattern_has_no_end(pattern: str, answer: str) -> None:
    judged = regex(answer, pattern)
    assert (judged.score, judged.invalid) == (0.0, True)
    assert judged.remark.startswith("The pattern takes")


@pytest.mark.parametrize(
    ("pattern", "answer", "found"),
    [
        (r"\bsure\b", "I am sure.", True),
        (r"(?<=x)y(?!z)", "xyz xy", True),
        (r"(a)\1", "aa", True),
        (r"(?i)STRASSE", "Straße", True),
        (r"(?:cat){e<=1}", "cut", True),
        (r"[[a-z]--[aeiou]]", "e", False),
        (r"\p{Lu}", "é", False),
        (r"^b", "a\nb", False),
        ("\ud800", "x", False),
    ],
)
def test_patterns_mean_what_the_library_says(pattern: str, answer: str, found: bool) -> None:
    import regex as library

    assert bool(regex(answer, pattern).score) is (library.search(pattern, answer) is not None)
    if pattern != "(?i)STRASSE":
        assert bool(regex(answer, pattern).score) is found


def test_what_one_pattern_took_is_not_charged_to_the_next(process: PatternProcess) -> None:
    for _ in range(3):
        with pytest.raises(UnusablePattern):
            process.compile(CASE)
        process.compile("a{60000}")
    for repeats in range(400):
        # Each is remembered by the library; together they take more than one may.
        process.compile(f"a{{{20_000 + repeats}}}b")


def test_a_process_that_was_killed_is_started_again(process: PatternProcess) -> None:
    assert process.is_in("a+", "caat")
    assert process._process is not None
    process._process.kill()
    process._process.wait()
    assert process.is_in("a+", "caat")


def test_many_threads_get_each_its_own_answer(process: PatternProcess) -> None:
    wrong: list[int] = []

    def ask(number: int) -> None:
        for each in range(50):
            if process.is_in(f"^{number}-{each}$", f"{number}-{each + each % 2}") is not (each % 2 == 0):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_million_rows_with_the_same_patterns_ask_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(patterns._PROCESS, "compile", asked.append)
    objection = make_metric("regex", ()).objection
    for row in range(1_000_000 // 20):
        assert objection(f"same {row % 5} {__name__}") == ""
    assert len(asked) == 5


def test_many_slow_patterns_share_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns._PROCESS, "compile", lambda _: time.sleep(0.06))
    check = PatternCheck(seconds=0.5)
    reasons = [check(f"slow {i} {time.time_ns()}") for i in range(20)]
    assert reasons[0] == ""
    assert reasons[-1] == "was not tried: the patterns before it took too long to be compiled"


def test_a_process_that_cannot_be_started_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_PROCESS", PatternProcess())
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    pattern = f"never seen {time.time_ns()}"
    assert PatternCheck()(pattern).startswith("cannot be tried: no process can be started")
    assert regex("x", pattern).invalid
    monkeypatch.undo()
    assert PatternCheck()(pattern) == "", "it is tried again"


def test_the_process_takes_nothing_from_folder_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: PatternProcess
) -> None:
    for name in ("regex", "json", "signal", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    assert process.is_in("a", "a")
    assert process._process is not None
    assert not (tmp_path / "ran").exists()
    environ = Path(f"/proc/{process._process.pid}/environ")
    assert not environ.exists() or b"sk-canary" not in environ.read_bytes()


def test_no_other_module_compiles_what_users_wrote() -> None:
    importing = []
    for file in [*ROOT.glob("apo_engine/**/*.py"), *ROOT.glob("server/**/*.py")]:
        names = {
            alias.name
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        if "regex" in names:
            importing.append(file.name)
    assert importing == ["pattern_worker.py"]


def test_check_stays_small_and_names_the_rows(tmp_path: Path) -> None:
    World(3).write(tmp_path, "apo.metric: regex")
    rows = "".join(json.dumps({"text": f"ticket {i}", "label": CASE}) + "\n" for i in range(3))
    (tmp_path / "tickets.jsonl").write_text(rows, "utf-8")
    # 1 GiB is enough for the command itself, and far too little for the pattern.
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [APO, "check", "tickets.prompt"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)),
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("takes more than 96 MB of memory") == 3
    assert "tickets.jsonl:1" in done.stdout
    assert max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) <= max(before, 200 * 1024)
