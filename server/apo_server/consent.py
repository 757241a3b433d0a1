"""What the user has agreed to, for one workspace: where rows may be sent, and which code of its own may be run.

What is remembered lies in the user's own cache folder, wherever ``apo.cacheDir`` points: a workspace may set that, and
must not be able to bring its own consent along.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from apo_engine.decoding import decoded
from apo_engine.machine import cache_dir, user_layer
from apo_engine.private import open_private, private_folder
from apo_engine.problems import InputError
from apo_engine.search.events import CustomMetric, ModelFile, RunStarted
from apo_server.features.plain import said

_log = logging.getLogger(__name__)
ALLOW = "Allow for this workspace"
NOT_NOW = "Not now"
_SEALED_TOO = "(sealed rows too)"
# Shows a question with its answers and gives the one chosen; None for none.
Ask = Callable[[str, tuple[str, ...]], Awaitable[str | None]]


class Consent:
    """Knows, and finds out, what the user agrees to: that rows leave the machine, that code of a workspace is run."""

    def __init__(self, ask: Ask, environ: Mapping[str, str] = os.environ) -> None:
        self._ask = ask
        self._environ = environ
        self._questions: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._declined: set[tuple[str, str]] = set()

    async def to_send(self, workspace: str, prompt: str, started: RunStarted, *, asked: bool) -> bool:
        """Whether rows may leave; asks the user where that is not known."""
        hosts = destination(started, self._environ)
        opened, all_rows = (workspace, hosts), (workspace, f"{hosts} {_SEALED_TOO}")
        # A search shows sealed rows too, for its verdict: a yes to that covers the rest, and not the other way round.
        if started.job == "optimize" or all_rows in self._remembered():
            return await self._given(all_rows, words(prompt, started, hosts), asked=asked)
        return await self._given(opened, words(prompt, started, hosts), asked=asked)

    async def to_run(self, workspace: str, prompt: str, code: CustomMetric, *, asked: bool) -> bool:
        """Whether a metric that is code may be run as it is now; asks the user if that is not known."""
        key = (workspace, f"code {code.digest} {code.name} {code.path}")
        return await self._given(key, words_on_code(prompt, code), asked=asked)

    async def to_load(self, workspace: str, prompt: str, file: ModelFile, *, asked: bool) -> bool:
        """Whether a file of weights may be loaded as it is now; asks the user if that is not known."""
        key = (workspace, f"weights {file.sha256} {file.path}")
        return await self._given(key, words_on_model_file(prompt, file), asked=asked)

    def revoke(self, workspace: str) -> bool:
        """Take back whatever was agreed to for a workspace; False where nothing was.

        Background work does not ask again until the server restarts: what was just taken back is not offered at once.

        Raises:
            OSError: what was agreed to cannot be forgotten on disk.
        """
        given = self._remembered()
        taken = {key for key in given if key[0] == workspace}
        self._declined |= taken
        if taken:
            self._write(given - taken)
        return bool(taken)

    async def _given(self, key: tuple[str, str], question: str, *, asked: bool) -> bool:
        """Background work (not ``asked``) that was declined once is not asked about again until the server restarts.

        Prompts of one workspace share one question.
        """
        if key in self._remembered():
            return True
        if key in self._declined and not asked:
            return False
        put = self._questions.get(key)
        if put is None:
            put = self._questions[key] = asyncio.ensure_future(self._put(key, question))
            put.add_done_callback(lambda _: self._questions.pop(key, None))
        # A job that is cancelled leaves the question open: it may be answered for the next one.
        return await asyncio.shield(put)

    async def _put(self, key: tuple[str, str], question: str) -> bool:
        answer = await self._ask(question, (ALLOW, NOT_NOW))
        if answer != ALLOW:
            self._declined.add(key)
            return False
        self._remember(key)
        return True

    @property
    def _file(self) -> Path:
        return cache_dir(self._environ) / "consent.json"

    def _remembered(self) -> set[tuple[str, str]]:
        try:
            return set(decoded(self._file.read_bytes(), list[tuple[str, str]]))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return set()

    def _remember(self, key: tuple[str, str]) -> None:
        self._declined.discard(key)
        try:
            self._write(self._remembered() | {key})
        except OSError as error:
            _log.warning("The consent cannot be remembered: %s", error.strerror)

    def _write(self, given: set[tuple[str, str]]) -> None:
        private_folder(self._file.parent, shared=True)
        with os.fdopen(open_private(self._file, os.O_WRONLY | os.O_TRUNC), "wb") as out:
            out.write(msgspec.json.encode(sorted(given)))


def words(prompt: str, started: RunStarted, host: str) -> str:
    """The question, with what would leave, where to, and what it may cost."""
    cost = f"about ${started.estimate.usd:.2f}" if started.estimate.usd is not None else "at a price that is not known"
    models = ", ".join(started.remote_models)
    graded = f", where {started.judge_model} grades the answers" if started.judge_model in started.remote_models else ""
    return (
        f"Send {prompt} and {_rows(started)} to {host} ({models}){graded}? "
        f"At most {started.estimate.calls:,} calls, {cost}." + _on_the_way(started)
    )


def _on_the_way(started: RunStarted) -> str:
    if not started.exposed:
        return ""
    return f" Nothing is encrypted on its way to {' and '.join(started.exposed)}: an https:// address would be safe."


def _rows(started: RunStarted) -> str:
    """What would leave of which file: ``140 rows of tickets.jsonl (60 more stay on this machine)``."""
    shown = []
    for file in started.files:
        kept = f" ({file.kept:,} more stay on this machine)" if file.kept else ""
        shown.append(f"{file.shown:,} row{'' if file.shown == 1 else 's'} of {Path(file.path).name}{kept}")
    return " and ".join(shown)


def words_on_code(prompt: str, code: CustomMetric) -> str:
    """The question whether code that lies in the workspace may be run; it names every file."""
    first, *others = code.files
    more = f" It imports {', '.join(others)}." if others else ""
    return (
        f"Run {first}? Its function '{code.name}' scores the answers of {prompt}.{more} It can do whatever you can on "
        f"this machine. You are asked again when {'one of these files' if others else 'the file'} changes."
    )


def words_on_model_file(prompt: str, file: ModelFile) -> str:
    """The question whether a file of weights may be loaded."""
    return (
        f"Load the model file {said(file.path)} for {prompt}? Its SHA-256 begins with {file.sha256[:12]}. Native code "
        "reads it, so a file made with bad intent could do whatever you can on this machine. You are asked again when "
        "the file changes."
    )


def destination(started: RunStarted, environ: Mapping[str, str]) -> str:
    """The hosts that a run would send rows to, for people and as a key."""
    return " and ".join(dict.fromkeys(_host(model, environ) for model in started.remote_models))


def _host(model: str, environ: Mapping[str, str]) -> str:
    provider = model.partition("/")[0]
    if provider == "openai":
        address = environ.get("OPENAI_BASE_URL") or "https://api.openai.com"
        return _named(address) or "the address in OPENAI_BASE_URL"
    try:
        endpoints = user_layer().values.get("endpoints")
    except InputError:
        endpoints = None
    endpoint = endpoints.get(provider) if isinstance(endpoints, Mapping) else None
    named = endpoint.get("base_url") if isinstance(endpoint, Mapping) else None
    return (_named(str(named)) if named else None) or f"the endpoint '{provider}'"


def _named(address: str) -> str | None:
    """The host in an address; None where it cannot be made out, as nothing else of an address is fit to be shown."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
