"""Static checks that need no model: variables, settings, foreign dialects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apo_engine.positions import Span
from apo_engine.problems import InputError, Problem, Severity
from apo_engine.prompt.frontmatter import NAMESPACE, optional_inputs
from apo_engine.prompt.template import Expression, Partial
from apo_engine.settings import nearest, resolve

if TYPE_CHECKING:
    from collections.abc import Collection

    from apo_engine.prompt.file import PromptFile

RESERVED = (
    "config",
    "description",
    "ext",
    "input",
    "metadata",
    "model",
    "name",
    "output",
    "raw",
    "toolDefs",
    "tools",
    "variant",
    "version",
)
_ROLE_ELEMENT = re.compile(r"^[ \t]*<(system|user|assistant)>", re.MULTILINE)
_CONTINUE_HEAD = re.compile(r"(?:[ \t]*(?:[\w.]{1,40}:[^\r\n]*)?(?:\r?\n)){1,100}?---[ \t]*\r?\n")

_CONTINUE_KEY = re.compile(r"^(name|description|version|model|temperature|maxTokens|topP|stop):", re.MULTILINE)


def check_prompt(prompt: PromptFile, columns: Collection[str] | None) -> tuple[Problem, ...]:
    """What is wrong or doubtful about a prompt beyond its syntax.

    ``columns`` are the inputs that the example set offers; None where it is not known. A variable that no row fills
    is an error, and a warning where only the declared inputs are known.
    """
    dialect = _dialect(prompt)
    if dialect:
        message = f"This looks like a {dialect} prompt; it is read as Dotprompt."
        remedy = 'Write roles as {{role "system"}} and settings between two --- lines.'
        span = Span(0, prompt.lines.span_of_line(0).end)
        return (Problem("foreign-dialect", message, remedy, prompt.place(span), Severity.INFORMATION),)
    return (*_keys(prompt), *_settings(prompt), *_undefined(prompt, columns), *_unused(prompt), *_media(prompt))


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


def _keys(prompt: PromptFile) -> list[Problem]:
    """Misspelled top-level keys. Keys that resemble none are left alone: Dotprompt passes them on."""
    found = []
    for entry in prompt.front_matter.root.entries if prompt.front_matter else ():
        name = entry.key.text
        if name in RESERVED or "." in name:
            continue
        close = nearest(name, RESERVED)
        message, remedy = f"'{name}' is not a key of Dotprompt.", f"Did you mean {close!r}?"
        if name == NAMESPACE.rstrip("."):
            close, message, remedy = name, "'apo' is not read as a map.", "Write its keys as 'apo.examples: …'."
        if close:
            found.append(Problem("key-unknown", message, remedy, prompt.place(entry.key.span), Severity.WARNING))
    return found


def _settings(prompt: PromptFile) -> tuple[Problem, ...]:
    try:
        resolve([prompt.layer()])
    except InputError as error:
        return error.problems
    return ()


def _undefined(prompt: PromptFile, columns: Collection[str] | None) -> list[Problem]:
    declared = {name for name, _ in prompt.declared}
    if columns is None and not declared:
        return []
    optional = optional_inputs(prompt.front_matter)
    known = [*dict.fromkeys([*(sorted(declared) if columns is None else columns), *optional, *prompt.defaults])]
    where = "the example rows do not have it" if columns is not None else "input.schema does not declare it"
    severity = Severity.ERROR if columns is not None else Severity.WARNING
    found = []
    for name, span in prompt.variables:
        if name in known:
            continue
        close = nearest(name, known)
        remedy = f"Did you mean {close!r}?" if close else f"There are {', '.join(known) or 'no inputs'}."
        message = f"Nothing fills the variable '{name}': {where}."
        found.append(Problem("variable-undefined", message, remedy, prompt.place(span), severity))
    return found


def _unused(prompt: PromptFile) -> list[Problem]:
    if prompt.reads_everything or any(isinstance(node, Partial) for node in prompt.nodes):
        return []
    used = {name for name, _ in prompt.variables}
    return [
        Problem(
            "variable-unused",
            f"The input '{name}' is declared and never used.",
            f"Write {{{{{name}}}}} where it belongs, or remove it.",
            prompt.place(span),
            Severity.WARNING,
        )
        for name, span in prompt.declared
        if name not in used
    ]


def _media(prompt: PromptFile) -> list[Problem]:
    message = "Images and other media are not supported by this version; the prompt cannot be run."
    return [
        Problem("media-unsupported", message, "Take the tag out to evaluate this prompt.", prompt.place(node.span))
        for node in prompt.nodes
        if isinstance(node, Expression) and node.call.name == "media" and not node.call.bare
    ]
