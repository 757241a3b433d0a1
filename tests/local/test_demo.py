"""What `make demo` runs: a real search on the embedded model, with a real gain on unseen rows, told as what it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
APO = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"


@pytest.mark.local_model
@pytest.mark.timeout(900)
def test_the_demo_finds_a_real_gain_and_credits_worked_examples_alone(tmp_path: Path) -> None:
    folder = tmp_path / "tickets"
    shutil.copytree(EXAMPLES / "tickets", folder)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "APO_"))}
    environ["APO_CACHE_DIR"] = str(tmp_path / "cache")

    def apo(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [APO, "optimize", "tickets.prompt", *args],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )

    found = json.loads(apo("--json").stdout)
    assert found["verdict"] == "adopt"
    assert found["holdout"]["n"] >= 60
    assert found["holdout"]["difference"] > 0.1
    assert found["holdout"]["interval"][0] > 0
    assert set(found["calls"]) - {"task"} == {"gradient", "edit", "paraphrase", "judge"}
    assert found["calls"]["gradient"] == found["calls"]["edit"] == 0
    shown = apo("--resume", "--write")
    assert "the wording was not improved by a model" in shown.stdout
    assert "apo:exemplars" in (folder / "tickets.prompt").read_text("utf-8")
