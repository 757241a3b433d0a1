"""Ten times the input takes about ten times the time, for the repeats that are worst for each parser."""

from __future__ import annotations

import gc
import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from apo_engine.evaluation.rubric import read_grade
from apo_engine.examples.rows import ROW_READERS, HeaderError
from apo_engine.examples.survey import survey
from apo_engine.models import wire
from apo_engine.models.failure import CallFailure, Target
from apo_engine.problems import ApoError
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.difference import minimal_edits
from apo_engine.prompt.edit import EditRejected, tunable_text, with_tunable_text
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.tags import between
from apo_engine.scoring.json_match import json_match
from apo_engine.scoring.labels import read_label
from apo_engine.scoring.text import contains, exact_match, numeric
from apo_engine.search.critic import read_critiques
from apo_engine.search.phrases import phrases
from apo_engine.settings import ExamplesSettings
from apo_server.framing import Frames

# Ten times the input may take so many times the time; what is done within the floor, in seconds, is not compared.
_MOST, _FLOOR = 15.0, 0.15
_SIZE = int(os.environ.get("APO_FUZZ_SIZE", "40000"))

FRONT_MATTER = {
    "keys": "key{n}: value\n",
    "the same key": "key: value\n",
    "lists": "- ",
    "brackets": "a: [",
    "braces": "{a: ",
    "quotes": 'a: "',
    "broken lines": "key{n}: [a\n",
    "blank lines": "\n",
    "spaces": " ",
    "comments": "# {n}\n",
    "folded": "a: >\n  b\n",
    "long plain": "word ",
    "colons": "a:",
    "anchors": "a{n}: &a b\n",
    "questions": "? ",
    "tabs": "\t",
    "escapes": "\\u0041",
}
TEMPLATES = {
    "openings": "{{",
    "closings": "}}",
    "triples": "{{{",
    "quadruples": "{{{{",
    "raw": "{{{{a}}}}",
    "comments": "{{!--",
    "whole comments": "{{!-- a --}}",
    "blocks": "{{#if x}}",
    "loops": "{{#each x as |y|}}",
    "block ends": "{{/if}}",
    "else": "{{else}}",
    "variables": "{{a{n}}}",
    "paths": "{{a.b.c.d}}",
    "parents": "{{../a}}",
    "long path": "a.",
    "backslashes": "\\",
    "quotes": "{{a '",
    "bars": "{{a|",
    "brackets": "{{a (",
    "kept": "{{!-- apo:keep --}}a{{!-- apo:end --}} b ",
    "unclosed regions": "{{!-- apo:keep --}}",
    "systems": '{{role "system"}}Say it. ',
    "kept systems": '{{role "system"}}Say {{!-- apo:keep --}}a{{!-- apo:end --}} it. ',
    "histories": "{{history}}",
    "helpers": "{{nothing a}}",
    "partials": "{{> p{n}}}",
    "inline": '{{#*inline "p{n}"}}a{{/inline}}',
    "tilde": "{{~",
    "elements": " <system",
    "heads": "a: b\n",
    "words": "word ",
    "clauses": "and ",
    "three words": "one two three and ",
    "stops": "a. ",
    "commas": ",",
    "line ends": "\r\n",
    "carriage returns": "\r",
    "dashes": " - ",
    "spaces": " ",
    "dots": ".",
    "blank lines": " \n",
    "markers": "\n- ",
    "numbers": "1",
}
ANSWERS = {
    "braces": "{",
    "brackets": "[",
    "maps": '{{"a":',
    "open texts": '["',
    "critiques": '{{"critiques": [',
    "fences": "```",
    "fence lines": "```json\n",
    "digits": "1",
    "thousands": "1,",
    "grouped": "1,111",
    "points": "1.",
    "exponents": "e1",
    "signs": "-",
    "labels": "not sure ",
    "tags": "<new-prompt-a>",
    "closing tags": "</new-prompt-a>",
    "quotes": '"',
    "backslashes": "\\",
    "surrogates": "\\ud800",
    "spaces": " ",
    "slashes": "4/",
}
ROWS = {
    "quotes": '"',
    "commas": ",",
    "lines": "\n",
    "returns": "\r",
    "cells": "a,b\n",
    "open cells": '"a,',
    "brackets": "[",
    "objects": '{{"text": "a{n}", "label": "b"}}\n',
    "columns": '{{"a{n}": "a", "label": "b"}}\n',
    "labels": '{{"text": "a{n}", "label": "b{n}"}}\n',
    "contradictions": '{{"text": "a", "label": "b{n}"}}\n',
    "likeness": '{{"text": "The parcel number is late and nobody has ever answered my letters w{n}", "label": "b"}}\n',
    "broken": "{{\n",
    "nul": "\x00",
}


