"""What the machine holds: settings in the environment and in the user's configuration file, and the cache folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apo_engine.allowed_paths import read_regular
from apo_engine.problems import InputError, Place, Problem
from apo_engine.settings import ENVIRONMENT, VARIABLE, Layer, resolve

MAX_CONFIG_BYTES = 1_000_000
_VARIABLE = re.compile(VARIABLE)


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """The settings in environment variables: ``APO_MODEL`` and ``APO_OPTIMIZER_MODEL``."""
    values: dict[str, object] = {}
    for path, variable in ENVIRONMENT.items():
        if environ.get(variable):
            inner = values
            for key in path[:-1]:
                inner = inner.setdefault(key, {})  # type: ignore[assignment]
            inner[path[-1]] = environ[variable]
    return Layer("environment", values)


def user_layer(folder: Path | None = None) -> Layer:
    """The user's own ``config.yaml``, from ``folder`` or the platform's configuration folder; empty if there is none.

    Raises:
        InputError: the file cannot be read or is not a YAML map.
    """
    if folder is None:
        import platformdirs

        folder = platformdirs.user_config_path("apo-language-server")
    if not folder.is_absolute():
        # Without a home folder there is no configuration: the folder that the user works in must not bring one.
        return Layer("user", {})
    path = folder / "config.yaml"
    try:
        text = read_regular(path, MAX_CONFIG_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return Layer("user", {})
    except (OSError, UnicodeDecodeError) as error:
        message = f"The configuration file cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InputError(Problem("config-unreadable", message, "Correct or remove it.", Place(path))) from None
    return _yaml_layer(text, path)


def endpoints_layer() -> Layer:
    """The user's endpoints alone; none where the configuration file cannot be used, which a run reports."""
    try:
        layer = user_layer()
        endpoints = {"endpoints": layer.values["endpoints"]} if "endpoints" in layer.values else {}
        resolve([Layer("user", endpoints)])
    except InputError:
        return Layer("user", {})
    return Layer("user", endpoints)


def user_variables() -> tuple[str, ...]:
    """The variables that the user's configuration names: the keys of endpoints, and what a metric may read.

    None where the file cannot be used: whatever needs them says so.
    """
    try:
        values = user_layer().values
    except InputError:
        return ()
    endpoints, metric_env = values.get("endpoints"), values.get("metric_env")
    maps = endpoints.values() if isinstance(endpoints, dict) else ()
    keys = [endpoint.get("key_env") for endpoint in maps if isinstance(endpoint, dict)]
    more = list(metric_env) if isinstance(metric_env, list) else []
    return tuple(name for name in (*keys, *more) if isinstance(name, str) and _VARIABLE.fullmatch(name))


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The folder of everything stored, with its links resolved: ``APO_CACHE_DIR``, else the platform's cache folder.

    Raises:
        InputError: the path is relative, so that the working folder would decide where it is; or there is none.
    """
    named = environ.get("APO_CACHE_DIR")
    if named:
        return user_folder(named, "APO_CACHE_DIR")
    import platformdirs

    return user_folder(str(platformdirs.user_cache_path("apo-language-server")), "The cache folder")


def user_folder(name: str, whence: str) -> Path:
    """The folder that the user named in ``whence``, with its links resolved.

    Raises:
        InputError: the path is relative, or leads nowhere.
    """
    remedy = "Set APO_CACHE_DIR to an absolute path."
    try:
        path = Path(name).expanduser()
        if path.is_absolute():
            return path.resolve()
        message = f"{whence} is a relative path, {name}: the folder that you work in must not decide where it is."
    except (OSError, RuntimeError, ValueError):
        # No home folder, links in a circle, a NUL.
        message = f"{whence} leads nowhere: {name}."
    raise InputError(Problem("cache-dir", message, remedy))


def _yaml_layer(text: str, path: Path) -> Layer:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    def broken(message: str, place: Place) -> InputError:
        return InputError(Problem("config-invalid", message, "Correct the line, or remove the file.", place))

    try:
        root = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        raise broken(f"This is not valid YAML: {error.problem}.", where) from None
    except (YAMLError, RecursionError, ValueError):
        raise broken("This is not valid YAML.", Place(path)) from None
    if root is None:
        return Layer("user", {})
    if not isinstance(root, dict):
        raise broken("The configuration must be a map of settings.", Place(path))

    def place(keys: tuple[str, ...]) -> Place | None:
        node: Any = root
        found = Place(path)
        for key in keys:
            marks = getattr(node, "lc", None)
            if not isinstance(node, dict) or key not in node or marks is None:
                break
            line, column = marks.value(key)
            found, node = Place(path, line + 1, column + 1), node[key]
        return found

    return Layer("user", _plain(root), place)


def _plain(value: object) -> dict[str, object]:
    """Plain maps of the loader's own; msgspec takes its scalars and lists as they are."""
    assert isinstance(value, dict)
    return {str(key): _plain(item) if isinstance(item, dict) else item for key, item in value.items()}
