"""Attacks by model files: native code reads the file that was checked, and no other."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from apo_engine.models import held_weights
from apo_engine.models.embedded import EmbeddedModel, load_embedded
from apo_engine.models.gguf_header import HeaderError, read_header
from apo_engine.models.held_weights import HeldWeights, hold_weights
from apo_engine.models.weights import sha256_of
from apo_engine.problems import ModelError, Place
from tests.attacks.gguf import ARRAY, I32, STRING, U16, U64, gguf, string, text, u16

SPLITS = b"split.count"
TEMPLATE = b"tokenizer.chat_template"
WHOLE = gguf([string(b"general.architecture", b"llama"), string(TEMPLATE, b"{{ messages }}")])


@pytest.fixture(autouse=True)
def _runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.0" if name == "xllamacpp" else real(name))


def array(kind: int, count: int, items: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + items


PARTS = {
    "two parts": [u16(SPLITS, 2)],
    "the last part": [u16(b"split.no", 1), u16(SPLITS, 2)],
    "behind other keys": [string(TEMPLATE, b"x"), (b"tokens", ARRAY, array(STRING, 2, text(b"a") * 2)), u16(SPLITS, 9)],
    "a number of another type": [(SPLITS, U64, struct.pack("<Q", 2**40))],
    "a negative number": [(SPLITS, I32, struct.pack("<i", -2))],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_model_in_parts_is_refused_where_it_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "m-00001-of-00002.gguf"
    file.write_bytes(gguf(PARTS[name]))
    place = Place(tmp_path / "a.prompt", 2, 8)
    with pytest.raises(ModelError) as caught:
        load_embedded(f"embedded/{file.name}", tmp_path / "cache", place, [tmp_path])
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == ("model-in-parts", place)
    assert str(file) in problem.message
    assert "llama-gguf-split --merge" in problem.remedy


MALFORMED = {
    "an empty file": b"",
    "text": b"These are notes, not a model.",
    "another magic": gguf([], magic=b"GGML"),
    "a version with other sizes": gguf([], version=1),
    "a version to come": gguf([], version=4),
    "the other byte order": gguf([], version=3 << 24),
    "cut off in its counts": WHOLE[:12],
    "cut off in a key": WHOLE[:30],
    "cut off in a value": WHOLE[:60],
    "more keys than bytes": gguf([], pair_count=2**63),
    "more tensors than bytes": gguf([], tensor_count=2**62),
    "a key longer than the file": gguf([], pair_count=1)[:24] + struct.pack("<Q", 2**63) + bytes(64),
    "a string longer than the file": gguf([(b"a", STRING, struct.pack("<Q", 2**64 - 1))]),
    "a list longer than the file": gguf([(b"a", ARRAY, array(U16, 2**62))]),
    "a list of strings beyond the end": gguf([(b"a", ARRAY, array(STRING, 3, struct.pack("<Q", 2**64 - 8)))]),
    "a list of lists": gguf([(b"a", ARRAY, array(ARRAY, 1, array(U16, 0)))]),
    "a value of an unknown type": gguf([(b"a", 99, bytes(8))]),
    "a key twice, to be read both ways": gguf([u16(SPLITS, 1), u16(SPLITS, 2)]),
    "a key that ends early for others": gguf([u16(SPLITS + b"\0x", 2)]),
    "parts that are no number": gguf([string(SPLITS, b"2")]),
    "a tensor of 5 dimensions": gguf([], tensor_count=1, tensors=text(b"t") + struct.pack("<I", 5) + bytes(60)),
    "a tensor beyond the end": gguf([], tensor_count=1, tensors=text(b"t") + struct.pack("<IQIQ", 1, 1, 0, 2**40)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_header_is_refused_before_native_code_reads_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(MALFORMED[name])
    with pytest.raises(ModelError) as caught:
        load_embedded(f"embedded/{file}", tmp_path / "cache")
    (problem,) = caught.value.problems
    assert problem.code == "model-not-loadable"
    assert f"The model file {file} cannot be loaded: it" in problem.message


def test_a_header_is_read_to_its_bound_and_no_further(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    with file.open("wb") as stream:
        stream.write(gguf([(b"a", STRING, struct.pack("<Q", 2**30))]))
        stream.truncate(2**40)
    with file.open("rb") as stream, pytest.raises(HeaderError, match="larger than 64 MB"):
        read_header(stream)


@pytest.mark.parametrize(("pairs", "chat"), [([string(TEMPLATE, b"x")], True), ([string(b"x", TEMPLATE)], False)])
def test_a_chat_template_is_a_key_and_not_a_text(
    tmp_path: Path, pairs: list[tuple[bytes, int, bytes]], chat: bool
) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf([*pairs, u16(SPLITS, 1)]))
    with (tmp_path / "m.gguf").open("rb") as stream:
        assert read_header(stream).chat_template is chat


class Loaded:
    """Stands in for a lane: what it would load."""

    def __init__(self, path: Path, during: Callable[[], object] = lambda: None) -> None:
        during()
        self.content = path.read_bytes()
        self.closed = False
        made.append(self)

    def close(self) -> None:
        self.closed = True


made: list[Loaded] = []


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "models" / "m.gguf"
    file.parent.mkdir()
    file.write_bytes(WHOLE)
    made.clear()
    return file


def held(weights: Path) -> HeldWeights:
    memory = weights.parents[1] / "cache"
    return hold_weights(weights, sha256_of(weights, memory), memory)


def replace(weights: Path) -> None:
    other = weights.with_name("other")
    other.write_bytes(WHOLE + b"other")
    other.replace(weights)


def swap_folder(weights: Path) -> None:
    weights.parent.rename(weights.parents[1] / "aside")
    weights.parent.mkdir()
    weights.write_bytes(WHOLE + b"other")


def link(weights: Path) -> None:
    target = weights.with_name("other")
    target.write_bytes(WHOLE + b"other")
    weights.unlink()
    weights.symlink_to(target)


def write(weights: Path) -> None:
    found = weights.stat()
    weights.write_bytes(WHOLE[:-1] + b"x")
    os.utime(weights, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system has no paths of open files")
@pytest.mark.parametrize("change", [replace, swap_folder, link], ids=lambda change: str(change.__name__))
@pytest.mark.parametrize("when", ["before the second lane", "during the load"])
def test_each_lane_loads_the_file_that_was_checked_or_none(
    weights: Path, change: Callable[[Path], None], when: str
) -> None:
    model = held(weights)
    model.load(Loaded)
    try:
        if when == "during the load":
            model.load(lambda path: Loaded(path, lambda: change(weights)))
        else:
            change(weights)
            model.load(Loaded)
    except ModelError:
        assert made[-1].closed or len(made) == 1
    assert all(one.content == WHOLE for one in made)
    model.close()


@pytest.mark.parametrize("change", [replace, swap_folder, link, write], ids=lambda change: str(change.__name__))
def test_without_paths_of_open_files_a_change_is_seen(
    weights: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_weights, "_DESCRIPTORS", weights.parent / "none")
    model = held(weights)
    with pytest.raises(ModelError, match="has changed since the run began"):
        model.load(lambda path: Loaded(path, lambda: change(weights)))
    assert made[0].closed
    model.close()


@pytest.mark.parametrize("when", ["before", "between", "during", "during, and back"])
def test_content_that_changes_in_place_is_not_used(weights: Path, when: str) -> None:
    digest = sha256_of(weights, weights.parents[1] / "cache")

    def change() -> None:
        write(weights)
        if when == "during, and back":
            weights.write_bytes(WHOLE)

    if when == "before":
        change()
        with pytest.raises(ModelError, match="has changed since the run began"):
            hold_weights(weights, digest, weights.parents[1] / "cache")
        return
    model = held(weights)
    if when == "between":
        change()
    with pytest.raises(ModelError, match="has changed since the run began"):
        model.load(lambda path: Loaded(path, change))
    assert all(one.closed for one in made)
    model.close()


def test_a_header_is_checked_again_in_the_file_that_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf([u16(SPLITS, 2)]))
    with pytest.raises(ModelError, match="one of 2 parts"):
        hold_weights(file, sha256_of(file, tmp_path / "cache"), tmp_path / "cache")


async def test_every_lane_of_a_model_is_checked(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apo_engine.models.embedded.Lane", lambda path, _threads, _shown: Loaded(path))
    model: EmbeddedModel = load_embedded(f"embedded/{weights}", weights.parents[1] / "cache")
    model._new_lane()
    write(weights)
    with pytest.raises(ModelError, match="has changed since the run began"):
        model._new_lane()
    assert len(made) == 1
    await model.close()
