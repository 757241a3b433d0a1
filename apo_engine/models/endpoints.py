"""From the name of a model to the model: providers, named endpoints, and what is reachable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apo_engine.models import failure, prices
from apo_engine.models.address import Address
from apo_engine.models.chat import ChatModel
from apo_engine.models.failure import Target
from apo_engine.models.keyed_digest import KeyedDigest
from apo_engine.models.openai_chat import OpenAIChat
from apo_engine.models.reachable import EndpointStatus, ModelEntry
from apo_engine.problems import ApoError, InputError, Place, Problem

#: The model of a prompt that names none, where the environment names no endpoint either.
DEFAULT_MODEL = "embedded/gemma-3-270m"
_OPENAI, _EMBEDDED = "openai", "embedded"
_OPENAI_URL = "https://api.openai.com/v1"
_KEY_ENV, _URL_ENV, _HEADERS_ENV = "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS"
_LIST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A named endpoint of the user's: its base URL, and the variable that holds its key, if it needs one."""

    base_url: str
    key_env: str | None = None


def open_model(
    name: str | None,
    *,
    environ: Mapping[str, str],
    endpoints: Mapping[str, Endpoint],
    cache_dir: Path,
    concurrency: int,
    place: Place | None = None,
    roots: Sequence[Path] | None = None,
    parameters: Collection[str] = (),
    digest: KeyedDigest | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    may_send: Callable[[], bool] | None = None,
) -> ChatModel:
    """The model of that name; nothing is sent or loaded yet. A model file is read once, which may take minutes.

    Args:
        name: ``openai/<model>``, ``embedded/<name or path>`` or ``<named endpoint>/<model>``; None for the embedded
            default, where the environment has neither OPENAI_API_KEY nor OPENAI_BASE_URL.
        environ: where keys and addresses come from.
        endpoints: the user's named endpoints.
        cache_dir: where weights may be unpacked.
        concurrency: the most requests at once.
        place: where the user has written the name; None where that is in no file.
        roots: the folders that a model file may lie in; None where the user named it, so that it may lie anywhere.
        parameters: what the user lets a prompt set beyond the built-in parameters.
        digest: makes what is secret part of the model's identity.
        is_stopped: asked while a model file is read; one that is stopped is not opened.
        may_send: whether requests may still leave this machine, asked directly before each one leaves.

    Raises:
        InputError: there is no such provider, its address is none, or a model file lies elsewhere.
        ModelError: a key is missing, or the embedded model is not installed.
    """
    if name is None:
        if environ.get(_KEY_ENV) or environ.get(_URL_ENV):
            raise InputError(
                Problem(
                    "model-unnamed",
                    f"No model is named, and {_KEY_ENV if environ.get(_KEY_ENV) else _URL_ENV} is set.",
                    "Name one in the front matter, such as `model: openai/gpt-4.1-mini`. `apo models` lists them.",
                )
            )
        name = DEFAULT_MODEL
    provider, slash, model_id = name.partition("/")
    if not slash or not model_id or not provider:
        raise _unknown(name, endpoints, place)
    if provider == _EMBEDDED:
        from apo_engine.models.embedded import load_embedded

        embedded: ChatModel = load_embedded(name, cache_dir, place, roots, is_stopped)
        return embedded
    if provider != _OPENAI and provider not in endpoints:
        raise _unknown(name, endpoints, place)
    return _open_remote(
        name,
        provider,
        model_id,
        environ=environ,
        endpoints=endpoints,
        concurrency=concurrency,
        place=place,
        parameters=parameters,
        digest=digest,
        may_send=may_send,
    )


async def list_models(
    *, environ: Mapping[str, str], endpoints: Mapping[str, Endpoint], cache_dir: Path, seconds: float = _LIST_SECONDS
) -> tuple[EndpointStatus, ...]:
    """What is behind every provider, asked at once and waited for at most ``seconds`` each. Never raises."""
    remote = [_OPENAI, *(name for name in endpoints if name not in (_OPENAI, _EMBEDDED))]
    asked = (_status(name, environ, endpoints, seconds) for name in remote)
    return (*await asyncio.gather(*asked), _embedded_status(cache_dir))


