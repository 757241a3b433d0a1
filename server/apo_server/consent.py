"""What the user has agreed to, for one workspace: where rows may be sent, and which code of its own may be run.

Consent lies in the cache folder that the environment names. It counts only if the file belongs to the user and nobody
else can write to it: neither a workspace nor a colleague with whom the folder is shared gives consent for the user.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from apo_engine.machine import cache_dir
from apo_engine.search.events import CustomMetric, ModelFile, RunStarted
from apo_server.addresses import is_held_by
from apo_server.code_questions import words_on_code, words_on_model_file
from apo_server.consent_file import ConsentFile, Grant, Remembered, Withdrawals
from apo_server.consent_scope import granted_scope, needed_scope, question, question_in_full

_log = logging.getLogger(__name__)
ALLOW = "Allow for this workspace"
NOT_NOW = "Not now"
# Shows a question with its answers and gives the one chosen; None for none.
Ask = Callable[[str, tuple[str, ...]], Awaitable[str | None]]
_Key = tuple[str, str]


@dataclass
class _Question:
    """A question that is open: what it is about, and by their files the prompts that wait for it, as they were then.

    ``withdrawal`` is the mark of the last withdrawal before it. ``void`` says that its answer does not count any more.
    """

    scope: Grant
    rows: str
    withdrawal: str
    answer: asyncio.Task[bool]
    prompts: dict[str, str] = field(default_factory=dict)
    void: bool = False


@dataclass(frozen=True, slots=True)
class _Yes:
    """What the user said yes to; ``withdrawal`` marks the last withdrawal before it. The next one ends it."""

    grant: Grant
    withdrawal: str


class Consent:
    """Knows, and finds out, what the user agrees to: that rows leave the machine, that code of a workspace is run.

    A yes to a run holds for exactly what the question counted. It becomes one to later runs, within the scope that the
    question names, once the run has begun as it was asked about (`begun`). ``note`` writes a line into the log.
    """

    def __init__(
        self, ask: Ask, environ: Mapping[str, str] = os.environ, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self._ask = ask
        self._note = note
        self._file = ConsentFile(cache_dir(environ))
        self._open: list[_Question] = []
        # What the user said yes to, by workspace and fingerprint, as long as no run has begun so.
        self._agreed: dict[_Key, _Yes] = {}
        self._questions: dict[_Key, asyncio.Task[bool]] = {}
        self._declined: set[_Key] = set()

    async def to_send(self, workspace: str, started: RunStarted, *, asked: bool) -> bool:
        """Whether a run may send what its first event says; asks the user if that is not known.

        Prompts of one workspace share a question if it is the same one. A prompt that has changed while a question
        about it was open is asked about anew: at once if a user waits (``asked``), else after that question.
        Background work that was declined is not asked about again until the server restarts.

        Raises:
            InputError: no question can name all that would have to be agreed to.
        """
        needed, key = needed_scope(workspace, started), (workspace, started.fingerprint)
        changed = False
        while True:
            mark = self._mark(needed)
            if self.waits(workspace, started) or (not changed and self._covers(needed)):
                return True
            if not asked and _hosts(needed) in self._declined:
                return False
            about = [
                one
                for one in self._open
                if not one.answer.done()
                and (one.scope.workspace, one.withdrawal) == (workspace, mark)
                and started.file in one.prompts
            ]
            same = next((one for one in self._open if _is_same(one, needed, started, mark)), None)
            if same is None and about and not asked:
                changed = True
                if not await asyncio.shield(about[-1].answer):
                    return False
                continue
            put = same or self._put(needed, started, mark)
            put.prompts[started.file] = started.fingerprint
            # A job that is cancelled leaves the question open: it may be answered for the next one.
            if not await asyncio.shield(put.answer) or put.void or self._mark(needed) != mark:
                return False
            self._agreed[key] = _Yes(granted_scope(put.scope), mark)
            return True

    def begun(self, workspace: str, started: RunStarted) -> None:
        """A run has begun as it was asked about: what was agreed to is remembered for later runs."""
        if not self.waits(workspace, started):
            return
        yes = self._agreed[workspace, started.fingerprint]
        self._declined.discard(_hosts(yes.grant))
        try:
            self._file.change(lambda before: _with(before, yes))
        except OSError as error:
            _log.warning("The consent cannot be remembered: %s", error.strerror)
            return
        del self._agreed[workspace, started.fingerprint]

    def waits(self, workspace: str, started: RunStarted) -> bool:
        """Whether the user has said yes to a run that has not begun yet."""
        yes = self._agreed.get((workspace, started.fingerprint))
        return yes is not None and yes.withdrawal == self._mark(yes.grant)

    def withdrawals(self) -> Withdrawals:
        """The withdrawals so far, by any server of the user's."""
        return self._file.withdrawals()

    def _mark(self, scope: Grant) -> str:
        """The mark of the last withdrawal: with another one, no earlier yes holds."""
        return self.withdrawals().mark(scope.workspace, scope.paths)

    def holds(self, workspace: str, started: RunStarted, needed: Grant) -> bool:
        """Whether a run that was allowed still is: any server of the user's may have withdrawn its consent.

        ``needed`` is its scope as it was when it was allowed.
        """
        return self.waits(workspace, started) or self._covers(needed)

    async def to_run(self, workspace: str, prompt: str, code: CustomMetric, *, asked: bool) -> bool:
        """Whether a metric that is code may be run as it is now; asks the user if that is not known."""
        key = (workspace, f"code {code.digest} {code.name} {code.path}")
        return await self._given(key, words_on_code(prompt, code), asked=asked)

    async def to_load(self, workspace: str, prompt: str, file: ModelFile, *, asked: bool) -> bool:
        """Whether a file of weights may be loaded as it is now; asks the user if that is not known."""
        key = (workspace, f"weights {file.sha256} {file.path}")
        return await self._given(key, words_on_model_file(prompt, file), asked=asked)

    def revoke(self, workspace: str) -> bool:
        """Withdraw whatever was agreed to for a workspace and those in it; False if nothing was.

        It is on disk when this returns.

        The answers to questions that are open do not count any more. Background work does not ask again until the
        server restarts: what was just withdrawn is not offered at once.

        Raises:
            OSError: what was agreed to cannot be forgotten on disk.
        """
        for one in self._open:
            if one.scope.concerns(workspace):
                one.void = True
                self._declined.add(_hosts(one.scope))
        self._open = [one for one in self._open if not one.void]
        self._questions = {key: put for key, put in self._questions.items() if not is_held_by(key[0], workspace)}
        agreed = [yes.grant for yes in self._agreed.values() if yes.grant.concerns(workspace)]
        self._agreed = {key: yes for key, yes in self._agreed.items() if not yes.grant.concerns(workspace)}
        found = self._file.read()
        grants = [one for one in found.grants if one.concerns(workspace)]
        code = [key for key in found.code if is_held_by(key[0], workspace)]
        self._declined |= {*map(_hosts, [*grants, *agreed]), *code}
        # Even if nothing is on disk: another server may hold a yes to a run that has not begun yet.
        self._file.change(lambda before: before.without(workspace))
        return bool(grants or agreed or code)

    def _covers(self, needed: Grant) -> bool:
        return any(grant.covers(needed) for grant in self._file.read().grants)

    def _put(self, needed: Grant, started: RunStarted, mark: str) -> _Question:
        """Put a question about a run."""
        agreed = self._file.read().grants
        words = question(needed.workspace, started, agreed)
        in_full = question_in_full(needed.workspace, started, agreed)
        if words != in_full:
            self._note(f"The question in full: {in_full}")
        answer = asyncio.ensure_future(self._answer(words, _hosts(needed)))
        put = _Question(needed, started.rows_fingerprint, mark, answer)
        self._open.append(put)
        put.answer.add_done_callback(lambda _: self._close(put))
        return put

    def _close(self, put: _Question) -> None:
        self._open = [one for one in self._open if one is not put]

    async def _answer(self, words: str, key: _Key) -> bool:
        if await self._ask(words, (ALLOW, NOT_NOW)) == ALLOW:
            self._declined.discard(key)
            return True
        self._declined.add(key)
        return False

    async def _given(self, key: _Key, words: str, *, asked: bool) -> bool:
        """Whether running code was agreed to; background work (not ``asked``) that was declined once asks no more.

        Prompts of one workspace share one question.
        """
        if key in self._file.read().code:
            return True
        if key in self._declined and not asked:
            return False
        put = self._questions.get(key)
        if put is None:
            put = self._questions[key] = asyncio.ensure_future(self._put_code(key, words))
            put.add_done_callback(lambda _: self._questions.pop(key, None))
        # A job that is cancelled leaves the question open: it may be answered for the next one.
        return await asyncio.shield(put)

    async def _put_code(self, key: _Key, words: str) -> bool:
        mark = self.withdrawals().mark(key[0])
        if not await self._answer(words, key) or key not in self._questions:
            return False
        try:
            self._file.change(lambda before: _with_code(before, key, mark))
        except OSError as error:
            _log.warning("The consent cannot be remembered: %s", error.strerror)
        return self.withdrawals().mark(key[0]) == mark


