"""The two consoles: results on stdout; the estimate, progress and notes on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from apo_engine.cli.plain import literal, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

# Text is never read as markup, and nothing in it is coloured for looking like a number.
_PLAIN = {"markup": False, "highlight": False, "emoji": False}


def results() -> Console:
    """The console of what was asked for."""
    return Console(**_PLAIN)  # type: ignore[arg-type]


def remarks() -> Console:
    """The console of what is told by the way."""
    return Console(stderr=True, **_PLAIN)  # type: ignore[arg-type]


def say(console: Console, *parts: str | Text, style: str = "", indent: int = 0) -> None:
    """Print one line of text, wrapped at words on a terminal and left whole elsewhere. Plain strings are made safe."""
    line = Text()
    for part in parts:
        line.append_text(part if isinstance(part, Text) else literal(part))
    line.stylize(style)
    if not console.is_terminal:
        console.print(Text(" " * indent).append_text(line), soft_wrap=True)
    elif indent:
        from rich.padding import Padding

        console.print(Padding(line, (0, 0, 0, indent)))
    else:
        console.print(line)


def show(console: Console, renderable: RenderableType, *, indent: int = 0) -> None:
    """Print a table or another block, kept within the width of the console."""
    from rich.padding import Padding

    console.print(Padding(renderable, (0, 0, 0, indent), expand=False) if indent else renderable)


class _Notes(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        say(self._console, literal("Warning: ", "yellow"), one_line(record.getMessage()))


@contextmanager
def warnings_shown(console: Console) -> Iterator[None]:
    """Show the engine's logged warnings as remarks, so that they do not tear a progress bar."""
    logger = logging.getLogger("apo_engine")
    handler = _Notes(console)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
