"""Files that a prompt names and that lie elsewhere: a prompt from others must not send them anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer


@pytest.fixture
def inside(apo: Apo, tmp_path: Path) -> Apo:
    """`apo` in a folder beside which the rows lie, as `outside/rows.jsonl`."""
    folder, outside = tmp_path / "prompts", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    shutil.move(tmp_path / "tickets.jsonl", outside / "rows.jsonl")
    shutil.move(tmp_path / "tickets.prompt", folder / "tickets.prompt")
    apo.folder = folder
    return apo


def name(apo: Apo, rows: str) -> None:
    apo.edit("apo.examples: tickets.jsonl", f"apo.examples: {rows}")


@pytest.mark.parametrize(
    "rows",
    ["../outside/rows.jsonl", "{absolute}", "link.jsonl", "linked/rows.jsonl",
     "{{train: near.jsonl, holdout: link.jsonl}}",
     "'\\\\evil.example\\share\\rows.jsonl'", "//evil.example/share/rows.jsonl", "linked/../../outside/rows.jsonl"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["evaluate", "check"])
def test_rows_that_lie_elsewhere_are_not_read(inside: Apo, scripted: ScriptedServer, rows: str, command: str) -> None:
    outside = inside.folder.parent / "outside" / "rows.jsonl"
    (inside.folder / "link.jsonl").symlink_to(outside)
    (inside.folder / "linked").symlink_to(outside.parent)
    shutil.copy(outside, inside.folder / "near.jsonl")
    name(inside, rows.format(absolute=outside))
    outcome = inside(command, "tickets.prompt")
    assert outcome.code == (2 if command == "evaluate" else 1)
    assert "lies outside the prompt's folder" in outcome.out + outcome.err
    assert "start from a folder that holds both" in outcome.out + outcome.err
    assert len(scripted.log) == 0


def test_who_starts_from_a_folder_that_holds_both_has_both_read(inside: Apo) -> None:
    name(inside, "../outside/rows.jsonl")
    inside.folder = inside.folder.parent
    assert inside("evaluate", "prompts/tickets.prompt").code == 0


@pytest.mark.parametrize("way", ["link", "folder"])
def test_a_scoring_function_that_lies_elsewhere_is_not_run(inside: Apo, scripted: ScriptedServer, way: str) -> None:
    outside = inside.folder.parent / "outside"
    shutil.move(outside / "rows.jsonl", inside.folder / "tickets.jsonl")
    code = "import pathlib\npathlib.Path('ran').touch()\ndef score(answer, expected):\n    return 1\n"
    module = outside / ("queues.py" if way == "link" else "__init__.py")
    module.write_text(code)
    link, target = ("queues.py", module) if way == "link" else ("queues", outside)
    (inside.folder / link).symlink_to(target)
    inside.edit("apo.examples:", "apo.metric: queues:score\napo.examples:")
    outcome = inside("evaluate", "tickets.prompt")
    assert outcome.code == 2
    assert "leads outside the prompt's folder" in outcome.err
    assert not (inside.folder / "ran").exists()
    assert len(scripted.log) == 0


def test_a_partial_that_links_to_a_file_of_another_kind_is_not_sent(inside: Apo, scripted: ScriptedServer) -> None:
    (inside.folder / ".env").write_text("TOKEN=secret")
    (inside.folder / "_tone.prompt").symlink_to(".env")
    shutil.move(inside.folder.parent / "outside" / "rows.jsonl", inside.folder / "tickets.jsonl")
    inside.edit("{{text}}", "{{text}} {{> tone}}")
    outcome = inside("evaluate", "tickets.prompt")
    assert outcome.code == 2
    assert "a link to a file of another kind" in outcome.err
    assert len(scripted.log) == 0


@pytest.mark.parametrize("partial", ["../outside/tone", "/etc/tone", "//evil.example/tone", "linked/tone"])
def test_partials_that_lie_elsewhere_are_not_read(inside: Apo, scripted: ScriptedServer, partial: str) -> None:
    outside = inside.folder.parent / "outside"
    (outside / "_tone.prompt").write_text("secret")
    (inside.folder / "linked").symlink_to(outside)
    shutil.move(outside / "rows.jsonl", inside.folder / "tickets.jsonl")
    inside.edit("{{text}}", f"{{{{text}}}} {{{{> {partial}}}}}")
    outcome = inside("evaluate", "tickets.prompt")
    assert outcome.code == 2
    assert "outside the prompt's folder" in outcome.err
    assert len(scripted.log) == 0
