"""The keys of a prompt file's front matter: what each does, what it takes, and what it is when left out.

Types, choices and defaults of our own keys are those of the settings; only the sentences for people stand here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from apo_engine.decoding import described
from apo_engine.parameters import PARAMETERS
from apo_engine.prompt.frontmatter import NAMESPACE
from apo_engine.settings import METRICS, Settings

if TYPE_CHECKING:
    from msgspec import inspect

# What may be written by hand under a key: nothing is known of it beyond its type.
FILE, FOLDER, MODEL, COLUMN = "a file", "a folder", "a model", "a column"
# These of the settings are no keys of a prompt file, or are Dotprompt's and described there.
_ELSEWHERE = ("endpoints", "keep", "metric_env", "model", "config")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its ``path`` as written, ``words`` for people, the ``type`` of its value and its ``default``.

    ``values`` are all that it may be, or for a metric those that have a name; empty where anything of the type may
    stand.
    """

    path: tuple[str, ...]
    words: str
    type: str
    default: str = ""
    values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]

    @property
    def nests(self) -> bool:
        """Whether keys stand below this one."""
        return self.type.startswith("a map")


DOTPROMPT = (
    Key(("model",), "The model that the prompt is written for, as provider/name.", MODEL),
    Key(("config",), "Parameters of the model.", "a map"),
    *(Key(("config", one.spellings[0]), one.words, one.kind, "", one.values) for one in PARAMETERS if not one.fixed),
    Key(("input",), "What the template is filled with.", "a map"),
    Key(("input", "schema"), "The inputs, each as `name: type, description`; `name?` may be left out.", "a map"),
    Key(("input", "default"), "What an input holds where a row leaves it out.", "a map"),
    Key(("output",), "What the answer looks like.", "a map"),
    Key(("output", "format"), "The form of the answer.", "text", "text", ("text", "json")),
    Key(("output", "schema"), "The fields of the answer, or the labels that it may be.", "a map"),
    Key(("name",), "What the prompt is called.", "text"),
    Key(("variant",), "Which variant of the prompt this is.", "text"),
    Key(("version",), "Which version of the prompt this is.", "text"),
    Key(("description",), "What the prompt is for.", "text"),
    Key(("metadata",), "Notes of your own; nothing reads them.", "a map"),
    Key(("tools",), "The names of the tools that the model may call.", "a list"),
    Key(("toolDefs",), "Tools that are defined here.", "a list"),
)
_WORDS = {
    "examples": "The rows of what should come out: a JSONL, CSV or TSV file beside the prompt, or a map.",
    "examples.path": "One file, which is split into rows to learn from and rows to judge by.",
    "examples.train": "The rows to learn from, where the hold-out has a file of its own.",
    "examples.holdout": "The rows that only the winner of a run is judged by.",
    "examples.input": "Which column fills which input: a line `input: column` for each that differs.",
    "examples.expected": "The column of the answers; `label`, `expected` or `__expected` are found without it.",
    "metric": "How an answer is scored; `module:function` names a function of your own.",
    "judge": "How a model judges answers, for the metric `judge`.",
    "judge.rubric": "What makes an answer good.",
    "judge.model": "The model that grades; else the optimizer's.",
    "judge.repeats": "How often each answer is graded; two or more show how far the judge agrees with itself.",
    "calibration": "Whether the base rate of each label is taken out of a local model's probabilities.",
    "optimizer": "How the search for a better prompt goes about it.",
    "optimizer.model": "The model that writes critiques and rewrites; else the prompt's own.",
    "optimizer.algorithm": "How candidates are found.",
    "optimizer.selection": "How candidates are told apart on rows.",
    "optimizer.rounds": "The most rounds of the search.",
    "optimizer.beam": "How many prompts survive each round.",
    "optimizer.minibatch": "The most rows that a prompt is read on to find out why it fails.",
    "optimizer.groups": "The groups in which failing rows are shown to the critic.",
    "optimizer.group_size": "The failing rows of one group.",
    "optimizer.reasons": "The most reasons that the critic gives for a group.",
    "optimizer.joint": "Whether one edit answers all reasons of a group, or each reason gets its own.",
    "optimizer.edits": "How often each critique is edited into a prompt.",
    "optimizer.paraphrases": "How often each edit is said in other words.",
    "optimizer.max_children": "The most children of one prompt that are scored.",
    "optimizer.temperature": "How freely the optimizer model chooses its words.",
    "optimizer.critic": "Who finds the reasons: a model, or the evidence of the rows alone.",
    "optimizer.patience": "After this many rounds without a gain the search stops.",
    "optimizer.meta": "A folder whose critic, editor, paraphrase and phrase.prompt replace our own.",
    "budget": "What one run may use at most. A prompt can lower your own caps, and never raise them.",
    "budget.usd": "The most real money, in US dollars.",
    "budget.calls": "The most calls of every role, cached or not.",
    "budget.tokens": "The most tokens of every role.",
    "budget.seconds": "The longest time.",
    "seed": "The same seed and the same answers give the same run.",
    "concurrency": "The most requests at once.",
}
_TAKES = {
    "examples.path": FILE,
    "examples.train": FILE,
    "examples.holdout": FILE,
    "examples.expected": COLUMN,
    "judge.model": MODEL,
    "optimizer.model": MODEL,
    "optimizer.meta": FOLDER,
}
METRIC_WORDS = {
    "exact_match": "The answer is the expected text, letter for letter but for white space around it.",
    "label": "The answer is the expected label; case and surrounding words are put aside where one label remains.",
    "contains": "The expected text stands in the answer.",
    "regex": "The answer matches the expected pattern.",
    "numeric": "The answer is the expected number.",
    "json_match": "The answer is JSON with the expected fields and values.",
    "f1": "The balance of precision and recall over all rows.",
    "f1_macro": "The mean over the labels of each one's balance of precision and recall.",
    "judge": "A model grades the answer by your rubric, `apo.judge`.",
}
PICOSCHEMA = {
    "string": "Text.",
    "number": "A number, with or without decimals.",
    "integer": "A whole number.",
    "boolean": "true or false.",
    "null": "Nothing.",
    "any": "Anything.",
}


