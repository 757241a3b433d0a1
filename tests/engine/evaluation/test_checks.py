from __future__ import annotations

import pytest

from apo_engine.evaluation.checks import check_labels
from apo_engine.examples.facts import ExampleFacts, FileFacts, LabelFacts
from apo_engine.prompt.file import PromptFile, parse_prompt


def facts(**labels: int) -> ExampleFacts:
    found = tuple(LabelFacts(text, rows, 1, "a.jsonl") for text, rows in labels.items())
    return ExampleFacts((FileFacts("a.jsonl", sum(labels.values())),), (), "label", found)


def prompt(template: str, more: str = "") -> PromptFile:
    return parse_prompt(f"---\napo.examples: a.jsonl\n{more}---\n{template}")


def test_labels_that_are_never_mentioned_are_named_in_one_problem_at_the_instructions() -> None:
    given = prompt('{{role "system"}}\n\nWhich queue, Billing?\nSay it.\n{{role "user"}}{{text}}')
    (problem,) = check_labels(given, facts(billing=5, shipping=4, account=3))
    assert problem.code == "labels-unmentioned"
    assert "the labels 'shipping', 'account'," in problem.message
    assert problem.place is not None
    assert problem.place.span is not None
    assert problem.place.span.of(given.text) == "Which queue, Billing?"


@pytest.mark.parametrize(
    ("template", "labels", "missing"),
    [
        ("Sort into billing or order status.", {"billing": 5, "order_status": 5}, ()),
        ("Do you know?", {"no": 5, "yes": 5}, ("'no'", "'yes'")),
        ("Say yes or No.", {"no": 5, "yes": 5}, ()),
        ("Give 1 to 5 stars.", {"1": 5, "2": 5, "5": 5}, ()),
        ("billing?", {"billing": 50, "biling": 1}, ()),
        ("{{> queues}}", {"billing": 50}, ()),
        ("{{! shipping }}billing {{shipping}}", {"billing": 5, "shipping": 5}, ("'shipping'",)),
    ],
)
def test_what_counts_as_mentioned(template: str, labels: dict[str, int], missing: tuple[str, ...]) -> None:
    problems = check_labels(prompt(template), facts(**labels))
    assert len(problems) == bool(missing)
    assert all(label in problems[0].message for label in missing)


def test_the_default_of_an_input_may_list_the_labels() -> None:
    more = "input: {default: {queues: [billing, shipping]}}\n"
    assert check_labels(prompt("One of {{queues}}.", more), facts(billing=5, shipping=5)) == ()


@pytest.mark.parametrize("metric", ["exact_match", "json_match", "judge"])
def test_metrics_that_compare_no_labels_need_none(metric: str) -> None:
    assert check_labels(prompt("Say it.", f"apo.metric: {metric}\n"), facts(billing=5)) == ()


@pytest.mark.parametrize("metric", ["label", "f1", "f1_macro"])
def test_metrics_that_compare_labels(metric: str) -> None:
    assert len(check_labels(prompt("Say it.", f"apo.metric: {metric}\n"), facts(billing=5))) == 1


def test_a_prompt_without_text_is_told_where_its_rows_are_named() -> None:
    (problem,) = check_labels(prompt(""), facts(billing=5))
    assert problem.place is not None
    assert problem.place.line == 2
