"""What the command offers, and what it must not load before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import apo_engine
from tests.cli.conftest import Apo


def test_help_names_every_command_and_the_exit_codes(apo: Apo) -> None:
    shown = apo("--help")
    assert shown.code == 0
    for word in ("evaluate", "gradients", "optimize", "init", "check", "bench", "models", "Exit codes"):
        assert word in shown.out


@pytest.mark.parametrize("command", ["evaluate", "gradients", "optimize", "init", "check", "bench", "models"])
def test_every_command_explains_itself(apo: Apo, command: str) -> None:
    shown = apo(command, "--help")
    assert shown.code == 0
    assert "--json" in shown.out


def test_version(apo: Apo) -> None:
    assert apo("--version").out.strip().endswith(apo_engine.__version__)


@pytest.mark.parametrize(
    "args",
    [("optimise",), ("evaluate",), ("evaluate", "a", "b"), ("evaluate", "tickets.prompt", "--max-calls", "0"),
     ("optimize", "tickets.prompt", "--algorithm", "guess"), ("optimize", "tickets.prompt", "--force"),
     ("check",), ("init",)],
)  # fmt: skip
def test_misuse_is_2_and_says_how_it_is_meant(apo: Apo, args: tuple[str, ...]) -> None:
    shown = apo(*args)
    assert shown.code == 2
    assert shown.out == ""
    assert "Usage: apo" in shown.err
    assert "Traceback" not in shown.err


def loaded_by(statement: str) -> set[str]:
    probe = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True).stdout.split())


def test_importing_the_engine_loads_nothing_heavy() -> None:
    loaded = loaded_by("import apo_engine")
    assert "apo_engine" in loaded
    assert not loaded & {"openai", "tiktoken", "pygls", "scipy", "numpy", "xllamacpp", "rich", "ruamel", "msgspec"}


def test_help_loads_no_engine() -> None:
    loaded = loaded_by("import apo_engine.cli.main as m\ntry: m.apo(['--help'])\nexcept SystemExit: pass")
    assert "click" in loaded
    assert not loaded & {"msgspec", "rich", "openai", "dataclasses"}


def test_every_public_name_is_there_when_asked_for() -> None:
    for name in apo_engine.__all__:
        assert getattr(apo_engine, name) is not None
    assert set(apo_engine.__all__) <= set(dir(apo_engine))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = apo_engine.nonsense
