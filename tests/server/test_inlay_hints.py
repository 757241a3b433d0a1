"""Beside the text: tokens of each section and the cost of a call."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.problems import Problem
from apo_server.engine import WorkerDied
from apo_server.features.inlay_hints import inlay_hints
from apo_server.features.prices import dollars
from apo_server.lookups import Lookups
from apo_server.wire import Reply, Request
from tests.server.conftest import StartEditor
from tests.server.profiles import profile as known_profile
from tests.server.views import Desk, view_of

EVERYWHERE = types.Range(types.Position(0, 0), types.Position(1000, 0))
PROMPT = '---\nmodel: MODEL\n---\n{{role "system"}}\none two three\n{{role "user"}}\nfour {{text}} \\{{five\n'


async def hints(text: str, range_: types.Range = EVERYWHERE) -> list[tuple[int, str]]:
    """Line and label of each hint, once everything was looked up."""
    view, _ = view_of(text)
    desk = Desk()
    inlay_hints(view, range_, desk.lookups)
    await desk.settled()
    found = inlay_hints(view, range_, desk.lookups)
    return [(hint.position.line, str(hint.label)) for hint in found]


async def test_each_section_has_its_tokens_and_the_model_the_cost_of_a_call() -> None:
    assert await hints(PROMPT.replace("MODEL", "openai/gpt-4.1-mini")) == [
        (1, "5 tokens · from $0.000002 a call"),
        (3, "3 tokens"),
        (5, "2 tokens"),
    ]
    assert (await hints(PROMPT.replace("MODEL", "embedded/gemma-3-270m")))[0] == (1, "5 tokens · free, on this machine")
    assert (await hints(PROMPT.replace("MODEL", "nobody/x")))[0] == (1, "5 tokens")
    assert await hints("😀 one two\n") == [(0, "3 tokens")]
    assert await hints("") == []


async def test_only_what_is_in_sight_has_hints() -> None:
    line = types.Range(types.Position(3, 0), types.Position(4, 0))
    assert await hints(PROMPT.replace("MODEL", "openai/gpt-4.1-mini"), line) == [(3, "3 tokens")]


async def test_an_estimate_is_shown_until_the_tokens_are_counted_and_the_client_is_told() -> None:
    view, _ = view_of("one two three")
    desk = Desk()
    (hint,) = inlay_hints(view, EVERYWHERE, desk.lookups)
    assert hint.label == "≈ 4 tokens"
    await desk.settled()
    assert desk.changes == 1
    (hint,) = inlay_hints(view, EVERYWHERE, desk.lookups)
    assert hint.label == "3 tokens"
    await desk.settled()
    assert [request.do for request in desk.asked] == ["tokens"]


async def test_an_engine_that_fails_leaves_the_estimate_and_is_not_asked_in_a_circle() -> None:
    asked: list[Request] = []
    changes: list[None] = []

    async def fail(request: Request) -> Reply:
        asked.append(request)
        raise WorkerDied(Problem("engine-died", "The engine process ended."))

    lookups = Lookups(fail, lambda: changes.append(None), lambda: None)
    desk = Desk()
    for _ in range(3):
        assert lookups.tokens("openai/x", ["one two three"]) == ((4, True),)
        assert lookups.model("openai/x") is None
        await desk.settled()
    assert len(asked) == 6
    assert changes == []
    await lookups.close()


async def test_what_is_held_is_bounded() -> None:
    desk = Desk()
    for first in range(0, 2000, 500):
        desk.lookups.tokens("openai/x", [f"text {n}" for n in range(first, first + 500)])
        await desk.settled()
    assert desk.lookups.tokens("openai/x", ["text 1999"]) == ((2, False),)
    assert len(desk.lookups._counts) <= 512
    assert desk.lookups.tokens("openai/x", ["text 0"])[0][1]


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "$0"), (0.4, "$0.4"), (1.6, "$1.60"), (0.00016, "$0.00016"), (0.0001666, "$0.00017"), (12, "$12")],
)
def test_small_amounts_keep_two_digits(amount: float, words: str) -> None:
    assert dollars(amount) == words


@pytest.mark.parametrize("profile", ("visual-studio-code", "vscode-1.139", "helix", "neovim@v0.11.0", "emacs"))
async def test_an_editor_that_has_hints_is_shown_them(start: StartEditor, workspace: Path, profile: str) -> None:
    refreshed: list[None] = []
    features = {types.WORKSPACE_INLAY_HINT_REFRESH: lambda _: refreshed.append(None)}
    editor = await start(profile, options={"background": "off"}, features=features)
    assert editor.result is not None
    text_document = known_profile(profile).capabilities.text_document
    can = text_document is not None and text_document.inlay_hint is not None
    assert (editor.result.capabilities.inlay_hint_provider is not None) is can
    if not can:
        return
    uri = editor.open("tickets.prompt")
    params = types.InlayHintParams(types.TextDocumentIdentifier(uri), EVERYWHERE)
    found = await editor.client.text_document_inlay_hint_async(params)
    assert found
    assert found[0].position.line == 1
    # Tokens of a model that no tokenizer knows stay an estimate; that it runs on this machine is looked up.
    while "free, on this machine" not in str(found[0].label if found else ""):
        found = await editor.client.text_document_inlay_hint_async(params)
    assert found is not None
    assert all("token" in str(hint.label) for hint in found)