async def _status(
    provider: str, environ: Mapping[str, str], endpoints: Mapping[str, Endpoint], seconds: float
) -> EndpointStatus:
    address = ""
    try:
        address = base_url(provider, environ, endpoints).url
        model = _open_remote(f"{provider}/*", provider, "*", environ=environ, endpoints=endpoints, concurrency=1)
        try:
            ids = await model.model_ids(seconds)
        finally:
            await model.close()
        facts = await asyncio.to_thread(lambda: [prices.facts_of(address, model_id) for model_id in ids])
    except ApoError as error:
        return EndpointStatus(provider, address, False, str(error), code=error.problems[0].code)
    except Exception as error:
        # A listing of what works must not fail on what does not; the text of a foreign error may hold a key.
        return EndpointStatus(provider, address, False, f"{type(error).__name__} while asking for its models.")
    entries = (
        ModelEntry(f"{provider}/{model_id}", known.input_usd, known.output_usd, known.context_window)
        for model_id, known in zip(ids, facts, strict=True)
    )
    return EndpointStatus(provider, address, True, models=tuple(entries))


def _embedded_status(cache_dir: Path) -> EndpointStatus:
    where = "this machine"
    try:
        from apo_engine.models.embedded import load_embedded

        load_embedded(DEFAULT_MODEL, cache_dir)
    except ApoError as error:
        return EndpointStatus(_EMBEDDED, where, False, str(error), code=error.problems[0].code)
    except Exception as error:
        return EndpointStatus(_EMBEDDED, where, False, f"{type(error).__name__} while loading the runtime.")
    return EndpointStatus(_EMBEDDED, where, True, models=(ModelEntry(DEFAULT_MODEL, 0.0, 0.0),))


def _open_remote(
    name: str,
    provider: str,
    model_id: str,
    *,
    environ: Mapping[str, str],
    endpoints: Mapping[str, Endpoint],
    concurrency: int,
    place: Place | None = None,
    parameters: Collection[str] = (),
    digest: KeyedDigest | None = None,
    may_send: Callable[[], bool] | None = None,
) -> OpenAIChat:
    address = base_url(provider, environ, endpoints)
    named = endpoints.get(provider)
    key_env, url_env = (_KEY_ENV, _URL_ENV) if named is None else (named.key_env, None)
    key = (environ.get(key_env, "").strip() or None) if key_env else None
    target = Target(address.host, model_id, key_env, url_env)
    if key is None and key_env and not address.loopback and address.credentials is None:
        raise failure.unusable_key(target, f"{key_env} is not set, and is needed for")
    if key is not None and not _fits_a_header(key):
        raise failure.unusable_key(target, f"{key_env} holds characters that no key has; it is needed for")
    if named is None and not all(map(_fits_a_header, environ.get(_HEADERS_ENV, "").split("\n"))):
        message = f"{_HEADERS_ENV} holds characters that no header may have."
        raise InputError(Problem("endpoint-headers", message, "Write one `Name: value` a line, in plain letters."))
    return OpenAIChat(
        name,
        model_id=model_id,
        address=address,
        key=key,
        key_env=key_env,
        url_env=url_env,
        ambient=named is None,
        concurrency=concurrency,
        place=place,
        parameters=parameters,
        digest=digest,
        may_send=may_send,
    )


def base_url(provider: str, environ: Mapping[str, str], endpoints: Mapping[str, Endpoint]) -> Address:
    """Where a provider is; the user's endpoints go before the built-in one.

    Raises:
        InputError: there is no such provider, or its address is none.
    """
    named = endpoints.get(provider)
    if named is not None:
        url, whence = named.base_url, f"the base_url of the endpoint '{provider}'"
    elif provider == _OPENAI:
        url, whence = environ.get(_URL_ENV, "").strip() or _OPENAI_URL, _URL_ENV
    else:
        raise _unknown(provider, endpoints)
    try:
        return Address.parse(url)
    except ValueError as error:
        remedy = "Write it like https://host/v1, or http://127.0.0.1:8080/v1."
        raise InputError(Problem("endpoint-address", f"{whence} is {error}.", remedy)) from None


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _unknown(name: str, endpoints: Mapping[str, Endpoint], place: Place | None = None) -> InputError:
    providers = ", ".join(f"{provider}/" for provider in (_OPENAI, *endpoints, _EMBEDDED))
    remedy = f"Write provider/name, where the provider is one of {providers}. `apo models` lists what is reachable."
    return InputError(Problem("model-unknown", f"'{name}' names no model that can be opened.", remedy, place))
