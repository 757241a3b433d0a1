"""What a look through the example files of a prompt found, and where it stands in the prompt now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from apo_engine.allowed_paths import is_network_path
from apo_engine.examples.facts import ExampleFacts
from apo_engine.problems import Place, Problem
from apo_server.anchoring import Rebase

if TYPE_CHECKING:
    from apo_engine.prompt.file import PromptFile


@dataclass(frozen=True)
class SurveyOf:
    """The survey of the example files that the prompt text ``text`` names: their ``files`` and what is wrong."""

    text: str
    files: tuple[Path, ...]
    facts: ExampleFacts | None
    problems: tuple[Problem, ...]

    def in_prompt(self, prompt: PromptFile) -> tuple[Problem, ...]:
        """The problems that stand in the prompt, at their places in this version of it."""
        rebase = Rebase(self.text, prompt.text)
        found = []
        for problem in self._by_path.get(prompt.path, ()):
            measured = problem.place.span if problem.place is not None else None
            span = rebase.span(measured) if measured is not None else None
            if span is not None:
                found.append(replace(problem, place=Place.at(prompt.path, prompt.lines, span)))
        return tuple(found)

    def in_file(self, path: Path) -> tuple[Problem, ...]:
        """The problems that stand in an example file."""
        return tuple(self._by_path.get(path, ()))

    @cached_property
    def _by_path(self) -> dict[Path | None, list[Problem]]:
        # There may be thousands in example files, and those in the prompt are wanted with every keystroke.
        found: dict[Path | None, list[Problem]] = {}
        for problem in self.problems:
            if problem.place is not None:
                found.setdefault(problem.place.path, []).append(problem)
        return found


def example_files(prompt: PromptFile) -> tuple[Path, ...]:
    """The example files that a prompt names, whether they are there or not."""
    given = prompt.layer().values.get("examples")
    names: list[object] = [given]
    if isinstance(given, dict):
        names = [given.get(key) for key in ("path", "train", "holdout")]
    if prompt.path is None:
        return ()
    return tuple(dict.fromkeys(prompt.path.parent / str(name) for name in names if _is_here(name)))


def _is_here(name: object) -> bool:
    return isinstance(name, str) and name != "" and not is_network_path(name)
