"""Metrics that try to run what nobody has agreed to: their folder when the user agrees, and when they run."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import marshal
import py_compile
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

SCORE = "def score(answer, expected):\n    return 1.0\n"
#: Importable, scores, and leaves a trace.
EVIL = "open({ran!r}, 'w').close()\ndef score(answer, expected):\n    return 1.0\nsame = score\n"
RAN = "RAN"
Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Attack:
    """``source`` is that of the agreed metric; ``before`` and ``after`` change its folder, before and after the yes.

    The run must end with an error that contains ``refused``, or, where that is empty, score by the agreed code.
    """

    source: str
    before: Prepare = lambda _: None
    after: Prepare = lambda _: None
    refused: str = "that nobody has agreed to"
    remedy: str = "start the run again and allow it"


def evil(folder: Path) -> str:
    """Source that leaves a trace in the folder."""
    return EVIL.format(ran=str(folder / RAN))


def writes(name: str) -> Prepare:
    """Put evil source there."""

    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(evil(folder))

    return prepare


def holds(name: str, text: str = "") -> Prepare:
    """Put harmless text there."""

    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return prepare


def compiles(name: str, shown_as: str = "") -> Prepare:
    """Put evil byte code there, which Python is told never to check against its source."""

    def prepare(folder: Path) -> None:
        source = folder.parent / "evil.py"
        source.write_text(evil(folder))
        target = folder / name.replace("TAG", str(sys.implementation.cache_tag))
        target.parent.mkdir(parents=True, exist_ok=True)
        py_compile.compile(
            str(source),
            str(target),
            dfile=shown_as or str(folder / "score.py"),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )

    return prepare


def zips(name: str) -> Prepare:
    """Put an archive with an evil module there."""

    def prepare(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("helper.py", evil(folder))

    return prepare


def links(name: str, target: str) -> Prepare:
    """Let a link lead out of the folder, to evil source or a folder of it."""

    def prepare(folder: Path) -> None:
        outside = folder.parent / "outside"
        (outside / "package").mkdir(parents=True)
        for file in ("helper.py", "package/__init__.py", "package/helper.py"):
            (outside / file).write_text(evil(folder))
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside / target)

    return prepare


def native(name: str) -> Prepare:
    """Put a real compiled module there, under another name."""

    def prepare(folder: Path) -> None:
        shutil.copy(str(msgspec._core.__file__), folder / f"{name}{importlib.machinery.EXTENSION_SUFFIXES[0]}")

    return prepare


def together(*steps: Prepare) -> Prepare:
    """One after another."""

    def prepare(folder: Path) -> None:
        for step in steps:
            step(folder)

    return prepare


def byte_code_zips(name: str) -> Prepare:
    """Put an archive with evil byte code there, which says that it comes from no file."""

    def prepare(folder: Path) -> None:
        code = marshal.dumps(compile(evil(folder), "<string>", "exec"))
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("helper.pyc", importlib.util.MAGIC_NUMBER + bytes(12) + code)

    return prepare


def native_link(name: str) -> Prepare:
    """Let a link lead to a real compiled library outside of the folder."""

    def prepare(folder: Path) -> None:
        (folder / name).symlink_to(shutil.copy(str(msgspec._core.__file__), folder.parent / "library.so"))

    return prepare


HERE = "import importlib.machinery, importlib.util, os, runpy, sys\nhere = os.path.dirname(__file__)\n"
# A name that is put together as it runs, so that nobody can follow it beforehand.
HELPER = "name = 'hel' + 'per'\n"
BY_PATH = "spec = importlib.util.spec_from_file_location('x', here + '/{file}')\n" + (
    "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)\n"
)

METRICS = {
    # Byte code, archives and compiled modules in place of sources.
    "byte code beside the metric": Attack(SCORE, compiles("__pycache__/score.TAG.pyc"), refused=""),
    "byte code of what the metric imports": Attack(
        f"import helper\n{SCORE}", together(holds("helper.py"), compiles("__pycache__/helper.TAG.pyc")), refused=""
    ),
    "byte code that comes after the yes": Attack(SCORE, after=compiles("__pycache__/score.TAG.pyc"), refused=""),
    "byte code without a source": Attack(f"import helper\n{SCORE}", compiles("helper.pyc")),
    "byte code in place of a package": Attack(f"import helper\n{SCORE}", compiles("helper/__init__.pyc"), refused=""),
    "byte code in an agreed package": Attack(
        f"import pack.helper\n{SCORE}", together(holds("pack/__init__.py"), compiles("pack/helper.pyc"))
    ),
    "byte code under another name, by its path": Attack(
        f"{HERE}from importlib.machinery import SourcelessFileLoader\n"
        f"SourcelessFileLoader('x', here + '/data.pyc').load_module()\n{SCORE}",
        compiles("data.pyc", shown_as="<string>"),
    ),
    "a compiled module": Attack(f"import helper\n{SCORE}", native("helper")),
    "a compiled module, by its path": Attack(
        f"{HERE}from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader\n"
        "file = here + '/helper' + EXTENSION_SUFFIXES[0]\n"
        "spec = importlib.util.spec_from_file_location('helper', file)\n"
        f"ExtensionFileLoader('helper', file).create_module(spec)\n{SCORE}",
        native("helper"),
    ),
    "a compiled library": Attack(
        f"{HERE}import ctypes\nfrom importlib.machinery import EXTENSION_SUFFIXES\n"
        f"ctypes.CDLL(here + '/helper' + EXTENSION_SUFFIXES[0])\n{SCORE}",
        native("helper"),
    ),
    "an archive on the module path": Attack(
        f"{HERE}sys.path.insert(0, here + '/code.zip')\nimport helper\n{SCORE}", zips("code.zip")
    ),
    "an archive, and Python's own finders put back": Attack(
        f"{HERE}sys.meta_path.insert(0, importlib.machinery.PathFinder)\nsys.path.insert(0, here + '/code.zip')\n"
        f"{HELPER}__import__(name)\n{SCORE}",
        zips("code.zip"),
    ),
    "Python's own finders put back": Attack(
        f"{HERE}{HELPER}sys.meta_path.insert(0, importlib.machinery.PathFinder)\nsys.path.insert(0, here)\n"
        f"__import__(name)\n{SCORE}",
        writes("helper.py"),
    ),
    "byte code, and Python's own finders put back": Attack(
        f"{HERE}{HELPER}sys.meta_path.insert(0, importlib.machinery.PathFinder)\nsys.path.insert(0, here)\n"
        f"__import__(name)\n{SCORE}",
        compiles("helper.pyc", shown_as="<string>"),
    ),
    # Modules that nobody could follow to.
    "a name put together as it runs": Attack(
        f"{HERE}{HELPER}importlib.import_module(name)\n{SCORE}", writes("helper.py")
    ),
    "the folder put on the module path": Attack(
        f"{HERE}{HELPER}sys.path.insert(0, here)\n__import__(name)\n{SCORE}", writes("helper.py")
    ),
    "the working folder put on the module path": Attack(
        f"{HERE}{HELPER}os.chdir(here)\nsys.path.insert(0, '')\n__import__(name)\n{SCORE}", writes("helper.py")
    ),
    "a folder below, put on the module path": Attack(
        f"{HERE}sys.path.append(here + '/lib')\nimport helper\n{SCORE}",
        writes("lib/helper.py"),
        refused=r"'helper' \(.*lib/helper.py\) is neither installed",
    ),
    "a folder outside, put on the module path": Attack(
        f"{HERE}sys.path.append(os.path.dirname(here) + '/elsewhere')\nimport helper\n{SCORE}",
        writes("../elsewhere/helper.py"),
    ),
    "a folder without __init__": Attack(
        f"{HERE}importlib.import_module('na' + 'me.helper')\n{SCORE}", writes("name/helper.py")
    ),
    "a package whose path is changed": Attack(
        f"{HERE}import pack\npack.__path__ = [here + '/other']\nimport pack.more\n{SCORE}",
        together(holds("pack/__init__.py"), writes("other/more.py")),
    ),
    "the loader of another file": Attack(f"{HERE}{BY_PATH.format(file='helper.py')}{SCORE}", writes("helper.py")),
    "the loader of another kind of file": Attack(
        f"{HERE}from importlib.machinery import SourceFileLoader\n"
        f"SourceFileLoader('x', here + '/notes.txt').load_module()\n{SCORE}",
        writes("notes.txt"),
    ),
    "a script run by its path": Attack(f"{HERE}runpy.run_path(here + '/helper.py')\n{SCORE}", writes("helper.py")),
    "a file read and run under its name": Attack(
        f"{HERE}file = here + '/helper.py'\nexec(compile(open(file).read(), file, 'exec'))\n{SCORE}",
        writes("helper.py"),
    ),
    "a refusal that is caught": Attack(
        f"{HERE}{HELPER}try:\n    importlib.import_module(name)\nexcept Exception:\n    pass\n{SCORE}",
        writes("helper.py"),
    ),
    "an import while a row is scored": Attack(
        f"{HERE}{HELPER}def score(answer, expected):\n    return __import__(name).score(answer, expected)\n",
        writes("helper.py"),
    ),
    # What changes after the yes.
    "the metric itself is swapped": Attack(SCORE, after=writes("score.py"), refused=""),
    "what it imports is swapped": Attack(
        f"import helper\n{SCORE}", holds("helper.py"), after=writes("helper.py"), refused=""
    ),
    "a module becomes a package": Attack(
        f"import helper\n{SCORE}", holds("helper.py"), after=writes("helper/__init__.py"), refused=""
    ),
    "what was missing is there": Attack(
        f"try:\n    import helper\nexcept ImportError:\n    pass\n{SCORE}", after=writes("helper.py")
    ),
    "an agreed file is loaded again, by its path": Attack(
        f"{HERE}import helper\n{BY_PATH.format(file='helper.py')}{SCORE}", holds("helper.py"), after=writes("helper.py")
    ),
    "a module is reloaded": Attack(
        f"{HERE}import helper\nimportlib.reload(helper)\n{SCORE}",
        holds("helper.py"),
        after=writes("helper.py"),
        refused="",
    ),
    # Files that Python takes up by itself.
    "modules with the names of Python's own": Attack(
        f"import argparse, asyncio, csv, random\n{SCORE}",
        together(*(writes(f"{name}.py") for name in ("argparse", "asyncio", "csv", "random", "json", "traceback"))),
        refused="",
    ),
    "modules that Python imports at its start": Attack(
        SCORE,
        together(writes("sitecustomize.py"), writes("usercustomize.py"), writes("encodings/__init__.py")),
        refused="",
    ),
    "a module with the name of an installed one, which that imports": Attack(
        f"import rich\n{SCORE}", writes("pygments/__init__.py"), refused=""
    ),
    "a path file": Attack(SCORE, holds("evil.pth", "import score\n"), refused=""),
    "a configuration of a virtual environment": Attack(
        f"{HERE}{HELPER}sys.path.insert(0, here + '/.venv/lib')\n__import__(name)\n{SCORE}",
        writes(".venv/lib/helper.py"),
    ),
}
