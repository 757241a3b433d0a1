"""The questions about what a workspace would have run or loaded, and what is said where nobody has allowed it."""

from __future__ import annotations

from collections.abc import Sequence

from apo_engine.names import shown_name
from apo_engine.problems import Problem, Severity
from apo_engine.search.events import CustomMetric, ModelFile

# Editors cut long questions: the files that one names, and how many characters their names take at most.
_MOST_FILES, _MOST_CHARACTERS = 8, 400
# The longest name of a file in the log.
_LOG_WIDTH = 1000
_ALLOW_IT = "start the run by its command and allow it. If the editor shows no question, run 'apo' in a terminal."


def words_on_code(prompt: str, code: CustomMetric) -> str:
    """The question whether code that lies in the workspace may be run, in less than 1,000 characters.

    The warning comes first. Where the files are many, the question refers to the log for the rest.
    """
    first, *others = code.files
    more = f" It imports {named_files(others)}." if others else ""
    changed = "one of these files" if others else "the file"
    return (
        f"Run {shown_name(first)}? It can do whatever you can on this machine. Its function {shown_name(code.name)} "
        f"scores the answers of {shown_name(prompt)}.{more} You are asked again when {changed} changes."
    )


def named_files(files: Sequence[str]) -> str:
    """The names of files as a message shows them: the first few, and how many more the log lists."""
    named: list[str] = []
    for name in map(shown_name, files[:_MOST_FILES]):
        if named and len(", ".join([*named, name])) > _MOST_CHARACTERS:
            break
        named.append(name)
    left = len(files) - len(named)
    return ", ".join(named) + (f" and {left:,} more (listed in the log)" if left else "")


def words_on_model_file(prompt: str, file: ModelFile) -> str:
    """The question whether a file of weights may be loaded."""
    return (
        f"Load the model file {shown_name(file.path)} for {shown_name(prompt)}? Its SHA-256 begins with "
        f"{file.sha256[:12]}. Native code reads it, so a file made with bad intent could do whatever you can on this "
        "machine. You are asked again when the file changes."
    )


def files_in_full(prompt: str, code: CustomMetric) -> str:
    """Every file that the code is made of, as a line for the log."""
    files = ", ".join(shown_name(name, _LOG_WIDTH) for name in code.files)
    return f"The metric {shown_name(code.name)} of {shown_name(prompt)} is code in {files}"


def code_not_allowed(prompt: str, code: CustomMetric) -> Problem:
    """What is said where the code was not allowed."""
    message = (
        f"{shown_name(prompt)} was not run: its metric {shown_name(code.name)} is code, and you have not allowed it."
    )
    remedy = f"Read {named_files(code.files)}. Then {_ALLOW_IT}"
    return Problem("metric-code-asks", message, remedy, severity=Severity.INFORMATION)


def model_file_not_allowed(prompt: str, file: ModelFile) -> Problem:
    """What is said where the file of weights was not allowed."""
    named = f"it names the model file {shown_name(file.path)}, and you have not allowed it"
    message = f"{shown_name(prompt)} was not run: {named}."
    return Problem("model-file-asks", message, _ALLOW_IT[0].upper() + _ALLOW_IT[1:], severity=Severity.INFORMATION)
