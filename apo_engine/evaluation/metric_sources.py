"""The source of a metric that is code: its module and what that imports from the same folder. Nothing is run.

Found are the modules of ``import`` statements, wherever they stand, and those whose names are given as plain text to
``import_module`` or ``__import__``. A module of Python's own goes before one of the folder; one of the folder goes
before one that is installed.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apo_engine.allowed_paths import NotRegularError, OutsideError, TooLargeError, is_within, read_allowed
from apo_engine.problems import InputError, Place, Problem

#: Bounds of what a metric may be made of: modules, and bytes of each.
MOST_MODULES, MOST_BYTES = 200, 1 << 20
_IMPORTERS = ("import_module", "__import__")


@dataclass(frozen=True, slots=True)
class SourceModule:
    """A module as it was read. A package without a file of its own has the folder as its path, and no source."""

    name: str
    path: Path
    is_package: bool
    source: bytes | None = field(repr=False)

    @property
    def sha256(self) -> str:
        """The hash of the source."""
        return hashlib.sha256(self.source or b"").hexdigest()


def find_module(folder: Path, name: str, place: Place | None = None) -> SourceModule | None:
    """The module of that name in ``folder``, as Python looks for it; None where there is none.

    Raises:
        InputError: it is a link that leads out of the folder, cannot be read, or is too large.
    """
    stem = folder.joinpath(*name.split("."))
    for path, is_package in ((stem / "__init__.py", True), (stem.with_name(f"{stem.name}.py"), False)):
        if path.is_file() and _is_listed(path):
            return SourceModule(name, path, is_package, _read(path, folder, place))
    if stem.is_dir() and _is_listed(stem):
        if not is_within(stem, (folder,)):
            raise _outside(stem, place)
        return SourceModule(name, stem, True, None)
    return None


def collect_modules(folder: Path, root: SourceModule, place: Place | None = None) -> tuple[SourceModule, ...]:
    """``root``, the packages that it lies in, and all that these import from ``folder``, in the order of their names.

    Raises:
        InputError: one of them cannot be used, or there are too many.
    """
    found: dict[str, SourceModule] = {}
    waiting = [*_packages(root.name), root.name]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        module = root if name == root.name else find_module(folder, name, place)
        if module is None:
            continue
        found[name] = module
        if len(found) > MOST_MODULES:
            message = f"The metric imports more than {MOST_MODULES} modules of its folder: too many to read through."
            raise InputError(Problem("metric-too-large", message, "Install what it needs as a package.", place))
        for imported in _imports(module):
            waiting += [*_packages(imported), imported]
    return tuple(found[name] for name in sorted(found))


def _packages(name: str) -> Iterator[str]:
    """The packages that a module lies in, from the outermost."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        yield ".".join(parts[:end])


def _imports(module: SourceModule) -> Iterator[str]:
    """The full names of all that a module may import; some of them name no module, but something in one."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    tree = _parse(module)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _resolve(f"{'.' * node.level}{node.module or ''}", package)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and _called(node.func) in _IMPORTERS and node.args:
            name = _text(node.args[0])
            if name and (base := _resolve(name, package)):
                yield base
        elif module.is_package and isinstance(node, ast.Assign) and _is_all(node):
            # What `from package import *` imports.
            yield from (f"{module.name}.{_text(name)}" for name in getattr(node.value, "elts", ()) if _text(name))


def _parse(module: SourceModule) -> ast.Module | None:
    """The syntax tree; None where there is none, which is told when the module is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(module.source or b"")
        # Python 3.11 takes a parser that ran out of depth before for a broken one: SystemError.
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            return None


def _resolve(name: str, package: str) -> str:
    """The full name of a module that is named from inside ``package``; empty where that leads out of the folder."""
    level = len(name) - len(name.lstrip("."))
    parts = package.split(".") if package else []
    if not level:
        full = name
    elif level > len(parts):
        return ""
    else:
        full = ".".join((*parts[: len(parts) - level + 1], name[level:])).rstrip(".")
    return full if all(part.isidentifier() for part in full.split(".")) else ""


def _called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_all(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)


def _is_listed(path: Path) -> bool:
    """Whether a folder holds this very name: on some systems any spelling of it would be found."""
    try:
        return path.name in os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return False


def _read(path: Path, folder: Path, place: Place | None) -> bytes:
    try:
        return read_allowed(path, (folder,), MOST_BYTES)
    except OutsideError:
        raise _outside(path, place) from None
    except (NotRegularError, TooLargeError) as error:
        message = f"The metric's module {path} cannot be used: {error.strerror}."
        raise InputError(Problem("metric-too-large", message, "Write code alone into it.", place)) from None
    except OSError as error:
        message = f"The metric's module {path} cannot be read ({error.strerror})."
        raise InputError(Problem("metric-missing", message, "Make it readable.", place)) from None


def _outside(path: Path, place: Place | None) -> InputError:
    message = f"The metric's module leads outside the prompt's folder: {path} is a link."
    return InputError(Problem("metric-outside", message, "Put the module itself beside the prompt.", place))
