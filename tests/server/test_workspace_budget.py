"""What a workspace may spend in a day holds for all its runs, over restarts, and is told calmly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor


@pytest.fixture
def away(scripted: ScriptedServer) -> dict[str, Any]:
    """A client whose requests leave the machine, with leave to do so."""
    elsewhere = {"OPENAI_BASE_URL": scripted.base_url.replace("127.0.0.1", "0.0.0.0")}
    return {
        "environ": elsewhere,
        "options": {"consent": True, "background": "evaluate", "workspaceBudget": {"calls": 50}},
    }


async def test_a_run_ends_where_the_day_has_nothing_left_and_so_does_the_next(
    start: StartEditor, scripted: ScriptedServer, away: dict[str, Any]
) -> None:
    editor = await start(**away)
    uri = editor.open("tickets.prompt")
    editor.save(uri)
    assert await editor.lens(uri, "Paused by budget")
    assert len(scripted.log) == 50
    editor.replace(uri, "You work at the help desk", "You sit at the help desk")
    editor.save(uri)
    await asyncio.sleep(1.5)
    await editor.lens(uri, "Paused by budget")
    unencrypted, message = editor.messages()
    assert "is not encrypted. Use an https:// address" in unencrypted
    assert message.startswith("APO: Paused by budget. What may be spent here in a day is used up: 50 of 50 requests.")
    assert len(scripted.log) == 50
    assert not [found for found in editor.diagnostics(uri) if found.severity == types.DiagnosticSeverity.Error]
    await editor.stop()
    later = await start(**away)
    later.open("tickets.prompt")
    await later.command("apo.evaluate", uri)
    await later.until(later.messages)
    assert len(scripted.log) == 50, "it is kept over restarts"


async def test_a_search_ends_in_order_with_what_it_has(
    start: StartEditor, scripted: ScriptedServer, away: dict[str, Any]
) -> None:
    away["options"]["workspaceBudget"] = {"calls": 200}
    away["options"]["background"] = "off"
    editor = await start(**away)
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.lens(uri, "Paused by budget", 60)
    assert len(scripted.log) == 200
    assert await editor.lens(uri, "acc "), "what was measured is kept"


@pytest.mark.parametrize("configuration", [{"workspaceBudget": {"calls": 5000}}, {"workspaceBudget": None}])
async def test_a_workspace_cannot_raise_the_users_cap(
    start: StartEditor, scripted: ScriptedServer, away: dict[str, Any], workspace: Path, configuration: dict[str, Any]
) -> None:
    editor = await start(**away, configuration={**configuration, "cacheDir": str(workspace / "cache")})
    uri = editor.open("tickets.prompt")
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"apo": configuration}))
    editor.save(uri)
    assert await editor.lens(uri, "Paused by budget")
    assert len(scripted.log) == 50


async def test_what_stays_on_the_machine_is_not_counted(start: StartEditor, away: dict[str, Any]) -> None:
    editor = await start(options=away["options"])
    uri = editor.open("tickets.prompt")
    await editor.run(uri)
    assert "(n 105)" in await editor.lens(uri, "acc ")
