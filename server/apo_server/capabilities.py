"""What the client can do, resolved once, so that no feature asks twice or assumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from lsprotocol import types

from apo_server.positions import Encoding


@dataclass(frozen=True, slots=True)
class ClientCapabilities:
    """One flag for each optional feature that this server uses where the client has it, and never elsewhere."""

    encoding: Encoding = "utf-16"
    pull_diagnostics: bool = False
    diagnostic_refresh: bool = False
    diagnostic_versions: bool = False
    related_information: bool = False
    markdown_hover: bool = False
    action_literals: bool = False
    action_resolve: bool = False
    action_disabled: bool = False
    action_preferred: bool = False
    code_lens_refresh: bool = False
    progress: bool = False
    show_document: bool = False
    versioned_edits: bool = False
    configuration: bool = False
    file_watching: bool = False
    sync_registration: bool = False
    rename_notices: bool = False
    action_registration: bool = False
    definition_registration: bool = False
    reference_registration: bool = False
    snippets: bool = False
    inlay_hints: bool = False
    hint_refresh: bool = False
    definition_links: bool = False
    prepare_rename: bool = False
    nested_symbols: bool = False
    token_types: tuple[str, ...] = ()
    token_modifiers: tuple[str, ...] = ()
    status: bool = False


def resolve(capabilities: types.ClientCapabilities) -> ClientCapabilities:
    """The flags that the client's capabilities stand for.

    Diagnostics are pulled only by a client that can also be told to pull again when a run ends; they are pushed to
    every other, so that no finding is ever shown twice or late.
    """
    text = capabilities.text_document or types.TextDocumentClientCapabilities()
    space = capabilities.workspace or types.WorkspaceClientCapabilities()
    window = capabilities.window or types.WindowClientCapabilities()
    action = text.code_action or types.CodeActionClientCapabilities()
    published = text.publish_diagnostics or types.PublishDiagnosticsClientCapabilities()
    resolvable = action.resolve_support.properties if action.resolve_support else ()
    refresh = bool(space.diagnostics and space.diagnostics.refresh_support)
    item = (text.completion.completion_item if text.completion else None) or types.ClientCompletionItemOptions()
    hover = (text.hover.content_format if text.hover else None) or ()
    return ClientCapabilities(
        encoding=_encoding(capabilities),
        pull_diagnostics=text.diagnostic is not None and refresh,
        diagnostic_refresh=refresh,
        diagnostic_versions=bool(published.version_support),
        related_information=bool(published.related_information),
        markdown_hover=types.MarkupKind.Markdown in hover,
        action_literals=action.code_action_literal_support is not None,
        action_resolve="edit" in resolvable,
        action_disabled=bool(action.disabled_support),
        action_preferred=bool(action.is_preferred_support),
        code_lens_refresh=bool(space.code_lens and space.code_lens.refresh_support),
        progress=bool(window.work_done_progress),
        show_document=bool(window.show_document and window.show_document.support),
        versioned_edits=bool(space.workspace_edit and space.workspace_edit.document_changes),
        configuration=bool(space.configuration),
        file_watching=bool(space.did_change_watched_files and space.did_change_watched_files.dynamic_registration),
        sync_registration=bool(text.synchronization and text.synchronization.dynamic_registration),
        action_registration=bool(action.dynamic_registration),
        definition_registration=bool(text.definition and text.definition.dynamic_registration),
        reference_registration=bool(text.references and text.references.dynamic_registration),
        snippets=bool(item.snippet_support),
        inlay_hints=text.inlay_hint is not None,
        hint_refresh=bool(space.inlay_hint and space.inlay_hint.refresh_support),
        definition_links=bool(text.definition and text.definition.link_support),
        prepare_rename=bool(text.rename and text.rename.prepare_support),
        nested_symbols=bool(text.document_symbol and text.document_symbol.hierarchical_document_symbol_support),
        token_types=tuple(text.semantic_tokens.token_types) if text.semantic_tokens else (),
        token_modifiers=tuple(text.semantic_tokens.token_modifiers) if text.semantic_tokens else (),
        rename_notices=bool(space.file_operations and space.file_operations.did_rename),
        status=_experimental(capabilities, "apoStatus"),
    )


def _experimental(capabilities: types.ClientCapabilities, name: str) -> bool:
    """Whether the client has something that no version of the protocol knows of; it comes as whatever was sent."""
    given = capabilities.experimental
    return (given.get(name) if isinstance(given, dict) else getattr(given, name, None)) is True


def _encoding(capabilities: types.ClientCapabilities) -> Encoding:
    """The client's first choice among the encodings that exist; UTF-16 where it names none."""
    offered = (capabilities.general.position_encodings if capabilities.general else None) or ()
    for encoding in offered:
        name = encoding.value if isinstance(encoding, types.PositionEncodingKind) else encoding
        if name in get_args(Encoding):
            return cast("Encoding", name)
    return "utf-16"