def repeated(pattern: str, size: int) -> str:
    """A pattern as often as makes ``size`` characters; ``{n}`` in it is the number of the repeat."""
    if "{n}" not in pattern:
        return (pattern.replace("{{", "{") if pattern in (*ANSWERS.values(), *ROWS.values()) else pattern) * (
            size // len(pattern)
        )
    return "".join(pattern.replace("{n}", str(number)) for number in range(size // (len(pattern) + 2)))


def scales(work: Callable[[str], object], pattern: str, size: int = _SIZE) -> None:
    """Compare the time of ``work`` on two sizes."""
    small, large = repeated(pattern, size // 10), repeated(pattern, size)
    long = _seconds(work, large)
    if long <= _FLOOR:
        return
    short = min(_seconds(work, small) for _ in range(3))
    long = min(long, _seconds(work, large))
    assert long <= _MOST * short, f"{len(small):,} characters took {short:.3f} s, {len(large):,} took {long:.3f} s"


def _seconds(work: Callable[[str], object], text: str) -> float:
    # The collector's work grows with what is alive, whoever made it.
    gc.disable()
    begun = time.thread_time()
    try:
        work(text)
        return time.thread_time() - begun
    finally:
        gc.enable()


@pytest.mark.parametrize("pattern", FRONT_MATTER.values(), ids=FRONT_MATTER.keys())
@pytest.mark.parametrize("frame", ["{}", 'input:\n  schema:\n    ? "a({}"\n    : string'], ids=["plain", "in a key"])
def test_front_matter(pattern: str, frame: str) -> None:
    if frame != "{}" and ("\n" in pattern or '"' in pattern):
        pytest.skip("no key")
    before, after = frame.split("{}")
    scales(lambda text: _checked(f"---\n{before}{text}{after}\n---\n{{{{x}}}}"), pattern, min(_SIZE, 90_000))


@pytest.mark.parametrize("pattern", TEMPLATES.values(), ids=TEMPLATES.keys())
@pytest.mark.parametrize(
    "head", ["", "---\na: 1\n---\n", "{{", "{{a as |"], ids=["alone", "below", "in a tag", "binds"]
)
def test_template(pattern: str, head: str) -> None:
    scales(lambda text: _checked(head + text + "}}" * (len(head) in (2, 8))), pattern)


@pytest.mark.parametrize("pattern", TEMPLATES.values(), ids=TEMPLATES.keys())
@pytest.mark.parametrize("frame", ["", "Say"], ids=["alone", "between words"])
def test_edits_and_rendering(pattern: str, frame: str) -> None:
    def work(text: str) -> None:
        prompt = parse_prompt(frame + text + frame)
        shown = tunable_text(prompt)
        for new in (f"{shown} More.", shown.replace("a", "b")):
            with suppress(EditRejected):
                minimal_edits(prompt.text, with_tunable_text(prompt, new).text)
        phrases(shown, "===")
        with suppress(ApoError):
            Renderer(prompt).messages({"x": "a", "a": {"b": "c"}})

    scales(work, pattern, _SIZE // 5)


def test_variables_that_nothing_fills() -> None:
    names = "".join(f"    name{number}: string\n" for number in range(400))
    scales(lambda text: _checked(f"---\ninput:\n  schema:\n{names}---\n{text}"), "{{unknown{n}}} ", 9 * _SIZE)


def _checked(text: str) -> None:
    prompt = parse_prompt(text)
    assert prompt.problems is not None
    check_prompt(prompt, None)
    check_prompt(prompt, ("text", "x"))
    assert prompt.literals is not None


@pytest.mark.parametrize("pattern", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("frame", ["{}", '{{"choices": [{{"message": {{"content": "{}"}}}}]}}', "[{}", "1{}x"])
def test_answers(pattern: str, frame: str) -> None:
    target = Target("host", "m", None, None)

    def work(text: str) -> None:
        answer = frame.replace("{}", text).replace("{{", "{").replace("}}", "}")
        with suppress(CallFailure):
            wire.completion(target, answer.encode())
        read_critiques(answer)
        read_grade(answer)
        between(answer, "new-prompt-a")
        read_label(answer, ("sure", "not sure"))
        json_match(answer, '{"a": 1}')
        for judge in (numeric, exact_match, contains):
            judge(answer, "5")

    scales(work, pattern)


@pytest.mark.parametrize("pattern", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv"])
@pytest.mark.parametrize("head", ["", "text,label\n", '{"text": "'], ids=["alone", "with a header", "in a text"])
def test_rows(pattern: str, suffix: str, head: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"

    def work(text: str) -> None:
        with suppress(HeaderError):
            list(ROW_READERS[suffix](io.BytesIO((head + text).encode())))
        survey(ExamplesSettings(path=path.name), tmp_path, buffers={path: head + text}, inputs=("text",))

    scales(work, pattern)


@pytest.mark.parametrize("pattern", ["Content-Length: 3\r\n\r\n", "\n", "x", "Content-Length: ", "\r\n\r\n", " "])
def test_frames(pattern: str) -> None:
    def work(text: str) -> None:
        frames, data = Frames(recovers=True), text.encode()
        for at in range(0, len(data), 64):
            list(frames.feed(data[at : at + 64]))

    scales(work, pattern, 10 * _SIZE)
