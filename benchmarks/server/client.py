"""An editor's end of the pipe: every message is stamped the moment it has arrived, before anything is made of it."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

# A current editor that is pushed its diagnostics, with the versions they are about.
CAPABILITIES = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {"codeLens": {"refreshSupport": True}, "workspaceEdit": {"documentChanges": True}},
    "textDocument": {
        "publishDiagnostics": {"versionSupport": True, "relatedInformation": True},
        "hover": {"contentFormat": ["markdown"]},
        "completion": {"completionItem": {"snippetSupport": True}},
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
            "resolveSupport": {"properties": ["edit"]},
            "disabledSupport": True,
            "isPreferredSupport": True,
        },
    },
}
PATIENCE = 60.0


@dataclass(frozen=True)
class Message:
    """Something that the server sent, and when it was here; times are seconds of ``time.perf_counter``."""

    at: float
    content: Mapping[str, Any]

    @property
    def params(self) -> Any:
        return self.content.get("params")


class Client:
    """A server as a process, and one connection to it. Questions of the server are answered at once, with nothing."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.began = self.greeted = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=dict(environ), cwd=folder
        )
        self._ids = itertools.count(1)
        self._versions: dict[str, int] = {}
        self._arrived: queue.Queue[Message] = queue.Queue()
        self._kept: list[Message] = []
        self._writing = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.process.poll() is None:
            self.request("shutdown", None)
            self.notify("exit", None)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill()

    def kill(self) -> None:
        """End the process without a word."""
        self.process.kill()
        self.process.wait()

    def start(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Say hello; what the server can do."""
        uri = self.folder.as_uri()
        params = {
            "processId": None,
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": self.folder.name}],
            "capabilities": CAPABILITIES,
            "initializationOptions": options,
        }
        number, _ = self.send("initialize", params)
        answer = self.answer(number)
        self.greeted, result = answer.at, answer.content["result"]
        self.notify("initialized", {})
        found: dict[str, Any] = result["capabilities"]
        return found

    def notify(self, method: str, params: object) -> float:
        """Send a notification; when it was written."""
        return self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, method: str, params: object) -> tuple[int, float]:
        """Send a request; its id, and when it was written."""
        number = next(self._ids)
        return number, self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def request(self, method: str, params: object) -> tuple[Any, float]:
        """The answer to a request, and the seconds that it took."""
        number, sent = self.send(method, params)
        answer = self.answer(number)
        return answer.content.get("result"), answer.at - sent

    def answer(self, number: int) -> Message:
        """The answer to the request ``number``."""
        return self.wait(lambda message: message.content.get("id") == number and "method" not in message.content)

    def wait(self, wanted: Callable[[Message], object], seconds: float = PATIENCE) -> Message:
        """The first message like this that nobody has waited for yet."""
        deadline = time.perf_counter() + seconds
        for index, message in enumerate(self._kept):
            if wanted(message):
                return self._kept.pop(index)
        while True:
            try:
                message = self._arrived.get(timeout=max(0.0, deadline - time.perf_counter()))
            except queue.Empty:
                raise TimeoutError(f"no answer; the log ends: {self.log()[-2000:]}") from None
            if wanted(message):
                return message
            self._kept.append(message)

    def drain(self) -> list[Message]:
        """Every message that nobody has waited for, taken away."""
        while not self._arrived.empty():
            self._kept.append(self._arrived.get())
        kept, self._kept = self._kept, []
        return kept

    def open(self, name: str, text: str, language: str = "dotprompt") -> str:
        """Open a document; its address."""
        uri = (self.folder / name).as_uri()
        self._versions[uri] = 1
        self.notify(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}},
        )
        return uri

    def change(self, uri: str, changes: Sequence[Mapping[str, Any]]) -> tuple[int, float]:
        """Change a document; its new version, and when that was written."""
        self._versions[uri] += 1
        named = {"uri": uri, "version": self._versions[uri]}
        sent = self.notify("textDocument/didChange", {"textDocument": named, "contentChanges": changes})
        return self._versions[uri], sent

    def diagnostics(self, uri: str, version: int | None = None, seconds: float = PATIENCE) -> Message:
        """The diagnostics of a document, of exactly this version where one is given."""
        return self.wait(
            lambda message: (
                message.content.get("method") == "textDocument/publishDiagnostics"
                and message.params["uri"] == uri
                and (version is None or message.params.get("version") == version)
            ),
            seconds,
        )

    def command(self, name: str, *arguments: object) -> None:
        """Execute a command of the server."""
        self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def log(self) -> str:
        """What the server has written to its log."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def _write(self, content: Mapping[str, Any]) -> float:
        body = json.dumps(content).encode()
        assert self.process.stdin is not None
        with self._writing:
            now = time.perf_counter()
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.process.stdin.flush()
        return now

    def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        while line := stdout.readline():
            length = 0
            while line.strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                line = stdout.readline()
            body = stdout.read(length)
            now = time.perf_counter()
            content = json.loads(body)
            if "method" in content and "id" in content:
                self._write({"jsonrpc": "2.0", "id": content["id"], "result": _nothing(content)})
            self._arrived.put(Message(now, content))


def _nothing(content: Mapping[str, Any]) -> object:
    if content["method"] == "workspace/configuration":
        return [None] * len(content["params"]["items"])
    return None
