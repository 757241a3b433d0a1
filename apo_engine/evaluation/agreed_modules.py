"""In the process of a metric that is code: which modules it may import, and how those of its folder are loaded.

Modules of the metric's folder are made from the sources that were handed over, whatever lies in the folder by now: no
byte code, no compiled module and no archive stands in for them. Installed modules are imported as ever. Anything else
ends the metric.

Two things do this. A finder answers imports. An audit hook watches what Python's own loaders open, whoever calls them,
so that nothing is gained by another finder. The state of both is in closures, out of the reach of plain attributes.
This is no sandbox: see the section "What is not promised" of SECURITY.md.
"""

from __future__ import annotations

import os
import runpy
import site
import sys
import zipimport
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.util import decode_source
from types import CodeType, ModuleType
from typing import Any, NamedTuple

_SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)
#: The files of the code that reads modules, archives of modules, path files and scripts in order to run them.
_LOADERS = frozenset(
    function.__code__.co_filename
    for function in (
        SourceFileLoader.get_data,
        zipimport.zipimporter.get_data,
        site.addpackage,
        runpy.run_module,
    )
)
# These start Python anew. The new interpreter has no such finder, and imports the metric from its folder.
_NEW_INTERPRETERS = {
    *(f"multiprocessing.popen_{kind}" for kind in ("spawn_posix", "spawn_win32", "forkserver")),
    *("_interpreters", "_xxsubinterpreters"),
}
# Where libraries of the system lie. Python's own folders are added.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/gnu/store", "/System", "/Library")
_LIBRARY_SUFFIXES = ("", ".so", ".dylib", ".dll")

IsAllowed = Callable[[str], bool]


class AgreedSource(NamedTuple):
    """A module of the metric's folder; a package without a file of its own has no source."""

    path: str
    is_package: bool
    source: bytes | None


class NotAgreedError(BaseException):
    """The metric would run code that nobody has agreed to. Not an `Exception`: what it tries must not get past this."""


def install_agreed_modules(folder: str, sources: Mapping[str, AgreedSource], workspaces: Sequence[str] = ()) -> None:
    """Answer all imports of this process from now on, and watch what is run besides.

    Nothing in ``folder`` or in one of the ``workspaces`` counts as installed because an installed package or the system
    lies around it.
    """
    folder = os.path.realpath(folder)
    # The innermost goes first.
    own = sorted({folder, *map(os.path.realpath, workspaces)}, key=len, reverse=True)
    stdlib = os.path.dirname(os.__file__)  # noqa: PTH120
    roots = [os.path.realpath(entry) for entry in (*sys.path, stdlib) if entry]
    system = [*_SYSTEM, sys.prefix, sys.base_prefix, os.environ.get("SYSTEMROOT", stdlib)]
    made: list[CodeType] = []
    is_installed = _files_below(roots, own)
    is_library = _files_below([*roots, *map(os.path.realpath, system)], own)
    sys.dont_write_bytecode = True
    sys.meta_path[:] = [_finder(folder, dict(sources), roots, made, is_installed)]
    sys.addaudithook(_watch(made, is_installed, is_library))


def _files_below(roots: Sequence[str], own: Sequence[str]) -> IsAllowed:
    """Whether a file lies in one of the ``roots``.

    In a folder of the user's ``own``, only roots in the innermost of them count, such as `.venv`.
    """

    def is_below_root(path: str) -> bool:
        real = os.path.realpath(path)
        found = [root for root in roots if _is_below(real, root)]
        folder = next((one for one in own if _is_below(real, one)), None)
        return any(folder is None or (root != folder and _is_below(root, folder)) for root in found)

    return is_below_root


