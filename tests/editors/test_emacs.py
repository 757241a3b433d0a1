"""Real Emacs with Eglot, in batch mode, with the settings that are handed out for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripted import ScriptedServer
from tests.scripted.world import SEED, World
from tests.server.editor import environment

pytestmark = pytest.mark.emacs
HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "server" / "clients" / "emacs.el"


def test_the_whole_journey(tmp_path: Path, scripted: ScriptedServer) -> None:
    world = World(150)
    scripted.script = world.script
    workspace = tmp_path / "work space"
    workspace.mkdir()
    prompt = world.write(workspace)
    (workspace / "broken.prompt").write_text("---\ninput: {schema: {text: string}}\n---\n😀 {{#if text}}\n", "utf-8")
    before = prompt.read_text("utf-8")
    seen_file = tmp_path / "seen.json"
    environ = {
        **environment(tmp_path / "cache", scripted.base_url),
        "APO_EMACS_CLIENT": str(CLIENT),
        "APO_SEEN": str(seen_file),
        "HOME": str(tmp_path),
        # The settings name the command; it is found where the tests' own Python is.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
    }
    command = ["emacs", "--batch", "--load", str(HERE / "journey.el")]
    done = subprocess.run(command, cwd=workspace, env=environ, capture_output=True, text=True, timeout=110, check=False)
    seen = json.loads(seen_file.read_text("utf-8"))
    assert "trouble" not in seen, (seen["trouble"], done.stderr, seen)

    assert seen["broken"] == [4, "{{#if text}}"]
    assert seen["mode"] == "dotprompt-mode"
    assert seen["line"] == SEED.splitlines()[0]
    assert any("See tickets.jsonl, line " in text for text in seen["critiques"])
    assert "Critique" in seen["hover"]
    assert " points on 45 selection rows" in seen["hover"]
    assert any(action.startswith("Ignore this critique") for action in seen["actions"])
    assert prompt.read_text("utf-8") != before
    assert score(seen["after"]) > score(seen["before"])


def score(shown: str) -> float:
    return float(shown.split()[1])
