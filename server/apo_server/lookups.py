"""What only the engine process can look up, token counts and model facts: what is known at once, the rest soon."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from apo_engine.models.listed import ListedModel
from apo_engine.models.tokens import TokenCounts, estimate_tokens
from apo_engine.problems import ApoError
from apo_server.wire import Reply, Request

_log = logging.getLogger(__name__)
# A prompt has a handful of sections, and an earlier text is often come back to by undoing.
_TEXTS, _MODELS = 512, 128
# Keystrokes that come within this time, in seconds, are counted together.
_DEBOUNCE = 0.2
Counted = tuple[int, bool]


class Lookups:
    """Answers at once from what it holds, and asks the engine process for what it does not hold yet.

    ``ask`` asks the engine process; ``changed`` is called when more is known than was answered before.
    """

    def __init__(
        self, ask: Callable[[Request], Awaitable[Reply]], changed: Callable[[], None], cache: Callable[[], str | None]
    ) -> None:
        self._ask = ask
        self._changed = changed
        self._cache = cache
        self._listed: tuple[ListedModel, ...] = ()
        self._models: OrderedDict[str, ListedModel] = OrderedDict()
        self._counts: OrderedDict[bytes, Counted] = OrderedDict()
        self._due: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def models(self) -> tuple[ListedModel, ...]:
        """The models that can be named; empty until they are known."""
        if not self._listed:
            self._begin("models", self._fetch_models)
        return self._listed

    def model(self, name: str) -> ListedModel | None:
        """What is known of a model; None until it is."""
        found = self._models.get(name)
        if found is None and "/" in name:
            self._begin(f"model {name}", lambda: self._fetch_model(name))
        return found

    def tokens(self, model: str, texts: Sequence[str]) -> tuple[Counted, ...]:
        """The tokens of each text and whether that is an estimate, as it is until they are counted."""
        answers = []
        for text in texts:
            counted = self._counts.get(_key(model, text))
            if counted is None:
                self._due[model, text] = None
            answers.append(counted or (estimate_tokens(text), True))
        while len(self._due) > _TEXTS:
            self._due.popitem(last=False)
        if self._due:
            self._begin("tokens", self._count)
        return tuple(answers)

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str, fetch: Callable[[], Awaitable[bool]]) -> None:
        """Ask in the background, for each thing once at a time."""
        if name in self._asking or len(self._asking) >= _MODELS:
            return
        task = self._asking[name] = asyncio.ensure_future(self._fetch(fetch))
        task.add_done_callback(lambda _: self._asking.pop(name, None))

    async def _fetch(self, fetch: Callable[[], Awaitable[bool]]) -> None:
        try:
            news = await fetch()
        except ApoError as error:
            # The next question asks again.
            _log.debug("A look-up failed: %s", error)
            return
        if news:
            self._changed()

    async def _fetch_models(self) -> bool:
        reply = await self._ask(Request(0, "models", cache=self._cache()))
        self._listed = reply.models
        return False

    async def _fetch_model(self, name: str) -> bool:
        reply = await self._ask(Request(0, "models", model=name, cache=self._cache()))
        for model in reply.models:
            self._models[name] = model
        while len(self._models) > _MODELS:
            self._models.popitem(last=False)
        return bool(reply.models)

    async def _count(self) -> bool:
        """Count what is due, model by model; whether any number differs from its estimate."""
        news = False
        while self._due:
            await asyncio.sleep(_DEBOUNCE)
            model = next(iter(self._due))[0]
            texts = tuple(text for due, text in self._due if due == model)
            for text in texts:
                del self._due[model, text]
            reply = await self._ask(Request(0, "tokens", texts=texts, model=model))
            counted = reply.tokens or TokenCounts((), estimated=True)
            for text, count in zip(texts, counted.counts, strict=False):
                self._counts[_key(model, text)] = (count, counted.estimated)
                news = news or not counted.estimated or count != estimate_tokens(text)
            while len(self._counts) > _TEXTS:
                self._counts.popitem(last=False)
        return news


def _key(model: str, text: str) -> bytes:
    """Short, for what is counted is not small."""
    return hashlib.blake2b(f"{model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
