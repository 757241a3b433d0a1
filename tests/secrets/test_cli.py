"""No key that reaches a model server by way of `apo` is ever written or printed, whatever the server answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Apo, make_apo
from tests.scripted import Reply, ScriptedServer, html, reset, truncated, unauthorized
from tests.scripted.reply import failure
from tests.scripted.server import Script
from tests.scripted.world import World
from tests.secrets.canary import Canary, files_below
from tests.secrets.routes import ROUTES, Route

LOUD = {"OPENAI_LOG": "debug", "HTTPX_LOG_LEVEL": "trace"}
LOGS_ALL = """import logging
logging.basicConfig(level=logging.DEBUG, filename="log.txt", format="%(name)s %(message)s %(args)s")
"""


@pytest.fixture
def canary() -> Canary:
    return Canary.hatch()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def _apo(folder: Path, server: ScriptedServer, route: Route, canary: Canary) -> Apo:
    """`apo` at its most talkative: all debug logging that its libraries know is on, and goes to a file too."""
    World(60).write(folder, model=route.model)
    config = folder.parent / "config"
    route.write_config(config, canary, server.base_url)
    talkative = folder.parent / "talkative"
    talkative.mkdir()
    (talkative / "sitecustomize.py").write_text(LOGS_ALL)
    apo = make_apo(folder, server)
    apo.environ.update(LOUD, PYTHONPATH=str(talkative), XDG_CONFIG_HOME=str(config))
    apo.environ.update(route.environment(canary, server.base_url))
    return apo


@contextmanager
def _processes_watched(canary: Canary) -> Iterator[list[bytes]]:
    """What betrays the secret in any process's command line meanwhile, where the system shows them."""
    seen: list[bytes] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found = canary.seen_in(process.read_bytes())
                except OSError:
                    continue
                if found:
                    seen.append(found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _run_everything(apo: Apo, canary: Canary, *commands: str) -> None:
    """Run commands, and look for the secret in all they print and leave behind."""
    with _processes_watched(canary) as betrayed:
        for command in commands:
            outcome = apo(*command.split())
            assert outcome.code in (0, 1, 3), outcome.err
            assert "Traceback" not in outcome.err or "--debug" in command, outcome.err
            for name, said in (("stdout", outcome.out), ("stderr", outcome.err)):
                assert not (found := canary.seen_in(said.encode())), f"{name} of `apo {command}`: {found!r}"
    assert not betrayed, betrayed
    for path, content in files_below(apo.folder):
        assert not (found := canary.seen_in(content)), f"{path}: {found!r}"


@pytest.mark.parametrize("name", ROUTES)
def test_a_key_is_sent_and_never_written_or_printed(name: str, folder: Path, canary: Canary) -> None:
    route = ROUTES[name]
    with ScriptedServer(World(60).script) as server:
        apo = _apo(folder, server, route, canary)
        _run_everything(
            apo,
            canary,
            "models",
            "models --json",
            "evaluate tickets.prompt --json --debug",
            "optimize tickets.prompt --max-calls 120",
            "runs --json",
            "report --output page.html",
        )
        assert len(server.log) > 60
        for exchange in server.log.exchanges:
            assert route.carried(exchange, canary), (exchange.query, exchange.headers)
    assert (folder / "log.txt").stat().st_size > 1000, "the debug log shows nothing"


def _trouble(canary: Canary) -> dict[str, Script]:
    """Servers that tell everybody what they were sent."""
    told = f"Your key {canary.secret} (that is {canary.quoted}, or user:{canary.secret}) is no good"
    page = f"<html><title>{canary.secret}</title>{canary.quoted}</html>".encode()
    return {
        "401": lambda _: unauthorized(canary.secret),
        "400": lambda _: failure(400, told),
        "header": lambda _: failure(400, f"Bad header 'Bearer {canary.secret}'"),
        "password": lambda _: failure(400, f"Bad header 'Basic {canary.basic}'"),
        "403": lambda _: failure(403, told, code=canary.secret),
        "404": lambda _: failure(404, told),
        "500": lambda _: failure(500, told, headers={"Retry-After": "0"}),
        "web page": lambda _: Reply(body=page, content_type="text/html"),
        "no JSON": lambda _: Reply(body=canary.secret.encode()),
        "no choices": lambda _: Reply(body=f'{{"error": "{canary.secret}"}}'.encode()),
        "redirect": lambda _: Reply(status=307, headers={"Location": f"/v1/x?api_key={canary.quoted}"}),
        "html": lambda _: html(),
        "reset": lambda _: reset(),
        "truncated": lambda _: truncated(),
    }


# Every way at once, as far as they go together: a key and a password take the same header.
TOGETHER = {
    "key": {
        "OPENAI_API_KEY": "{key}",
        "OPENAI_BASE_URL": "http://{base}?api_key={quoted}",
        "OPENAI_CUSTOM_HEADERS": "X-Token: {key}",
    },
    "password": {"OPENAI_BASE_URL": "http://user:{quoted}@{base}"},
}


def _told(way: str) -> list[str]:
    """What a server can tell of a way: the header of a password is only there with a password."""
    return [trouble for trouble in _trouble(Canary.hatch()) if way == "password" or trouble != "password"]


# With every change, one trouble of each kind: a refusal, one that is tried again, another language, a header.
USUAL = (("key", "401"), ("key", "500"), ("key", "web page"), ("password", "password"))


def _tellings() -> Iterator[Any]:
    for way in TOGETHER:
        for trouble in _told(way):
            yield pytest.param(way, trouble, marks=[] if (way, trouble) in USUAL else pytest.mark.thorough)


@pytest.mark.parametrize(("way", "trouble"), list(_tellings()))
def test_a_server_that_quotes_the_key_is_not_quoted(way: str, trouble: str, folder: Path, canary: Canary) -> None:
    with ScriptedServer(_trouble(canary)[trouble]) as server:
        apo = _apo(folder, server, Route(lambda *_: True, TOGETHER[way]), canary)
        _run_everything(apo, canary, "evaluate tickets.prompt --debug --max-seconds 3")
        assert len(server.log) > 0


MISTAKES = {
    "slash in the password": {"OPENAI_BASE_URL": "http://user:{key}@127.0.0.1:9/v1"},
    "no scheme": {"OPENAI_BASE_URL": "user:{key}@127.0.0.1/v1"},
    "other scheme": {"OPENAI_BASE_URL": "htp://user:{quoted}@127.0.0.1/v1"},
    "no port": {"OPENAI_BASE_URL": "http://127.0.0.1:{quoted}/v1"},
    "bracket": {"OPENAI_BASE_URL": "http://user:[{quoted}@127.0.0.1/v1"},
    "strange letter": {"OPENAI_BASE_URL": "http://user:{quoted}\u2100@127.0.0.1/v1"},
    "key as the address": {"OPENAI_BASE_URL": "{key}"},
    "key with a line end": {"OPENAI_API_KEY": "{key}\nx"},
    "key with a letter of another kind": {"OPENAI_API_KEY": "{key}é"},
    "header with a letter of another kind": {"OPENAI_CUSTOM_HEADERS": "X-Token: {key}é"},
    "header without a colon": {"OPENAI_CUSTOM_HEADERS": "{key}"},
    "header that ends a line": {"OPENAI_CUSTOM_HEADERS": "X-Token: {key}\rX"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_key_given_wrongly_is_not_quoted(
    mistake: str, folder: Path, canary: Canary, scripted: ScriptedServer
) -> None:
    route = Route(lambda *_: True, MISTAKES[mistake])
    apo = _apo(folder, scripted, route, canary)
    for command in ("evaluate tickets.prompt --debug", "models --json", "check tickets.prompt"):
        outcome = apo(*command.split())
        assert outcome.code in (0, 2, 3), outcome.err
        assert not (found := canary.seen_in((outcome.out + outcome.err).encode())), f"{command}: {found!r}"
    for path, content in files_below(folder):
        assert not (found := canary.seen_in(content)), f"{path}: {found!r}"


MISPLACED = {
    "key instead of its variable": "endpoints:\n  corp:\n    base_url: http://{base}\n    key_env: {key}\n",
    "key in a key of its own": "endpoints:\n  corp:\n    base_url: http://{base}\n    api_key: {key}\n",
    "key instead of the endpoint": "endpoints:\n  corp: {key}\n",
    "key in a list": "endpoints:\n  corp:\n    base_url: ['http://user:{quoted}@{base}']\n",
    "address with a fault": "endpoints:\n  corp:\n    base_url: http://user:{key}@{base}\n",
    "key instead of a number": "budget:\n  calls: {key}\n",
    "key instead of a choice": "optimizer:\n  algorithm: {key}\n",
    "key instead of a metric": "metric: {key}\n",
    "key as the name of a setting": "budget:\n  {key}: 1\n",
    "key in a map": "seed:\n  api_key: {key}\n",
    "file with a fault": "endpoints:\n  corp:\n    base_url: http://user:{key}@{base}\n   key_env: {key}\n",
}


@pytest.mark.parametrize("mistake", MISPLACED)
def test_a_key_in_the_wrong_place_of_the_configuration_is_not_quoted(
    mistake: str, folder: Path, canary: Canary, scripted: ScriptedServer
) -> None:
    apo = _apo(folder, scripted, Route(lambda *_: True, {}, MISPLACED[mistake], "corp/scripted"), canary)
    for command in ("evaluate tickets.prompt --debug", "models --json", "check tickets.prompt"):
        outcome = apo(*command.split())
        assert outcome.code in (0, 1, 2, 3), outcome.err
        assert not (found := canary.seen_in((outcome.out + outcome.err).encode())), f"{command}: {found!r}"
    assert len(scripted.log) == 0
    for path, content in files_below(folder):
        assert not (found := canary.seen_in(content)), f"{path}: {found!r}"
