"""An editor in a test: a real server process over stdio, driven through one of several clients' capabilities."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cattrs import Converter
from lsprotocol import types
from pygls.protocol import JsonRPCNotification, JsonRPCResponseMessage, default_converter
from pytest_lsp import ClientServerConfig, LanguageClient
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features

from apo_engine.positions import Span
from apo_server.positions import Encoding, PositionMapper
from tests.server.profiles import profile as known_profile

FoundT = TypeVar("FoundT")
PROFILES = ("visual-studio-code", "neovim@v0.7.0", "neovim@v0.11.0", "emacs")


class Editor:
    """Documents as the user sees them, and what the server has shown so far."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.encoding: Encoding = "utf-16"
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: list[types.PublishDiagnosticsParams] = []
        self.pulled: dict[str, Sequence[types.Diagnostic]] = {}
        self.questions: list[types.ShowMessageRequestParams] = []
        self.answer: str | None = None
        self.while_asked: Callable[[], object] = lambda: None
        self.result: types.InitializeResult | None = None
        self.pulls = False
        self.shows_progress = False
        self._open: list[str] = []
        self._pushed: dict[str, Sequence[types.Diagnostic]] = {}
        self._pulls: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @staticmethod
    async def start(
        folder: Path,
        environ: Mapping[str, str],
        profile: str | types.ClientCapabilities = "visual-studio-code",
        options: Mapping[str, Any] | None = None,
        configuration: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        features: Mapping[str, Callable[..., Any]] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "apo_server"),
    ) -> Editor:
        """Start a server and say hello."""
        config = ClientServerConfig(
            server_command=[*command, *arguments], client_factory=_client, server_env=dict(environ)
        )
        client = await config.start()
        assert isinstance(client, LanguageClient)
        editor = Editor(client, folder)
        client.set_configuration(dict(configuration) if configuration else None, section="apo")

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            editor.published.append(params)
            editor._pushed[params.uri] = params.diagnostics
            editor._shown(params.uri)

        @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def question(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
            editor.questions.append(params)
            editor.while_asked()
            return types.MessageActionItem(editor.answer) if editor.answer else None

        @client.feature(types.WORKSPACE_DIAGNOSTIC_REFRESH)
        def pull_again(_: None) -> None:
            client.diagnostic_refresh_count += 1
            editor._pull(*editor._open)

        def refresh(_: None) -> None:
            return None

        for method, feature in {types.WORKSPACE_CODE_LENS_REFRESH: refresh, **(features or {})}.items():
            client.feature(method)(feature)
        capabilities = known_profile(profile).capabilities if isinstance(profile, str) else profile
        editor.result = await client.initialize_session(
            types.InitializeParams(
                capabilities=capabilities,
                initialization_options=dict(options) if options else None,
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
            )
        )
        editor.pulls = editor.result.capabilities.diagnostic_provider is not None
        editor.shows_progress = bool(capabilities.window and capabilities.window.work_done_progress)
        chosen = editor.result.capabilities.position_encoding
        if chosen is not None:
            editor.encoding = getattr(chosen, "value", chosen)
        return editor

    def send_raw(self, body: bytes) -> None:
        """Send a message that no client would."""
        assert self.server.stdin
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def stop(self) -> None:
        """Say goodbye; the server must end by itself and in peace."""
        await asyncio.wait_for(self.client.shutdown_session(), 10)
        assert self.server.returncode == 0
        await self.client.stop()

    @property
    def server(self) -> asyncio.subprocess.Process:
        process = self.client._server
        assert process is not None
        return process

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> str:
        """Open a file, or a text under its name; its address."""
        uri = self.uri(name)
        if text is None:
            text = (self.folder / name).read_bytes().decode()
        self.texts[uri], self.versions[uri] = text, 1
        language = "dotprompt" if name.endswith(".prompt") else name.rpartition(".")[2]
        item = types.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        if language == "dotprompt":
            self._open.append(uri)
            self._pull(uri)
        return uri

    def positions(self, uri: str) -> PositionMapper:
        return PositionMapper(self.texts[uri], self.encoding)

    def edit(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        """Change a document as a text edit asks, telling the server range by range."""
        mapper = self.positions(uri)
        spans = sorted(((mapper.span(edit.range), edit) for edit in edits), key=lambda pair: pair[0], reverse=True)
        changes = []
        text = self.texts[uri]
        for span, edit in spans:
            changes.append(types.TextDocumentContentChangePartial(range=edit.range, text=edit.new_text))
            text = text[: span.start] + edit.new_text + text[span.end :]
        self._changed(uri, text, changes)

    def replace(self, uri: str, old: str, new: str) -> None:
        """Replace the one occurrence of ``old``."""
        assert self.texts[uri].count(old) == 1
        at = self.texts[uri].index(old)
        self.edit(uri, [types.TextEdit(self.positions(uri).range(Span(at, at + len(old))), new)])

    def write(self, uri: str, text: str) -> None:
        """Replace the whole text."""
        self._changed(uri, text, [types.TextDocumentContentChangeWholeDocument(text)])

    def save(self, uri: str) -> None:
        """Write the document to disk and say so."""
        path = self.folder / uri.rpartition("/")[2]
        path.write_bytes(self.texts[uri].encode())
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))

    def close(self, uri: str) -> None:
        if uri in self._open:
            self._open.remove(uri)
        self._pulls[uri] = self._pulls.get(uri, 0) + 1
        self.pulled.pop(uri, None)
        self._shown(uri)
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    def _changed(self, uri: str, text: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        self.texts[uri] = text
        self.versions[uri] += 1
        named = types.VersionedTextDocumentIdentifier(uri=uri, version=self.versions[uri])
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(named, list(changes)))
        self._pull(uri)

    def _pull(self, *uris: str) -> None:
        """Ask for the diagnostics of open prompts, where the server has them to be asked for."""
        for uri in uris if self.pulls else ():
            self._pulls[uri] = self._pulls.get(uri, 0) + 1
            task = asyncio.ensure_future(self._pulled(uri, self._pulls[uri]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pulled(self, uri: str, number: int) -> None:
        params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
        report = await self.client.text_document_diagnostic_async(params)
        assert isinstance(report, types.RelatedFullDocumentDiagnosticReport)
        # Only the answer to the latest question is about the text as it is.
        if self._pulls[uri] == number:
            self.pulled[uri] = report.items
            self._shown(uri)

    def _shown(self, uri: str) -> None:
        """What is pushed and what is pulled stand side by side, as they do in an editor."""
        self.client.diagnostics[uri] = [*self._pushed.get(uri, ()), *self.pulled.get(uri, ())]

    def diagnostics(self, uri: str, code: str | None = None) -> list[types.Diagnostic]:
        """What is shown for a document now."""
        shown = self.client.diagnostics.get(uri, ())
        return [diagnostic for diagnostic in shown if code is None or diagnostic.code == code]

    def marked(self, uri: str, diagnostic: types.Diagnostic) -> str:
        """The text under a diagnostic."""
        return self.positions(uri).span(diagnostic.range).of(self.texts[uri])

    async def until(self, found: Callable[[], FoundT], seconds: float = 20) -> FoundT:
        """Wait until ``found`` gives something true."""
        deadline = time.monotonic() + seconds
        while not (value := found()):
            if time.monotonic() > deadline:
                messages = [message.message for message in self.client.messages]
                raise AssertionError(f"it never came; messages: {messages}; shown: {self.client.diagnostics}")
            await asyncio.sleep(0.02)
        return value

    async def critiques(self, uri: str) -> list[types.Diagnostic]:
        """The critiques, once there are any."""
        return await self.until(lambda: self.diagnostics(uri, "critique"))

    async def run(self, uri: str) -> list[types.Diagnostic]:
        """Save, wait for the end of the run, and give the critiques."""
        if not self.shows_progress:
            self.save(uri)
            await self.lens(uri, "Cancel")
            await self.until_idle(uri)
            return self.diagnostics(uri, "critique")
        before = len(self.progress())
        self.save(uri)
        await self.until(lambda: len(self.progress()) > before and self.finished())
        return self.diagnostics(uri, "critique")

    async def until_idle(self, uri: str, seconds: float = 20) -> None:
        """Wait until nothing runs for a prompt, by its lenses."""
        deadline = time.monotonic() + seconds
        while "Cancel" in await self.lenses(uri):
            assert time.monotonic() < deadline, "the run never ended"
            await asyncio.sleep(0.05)

    def finished(self) -> bool:
        """Whether the last run has ended."""
        last = self.progress()[-1]
        return bool(last) and isinstance(last[-1], types.WorkDoneProgressEnd)

    async def command(self, name: str, *arguments: object) -> Any:
        return await self.client.workspace_execute_command_async(types.ExecuteCommandParams(name, list(arguments)))

    async def hover(self, uri: str, at: types.Position) -> str | None:
        found = await self.client.text_document_hover_async(types.HoverParams(types.TextDocumentIdentifier(uri), at))
        if found is None:
            return None
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    async def lenses(self, uri: str) -> list[str]:
        """The titles above the document."""
        found = await self.client.text_document_code_lens_async(types.CodeLensParams(types.TextDocumentIdentifier(uri)))
        return [lens.command.title for lens in found or () if lens.command]

    async def lens(self, uri: str, beginning: str, seconds: float = 20) -> str:
        """The title of the lens that begins so, once it is there."""
        deadline = time.monotonic() + seconds
        while True:
            titles = await self.lenses(uri)
            match = next((title for title in titles if title.startswith(beginning)), None)
            if match is not None:
                return match
            assert time.monotonic() < deadline, f"no lens {beginning!r}, only {titles}"
            await asyncio.sleep(0.05)

    async def actions(self, uri: str, range_: types.Range) -> list[types.CodeAction]:
        """The code actions for a range."""
        context = types.CodeActionContext(diagnostics=[])
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), range_, context)
        found = await self.client.text_document_code_action_async(params)
        return [action for action in found or () if isinstance(action, types.CodeAction)]

    async def apply(self, action: types.CodeAction) -> None:
        """Apply a code action, resolving it first where it came without its edit."""
        if action.edit is None:
            action = await self.client.code_action_resolve_async(action)
        assert action.edit is not None
        for change in action.edit.document_changes or ():
            assert isinstance(change, types.TextDocumentEdit)
            assert change.text_document.version == self.versions[change.text_document.uri]
            self.edit(change.text_document.uri, [edit for edit in change.edits if isinstance(edit, types.TextEdit)])
        for uri, edits in (action.edit.changes or {}).items():
            self.edit(uri, edits)

    def progress(self) -> list[list[Any]]:
        """The reports of each run, in order."""
        return [list(reports) for reports in self.client.progress_reports.values()]

    def messages(self) -> list[str]:
        return [message.message for message in self.client.messages]


def _client() -> LanguageClient:
    """A client that leaves the showing of diagnostics to the editor."""
    own = (types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, types.WORKSPACE_DIAGNOSTIC_REFRESH)
    features = {name: feature for name, feature in DEFAULT_CLIENT_FEATURES.items() if name not in own}
    client = LanguageClient(converter_factory=_converter)
    register_lsp_features(client, features)
    return client


def _converter() -> Converter:
    """The protocol's converter, but for what it spoils: actions with a command, and answers that are plain objects."""
    converter = default_converter()
    for plain in (JsonRPCResponseMessage, JsonRPCNotification):
        converter.register_structure_hook(plain, lambda given, kind: kind(**given))

    def structure(value: Any, _: object) -> types.Command | types.CodeAction:
        return converter.structure(value, types.Command if isinstance(value.get("command"), str) else types.CodeAction)

    converter.register_structure_hook(types.Command | types.CodeAction, structure)
    return converter


def environment(cache: Path, base_url: str) -> dict[str, str]:
    """A server's environment: the scripted endpoint, and folders of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "APO_"))}
    return {
        **environ,
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "sk-scripted",
        "APO_CACHE_DIR": str(cache),
        "XDG_CONFIG_HOME": str(cache / "config"),
    }
