"""The language server protocol as this server speaks it: with its own documents, and safe from any client."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

from apo_server.initialize_request import initialize_fault

if TYPE_CHECKING:
    from apo_server.server import ApoLanguageServer

_log = logging.getLogger(__name__)
_Steps = Generator[Any, Any, Any]
_MEMBERS = ("jsonrpc", "id", "method", "params")


class ApoProtocol(LanguageServerProtocol):
    """Takes the messages of one client, whatever it sends, and keeps its open documents in the session.

    The documents of pygls break lines where no editor does, and fail on changes of documents that are not open.
    """

    _server: ApoLanguageServer

    def __init__(self, server: ApoLanguageServer, converter: Any) -> None:
        super().__init__(server, converter)
        self._greeted = False
        self._farewell: Future[Any] | None = None

    def take(self, body: bytes) -> None:
        """Take one message. What cannot be read is logged; a request that cannot be served is refused."""
        try:
            data = json.loads(body)
        except ValueError:
            _log.warning("A message that is no JSON was left out.")
            return
        except RecursionError:
            # If it is a request, its client waits for an answer; its id cannot be read.
            text = "The message nests too deeply to be read."
            self._send_response(None, error=types.ResponseError(types.ErrorCodes.ParseError, text))  # type: ignore[arg-type]
            return
        if not isinstance(data, dict) or data.get("jsonrpc") != self.VERSION:
            _log.warning("A message that is none of the protocol was left out.")
            return
        if "method" in data:
            method, number = data["method"], data.get("id")
            if not isinstance(method, str) or ("id" in data and not _is_id(number)):
                _log.warning("A message without a proper method or id was left out.")
                return
            refusal = self._refusal(data)
            if refusal is not None:
                if number is not None:
                    self._send_response(number, error=refusal)
                return
            if self.get_message_type(method) is None:
                # What else an unknown message may hold would be taken for a fault of the server.
                data = {"params": None} | {name: data[name] for name in _MEMBERS if name in data}
        self._handle(data)

    async def settled(self) -> None:
        """What the last message began is under way; a shutdown is over, and answered."""
        if self._farewell is not None:
            await asyncio.wait([asyncio.wrap_future(self._farewell)])
            self._farewell = None
        await asyncio.sleep(0)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> _Steps:
        """The client introduces itself: the server's own handler runs, then the answer says what it can do."""
        result = yield from super().lsp_initialize(params)
        self._greeted = True
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: object) -> _Steps:
        """The client is about to leave: everything ends, and what is not answered by then never will be."""
        mine = self.msg_id
        self._farewell = self._request_futures.get(mine) if mine is not None else None
        yield from self._own_handler(types.SHUTDOWN, args[0] if args else None)
        # Cancelling a request answers it, which takes it out of the books.
        for number, future in list(self._request_futures.items()):
            if number != mine:
                future.cancel()
        self._shutdown = True

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: object) -> _Steps:
        """The client leaves; whoever reads its messages stops."""
        yield from self._own_handler(types.EXIT, args[0] if args else None)

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

    def _refusal(self, data: dict[str, Any]) -> types.ResponseError | None:
        """Why a message cannot be taken now."""
        method, number = data["method"], data.get("id")
        if method == types.EXIT:
            return None
        if self._shutdown:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "The server has been shut down.")
        if not self._greeted and method != types.INITIALIZE:
            return types.ResponseError(types.ErrorCodes.ServerNotInitialized, "The server is not initialized yet.")
        if self._greeted and method == types.INITIALIZE:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "The server is initialized already.")
        if number is not None and number in self._request_futures:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "A request of this id is under way.")
        fault = initialize_fault(data) if method == types.INITIALIZE else None
        return types.ResponseError(types.ErrorCodes.InvalidParams, fault) if fault is not None else None

    def _send_data(self, data: Any) -> None:
        """Say something. What cannot be put into JSON raises, so that a request it should answer is answered so."""
        # After a shutdown the client expects answers alone.
        if self.writer is None or (self._shutdown and hasattr(data, "method")):
            return
        body = json.dumps(data, default=self._serialize_message, separators=(",", ":")).encode()
        self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if self._include_headers else body)

    def _handle(self, data: dict[str, Any]) -> None:
        try:
            self.handle_message(self.structure_message(data))
        except JsonRpcException as error:
            if "method" not in data:
                self._handle_response(data.get("id"), error=error.to_response_error())
            elif "id" in data:
                self._send_response(data["id"], error=error.to_response_error())
        except Exception as error:  # the boundary: no message may end the connection
            self._server.report_server_error(error, JsonRpcException)

    def _execute_handler(self, msg_id: Any, handler: Any, callback: Any, args: Any = None, kwargs: Any = None) -> None:
        """Run a handler. The books of the library keep what notifications began; here it is struck out at its end."""
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        future = self._request_futures.get(msg_id)
        if future is not None:
            future.add_done_callback(lambda future: self._strike_out(msg_id, future))

    def _strike_out(self, msg_id: Any, future: object) -> None:
        if self._request_futures.get(msg_id) is future:
            del self._request_futures[msg_id]

    def _handle_response(
        self, msg_id: Any, result: Any | None = None, error: types.ResponseError | None = None
    ) -> None:
        """The client answers; an answer that nobody waits for any more is left out."""
        if not _is_id(msg_id):
            return
        self._result_types.pop(msg_id, None)
        future = self._request_futures.get(msg_id)
        if future is None or future.done():
            self._request_futures.pop(msg_id, None)
            _log.debug("An answer came too late.")
        else:
            super()._handle_response(msg_id, result, error)

    def _handle_cancel_notification(self, msg_id: Any) -> None:
        """The client does not want an answer any more; most often it has it already."""
        if msg_id in self._request_futures:
            super()._handle_cancel_notification(msg_id)

    def _own_handler(self, method: str, params: object) -> _Steps:
        handler = self.fm.features.get(method)
        if handler is not None:
            yield handler, (params,), None


def _is_id(number: object) -> bool:
    return isinstance(number, (int, str)) and not isinstance(number, bool)
