"""The one door through which every call of every role goes: budget, cache, single flight, limits, retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from apo_engine.models import failure, prices
from apo_engine.models.budget import Budget, CallRole, Debt, Reservation
from apo_engine.models.cache import answer_key
from apo_engine.models.chat import (
    ChatModel,
    ChatRequest,
    Completion,
    HoldsSecrets,
    LabelScorer,
    LabelScores,
    Message,
    Remote,
    Usage,
)
from apo_engine.models.failure import CallFailure, FormRefused
from apo_engine.models.limits import Limiter
from apo_engine.models.memory_cache import Answers
from apo_engine.models.purse import Purse
from apo_engine.models.reported_usage import is_plausible
from apo_engine.models.route import Route
from apo_engine.models.tokens import are_too_few, estimate_tokens

__all__ = ["OUTPUT_BOUND", "CallRole", "Gateway", "NotCached"]

#: The longest answer, in tokens, that a request may have when a cap on tokens or money must be kept and the
#: prompt file sets no ``maxOutputTokens``.
OUTPUT_BOUND = 4096
_BOUND_KEYS = ("maxOutputTokens", "max_output_tokens", "max_completion_tokens", "max_tokens")
# What chat templates add to a request (a preamble with a date, say) and to each message (roles, separators).
_REQUEST_OVERHEAD, _MESSAGE_OVERHEAD = 64, 16
# Endpoints may add so many tokens of their own to a request: instructions, descriptions of tools.
_MOST_ADDED = 10_000
# How long a request that was given up may take to be counted as spent.
_SETTLING_SECONDS = 0.5
# How often a request is sent again in another form: there are fewer parameters that a model may leave out or rename.
_MOST_FORMS = 10

AnswerT = TypeVar("AnswerT", Completion, LabelScores)


class NotCached(Exception):
    """An answer is not at hand, and nothing may be sent."""


@dataclass(slots=True)
class _Flight:
    """A call under way, and how many callers wait for it.

    ``tokens`` is what each of them reserved; ``sent`` says that a request left and has not failed, ``debt`` is what
    one that failed may have used.
    """

    tokens: int
    task: asyncio.Task[Completion] | asyncio.Task[LabelScores] | None = None
    waiters: int = 0
    sent: bool = False
    debt: Debt | None = None

    async def cover(self) -> None:
        """Find room for one more request."""
        if self.debt is not None:
            await self.debt.cover(lambda: max(0, self.waiters - 1) * self.tokens)

    def end(self) -> None:
        """No more requests leave."""
        if self.debt is not None:
            self.debt.drop()


class Gateway:
    """One model, behind a cache, a budget and a limiter, which may all be shared with other gateways.

    A call is counted once it is answered, from the cache too. Identical calls under way at the same time share
    one request; the later ones count as cached. A request goes on as long as anybody waits for it. A cancelled
    caller gives its reservation back at once, unless it was the last and the request has left: nobody knows what the
    endpoint makes of it. At the budget's deadline every call ends, whatever it waits for.

    What an endpoint says of its tokens is used as far as they were reserved. Otherwise they are estimated, which
    ``note`` is told once; a cap of money and the day then count the most that the request may have cost. If an endpoint
    adds tokens of its own to requests, the next ones reserve as many more.

    Args:
        model: who answers.
        cache: where answers are kept, written before they are used; None keeps none.
        budget: what may be spent, reserved before a request leaves.
        limiter: how many requests at once, and how a failed one is repeated.
        fresh: take no answer from the cache but those that this gateway stored itself.
        purse: what may leave the machine in a day; requests that stay on it are not counted.
        price: USD of an answer, None when unknown.
        note: says something to the user.
        routes: which way the requests of each role may leave this machine; no other request leaves. None allows any.
        may_send: whether the user still allows requests to leave this machine; asked before each one.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        cache: Answers | None,
        budget: Budget,
        limiter: Limiter,
        fresh: bool = False,
        purse: Purse | None = None,
        price: Callable[[ChatModel, Usage], float | None] = prices.price_of,
        note: Callable[[str], None] = lambda _: None,
        routes: Mapping[CallRole, frozenset[Route]] | None = None,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        self._model = model
        self._cache = cache
        self._budget = budget
        self._limiter = limiter
        self._fresh = fresh
        self._purse = None if model.local else purse
        self._price = price
        self._note = note
        self._noted = False
        self._added = 0
        self._routes = routes
        self._may_send = None if model.local else may_send
        # A model in this process schedules its requests itself, and best when it sees them all.
        self._timed = isinstance(model, Remote)
        self._only_cached = False
        self._stored: set[str] = set()
        self._flights: dict[str, _Flight] = {}

    @property
    def name(self) -> str:
        """``provider/name`` of the model."""
        return self._model.name

    @property
    def local(self) -> bool:
        """Whether requests stay on this machine."""
        return self._model.local

    @property
    def model(self) -> ChatModel:
        """The model behind the door."""
        return self._model

    @property
    def budget(self) -> Budget:
        """What this gateway's calls are counted in."""
        return self._budget

    @property
    def scores_labels(self) -> bool:
        """Whether :meth:`score_labels` can be used."""
        return isinstance(self._model, LabelScorer)

    def struck(self, text: str) -> str:
        """A text that was decoded from an answer, without the secrets of the model's requests."""
        return self._model.secrets.struck(text) if isinstance(self._model, HoldsSecrets) else text

    @contextmanager
    def only_cached(self) -> Iterator[None]:
        """Send nothing meanwhile: a request whose answer is not at hand raises NotCached instead."""
        self._only_cached = True
        try:
            yield
        finally:
            self._only_cached = False

    async def complete(self, role: CallRole, request: ChatRequest) -> Completion:
        """Answer ``request`` on behalf of ``role``.

        Raises:
            BudgetError: a cap leaves no room for the call.
            ModelError: no answer can be had, after all retries, or the model is not where this role may send to.
            InputError: the user has withdrawn consent; the code is ``consent-withdrawn``.
        """
        self._require_route(role)
        request = self._bounded(request)
        key = answer_key(
            self._model.identity, request.messages, params=request.params, draw=request.draw, shape=request.shape
        )
        schema = len(json.dumps(request.shape.schema)) if request.shape else 0
        most = _input_bound(request.messages) + schema
        bound = Usage(most + self._added, _output_bound(request) or OUTPUT_BOUND)
        return await self._answer(role, key, Completion, bound, lambda: self._completed(request, most, bound.input))

    async def score_labels(self, role: CallRole, messages: Sequence[Message], labels: Sequence[str]) -> LabelScores:
        """The probability of each label after ``messages``.

        Raises:
            BudgetError: a cap leaves no room for the call.
            ModelError: the scores cannot be had.
            TypeError: the model scores no labels (see :attr:`scores_labels`).
        """
        model = self._model
        if not isinstance(model, LabelScorer):
            raise TypeError(f"{model.name} scores no labels")
        self._require_route(role)
        key = answer_key(model.identity, messages, labels=labels)
        bound = Usage(_input_bound(messages) * max(1, len(labels)), len("".join(labels).encode()) + len(labels))
        return await self._answer(role, key, LabelScores, bound, lambda: model.score_labels(messages, labels))

    def _require_route(self, role: CallRole) -> None:
        if self._routes is None or self._model.local:
            return
        allowed = self._routes.get(role, frozenset())
        route = self._model.route if isinstance(self._model, Remote) else None
        if route not in allowed:
            hosts = " and ".join(sorted(one.host for one in allowed))
            raise failure.not_agreed(route.host if route else "an unknown host", self._model.name, hosts)

    def _require_consent(self) -> None:
        if self._may_send is not None and not self._may_send():
            raise failure.consent_withdrawn()

    def _bounded(self, request: ChatRequest) -> ChatRequest:
        """The request with a longest answer, where a cap could not be kept without one."""
        caps = self._budget.caps
        money = caps.usd is not None or (self._purse is not None and self._purse.caps.usd is not None)
        if not (money or caps.tokens is not None) or _output_bound(request) is not None:
            return request
        # What bounds nothing, such as -1 where a server takes it for no bound, must not stand beside what does.
        others = {name: value for name, value in request.params.items() if name not in _BOUND_KEYS}
        return replace(request, params={**others, "maxOutputTokens": OUTPUT_BOUND})

    async def _completed(self, request: ChatRequest, most_sent: int, reserved: int) -> Completion:
        """The model's answer; its tokens are estimated if they are more than were reserved, or far too few."""
        answer = await self._model.complete(request)
        used, longest = answer.usage, _output_bound(request)
        if used.estimated:
            return answer
        if (added := used.input - most_sent) <= _MOST_ADDED:
            self._added = max(self._added, added)
        sent = [message.content for message in request.messages]
        is_more = used.input > reserved or (longest is not None and used.output > longest)
        if not (is_more or are_too_few(used.input, sent) or are_too_few(used.output, [answer.text])):
            return answer
        estimate = Usage(sum(map(estimate_tokens, sent)), estimate_tokens(answer.text), estimated=True)
        return replace(answer, usage=estimate)

    async def _answer(
        self, role: CallRole, key: str, kind: type[AnswerT], bound: Usage, ask: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        return await self._budget.deadline.bound(self._reserve_and_share(role, key, kind, bound, ask))

    async def _reserve_and_share(
        self, role: CallRole, key: str, kind: type[AnswerT], bound: Usage, ask: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        tokens = 0 if self._budget.caps.tokens is None else bound.input + bound.output
        reservation = await self._budget.reserve(role, tokens)
        try:
            answer = await self._share(role, key, kind, bound, ask, reservation, tokens)
        except BaseException:
            reservation.release()
            raise
        reservation.settle(answer.usage, cached=answer.cached)
        return answer

    async def _share(
        self,
        role: CallRole,
        key: str,
        kind: type[AnswerT],
        bound: Usage,
        ask: Callable[[], Awaitable[AnswerT]],
        reservation: Reservation,
        tokens: int,
    ) -> AnswerT:
        flight = self._flights.get(key)
        first = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight(tokens)
            flight.task = asyncio.ensure_future(self._fetch(role, key, kind, bound, ask, flight))
            flight.task.add_done_callback(_heed)
        assert flight.task is not None
        flight.waiters += 1
        try:
            answer = await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if flight.waiters == 1:
                flight.end()
                if flight.sent:
                    reservation.lose()
            raise
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                if flight.task.cancel():
                    # What it may have cost is counted before the caller goes on, who may say what was spent.
                    await asyncio.wait([flight.task], timeout=_SETTLING_SECONDS)
        assert isinstance(answer, kind)
        return answer if first else replace(answer, cached=True)

    async def _fetch(
        self,
        role: CallRole,
        key: str,
        kind: type[AnswerT],
        bound: Usage,
        ask: Callable[[], Awaitable[AnswerT]],
        flight: _Flight,
    ) -> AnswerT:
        if self._cache is not None and (not self._fresh or key in self._stored):
            stored = await self._cache.get(key, kind)
            if stored is not None:
                usage = stored.usage if is_plausible(stored.usage) else Usage(estimated=True)
                return replace(stored, usage=usage, cached=True)
        if self._only_cached:
            raise NotCached
        if not self._model.local:
            await prices.load()

        def alike(answer: AnswerT) -> tuple[CallRole, int]:
            return role, answer.usage.output.bit_length() // 2

        try:
            return await self._limiter.run(
                lambda: self._attempt_and_keep(key, bound, ask, flight),
                alike if self._timed else None,
                # Rows come by the dozen and wait for each other; what the optimizer writes, everything waits for.
                urgent=role in ("gradient", "edit", "paraphrase"),
                again=flight.cover,
            )
        finally:
            flight.end()

    async def _attempt_and_keep(
        self, key: str, bound: Usage, ask: Callable[[], Awaitable[AnswerT]], flight: _Flight
    ) -> AnswerT:
        # The answer is kept before the slot is given on: a killed run loses no more answers than it has slots.
        answer = await self._attempt_in_each_form(bound, ask, flight)
        if self._cache is not None:
            await self._cache.put(key, answer)
            self._stored.add(key)
        return answer

    async def _attempt_in_each_form(
        self, bound: Usage, ask: Callable[[], Awaitable[AnswerT]], flight: _Flight
    ) -> AnswerT:
        # Each form is a request like any other: it needs consent, money and its place in the day.
        for _ in range(_MOST_FORMS):
            with suppress(FormRefused):
                return await self._attempt(bound, ask, flight)
        return await self._attempt(bound, ask, flight)

    async def _attempt(self, bound: Usage, ask: Callable[[], Awaitable[AnswerT]], flight: _Flight) -> AnswerT:
        most = self._price(self._model, bound)
        attempt = await self._budget.attempt(most)
        try:
            draw = await self._purse.draw(most) if self._purse is not None else None
        except BaseException:
            attempt.fail(charged=False, failed=False)
            raise
        # Where nothing else is known, it left and cost what it may at most.
        drawn: float | None = None
        try:
            try:
                self._require_consent()
                flight.sent = True
                answer = await ask()
            except CallFailure as failure:
                flight.sent = False
                if failure.charged and flight.waiters:
                    flight.debt = self._budget.owe(flight.tokens)
                drawn = None if failure.charged else 0.0
                attempt.fail(charged=failure.charged, failed=not isinstance(failure, FormRefused))
                raise
            except Exception:
                flight.sent = False
                drawn = 0.0
                attempt.fail(charged=False)
                raise
            except BaseException:
                # Cancelled: the provider may have worked on it already.
                attempt.fail(charged=True, failed=False)
                raise
            paid = self._price(self._model, answer.usage)
            if answer.usage.estimated:
                self._tell_estimated()
                if paid is not None and most is not None and self._budget.caps.usd is not None:
                    paid = max(paid, most)
            else:
                drawn = paid
            attempt.settle(paid)
            return answer
        finally:
            if draw is not None:
                draw.settle(drawn)

    def _tell_estimated(self) -> None:
        if not self._noted:
            self._noted = True
            capped = " Caps in dollars count the most that such a request may cost." if not self.local else ""
            self._note(f"{self.name} did not say usably how many tokens an answer took: they are estimated.{capped}")


def _heed(task: asyncio.Task[Completion] | asyncio.Task[LabelScores]) -> None:
    """Take note of a failure that comes when nobody waits any more, which asyncio would print as a traceback."""
    if not task.cancelled():
        task.exception()


def _input_bound(messages: Sequence[Message]) -> int:
    """At least as many tokens as any byte-level tokenizer makes of the messages."""
    texts = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
    return texts + len(messages) * _MESSAGE_OVERHEAD + _REQUEST_OVERHEAD


def _output_bound(request: ChatRequest) -> int | None:
    """The longest answer that is asked for, by whichever name an endpoint goes; None where one sets no bound."""
    named = [value for name in _BOUND_KEYS if (value := request.params.get(name)) is not None]
    bounds = [value for value in named if isinstance(value, int) and not isinstance(value, bool) and value > 0]
    return max(bounds) if bounds and len(bounds) == len(named) else None
