"""The answers that are kept: under which key, as what, and what becomes of a file that is not this version's."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.evaluation.evaluator import Evaluator
from apo_engine.evaluation.rubric import RubricGrader
from apo_engine.examples.example import Example
from apo_engine.models.address import Address
from apo_engine.models.cache import AnswerCache, answer_key
from apo_engine.models.chat import Completion, Message, Shape
from apo_engine.models.failure import FinalFailure, TransientFailure
from apo_engine.models.keyed_digest import KeyedDigest
from apo_engine.models.layout import set_unusable_aside
from apo_engine.models.ledger import Ledger
from apo_engine.models.limits import Limiter
from apo_engine.models.purse import DailyCaps, Purse
from apo_engine.models.refusal import error_in_answer, status_in
from apo_engine.problems import BudgetError, ModelError
from apo_engine.prompt.file import parse_prompt
from apo_engine.scoring.metric import make_metric
from tests.cli.conftest import Apo, make_apo
from tests.engine.models.support import KEY, ask, chat, gateway
from tests.scripted import Reply, ScriptedServer
from tests.scripted.reply import content_filtered, failure, refused

ENVIRONMENT = ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


# --- The key --------------------------------------------------------------------------------------------------------

Identify = Callable[..., str]


@pytest.fixture
def identify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Identify:
    def identity(url: str = "https://gateway.example/v1", *, key: str | None = KEY, **environ: str) -> str:
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with ScriptedServer() as server:
            digest = KeyedDigest(tmp_path / "cache")
            options: dict[str, Any] = {"address": Address.parse(url), "key": key, "ambient": True, "digest": digest}
            return chat(server, **options).identity

    return identity


DIFFERENT: dict[str, dict[str, Any]] = {
    "a header that routes": {"OPENAI_CUSTOM_HEADERS": "X-Route: b"},
    "a second header": {"OPENAI_CUSTOM_HEADERS": "X-Route: a\nX-Tier: gold"},
    "a header that holds a key": {"OPENAI_CUSTOM_HEADERS": "api-key: other"},
    "an organization": {"OPENAI_ORG_ID": "org-b"},
    "a project": {"OPENAI_PROJECT_ID": "proj-b"},
    "a key": {"key": "sk-other-0123456789"},
    "no key": {"key": None},
    "credentials": {"url": "https://a:b@gateway.example/v1"},
    "a version of the interface": {"url": "https://gateway.example/v1?api-version=2026-01-01"},
    "a deployment": {"url": "https://gateway.example/deployments/b/v1"},
    "a port": {"url": "https://gateway.example:8443/v1"},
    "no encryption": {"url": "http://gateway.example/v1"},
    "another host": {"url": "https://gateway.example.evil.example/v1"},
    "a path in another case": {"url": "https://gateway.example/V1"},
}


@pytest.mark.parametrize("way", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_may_be_answered_by_another_is_asked_anew(identify: Identify, way: dict[str, Any]) -> None:
    assert identify(**way) != identify()
    assert identify(**way) == identify(**way)


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the host's case": ({"url": "https://GateWay.Example/v1"}, {}),
    "the usual port": ({"url": "https://gateway.example:443/v1"}, {}),
    "a slash at the end": ({"url": "https://gateway.example/v1/"}, {}),
    "the scheme's case": ({"url": "HTTPS://gateway.example/v1"}, {}),
    "the order of a query": ({"url": "https://g.example/v1?a=1&b=2"}, {"url": "https://g.example/v1?b=2&a=1"}),
    "a header's case": ({"OPENAI_CUSTOM_HEADERS": "x-route:a"}, {"OPENAI_CUSTOM_HEADERS": "X-Route: a"}),
    "the order of headers": ({"OPENAI_CUSTOM_HEADERS": "A: 1\nB: 2"}, {"OPENAI_CUSTOM_HEADERS": "B: 2\nA: 1"}),
    "a key of a provider with one answer for all": (
        {"url": "https://api.openai.com/v1"},
        {"url": "https://api.openai.com/v1", "key": "sk-rotated-0123456789"},
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_what_is_answered_by_the_same_is_paid_for_once(
    identify: Identify, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert identify(**one) == identify(**other)


def test_two_parts_do_not_flow_into_each_other(identify: Identify) -> None:
    ways = [{"OPENAI_ORG_ID": "x"}, {"OPENAI_PROJECT_ID": "x"}, {"OPENAI_CUSTOM_HEADERS": "x: x"}, {"key": "x"}]
    assert len({identify(**way) for way in ways}) == len(ways)


def test_no_secret_can_be_tried_against_what_is_kept(identify: Identify, tmp_path: Path) -> None:
    """The same secret has another digest under the key of another folder, so no list of digests finds it."""
    mine = identify(OPENAI_CUSTOM_HEADERS="X-Pin: 1234")
    assert "1234" not in mine
    assert KEY not in mine
    part = {"headers": [("x-pin", "1234")]}
    assert KeyedDigest(tmp_path / "cache").of(part) == KeyedDigest(tmp_path / "cache").of(part)
    assert KeyedDigest(tmp_path / "cache").of(part) != KeyedDigest(tmp_path / "elsewhere").of(part)
    assert stat.S_IMODE((tmp_path / "cache" / "answers.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["empty", "short", "long", "folder"])
def test_a_damaged_key_is_set_aside_once(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "answers.key"
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "short": b"x" * 31, "long": b"x" * 33}[damage])
    first = KeyedDigest(tmp_path).of("x")
    assert KeyedDigest(tmp_path).of("x") == first
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(list(tmp_path.glob("answers.key.damaged-*"))) == 1


def test_where_nothing_is_kept_no_key_is_made(tmp_path: Path) -> None:
    assert KeyedDigest(None).of("x") == KeyedDigest(None).of("x")
    (tmp_path / "file").touch()
    assert KeyedDigest(tmp_path / "file" / "cache").of("x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


_MESSAGES = (Message("user", "u"),)
KEYS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the bound": {"params": {"maxOutputTokens": 5}},
    "another bound": {"params": {"maxOutputTokens": 4096}},
    "the seed": {"params": {"seed": 5}},
    "an allowed parameter": {"params": {"custom": 5}},
    "the draw": {"draw": 1},
    "the form": {"shape": Shape("grade", {"type": "object"})},
    "another form": {"shape": Shape("grade", {"type": "object", "required": []})},
    "a stop": {"params": {"stop": ["5"]}},
    "a bias": {"params": {"logit_bias": {"5": 1}}},
    "a yes": {"params": {"logprobs": True}},
    "a one": {"params": {"custom": 1}},
    "a yes that is no one": {"params": {"custom": True}},
}


def test_what_determines_an_answer_is_in_the_key() -> None:
    keys = {answer_key("m", _MESSAGES, **way) for way in KEYS.values()}
    assert len(keys) == len(KEYS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"maxOutputTokens": 5}, {"max_tokens": 5}),
        ({"topP": 1}, {"top_p": 1.0}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"stopSequences": ["x"]}, {"stop": ["x"]}),
        ({}, {"n": 1, "stream": False, "seed": None}),
    ],
)
def test_one_question_in_two_spellings_has_one_key(one: dict[str, object], other: dict[str, object]) -> None:
    assert answer_key("m", _MESSAGES, params=one) == answer_key("m", _MESSAGES, params=other)


def _evaluated(apo: Apo, server: ScriptedServer, **environ: str) -> int:
    before = len(server.log)
    done = apo("evaluate", "a.prompt", **environ)
    assert done.code == 0, done.err
    return len(server.log) - before


@pytest.fixture
def yes_or_no(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    head = "---\nmodel: openai/m\napo.examples: rows.jsonl\napo.metric: label\n---\n"
    (tmp_path / "a.prompt").write_text(head + '{{role "user"}}\nSay yes or no: {{text}}\n')
    rows = [{"text": f"t{number}", "label": "yes" if number % 2 else "no"} for number in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return make_apo(tmp_path, scripted)


def test_another_route_is_paid_for_and_the_first_is_still_known(yes_or_no: Apo, scripted: ScriptedServer) -> None:
    route = {"OPENAI_CUSTOM_HEADERS": "X-Route: a"}
    assert _evaluated(yes_or_no, scripted, **route) == 4
    assert _evaluated(yes_or_no, scripted, OPENAI_CUSTOM_HEADERS="X-Route: b") == 4
    assert _evaluated(yes_or_no, scripted, OPENAI_ORG_ID="org-b") == 4
    assert _evaluated(yes_or_no, scripted, OPENAI_API_KEY="sk-other") == 4
    assert _evaluated(yes_or_no, scripted, **route) == 0
    kept = b"".join(file.read_bytes() for file in (yes_or_no.folder / "cache").rglob("*") if file.is_file())
    assert not re.search(rb"X-Route|x-route|org-b|sk-other", kept)


# --- Errors ---------------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[object, int]] = {
    "a code as text": ({"code": "401"}, 401),
    "a code with a fraction": ({"code": 401.0}, 401),
    "text with a fraction": ({"code": "401.0"}, 401),
    "a status line": ({"code": "HTTP/1.1 403 Forbidden"}, 403),
    "a number alone": (404, 404),
    "text alone": ("429", 429),
    "text with words": ("429 Too Many Requests", 429),
    "a name": ({"code": "rate_limit_exceeded"}, 429),
    "no credit": ({"code": "insufficient_quota"}, 402),
    "no credit, by a number of its own": ({"code": 429, "type": "insufficient_quota"}, 402),
    "a wrong key by its type": ({"type": "authentication_error", "code": None}, 401),
    "a status by name": ({"status": "PERMISSION_DENIED"}, 403),
    "an error in an error": ({"error": {"error": {"code": "403"}}}, 403),
    "an error in a list": ([{"error": {"code": 404}}], 404),
    "an error in a message": ({"message": '{"error": {"code": "401"}}'}, 401),
    "another field": ({"statusCode": "400"}, 400),
    "a message alone": ({"message": "Unauthorized"}, 401),
    "a model that is not there": ({"code": "model_not_found", "type": "invalid_request_error"}, 404),
    "a question too long": ({"code": "context_length_exceeded"}, 400),
    "a busy server": ("overloaded", 503),
    "a fault behind it": ({"code": "502", "metadata": {"raw": "{broken"}}, 502),
    "no number at all": ({"code": "1e999"}, 500),
    "no finite number": ({"code": float("inf")}, 500),
    "a number of a thousand digits": ({"code": 10**1000}, 500),
    "success": ({"code": 200}, 500),
    "a yes": (True, 500),
    "words about billing": ("We could not reach the service that does billing for you", 500),
}


@pytest.mark.parametrize(("error", "status"), ERRORS.values(), ids=ERRORS.keys())
async def test_an_error_in_an_answer_is_read_as_what_it_is(
    scripted: ScriptedServer, error: object, status: int
) -> None:
    assert status_in(error) == status
    if not (isinstance(error, dict) and error.get("code") == float("inf")):
        scripted.script = lambda _: Reply(body=json.dumps({"error": error}).encode())
        final = status not in (429, 408) and status < 500
        model = chat(scripted)
        with pytest.raises(FinalFailure if final else TransientFailure):
            await model.complete(ask())
        await model.close()


async def test_what_no_retry_can_mend_is_asked_once(scripted: ScriptedServer) -> None:
    scripted.script = lambda _: Reply(body=b'{"code": "401", "message": "No such key"}')
    model = chat(scripted)
    with pytest.raises(ModelError, match="401"):
        await gateway(model).complete("task", ask())
    assert len(scripted.log) == 1
    await model.close()


async def test_an_account_without_credit_is_asked_once_whatever_the_status(scripted: ScriptedServer) -> None:
    body = {"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": None}}
    scripted.script = lambda _: Reply(status=429, body=json.dumps(body).encode())
    model = chat(scripted)
    with pytest.raises(FinalFailure, match="no credit"):
        await model.complete(ask())
    await model.close()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["code", "type", "error", "message", "status", "metadata"]), one), max_leaves=8))  # fmt: skip # noqa: E501
def test_no_error_breaks_what_reads_it(error: object) -> None:
    found = error_in_answer(error, {})
    assert 400 <= found.status < 600
    (found.detail + found.code + found.param).encode()


# --- As what an answer is kept ----------------------------------------------------------------------------------------


def _choice(**fields: object) -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}, **fields}
    usage = {"prompt_tokens": 9, "completion_tokens": 5}
    return Reply(body=json.dumps({"choices": [choice], "usage": usage}).encode())


BROKEN: dict[str, Reply] = {
    "an error in a choice": _choice(error={"code": 502, "message": "upstream failed"}),
    "an error in a choice, as text": _choice(error="upstream failed"),
    "an end that is an error": _choice(finish_reason="error"),
    "an end in capitals": _choice(finish_reason="ERROR"),
    "an abort": _choice(finish_reason="abort"),
    "no resources": _choice(finish_reason="insufficient_system_resource"),
    "an error beside choices": Reply(
        body=b'{"choices": [{"message": {"content": "yes"}}], "error": {"code": "503", "message": "half"}}'
    ),
    "a fault of the server": failure(503, "down"),
    "no message": _choice(message=None),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN.keys())
async def test_what_may_pass_is_never_kept(scripted: ScriptedServer, tmp_path: Path, reply: Reply) -> None:
    replies = [reply, Reply("yes")]
    scripted.script = lambda _: replies.pop(0)
    cache, model = AnswerCache(tmp_path / "answers.sqlite"), chat(scripted)
    answer = await gateway(model, cache=cache).complete("task", ask())
    assert (answer.text, answer.finish, len(scripted.log), await cache.count()) == ("yes", "stop", 2, 1)
    await model.close()
    await cache.close()


UNSCORED: dict[str, tuple[Reply, str]] = {
    "a refusal": (refused(), "refused"),
    "a refusal that says the label": (
        _choice(message={"content": None, "refusal": "I cannot say yes."}), "refused",
    ),
    "a refusal beside an answer": (_choice(message={"content": "yes", "refusal": "No."}), "refused"),
    "a filter on the question": (content_filtered(), "filter"),
    "a filter on the answer": (_choice(finish_reason="content_filter"), "filter"),
    "another provider's filter": (_choice(finish_reason="SAFETY"), "filter"),
    "a filter as an error in a choice": (_choice(error={"code": "content_filter"}), "filter"),
    "cut off": (_choice(finish_reason="length"), "cut off after 5 tokens"),
    "cut off, in other words": (_choice(finish_reason="MAX_TOKENS"), "cut off"),
    "cut off before a word": (_choice(finish_reason="length", message={"content": None}), "cut off"),
}  # fmt: skip


def _rows(count: int = 1) -> Sequence[Example]:
    return [Example(f"r{i}", {"text": f"t{i}"}, "yes", Path("rows.jsonl"), i + 1) for i in range(count)]


@pytest.mark.parametrize("metric", ["label", "contains", "exact_match"])
@pytest.mark.parametrize(("reply", "why"), UNSCORED.values(), ids=UNSCORED.keys())
async def test_what_is_no_answer_is_kept_as_such_and_never_right(
    scripted: ScriptedServer, tmp_path: Path, reply: Reply, why: str, metric: str
) -> None:
    scripted.script = lambda _: reply
    prompt = parse_prompt('{{role "user"}}Say yes or no: {{text}}')
    for _ in range(2):
        cache, model = AnswerCache(tmp_path / "answers.sqlite"), chat(scripted)
        evaluator = Evaluator(gateway(model, cache=cache), make_metric(metric, ["yes", "no"]), labels=["yes", "no"])
        (result,) = await evaluator.score(prompt, _rows())
        assert (result.score, result.invalid, result.predicted) == (0.0, True, "")
        assert why in result.remark
        await model.close()
        await cache.close()
    assert len(scripted.log) == 1


async def test_an_empty_answer_that_was_filtered_is_not_the_empty_answer_expected(scripted: ScriptedServer) -> None:
    scripted.script = lambda _: content_filtered()
    model = chat(scripted)
    evaluator = Evaluator(gateway(model), make_metric("exact_match", []))
    (result,) = await evaluator.score(parse_prompt("{{text}}"), [replace(_rows()[0], expected="")])
    assert result.score == 0.0
    await model.close()


async def test_a_judge_that_was_cut_off_gave_no_grade(scripted: ScriptedServer) -> None:
    scripted.script = lambda _: Reply('{"reason": "fine", "grade": 5}', finish="length")
    model = chat(scripted)
    graded = await RubricGrader(gateway(model), "Be kind.").grade(_rows()[0], "yes")
    assert (graded.score, graded.invalid) == (0.0, True)
    await model.close()


def test_cut_off_under_one_bound_is_asked_again_under_another(yes_or_no: Apo, scripted: ScriptedServer) -> None:
    scripted.script = lambda request: Reply("yes", finish="length" if request.get("max_tokens", 9) < 9 else "stop")
    yes_or_no.edit("apo.metric", "config: {maxOutputTokens: 5}\napo.metric", "a.prompt")
    assert _evaluated(yes_or_no, scripted) == 4
    done = yes_or_no("evaluate", "a.prompt")
    assert "0.0 % accuracy" in done.out
    assert "4 × The answer was cut off after" in done.out
    assert len(scripted.log) == 4
    yes_or_no.edit("maxOutputTokens: 5", "maxOutputTokens: 50", "a.prompt")
    assert _evaluated(yes_or_no, scripted) == 4


# --- Files of another layout ------------------------------------------------------------------------------------------


def _sql(*statements: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return make


_TABLE = "CREATE TABLE answers (key TEXT PRIMARY KEY, value BLOB NOT NULL, stored REAL NOT NULL) WITHOUT ROWID"
_INDEX = "CREATE INDEX answers_by_age ON answers (stored)"
_ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS key, x AS value, x AS stored FROM n"
)
FILES: dict[str, Callable[[Path], object]] = {
    "fewer columns": _sql("CREATE TABLE answers (key TEXT PRIMARY KEY, value BLOB)"),
    "more columns": _sql(_TABLE.replace(") WITHOUT", ", cost REAL NOT NULL) WITHOUT"), _INDEX),
    "other names": _sql("CREATE TABLE answers (id TEXT, body BLOB)"),
    "a newer number": _sql(_TABLE, _INDEX, "PRAGMA user_version = 99"),
    "a negative number": _sql(_TABLE, _INDEX, "PRAGMA user_version = -1"),
    "a trigger that deletes": _sql(
        _TABLE, _INDEX, "CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END"
    ),
    "a trigger that fails": _sql(
        _TABLE, _INDEX, "CREATE TRIGGER t BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'no'); END"
    ),
    "a view": _sql("CREATE VIEW answers AS SELECT 'k' AS key, x'00' AS value, 0 AS stored"),
    "a view without end": _sql(f"CREATE VIEW answers AS {_ENDLESS}"),
    "a check that nothing passes": _sql(
        _TABLE.replace("stored REAL NOT NULL", "stored REAL NOT NULL CHECK (0)"), _INDEX
    ),
    "a column that is computed": _sql(_TABLE.replace("stored REAL NOT NULL", "stored REAL AS (1.0)")),
    "an index that allows one value": _sql(_TABLE, _INDEX, "CREATE UNIQUE INDEX u ON answers (stored > 0)"),
    "another program's tables": _sql("CREATE TABLE bookmarks (url TEXT)"),
    "a table beside ours": _sql(_TABLE, _INDEX, "CREATE TABLE looks (n INTEGER)"),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 64),
    "an encrypted file": lambda path: path.write_bytes(os.urandom(8192)),
    "half a header": lambda path: path.write_bytes(b"SQLite format 3\0" + b"\0" * 50),
    "a folder": lambda path: path.mkdir(),
    "a folder with files": lambda path: (path.mkdir(), (path / "a").touch()),
}
if os.name == "posix":
    FILES["a FIFO"] = os.mkfifo


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _set_aside(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if re.search(r"\.sqlite\.(layout|damaged)-[\d-]+$", entry.name)]


async def _stored(path: Path) -> bool:
    cache = AnswerCache(path)
    known = await cache.get("k", Completion) is not None
    await cache.put("k", Completion("yes"))
    await cache.close()
    return known


@pytest.mark.parametrize("make", FILES.values(), ids=FILES.keys())
async def test_a_file_that_is_not_ours_is_set_aside_once(
    tmp_path: Path, make: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "answers.sqlite"
    make(path)
    before = _content(path)
    assert [await _stored(path) for _ in range(3)] == [False, True, True]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    (aside,) = _set_aside(tmp_path)
    assert _content(aside) == before


async def test_an_empty_file_is_taken_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "answers.sqlite"
    os.close(os.open(path, os.O_CREAT))
    assert [await _stored(path) for _ in range(2)] == [False, True]
    assert caplog.records == []


async def test_a_file_of_the_version_before_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "answers.sqlite"
    value = b'{"text":"yes","usage":{"input":1,"output":1,"estimated":false},"finish":"stop","cached":false}'
    _sql(_TABLE, _INDEX, f"INSERT INTO answers VALUES ('k', x'{value.hex()}', 1e9)")(path)
    assert await _stored(path)
    assert caplog.records == []


@pytest.mark.parametrize("side", ["-wal", "-journal"])
async def test_a_folder_where_the_database_keeps_its_log_is_set_aside(tmp_path: Path, side: str) -> None:
    (tmp_path / f"answers.sqlite{side}").mkdir()
    assert [await _stored(tmp_path / "answers.sqlite") for _ in range(2)] == [False, True]


async def test_two_at_once_set_one_file_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hesitant(path: Path, error: Exception) -> Path:
        time.sleep(0.1)
        return set_unusable_aside(path, error)

    monkeypatch.setattr("apo_engine.models.answer_store.set_unusable_aside", hesitant)
    path = tmp_path / "answers.sqlite"
    FILES["a view"](path)
    caches = [AnswerCache(path) for _ in range(8)]
    await asyncio.gather(*(cache.put(f"k{number}", Completion("yes")) for number, cache in enumerate(caches)))
    for cache in caches:
        await cache.close()
    again = AnswerCache(path)
    assert await again.count() == len(caches)
    await again.close()
    assert len(_set_aside(tmp_path)) == 1


def test_a_file_of_another_layout_is_paid_for_once_said_once_and_cleared(
    yes_or_no: Apo, scripted: ScriptedServer
) -> None:
    cache = yes_or_no.folder / "cache"
    cache.mkdir()
    FILES["fewer columns"](cache / "answers.sqlite")
    first = yes_or_no("evaluate", "a.prompt")
    assert (first.code, len(scripted.log)) == (0, 4)
    assert first.err.count("cannot be used") == 1
    second = yes_or_no("evaluate", "a.prompt")
    assert (second.code, len(scripted.log)) == (0, 4)
    assert "cannot be used" not in second.err
    assert yes_or_no("cache", "clear", "--yes").code == 0
    assert list(cache.glob("answers.sqlite.layout-*")) == []


_SPENDING = (
    "CREATE TABLE spending (day TEXT, name TEXT, calls INTEGER, pico INTEGER, PRIMARY KEY (day, name)) WITHOUT ROWID"
)
LEDGERS: dict[str, Callable[[Path], object]] = {
    "fewer columns": _sql("CREATE TABLE spending (day TEXT PRIMARY KEY, calls INTEGER)"),
    "a newer number": _sql(_SPENDING, "PRAGMA user_version = 7"),
    "a trigger that forgets": _sql(
        _SPENDING, "CREATE TRIGGER t AFTER INSERT ON spending BEGIN UPDATE spending SET calls = 0; END"
    ),
    "a view that has spent nothing": _sql(
        "CREATE VIEW spending AS SELECT '' AS day, '' AS name, 0 AS calls, 0 AS pico"
    ),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 64),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("make", LEDGERS.values(), ids=LEDGERS.keys())
async def test_a_record_of_spending_that_is_not_ours_lets_nothing_leave_today_and_all_tomorrow(
    tmp_path: Path, make: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    path, today = tmp_path / "spending.sqlite", date.today()
    make(path)
    for caps in (DailyCaps(calls=5), DailyCaps(usd=1.0)):
        with pytest.raises(BudgetError, match="tomorrow"):
            await Purse(Ledger(path), "w", caps, today=lambda: today).draw(0.1)
    assert len(caplog.records) == 1
    tomorrow = Purse(Ledger(path), "w", DailyCaps(calls=1), today=lambda: today + timedelta(days=1))
    (await tomorrow.draw(0.1)).settle(0.1)
    with pytest.raises(BudgetError, match="1 of 1"):
        await tomorrow.draw(0.1)
    assert len(_set_aside(tmp_path)) == 1


def test_the_slots_of_a_run_are_not_lost_to_an_error_in_a_choice() -> None:
    """An endpoint whose answers break off is given up like one that fails: in order, with its reason."""
    with ScriptedServer(lambda _: BROKEN["an error in a choice"]) as server:

        async def run() -> None:
            model = chat(server)
            limiter = Limiter(4, backoff=0.001)
            with pytest.raises(ModelError, match="upstream failed"):
                await gateway(model, limiter=limiter).complete("task", ask())
            await model.close()

        asyncio.run(run())
        assert len(server.log) <= 16
