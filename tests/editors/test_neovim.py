"""Real Neovim, headless, with the settings that are handed out for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apo_server.knowledge import KnowledgeStore
from tests.scripted import ScriptedServer
from tests.scripted.world import SEED, World
from tests.server.editor import environment

pytestmark = pytest.mark.neovim
HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "server" / "clients" / "neovim.lua"


def test_the_whole_journey(tmp_path: Path, scripted: ScriptedServer) -> None:
    world = World(150)
    scripted.script = world.script
    workspace = tmp_path / "work space"
    workspace.mkdir()
    prompt = world.write(workspace)
    (workspace / "broken.prompt").write_text("---\ninput: {schema: {text: string}}\n---\n😀 {{#if text}}\n", "utf-8")
    seen_file = tmp_path / "seen.json"
    environ = {
        **environment(tmp_path / "cache", scripted.base_url),
        "APO_NEOVIM_CLIENT": str(CLIENT),
        "APO_COMMAND": json.dumps([sys.executable, "-m", "apo_server"]),
        "APO_SEEN": str(seen_file),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    before = prompt.read_text("utf-8")
    command = ["nvim", "--headless", "-n", "-u", "NONE", "--cmd", "filetype on", "-S", str(HERE / "journey.lua")]
    done = subprocess.run(command, cwd=workspace, env=environ, capture_output=True, text=True, timeout=110, check=False)
    seen = json.loads(seen_file.read_text("utf-8"))
    assert "trouble" not in seen, (seen, done.stderr)
    assert "missing" not in seen, (seen, done.stderr)

    assert [found["source"] for found in seen["broken"]] == ["apo"]
    assert seen["broken"][0]["line"] == 3
    assert seen["filetype"] == "dotprompt"
    line = before.splitlines().index(SEED.splitlines()[0])
    assert {found["line"] for found in seen["critiques"]} == {line}
    assert seen["lens"].startswith("acc ")
    assert "Critique" in seen["hover"]
    assert "tickets.jsonl:" in seen["hover"]
    assert " points on 45 selection rows" in seen["hover"]
    assert any(action.startswith("Ignore this critique") for action in seen["actions"])
    assert seen["written"]
    assert score(seen["lens_after"]) > score(seen["lens"])

    after = prompt.read_text("utf-8")
    assert after != before
    known = KnowledgeStore(tmp_path / "cache").load(prompt, before)
    assert known is not None
    assert after in {rewrite.text for rewrite in known.rewrites}


def score(lens: str) -> float:
    return float(lens.split()[1])
