"""Models that can be named in a prompt file, as the price list knows them: nothing is asked of any endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from apo_engine.models import prices
from apo_engine.models.address import Address
from apo_engine.models.endpoints import DEFAULT_MODEL, Endpoint, base_url
from apo_engine.models.listed import ListedModel
from apo_engine.models.listed_provider import provider_at
from apo_engine.problems import InputError

# Listed beside the chat models, and no use for a prompt.
_OTHER_KINDS = re.compile(
    r"embedding|whisper|tts|audio|image|realtime|transcribe|translate|moderation|dall-e|live|search|instruct|-\Z|\Aft:"
    r"|\A(?:ada|babbage|curie|davinci)\b|\Atext-"
)


def listed_models(environ: Mapping[str, str], endpoints: Mapping[str, Endpoint]) -> tuple[ListedModel, ...]:
    """The models of every provider that the price list knows by its address, and the embedded one.

    Any other provider stands there once, with no model behind its slash.
    """
    found = [ListedModel(DEFAULT_MODEL, 0.0, 0.0, local=True)]
    for provider in dict.fromkeys(("openai", *endpoints)):
        try:
            address = base_url(provider, environ, endpoints)
        except InputError:
            continue
        names = _chat_models(address.url) or ("",)
        found += (_listed(f"{provider}/{model_id}", address, model_id) for model_id in names)
    return tuple(found)


def listed_model(name: str, environ: Mapping[str, str], endpoints: Mapping[str, Endpoint]) -> ListedModel:
    """What is known of one model, whether it is listed or not."""
    provider, _, model_id = name.partition("/")
    if provider == "embedded":
        return ListedModel(name, 0.0, 0.0, local=True)
    try:
        return _listed(name, base_url(provider, environ, endpoints), model_id)
    except InputError:
        return ListedModel(name, known=False)


def _listed(name: str, address: Address, model_id: str) -> ListedModel:
    if address.loopback:
        return ListedModel(name, 0.0, 0.0, local=True)
    facts = prices.facts_of(address.url, model_id)
    return ListedModel(name, facts.input_usd, facts.output_usd, facts.context_window)


def _chat_models(url: str) -> Sequence[str]:
    provider = provider_at(url)
    names = (model.id for model in provider.models if not model.deprecated) if provider is not None else ()
    return [name for name in names if not _OTHER_KINDS.search(name)]
