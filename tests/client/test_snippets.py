"""What the extension's snippets write is a prompt as this program understands it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import parse_prompt

_FILE = Path(__file__).parents[2] / "client-vscode" / "snippets" / "dotprompt.json"
SNIPPETS = {snippet["prefix"]: "\n".join(snippet["body"]) for snippet in json.loads(_FILE.read_text("utf-8")).values()}
_HOLE = re.compile(r"\$\{(\w+):([^{}$]*)\}")


def filled(body: str) -> str:
    """The text that is written where every hole is left as it is."""
    words: dict[str, str] = {}
    while (hole := _HOLE.search(body)) is not None:
        words[hole[1]] = hole[2]
        body = body.replace(hole[0], hole[2])
    return re.sub(r"\$(\d)", lambda found: words[found[1]], body)


def problems(text: str) -> list[str]:
    prompt = parse_prompt(text, None)
    return [str(problem) for problem in (*prompt.problems, *check_prompt(prompt, None))]


def test_a_whole_prompt_has_no_problem() -> None:
    text = filled(SNIPPETS["prompt"])
    assert "$" not in text
    assert problems(text) == []


@pytest.mark.parametrize("name", ["optimizer", "budget"])
def test_settings_have_no_problem_in_front_matter(name: str) -> None:
    text = filled(SNIPPETS["prompt"]).replace("\n---\n", f"\n{filled(SNIPPETS[name])}\n---\n", 1)
    assert filled(SNIPPETS[name]) in text
    assert problems(text) == []


def test_kept_words_are_nothing_that_is_rewritten() -> None:
    kept = filled(SNIPPETS["keep"])
    prompt = parse_prompt(filled(SNIPPETS["prompt"]).replace('{{role "user"}}', f'{kept}\n{{{{role "user"}}}}'), None)
    assert prompt.problems == ()
    assert [span.of(prompt.text) for span in prompt.kept] == [kept]
    assert all("Never promise" not in span.of(prompt.text) for span in prompt.literals)
