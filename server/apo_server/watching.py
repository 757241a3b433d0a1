"""Hearing of example files that change: from the client where it watches files, else by looking at them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from apo_server.sources import Stamp

if TYPE_CHECKING:
    from apo_server.capabilities import ClientCapabilities
    from apo_server.server import ApoLanguageServer

_log = logging.getLogger(__name__)
_PATTERN = "**/*.{jsonl,ndjson,csv,tsv}"
_SELECTOR = [types.TextDocumentFilterPattern(pattern=_PATTERN, scheme="file")]
_PARTIALS = "**/_*.prompt"
# How often the example files of open prompts are looked at where nobody tells of changes, in seconds.
_INTERVAL = 2.0


async def watch(server: ApoLanguageServer, changed: Callable[[Path], None]) -> None:
    """Ask the client to tell of changes; where it does not, look for them until cancelled.

    A client tells of what lies in the folders of its workspace, and of nothing where it has none. ``changed`` is only
    called by the looking; what the client tells goes the way of all messages.
    """
    client = server.session.client
    registrations = []
    if client.file_watching:
        watchers = [types.FileSystemWatcher(glob_pattern=pattern) for pattern in (_PATTERN, _PARTIALS)]
        options: object = types.DidChangeWatchedFilesRegistrationOptions(watchers=watchers)
        registrations.append(types.Registration("apo-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
    if client.sync_registration:
        registrations += [*_buffers(), *_in_buffers(client)]
    agreed = asyncio.ensure_future(_registered(server, registrations)) if registrations else None
    if agreed is not None:
        server.spawn(agreed)

    def watched() -> bool:
        # A client that never answers watches nothing.
        return client.file_watching and agreed is not None and agreed.done() and agreed.result()

    await _poll(server, changed, watched)


def _buffers() -> list[types.Registration]:
    """The client shall tell of example files in the editor, too: their unsaved text is what the user means."""
    selector = _SELECTOR
    plain = types.TextDocumentRegistrationOptions(document_selector=selector)
    change = types.TextDocumentChangeRegistrationOptions(
        sync_kind=types.TextDocumentSyncKind.Incremental, document_selector=selector
    )
    save = types.TextDocumentSaveRegistrationOptions(document_selector=selector, include_text=False)
    return [
        types.Registration("apo-opened", types.TEXT_DOCUMENT_DID_OPEN, plain),
        types.Registration("apo-changed", types.TEXT_DOCUMENT_DID_CHANGE, change),
        types.Registration("apo-saved", types.TEXT_DOCUMENT_DID_SAVE, save),
        types.Registration("apo-closed", types.TEXT_DOCUMENT_DID_CLOSE, plain),
    ]


def _in_buffers(client: ClientCapabilities) -> Iterator[types.Registration]:
    """What can be done in example files that are open."""
    if client.action_registration and client.action_literals:
        options: object = types.CodeActionRegistrationOptions(
            document_selector=_SELECTOR, code_action_kinds=[types.CodeActionKind.QuickFix]
        )
        yield types.Registration("apo-row-actions", types.TEXT_DOCUMENT_CODE_ACTION, options)
    if client.definition_registration:
        options = types.DefinitionRegistrationOptions(document_selector=_SELECTOR)
        yield types.Registration("apo-row-definition", types.TEXT_DOCUMENT_DEFINITION, options)
    if client.reference_registration:
        options = types.ReferenceRegistrationOptions(document_selector=_SELECTOR)
        yield types.Registration("apo-row-references", types.TEXT_DOCUMENT_REFERENCES, options)


async def _registered(server: ApoLanguageServer, registrations: list[types.Registration]) -> bool:
    try:
        await server.client_register_capability_async(types.RegistrationParams(registrations))
    except Exception as error:  # whatever the client objects to, files are looked at instead
        _log.debug("The client watches no files: %s", error)
        return False
    return True


async def _poll(server: ApoLanguageServer, changed: Callable[[Path], None], watched: Callable[[], bool]) -> None:
    """Look at rows and partials again and again; where the workspace is ``watched``, at those outside of it."""
    told: dict[Path, Stamp] = {}

    def untold(path: Path) -> bool:
        return not (watched() and any(path.is_relative_to(folder) for folder in server.session.allowed_roots))

    while True:
        for path, stamp in (await server.surveys.outdated(untold)).items():
            if path not in told or told[path] != stamp:
                told[path] = stamp
                changed(path)
        await asyncio.sleep(_INTERVAL)
