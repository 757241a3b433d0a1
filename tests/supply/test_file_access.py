"""Only the modules named here open files: what a user, a prompt or a workspace names goes through one door.

The door for reading is :mod:`apo_engine.allowed_paths`; what is stored is read and written by
:mod:`apo_engine.private` and :mod:`apo_engine.private_files`.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSES = (ROOT / "apo_engine", ROOT / "server" / "apo_server")
# What opens, reads, writes or replaces a file by its name, whatever it is called on.
_CALLS = frozenset(
    ("open", "open_code", "read_text", "read_bytes", "write_text", "write_bytes", "connect", "mkstemp", "mkdtemp",
     "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "FileIO", "getline", "getlines", "copy2", "copyfile",
     "copytree", "copymode", "move", "rmtree", "unlink", "rename", "replace", "rmdir", "mkdir", "makedirs",
     "symlink_to", "hardlink_to", "link", "symlink", "touch", "chmod", "chown", "truncate", "memmap", "run_path",
     "load_module", "exec_module")
)  # fmt: skip
# Texts, structs and the protocol have these too: they count where they are called on `os`, `shutil` or `sqlite3`.
_OFTEN_TEXT = frozenset({"replace", "rename", "link", "move", "connect"})
_MODULES = frozenset({"os", "shutil", "sqlite3"})
# Module by module: the calls, and why they are right there.
MAY: dict[str, tuple[set[str], str]] = {
    "apo_engine/allowed_paths.py": ({"open"}, "the door itself"),
    "apo_engine/private.py": ({"mkdir", "open"}, "opens what is stored, after checking it"),
    "apo_engine/private_files.py": (
        {"mkdir", "open", "replace", "rmtree", "unlink"},
        "what is stored",
    ),
    "apo_engine/models/answer_store.py": ({"connect"}, "SQLite, after require_private_database"),
    "apo_engine/models/ledger.py": ({"connect"}, "SQLite, after require_private_database"),
    "apo_engine/models/weights.py": ({"open"}, "PrivateFolder.open"),
    "apo_engine/cli/output.py": ({"chmod", "open", "unlink"}, "writes where the user says, through no link"),
    "apo_engine/cli/init.py": ({"open", "read_text"}, "makes new files (mode x), from samples in this package"),
    "apo_engine/models/layout.py": ({"connect"}, "a database in memory"),
    "apo_engine/store/sqlite_file.py": ({"connect"}, "SQLite, after require_private_database"),
    "apo_engine/file_lock.py": ({"unlink"}, "its own lock, in a folder that private_folder checked"),
    "apo_engine/models/token_tables.py": ({"exec_module"}, "tiktoken's own definitions, installed with it"),
    "apo_engine/child_process.py": ({"mkdtemp", "rmtree"}, "the empty folder of a new process"),
    "apo_engine/runs/experiment.py": ({"read_text"}, "the built-in prompt in this package"),
    "apo_engine/scoring/pattern_worker.py": ({"read_text"}, "how much memory its own process has"),
    "apo_engine/runs/bench.py": ({"TemporaryDirectory", "write_text"}, "a new folder of its own"),
    "apo_engine/runs/bench_rows.py": ({"write_text"}, "in the new folder of bench"),
    "apo_engine/runs/report_page.py": ({"read_text"}, "the script and style in this package"),
    "apo_engine/search/meta_prompts.py": ({"read_text"}, "the built-in prompts in this package"),
    "apo_engine/evaluation/rubric.py": ({"read_text"}, "the built-in prompt in this package"),
    "apo_engine/runs/desk.py": ({"open"}, "Grader.open starts a grader"),
    "apo_engine/models/limits.py": ({"open"}, "whether a circuit breaker is open"),
    "apo_engine/prompt/variable_checks.py": ({"open"}, "whether an object is open to more fields"),
    "apo_engine/prompt/references.py": ({"open"}, "opens a scope of the template"),
    "server/apo_server/consent_file.py": ({"open"}, "PrivateFolder.open"),
    "server/apo_server/token_file.py": ({"open"}, "the user's own token file, through no link"),
    "server/apo_server/protocol.py": ({"open"}, "opens a document that the editor sent"),
}
# What opens a file wherever it lies and follows links to it. Nobody but the user may have named that file.
_UNBOUNDED = frozenset({"open_regular", "read_regular", "load_prompt"})
MAY_ANYWHERE: dict[str, tuple[set[str], str]] = {
    "apo_engine/__init__.py": ({"load_prompt"}, "offers it to programs"),
    "apo_engine/api.py": ({"load_prompt"}, "offers it to programs"),
    "apo_engine/machine.py": ({"read_regular"}, "the user's own configuration file"),
    "apo_engine/prompt/file.py": ({"read_regular"}, "load_prompt itself"),
    "apo_engine/cli/check.py": ({"load_prompt"}, "a prompt that was typed, or lies in a folder that was"),
    "apo_engine/cli/evaluate.py": ({"load_prompt"}, "a prompt that was typed"),
    "apo_engine/cli/gradients.py": ({"load_prompt"}, "a prompt that was typed"),
    "apo_engine/cli/optimize.py": ({"load_prompt"}, "a prompt that was typed"),
    "apo_engine/cli/write_back.py": ({"read_regular"}, "the prompt that was typed"),
    "apo_engine/runs/bench.py": ({"load_prompt"}, "a prompt in a new folder of its own"),
    "apo_engine/search/meta_prompts.py": ({"load_prompt"}, "only where the user's own configuration names the folder"),
    "apo_engine/models/token_tables.py": ({"read_regular"}, "a table in the folder that the environment names"),
    "apo_engine/models/weights.py": ({"open_regular"}, "a model that the user named, and weights of a package"),
    "apo_engine/models/held_weights.py": ({"open_regular"}, "a model that the user named, or whose hash was agreed to"),
}


def _found(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The name and line of each call, or passed-on function, that may open a file."""
    nodes = list(ast.walk(tree))
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in _CALLS:
            on = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr not in _OFTEN_TEXT or on in _MODULES:
                yield node.attr, node.lineno
        elif isinstance(node, ast.Name) and node.id in {"open", "open_code"} - own:
            yield node.id, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "io", "shutil", "tempfile", "linecache"):
            for name in node.names:
                if name.name in _CALLS:
                    yield name.name, node.lineno


