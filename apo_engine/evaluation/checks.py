"""What is wrong between a prompt and its rows, as far as it shows without a model and without the files at hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.examples.labels import misspelt
from apo_engine.examples.quoting import quoted
from apo_engine.positions import Span
from apo_engine.problems import Place, Problem, Severity
from apo_engine.prompt.template import BlockOpen, Partial, Raw, Text

if TYPE_CHECKING:
    from apo_engine.examples.facts import ExampleFacts, LabelFacts
    from apo_engine.prompt.file import PromptFile

# None is the metric where none is named: it compares labels where the rows have some.
LABEL_METRICS = (None, "label", "f1", "f1_macro")
_SHOWN = 10
_SHORT = 4


def check_labels(prompt: PromptFile, facts: ExampleFacts) -> tuple[Problem, ...]:
    """The labels of the rows that the prompt never mentions, in one problem at the prompt."""
    missing = [label.text for label in _unmentioned(prompt, facts)]
    if not missing:
        return ()
    shown = ", ".join(quoted(label) for label in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
    noun, them = ("label", "it is") if len(missing) == 1 else ("labels", "they are")
    message = f"The prompt never mentions the {noun} {shown}{more}, which rows expect."
    remedy = f"Say when {them} the answer."
    return (Problem("labels-unmentioned", message, remedy, _place(prompt), Severity.WARNING),)


def check_labelled_rows(prompt: PromptFile, facts: ExampleFacts) -> tuple[Problem, ...]:
    """The same at the first row of each such label, for whoever looks at the rows."""
    name = prompt.path.name if prompt.path else "the prompt"
    found = []
    for label in _unmentioned(prompt, facts)[:_SHOWN]:
        others = f" and {label.rows - 1:,} more" if label.rows > 1 else ""
        message = f"{name} never mentions the label {quoted(label.text)} of this row{others}."
        place = Place(Path(label.path), label.line)
        found.append(
            Problem("label-unmentioned", message, "Say there when it is the answer.", place, Severity.INFORMATION)
        )
    return tuple(found)


def _unmentioned(prompt: PromptFile, facts: ExampleFacts) -> list[LabelFacts]:
    """The labels that the prompt never mentions; none where the metric compares none.

    Nothing is said where the prompt may get its words from elsewhere: from partials or from the defaults of inputs.
    Numbers are left alone, for "from 1 to 5" mentions them all, and labels that the schema does not have.
    """
    if prompt.layer().values.get("metric") not in LABEL_METRICS or _includes_others(prompt):
        return []
    slips = misspelt({label.text: label.rows for label in facts.labels})
    labels = [label for label in facts.labels if label.text not in slips and not _is_number(label.text)]
    labels = [label for label in labels if not prompt.labels or label.text in prompt.labels]
    said = _plain("\n".join(node.span.of(prompt.text) for node in prompt.nodes if isinstance(node, Text | Raw)))
    said += _plain(str(prompt.defaults.values())) if prompt.defaults else ""
    return [label for label in labels if not _mentions(said, _plain(label.text))]


def _includes_others(prompt: PromptFile) -> bool:
    return any(
        isinstance(node, Partial) or (isinstance(node, BlockOpen) and node.kind == "#>") for node in prompt.nodes
    )


def _is_number(label: str) -> bool:
    return label.replace(".", "").replace("-", "").isdigit()


def _plain(text: str) -> str:
    """The words in lower case; those of a label may be joined by signs where the prompt has spaces."""
    return " ".join(text.replace("_", " ").replace("-", " ").split()).casefold()


def _mentions(text: str, label: str) -> bool:
    if len(label) >= _SHORT:
        return label in text
    return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text) is not None


def _place(prompt: PromptFile) -> Place | None:
    """The first line of what may be optimized, else where the rows are named."""
    if not prompt.passages:
        return prompt.layer().place(("examples",))
    passage = prompt.passages[0]
    text = passage.of(prompt.text)
    start = passage.start + len(text) - len(text.lstrip())
    line = prompt.lines.span_of_line(prompt.lines.line_of(start))
    return prompt.place(Span(start, max(start, min(line.end, passage.end))))
