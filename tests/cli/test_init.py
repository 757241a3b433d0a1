"""`apo init`: a first prompt that can be checked, evaluated and optimized at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer

LABELS = ("repair", "payment", "neighbours")


@pytest.mark.parametrize("name", ["mail", "mail.prompt", "my mail: first.prompt"])
def test_a_first_prompt_is_sound_and_can_be_optimized(apo: Apo, scripted: ScriptedServer, name: str) -> None:
    scripted.script = lambda _request: "repair"
    made = apo("init", name, "--model", "openai/scripted")
    assert (made.code, made.err) == (0, "")
    prompt = name if name.endswith(".prompt") else f"{name}.prompt"
    assert f"apo optimize {prompt}" in made.out.replace("'", "")
    rows = [json.loads(line) for line in (apo.folder / prompt).with_suffix(".jsonl").read_text().splitlines()]
    assert len({row["text"] for row in rows}) == len(rows) >= 40
    assert {row["label"] for row in rows} == set(LABELS)
    assert apo("check", prompt).out == "1 prompt checked: nothing found.\n"
    done = apo("optimize", prompt, "--json", "--max-calls", "300")
    assert done.code == 0, done.err
    assert done.object["start"]["n"] >= 10


def test_the_model_follows_from_what_there_is(apo: Apo) -> None:
    assert apo("init", "a", "--json").object["model"] == "openai/gpt-4.1-mini"
    made = apo("init", "b", "--json", OPENAI_BASE_URL="").object
    assert made["model"].startswith("embedded/")
    assert (made["prompt"], made["examples"], made["rows"]) == ("b.prompt", "b.jsonl", 48)


@pytest.mark.parametrize("there", ["mail.prompt", "mail.jsonl"])
def test_it_overwrites_only_when_told_to(apo: Apo, there: str) -> None:
    (apo.folder / there).write_text("mine")
    refused = apo("init", "mail")
    assert (refused.code, refused.out) == (2, "")
    assert there in refused.err
    assert "--force" in refused.err
    assert sorted(path.name for path in apo.folder.glob("mail*")) == [there]
    assert (apo.folder / there).read_text() == "mine"
    assert apo("init", "mail", "--force").code == 0
    assert (apo.folder / there).read_text() != "mine"


def test_a_folder_that_is_not_there_is_said(apo: Apo) -> None:
    refused = apo("init", str(Path("none") / "mail"))
    assert refused.code == 2
    assert "Check that its folder is there" in refused.err
