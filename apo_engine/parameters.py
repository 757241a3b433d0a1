"""The parameters that a prompt's ``config`` may set: an allow-list, with what each one takes.

A stranger's prompt file is sent as it is read, so only parameters that tune the sampling of one answer stand here. What
costs more, keeps data elsewhere, sends it elsewhere, fetches something or has the endpoint run code is sent only if the
user's own configuration names it (``endpoints: {name: {parameters: [...]}}``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from apo_engine.problems import Place, Problem, Repair
from apo_engine.unseen import spelled

UNKNOWN, INVALID = "parameter-unknown", "parameter-invalid"

# What the endpoints of the wire's two names for the same bound take as the longest answer.
_LONGEST_ANSWER = 1_000_000
_STOPS, _LONGEST_STOP = 16, 1_000
_BIASES, _LONGEST_TEXT = 1_024, 200
# A value that only the user's list allows: plain JSON of a size that no request is made of.
_DEEPEST, _LONGEST_VALUE = 8, 65_536
_SHOWN = 60
_CLOSE = 85

# What chat templates of common open models read. Not the arguments of the function that fills the template in
# (`chat_template`, `tokenize`, `tools` …): a template is a program.
_TEMPLATE_OPTIONS = (
    *("enable_thinking", "thinking", "thinking_budget", "preserve_thinking", "clear_thinking"),
    *("reasoning_effort", "date_string", "model_identity"),
)

# Known to do more than tune one answer, and what that is. A name that stands neither here nor in `PARAMETERS` is
# refused as well; these get a better sentence, and the first ones have a price of their own.
_PRICED = {
    "service_tier": "changes the price",
    **dict.fromkeys(("web_search_options", "tools", "functions", "plugins", "mcp_servers"), "costs more, and may send"
                    " data elsewhere"),
    **dict.fromkeys(("models", "provider", "route", "transforms", "fallbacks"), "may send data to another provider, at"
                    " another price"),
    **dict.fromkeys(("prediction", "modalities", "audio"), "costs more"),
    **dict.fromkeys(("min_tokens", "ignore_eos"), "makes answers longer, and costs more"),
}  # fmt: skip
_ELSEWHERE = {
    **dict.fromkeys(("store", "background", "metadata", "prompt_cache_key", "prompt_cache_retention",
                     "prompt_cache_options", "previous_response_id", "conversation"), "keeps data at the endpoint"),
    **dict.fromkeys(("user", "safety_identifier"), "says who sends the request"),
    **dict.fromkeys(("tool_choice", "function_call", "parallel_tool_calls"), "is about tools"),
    "moderation": "may send data elsewhere",
    **dict.fromkeys(("api_base", "base_url", "api_key", "apiKey", "extra_body", "extra_headers", "extra_query",
                     "headers", "custom_llm_provider"), "may send data or a key elsewhere"),
    **dict.fromkeys(("grammar", "guided_grammar", "guided_regex", "guided_json", "structured_outputs", "json_schema",
                     "chat_template", "lora"), "is a program that the endpoint runs"),
}  # fmt: skip
# What every request holds already, or would make several answers of one.
_OURS = ("model", "messages", "stream_options")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its ``name`` on the wire, ``words`` for people, and ``takes``, its values in a sentence.

    ``spellings`` are its names in a ``config``, the first one preferred. ``values`` are all values where they are few.
    A ``structured`` value may be any plain value if the user's own configuration names the parameter. A ``fixed`` one
    has one value, which every request asks for anyway: it is not sent.
    """

    name: str
    words: str
    takes: str
    fits: Callable[[object], bool]
    spellings: tuple[str, ...]
    values: tuple[str, ...] = ()
    structured: bool = False
    fixed: bool = False

    @property
    def kind(self) -> str:
        """What its values are, without those that ``values`` holds."""
        return "text" if self.takes.startswith("one of") else self.takes


def _number(value: object, least: float, most: float) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value if isinstance(value, float) else 0.0)
        and least <= value <= most
    )


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and _number(value, least, most)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _one_of(value: object, values: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in values


def _stops(value: object) -> bool:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) > _STOPS:
        return False
    return all(isinstance(text, str) and 0 < len(text) <= _LONGEST_STOP for text in texts)