def _finder(
    folder: str, sources: dict[str, AgreedSource], roots: list[str], made: list[CodeType], is_installed: IsAllowed
) -> Any:
    """A finder and loader in one: goes before, and asks, the finders that were there. See `importlib.abc`.

    It adds to ``roots`` where installed packages lie, and to ``made`` the code that it makes.
    """
    finders: Sequence[Any] = tuple(sys.meta_path)
    # As they are before any code of the metric has run: it may put others in their place.
    finding = [(finder is PathFinder, finder.find_spec) for finder in finders if hasattr(finder, "find_spec")]

    class AgreedModules:
        def find_spec(
            self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            source = sources.get(name)
            if source is not None:
                spec = ModuleSpec(name, self, origin=source.path, is_package=source.is_package)  # type: ignore[arg-type]
                spec.has_location = source.source is not None
                return spec
            for is_path_finder, find_spec in finding:
                found = find_spec(name, path, target)
                if found is None:
                    continue
                places = _places(found)
                if not is_path_finder:
                    # Finders of installed packages know of folders that no module path names.
                    roots.extend(map(os.path.realpath, places))
                elif not all(map(is_installed, places)):
                    raise _not_agreed(name, places[0])
                return found  # type: ignore[no-any-return]
            lying = _lies_in_folder(folder, name)
            if lying:
                raise _not_agreed(name, lying)
            return None

        def find_distributions(self, *context: object) -> Iterator[Any]:
            """What is known of installed packages, for `importlib.metadata`: text, of which nothing is run."""
            for finder in finders:
                if hasattr(finder, "find_distributions"):
                    yield from finder.find_distributions(*context)

        def create_module(self, spec: ModuleSpec) -> ModuleType | None:
            return None

        def exec_module(self, module: ModuleType) -> None:
            exec(self.get_code(module.__name__), module.__dict__)

        def get_code(self, name: str) -> CodeType:
            code: CodeType = compile(sources[name].source or b"", sources[name].path, "exec", dont_inherit=True)
            made.append(code)
            return code

        def get_source(self, name: str) -> str:
            return decode_source(sources[name].source or b"")

        def is_package(self, name: str) -> bool:
            return sources[name].is_package

    return AgreedModules()


def _watch(
    made: list[CodeType], is_installed: IsAllowed, is_library: IsAllowed
) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook: what a metric does to load more code ends there, but for text and data that it runs itself."""
    caller = sys._getframe

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        allowed = is_installed
        if event == "exec":
            code = arguments[0]
            file = "" if any(code is one for one in made) else getattr(code, "co_filename", "")
        elif event == "import":
            if arguments[0] in _NEW_INTERPRETERS:
                raise _new_interpreter()
            file = arguments[1]
        elif event == "open":
            file = arguments[0]
            if not _text(file).endswith(tuple(BYTECODE_SUFFIXES)) and caller(1).f_code.co_filename not in _LOADERS:
                return
        elif event in ("ctypes.dlopen", "sqlite3.load_extension"):
            file, allowed = _library(_text(arguments[-1])), is_library
        elif event == "cpython.PyInterpreterState_New":
            raise _new_interpreter()
        else:
            return
        path = _text(file)
        if path and ("$" in path or _lies_in_file(path)) and not allowed(path):
            raise _not_agreed(os.path.basename(path), path)  # noqa: PTH119

    return watch


def _lies_in_folder(folder: str, name: str) -> str:
    """What in the folder Python could take for the module; empty where nothing is."""
    stem = os.path.join(folder, *name.split("."))  # noqa: PTH118
    files = [f"{stem}{suffix}" for suffix in _SUFFIXES]
    if os.path.isdir(stem):  # noqa: PTH112
        files += [os.path.join(stem, entry) for entry in sorted(os.listdir(stem)) if entry.endswith(_SUFFIXES)]  # noqa: PTH118, PTH208
    return next((file for file in files if os.path.isfile(file)), "")  # noqa: PTH113


def _library(name: str) -> str:
    """The file that a library's name leads to: the suffix may be left out. Empty if only the system can find it.

    The loader of the system puts folders in place of words such as ``$ORIGIN``: such a name stands for itself.
    """
    if "$" in name:
        return name
    return next((name + suffix for suffix in _LIBRARY_SUFFIXES if os.path.isfile(name + suffix)), "")  # noqa: PTH113


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


def _new_interpreter() -> NotAgreedError:
    return NotAgreedError(
        "would run code that nobody has agreed to: a new interpreter imports modules from files as they are now. Use "
        "`multiprocessing.get_context('fork')` or threads, start the run again and allow it"
    )
