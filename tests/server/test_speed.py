"""How much of an editor's time and of a machine's memory the server takes; the exact figures are in benchmarks/server.

The bounds are several times what is measured there: they catch what became slow, not a busy machine.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types

from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import Editor
from tests.server.raw import Raw, changed, ending, hover

BARE = "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()"
LINES = 500
TYPED = 250


def test_what_answers_initialize_loads_nothing_of_the_engine_s_work() -> None:
    probe = "import sys; from apo_server.wiring import create_server; create_server('1'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True)
    loaded = set(done.stdout.split())
    assert "pygls" in loaded
    heavy = {"openai", "ruamel.yaml", "rapidfuzz", "sqlite3", "tiktoken", "websockets", "importlib.metadata"}
    working = {
        "apo_engine.prompt.file",
        "apo_engine.models.gateway",
        "apo_engine.evaluation.evaluator",
        "apo_engine.runs",
    }
    assert not loaded & (heavy | working)


async def test_the_start_is_hardly_slower_than_that_of_a_bare_server() -> None:
    times: dict[tuple[str, ...], list[float]] = {("-m", "apo_server"): [], ("-c", BARE): []}
    for _ in range(4):
        for arguments, taken in times.items():
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert process.stdout and process.stdin
            await Raw(process.stdout, process.stdin).greet()
            taken.append(time.perf_counter() - began)
            process.kill()
            await process.wait()
    ours, bare = (min(taken) for taken in times.values())
    assert ours < 1.6 * bare, times


async def timed(answer: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await answer()
    return time.perf_counter() - began


def long_prompt(known: str) -> str:
    """The known prompt with rules up to 500 lines, one of them empty to be typed in."""
    head, _, _user = known.partition('{{role "user"}}')
    lines = head.splitlines()
    rules = ("- Rule {n} holds for “{{{{text}}}}” as well 🙂.", "{{{{#if text}}}}Rule {n} counts.{{{{/if}}}}")
    lines += [rules[n % 2].format(n=n) if n != TYPED else "" for n in range(len(lines), LINES - 2)]
    return "\n".join([*lines, '{{role "user"}}', "{{text}}", ""])


async def test_keystrokes_and_hovers_are_quick_while_a_run_is_under_way(
    start: StartEditor, scripted: ScriptedServer, workspace: Path
) -> None:
    scripted.latency = 0.2
    editor: Editor = await start(options={"background": "off", "budget": {"calls": 100_000}})
    running = editor.open("tickets.prompt")
    text = long_prompt(editor.texts[running])
    (workspace / "long.prompt").write_text(text, encoding="utf-8")
    uri = editor.open("long.prompt")
    await editor.command("apo.optimize", running)
    await editor.until(lambda: len(scripted.log) > 32)
    shown, hovered = [], []
    for column in range(30):
        here = types.Position(TYPED, column)
        before = len(editor.published)
        began = time.perf_counter()
        editor.edit(uri, [types.TextEdit(types.Range(here, here), "x")])
        while uri not in [one.uri for one in editor.published[before:]]:
            assert time.perf_counter() - began < 10
            await asyncio.sleep(0.001)
        shown.append(time.perf_counter() - began)
        hovered.append(await timed(lambda: editor.hover(uri, types.Position(8, 3))))
        await asyncio.sleep(0.02)
    assert not editor.finished()
    assert statistics.median(shown) < 0.12, shown
    assert statistics.median(hovered) < 0.05, hovered


@pytest.mark.parametrize("by_command", [True, False])
async def test_a_cancel_is_acknowledged_at_once(
    start: StartEditor, scripted: ScriptedServer, *, by_command: bool
) -> None:
    scripted.latency = 0.5
    editor: Editor = await start(options={"background": "off"})
    uri = editor.open("tickets.prompt")
    await editor.command("apo.optimize", uri)
    await editor.until(lambda: len(scripted.log) > 0 and editor.progress() and editor.progress()[-1])
    began = time.perf_counter()
    if by_command:
        await editor.command("apo.cancel", uri)
    else:
        token = next(reversed(editor.client.progress_reports))
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    await editor.until(editor.finished)
    taken = time.perf_counter() - began
    assert "Optimize" in await editor.lenses(uri)
    assert taken < 0.4, taken


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
async def test_memory_stays_flat_through_thousands_of_changes() -> None:
    raw, process = await Raw.start()
    await raw.greet()
    uri = "file:///notes.jsonl"
    item = {"uri": uri, "languageId": "json", "version": 1, "text": ""}
    await raw.say({"method": "textDocument/didOpen", "params": {"textDocument": item}})

    async def flood(first: int, changes: int) -> int:
        for start in range(first, first + changes, 200):
            await raw.say(*(changed(uri, version, f"{version}") for version in range(start, start + 200)))
            await raw.say(hover(start, uri))
            await raw.answer(start)
        return resident(process.pid)

    before = await flood(2, 2_000)
    after = await flood(2_002, 8_000)
    await raw.leave()
    await ending(process)
    assert after - before < 3_000, f"{before} to {after} KiB"