def _biases(value: object) -> bool:
    if not isinstance(value, Mapping) or len(value) > _BIASES:
        return False
    return all(re.fullmatch(r"[0-9]{1,7}", str(key)) and _number(bias, -100, 100) for key, bias in value.items())


def _template_options(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        key in _TEMPLATE_OPTIONS
        and (isinstance(one, bool) or _number(one, -1e9, 1e9) or (isinstance(one, str) and len(one) <= _LONGEST_TEXT))
        for key, one in value.items()
    )


def _response_format(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"type"} and value["type"] in ("text", "json_object")


def _exactly(value: object, only: object) -> bool:
    return type(value) is type(only) and value == only


def _ranged(name: str, words: str, least: float, most: float, *spellings: str) -> Parameter:
    return Parameter(
        name,
        words,
        f"a number from {least:g} to {most:g}",
        partial(_number, least=least, most=most),
        spellings or (name,),
    )


def _counted(name: str, words: str, least: int, most: int, *spellings: str) -> Parameter:
    takes = f"a whole number from {least:,} to {most:,}"
    return Parameter(name, words, takes, partial(_whole, least=least, most=most), spellings or (name,))


def _chosen(name: str, words: str, *values: str) -> Parameter:
    takes = f"one of {', '.join(values)}"
    return Parameter(name, words, takes, partial(_one_of, values=values), (name,), values)


def _only(name: str, words: str, value: object, *spellings: str) -> Parameter:
    takes = f"{json.dumps(value)}: each request asks for one answer, as a whole"
    return Parameter(name, words, takes, partial(_exactly, only=value), spellings or (name,), fixed=True)


_BOUND_WORDS = "The most tokens of one answer."

#: Dotprompt's own parameters first, then those of the OpenAI protocol and of common local servers.
PARAMETERS = (
    _ranged("temperature", "How freely the model chooses its words; 0 is the most steady.", 0, 10),
    _counted("max_tokens", _BOUND_WORDS, 1, _LONGEST_ANSWER, "maxOutputTokens", "max_output_tokens", "max_tokens",
             "maxTokens"),
    _ranged("top_p", "Only the likeliest words that make up this probability are drawn from.", 0, 1, "topP", "top_p"),
    _counted("top_k", "Only this many of the likeliest words are drawn from.", -1, 1_000_000, "topK", "top_k"),
    Parameter("stop", "Texts at which the answer ends.", f"a list of at most {_STOPS} texts of 1 to"
              f" {_LONGEST_STOP:,} characters", _stops, ("stopSequences", "stop_sequences", "stop")),
    _counted("max_completion_tokens", _BOUND_WORDS, 1, _LONGEST_ANSWER),
    _counted("seed", "Where the endpoint can, the same seed gives the same answer.", -(2**63), 2**63 - 1),
    _ranged("presence_penalty", "How much a word that was said already is avoided.", -2, 2, "presence_penalty",
            "presencePenalty"),
    _ranged("frequency_penalty", "How much a word is avoided for each time that it was said.", -2, 2,
            "frequency_penalty", "frequencyPenalty"),
    Parameter("logit_bias", "How much likelier single tokens become.", f"a map of at most {_BIASES:,} token ids to"
              " numbers from -100 to 100", _biases, ("logit_bias",), structured=True),
    _chosen("reasoning_effort", "How long the model thinks before it answers.", "none", "minimal", "low", "medium",
            "high", "xhigh"),
    _chosen("verbosity", "How much the model says.", "low", "medium", "high"),
    Parameter("response_format", "Whether the answer is JSON.", "{type: json_object} or {type: text}",
              _response_format, ("response_format",), structured=True),
    Parameter("logprobs", "Whether the endpoint adds probabilities, which APO does not read.", "true or false", _flag,
              ("logprobs",), ("true", "false")),
    _counted("top_logprobs", "Of how many tokens it adds them.", 0, 20),
    _ranged("min_p", "Only words at least this likely, relative to the likeliest, are drawn from.", 0, 1),
    _ranged("typical_p", "Only words about as surprising as expected are drawn from.", 0, 1),
    _ranged("repeat_penalty", "How much repeated words are avoided; 1 is not at all.", 0, 10),
    _ranged("repetition_penalty", "How much repeated words are avoided; 1 is not at all.", 0, 10),
    _counted("repeat_last_n", "How many of the last tokens count as repeated.", -1, 1_000_000),
    _counted("mirostat", "The version of Mirostat sampling; 0 is none.", 0, 2),
    _ranged("mirostat_tau", "The surprise that Mirostat aims at.", 0, 100),
    _ranged("mirostat_eta", "How fast Mirostat learns.", 0, 1),
    Parameter("chat_template_kwargs", "Options of the model's chat template, such as enable_thinking.",
              f"a map of plain values to some of {', '.join(_TEMPLATE_OPTIONS)}", _template_options,
              ("chat_template_kwargs",), structured=True),
    _only("n", "How many answers.", 1, "n", "candidateCount", "candidate_count"),
    _only("best_of", "How many answers the best is chosen from.", 1),
    _only("stream", "Whether the answer comes in pieces.", False),
)  # fmt: skip

