from __future__ import annotations

import pytest

from apo_engine.prompt.file import parse_prompt


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{text}} {{{body}}} {{&raw}} {{~x~}}", ["text", "body", "raw", "x"]),
        ("{{user.name}} {{this.a}} {{./b}} {{@root.c.d}} {{[odd name]}}", ["user", "a", "b", "c", "odd name"]),
        ("{{json text}} {{lookup map key}} {{history}}", ["text", "map", "key"]),
        ("{{#if flag}}{{a}}{{else if other}}{{b}}{{/if}}", ["flag", "a", "other", "b"]),
        ("{{#each items}}{{name}} {{this}} {{@index}} {{../title}}{{@root.z}}{{/each}}", ["items", "title", "z"]),
        ("{{#each items}}{{#if ok}}{{../a}}{{/if}}{{/each}}", ["items", "a"]),
        ("{{#each items as |item i|}}{{item.x}}{{i}}{{/each}}{{item}}", ["items", "item"]),
        ("{{#each items}}{{x}}{{else}}{{none}}{{/each}}", ["items", "none"]),
        ("{{#with user}}{{name}}{{#with ../other}}{{../../c}}{{/with}}{{/with}}", ["user", "other", "c"]),
        ("{{#person}}{{name}}{{/person}}", ["person"]),
        ("{{^person}}{{name}}{{/person}}", ["person", "name"]),
        ('{{#ifEquals a "b"}}{{c}}{{/ifEquals}}', ["a", "c"]),
        ("{{> card user title=heading}}", ["user", "heading"]),
        ("{{json (lookup map key)}}", ["map", "key"]),
        ('{{role "system"}}{{x}} {{"literal"}} {{lookup m 12}} {{json true}}', ["x", "m"]),
        ("\\{{no}} {{! no }} {{{{raw}}}} {{no}} {{{{/raw}}}}", []),
    ],
)
def test_only_inputs_of_the_prompt_count_as_variables(template: str, names: list[str]) -> None:
    prompt = parse_prompt(template)
    assert [name for name, _ in prompt.variables] == names
    assert [span.of(template) for _, span in prompt.variables] == names


@pytest.mark.parametrize(
    "template", ["{{json this}}", "{{json .}}", "{{#each this}}{{/each}}", "{{json @root}}", "{{> card}}"]
)
def test_a_template_may_read_all_inputs_at_once(template: str) -> None:
    assert parse_prompt(template).reads_everything
    assert not parse_prompt("{{#each items}}{{this}}{{/each}}").reads_everything


@pytest.mark.parametrize(
    ("template", "paths"),
    [
        ("{{user.name.first}}", ["user.name.first"]),
        ("{{#each items}}{{name}} {{this.price}} {{../title}} {{@root.z.y}}{{@index}}{{/each}}",
         ["items", "items.name", "items.price", "title", "z.y"]),
        ("{{#each items as |item i|}}{{item.name}}{{item}}{{i}}{{/each}}", ["items", "items.name"]),
        ("{{#with user}}{{#each pets}}{{name}}{{../name}}{{../../name}}{{/each}}{{/with}}",
         ["user", "user.pets", "user.pets.name", "user.name", "name"]),
        ("{{#person}}{{name}}{{/person}}{{name}}", ["person", "person.name", "name"]),
        ("{{items.[0].name}} {{items.1.name}}", ["items.name", "items.name"]),
        ("{{#each (lookup a b)}}{{x}}{{/each}}", ["a", "b"]),
        ("{{#each items}}{{x}}{{else}}{{y}}{{/each}}", ["items", "items.x", "y"]),
    ],
)  # fmt: skip
def test_every_reference_is_followed_to_the_input_it_leads_into(template: str, paths: list[str]) -> None:
    uses = parse_prompt(template).uses
    assert [".".join(use.path) for use in uses] == paths
    for use in uses:
        assert use.names[-1][0] == use.path
        assert all(span.of(template) == path[-1] for path, span in use.names)
        assert use.name_span.of(template) == use.path[-1]
