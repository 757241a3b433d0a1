"""Everything that can be said about a prompt and its rows without a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from apo_engine.evaluation.checks import LABEL_METRICS, check_labelled_rows, check_labels
from apo_engine.evaluation.function import find_function
from apo_engine.examples.facts import ExampleFacts
from apo_engine.examples.quotation import Quotations
from apo_engine.examples.survey import RowCheck, survey
from apo_engine.machine import user_layer
from apo_engine.positions import Span
from apo_engine.problems import InputError, Problem, Severity
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import PromptFile
from apo_engine.prompt.partials import load_partials
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.template import Text
from apo_engine.runs.naming import own_meta_prompts
from apo_engine.runs.options import Options
from apo_engine.scoring.metric import make_metric
from apo_engine.settings import Layer, Settings, resolve

# Metrics that cannot use every expected value.
_PARTICULAR = ("regex", "numeric", "json_match")


def check_rows(prompt: PromptFile, options: Options, buffers: Mapping[Path, str]) -> RowCheck:
    """Look through the example files of a prompt, and at what prompt, metric and rows say together. Never raises."""
    try:
        settings = resolved(prompt, options)
    except InputError:
        # What is wrong with the settings is said where they are checked; the rows may be fine all the same.
        of_rows = _of_examples(prompt)
        return _survey(prompt, of_rows, options, buffers) if of_rows else RowCheck(None, ())
    rows = _survey(prompt, settings, options, buffers)
    problems = [*rows.problems, *_metric(prompt, settings, rows.facts), *_meta(prompt, settings, options)]
    if rows.facts is not None:
        problems += check_labelled_rows(prompt, rows.facts)
    if rows.facts is not None and not rows.facts.complete:
        message = f"There are {rows.facts.rows:,} rows: only the first of them were compared word by word."
        place = prompt.layer().place(("examples",))
        problems.append(Problem("rows-many", message, "", place, Severity.INFORMATION))
    return RowCheck(rows.facts, tuple(problems))


def _survey(prompt: PromptFile, settings: Settings, options: Options, buffers: Mapping[Path, str]) -> RowCheck:
    if settings.examples is None:
        return RowCheck(None, ())
    folder = prompt.path.parent if prompt.path else Path.cwd()
    return survey(
        settings.examples,
        folder,
        inputs=prompt.required_inputs,
        labels=prompt.labels if settings.metric in (*LABEL_METRICS, "exact_match") else (),
        place=prompt.layer().place(("examples",)),
        buffers=buffers,
        allowed_roots=options.allowed_roots,
        quotations=Quotations(_literal_lines(prompt)),
        objection=make_metric(settings.metric, ()).objection if settings.metric in _PARTICULAR else None,
    )


def check(prompt: PromptFile, options: Options, buffers: Mapping[Path, str]) -> tuple[Problem, ...]:
    """All problems of a prompt, its partials and its rows, each once, in the order of place. Never raises."""
    rows = check_rows(prompt, options, buffers)
    facts = rows.facts
    columns = [column.name for column in facts.columns] if facts else None
    found = [*prompt.problems, *check_prompt(prompt, columns), *_partials(prompt)]
    found += rows.problems
    try:
        resolved(prompt, options)
    except InputError as error:
        found += error.problems
    if facts is not None:
        found += check_labels(prompt, facts)
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: _order(problem, prompt.path)))


def resolved(prompt: PromptFile, options: Options) -> Settings:
    """The settings that decide about rows, from the layers of a run that may hold them.

    Raises:
        InputError: a setting is unknown or wrong.
    """
    return resolve(_layers(prompt, options))


def _layers(prompt: PromptFile, options: Options) -> list[Layer]:
    return [Layer("flag", options.flags), prompt.layer(), Layer("editor", options.editor), user_layer()]


def _of_examples(prompt: PromptFile) -> Settings | None:
    """The rows' settings alone, where others are wrong."""
    values = prompt.layer().values
    given = {"examples": values["examples"]} if "examples" in values else {}
    try:
        return resolve([Layer("file", given)])
    except InputError:
        return None


def _literal_lines(prompt: PromptFile) -> Iterator[tuple[int, str]]:
    """The literal text of the template outside the block of exemplars, line by line; empty where a tag interrupts."""
    exemplars = prompt.exemplars
    for node in prompt.nodes:
        if not isinstance(node, Text) or (exemplars is not None and exemplars.overlaps(node.span)):
            continue
        lines = prompt.lines
        first = lines.line_of(node.span.start)
        for number in range(first, lines.line_of(node.span.end) + 1):
            line = lines.span_of_line(number)
            text = Span(max(line.start, node.span.start), min(line.end, node.span.end)).of(prompt.text)
            if text:
                yield number + 1, text
        yield first + 1, ""


def _partials(prompt: PromptFile) -> Sequence[Problem]:
    """What is wrong with the partials, in their own files; else whether the prompt takes too much to render."""
    try:
        partials = load_partials(prompt)
    except InputError as error:
        return error.problems
    try:
        Renderer(prompt, partials).messages({name: name for name in prompt.required_inputs})
    except InputError as error:
        # Whatever else is wrong is said where it is checked, or depends on the rows.
        return [problem for problem in error.problems if problem.code == "template-large"]
    return ()


def _metric(prompt: PromptFile, settings: Settings, facts: ExampleFacts | None) -> Sequence[Problem]:
    """Whether the metric is there and can be used with the labels of the rows."""
    place = prompt.layer().place(("metric",))
    try:
        if settings.metric is not None and ":" in settings.metric:
            find_function(settings.metric, prompt.path.parent if prompt.path else Path.cwd(), place)
        elif facts is not None and facts.rows:
            make_metric(settings.metric, [label.text for label in facts.labels])
    except InputError as error:
        return [problem if problem.place else replace(problem, place=place) for problem in error.problems]
    return ()


def _meta(prompt: PromptFile, settings: Settings, options: Options) -> Sequence[Problem]:
    """What is wrong with the prompts that replace the optimizer's own."""
    try:
        own_meta_prompts(prompt, _layers(prompt, options), settings, options)
    except InputError as error:
        return error.problems
    return ()


def _order(problem: Problem, prompt: Path | None) -> tuple[bool, str, int, int]:
    """The prompt's own problems first, then file by file."""
    place = problem.place
    if place is None or place.path is None:
        return False, "", 0, 0
    return place.path != prompt, str(place.path), place.line, place.column
