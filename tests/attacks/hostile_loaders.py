"""Metrics that use Python's own loaders past the finder, compiled libraries and new interpreters."""

from __future__ import annotations

import colorsys
from pathlib import Path

from tests.attacks.hostile_metric import (
    HELPER,
    HERE,
    RAN,
    SCORE,
    Attack,
    byte_code_zips,
    compiles,
    holds,
    native_link,
    together,
    writes,
    zips,
)

LOADERS = {
    "byte code in an archive, by its loader": Attack(
        f"import os, zipimport\nhere = os.path.dirname(__file__)\n"
        f"zipimport.zipimporter(here + '/code.zip').load_module('helper')\n{SCORE}",
        byte_code_zips("code.zip"),
    ),
    "byte code in an archive, and Python's own finders put back": Attack(
        f"{HERE}{HELPER}sys.meta_path.insert(0, importlib.machinery.PathFinder)\n"
        f"sys.path.insert(0, here + '/code.zip')\n__import__(name)\n{SCORE}",
        byte_code_zips("code.zip"),
    ),
    "code of another file, under another name": Attack(
        f"{HERE}code = importlib.machinery.SourceFileLoader('x', here + '/helper.py').get_code('x')\n"
        f"exec(code.replace(co_filename='<x>'))\n{SCORE}",
        writes("helper.py"),
    ),
    "a script of byte code with another ending": Attack(
        f"{HERE}runpy.run_path(here + '/data.bin')\n{SCORE}", compiles("data.bin", shown_as="<string>")
    ),
    "an archive run as a script": Attack(
        f"{HERE}runpy.run_path(here + '/code.zip', run_name='helper')\n{SCORE}", byte_code_zips("code.zip")
    ),
    "the finder of a folder": Attack(
        f"{HERE}from importlib.machinery import FileFinder, SourceFileLoader\n"
        f"spec = FileFinder(here, (SourceFileLoader, ['.py'])).find_spec('helper')\n"
        f"exec(spec.loader.get_code('helper').replace(co_filename='<x>'))\n{SCORE}",
        writes("helper.py"),
    ),
    "a finder of its own for folders": Attack(
        f"{HERE}{HELPER}from importlib.machinery import FileFinder, SourceFileLoader\n"
        "sys.path_hooks.insert(0, FileFinder.path_hook((SourceFileLoader, ['.py'])))\n"
        f"sys.path_importer_cache.clear()\nsys.path.insert(0, here)\n__import__(name)\n{SCORE}",
        writes("helper.py"),
    ),
    "a path file that is asked for": Attack(
        f"import os, site\nsite.addsitedir(os.path.dirname(__file__))\n{SCORE}",
        lambda folder: (folder / "x.pth").write_text(f"import os; open({str(folder / RAN)!r}, 'w').close()\n"),
    ),
    "byte code of Python's own modules, kept elsewhere": Attack(
        f"{HERE}sys.pycache_prefix = here + '/kept'\nsys.modules.pop('colorsys', None)\nimport colorsys\n{SCORE}",
        compiles(f"kept{Path(colorsys.__file__).with_suffix('')}.TAG.pyc", shown_as="<string>"),
    ),
    "the finder is told that the folder is installed": Attack(
        f"{HERE}{HELPER}finder = sys.meta_path[0]\n"
        "getattr(finder, '_installed', getattr(finder, '_roots', [])).append(here)\n"
        "finder._folder = finder.folder = '/nowhere'\n"
        f"sys.path.insert(0, here)\n__import__(name)\n{SCORE}",
        writes("helper.py"),
    ),
    "the finder is given other finders": Attack(
        f"{HERE}{HELPER}class Finder(importlib.machinery.PathFinder):\n    pass\n"
        "sys.meta_path[0]._finders = sys.meta_path[0].finders = (Finder,)\n"
        f"sys.path.insert(0, here)\n__import__(name)\n{SCORE}",
        writes("helper.py"),
    ),
    "one of Python's finders finds what it is told": Attack(
        f"{HERE}{HELPER}def find_spec(asked, path=None, target=None):\n"
        "    if asked == name:\n"
        "        return importlib.util.spec_from_file_location(name, here + '/helper.py')\n"
        "importlib.machinery.FrozenImporter.find_spec = find_spec\n"
        f"__import__(name)\n{SCORE}",
        writes("helper.py"),
    ),
    "a module of Python's own is imported anew": Attack(
        f"{HERE}sys.path.insert(0, here)\nsys.modules.pop('colorsys', None)\nimport colorsys\n{SCORE}",
        writes("colorsys.py"),
    ),
    "an encoding": Attack(
        f"{HERE}import encodings\nencodings.__path__.append(here)\n''.encode('helper')\n{SCORE}", writes("helper.py")
    ),
    # Compiled libraries.
    "a compiled library behind a link": Attack(
        f"import ctypes, os\nctypes.CDLL(os.path.dirname(__file__) + '/helper.so')\n{SCORE}", native_link("helper.so")
    ),
    "a compiled library beside the folder": Attack(
        f"import ctypes, os\nctypes.CDLL(os.path.dirname(__file__) + '/../library.so')\n{SCORE}",
        native_link("helper.so"),
    ),
    "a compiled library by a word that the system's loader replaces": Attack(
        "import _ctypes, ctypes, os\n"
        "up = os.path.relpath(os.path.dirname(__file__), os.path.dirname(_ctypes.__file__))\n"
        f"ctypes.CDLL(f'$ORIGIN/{{up}}/helper.so')\n{SCORE}",
        native_link("helper.so"),
    ),
    "a compiled library by its descriptor": Attack(
        f"import ctypes, os\nfile = os.open(os.path.dirname(__file__) + '/helper.so', os.O_RDONLY)\n"
        f"ctypes.CDLL(f'/proc/self/fd/{{file}}')\n{SCORE}",
        native_link("helper.so"),
    ),
    "a compiled library for SQLite": Attack(
        "import os, sqlite3, sys\nfile = os.path.dirname(__file__) + '/helper'\n"
        "database = sqlite3.connect(':memory:')\n"
        "if hasattr(database, 'load_extension'):\n    database.enable_load_extension(True)\n"
        "    database.load_extension(file)\n"
        f"else:\n    sys.audit('sqlite3.load_extension', database, file)\n{SCORE}",
        native_link("helper.so"),
    ),
    # New interpreters.
    **{
        f"processes that import the metric anew ({kind})": Attack(
            "import multiprocessing, os, sys\nsys.path.insert(0, os.path.dirname(__file__))\n"
            "def work(x):\n    return x\n"
            "def score(answer, expected):\n"
            f"    with multiprocessing.get_context('{kind}').Pool(1) as pool:\n        pool.map(work, [1])\n"
            "    return 1.0\n",
            after=writes("score.py"),
            refused="a new interpreter imports modules from files as they are now",
        )
        for kind in ("spawn", "forkserver")
    },
    "an interpreter within the process": Attack(
        "try:\n    import _interpreters as interpreters\nexcept ImportError:\n"
        f"    import _xxsubinterpreters as interpreters\ninterpreters.create()\n{SCORE}",
        refused="a new interpreter imports modules from files as they are now",
    ),
    # What a metric may go on doing.
    "data files are read": Attack(
        "import csv, ctypes, ctypes.util, json, os, pkgutil, sqlite3, zipfile\nhere = os.path.dirname(__file__)\n"
        "assert json.load(open(here + '/data.json')) == {}\nassert not list(csv.reader(open(here + '/data.csv')))\n"
        "assert zipfile.ZipFile(here + '/data.zip').namelist() == ['helper.py']\n"
        "assert open(here + '/other.py').read()\nassert pkgutil.get_data('json', '__init__.py')\n"
        f"ctypes.CDLL(None)\nctypes.CDLL(ctypes.util.find_library('c'))\nsqlite3.connect(':memory:')\n{SCORE}",
        together(holds("data.json", "{}"), holds("data.csv"), holds("other.py", "x = 1"), zips("data.zip")),
        refused="",
    ),
    "copies of the process share its work": Attack(
        "import multiprocessing\ndef work(x):\n    import helper\n    return helper.x\n"
        "def score(answer, expected):\n    with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "        return sum(pool.map(work, [1]))\n",
        holds("helper.py", "x = 1\n"),
        after=writes("helper.py"),
        refused="",
    ),
}
