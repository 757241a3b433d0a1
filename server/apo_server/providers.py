"""Which request about a prompt goes to which feature, and what each client is offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from apo_server.capabilities import ClientCapabilities
from apo_server.features import code_actions, diagnostics, hover, repairs, row_actions

if TYPE_CHECKING:
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

    return answer


def _hover(view: PromptView, params: types.HoverParams, session: Session) -> types.Hover | None:
    return hover.hover(view, params.position, session.client, session.lookups)


def _completion(view: PromptView, params: types.CompletionParams, session: Session) -> types.CompletionList:
    # What a prompt's structure is needed for is imported with the first prompt, not before the first answer.
    from apo_server.features.completion import completions

    return completions(view, params.position, session.client, session.lookups)


def _completion_options(_: ClientCapabilities) -> types.CompletionOptions:
    return types.CompletionOptions(trigger_characters=_TRIGGERS, resolve_provider=False)


def _inlay_hints(view: PromptView, params: types.InlayHintParams, session: Session) -> list[types.InlayHint]:
    from apo_server.features.inlay_hints import inlay_hints

    return inlay_hints(view, params.range, session.lookups)


def _code_actions(view: PromptView, params: types.CodeActionParams, session: Session) -> list[types.CodeAction]:
    if not code_actions.wanted(params.context.only):
        return []
    offered = code_actions.code_actions(view, params, session.client)
    return [*repairs.repairs(view, params, session.client), *offered]


def _row_actions(params: types.CodeActionParams, session: Session) -> list[types.CodeAction]:
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
