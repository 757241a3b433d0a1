"""The targets, by name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import answers, examples, front_matter, messages, template

TARGETS: dict[str, Target] = {
    "front_matter": front_matter.TARGET,
    "template": template.TARGET,
    "examples": examples.TARGET,
    "answers": answers.TARGET,
    "messages": messages.TARGET,
}
