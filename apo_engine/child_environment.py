"""What the processes that this program starts are told of its environment: variables on a list, and no others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

# fmt: off
# What any program needs to find its files, its language and its libraries.
_ANY = frozenset(
    (
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
        "XDG_STATE_HOME", "ALLUSERSPROFILE", "APPDATA", "COMMONPROGRAMFILES", "COMSPEC", "HOMEDRIVE",
        "HOMEPATH", "LOCALAPPDATA", "NUMBER_OF_PROCESSORS", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROGRAMDATA",
        "PROGRAMFILES", "PUBLIC", "SYSTEMDRIVE", "SYSTEMROOT", "USERNAME", "USERPROFILE", "WINDIR",
    )
)
# What it takes to reach a model: keys, addresses, proxies (whose addresses may hold a password), certificates.
_MODELS = frozenset(
    (
        "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy",
        "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR",
    )
)
_LOCALE, _OWN = "LC_", "APO_"
# Folders to look into: what is not a full path would mean another folder in the child.
_SEARCHED = frozenset(("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"))
# A file or folder: it means the same in the child, whose working folder is another.
_PLACES = frozenset(
    (
        "APO_CACHE_DIR", "TMPDIR", "TMP", "TEMP", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE", "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR",
    )
)
# fmt: on


def engine_environment(environ: Mapping[str, str], named: Iterable[str]) -> dict[str, str]:
    """What the engine process needs: what any program does, what it takes to reach models, and what is ``named``."""
    names = _MODELS | set(named)
    passed = (name for name in environ if _is_basic(name) or name.startswith(_OWN) or name in names)
    return {name: _value(name, environ) for name in passed}


def metric_environment(environ: Mapping[str, str], named: Iterable[str]) -> dict[str, str]:
    """What the process of a metric that is code needs: no key, no proxy and no address but in what is ``named``."""
    names = set(named)
    return {name: _value(name, environ) for name in environ if _is_basic(name) or name in names}


def _is_basic(name: str) -> bool:
    return name in _ANY or name.startswith(_LOCALE)


def _value(name: str, environ: Mapping[str, str]) -> str:
    value = environ[name]
    if name in _SEARCHED:
        return os.pathsep.join(folder for folder in value.split(os.pathsep) if Path(folder).is_absolute())
    if name in _PLACES and value:
        return str(Path(value).expanduser().absolute())
    return value
