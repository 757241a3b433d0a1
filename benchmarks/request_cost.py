"""What a request costs in CPU: the bare openai SDK, the same requests through the gateway, and through the evaluator.

    python benchmarks/request_cost.py [--requests 1000] [--width 32] [--latency 0.1] [--repeats 5]

A scripted endpoint runs in a process of its own. The legs take turns in one process, each in an event loop of its own,
and CPU time (all threads) is divided by the number of requests: the ratios of the medians depend little on the machine.

The last lines are about whole processes, imports and all: one `apo optimize`, and a process that sends the very
requests of that run through the bare SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apo_engine.models.gateway import Gateway

ROOT = Path(__file__).resolve().parent.parent
HIGHEST_RATIO = 1.5
LONGEST_SECONDS = 180.0
KEY = "sk-benchmark"
SYSTEM = """You work at the help desk of a shop. Assign each ticket to a queue: billing, shipping, account or technical.
Tickets about invoices belong to billing. Tickets about a late parcel belong to shipping. Answer with its name alone."""
LABELS = ("account", "billing", "shipping", "technical")


@dataclass(frozen=True)
class Work:
    """The requests: the same texts for every leg."""

    texts: Sequence[str]
    base_url: str
    width: int
    folder: Path


@contextmanager
def endpoint(latency: float, world: str) -> Iterator[str]:
    """A scripted endpoint in a process of its own, as its base URL."""
    command = [sys.executable, "-m", "tests.scripted", "--port", "0", "--world", world, "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


async def ask_bare(client: Any, bodies: Sequence[dict[str, Any]], width: int) -> None:
    """The requests through ``AsyncOpenAI.chat.completions.create``, ``width`` at once."""
    slots = asyncio.Semaphore(width)

    async def one(body: dict[str, Any]) -> str:
        async with slots:
            answer = await client.chat.completions.create(**body)
        return str(answer.choices[0].message.content)

    await asyncio.gather(*(one(body) for body in bodies))


async def bare(work: Work) -> None:
    """The SDK alone, as its documentation shows it."""
    import openai

    bodies = [
        {"model": "scripted", "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]}
        for text in work.texts
    ]
    async with openai.AsyncOpenAI(api_key=KEY, base_url=work.base_url, max_retries=0) as client:
        await ask_bare(client, bodies, work.width)


async def through_gateway(work: Work) -> None:
    """Messages that are ready, through cache, budget and limiter."""
    from apo_engine.models.chat import ChatRequest, Message

    async with opened_gateway(work) as gateway:
        requests = (ChatRequest((Message("system", SYSTEM), Message("user", text))) for text in work.texts)
        await asyncio.gather(*(gateway.complete("task", request) for request in requests))


async def through_evaluator(work: Work) -> None:
    """Rows, through rendering, gateway and metric."""
    from apo_engine.evaluation.evaluator import Evaluator
    from apo_engine.examples.example import Example
    from apo_engine.prompt.file import parse_prompt
    from apo_engine.scoring.metric import make_metric

    prompt = parse_prompt(f'{{{{role "system"}}}}\n{SYSTEM}\n{{{{role "user"}}}}\n{{{{text}}}}\n')
    rows = [
        Example(f"{number:05d}", {"text": text}, LABELS[number % 4], number + 1, Path("rows.jsonl"))
        for number, text in enumerate(work.texts)
    ]
    async with opened_gateway(work) as gateway:
        await Evaluator(gateway, make_metric("label", LABELS), labels=LABELS).score(prompt, rows)


@asynccontextmanager
async def opened_gateway(work: Work) -> AsyncIterator[Gateway]:
    """A gateway with a new cache, as a run has it."""
    from apo_engine.models.address import Address
    from apo_engine.models.budget import Budget, Caps
    from apo_engine.models.cache import AnswerCache
    from apo_engine.models.gateway import Gateway
    from apo_engine.models.limits import Limiter
    from apo_engine.models.openai_chat import OpenAIChat

    address = Address.parse(work.base_url)
    model = OpenAIChat("openai/scripted", model_id="scripted", address=address, key=KEY, concurrency=work.width)
    with tempfile.TemporaryDirectory(dir=work.folder) as name:
        cache = AnswerCache(Path(name) / "answers.sqlite")
        budget = Budget(Caps(calls=len(work.texts)))
        yield Gateway(model, cache=cache, budget=budget, limiter=Limiter(work.width))
        await cache.close()
        await model.close()


LEGS: dict[str, Callable[[Work], Coroutine[Any, Any, None]]] = {
    "bare SDK": bare,
    "gateway": through_gateway,
    "evaluator": through_evaluator,
}


def legs(work: Work, repeats: int) -> bool:
    """Measure the legs in turns and print them; whether the last one is within its bound."""
    cpu: dict[str, list[float]] = {name: [] for name in LEGS}
    wall: dict[str, list[float]] = {name: [] for name in LEGS}
    for turn in range(repeats + 1):
        for name, leg in LEGS.items():
            began, spent = time.perf_counter(), time.process_time()
            asyncio.run(leg(work))
            if turn:  # the first turn imports and compiles
                cpu[name].append(time.process_time() - spent)
                wall[name].append(time.perf_counter() - began)
    base = statistics.median(cpu["bare SDK"])
    print(f"{len(work.texts):,} requests, {work.width} at once, median of {repeats}")
    print(f"{'':<28}{'CPU/request':>12}{'wall':>9}{'ratio':>8}")
    for name in LEGS:
        median = statistics.median(cpu[name])
        each = 1000 * median / len(work.texts)
        print(f"{name:<28}{each:>9.2f} ms{statistics.median(wall[name]):>7.2f} s{median / base:>8.2f}")
    return statistics.median(cpu["evaluator"]) <= HIGHEST_RATIO * base


def processes(base_url: str, width: int, repeats: int) -> bool:
    """Measure whole processes in turns and print them; whether the search is within its bound."""
    sys.path.insert(0, str(ROOT))
    from tests.scripted.world import World

    ratios, searched, replayed, count = [], [], [], 0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            World(240).write(folder)
            before = len(_bodies(base_url))
            apo = shutil.which("apo", path=str(Path(sys.executable).parent)) or "apo"
            search = [apo, "optimize", "tickets.prompt", "--json", "--max-calls", "1000", "--concurrency", str(width)]
            environ = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY, "APO_CACHE_DIR": name}
            searched.append(_cpu(search, folder, environ))
            bodies = _bodies(base_url)[before:]
            count = len(bodies)
            requests = folder / "bodies.json"
            requests.write_text(json.dumps(bodies), "utf-8")
            replay = [sys.executable, str(Path(__file__).resolve()), "--replay", str(requests), "--width", str(width)]
            replayed.append(_cpu(replay, folder, environ))
        ratios.append(searched[-1] / replayed[-1])
    print(f"\nwhole processes, the {count:,} requests of one search, median of {repeats}")
    each = (1000 * statistics.median(times) / count for times in (replayed, searched))
    for name, milliseconds, ratio in zip(
        ("bare SDK", "apo optimize"), each, (1.0, statistics.median(ratios)), strict=True
    ):
        print(f"{name:<28}{milliseconds:>9.2f} ms{'':>9}{ratio:>8.2f}")
    return statistics.median(ratios) <= HIGHEST_RATIO


def replay(file: Path, width: int) -> None:
    """Send these requests through the bare SDK."""
    import openai

    bodies = json.loads(file.read_text("utf-8"))

    async def send() -> None:
        async with openai.AsyncOpenAI(max_retries=0) as client:
            await ask_bare(client, bodies, width)

    asyncio.run(send())


def _cpu(command: Sequence[str], folder: Path, environ: dict[str, str]) -> float:
    """The CPU time of a process and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, timeout=LONGEST_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _bodies(base_url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/log") as answer:
        return [exchange["body"] for exchange in json.load(answer)["exchanges"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.replay is not None:
        replay(given.replay, given.width)
        return 0
    texts = [f"Hello, the sum on my statement is wrong. I am waiting. (ticket #{n:05d})" for n in range(given.requests)]
    with tempfile.TemporaryDirectory() as name, endpoint(given.latency, "yes") as base_url:
        within = legs(Work(texts, base_url, given.width, Path(name)), given.repeats)
    with endpoint(given.latency, "tickets") as base_url:
        within &= processes(base_url, given.width, min(3, given.repeats))
    print(f"\nratios are at most {HIGHEST_RATIO}: {within}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
