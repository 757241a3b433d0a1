"""What the measurements play in: a folder of prompts with their rows, and a scripted endpoint beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server.client import Client
from tests.scripted.world import SEED, World

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "apo_server")
WIDTH = 32
ROWS = 10_000
PROMPTS = 10
LINES = 500
# The line of the long prompt that is typed in, counted from 0; a variable stands in every fifth other one.
TYPED = 250


@dataclass(frozen=True)
class Scene:
    """``environ`` is what a server is started with."""

    folder: Path
    environ: Mapping[str, str]

    def client(self) -> Client:
        """A server that has just been started here."""
        return Client(COMMAND, self.environ, self.folder)

    def peak(self) -> int:
        """The most requests that were out at once."""
        with urllib.request.urlopen(self.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/log") as answer:
            return int(json.load(answer)["peak"])

    def open_all(self, client: Client) -> dict[str, str]:
        """Open every prompt; their addresses by name."""
        paths = sorted(self.folder.glob("*.prompt"))
        return {path.name: client.open(path.name, path.read_text("utf-8")) for path in paths}


@contextmanager
def scene(rows: int = ROWS, latency: float = 0.2) -> Iterator[Scene]:
    """Ten prompts, `long.prompt` and `short-1.prompt` …, that share one example file of so many rows."""
    with tempfile.TemporaryDirectory() as name, _endpoint(min(rows, ROWS), latency) as base_url:
        folder = Path(name) / "work"
        folder.mkdir()
        world = World(min(rows, ROWS))
        world.write(folder)
        if rows > ROWS:
            write_rows(folder / "tickets.jsonl", world.examples_text(), rows)
        (folder / "tickets.prompt").rename(folder / "short-1.prompt")
        for number in range(2, PROMPTS):
            (folder / f"short-{number}.prompt").write_text(
                world.prompt_text().replace("Assign each", f"For desk {number}, assign each"), "utf-8"
            )
        (folder / "long.prompt").write_text(long_prompt(), "utf-8")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "APO_"))}
        environ |= {
            "OPENAI_BASE_URL": base_url,
            "OPENAI_API_KEY": "sk-scripted",
            "APO_CACHE_DIR": str(Path(name) / "cache"),
            "XDG_CONFIG_HOME": str(Path(name) / "config"),
        }
        yield Scene(folder, environ)


def long_prompt() -> str:
    """A prompt of 500 lines with variables, blocks, comments and a few things wrong."""
    head = ["---", "model: openai/scripted", "input: {schema: {text: string}}", "apo.examples: tickets.jsonl"]
    lines = [*head, "apo.budget: {calls: 400}", "---", '{{role "system"}}', *SEED.splitlines()]
    rules = (
        "Rule {n}: a ticket that names an order of more than {n} pieces goes to the queue of that order, never to two.",
        "{{{{#if text}}}}Rule {n} counts only where the customer — Zoë, say — has written anything at all.{{{{/if}}}}",
        "- Where rule {n} and another one say different things, the one with the smaller number is right.",
        "{{{{! rule {n} was asked for by the desk }}}}It holds for “{{{{text}}}}” as for every other message 🙂.",
        "Customers who write in capitals are not angrier than others; rule {n} says nothing of capitals.",
    )
    while len(lines) < LINES - 2:
        number = len(lines)
        lines.append(rules[number % len(rules)].format(n=number) if number != TYPED else "")
    return "\n".join([*lines, '{{role "user"}}', "{{text}} {{undefined}}"])


def write_rows(path: Path, block: str, rows: int) -> None:
    """As many rows, the same ones over and over but for a number of their own."""
    lines = block.splitlines()
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, len(lines)):
            file.writelines(line.replace("(ticket", f"({start} ticket") + "\n" for line in lines[: rows - start])


@contextmanager
def _endpoint(rows: int, latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.scripted", "--port", "0", "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
