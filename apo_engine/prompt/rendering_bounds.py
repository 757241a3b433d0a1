"""Bounds on the work and the output of a template, kept while it is compiled and rendered.

A few partials that include others twice each, or ``{{#each}}`` within ``{{#each}}``, would render for hours and fill
the memory. The library has no hook that every block and partial passes. So those of its functions through which all
rendering goes are wrapped in ones that count. They count only in a thread that is in `Bounds.count`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar, cast

from dotpromptz_handlebars import Block, Handlebars, InlinePartial, Mustache, Node, Partial, PartialBlock, Text
from dotpromptz_handlebars import _render as library
from dotpromptz_handlebars._types import HelperOptions

#: All texts and values that a rendering puts together.
MAX_CHARS = 10_000_000
#: About 100 ns each: a rendering ends after one to two seconds on a machine of today.
MAX_STEPS = 20_000_000
#: More is slow: an event loop should not wait for it.
QUICK_STEPS = 200_000
#: Of one thread's processor. Larger than the time that the steps take: it ends what they do not count, such as
#: comparisons of large values, and leaves the others to them, which end at the same place on every machine.
MAX_SECONDS = 5.0
# The time is looked at once in so many steps.
_STEPS_BETWEEN_LOOKS = 1_000
# What a node takes whatever stands in it, in steps, and a value in a tag, and each of its characters.
_NODE_STEPS, _VALUE_STEPS, _TAG_CHAR_STEPS = 40, 20, 4
# What a call of a helper takes; much, so that the time is looked at soon while it compares large values.
_HELPER_STEPS = 100
# The library looks for the end of each `{{{` in all that follows: characters that it may pass, 1 ns each.
_MAX_PASSED = 2_000_000_000
_LONGEST_REMEMBERED = 100


T = TypeVar("T")


class TemplateTooLarge(Exception):
    """A template takes more than its bounds allow; says what is too much."""


class Bounds:
    """The bounds on each rendering of one template, of so many steps. Safe to share between threads."""

    def __init__(self, max_steps: int) -> None:
        self._max_steps = max_steps
        self._costs: dict[int, _Cost] = {}
        self.most_steps = 0

    def compile(self, engine: Handlebars, source: str, partials: Mapping[str, str]) -> Callable[..., str]:
        """What renders a template, which may include these partials.

        Raises:
            TemplateTooLarge: it would take long to compile them.
            ValueError, RecursionError, IndexError: the template cannot be compiled.
        """
        for name, text in partials.items():
            _require_compilable(text)
            engine.register_partial(name, text)
            # The library compiles a text anew in each rendering. One that cannot be compiled stays a text, so that it
            # is an error only if something includes it.
            with suppress(ValueError, RecursionError, IndexError):
                engine.register_partial(name, cast("str", library.compile_template(text)))
        _require_compilable(source)
        return engine.compile(source)

    def count(self, render: Callable[[], T]) -> T:
        """What ``render`` returns, which renders once, in this thread.

        Raises:
            TemplateTooLarge: it passes a bound.
        """
        count = _thread.count = _Count(self._costs, self._max_steps)
        try:
            return render()
        finally:
            _thread.count = None
            self.most_steps = max(self.most_steps, count.steps)


def spend(steps: int) -> None:
    """Count work that a helper does."""
    if _thread.count is not None:
        _thread.count.spend(steps)


def _require_compilable(source: str) -> None:
    if (source.count("{{{") + source.count("{{~{")) * len(source) > _MAX_PASSED:
        raise TemplateTooLarge("it is long and has many tags with three braces")


class _Cost:
    """What it takes to render a list of nodes once, without what stands in them."""

    __slots__ = ("chars", "inlines", "steps")

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.chars = sum(len(node.value) for node in nodes if isinstance(node, Text))
        self.steps = _NODE_STEPS * (1 + len(nodes)) + sum(map(_tag_steps, nodes))
        self.inlines = sum(isinstance(node, InlinePartial) for node in nodes)


class _Count:
    """What one rendering has taken so far."""

    __slots__ = ("_chars", "_costs", "_ends", "_look", "_max_steps", "steps")

    def __init__(self, costs: dict[int, _Cost], max_steps: int) -> None:
        self._costs = costs
        self._max_steps = max_steps
        self.steps = self._chars = 0
        self._look = _STEPS_BETWEEN_LOOKS
        self._ends: float | None = None

    def enter(self, nodes: list[Node], partials: Mapping[str, Any]) -> None:
        """Count a list of nodes that is about to be rendered."""
        # The lists belong to the template and live as long as its bounds, so that no two have the same id.
        cost = self._costs.get(id(nodes))
        if cost is None:
            cost = self._costs[id(nodes)] = _Cost(nodes)
        self.steps += cost.steps
        self._chars += cost.chars
        if cost.inlines:
            # The table of partials is copied for each that is defined in a template.
            self.steps += cost.inlines * (len(partials) + cost.inlines)
        if self.steps > self._look or self._chars > MAX_CHARS:
            self._require_room()

    def put(self, chars: int) -> None:
        """Count text that is put out."""
        self._chars += chars
        if self._chars > MAX_CHARS:
            self._require_room()

    def spend(self, steps: int) -> None:
        """Count work."""
        self.steps += steps
        if self.steps > self._look:
            self._require_room()

    def _require_room(self) -> None:
        if self._chars > MAX_CHARS:
            raise TemplateTooLarge(f"it grows beyond {MAX_CHARS:,} characters")
        now = time.thread_time()
        if self._ends is None:
            self._ends = now + MAX_SECONDS
        if self.steps > self._max_steps or now > self._ends:
            raise TemplateTooLarge("its blocks and partials are rendered too often")
        self._look = self.steps + _STEPS_BETWEEN_LOOKS


def _tag_steps(node: Node) -> int:
    """The steps that the values in a tag take."""
    if isinstance(node, Mustache | Block):
        values = [node.call["name"], *node.call["args"], *node.call["hash"].values()]
    elif isinstance(node, Partial | PartialBlock):
        values = [node.name, node.context_path or "", *node.hash.values()]
    else:
        return 0
    # A call in parentheses is taken apart anew for each pair that stands around it.
    return sum(_VALUE_STEPS + _TAG_CHAR_STEPS * len(value) * (1 + value.count("(")) for value in values)


class _Thread(threading.local):
    count: _Count | None = None


_thread = _Thread()
_render, _show, _apply_indent = library._render, library._show, library._apply_indent
_parts = library._parts
_remembered_parts = lru_cache(maxsize=1_000)(_parts)


def _render_counted(nodes: list[Node], **env: Any) -> str:
    count = _thread.count
    if count is not None:
        count.enter(nodes, env["partials"])
    return _render(nodes, **env)


def _show_counted(value: Any, *, raw: bool, escape_html: bool) -> str:
    text = _show(value, raw=raw, escape_html=escape_html)
    count = _thread.count
    if count is not None:
        count.put(len(text))
    return text


def _options_counted(**given: Any) -> HelperOptions:
    count = _thread.count
    if count is not None:
        # Each call of a helper copies the inputs.
        context = given["context"]
        count.spend(_HELPER_STEPS + (len(context) if isinstance(context, dict) else 0))
    return HelperOptions(**given)


def _apply_indent_counted(text: str, indent: str) -> str:
    count = _thread.count
    if count is not None and indent:
        count.put((text.count("\n") + 1) * len(indent))
    return _apply_indent(text, indent)


def _parts_remembered(path: str) -> list[str]:
    return _remembered_parts(path) if len(path) <= _LONGEST_REMEMBERED else _parts(path)


vars(library).update(
    _render=_render_counted,
    _show=_show_counted,
    _apply_indent=_apply_indent_counted,
    # All that the library does with this class is to make options of it.
    HelperOptions=_options_counted,
    # It takes a path apart at each look-up, which takes a fifth of a rendering: more than to count does.
    _parts=_parts_remembered,
)
