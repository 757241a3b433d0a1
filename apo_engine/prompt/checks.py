"""Static checks that need no model, all of them: keys, settings, schemas, variables, foreign dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from apo_engine.machine import endpoints_layer
from apo_engine.parameters import is_structured, parameter
from apo_engine.positions import Span
from apo_engine.problems import InputError, Problem, Severity
from apo_engine.prompt.key_checks import key_problems
from apo_engine.prompt.schema_checks import schema_problems
from apo_engine.prompt.template import Expression
from apo_engine.prompt.variable_checks import undefined, unused
from apo_engine.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Collection

    from apo_engine.prompt.file import PromptFile

_ROLE_ELEMENT = re.compile(r"^[ \t]*<(system|user|assistant)>", re.MULTILINE)
_CONTINUE_HEAD = re.compile(r"(?:[ \t]*(?:[\w.]{1,40}:[^\r\n]*)?(?:\r?\n)){1,100}?---[ \t]*\r?\n")

_CONTINUE_KEY = re.compile(r"^(name|description|version|model|temperature|maxTokens|topP|stop):", re.MULTILINE)


def check_prompt(prompt: PromptFile, columns: Collection[str] | None, *, resolved: bool = False) -> tuple[Problem, ...]:
    """What is wrong or doubtful about a prompt beyond its syntax.

    ``columns`` are the inputs that the example set offers; None where it is not known. A variable that no row fills
    is an error, and a warning where only the declared inputs are known. ``resolved`` says that the settings were
    resolved already, together with those of other layers.
    """
    dialect = _dialect(prompt)
    if dialect:
        message = f"This looks like a {dialect} prompt; it is read as Dotprompt."
        remedy = 'Write roles as {{role "system"}} and settings between two --- lines.'
        span = Span(0, prompt.lines.span_of_line(0).end)
        return (Problem("foreign-dialect", message, remedy, prompt.place(span), Severity.INFORMATION),)
    return (
        *key_problems(prompt),
        *(() if resolved else _settings(prompt)),
        *schema_problems(prompt),
        *undefined(prompt, columns),
        *unused(prompt),
        *_media(prompt),
    )


def _dialect(prompt: PromptFile) -> str | None:
    """Another program's `.prompt` format, by its marks."""
    template = prompt.template.of(prompt.text)
    has_roles = any(isinstance(node, Expression) and node.call.name == "role" for node in prompt.nodes)
    if prompt.front_matter is None:
        head = _CONTINUE_HEAD.match(prompt.text)
        if head and _CONTINUE_KEY.search(head[0]):
            return "Continue"
    if not has_roles and _ROLE_ELEMENT.search(template):
        return "Humanloop" if prompt.front_matter else "Continue"
    return None


def _settings(prompt: PromptFile) -> tuple[Problem, ...]:
    layer = prompt.layer()
    config = layer.values.get("config")
    # What the user allows is read only where something has to be allowed.
    asks = isinstance(config, Mapping) and any(parameter(name) is None or is_structured(name) for name in config)
    try:
        resolve([layer, endpoints_layer()] if asks else [layer])
    except InputError as error:
        return error.problems
    return ()


def _media(prompt: PromptFile) -> list[Problem]:
    message = "Images and other media are not supported by this version; the prompt cannot be run."
    return [
        Problem("media-unsupported", message, "Take the tag out to evaluate this prompt.", prompt.place(node.span))
        for node in prompt.nodes
        if isinstance(node, Expression) and node.call.name == "media" and not node.call.bare
    ]
