"""The model seam: what a chat model and a label scorer promise, and what passes between."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from apo_engine.models.route import Route
from apo_engine.models.secrets import Secrets
from apo_engine.names import shown_name
from apo_engine.prompt.message import Message, Role

__all__ = [
    "ChatModel",
    "ChatRequest",
    "Completion",
    "FromFile",
    "HoldsSecrets",
    "LabelScorer",
    "LabelScores",
    "Message",
    "Params",
    "Remote",
    "Role",
    "Shape",
    "Usage",
]

Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Shape:
    """The form that an answer in JSON should have: a schema in which every property is required, and its name."""

    name: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything a model needs to answer, and nothing else.

    ``params`` are the provider's own (``temperature``, ``max_output_tokens`` …); ``draw`` numbers independent
    samples of the same request, so that each is cached on its own. ``shape`` is asked for where the endpoint can keep
    to one; whoever reads the answer must not rely on it.
    """

    messages: tuple[Message, ...]
    params: Params = field(default_factory=dict)
    draw: int = 0
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more answers; ``estimated`` where the endpoint did not say."""

    input: int = 0
    output: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input + other.input, self.output + other.output, self.estimated or other.estimated)


# Why an answer ended, in the words of the endpoints in use, in small letters alone (see `finish_letters`).
_ENDED = frozenset(
    {
        *("", "null", "none", "unspecified", "finishreasonunspecified"),
        *("stop", "stopped", "stopsequence", "stopstring", "stoptoken", "eos", "eostoken", "endturn", "endofturn"),
        *("complete", "completed", "finished", "done", "normal", "success"),
        *("toolcalls", "toolcall", "tooluse", "functioncall"),
    }
)
_CUT_OFF = frozenset(
    {
        *("length", "maxlength", "maxtokens", "maxoutputtokens", "modellength", "tokenlimit", "incomplete"),
        *("contextlength", "modelcontextwindowexceeded"),
    }
)
_REFUSED = frozenset({"refusal", "refused"})
_FILTERED = frozenset(
    {
        *("contentfilter", "contentfiltered", "safety", "imagesafety", "recitation", "blocklist", "prohibitedcontent"),
        *("spii", "guardrailintervened", "sensitive", "toxic", "errortoxic"),
    }
)


def finish_letters(finish: str) -> str:
    """A reason as it is compared: endpoints write ``max_tokens``, ``MAX-TOKENS`` and ``maxTokens``."""
    return re.sub(r"[\W_]", "", finish.casefold())


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. ``finish`` is the provider's reason (``stop``, ``length``, ``refusal``, ``content_filter`` …)."""

    text: str
    usage: Usage = Usage()
    finish: str = "stop"
    cached: bool = False

    @property
    def is_cut_off(self) -> bool:
        """Whether it ended at a bound on its length."""
        return finish_letters(self.finish) in _CUT_OFF

    @property
    def is_refused(self) -> bool:
        """Whether the model refused, or a filter kept the question or the answer back."""
        return finish_letters(self.finish) in _REFUSED | _FILTERED

    @property
    def no_answer(self) -> str:
        """Why this is no answer that can be scored, in a sentence; empty where it is one.

        A reason that is not known is none that an answer could rest on.
        """
        letters = finish_letters(self.finish)
        if letters in _ENDED:
            return ""
        if letters in _CUT_OFF:
            return f"The answer was cut off after {self.usage.output:,} tokens ({self.finish})."
        if letters in _FILTERED:
            return f"A filter of the endpoint kept the answer back ({self.finish})."
        if letters in _REFUSED:
            return f"The model refused to answer ({self.finish})."
        return f"The endpoint ended the answer for a reason of its own: {shown_name(self.finish)}."


@dataclass(frozen=True, slots=True)
class LabelScores:
    """The probability of each label as the next words; values are ≥ 0 and need not sum to 1."""

    probabilities: Mapping[str, float]
    usage: Usage = Usage()
    cached: bool = False


@runtime_checkable
class ChatModel(Protocol):
    """Answers messages with text."""

    @property
    def name(self) -> str:
        """``provider/name``, as written in a prompt file."""
        ...

    @property
    def identity(self) -> str:
        """What determines the answers besides the request: provider, address, model, weights' hash. Never a key."""
        ...

    @property
    def local(self) -> bool:
        """Whether requests stay on this machine (in-process, or a loopback address)."""
        ...

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer once, with no retry of its own.

        Raises:
            ModelError: the answer cannot be had.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and memory."""
        ...


@runtime_checkable
class LabelScorer(Protocol):
    """Says how probable each of a few labels is as the answer."""

    async def score_labels(self, messages: Sequence[Message], labels: Sequence[str]) -> LabelScores:
        """The probability of each label after these messages.

        Raises:
            ModelError: the scores cannot be had (labels that begin with the same token, a context too long).
        """
        ...


@runtime_checkable
class FromFile(Protocol):
    """A model whose weights are a file that somebody else than this program brought."""

    @property
    def file(self) -> Path | None:
        """The file, with links followed; None where this program brings the weights."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of the weights; others are not loaded."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A model behind an HTTP address."""

    @property
    def base_url(self) -> str:
        """The address, without credentials."""
        ...

    @property
    def route(self) -> Route:
        """Where every request goes, as it was resolved when the model was opened."""
        ...

    @property
    def model_id(self) -> str:
        """The model's name at that address."""
        ...


@runtime_checkable
class HoldsSecrets(Protocol):
    """A model whose requests carry what nobody may read."""

    @property
    def secrets(self) -> Secrets:
        """What has to be struck out of all that the model says, again wherever it is decoded anew."""
        ...
