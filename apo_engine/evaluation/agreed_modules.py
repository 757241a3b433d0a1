"""In the process of a metric that is code: which modules it may import, and how those of its folder are loaded.

Modules of the metric's folder are made from the sources that were handed over, whatever lies in the folder by now: no
byte code, no compiled module and no archive stands in for them. Installed modules are imported as ever. Anything else
ends the metric.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec, PathFinder
from importlib.util import decode_source
from types import CodeType, ModuleType
from typing import Any, NamedTuple

_SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)


class AgreedSource(NamedTuple):
    """A module of the metric's folder; a package without a file of its own has no source."""

    path: str
    is_package: bool
    source: bytes | None


class NotAgreedError(BaseException):
    """The metric would run code that nobody has agreed to. Not an `Exception`: what it tries must not get past this."""


class AgreedModules:
    """Finds and loads modules: goes before, and asks, the finders that were there."""

    def __init__(self, folder: str, sources: Mapping[str, AgreedSource]) -> None:
        self._folder = os.path.realpath(folder)
        self._sources = sources
        self._made: list[CodeType] = []
        self._installed = [os.path.realpath(entry) for entry in (*sys.path, os.path.dirname(os.__file__)) if entry]  # noqa: PTH120
        self._finders: Sequence[Any] = tuple(sys.meta_path)

    def install(self) -> None:
        """Answer all imports of this process from now on, and watch what is run besides."""
        sys.dont_write_bytecode = True
        sys.meta_path[:] = [self]
        sys.addaudithook(self._watch)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`.

        Raises:
            NotAgreedError: the module is neither installed nor agreed to.
        """
        source = self._sources.get(name)
        if source is not None:
            spec = ModuleSpec(name, self, origin=source.path, is_package=source.is_package)  # type: ignore[arg-type]
            spec.has_location = source.source is not None
            return spec
        for finder in self._finders:
            found: ModuleSpec | None = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if found is None:
                continue
            places = _places(found)
            if finder is not PathFinder:
                # Finders of installed packages know of folders that no module path names.
                self._installed += map(os.path.realpath, places)
            elif not all(map(self._is_installed, places)):
                raise _not_agreed(name, places[0])
            return found
        lying = self._lies_in_folder(name)
        if lying:
            raise _not_agreed(name, lying)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See `importlib.abc.Loader`."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """See `importlib.abc.InspectLoader`."""
        source = self._sources[name]
        code: CodeType = compile(source.source or b"", source.path, "exec", dont_inherit=True)
        self._made.append(code)
        return code

    def get_source(self, name: str) -> str:
        """See `importlib.abc.InspectLoader`."""
        return decode_source(self._sources[name].source or b"")

    def is_package(self, name: str) -> bool:
        """See `importlib.abc.InspectLoader`."""
        return self._sources[name].is_package

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Whatever a metric does to load more code ends here, but for text that it makes itself."""
        if event == "exec":
            code = arguments[0]
            file = "" if any(code is made for made in self._made) else getattr(code, "co_filename", "")
        elif event == "import":
            file = arguments[1]
        elif event == "open":
            file = arguments[0] if _text(arguments[0]).endswith(tuple(BYTECODE_SUFFIXES)) else ""
        elif event == "ctypes.dlopen":
            file = arguments[0] if _is_below(os.path.realpath(_text(arguments[0])), self._folder) else ""
        else:
            return
        path = _text(file)
        if path and _lies_in_file(path) and not self._is_installed(path):
            raise _not_agreed(os.path.basename(path), path)  # noqa: PTH119

    def _is_installed(self, path: str) -> bool:
        """Whether a file belongs to Python or to an installed package; one of the metric's folder does in `.venv`."""
        real = os.path.realpath(path)
        roots = [root for root in self._installed if _is_below(real, root)]
        if not _is_below(real, self._folder):
            return bool(roots)
        return any(root != self._folder and _is_below(root, self._folder) for root in roots)

    def _lies_in_folder(self, name: str) -> str:
        """What in the folder Python could take for the module; empty where nothing is."""
        stem = os.path.join(self._folder, *name.split("."))  # noqa: PTH118
        files = [f"{stem}{suffix}" for suffix in _SUFFIXES]
        if os.path.isdir(stem):  # noqa: PTH112
            files += [os.path.join(stem, entry) for entry in sorted(os.listdir(stem)) if entry.endswith(_SUFFIXES)]  # noqa: PTH118, PTH208
        return next((file for file in files if os.path.isfile(file)), "")  # noqa: PTH113


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes)) else ""


def _lies_in_file(path: str) -> bool:
    """Whether there is such a file, or an archive that could hold it; what was compiled elsewhere names neither."""
    while not os.path.isfile(path):  # noqa: PTH113
        above = os.path.dirname(path)  # noqa: PTH120
        if above in (path, ""):
            return False
        path = above
    return True


def _places(spec: ModuleSpec) -> list[str]:
    origin = [spec.origin] if spec.has_location and spec.origin else []
    return [*origin, *(spec.submodule_search_locations or ())]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _not_agreed(name: str, path: str) -> NotAgreedError:
    return NotAgreedError(
        f"would run code that nobody has agreed to: '{name}' ({path}) is neither installed nor imported by an import "
        "statement that could be followed. Import it by name from the prompt's folder, start the run again and allow it"
    )
