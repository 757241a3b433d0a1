"""Chat models behind an OpenAI-compatible HTTP endpoint, through the ``openai`` SDK."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, TypeVar, cast

from apo_engine.models import failure, wire
from apo_engine.models.address import Address
from apo_engine.models.chat import ChatRequest, Completion, Usage
from apo_engine.models.deadline import Deadline
from apo_engine.models.dialect import REFUSED, Dialect, dialect_of
from apo_engine.models.failure import CallFailure, FormRefused, Target
from apo_engine.models.keyed_digest import KeyedDigest
from apo_engine.models.refusal import Refusal
from apo_engine.models.route import Route
from apo_engine.models.secrets import Secrets, SecretsStruck
from apo_engine.models.tokens import TokenCounter, estimate_tokens
from apo_engine.problems import InputError, Place

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

T = TypeVar("T")
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0
_IDLE_SECONDS = 30.0
_OK, _SERVER_ERRORS = 200, 500
# To search an answer of more bytes for keys may take so long that the event loop must go on meanwhile.
_LARGE = 2**16
# What the transport says when the next thing that it does is to write a part of a request to the connection.
_BEFORE_BYTES = ("send_request_headers.started", "send_request_body.started")

#: Hosts at which every key gets the same answer from a model of that name: changing the key asks nothing anew. Anywhere
#: else, a gateway may choose the model, or who pays for it, by the key.
ONE_ANSWER_FOR_ALL_KEYS = frozenset(
    {
        *("api.openai.com", "eu.api.openai.com", "us.api.openai.com", "api.anthropic.com", "api.deepseek.com"),
        *("api.mistral.ai", "api.groq.com", "api.x.ai", "generativelanguage.googleapis.com"),
    }
)


class OpenAIChat:
    """A chat model (see :class:`~apo_engine.models.chat.ChatModel`) behind an OpenAI-compatible endpoint.

    Requests are never repeated here and redirects never followed. The SDK is loaded off the event loop by the
    first request. Belongs to the event loop of that request.

    Args:
        name: ``provider/name``, as in a prompt file.
        model_id: the model's name at the endpoint.
        address: where the endpoint is.
        key: the API key; None sends none.
        key_env: the variable that the key came from, named by remedies.
        url_env: the variable that the address came from, named by remedies.
        ambient: let the SDK add the organization, project and custom headers of the ``OPENAI_…`` environment; only
            right for the endpoint that those variables are meant for.
        concurrency: the most connections to keep open.
        connect_seconds: how long to wait for a connection.
        read_seconds: how long to wait for a complete answer.
        place: where the user has written the name; None where that is in no file.
        parameters: the names that the user lets a prompt set here beyond the built-in ones.
        digest: makes what is secret part of the identity; of this process alone where None.
        may_send: whether the user still allows requests to leave this machine; asked when a connection is there,
            directly before the bytes of each request leave.

    Raises:
        InputError: the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        model_id: str,
        address: Address,
        key: str | None,
        key_env: str | None = None,
        url_env: str | None = None,
        ambient: bool = False,
        concurrency: int = 32,
        connect_seconds: float = _CONNECT_SECONDS,
        read_seconds: float = _READ_SECONDS,
        place: Place | None = None,
        parameters: Collection[str] = (),
        digest: KeyedDigest | None = None,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        self._name = name
        self._model_id = model_id
        self._address = address
        self._route = Route.to(address)
        self._key = key
        self._ambient = ambient
        self._concurrency = concurrency
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._parameters = frozenset(parameters)
        self._digest = digest or KeyedDigest(None)
        self._may_send = None if address.loopback else may_send
        custom = _custom_headers() if ambient else {}
        hidden = (key, *Secrets.named((*address.query, *custom.items())))
        secrets = Secrets.of(hidden, address.credentials, self._route.proxy_credentials)
        self._answerer = _answerer(address, key, custom, ambient=ambient)
        self._target = Target(address.host, model_id, key_env, url_env, secrets, place)
        self._struck = SecretsStruck(secrets)
        self._dialect: Dialect = dialect_of(address.url, model_id)
        self._tokens = TokenCounter()
        self._keyless: RequestOptions = {}
        self._opening: asyncio.Task[AsyncOpenAI] | None = None

    @property
    def name(self) -> str:
        """``provider/name``, as written in a prompt file."""
        return self._name

    @cached_property
    def identity(self) -> str:
        """Protocol, address and model, and a keyed digest of what else chooses who answers.

        That is the address's query, the headers, organization and project of the environment, and the key where
        endpoints may tell their users apart by it (see ``ONE_ANSWER_FOR_ALL_KEYS``). None of them can be read from it.
        """
        answerer = f" {self._digest.of(self._answerer)}" if self._answerer else ""
        return f"openai-chat {self._address.url} {self._model_id}{answerer}"

    @property
    def local(self) -> bool:
        """Whether the address is a loopback one."""
        return self._address.loopback

    @property
    def base_url(self) -> str:
        """The address, without credentials and query."""
        return self._address.url

    @property
    def route(self) -> Route:
        """Where every request goes; one that would go elsewhere is stopped before it leaves."""
        return self._route

    @property
    def model_id(self) -> str:
        """The model's name at the endpoint."""
        return self._model_id

    @property
    def secrets(self) -> Secrets:
        """What requests carry that nobody may read: struck out of answers and errors here."""
        return self._target.secrets

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer once, with one request.

        A request that is refused for a sampling parameter, or for the shape of the answer that it asks for, can be
        made again: it and later requests to the same model go out without it, or with its other name.
        What a filter of the endpoint keeps from the model is answered with nothing: it would be kept from it again.

        Raises:
            TransientFailure: trying again may help.
            FormRefused: so it does at once, as the request has another form then.
            FinalFailure: it would not.
            InputError: the user has withdrawn consent; the code is ``consent-withdrawn``.
        """
        messages, params = wire.messages(request.messages), wire.params(request.params, self._parameters)
        client = await self._client()
        sent = self._dialect.spoken(params)
        shape = wire.shape(request.shape) if self._dialect.takes_shapes else {}
        body = {**shape, **sent, "model": self._model_id, "messages": messages}
        response = await self._send(client.post, "/chat/completions", self._read_seconds, body=body)
        if response.status_code == _OK:
            answer = await self._read(
                response, lambda: wire.completion(self._target, response.content, response.headers)
            )
        else:
            answer = wire.refusal(self._target, response)
        if not isinstance(answer, Completion) and answer.filtered:
            answer = Completion("", Usage(estimated=True), "content_filter")
        if isinstance(answer, Completion):
            return self._with_usage(request, answer)
        failed = self._failure(answer)
        if answer.status not in REFUSED:
            raise failed
        if not (shape and self._dialect.refuses_shape(answer.status, answer.param, answer.detail)):
            self._dialect.learn(sent, answer.status, answer.param, answer.detail)
            if self._dialect.spoken(params) == sent:
                raise failed
        raise FormRefused(*failed.problems)

    async def model_ids(self, seconds: float) -> tuple[str, ...]:
        """The models that the endpoint lists, within ``seconds``.

        Raises:
            CallFailure: it cannot be reached, or lists none.
        """
        client = await self._client()
        response = await self._send(client.get, "/models", seconds)
        if response.status_code != _OK:
            raise self._failure(wire.refusal(self._target, response))
        return await self._read(response, lambda: wire.model_ids(self._target, response.content))

    async def close(self) -> None:
        """Close the connections; an SDK that is still being loaded is not waited for, as it has none yet."""
        opening, self._opening = self._opening, None
        self._struck.leave()
        if opening is not None and not opening.cancel():
            await opening.result().close()

    async def _send(
        self, method: Callable[..., Awaitable[httpx2.Response]], path: str, seconds: float, **options: object
    ) -> httpx2.Response:
        import httpx2
        import openai

        try:
            # The SDK's typed calls spend half as much CPU again on building objects that nobody reads.
            response = method(path, cast_to=httpx2.Response, options=self._keyless, **options)
            return await asyncio.wait_for(response, seconds)
        except openai.APIStatusError as error:
            return error.response
        except TimeoutError:
            raise failure.timed_out(self._target, seconds) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, (CallFailure, InputError)):
                raise cause from None
            if isinstance(cause, (httpx2.ReadTimeout, httpx2.WriteTimeout)):
                raise failure.timed_out(self._target, self._read_seconds) from None
            if isinstance(cause, httpx2.ConnectTimeout):
                reason = f"no connection within {self._connect_seconds:g} s"
                raise failure.unreachable(self._target, reason, connected=False) from None
            if isinstance(cause, httpx2.ProxyError):
                raise failure.proxy_refuses(self._target, str(cause)) from None
            connected = not isinstance(cause, httpx2.ConnectError)
            raise failure.unreachable(self._target, str(cause or ""), connected=connected) from None

    async def _read(self, response: httpx2.Response, read: Callable[[], T]) -> T:
        """What ``read`` makes of an answer; of a large one in a thread, which nobody waits for after the deadline."""
        if len(response.content) <= _LARGE:
            return read()
        return await Deadline().run_in_thread(lambda _: read())

    async def _guard(self, request: httpx2.Request) -> None:
        """Stop what the SDK would send to another host, or without encryption, or without consent, before it leaves."""
        if self._may_send is not None:
            request.extensions["trace"] = self._require_consent
        try:
            address = Address.parse(str(request.url))
        except ValueError:
            raise failure.not_agreed("an unknown host", self._model_id, self._route.host) from None
        if (address.host, address.encrypted) != (self._route.host, self._route.encrypted):
            raise failure.not_agreed(address.host, self._model_id, self._route.host)

    async def _require_consent(self, step: str, _: object) -> None:
        """Called before each step of a request: to connect may take long, and consent may be withdrawn meanwhile."""
        if step.endswith(_BEFORE_BYTES) and self._may_send is not None and not self._may_send():
            raise failure.consent_withdrawn()

    def _failure(self, refusal: Refusal) -> CallFailure:
        if refusal.begun and refusal.status >= _SERVER_ERRORS:
            return failure.broken_off(self._target, refusal.status, refusal.headers, refusal.detail)
        return failure.from_status(self._target, refusal.status, refusal.headers, refusal.detail, refusal.code)

    async def _client(self) -> AsyncOpenAI:
        if self._opening is None:
            self._opening = asyncio.ensure_future(asyncio.to_thread(self._open))
        return await asyncio.shield(self._opening)

    def _open(self) -> AsyncOpenAI:
        import httpx2
        import openai

        from apo_engine.models import answer_size
        from apo_engine.models.transport import open_transport

        self._struck.watch()
        credentials = self._address.credentials
        http_client = httpx2.AsyncClient(
            auth=None if credentials is None else httpx2.BasicAuth(*credentials),
            timeout=httpx2.Timeout(self._read_seconds, connect=self._connect_seconds, pool=None),
            transport=open_transport(
                idle_seconds=_IDLE_SECONDS,
                trust_env=not self.local,
                encrypted=self._route.encrypted,
                proxy=self._route.proxy,
                connections=self._concurrency,
            ),
            headers=answer_size.UNPACKED,
            # An endpoint's cookies are neither kept nor sent back: they would choose who answers, or follow the user.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            event_hooks={"request": [self._guard], "response": [answer_size.limit]},
            follow_redirects=False,
            # The proxy is the one that was resolved with the route.
            trust_env=False,
        )
        if self._key is None:
            self._keyless = {"headers": {"Authorization": openai.Omit()}}
        headers: dict[str, str | openai.Omit] = {}
        if not self._ambient:
            # The SDK adds the environment's headers of its own accord, wherever the request goes.
            headers = {name: openai.Omit() for name in _ambient_headers()}
            headers["Authorization"] = f"Bearer {self._key}"
        return openai.AsyncOpenAI(
            api_key="none" if self._key is None else self._key,
            admin_api_key="",
            base_url=self._address.url,
            default_headers=cast("Mapping[str, str]", headers),
            default_query=dict(self._address.query),
            max_retries=0,
            http_client=http_client,
        )

    def _with_usage(self, request: ChatRequest, answer: Completion) -> Completion:
        """The answer, with its tokens counted here where the endpoint did not say."""
        if not answer.usage.estimated:
            return answer
        asked = sum(self._count(message.content) for message in request.messages)
        return replace(answer, usage=Usage(asked, self._count(answer.text), estimated=True))

    def _count(self, text: str) -> int:
        # A model on this machine has a tokenizer of its own, which tiktoken does not know.
        return estimate_tokens(text) if self.local else self._tokens.count(text, self._name)[0]


def _answerer(address: Address, key: str | None, headers: Mapping[str, str], *, ambient: bool) -> dict[str, object]:
    """What chooses who answers, besides the address and the model's name; parts that are not there are left out."""
    shared = address.host in ONE_ANSWER_FOR_ALL_KEYS
    parts: dict[str, object] = {
        "query": sorted(dict(address.query).items()),
        "key": None if shared else key,
        "credentials": None if shared else address.credentials,
        "headers": sorted((name.lower(), value) for name, value in headers.items()),
        "organization": os.environ.get("OPENAI_ORG_ID") if ambient else None,
        "project": os.environ.get("OPENAI_PROJECT_ID") if ambient else None,
    }
    return {name: part for name, part in parts.items() if part}


def _ambient_headers() -> list[str]:
    named = (name for name in _custom_headers() if name.lower() != "authorization")
    return ["OpenAI-Organization", "OpenAI-Project", *named]


def _custom_headers() -> dict[str, str]:
    """The headers that the SDK reads from the environment, as it reads them."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
