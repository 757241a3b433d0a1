"""Attacks by templates that grow: none is rendered without end, none fills the memory, and nobody waits for one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dotpromptz_handlebars import EscapeFunction, Handlebars
from hypothesis import example, given, settings

from apo_engine import api
from apo_engine.models.chat import ChatRequest, Completion
from apo_engine.problems import BudgetError, InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.render import Renderer
from tests.attacks.interruption import interrupt
from tests.cli.conftest import APO
from tests.engine.prompt.strategies import INPUTS, TEMPLATES
from tests.engine.table_model import TableModel, evaluator, prompt, row
from tests.scripted import ScriptedServer
from tests.server.editor import Editor, environment

#: The longest that a rendering may take, on a busy machine.
LONGEST = 12.0
SECONDS = 2.0
#: How long it takes a busy machine to start, to load the engine and to end.
START = 6.0

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs Ctrl-C for one process")


def doubling(depth: int, last: str = "x") -> str:
    """Partials that a prompt defines in itself, each of which includes the next one twice."""
    names = [f"p{number}" for number in range(depth + 1)]
    bodies = [f"{{{{> {name}}}}}" * 2 for name in names[1:]] + [last]
    defined = "".join(
        f'{{{{#*inline "{name}"}}}}{body}{{{{/inline}}}}' for name, body in zip(names, bodies, strict=True)
    )
    return defined + "{{> p0}}"


def with_defaults(template: str, **values: object) -> str:
    """A prompt with these values of ``input.default``, which may be lists."""
    return f"---\nmodel: openai/m\ninput:\n  default: {json.dumps(values)}\n---\n{template}"


NUMBERS = list(range(2_000))
NESTED = "{{#each xs}}{{#each @root.xs}}%s{{/each}}{{/each}}"
TOO_OFTEN, TOO_LONG = "rendered too often", "grows beyond 10,000,000 characters"
BOMBS = {
    "inline partials": (doubling(28), TOO_OFTEN),
    "inline partials without text": (doubling(28, ""), TOO_OFTEN),
    "inline partials with much text": (doubling(12, "x" * 50_000), TOO_LONG),
    "inline partials with a row's text": (doubling(24, "{{text}}"), TOO_LONG),
    "partials that call themselves twice": (
        '{{#*inline "a"}}{{#if text}}{{> a}}{{> a}}{{/if}}{{/inline}}{{> a}}',
        "nested too deeply",
    ),
    "partials that are named by a row": (
        doubling(28).replace("{{> p9}}", "{{> (lookup this 'name')}}"),
        TOO_OFTEN,
    ),
    "partial blocks": (
        '{{#*inline "l"}}{{> @partial-block}}{{> @partial-block}}{{/inline}}' + "{{#> l}}" * 27 + "x" + "{{/l}}" * 27,
        TOO_OFTEN,
    ),
    "each within each": (with_defaults(NESTED % "{{#each @root.xs}}x{{/each}}", xs=NUMBERS), TOO_OFTEN),
    "each within each, empty": (with_defaults(NESTED % "{{#each @root.xs}}{{/each}}", xs=NUMBERS), TOO_OFTEN),
    "each of what is above": (
        with_defaults("{{#each xs}}{{#each ../xs}}{{#each ../../xs}}x{{/each}}{{/each}}{{/each}}", xs=NUMBERS),
        TOO_OFTEN,
    ),
    "sections": (
        with_defaults("{{#xs}}{{#@root.xs}}{{#@root.xs}}x{{/@root.xs}}{{/@root.xs}}{{/xs}}", xs=NUMBERS),
        TOO_OFTEN,
    ),
    "partials within each": (
        with_defaults('{{#*inline "p"}}{{#each @root.xs}}x{{/each}}{{/inline}}' + NESTED % "{{> p}}", xs=NUMBERS),
        TOO_OFTEN,
    ),
    "a long value in each": (
        with_defaults("{{#each xs}}{{@root.long}}{{/each}}", xs=NUMBERS, long="y" * 9_000),
        TOO_LONG,
    ),
    "a list in each": (with_defaults("{{#each xs}}{{@root.xs}}{{/each}}", xs=NUMBERS), TOO_LONG),
    "a long row, often": ("{{text}}" * 1_500, TOO_LONG),
    "JSON that is indented far": ("{{json @root indent=99999999999}}", TOO_OFTEN),
    "JSON that is indented deeply": (
        with_defaults("{{json a indent=10000}}", a=[[[[[[[[1] * 2_000]]]]]]]),
        TOO_OFTEN,
    ),
    "JSON of JSON": (
        "{{#with (json quotes)}}" + "{{#with (json this)}}" * 40 + "{{/with}}" * 41,
        TOO_OFTEN,
    ),
    "JSON that is not shown": (
        with_defaults(NESTED % "{{#if (json @root.xs)}}{{/if}}", xs=NUMBERS),
        TOO_OFTEN,
    ),
    "large values that are compared": (
        with_defaults(
            NESTED % "{{#ifEquals @root.a @root.b}}{{/ifEquals}}", xs=NUMBERS, a=[[1] * 8_000], b=[[1] * 8_000]
        ),
        TOO_OFTEN,
    ),
    "calls within a call, of many inputs": (
        with_defaults("{{lookup this " + "(json 1) " * 90_000 + "}}", **{f"k{number}": 1 for number in range(5_000)}),
        TOO_OFTEN,
    ),
    "large values that partials copy": (
        with_defaults(
            '{{#*inline "p"}}{{/inline}}' + NESTED % "{{#with @root}}{{> p a=1}}{{/with}}",
            xs=NUMBERS,
            **{f"k{number}": 1 for number in range(5_000)},
        ),
        TOO_OFTEN,
    ),
    "a long path": (with_defaults("{{#each xs}}{{" + "a." * 100_000 + "a}}{{/each}}", xs=NUMBERS), TOO_OFTEN),
    "a far indent": ('{{#*inline "p"}}' + "\n" * 9_000 + "{{/inline}}\n" + " " * 9_000 + "{{> p}}\n", TOO_LONG),
    "inline partials within each": (
        with_defaults(
            "{{#each xs}}" + "".join(f'{{{{#*inline "{n}"}}}}{{{{/inline}}}}' for n in range(20_000)) + "{{/each}}",
            xs=NUMBERS,
        ),
        TOO_OFTEN,
    ),
    "roles": (with_defaults(NESTED % '{{role "user"}}x', xs=NUMBERS), TOO_OFTEN),
    "three braces": ("{{{text}}}" * 90_000, "three braces"),
    "three braces that trim": ("{{~{text}~}}" * 80_000, "three braces"),
}
#: Within the bounds, but by little: of each row, the same.
SLOW = doubling(15)
GROWS = ["inline partials", "partial blocks", "each within each", "a far indent", "large values that are compared"]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_rendering_ends_within_its_bounds(kind: str) -> None:
    template, reason = BOMBS[kind]
    prompt = parse_prompt(template, Path("a.prompt"))
    assert not prompt.problems
    inputs = {"text": "y" * 9_000, "name": "p10", "quotes": '"\\'}
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        Renderer(prompt, {}).messages(inputs)
    assert time.process_time() - began < LONGEST
    (problem,) = caught.value.problems
    assert reason in problem.message
    assert problem.remedy
    assert problem.place is not None
    assert problem.place.path == Path("a.prompt")
    assert problem.code == ("template-error" if "deeply" in reason else "template-large")


@pytest.mark.parametrize("kind", [kind for kind, (_, reason) in BOMBS.items() if reason == TOO_LONG])
def test_a_rendering_takes_little_memory(kind: str) -> None:
    renderer = Renderer(parse_prompt(BOMBS[kind][0]), {})
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            renderer.messages({"text": "y" * 9_000})
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_many_sections_are_joined_in_little_time() -> None:
    template = with_defaults("{{#each xs}}{{section 1}}" + "x" * 400 + "{{/each}}", xs=list(range(12_000)))
    began = time.process_time()
    (message,) = Renderer(parse_prompt(template), {}).messages({})
    assert len(message.content) == 12_000 * 400
    assert time.process_time() - began < 2


class ForgetfulModel(TableModel):
    """Answers after a moment, and keeps no request."""

    def __init__(self) -> None:
        super().__init__(lambda _system, _user: "yes")

    async def complete(self, request: ChatRequest) -> Completion:
        await asyncio.sleep(0.01)
        self.requests.clear()
        return await super().complete(request)


async def test_few_large_renderings_are_held_at_a_time() -> None:
    """A thousand rows of ten million characters each would fill any memory."""
    large = prompt("{{text}}" * 10)
    rows = [row(number, text=f"{number} " + "y" * 50_000) for number in range(300)]
    tracemalloc.start()
    try:
        results = await evaluator(ForgetfulModel()).score(large, rows)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert [result.row for result in results] == [row.id for row in rows]


def test_what_one_thread_renders_does_not_count_for_others() -> None:
    async def render(template: str) -> int:
        renderer = Renderer(parse_prompt(template), {})
        return sum(len(message.content) for message in await asyncio.to_thread(renderer.messages, {"text": "a"}))

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*(render(SLOW) for _ in range(3)))

    assert asyncio.run(all_at_once()) == [1 << 15] * 3


@given(TEMPLATES, INPUTS)
@settings(max_examples=300)
@example(
    '{{#*inline "p"}}[{{text}}{{@index}}]{{/inline}}{{#each items}}\n  {{> p text=this}}\n{{/each}}',
    {"items": [1, "a"]},
)
@example('{{#*inline "l"}}<{{> @partial-block}}>{{/inline}}{{#> l}}{{name}}{{/l}}', {"name": "N"})
@example("{{json items indent=2}}{{json items}}{{#with items}}{{this}}{{/with}}", {"items": [[1, {"a": None}], "é"]})
@example(
    '{{#*inline "t"}}{{name}}{{#each items}}({{> t}}){{/each}}{{/inline}}{{> t}}',
    {"name": "a", "items": [{"name": "b"}]},
)
@example("{{> file}}\n  {{> file name=text}}\n{{a.[b c].d}}{{../x}}", {"text": "1\n2", "a": {"b c": {"d": 1}}})
def test_other_templates_are_rendered_as_without_bounds(template: str, inputs: Mapping[str, Any]) -> None:
    file = "file: {{name}}\nand {{text}}"
    engine = Handlebars(escape_fn=EscapeFunction.NO_ESCAPE)
    engine.register_partial("file", file)
    for name in ("role", "history", "section"):
        engine.register_helper(name, lambda _arguments, _options: "")
    engine.register_helper("json", _json)
    engine.register_helper(
        "ifEquals", lambda given, options: options.fn() if given[0] == given[1] else options.inverse()
    )
    try:
        expected = engine.compile(template)(dict(inputs))
    except ValueError:
        return
    messages = Renderer(parse_prompt(template), {"file": file}).messages(inputs)
    if not any(name in template for name in ("role", "history", "section")):
        assert "".join(message.content for message in messages) == (expected if expected.strip() else "")


def _json(given: list[Any], options: Any) -> str:
    indent = options.hash_value("indent")
    return json.dumps(given[0], indent=int(indent)) if indent else json.dumps(given[0], separators=(",", ":"))


def write(folder: Path, name: str, template: str, seconds: float = 600) -> Path:
    """A prompt with sixty rows."""
    rows = [{"text": f"row number {n} is here and {n * 7}", "label": ["yes", "no"][n % 2]} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    defaults, _, rest = template.rpartition("\n---\n")
    head = defaults.removeprefix("---\n") if defaults else "model: openai/m"
    head += f"\napo.examples: rows.jsonl\napo.metric: label\napo.budget: {{seconds: {seconds:g}}}"
    path = folder / name
    path.write_text(f"---\n{head}\n---\nSay yes or no.\n{rest}\n{{{{text}}}}\n", "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_BASE_URL", scripted.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([APO, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", GROWS)
def test_a_check_reports_it(kind: str, folder: Path) -> None:
    template, reason = BOMBS[kind]
    write(folder, "a.prompt", template)
    began = time.monotonic()
    with start(folder, "check", "a.prompt") as process:
        said, _ = process.communicate(timeout=100)
    assert time.monotonic() - began < START + LONGEST
    assert process.returncode == 1
    assert reason in " ".join(said.split())


@pytest.mark.parametrize("kind", GROWS)
def test_an_evaluation_ends(kind: str, folder: Path, scripted: ScriptedServer) -> None:
    template, reason = BOMBS[kind]
    write(folder, "a.prompt", template)
    began = time.monotonic()
    with start(folder, "evaluate", "a.prompt", "--max-seconds", "20") as process:
        _, said = process.communicate(timeout=100)
    assert time.monotonic() - began < START + LONGEST
    assert process.returncode == 2
    assert reason in " ".join(said.split())
    assert len(scripted.log) == 0


@pytest.mark.parametrize("command", ["evaluate", "gradients", "optimize"])
def test_the_cap_on_seconds_ends_slow_renderings(command: str, folder: Path) -> None:
    write(folder, "a.prompt", SLOW)
    began = time.monotonic()
    with start(folder, command, "a.prompt", "--max-seconds", f"{SECONDS:g}") as process:
        _, said = process.communicate(timeout=100)
    assert time.monotonic() - began < SECONDS + START
    assert process.returncode == 3
    assert "The cap on seconds is reached: 2 s are over." in said


@needs_signals
@pytest.mark.parametrize("after", [3.0, 6.0])
def test_ctrl_c_ends_slow_renderings(after: float, folder: Path) -> None:
    write(folder, "a.prompt", SLOW)
    with start(folder, "evaluate", "a.prompt") as process:
        assert interrupt(process, after) < START


@pytest.mark.parametrize("job", ["plan", "evaluate"])
async def test_the_event_loop_goes_on_while_rows_are_rendered(job: str, folder: Path) -> None:
    prompt = api.load_prompt(write(folder, "a.prompt", SLOW, seconds=8))
    longest, last = 0.0, time.monotonic()

    async def look() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    looking = asyncio.ensure_future(look())
    with pytest.raises(BudgetError, match="cap on seconds"):
        await (api.plan(prompt) if job == "plan" else api.evaluate(prompt))
    looking.cancel()
    assert longest < 4, "of each run, one rendering may hold the event loop"


@pytest.mark.parametrize("template", [SLOW, BOMBS["inline partials"][0]], ids=["slow", "without end"])
async def test_other_prompts_answer_meanwhile_in_the_editor(
    template: str, tmp_path: Path, scripted: ScriptedServer
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    write(workspace, "bomb.prompt", template)
    write(workspace, "other.prompt", "")
    editor = await Editor.start(
        workspace, environment(tmp_path / "cache", scripted.base_url), options={"background": "off"}
    )
    bomb, other = editor.open("bomb.prompt"), editor.open("other.prompt")
    await editor.command("apo.evaluate", bomb)
    await asyncio.sleep(3)
    assert len(scripted.log) == 0
    await editor.command("apo.evaluate", other)
    # The rendering takes the processor from them, not their turn.
    await editor.until(lambda: len(scripted.log) >= 30, 60)
    await editor.command("apo.cancel", bomb)
    await editor.until_idle(bomb, 3)
    await editor.stop()
