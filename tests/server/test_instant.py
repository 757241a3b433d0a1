"""What is said at once and without a model: each finding where the user sees it, and as `apo check` prints it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from apo_server.features.plain import said
from tests.cli.conftest import APO
from tests.scripted import ScriptedServer
from tests.server.conftest import StartEditor
from tests.server.editor import Editor

SCHEMA = "---\ninput: {schema: {text: string}}\n---\n"
# A prompt, and what is marked in it: all that there is to say.
PROMPTS = {
    "unclosed front matter": ("---\nmodel: openai/x\nHi\n", [("front-matter-unclosed", "---")]),
    "yaml": ("---\ninput: {a: [\n---\nHi\n", [("yaml-syntax", "")]),
    "a key of ours": ("---\napo.exmples: a.jsonl\n---\nHi\n", [("setting-unknown", "apo.exmples")]),
    "a value of ours": ("---\napo.metric: labl\n---\nHi\n", [("setting-invalid", "labl")]),
    "a key of Dotprompt": ("---\nmodle: openai/x\n---\nHi\n", [("key-unknown", "modle")]),
    "all keys of Dotprompt": (
        "---\nname: a\nvariant: b\nversion: c\ndescription: d\nmodel: openai/x\nconfig: {temperature: 0}\ntools: [t]\n"
        "input: {schema: {text: string}}\noutput: {format: json}\nmetadata: {mine: 1}\ncompany.key: 1\n---\n{{text}}\n",
        [],
    ),
    "a type": (SCHEMA.replace("string", "strng") + "{{text}}\n", [("schema-type", "strng")]),
    "words that others read as booleans": (
        '---\noutput: {schema: {ok(enum): [Yes, No, "on", maybe]}}\n---\nHi\n',
        [("yaml-boolean", "Yes"), ("yaml-boolean", "No")],
    ),
    "Humanloop": (
        "---\nmodel: gpt-4\nprovider: openai\n---\n<system>\n{{who}}\n</system>\n",
        [("foreign-dialect", "---")],
    ),
    "Continue": (
        "name: Explain\nversion: 2\n---\n<system>\nYou.\n</system>\n{{{ input }}}\n",
        [("foreign-dialect", "name: Explain")],
    ),
    "an open block": (SCHEMA + "{{#if text}}\n", [("block-unclosed", "{{#if text}}")]),
    "a helper": (SCHEMA + "{{jsn text}}\n", [("helper-unknown", "jsn")]),
    "a role": (SCHEMA + '{{role "systm"}}{{text}}\n', [("role-unknown", '"systm"')]),
    "an unknown variable": (SCHEMA + "{{text}}{{txet}}\n", [("variable-undefined", "txet")]),
    "one in a condition": (SCHEMA + "{{#if txet}}{{text}}{{/if}}\n", [("variable-undefined", "txet")]),
    "a field": (
        "---\ninput:\n  schema:\n    who(object):\n      name: string\n---\n{{who.nmae}} {{who.name}}\n",
        [("variable-undefined", "nmae")],
    ),
    "names within a loop": (
        "---\ninput:\n  schema:\n    rows(array):\n      name: string\n---\n{{#each rows}}{{name}} {{nmae}}{{/each}}\n",
        [("variable-undefined", "nmae")],
    ),
    "an unused variable": (SCHEMA + "Hi\n", [("variable-unused", "text")]),
    "a missing partial": ("{{> nowhere}}\n", [("partial-missing", "nowhere")]),
    "partials in a circle": ("{{> one}}\n", [("partial-circle", "one")]),
    "a broken partial": ("{{> broken}}\n", [("block-unclosed", "broken")]),
    "no example file": ("---\napo.examples: none.jsonl\n---\nHi\n", [("examples-missing", "none.jsonl")]),
    "an own metric that is not there": ("---\napo.metric: none:score\n---\nHi\n", [("metric-missing", "none:score")]),
    "a metric that does not suit": (
        "---\napo.examples: rows.jsonl\napo.metric: f1\n---\nbilling, shipping or spam? {{text}}\n",
        [("metric-unsuitable", "f1")],
    ),
}
PARTIALS = {"one": "{{> two}}\n", "two": "{{> one}}\n", "broken": "{{#if x}}\n"}
QUOTED = "My standing order went out twice this month, please send one back."
ROWS = [
    ("An invoice from May", "billing"),
    ("A parcel that never came", "shipping"),
    ("A parcel that never came", "shipping"),
    ("AN INVOICE – from May!", "billing"),
    ("A parcel that never came", "billing"),
    ("The long way home for this one parcel of mine ended at the border in the north", "shipping"),
    ("The long way home for this one parcel of mine ended at the border in the south", "shipping"),
    (QUOTED, "billing"),
    ("Win a million now", "spma"),
]
OF_ROWS = f"""---
apo.examples: bad.jsonl
output: {{schema: {{queue(enum): [billing, shipping, spam]}}}}
---
Is it one for shipping, or of the first kind? For example: {QUOTED}
{{{{text}}}}
"""
# By line, from 1.
FOUND_IN_ROWS = {
    1: "label-unmentioned",
    3: "row-duplicate",
    4: "row-near-duplicate",
    5: "row-contradiction",
    7: "row-near-duplicate",
    8: "row-quoted",
    9: "label-unknown",
    10: "row-unusable",
    11: "row-unusable",
    12: "row-unusable",
}


def as_rows(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows)


def write(folder: Path) -> dict[str, Path]:
    """All files; the prompts by the name of what is wrong with them."""
    files = {}
    for number, (name, (text, _)) in enumerate(PROMPTS.items()):
        files[name] = folder / f"p{number}.prompt"
        files[name].write_text(text, "utf-8")
    for name, text in PARTIALS.items():
        (folder / f"_{name}.prompt").write_text(text, "utf-8")
    sound = [(f"row {number}", ("billing", "shipping", "spam")[number % 3]) for number in range(12)]
    (folder / "rows.jsonl").write_text(as_rows(sound), "utf-8")
    broken = '{"text": "no label"}\n{"label": "billing"}\n{oops\n'
    (folder / "bad.jsonl").write_text(as_rows(ROWS) + broken, "utf-8")
    files["rows"] = folder / "bad.prompt"
    files["rows"].write_text(OF_ROWS, "utf-8")
    return files


def shown(editor: Editor, uri: str) -> list[tuple[str, str]]:
    """What is marked, by code; of what reaches over lines the first one."""
    return [(str(found.code), editor.marked(uri, found).split("\n")[0]) for found in editor.diagnostics(uri)]


async def test_each_finding_is_shown_where_it_is_and_printed_alike(
    start: StartEditor, workspace: Path, scripted: ScriptedServer
) -> None:
    (workspace / "tickets.prompt").unlink()
    files = write(workspace)
    editor = await start("helix", options={"background": "off"})
    addresses = {name: editor.open(path.name) for name, path in files.items()}
    for name, (_, expected) in PROMPTS.items():
        uri = addresses[name]
        await editor.until(lambda uri=uri, expected=expected: len(shown(editor, uri)) == len(expected))  # type: ignore[misc]
        found = shown(editor, uri)
        assert [code for code, _ in found] == [code for code, _ in expected], name
        assert all(word in marked for (_, marked), (_, word) in zip(found, expected, strict=True)), (name, found)
    rows = (workspace / "bad.jsonl").as_uri()
    await editor.until(lambda: editor.diagnostics(rows))
    assert {found.range.start.line + 1: found.code for found in editor.diagnostics(rows)} == FOUND_IN_ROWS
    await editor.until(lambda: shown(editor, addresses["rows"]))
    assert [code for code, _ in shown(editor, addresses["rows"])] == ["labels-unmentioned"]

    printed = await asyncio.to_thread(checked, workspace)
    told = {
        (
            uri.rpartition("/")[2],
            found.range.start.line + 1,
            str(found.code),
            found.message.replace(f"{workspace}/", ""),
        )
        for uri in (*addresses.values(), rows)
        for found in editor.diagnostics(uri)
    }
    # What is wrong within a partial is shown at the tag that leads there, and printed where it stands.
    assert {one for one in told ^ printed if one[2] not in ("partial-circle", "block-unclosed")} == set()
    assert len(scripted.log) == 0


def checked(folder: Path) -> set[tuple[str, int, str, str]]:
    """What `apo check` prints of a folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "APO_"))}
    done = subprocess.run(
        [APO, "check", ".", "--json"], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["problems"]
    return {(one["path"], one["line"], one["code"], said(f"{one['message']} {one['remedy']}")) for one in found}
