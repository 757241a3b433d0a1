"""The scripted server and its world, on which other suites rely."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.scripted.world import CONCEPTS, SEED, World, kind_of

_ROOT = Path(__file__).parents[3]


def _chat(system: str, user: str) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]}


def _meta(name: str) -> str:
    """A real meta-prompt's system text."""
    text = (_ROOT / "apo_engine" / "search" / "meta" / f"{name}.prompt").read_text("utf-8")
    found = re.search(r'\{\{role "system"\}\}\n(.*?)\{\{role "user"\}\}', text, re.DOTALL)
    assert found
    return found[1].replace("{{reasons}}", "3").replace("{{mark}}", "ab12")


def test_the_world_leaves_room_for_what_rules_can_teach() -> None:
    world = World()
    best = "\n".join([SEED, *(concept.rule for concept in CONCEPTS)])
    assert 0.4 <= world.accuracy(SEED) <= 0.65
    assert 0.88 <= world.accuracy(best) <= 0.96
    assert len({row.text for row in world.rows}) == 240


def test_critique_and_edit_of_the_real_meta_prompts_lead_uphill() -> None:
    world, prompt = World(vague=0), SEED
    for _ in range(6):
        failing = [row for row in world.rows if world.label(prompt, row) != row.concept.label][:4]
        rows = "\n\n".join(
            f"Row {n}\ntext: {row.text}\nexpected: {row.concept.label}" for n, row in enumerate(failing, 1)
        )
        shown = f"<prompt-ab12>\n{prompt}\n</prompt-ab12>\n\n<rows-ab12>\n{rows}\n</rows-ab12>"
        request = _chat(_meta("critic"), shown)
        assert kind_of(request) == "gradient"
        critiques = json.loads(world.script(request))["critiques"]
        assert all(critique["quote"] in prompt for critique in critiques)
        asked = f"{shown}\n\n<critique-ab12>\n{critiques[0]['critique']}\n</critique-ab12>"
        edit = _chat(_meta("editor"), asked)
        assert kind_of(edit) == "edit"
        answer = world.script(edit)
        assert answer.startswith("<new-prompt-ab12>\n")
        prompt = answer.removeprefix("<new-prompt-ab12>\n").removesuffix("\n</new-prompt-ab12>")
    assert world.accuracy(prompt) > world.accuracy(SEED) + 0.1
    paraphrase = _chat(_meta("paraphrase"), f"<prompt-ab12>\n{prompt}\n</prompt-ab12>")
    assert kind_of(paraphrase) == "paraphrase"
    assert world.script(paraphrase) != world.script(edit)


def test_the_world_answers_rows_and_writes_its_files(tmp_path: Path) -> None:
    world = World(30)
    assert world.script(_chat(SEED, world.rows[3].text)) in ("billing", "shipping", "account", "technical")
    assert world.write(tmp_path, "apo.budget: {calls: 5}").name == "tickets.prompt"
    rows = [json.loads(line) for line in (tmp_path / "tickets.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == [row.text for row in world.rows]


def test_it_serves_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.scripted", "--port", "0", "--world", "tickets"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            body = json.dumps({"model": "m", **_chat(SEED, World().rows[0].text)}).encode()
            request = urllib.request.Request(f"{base_url}/chat/completions", body, {"Content-Type": "application/json"})
            answer = json.loads(urllib.request.urlopen(request, timeout=10).read())
            log = json.loads(urllib.request.urlopen(base_url.replace("/v1", "/log"), timeout=10).read())
        finally:
            process.terminate()
    assert answer["choices"][0]["message"]["content"] == World().script(_chat(SEED, World().rows[0].text))
    assert len(log["exchanges"]) == 1