#: What the embedded model reads, by the names on the wire.
EMBEDDED = frozenset({"temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop"})

_BY_NAME = {spelling: parameter for parameter in PARAMETERS for spelling in parameter.spellings}


def parameter(name: str) -> Parameter | None:
    """The parameter of the allow-list that a key of a ``config`` names."""
    return _BY_NAME.get(name)


def is_structured(name: str) -> bool:
    """Whether the user's own configuration can open a parameter of the allow-list to any plain value."""
    known = _BY_NAME.get(name)
    return known is not None and known.structured


def never_allowed(name: str) -> bool:
    """Whether not even the user can have this sent: every request sets it itself."""
    known = _BY_NAME.get(name)
    return name in _OURS or (known is not None and known.fixed)


def needs_leave(config: Mapping[str, object]) -> tuple[str, ...]:
    """The keys of a ``config`` that are set and that, with this value, only the user's own configuration can allow."""
    return tuple(name for name, value in config.items() if value is not None and not _is_listed(name, value))


def _is_listed(name: str, value: object) -> bool:
    known = _BY_NAME.get(name)
    return known is not None and known.fits(value)


def has_own_price(name: str) -> bool:
    """Whether a parameter that only the user can allow may make a request cost something else than its tokens do."""
    return name in _PRICED


def effect(name: str) -> str:
    """What a parameter does that only the user can allow, as the end of a sentence."""
    if is_structured(name):
        return "has a value that APO does not know"
    return _PRICED.get(name) or _ELSEWHERE.get(name) or "is not a parameter that APO knows"


