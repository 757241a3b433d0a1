"""Which request about a prompt goes to which feature, and what each client is offered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from apo_server.capabilities import ClientCapabilities
from apo_server.features import diagnostics
from apo_server.token_legend import legend

if TYPE_CHECKING:
    from apo_server.documents import Document
    from apo_server.server import ApoLanguageServer
    from apo_server.session import Session
    from apo_server.view import PromptView

# Characters after which something else can be named; a space ends the name of a helper or key.
_TRIGGERS = ("{", '"', ":", "/", ">", "@", ".", "#", " ")


def _always(_: ClientCapabilities) -> bool:
    return True


def _plain(_: ClientCapabilities) -> object | None:
    return None


def _nothing(_params: Any, _session: Session) -> object | None:
    return None


@dataclass(frozen=True, slots=True)
class Provider:
    """A request of a method about a prompt is answered by ``answer``, from what is known already: at once.

    One that must read many files is answered by a coroutine, beside other requests.

    ``offered`` says which clients hear of it, ``options`` with which options; ``otherwise`` is the answer about a
    document that is no open prompt.
    """

    method: str
    answer: Callable[[PromptView, Any, Session], object]
    offered: Callable[[ClientCapabilities], bool] = _always
    options: Callable[[ClientCapabilities], object | None] = _plain
    otherwise: Callable[[Any, Session], object | None] = _nothing


def offer(server: ApoLanguageServer) -> None:
    """Register what the client, whose capabilities are known by now, can use."""
    for provider in PROVIDERS:
        if provider.offered(server.session.client):
            options = provider.options(server.session.client)
            server.feature(provider.method, options)(_handler(provider))


def _handler(provider: Provider) -> Callable[..., object]:
    def answer(ls: ApoLanguageServer, params: Any) -> object:
        view = ls.session.view(params.text_document.uri)
        if view is None:
            return provider.otherwise(params, ls.session)
        return provider.answer(view, params, ls.session)

    async def answer_later(ls: ApoLanguageServer, params: Any) -> object:
        found = answer(ls, params)
        return await found if isinstance(found, Awaitable) else found

    return answer_later if asyncio.iscoroutinefunction(provider.answer) else answer


def _hover(view: PromptView, params: types.HoverParams, session: Session) -> types.Hover | None:
    # What a feature needs is imported when it is first used, not before the server's first answer.
    from apo_server.features import hover

    return hover.hover(view, params.position, session.client, session.lookups)


def _completion(view: PromptView, params: types.CompletionParams, session: Session) -> types.CompletionList:
    from apo_server.features.completion import completions

    return completions(view, params.position, session.client, session.lookups, session.texts.roots)


def _completion_options(_: ClientCapabilities) -> types.CompletionOptions:
    return types.CompletionOptions(trigger_characters=_TRIGGERS, resolve_provider=False)


def _definition(
    view: PromptView, params: types.DefinitionParams, session: Session
) -> list[types.Location] | list[types.LocationLink]:
    from apo_server.features.navigation import definition

    return _linked(definition(view, params.position, session.texts), session)


def _column_definition(
    params: types.DefinitionParams, session: Session
) -> list[types.Location] | list[types.LocationLink]:
    from apo_server.features.row_navigation import column_definition

    document = session.documents.get(params.text_document.uri)
    found = column_definition(document, params.position, _naming(document, session)) if document else []
    return _linked(found, session)


def _linked(
    found: list[tuple[types.Range, types.Location]], session: Session
) -> list[types.Location] | list[types.LocationLink]:
    if not session.client.definition_links:
        return [place for _, place in found]
    return [types.LocationLink(place.uri, place.range, place.range, origin) for origin, place in found]


def _naming(document: Document, session: Session) -> list[PromptView]:
    """The open prompts that name an example file."""
    surveys = session.surveys_of(document.path) if document.path is not None else ()
    return [view for uri in surveys if (view := session.view(uri)) is not None]


async def _references(view: PromptView, params: types.ReferenceParams, session: Session) -> list[types.Location]:
    from apo_server.features.navigation import included_elsewhere, partial_at, references

    found = references(view, params.position, session.texts, declarations=params.context.include_declaration)
    partial = partial_at(view, params.position)
    if partial is None:
        return found
    opened = {document.path: document for document in session.documents if document.path is not None}
    return [*found, *await asyncio.to_thread(included_elsewhere, view, partial, opened)]


def _column_references(params: types.ReferenceParams, session: Session) -> list[types.Location]:
    from apo_server.features.row_navigation import column_references

    document = session.documents.get(params.text_document.uri)
    if document is None:
        return []
    declarations = params.context.include_declaration
    return column_references(document, params.position, _naming(document, session), declarations=declarations)


def _highlights(view: PromptView, params: types.DocumentHighlightParams, _: Session) -> list[types.DocumentHighlight]:
    from apo_server.features.navigation import highlights

    return highlights(view, params.position)


def _links(view: PromptView, _params: types.DocumentLinkParams, _: Session) -> list[types.DocumentLink]:
    from apo_server.features.navigation import links

    return links(view)


def _rename(view: PromptView, params: types.RenameParams, session: Session) -> types.WorkspaceEdit | None:
    from apo_server.features.rename import rename

    return rename(view, params.position, params.new_name, session.client, session.texts)


def _prepare_rename(
    view: PromptView, params: types.PrepareRenameParams, _: Session
) -> types.PrepareRenamePlaceholder | None:
    from apo_server.features.rename import prepare

    return prepare(view, params.position)


def _rename_options(client: ClientCapabilities) -> types.RenameOptions:
    return types.RenameOptions(prepare_provider=client.prepare_rename)


def _symbols(
    view: PromptView, _: types.DocumentSymbolParams, session: Session
) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    from apo_server.features.outline import symbols

    return symbols(view, nested=session.client.nested_symbols)


def _folding(view: PromptView, _params: types.FoldingRangeParams, _: Session) -> list[types.FoldingRange]:
    from apo_server.features.outline import folding

    return folding(view)


def _selections(view: PromptView, params: types.SelectionRangeParams, _: Session) -> list[types.SelectionRange]:
    from apo_server.features.outline import selections

    return selections(view, list(params.positions))


def _semantic_tokens(
    view: PromptView, params: types.SemanticTokensParams | types.SemanticTokensRangeParams, session: Session
) -> types.SemanticTokens:
    from apo_server.features.semantic_tokens import semantic_tokens

    return semantic_tokens(view, _token_legend(session.client), getattr(params, "range", None))


def _token_legend(client: ClientCapabilities) -> types.SemanticTokensLegend:
    return legend(client.token_types, client.token_modifiers)


def _inlay_hints(view: PromptView, params: types.InlayHintParams, session: Session) -> list[types.InlayHint]:
    from apo_server.features.inlay_hints import inlay_hints

    return inlay_hints(view, params.range, session.lookups)


def _code_actions(view: PromptView, params: types.CodeActionParams, session: Session) -> list[types.CodeAction]:
    from apo_server.features import code_actions, repairs

    if not code_actions.wanted(params.context.only):
        return []
    offered = code_actions.code_actions(view, params, session.client)
    return [*repairs.repairs(view, params, session.client), *offered]


def _row_actions(params: types.CodeActionParams, session: Session) -> list[types.CodeAction]:
    from apo_server.features import code_actions, row_actions

    document = session.documents.get(params.text_document.uri)
    if document is None or document.path is None or not code_actions.wanted(params.context.only):
        return []
    surveys = session.surveys_of(document.path)
    return row_actions.row_actions(document, params.range.start.line + 1, surveys, session.client)


def _code_action_options(client: ClientCapabilities) -> types.CodeActionOptions:
    kinds = [types.CodeActionKind.QuickFix]
    return types.CodeActionOptions(code_action_kinds=kinds, resolve_provider=client.action_resolve)


def _pulled(
    view: PromptView, _: types.DocumentDiagnosticParams, session: Session
) -> types.RelatedFullDocumentDiagnosticReport:
    return types.RelatedFullDocumentDiagnosticReport(diagnostics.diagnostics(view, session.client))


def _pull_options(_: ClientCapabilities) -> types.DiagnosticOptions:
    return types.DiagnosticOptions(
        identifier=diagnostics.SOURCE, inter_file_dependencies=True, workspace_diagnostics=False
    )


PROVIDERS = (
    Provider(types.TEXT_DOCUMENT_HOVER, _hover),
    Provider(types.TEXT_DOCUMENT_COMPLETION, _completion, options=_completion_options),
    Provider(types.TEXT_DOCUMENT_DEFINITION, _definition, otherwise=_column_definition),
    Provider(types.TEXT_DOCUMENT_REFERENCES, _references, otherwise=_column_references),
    Provider(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, _highlights),
    Provider(types.TEXT_DOCUMENT_DOCUMENT_LINK, _links, options=lambda _: types.DocumentLinkOptions()),
    Provider(types.TEXT_DOCUMENT_PREPARE_RENAME, _prepare_rename, offered=lambda client: client.prepare_rename),
    Provider(types.TEXT_DOCUMENT_RENAME, _rename, options=_rename_options),
    Provider(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols),
    Provider(types.TEXT_DOCUMENT_FOLDING_RANGE, _folding),
    Provider(types.TEXT_DOCUMENT_SELECTION_RANGE, _selections),
    Provider(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
        _semantic_tokens,
        offered=lambda client: bool(client.token_types),
        options=_token_legend,
    ),
    Provider(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE,
        _semantic_tokens,
        offered=lambda client: bool(client.token_types),
        options=_token_legend,
    ),
    Provider(types.TEXT_DOCUMENT_INLAY_HINT, _inlay_hints, offered=lambda client: client.inlay_hints),
    Provider(
        types.TEXT_DOCUMENT_CODE_ACTION,
        _code_actions,
        offered=lambda client: client.action_literals,
        options=_code_action_options,
        otherwise=_row_actions,
    ),
    Provider(
        types.TEXT_DOCUMENT_DIAGNOSTIC,
        _pulled,
        offered=lambda client: client.pull_diagnostics,
        options=_pull_options,
        otherwise=lambda _params, _session: types.RelatedFullDocumentDiagnosticReport([]),
    ),
)