def _calls() -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for house in HOUSES:
        for path in sorted(house.rglob("*.py")):
            for name, line in _found(ast.parse(path.read_text(encoding="utf-8"))):
                found[path.relative_to(ROOT).as_posix()][name] = line
    return found


def test_only_modules_that_may_open_files_do() -> None:
    strays = [
        f"{module}:{line}: '{name}' bypasses apo_engine.allowed_paths and apo_engine.private_files"
        for module, names in _calls().items()
        for name, line in names.items()
        if name not in MAY.get(module, ((), ""))[0]
    ]
    assert not strays, "\n".join(strays)


def test_no_module_may_what_it_does_not_do() -> None:
    calls = _calls()
    stale = [
        f"{module}: {name}" for module, (names, _) in MAY.items() for name in names if name not in calls.get(module, {})
    ]
    assert not stale, stale


def _unbounded(tree: ast.AST) -> set[str]:
    """The functions that open files anywhere, as a module names them, whatever it does with them."""
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return names & _UNBOUNDED


def test_only_names_that_the_user_typed_are_opened_anywhere() -> None:
    """What a prompt, a run or the store remembers is opened within the folders that rows may lie in."""
    found = {
        path.relative_to(ROOT).as_posix(): names
        for house in HOUSES
        for path in sorted(house.rglob("*.py"))
        if (names := _unbounded(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {module: names for module, (names, _) in MAY_ANYWHERE.items()}


def test_what_opens_files_anywhere_is_found() -> None:
    for source in (
        "from apo_engine.allowed_paths import open_regular", "from apo_engine.allowed_paths import read_regular as r",
        "allowed_paths.open_regular(p)", "from apo_engine.prompt.file import load_prompt",
    ):  # fmt: skip
        assert _unbounded(ast.parse(source)), source


def test_what_bypasses_the_door_is_found() -> None:
    for source in (
        "open('x')", "Path('x').open()", "io.open('x')", "os.open('x', 0)", "p.read_text()", "map(Path.read_bytes, ps)",
        "from os import open", "sqlite3.connect('x')", "reader = open", "os.replace(a, b)", "shutil.rmtree(p)",
        "linecache.getline(p, 1)",
    ):  # fmt: skip
        assert list(_found(ast.parse(source))), source