def shown(name: str) -> str:
    """A key, or a value, of a stranger's file, fit to stand in a message."""
    text = " ".join(spelled(name, lambda _: " ").split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def wire_parameters(config: Mapping[str, object], allowed: Collection[str] = ()) -> dict[str, object]:
    """The parameters of a ``config`` by their names on the wire, and no others.

    ``None`` stands for the endpoint's default and is left out. ``allowed`` are the names that the user has added.
    """
    sent: dict[str, object] = {}
    for name, value in config.items():
        known = _BY_NAME.get(name)
        if value is None or (known is not None and known.fixed) or (known is None and name not in allowed):
            continue
        sent[known.name if known is not None else name] = value
    return sent


def canonical(config: Mapping[str, object]) -> dict[str, object]:
    """A ``config`` in one spelling: what asks the same of an endpoint is equal."""
    spelt = wire_parameters(config, config)
    return {name: _plainest(value) for name, value in spelt.items()}


def without_respelled(lower: Mapping[str, object], higher: object) -> dict[str, object]:
    """A ``config`` without what a higher layer says of the same parameter in another spelling."""
    given = {_meaning(name) for name in higher} if isinstance(higher, Mapping) else set()
    return {name: value for name, value in lower.items() if _meaning(name) not in given}


def _meaning(name: str) -> str:
    known = _BY_NAME.get(name)
    if known is None:
        return name
    return "max_tokens" if known.name == "max_completion_tokens" else known.name


def config_problems(
    config: Mapping[str, object],
    provider: str,
    allowed: Collection[str],
    place: Callable[[tuple[str, ...]], Place | None],
    key: Callable[[tuple[str, ...]], Place | None],
) -> Iterator[Problem]:
    """What in a ``config`` must not be sent.

    Args:
        config: the parameters.
        provider: whose list a remedy names.
        allowed: the names that the user has added for it.
        place: finds a value.
        key: finds a key.
    """
    first: dict[str, str] = {}
    for name, value in config.items():
        if value is None:
            continue
        path, known = ("config", name), _BY_NAME.get(name)
        where = key(path) or place(path)
        if known is None or name in _OURS:
            if name in _OURS or name not in allowed:
                yield _not_allowed(name, provider, config, where)
            elif not _is_plain(value):
                message = f"'{shown(name)}' must be a plain value of at most {_LONGEST_VALUE:,} characters."
                yield Problem(INVALID, message, "Shorten or remove it.", place(path))
            continue
        other = first.setdefault(_meaning(name), name)
        if other != name:
            message = f"'{name}' and '{other}' are the same parameter."
            yield Problem(INVALID, message, "Remove one of the two.", where)
        opened = known.structured and name in allowed and _is_plain(value)
        if not known.fits(value) and not opened:
            remedy = "Correct or remove it."
            if known.structured:
                remedy = f"Correct it, remove it, or {leave(provider, name)}"
            yield Problem(INVALID, f"'{name}' must be {known.takes}.", remedy, place(path))


def _not_allowed(name: str, provider: str, config: Mapping[str, object], where: Place | None) -> Problem:
    said = shown(name)
    if name in _OURS:
        return Problem(UNKNOWN, f"'{said}' is set by every request itself.", "Remove it.", where)
    close = _nearest(name) if name not in _PRICED and name not in _ELSEWHERE else None
    if close is not None:
        # A key that stands there twice would break its map.
        sound = where is not None and where.span is not None and close not in config
        repairs = (Repair.respelling(where.span, close),) if sound and where and where.span else ()
        message = f"'{said}' is not a parameter that a prompt may set."
        return Problem(UNKNOWN, message, f"Did you mean '{close}'? Or {leave(provider, said)}", where, repairs=repairs)
    message = f"'{said}' {effect(name)}, so a prompt cannot set it."
    return Problem(UNKNOWN, message, f"Remove it, or {leave(provider, said)}", where)


def leave(provider: str, name: str) -> str:
    """How the user allows a parameter at an endpoint, as the end of a sentence."""
    return f"allow it in your own config.yaml: `endpoints: {{{provider}: {{parameters: [{name}]}}}}`."


def _nearest(name: str) -> str | None:
    from rapidfuzz import fuzz, process

    known = [spelling for spelling, parameter in _BY_NAME.items() if not parameter.fixed]
    found = process.extractOne(name[:100], known, scorer=fuzz.ratio, processor=_letters, score_cutoff=_CLOSE)
    return found[0] if found else None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _is_plain(value: object) -> bool:
    """Whether a value is JSON of a moderate size: every number finite, every key text."""
    if not _is_flat(value, _DEEPEST):
        return False
    return len(json.dumps(value)) <= _LONGEST_VALUE


def _is_flat(value: object, depth: int) -> bool:
    if isinstance(value, Mapping):
        inner = [*value.values()] if all(isinstance(key, str) for key in value) else None
    elif isinstance(value, list):
        inner = value
    else:
        if isinstance(value, float):
            return math.isfinite(value)
        if isinstance(value, int):
            return abs(value) < 2**64
        return value is None or isinstance(value, str)
    return inner is not None and depth > 0 and all(_is_flat(one, depth - 1) for one in inner)


def _plainest(value: object) -> object:
    """A whole number as one, however it is written."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
