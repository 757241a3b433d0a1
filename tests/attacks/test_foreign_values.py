"""Values that somebody else wrote: into a database of ours, into a metric's pipe, into an address, into a question."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from apo_engine.evaluation.function import FunctionGrader, find_function
from apo_engine.file_lock import FileLock
from apo_engine.models.answer_store import AnswerStore
from apo_engine.names import shown_file
from apo_engine.problems import InputError
from apo_engine.runs.kept import clear_kept
from apo_engine.runs.naming import roots_of
from apo_engine.runs.options import Options
from apo_engine.search.events import CustomMetric
from apo_engine.settings import Layer
from apo_engine.store import RowFingerprints, Sighting, open_store
from apo_server.addresses import path_of
from apo_server.code_questions import code_not_allowed, files_in_full, words_on_code
from apo_server.session import Session
from apo_server.wiring import create_server, ignore_critique, restore_critiques, revoke_consent
from tests.cli.conftest import Apo, apo
from tests.engine.table_model import row

__all__ = ["apo"]
ROW = RowFingerprints((b"a" * 16,), (b"a" * 16,))
SCORE = "def score(answer, expected):\n    return 0.0\n"


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE answers SET value = 5",
        "UPDATE answers SET value = 50000000000",
        "UPDATE answers SET value = 'abc'",
        "UPDATE answers SET stored = 'abc'",
        "UPDATE answers SET stored = x'00'",
    ],
)
def test_an_answer_of_another_kind_is_damage(tmp_path: Path, statement: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    store.write({"k": b"v"})
    store.close()
    change(path, statement)
    store = AnswerStore(path)
    with caplog.at_level(logging.WARNING):
        assert store.read(["k"]) == {}
        store.write({"k": b"w"})
        assert store.read(["k"]) == {"k": b"w"}
    store.close()
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM secret",
        "INSERT INTO secret VALUES (x'00', 1.0)",
        "UPDATE secret SET began = 'x'",
        "UPDATE secret SET began = NULL",
        "UPDATE executions SET on_prompt = 'x'",
        "UPDATE secret SET key = 5",
        "UPDATE secret SET key = x''",
        "UPDATE sightings SET side = 'x'",
        "UPDATE sightings SET side = 7",
        "UPDATE sightings SET shown = 'x'",
        "UPDATE executions SET earlier = 'x'",
        "UPDATE executions SET earlier = -5",
        "UPDATE runs SET started = 'x'",
        "UPDATE runs SET finished = 'x'",
        "UPDATE events SET data = 5",
    ],
)
async def test_a_value_of_another_kind_in_the_store_never_raises(tmp_path: Path, statement: str) -> None:
    store = open_store(tmp_path)
    await store.begin("r", "e", 1)
    await store.append("r", [b"{}"])
    await store.record_sightings({ROW.known_by[0]: Sighting("holdout", False)})
    await store.record_look([ROW], "e")
    await store.close()
    change(tmp_path / "store.sqlite", statement)
    store = open_store(tmp_path)
    await store.runs()
    await store.events("r")
    await store.sightings(ROW.known_by)
    await store.looks([ROW])
    await store.recorded_look("e")
    await store.append("r", [b"{}"])
    await store.record_look([ROW], "e")
    notices = await store.notices()
    await store.close()
    assert len(notices) <= 1


PIPES = {
    "an array": b"[1,2]\n",
    "no JSON": b"[1,2\n",
    "nothing": b"{}\n",
    "a score instead of ready": b'{"score": 1}\n',
    "more than ready": b'{"ready": true, "x": 1}\n',
    "no line of a place": b'{"error": "x", "file": "/etc/passwd"}\n',
    "a line that is a text": b'{"error": "x", "file": "/etc/passwd", "line": "7"}\n',
    "deeply nested": b"[" * 100_000 + b"\n",
    "an endless line": b"x" * 2_000_000,
    "not UTF-8": b"\xff\xfe\n",
}


@pytest.mark.parametrize("forged", PIPES.values(), ids=PIPES.keys())
async def test_rubbish_in_a_metrics_pipe_is_the_metrics_error(tmp_path: Path, forged: bytes) -> None:
    error = await opened_with(tmp_path, forged)
    assert "wrote something of its own where its score belongs" in str(error)
    assert error.problems[0].place is not None
    assert error.problems[0].place.path == tmp_path / "score.py"


async def test_a_forged_error_names_no_file_but_the_metrics(tmp_path: Path) -> None:
    error = await opened_with(tmp_path, b'{"error": "Everything is fine", "file": "/etc/passwd", "line": 7}\n')
    assert error.problems[0].place is not None
    assert error.problems[0].place.path == tmp_path / "score.py"


async def opened_with(folder: Path, forged: bytes) -> InputError:
    (folder / "forged").write_bytes(forged)
    writing = "import os\nfor fd in range(3, 20):\n    try:\n"
    writing += (
        f"        os.write(fd, open({str(folder / 'forged')!r}, 'rb').read())\n    except OSError:\n        pass\n"
    )
    (folder / "score.py").write_text(writing + SCORE)
    grader = FunctionGrader(find_function("score:score", folder), dict(os.environ))
    try:
        with pytest.raises(InputError) as caught:
            await grader.open()
            await grader.grade(row(1), "yes")
        return caught.value
    finally:
        await grader.close()


@pytest.mark.parametrize("name", ["score", "q:scoreʼ_was_checkedꓸ_" + "_" * 900 + "x", "א" * 40, "a" * 5000])
@pytest.mark.parametrize("file", ["m{:03}.py", "'" * 60 + "{:03}.py", "x" * 200 + "{:03}.py"])
def test_a_question_about_code_is_short_and_begins_with_the_warning(name: str, file: str) -> None:
    files = tuple(file.format(number) for number in range(62))
    code = CustomMetric(name, "/w/q.py", "d", files)
    asked = words_on_code("p" * 500 + ".prompt", code)
    assert len(asked) < 1000
    assert asked.startswith("Run ")
    # Of what somebody else wrote, the name of one file alone stands before it, cut to a few words.
    assert 0 < asked.index("? It can do whatever you can on this machine.") < 150
    assert "more (listed in the log)" in asked
    assert len(str(code_not_allowed("a.prompt", code))) < 1200
    assert all(f"{number:03}.py" in files_in_full("a.prompt", code) for number in range(62))


def test_a_path_is_shown_where_it_leads() -> None:
    written = "/w/stranger/public-sample-tickets-for-everybody/../../mine/salaries/" + "./" * 12 + "rows.jsonl"
    assert shown_file(written, "/w/stranger") == "/w/mine/salaries/rows.jsonl"


@pytest.mark.parametrize(("key", "own"), [(("model",), True), (("optimizer", "meta"), False), (("examples",), False)])
def test_only_a_models_name_is_the_users_own(tmp_path: Path, key: tuple[str, ...], own: bool) -> None:
    values: object = "openai/m"
    for part in reversed(key):
        values = {part: values}
    assert isinstance(values, dict)
    options = Options(own_models=("openai/m",), allowed_roots=())
    assert (roots_of([Layer("editor", values)], key, tmp_path, options) is None) is own


@pytest.mark.parametrize("uri", ["file:", "file:x", "FILE:", "file://[", "file:?x", "http://x"])
def test_an_address_without_a_path_names_no_file(uri: str) -> None:
    found = path_of(uri)
    assert found is None or found.is_absolute()


async def test_a_client_without_a_token_changes_nothing_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    server = create_server("1")
    said: list[str] = []
    monkeypatch.setattr(server.screen, "tell", lambda message, _: said.append(message))
    for name in ("revoke_consent", "named"):
        monkeypatch.setattr(server, name, lambda *_: pytest.fail("it was done"))
    monkeypatch.setattr(Session, "ignore", lambda *_: pytest.fail("it was done"))
    await revoke_consent(server, "file:///w")
    await ignore_critique(server, "file:///w/a.prompt", "c")
    await restore_critiques(server, "file:///w/a.prompt")
    assert len(said) == 1
    assert "--token-file" in said[0]


async def test_locks_that_nobody_holds_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    locks = tmp_path / "cache" / "locks"
    held = FileLock.acquire(locks / "held")
    assert held is not None
    (locks / "idle").write_text("r")
    await clear_kept()
    assert {path.name for path in locks.iterdir()} == {"held"}
    held.release()


def test_the_time_to_plan_counts(apo: Apo) -> None:
    # Each takes about .4 s to be compiled.
    slow = ["|".join(f"a{word}b{number}" for word in range(8000)) for number in range(100)]
    rows = "".join(json.dumps({"text": f"t{number}", "label": text}) + "\n" for number, text in enumerate(slow))
    (apo.folder / "tickets.jsonl").write_text(rows)
    apo.edit("apo.examples:", "apo.metric: regex\napo.examples:")
    began = time.monotonic()
    outcome = apo("evaluate", "tickets.prompt", "--max-seconds", "2")
    assert time.monotonic() - began < 6
    assert "seconds" in outcome.err
    assert outcome.code != 70
