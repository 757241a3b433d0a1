"""What the extension does with its wheels: the script runs as a process of its own, as it does in the editor."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import runpy
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "client-vscode" / "python" / "unpack.py"
HERE = "{}.{}".format(*sys.version_info)
CLASHES = 6


def wheel(folder: Path, name: str, files: dict[str, str], compression: int = zipfile.ZIP_DEFLATED) -> dict[str, object]:
    """Write a wheel; its entry of the manifest."""
    path = folder / name
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return {"file": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "pythons": [HERE]}


def manifest(folder: Path, *wheels: dict[str, object]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"target": "any", "pythons": [HERE], "wheels": wheels}))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    pure = wheel(folder, "tea-1-py3-none-any.whl", {"tea/__init__.py": "POT = 1\n", "tea-1.dist-info/METADATA": "x"})
    data = {"leaf-1.data/purelib/leaf.py": "GREEN = 2\n", "leaf-1.data/platlib/deep/twig.py": "", "leaf.pth": ""}
    more = {"leaf-1.data/scripts/run": "no", "leaf-1.data/data/etc/x": "no"}
    compiled = wheel(folder, "leaf-1-cp3-cp3-any.whl", data | more, zipfile.ZIP_LZMA)
    other = wheel(folder, "other-1-cp2-cp2-any.whl", {"other.py": "no"}) | {"pythons": ["2.7"]}
    manifest(folder, pure, compiled, other)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "storage" / "environments" / "0.1.0-0123abcd-cpython-312"


def run(wheels: Path, target: Path) -> dict[str, str]:
    """What the script says; nothing where all went well."""
    command = [sys.executable, "-I", str(SCRIPT), str(wheels), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout else 0)
    return json.loads(done.stdout) if done.stdout else {}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_can_be_imported_is_unpacked_and_nothing_else(wheels: Path, target: Path) -> None:
    assert run(wheels, target) == {}
    assert files(target) == {"tea/__init__.py", "tea-1.dist-info/METADATA", "leaf.py", "deep/twig.py", "leaf.pth"}
    question = "import tea, leaf; print(tea.POT + leaf.GREEN)"
    environ = os.environ | {"PYTHONPATH": str(target)}
    assert subprocess.check_output([sys.executable, "-c", question], env=environ, text=True) == "3\n"
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_an_environment_that_is_there_is_left_as_it_is(wheels: Path, target: Path) -> None:
    target.mkdir(parents=True)
    assert run(wheels, target) == {}
    assert files(target) == set()


@pytest.mark.parametrize(
    "path",
    [
        "../outside.py",
        "tea/../../outside.py",
        "/outside.py",
        "C:/outside.py",
        "..\\outside.py",
        "x-1.data/purelib/../../x",
    ],
)
def test_no_path_leaves_the_folder(wheels: Path, target: Path, path: str) -> None:
    manifest(wheels, wheel(wheels, "bad.whl", {"fine.py": "", path: "no"}))
    said = run(wheels, target)
    assert said["problem"] == "damaged"
    assert "bad.whl holds the path" in said["detail"]
    assert list(target.parent.iterdir()) == []
    assert not list(target.parent.parent.rglob("outside*"))


def test_a_wheel_with_other_bytes_is_refused(wheels: Path, target: Path) -> None:
    with (wheels / "tea-1-py3-none-any.whl").open("ab") as stream:
        stream.write(b"\0")
    assert run(wheels, target) == {
        "problem": "damaged",
        "detail": "tea-1-py3-none-any.whl has another hash than the manifest says",
    }
    assert list(target.parent.iterdir()) == []


def test_a_wheel_or_a_manifest_that_is_missing_is_told(wheels: Path, target: Path) -> None:
    (wheels / "tea-1-py3-none-any.whl").unlink()
    assert run(wheels, target) == {"problem": "damaged", "detail": "tea-1-py3-none-any.whl is missing"}
    (wheels / "manifest.json").write_text("{}")
    assert run(wheels, target)["problem"] == "damaged"


def test_a_file_that_is_no_wheel_is_told(wheels: Path, target: Path) -> None:
    (wheels / "text.whl").write_bytes(b"text")
    manifest(wheels, {"file": "text.whl", "sha256": hashlib.sha256(b"text").hexdigest(), "pythons": [HERE]})
    assert run(wheels, target)["problem"] == "damaged"


def test_an_interpreter_without_wheels_is_told(wheels: Path, target: Path) -> None:
    manifest(wheels, wheel(wheels, "old.whl", {"old.py": ""}) | {"pythons": ["2.7"]})
    assert run(wheels, target) == {"problem": "no-wheels", "detail": f"no wheels for Python {HERE}"}


def test_windows_that_open_at_once_get_one_whole_environment(wheels: Path, target: Path) -> None:
    said: list[dict[str, str]] = []
    threads = [threading.Thread(target=lambda: said.append(run(wheels, target))) for _ in range(CLASHES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [{}] * CLASHES
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert "tea/__init__.py" in files(target)


def test_the_one_who_comes_second_takes_what_the_first_has_made(
    wheels: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = runpy.run_path(str(SCRIPT))
    unpack = script["unpack"]

    def overtaken(*arguments: object) -> None:
        unpack(*arguments)
        (target / "tea").mkdir(parents=True, exist_ok=True)

    monkeypatch.setitem(script["_make"].__globals__, "unpack", overtaken)
    script["prepare"](wheels, target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_what_was_interrupted_is_done_again(wheels: Path, target: Path) -> None:
    half = target.parent / ".part-abcdef"
    (half / "tea").mkdir(parents=True)
    assert run(wheels, target) == {}
    assert half.exists(), "another window may be at work on it"
    _age(half, 2 * 3600)
    assert run(wheels, target) == {}
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert "tea/__init__.py" in files(target)


def test_environments_that_nobody_has_used_for_a_week_are_removed(wheels: Path, target: Path) -> None:
    kept = "0.0.2-0123abcd-cpython-312"
    old = ("0.0.1-0123abcd-cpython-312", "0.0.1-0123abcd-cpython-313t-pip-89abcdef", "model-0123abcd-cpython-312")
    for name, days in (*((name, 8) for name in old), (kept, 6), (target.name, 30)):
        (target.parent / name).mkdir(parents=True)
        (target.parent / name / "x.py").touch()
        _age(target.parent / name, days * 24 * 3600)
    assert run(wheels, target) == {}
    assert {path.name for path in target.parent.iterdir()} == {kept, target.name}


def test_nothing_is_removed_that_is_not_an_environment_of_ours(wheels: Path, target: Path) -> None:
    outside = target.parents[2] / "outside"
    others = ("photos", ".ssh", "1.0-cp", "0.0.1-0123abcd-..", "model-x", ".part-", ".part-a b", "3.11-work")
    for folder in (outside, *(target.parent / name for name in others)):
        folder.mkdir(parents=True)
        (folder / "x.py").touch()
        _age(folder, 30 * 24 * 3600)
    link = target.parent / "0.0.1-0123abcd-cpython-312"
    link.symlink_to(outside, target_is_directory=True)
    assert run(wheels, target) == {}
    assert {path.name for path in target.parent.iterdir()} == {*others, link.name, target.name}
    assert (outside / "x.py").exists()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_an_environment_of_somebody_else_stays(wheels: Path, target: Path) -> None:
    theirs = target.parent / "0.0.1-0123abcd-cpython-312"
    theirs.mkdir(parents=True)
    _age(theirs, 30 * 24 * 3600)
    os.chown(theirs, 65534, 65534)
    assert run(wheels, target) == {}
    assert theirs.exists()


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that not even root may write to")
def test_a_folder_that_cannot_be_written_to_is_told(wheels: Path) -> None:
    assert run(wheels, Path("/sys/apo/environments/0.1.0-cp"))["problem"] == "not-writable"


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EROFS, "not-writable"),
        (errno.EACCES, "not-writable"),
        (errno.EIO, "failed"),
    ],
)
def test_what_the_system_refuses_has_a_name(number: int, name: str) -> None:
    assert runpy.run_path(str(SCRIPT))["_name"](OSError(number, "")) == name


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))
