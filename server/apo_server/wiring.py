"""The wiring: which message of the editor goes to which feature."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from lsprotocol import types

from apo_engine.allowed_paths import is_within
from apo_engine.names import shown_name
from apo_engine.problems import Severity
from apo_engine.search.events import Job
from apo_server import capabilities, pages, providers, reports, settings
from apo_server.addresses import is_elsewhere, path_of
from apo_server.documents import Documents
from apo_server.features import commands
from apo_server.server import ApoLanguageServer
from apo_server.watching import watch

# What the first prompt needs, and the first answer to the client does not.
_NEEDED = (
    "apo_engine.evaluation.checks",
    "apo_engine.prompt.checks",
    "apo_engine.prompt.difference",
    "apo_engine.prompt.partials",
    "apo_server.features.code_actions",
    "apo_server.features.code_lens",
    "apo_server.features.completion",
    "apo_server.features.explanations",
    "apo_server.features.hover",
    "apo_server.features.inlay_hints",
    "apo_server.features.navigation",
    "apo_server.features.outline",
    "apo_server.features.rename",
    "apo_server.features.repairs",
    "apo_server.features.row_actions",
    "apo_server.features.semantic_tokens",
)
# What a client tells of that is renamed: prompts, and the folders that they lie in.
_RENAMED = types.FileOperationRegistrationOptions(
    [
        types.FileOperationFilter(types.FileOperationPattern("**/*.prompt"), scheme="file"),
        types.FileOperationFilter(
            types.FileOperationPattern("**", matches=types.FileOperationPatternKind.Folder), scheme="file"
        ),
    ]
)
_ELSEWHERE = "The folder {} lies on another machine, by its address. Its files are not read: open it by a local path."
_EXAMPLE_ADDRESS = "file:///home/me/project"
# How long a save waits for the settings of a client that was asked for them and has not answered, in seconds.
_SETTINGS_WAIT = 2.0


def create_server(version: str) -> ApoLanguageServer:
    """The server with every handler in its place; features that depend on the client follow with `initialize`."""
    server = ApoLanguageServer(version)
    handlers: dict[str, Callable[..., Any]] = {
        types.INITIALIZE: initialize,
        types.INITIALIZED: initialized,
        types.SHUTDOWN: shutdown,
        types.EXIT: leave,
        types.WORKSPACE_DID_CHANGE_CONFIGURATION: configuration_changed,
        types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: folders_changed,
        types.TEXT_DOCUMENT_DID_OPEN: opened,
        types.TEXT_DOCUMENT_DID_CHANGE: changed,
        types.TEXT_DOCUMENT_DID_SAVE: saved,
        types.TEXT_DOCUMENT_DID_CLOSE: closed,
        types.TEXT_DOCUMENT_CODE_LENS: show_lenses,
        types.WORKSPACE_DID_CHANGE_WATCHED_FILES: files_changed,
    }
    for method, handler in handlers.items():
        server.feature(method)(handler)
    server.command(commands.EVALUATE)(_job("evaluate"))
    server.command(commands.GRADIENTS)(_job("gradients"))
    server.command(commands.OPTIMIZE)(_job("optimize"))
    server.command(commands.CANCEL)(cancel)
    server.command(commands.REVOKE_CONSENT)(revoke_consent)
    server.command(commands.IGNORE_CRITIQUE)(ignore_critique)
    server.command(commands.RESTORE_CRITIQUES)(restore_critiques)
    server.command(commands.EXPLAIN_CRITIQUE)(pages.explain_critique)
    server.command(commands.SHOW_CANDIDATES)(pages.show_candidates)
    server.command(commands.OPEN_REPORT)(pages.open_report)
    server.command(commands.RUN_ROW)(pages.run_row)
    server.command(commands.REPORT)(reports.report)
    server.command(commands.APPLY_CANDIDATE)(reports.apply_candidate)
    server.command(commands.TEST_CONNECTION)(test_connection)
    return server


def initialize(ls: ApoLanguageServer, params: types.InitializeParams) -> None:
    """Resolve what the client can do, and offer what it can use."""
    session = ls.session
    session.client = capabilities.resolve(params.capabilities)
    session.settings, wrong = settings.from_options(params.initialization_options, authenticated=ls.authenticated)
    session.documents = Documents(session.client.encoding)
    session.folders = _folders(ls)
    ls.complaints = (*wrong, *(_ELSEWHERE.format(shown_name(one)) for one in session.folders if is_elsewhere(one)))
    providers.offer(ls)
    if session.client.rename_notices:
        ls.feature(types.WORKSPACE_DID_RENAME_FILES, _RENAMED)(files_renamed)
    if session.client.action_resolve:
        ls.feature(types.CODE_ACTION_RESOLVE)(resolve_action)


async def initialized(ls: ApoLanguageServer, params: types.InitializedParams) -> None:
    """Load what a prompt needs, now that the client has its answer, and ask for the settings."""
    for complaint in ls.complaints:
        ls.screen.tell(complaint, Severity.WARNING)
    ls.spawn(asyncio.to_thread(_load_engine))
    ls.spawn(watch(ls, ls.file_changed))
    await _fetch_configuration(ls)
    ls.configured.set()


async def shutdown(ls: ApoLanguageServer, params: object) -> None:
    """End everything that runs."""
    await ls.close()


def leave(ls: ApoLanguageServer, params: object) -> None:
    """The process is about to end."""
    ls.leave()


async def configuration_changed(ls: ApoLanguageServer, params: types.DidChangeConfigurationParams) -> None:
    """Take up new settings, sent along or to be fetched."""
    if params.settings:
        _configure(ls, params.settings)
    else:
        await _fetch_configuration(ls)


async def folders_changed(ls: ApoLanguageServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Folders of the workspace come and go, and their settings with them; rows may lie in them, and no others."""
    ls.session.folders = _folders(ls)
    for view in ls.session.prompts:
        ls.surveys.due(view.document.uri)
    await _fetch_configuration(ls)


