"""Somebody types in a long prompt, rests on passages and asks for fixes, with and without a search behind."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.server.client import Client, Message
from benchmarks.server.figures import Figure, ms
from benchmarks.server.scene import ROWS, TYPED, WIDTH, scene

KEYSTROKES = 600
ANSWER, SHOWN = 10.0, 30.0
_SENTENCE = "Say which queue it is, and nothing else. "
_METHODS = {
    "hoverProvider": ("hover", "textDocument/hover"),
    "codeActionProvider": ("code action", "textDocument/codeAction"),
    "completionProvider": ("completion", "textDocument/completion"),
}
Times = defaultdict[str, list[float]]


def measure(keystrokes: int = KEYSTROKES) -> list[Figure]:
    """A 500-line prompt with critiques, ten prompts open, 10,000 rows: at rest, then with a 32-wide search behind."""
    with scene() as stage, stage.client() as client:
        offered = client.start({"background": "off", "budget": {"calls": 1_000_000}, "optimizer": {"rounds": 100}})
        uris = stage.open_all(client)
        for uri in uris.values():
            client.diagnostics(uri)
        client.command("apo.gradients", uris["long.prompt"])
        shown = client.wait(lambda message: _critiques(message, uris["long.prompt"]))
        places = [one["range"]["start"] for one in shown.params["diagnostics"]]
        wait_for_end(client)
        quiet = typed(client, uris["long.prompt"], offered, places, keystrokes)
        with _search(client, uris["short-1.prompt"]):
            busy = typed(client, uris["long.prompt"], offered, places, keystrokes)
            finished = any(map(ended, client.drain()))
        errors, wide = client.log().count("ERROR"), stage.peak()
    figures = [*_figures("at rest", quiet), *_figures(f"{WIDTH}-wide run behind", busy)]
    if finished:
        figures.append(Figure("the search ended before the typing did", 1, "", 0))
    remark = f"{ROWS:,} rows, at most {wide} requests at once"
    return [*figures, Figure("errors in the log", errors, "", 0, remark)]


def typed(client: Client, uri: str, offered: Mapping[str, Any], places: list[dict[str, int]], keystrokes: int) -> Times:
    """Seconds by what was waited for, from the last byte written to the last byte read."""
    draw = random.Random(7)
    times: Times = defaultdict(list)
    column = 0
    for stroke in range(keystrokes):
        char = _SENTENCE[stroke % len(_SENTENCE)]
        at = {"line": TYPED, "character": column}
        if column >= len(_SENTENCE) * 4:
            version, sent = client.change(uri, [{"range": {"start": {**at, "character": 0}, "end": at}, "text": ""}])
            column = 0
        else:
            version, sent = client.change(uri, [{"range": {"start": at, "end": at}, "text": char}])
            column += 1
        document = {"textDocument": {"uri": uri}}
        if "completionProvider" in offered:
            # Editors ask while the keystroke is still on its way.
            number, asked = client.send(
                "textDocument/completion", {**document, "position": {"line": TYPED, "character": column}}
            )
            times["completion"].append(client.answer(number).at - asked)
        times["keystroke to diagnostics"].append(client.diagnostics(uri, version).at - sent)
        time.sleep(draw.uniform(0.02, 0.04))
        place = draw.choice(places)
        times["hover"].append(client.request("textDocument/hover", {**document, "position": place})[1])
        time.sleep(draw.uniform(0.02, 0.04))
        asked_for = {**document, "range": {"start": place, "end": place}, "context": {"diagnostics": []}}
        times["code action"].append(client.request("textDocument/codeAction", asked_for)[1])
        time.sleep(draw.uniform(0.01, 0.02))
    return times


def wait_for_end(client: Client, seconds: float = 300.0) -> None:
    """Until the progress of a run has ended."""
    client.wait(ended, seconds)


def ended(message: Message) -> bool:
    """Whether this ends a run's progress."""
    return message.content.get("method") == "$/progress" and message.params["value"]["kind"] == "end"


@contextmanager
def _search(client: Client, uri: str) -> Iterator[None]:
    """A search that is well under way."""
    client.command("apo.optimize", uri)
    client.wait(reports)
    yield
    client.command("apo.cancel", uri)
    wait_for_end(client)


def reports(message: Message) -> bool:
    """Whether this is a run's report of answers."""
    return (
        message.content.get("method") == "$/progress"
        and message.params["value"]["kind"] == "report"
        and "/" in message.params["value"].get("message", "")
    )


def _critiques(message: Message, uri: str) -> bool:
    return (
        message.content.get("method") == "textDocument/publishDiagnostics"
        and message.params["uri"] == uri
        and any(one["code"] == "critique" for one in message.params["diagnostics"])
    )


def _figures(when: str, times: Times) -> list[Figure]:
    bounds = {"keystroke to diagnostics": SHOWN}
    return [ms(f"{name}, {when}", taken, bounds.get(name, ANSWER)) for name, taken in sorted(times.items())]