@lru_cache(maxsize=1)
def keys() -> dict[tuple[str, ...], Key]:
    """Every key by its path, Dotprompt's first."""
    return {key.path: key for key in (*DOTPROMPT, *_ours(described(Settings), ()))}


def below(path: tuple[str, ...]) -> tuple[Key, ...]:
    """The keys directly under another, or at the top."""
    return tuple(key for key in keys().values() if key.path[:-1] == path)


def _ours(struct: inspect.StructType, path: tuple[str, ...]) -> Iterator[Key]:
    """The keys of a settings struct, each before those below it."""
    for field in struct.fields:
        here = (*path, field.name)
        if here[0] in _ELSEWHERE:
            continue
        written = (f"{NAMESPACE}{here[0]}", *here[1:])
        name = ".".join(here)
        inner = _struct(field.type)
        takes = _TAKES.get(name) or ("a map" if inner is not None else _type(field.type))
        if name == "examples":
            takes = "a map, or a file"
        values = METRICS if name == "metric" else _choices(field.type)
        default = "" if inner is not None else _default(field.default)
        yield Key(written, _WORDS[name], takes, default, values)
        if inner is not None:
            yield from _ours(inner, here)


def _options(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return tuple(option for option in getattr(kind, "types", (kind,)) if type(option).__name__ != "NoneType")


def _struct(kind: inspect.Type) -> inspect.StructType | None:
    from msgspec import inspect

    return next((option for option in _options(kind) if isinstance(option, inspect.StructType)), None)


def _type(kind: inspect.Type) -> str:
    words = {"IntType": "a whole number", "FloatType": "a number", "BoolType": "true or false", "DictType": "a map"}
    return " or ".join(words.get(type(option).__name__, "text") for option in _options(kind))


def _choices(kind: inspect.Type) -> tuple[str, ...]:
    from msgspec import inspect

    options = _options(kind)
    if any(isinstance(option, inspect.BoolType) for option in options):
        return ("true", "false")
    return tuple(str(value) for option in options if isinstance(option, inspect.LiteralType) for value in option.values)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else ""
