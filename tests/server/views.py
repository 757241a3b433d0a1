"""Prompts as the server sees them, without a server: a text with a mark where the caret is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lsprotocol import types

from apo_engine.examples.facts import ColumnFacts, ExampleFacts, FileFacts, LabelFacts
from apo_engine.models.listed import ListedModel
from apo_engine.models.tokens import TokenCounts
from apo_engine.prompt.file import parse_prompt
from apo_server.documents import Document
from apo_server.lookups import Lookups
from apo_server.positions import Encoding
from apo_server.view import PromptView
from apo_server.wire import Reply, Request

CARET = "‸"
MODELS = (
    ListedModel("openai/gpt-4.1-mini", 0.4, 1.6, 1_000_000),
    ListedModel("embedded/gemma-3-270m", 0.0, 0.0, local=True),
)


def view_of(
    text: str, facts: ExampleFacts | None = None, path: Path | None = None, encoding: Encoding = "utf-16"
) -> tuple[PromptView, types.Position]:
    """The view of a text, and the position of its caret; the text's beginning where it has none."""
    offset = max(0, text.find(CARET))
    text = text.replace(CARET, "", 1)
    uri = path.as_uri() if path else "untitled:prompt"
    document = Document(uri, "dotprompt", 1, text, encoding)
    view = PromptView(document, parse_prompt(text, path), facts=facts)
    return view, document.positions.position(offset)


def facts(path: str = "rows.jsonl") -> ExampleFacts:
    """Facts of rows whose words mean something in Markdown."""
    columns = (
        ColumnFacts("text", "text", 1, ("The *parcel* is late", "<b>No</b> invoice", "third", "fourth")),
        ColumnFacts("tone of voice", "tone of voice", 1, ("calm",)),
    )
    labels = (LabelFacts("billing", 40, 1, path), LabelFacts("shipping", 60, 2, path))
    return ExampleFacts((FileFacts(path, 100),), columns, "label", labels)


class Desk:
    """Stands in for the engine process: knows two models, and counts one token a word."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.changes = 0
        self.lookups = Lookups(self.ask, self.changed, lambda: None)

    def changed(self) -> None:
        self.changes += 1

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.do == "tokens":
            return Reply(0, tokens=TokenCounts(tuple(len(text.split()) for text in request.texts), estimated=False))
        named = tuple(model for model in MODELS if request.model in ("", model.name))
        return Reply(0, models=named or (ListedModel(request.model, known=False),))

    async def settled(self) -> None:
        """Wait until everything that was asked for is answered."""
        while tasks := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            await asyncio.wait(tasks)