async def opened(ls: ApoLanguageServer, params: types.DidOpenTextDocumentParams) -> None:
    """Show what is wrong at once, and what is known as soon as it is read."""
    uri = params.text_document.uri
    _shown_anew(ls, uri)
    if ls.session.view(uri) is not None:
        await ls.session.opened(uri)
        ls.surveys.due(uri)


def changed(ls: ApoLanguageServer, params: types.DidChangeTextDocumentParams) -> None:
    """Show what is wrong now."""
    uri = params.text_document.uri
    _shown_anew(ls, uri)
    ls.surveys.edited(uri)


async def saved(ls: ApoLanguageServer, params: types.DidSaveTextDocumentParams) -> None:
    """Begin the background work that the settings ask for."""
    uri = params.text_document.uri
    view = ls.session.view(uri)
    if view is not None:
        ls.session.saved(uri)
        ls.surveys.due(view.document.uri)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ls.configured.wait(), _SETTINGS_WAIT)
    if view is not None:
        ls.background(view.document.uri)
        if view.document.is_partial and view.document.path is not None:
            ls.partial_written(view.document.path)
    elif (document := ls.session.documents.get(uri)) is not None and document.path is not None:
        ls.rows_changed(document.path)


def closed(ls: ApoLanguageServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the document; background work on it ends, what was asked for goes on."""
    uri = params.text_document.uri
    document = ls.session.documents.get(uri)
    if document is None:
        return
    ls.jobs.cancel(document.uri, asked_too=False)
    ls.session.closed(uri)
    if document.is_prompt:
        ls.surveys.closed(document.uri)
        ls.screen.clear(document.uri)
        if document.is_partial:
            ls.partials_changed()
    elif document.path is not None:
        # Its unsaved text is gone: the file counts again.
        ls.surveys.changed(document.path)


def files_changed(ls: ApoLanguageServer, params: types.DidChangeWatchedFilesParams) -> None:
    """Files have changed on disk, the editor's own writing of them among it."""
    for change in params.changes:
        path = path_of(change.uri)
        if path is not None:
            ls.file_changed(path)


def files_renamed(ls: ApoLanguageServer, params: types.RenameFilesParams) -> None:
    """Prompts, or folders with prompts, were renamed or moved in the editor: what is known of them goes along."""
    if not ls.session.settings.trusted or not ls.may_change_stored():
        return
    for renamed in params.files:
        old, new = path_of(renamed.old_uri), path_of(renamed.new_uri)
        if old is not None and new is not None:
            ls.spawn(_moved(ls, old, new))


async def _moved(ls: ApoLanguageServer, old: Path, new: Path) -> None:
    session = ls.session
    folders = tuple(map(Path, session.allowed_roots))
    if not await asyncio.to_thread(_is_moved, old, new, folders):
        return
    await asyncio.to_thread(session.store.moved, old, new, session.texts.roots)
    for view in session.prompts:
        if view.document.path is not None and view.document.path.is_relative_to(new):
            await session.recall(view.document.uri)


def _is_moved(old: Path, new: Path, folders: tuple[Path, ...]) -> bool:
    """Whether a path within the workspace was renamed to another one within it, as a client says."""
    if os.path.lexists(old) or not os.path.lexists(new):
        return False
    return is_within(old, folders) and is_within(new, folders)


def show_lenses(ls: ApoLanguageServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    """The lenses above a prompt."""
    from apo_server.features import code_lens

    view = ls.session.view(params.text_document.uri)
    if view is None or not ls.session.settings.trusted:
        return []
    running = ls.jobs.running(view.document.uri)
    if running is None:
        return code_lens.code_lenses(view, paused=ls.runner.paused(view.document.uri))
    advance = None if ls.jobs.waiting(running.uri) else ls.runner.advance(running.uri)
    return code_lens.running_lenses(view, running.job, advance, waits=ls.jobs.waiting(running.uri))


def resolve_action(ls: ApoLanguageServer, params: types.CodeAction) -> types.CodeAction:
    """A quick fix with its edit."""
    from apo_server.features import code_actions

    data = params.data if isinstance(params.data, dict) else {}
    view = ls.session.view(str(data.get("uri")))
    resolved = code_actions.resolve(view, params, ls.session.client)
    if resolved.edit is None and resolved.command is None:
        ls.screen.tell("The prompt has changed since this rewrite was measured.", Severity.WARNING)
    return resolved


def cancel(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.cancel`: end what runs for a prompt."""
    uri = ls.named(arguments)
    if uri is not None:
        ls.cancel(uri)


async def revoke_consent(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.revokeConsent`: for the workspace that holds what the first argument names, else for all that is open.

    Consent ends in the workspaces below it, too.
    """
    if not ls.may_change_stored():
        return
    session = ls.session
    prompts = (view.document.uri for view in session.prompts)
    places = [str(arguments[0])] if arguments else [*session.folders, *prompts]
    if arguments and path_of(places[0]) is None:
        named = f"{shown_name(places[0])} is not the address of a file or folder of this machine"
        ls.screen.tell(f"{named}: no consent was withdrawn. Name it as {_EXAMPLE_ADDRESS}.", Severity.WARNING)
        return
    await ls.revoke_consent({session.workspace_of(place) for place in places})


async def ignore_critique(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.ignoreCritique`: the prompt's address and the critique's id."""
    if len(arguments) >= 2 and ls.may_change_stored():
        await ls.session.ignore(str(arguments[0]), str(arguments[1]))


async def restore_critiques(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.restoreCritiques`: show the ignored critiques of a prompt again."""
    uri = ls.named(arguments) if ls.may_change_stored() else None
    if uri is not None:
        await ls.session.restore(uri)


async def test_connection(ls: ApoLanguageServer, *arguments: object) -> dict[str, object]:
    """`apo.testConnection`: whether the endpoints answer, in one sentence, for the client to show."""
    from apo_server.features import connection

    settings = ls.session.settings
    return connection.as_answer(await connection.ask(ls.engine.ask, settings.cache, trusted=settings.trusted))


def _job(job: Job) -> Callable[..., None]:
    """A command that begins a job on the prompt that its first argument names."""

    def begin(ls: ApoLanguageServer, *arguments: object) -> None:
        uri = ls.named(arguments)
        if uri is not None:
            ls.order(uri, job, asked=True)

    return begin


def _shown_anew(ls: ApoLanguageServer, uri: str) -> None:
    """Whatever hangs on the text of a document is shown anew: its own findings, and those of what is linked to it."""
    document = ls.session.documents.get(uri)
    if document is None:
        return
    if not document.is_prompt:
        if document.path is not None:
            ls.surveys.changed(document.path)
        return
    ls.screen.show_soon(uri)
    if document.is_partial:
        ls.partials_changed()


def _load_engine() -> None:
    """Import what the first prompt needs, before it is opened."""
    for module in _NEEDED:
        import_module(module)
    from apo_engine.prompt import keys

    keys.keys()
    # What has just been imported stays; to look through it for garbage would be felt in the middle of a word.
    gc.freeze()


async def _fetch_configuration(ls: ApoLanguageServer) -> None:
    """Ask for the settings, in a workspace of several folders for those of each."""
    session = ls.session
    if not session.client.configuration:
        return
    folders = session.folders if len(session.folders) > 1 else ()
    items = [types.ConfigurationItem(section="apo")]
    items += [types.ConfigurationItem(scope_uri=folder, section="apo") for folder in folders]
    answer = await ls.workspace_configuration_async(types.ConfigurationParams(items))
    if not answer:
        return
    if answer[0]:
        _configure(ls, answer[0])
    session.folder_settings = {}
    for folder, own in zip(folders, answer[1:], strict=False):
        if own:
            changed, wrong = settings.updated(session.settings, own)
            session.folder_settings[session.workspace_of(folder)] = changed
            _say_ignored(ls, wrong)


def _configure(ls: ApoLanguageServer, configuration: object) -> None:
    ls.session.settings, wrong = settings.updated(ls.session.settings, configuration)
    for complaint in wrong:
        if complaint != settings.CACHE_IGNORED:
            ls.screen.tell(complaint, Severity.WARNING)
    _say_ignored(ls, wrong)


def _say_ignored(ls: ApoLanguageServer, wrong: tuple[str, ...]) -> None:
    """Say once that the cache folder of a workspace does not count: clients send all settings again and again."""
    if settings.CACHE_IGNORED in wrong and not ls.said_cache_ignored:
        ls.said_cache_ignored = True
        ls.screen.tell(settings.CACHE_IGNORED, Severity.WARNING)


def _folders(ls: ApoLanguageServer) -> tuple[str, ...]:
    root = ls.workspace.root_uri
    return tuple(ls.workspace.folders) or ((root,) if root else ())
