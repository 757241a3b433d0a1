"""The wiring: which message of the editor goes to which feature."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from lsprotocol import types

from apo_engine.problems import Severity
from apo_engine.search.events import Job
from apo_server import capabilities, settings
from apo_server.documents import Documents
from apo_server.features import candidates, code_actions, code_lens, commands, diagnostics, hover
from apo_server.server import ApoLanguageServer

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
        types.TEXT_DOCUMENT_DID_OPEN: opened,
        types.TEXT_DOCUMENT_DID_CHANGE: changed,
        types.TEXT_DOCUMENT_DID_SAVE: saved,
        types.TEXT_DOCUMENT_DID_CLOSE: closed,
        types.TEXT_DOCUMENT_HOVER: show_hover,
        types.TEXT_DOCUMENT_CODE_LENS: show_lenses,
    }
    for method, handler in handlers.items():
        server.feature(method)(handler)
    server.command(commands.EVALUATE)(_job("evaluate"))
    server.command(commands.GRADIENTS)(_job("gradients"))
    server.command(commands.OPTIMIZE)(_job("optimize"))
    server.command(commands.CANCEL)(cancel)
    server.command(commands.IGNORE_CRITIQUE)(ignore_critique)
    server.command(commands.SHOW_CANDIDATES)(show_candidates)
    return server


def initialize(ls: ApoLanguageServer, params: types.InitializeParams) -> None:
    """Resolve what the client can do, and offer what it can use."""
    session = ls.session
    session.client = capabilities.resolve(params.capabilities)
    session.settings, wrong = settings.from_options(params.initialization_options)
    session.documents = Documents(session.client.encoding)
    ls.complaints = wrong
    if session.client.pull_diagnostics:
        options = types.DiagnosticOptions(
            identifier=diagnostics.SOURCE, inter_file_dependencies=False, workspace_diagnostics=False
        )
        ls.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, options)(pull_diagnostics)
    if session.client.action_literals:
        kinds = types.CodeActionOptions(
            code_action_kinds=[types.CodeActionKind.QuickFix], resolve_provider=session.client.action_resolve
        )
        ls.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)(show_actions)
    if session.client.action_resolve:
        ls.feature(types.CODE_ACTION_RESOLVE)(resolve_action)


async def initialized(ls: ApoLanguageServer, params: types.InitializedParams) -> None:
    """Load what a prompt needs, now that the client has its answer, and ask for the settings."""
    for complaint in ls.complaints:
        ls.screen.tell(complaint, Severity.WARNING)
    ls.spawn(asyncio.to_thread(_load_engine))
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


async def opened(ls: ApoLanguageServer, params: types.DidOpenTextDocumentParams) -> None:
    """Show what is wrong at once, and what is known as soon as it is read."""
    ls.screen.show_soon(params.text_document.uri)
    await ls.session.opened(params.text_document.uri)


def changed(ls: ApoLanguageServer, params: types.DidChangeTextDocumentParams) -> None:
    """Show what is wrong now."""
    ls.screen.show_soon(params.text_document.uri)


async def saved(ls: ApoLanguageServer, params: types.DidSaveTextDocumentParams) -> None:
    """Begin the background work that the settings ask for, for prompts that have examples."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ls.configured.wait(), _SETTINGS_WAIT)
    background = ls.session.settings.background
    view = ls.session.view(params.text_document.uri)
    if background != "off" and view is not None and "examples" in view.prompt.layer().values:
        ls.order(view.document.uri, background, asked=False)


def closed(ls: ApoLanguageServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the document; background work on it ends, what was asked for goes on."""
    uri = params.text_document.uri
    document = ls.session.documents.get(uri)
    if document is None:
        return
    ls.jobs.cancel(document.uri, asked_too=False)
    ls.session.closed(uri)
    if document.is_prompt:
        ls.screen.clear(document.uri)


def pull_diagnostics(
    ls: ApoLanguageServer, params: types.DocumentDiagnosticParams
) -> types.RelatedFullDocumentDiagnosticReport:
    """The diagnostics of a prompt, for clients that ask for them."""
    view = ls.session.view(params.text_document.uri)
    items = diagnostics.diagnostics(view, ls.session.client) if view else []
    return types.RelatedFullDocumentDiagnosticReport(items)


def show_hover(ls: ApoLanguageServer, params: types.HoverParams) -> types.Hover | None:
    """What is known about the passage under the pointer."""
    view = ls.session.view(params.text_document.uri)
    return hover.hover(view, params.position, ls.session.client) if view else None


def show_lenses(ls: ApoLanguageServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    """The lenses above a prompt."""
    view = ls.session.view(params.text_document.uri)
    if view is None or not ls.session.settings.trusted:
        return []
    running = ls.jobs.running(view.document.uri)
    return code_lens.code_lenses(view, running.job if running else None)


def show_actions(ls: ApoLanguageServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """The quick fixes of a selection."""
    view = ls.session.view(params.text_document.uri)
    return code_actions.code_actions(view, params, ls.session.client) if view else []


def resolve_action(ls: ApoLanguageServer, params: types.CodeAction) -> types.CodeAction:
    """A quick fix with its edit."""
    data = params.data if isinstance(params.data, dict) else {}
    view = ls.session.view(str(data.get("uri")))
    resolved = code_actions.resolve(view, params, ls.session.client)
    if resolved.edit is None and resolved.command is None:
        ls.screen.tell("The prompt has changed since this rewrite was measured.", Severity.WARNING)
    return resolved


def cancel(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.cancel`: end what runs for a prompt."""
    if arguments:
        ls.cancel(str(arguments[0]))


async def ignore_critique(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.ignoreCritique`: the prompt's address and the critique's id."""
    if len(arguments) >= 2:
        await ls.session.ignore(str(arguments[0]), str(arguments[1]))


async def show_candidates(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.showCandidates`: a page with the candidates of a prompt."""
    view = ls.session.view(str(arguments[0])) if arguments else None
    path = view.document.path if view is not None else None
    if view is None or path is None or view.known is None or not (view.known.rewrites or view.known.winner):
        ls.screen.tell("There are no candidates yet. Find critiques or optimize first.", Severity.INFORMATION)
        return
    page = candidates.page(path.name, view.known)
    try:
        file = await asyncio.to_thread(ls.session.store.save_page, path, page)
    except OSError as error:
        ls.screen.tell(f"The candidates cannot be written into {ls.session.cache}: {error.strerror}.", Severity.WARNING)
        return
    await ls.screen.show_page(file)


def _job(job: Job) -> Callable[..., None]:
    """A command that begins a job on the prompt that its first argument names."""

    def begin(ls: ApoLanguageServer, *arguments: object) -> None:
        if arguments:
            ls.order(str(arguments[0]), job, asked=True)

    return begin


def _load_engine() -> None:
    """Import what the first prompt needs, before it is opened."""
    from apo_engine.prompt import checks, difference, file  # noqa: F401


async def _fetch_configuration(ls: ApoLanguageServer) -> None:
    if not ls.session.client.configuration:
        return
    asked = types.ConfigurationParams([types.ConfigurationItem(section="apo")])
    answer = await ls.workspace_configuration_async(asked)
    if answer and answer[0]:
        _configure(ls, answer[0])


def _configure(ls: ApoLanguageServer, configuration: object) -> None:
    ls.session.settings, wrong = settings.updated(ls.session.settings, configuration)
    for complaint in wrong:
        ls.screen.tell(complaint, Severity.WARNING)
