"""Writing the winner into the prompt file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.cli.write_back import write_back
from apo_engine.problems import InputError
from apo_engine.prompt.file import load_prompt

OLD = '{{role "system"}}\r\nOld.\r\n'
NEW = '{{role "system"}}\r\nNew, ünd more.\r\n'


def prompt_at(path: Path, text: str = OLD, mark: bytes = b"") -> Path:
    path.write_bytes(mark + text.encode())
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_only_the_text_changes(tmp_path: Path, mark: bytes) -> None:
    path = prompt_at(tmp_path / "a.prompt", mark=mark)
    path.chmod(0o640)
    write_back(load_prompt(path), NEW)
    assert path.read_bytes() == mark + NEW.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@given(change=st.binary(min_size=1, max_size=4))
def test_a_file_that_changed_is_left_alone(tmp_path_factory: pytest.TempPathFactory, change: bytes) -> None:
    path = prompt_at(tmp_path_factory.mktemp("prompt") / "a.prompt")
    prompt = load_prompt(path)
    edited = path.read_bytes() + change
    path.write_bytes(edited)
    with pytest.raises(InputError, match="changed while the search ran"):
        write_back(prompt, NEW)
    assert path.read_bytes() == edited


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = prompt_at(tmp_path / "target.prompt")
    link = tmp_path / "link.prompt"
    link.symlink_to(target)
    write_back(load_prompt(link), NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW.encode()


def test_a_linked_folder_leads_no_hand_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for folder in (work, elsewhere):
        folder.mkdir()
    target = prompt_at(elsewhere / "a.prompt")
    (work / "linked").symlink_to(elsewhere)
    monkeypatch.chdir(work)
    with pytest.raises(InputError, match="behind a link that leads outside"):
        write_back(load_prompt(Path("linked/a.prompt")), NEW)
    assert target.read_bytes() == OLD.encode()
    # Who names the file itself means it.
    write_back(load_prompt(target), NEW)
    assert target.read_bytes() == NEW.encode()


def test_a_deleted_file_is_not_made_again(tmp_path: Path) -> None:
    path = prompt_at(tmp_path / "a.prompt")
    prompt = load_prompt(path)
    path.unlink()
    with pytest.raises(InputError, match="cannot be written"):
        write_back(prompt, NEW)
    assert not path.exists()


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = prompt_at(tmp_path / "a.prompt")
    prompt = load_prompt(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_back(prompt, NEW)
    assert path.read_bytes() == OLD.encode()
    assert list(tmp_path.iterdir()) == [path]
