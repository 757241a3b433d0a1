"""Attacks by large or nested partials: reading them takes little, and keeps nobody in the editor waiting."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.problems import InputError, Problem
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.partials import (
    MAX_BYTES,
    MAX_CHARS,
    MAX_PROBLEMS,
    load_partials,
    partial_files,
    partial_problems,
)
from tests.cli.conftest import APO
from tests.scripted import ScriptedServer
from tests.server.editor import Editor, environment

#: Seconds of a processor; a run of `apo check` on a small prompt takes about one.
LONGEST_CHECK, LONGEST_READING = 3.0, 1.0
#: How long the editor may wait for another prompt on a busy machine.
LONGEST_ANSWER = 3.0

#: As much of each piece as a partial may hold, and a little more.
PIECES = {
    "variables": "{{a}}",
    "variables with spaces": "{{ a }}",
    "three braces": "{{{a}}}",
    "calls in calls": "{{json (lookup (lookup a b) c) indent=1}}",
    "open blocks": "{{#if a}}",
    "closed blocks": "{{#if a}}{{/if}}",
    "closing tags": "{{/a}}",
    "elses": "{{else}}",
    "comments": "{{!--x--}}",
    "comments without an end": "{{!--",
    "raw blocks": "{{{{raw}}}}x{{{{/raw}}}}",
    "raw blocks without an end": "{{{{raw}}}}",
    "escaped braces": "\\{{",
    "braces": "{{",
    "quotation marks": '{{"',
    "parentheses": "{{a (",
    "inline partials": '{{#*inline "b"}}{{/inline}}',
    "inclusions": "{{> b}}",
    "inclusions with values": "{{> b c=d e=f}}",
    "partial blocks": "{{#> none}}x{{/none}}",
    "roles": '{{role "user"}}',
    "unknown roles": '{{role "usr"}}',
    "unknown helpers": "{{foo bar}}",
    "names that blocks bind": "{{#each a as |b c|}}{{/each}}",
    "short lines": "\n",
    "words": "word ",
    "no ASCII": "\U0001f642",
}
WHOLE = {
    "one tag of many values": "{{a" + " b" * (MAX_CHARS // 2) + "}}",
    "one tag of many calls": "{{#if" + " (a b)" * (MAX_CHARS // 6) + "}}{{/if}}",
    "one tag of many names": "{{a" + " b=c" * (MAX_CHARS // 4) + "}}",
    "missing partials": "".join(f"{{{{> v{n}}}}}" for n in range(MAX_CHARS // 12)),
    "missing partials with a fallback": "".join(f"{{{{#> v{n}}}}}{{{{/v{n}}}}}" for n in range(MAX_CHARS // 20)),
    "front matter in one line": "---\na: [" + "b," * 49_000 + "]\n---\nx",
    "broken front matter": "---\na: [" + "{b: c}," * 12_000 + "\n---\nx",
    "keys": "---\n" + "".join(f"k{n}: b\n" for n in range(9_000)) + "---\nx",
    "front matter without an end": "---\n" + "a: b\n" * (MAX_CHARS // 5),
}
PARTS = 100


def _many(text: str) -> Mapping[str, str]:
    """A hundred partials that share this text, each of which includes the next."""
    part = text[: MAX_CHARS // PARTS - 20]
    return {f"p{n}": f"{part}\n{{{{> p{n + 1}}}}}" for n in range(PARTS - 1)} | {f"p{PARTS - 1}": part}


KINDS: dict[str, Mapping[str, str]] = {
    **{name: {"p0": piece * (2 * MAX_CHARS // len(piece)), "b": "x"} for name, piece in PIECES.items()},
    **{f"{name}, just within": {"p0": piece * (MAX_CHARS // len(piece)), "b": ""} for name, piece in PIECES.items()},
    **{f"{name}, in a hundred files": {**_many(piece * MAX_CHARS), "b": ""} for name, piece in PIECES.items()},
    **{name: {"p0": text} for name, text in WHOLE.items()},
    "front matter in a hundred files": {
        **{f"p{n}": f"---\na: [{'{b: c},' * 700}]\n---\n{{{{> p{n + 1}}}}}" for n in range(PARTS - 1)},
        f"p{PARTS - 1}": "x",
    },
    "partials that include all others": {
        f"p{n}": "".join(f"{{{{> p{m}}}}}" for m in range(PARTS)) for n in range(PARTS)
    },
    "partials that include all later ones": {
        f"p{n}": "x" + "".join(f"{{{{> p{m}}}}}" for m in range(n + 1, PARTS)) for n in range(PARTS)
    },
    "partials that include the next a hundred times": {
        f"p{n}": f"{{{{> p{n + 1}}}}}" * 100 + "x" for n in range(PARTS - 1)
    },
    "a file of all bytes that are read": {"p0": "x" * (MAX_BYTES - 1)},
    "a file of more bytes": {"p0": "{{a}}" * (MAX_BYTES // 4)},
}
needs_usage = pytest.mark.skipif(sys.platform == "win32", reason="needs the processor time of a process")


def _write(folder: Path, files: Mapping[str, str], tags: str = "{{> p0}}") -> Path:
    for name, text in files.items():
        (folder / f"_{name}.prompt").write_text(text, "utf-8", newline="")
    path = folder / "a.prompt"
    path.write_text(f"---\nmodel: openai/m\n---\nSay yes or no.\n{tags}\n{{{{text}}}}\n", "utf-8")
    return path


def _problems(path: Path) -> tuple[Problem, ...]:
    try:
        load_partials(parse_prompt(path.read_text("utf-8"), path))
    except InputError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("kind", KINDS)
def test_reading_them_takes_little(kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path, KINDS[kind])
    # What other tests left in this process is not looked through meanwhile.
    gc.freeze()
    began = time.process_time()
    try:
        found = _problems(path)
        spent = time.process_time() - began
    finally:
        gc.unfreeze()
    assert spent < LONGEST_READING
    assert len(found) <= MAX_PROBLEMS + 1
    assert all(problem.remedy and problem.place for problem in found)
    assert sum(problem.code in ("partial-large", "partial-many") for problem in found) <= 1


@needs_usage
@pytest.mark.parametrize("kind", KINDS)
def test_a_check_ends_soon(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setenv("HOME", str(tmp_path))
    _write(tmp_path, KINDS[kind])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [APO, "check", "a.prompt"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < LONGEST_CHECK


def test_one_problem_at_the_tag_says_what_is_too_large() -> None:
    files = {"p0": "x{{> p1}}", "p1": "{{a}}" * 20_000, "p2": "y" * MAX_CHARS}
    text = "Hi\n{{> p0}} {{> p2}} {{> p0}}"

    def read(path: Path, _folder: Path) -> str | None:
        return files.get(path.stem.removeprefix("_"))

    prompt = parse_prompt(text, Path("/folder/a.prompt"))
    (problem,) = partial_problems(prompt, read)
    assert problem.code == "partial-large"
    assert problem.message.startswith("_p0.prompt:1: With 'p1', the partials have more or longer tags")
    assert problem.remedy == "Shorten them, or include fewer."
    assert problem.place is not None
    assert problem.place.span is not None
    assert (problem.place.line, problem.place.span.of(text)) == (2, "p0")
    assert [path.name for path in partial_files(prompt, read)] == ["_p0.prompt", "_p1.prompt"]


def test_what_is_just_within_is_read(tmp_path: Path) -> None:
    assert _problems(_write(tmp_path, {"p0": "x" * MAX_CHARS})) == ()
    (problem,) = _problems(_write(tmp_path, {"p0": "x" * (MAX_CHARS // 2), "p1": "y" * MAX_CHARS}, "{{> p0}}{{> p1}}"))
    assert problem.message == "With 'p1', the partials are longer than 500,000 characters together."
    assert _problems(_write(tmp_path, {"p0": "Name: {{name}}. " * 6_000})) == ()
    assert _problems(_write(tmp_path, {"p0": "x" * (MAX_CHARS // 2)}, "{{> p0}} {{> p0}}")) == ()
    (problem,) = _problems(_write(tmp_path, {"p0": "x" * (MAX_CHARS // 2)}, "{{> p0}}" * 3))
    assert problem.message == "With all that they include, the partials grow beyond 500,000 characters here."


@pytest.mark.parametrize(
    "kind", ["variables", "one tag of many calls", "broken front matter", "inclusions, in a hundred files", "words"]
)
async def test_the_editor_is_answered_meanwhile(kind: str, tmp_path: Path, scripted: ScriptedServer) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    _write(workspace, KINDS[kind])
    (workspace / "other.prompt").write_text("---\nmodel: openai/m\n---\n{{text}}\n", "utf-8")
    editor = await Editor.start(
        workspace, environment(tmp_path / "cache", scripted.base_url), options={"background": "off"}
    )
    other = editor.open("other.prompt")
    await editor.hover(other, types.Position(3, 3))
    large = editor.open("a.prompt")
    longest = 0.0
    for number in range(10):
        editor.write(large, (workspace / "a.prompt").read_text("utf-8") + f"more {number}\n")
        began = time.monotonic()
        await editor.hover(other, types.Position(3, 3))
        longest = max(longest, time.monotonic() - began)
    assert longest < LONGEST_ANSWER
    await editor.stop()
