"""The language server protocol as this server speaks it: with its own documents."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

if TYPE_CHECKING:
    from apo_server.server import ApoLanguageServer

_Steps = Generator[Any, Any, None]


class ApoProtocol(LanguageServerProtocol):
    """Keeps open documents in the session.

    The documents of pygls break lines where no editor does, and fail on changes of documents that are not open.
    """

    _server: ApoLanguageServer

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> _Steps:
        """A document is opened: it is kept, then the server's own handler runs."""
        self._server.session.documents.open(params.text_document)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> _Steps:
        """A document is changed."""
        self._server.session.documents.change(params)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> _Steps:
        """A document is closed; the server's own handler forgets it."""
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CLOSE, params)

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Read a message; a request that cannot be read is answered with an error, so that nobody waits for it."""
        is_request = "jsonrpc" in data and "id" in data and "method" in data
        if is_request and self.get_message_type(str(data["method"])) is None:
            data.setdefault("params", None)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if is_request and isinstance(data["id"], (int, str)):
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def _own_handler(self, method: str, params: object) -> _Steps:
        handler = self.fm.features.get(method)
        if handler is not None:
            yield handler, (params,), None
