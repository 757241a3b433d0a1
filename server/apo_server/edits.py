"""Edits of a document as the client takes them: tied to its version where the client can tell versions apart."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types

from apo_engine.positions import Span
from apo_server.capabilities import ClientCapabilities
from apo_server.documents import Document
from apo_server.view import PromptView


def workspace_edit(
    view: PromptView, edits: Iterable[tuple[Span, str]], client: ClientCapabilities
) -> types.WorkspaceEdit:
    """Edits of one version of a prompt; spans are offsets of the prompt's text."""
    return document_edit(view.document, [(view.range(span), new) for span, new in edits], client)


def document_edit(
    document: Document, edits: Iterable[tuple[types.Range, str]], client: ClientCapabilities
) -> types.WorkspaceEdit:
    """Edits of one version of any document."""
    changes = [types.TextEdit(range_, new) for range_, new in edits]
    if not client.versioned_edits:
        return types.WorkspaceEdit(changes={document.uri: changes})
    named = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(named, list(changes))])