def _with_code(before: Remembered, key: _Key, mark: str) -> Remembered:
    if before.withdrawal(key[0]) != mark:
        return before
    return msgspec.structs.replace(before, code=(*before.code, key))


def _with(before: Remembered, yes: _Yes) -> Remembered:
    grant = yes.grant
    if before.withdrawal(grant.workspace, grant.paths) != yes.withdrawal:
        return before
    if any(one.covers(grant) for one in before.grants):
        return before
    others = (one for one in before.grants if not grant.covers(one))
    return msgspec.structs.replace(before, grants=(*others, grant))


def _is_same(put: _Question, needed: Grant, started: RunStarted, mark: str) -> bool:
    """Whether an open question is the one that a run would put: the same rows to the same places, nothing changed.

    Prompts of different lengths differ in calls and cost, and may include fewer of the texts that the question names:
    a yes covers them up to what it said.
    """
    known = put.prompts.get(started.file, started.fingerprint)
    asked, same = granted_scope(put.scope), put.scope
    scope = msgspec.structs.replace(needed, calls=same.calls, usd=same.usd, texts=same.texts)
    return asked.covers(needed) and (put.scope, put.rows, known, put.withdrawal) == (
        scope,
        started.rows_fingerprint,
        started.fingerprint,
        mark,
    )


def _hosts(scope: Grant) -> _Key:
    """What a no is to: the hosts, whatever the rows are."""
    hosts = " ".join(sorted({one.host for one in scope.recipients}))
    return scope.workspace, f"{hosts} {'sealed' if scope.sealed else 'open'}"
