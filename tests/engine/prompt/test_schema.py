from __future__ import annotations

import pytest

from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.schema import declarations, schema_of

PICO = """---
input:
  schema:
    text: string, what the customer wrote
    tone?: string
    "odd name": integer
    kind(enum, which one): [a, b]
    items(array, the goods):
      name: string
      price?: number, in euros
    user(object):
      address:
        city: string
      (*): any
output:
  schema:
    label(enum): [Yes, No]
---
{{text}}
"""


def test_picoschema_declares_inputs_and_their_fields() -> None:
    prompt = parse_prompt(PICO)
    found = {found.path: found for found in declarations(prompt.front_matter)}
    assert {path: (one.type, one.description, one.optional) for path, one in found.items()} == {
        ("text",): ("string", "what the customer wrote", False),
        ("tone",): ("string", "", True),
        ("odd name",): ("integer", "", False),
        ("kind",): ("enum", "which one", False),
        ("items",): ("array", "the goods", False),
        ("items", "name"): ("string", "", False),
        ("items", "price"): ("number", "in euros", True),
        ("user",): ("object", "", False),
        ("user", "address"): ("object", "", False),
        ("user", "address", "city"): ("string", "", False),
    }
    for path, one in found.items():
        assert one.span.of(PICO) == path[-1]
        if one.type_span is not None:
            assert one.type_span.of(PICO) == one.type
    assert found["kind",].values == ("a", "b")
    assert found["user",].open
    assert not found["items",].open
    assert [one.values for one in schema_of(prompt.front_matter, "output")] == [("Yes", "No")]


def test_json_schema_declares_inputs_and_their_fields() -> None:
    text = """---
input:
  schema:
    type: object
    required: [text]
    properties:
      text: {type: string, description: what was written}
      kind: {enum: [a, b]}
      items:
        type: array
        items: {type: object, properties: {name: {type: string}}}
---
"""
    found = declarations(parse_prompt(text).front_matter)
    assert [(one.path, one.type, one.optional, one.values) for one in found] == [
        (("text",), "string", False, ()),
        (("kind",), "enum", True, ("a", "b")),
        (("items",), "array", True, ()),
        (("items", "name"), "string", False, ()),
    ]
    assert found[0].description == "what was written"
    assert all(one.span.of(text) == one.path[-1] for one in found)


@pytest.mark.parametrize("schema", ["Ticket", "[a, b]", "{}", "{properties: 3}", "{'(*)': any}", "{x: {(*): {y: z}}}"])
def test_a_schema_of_another_shape_is_no_error(schema: str) -> None:
    declarations(parse_prompt(f"---\ninput: {{schema: {schema}}}\n---\n").front_matter)
