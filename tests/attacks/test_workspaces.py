"""One folder is one workspace, whatever its address looks like: consent and the day's limit hold for the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lsprotocol import types

from apo_server.consent_file import ConsentFile
from apo_server.workspaces import workspace_of
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

SPELLINGS = {
    "as-the-editor-writes-it": "{plain}",
    "a-space": "{unquoted}",
    "an-escape-of-a-letter": "{escaped}",
    "an-escape-in-lower-case": "{lower}",
    "up-and-down-again": "{plain}/sub/..",
    "up-and-down-escaped": "{plain}/sub/%2e%2E",
    "a-dot": "{plain}/.",
    "a-slash-at-the-end": "{plain}/",
    "two-slashes": "{double}",
    "another-case-of-the-scheme": "{scheme}",
    "this-machine-by-name": "{localhost}",
    "this-machine-in-capitals": "{capitals}",
    "slashes-that-are-escaped": "{slashes}",
    "a-link": "{link}",
    "a-link-within": "{plain}/sub/up",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a name that has to be escaped, and links that lead to it."""
    folder = tmp_path / "a folder é+"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.prompt").write_text("Hello.")
    (tmp_path / "link").symlink_to(folder)
    (folder / "sub" / "up").symlink_to(folder)
    return folder


def spelled(folder: Path, spelling: str) -> str:
    plain = folder.as_uri()
    return SPELLINGS[spelling].format(
        plain=plain,
        unquoted=f"file://{folder}",
        escaped=plain.replace("folder", "%66older"),
        lower=plain.replace("%C3%A9", "%c3%a9").replace("+", "%2b"),
        double=plain.replace("file:///", "file:////"),
        localhost=plain.replace("file://", "file://localhost"),
        capitals=plain.replace("file://", "File://LOCAL%48OST"),
        slashes=plain.replace("file:///", "file:///%2F/"),
        scheme=plain.replace("file:", "FILE:"),
        link=(folder.parent / "link").as_uri(),
    )


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_folder_is_one_workspace(folder: Path, spelling: str) -> None:
    uri = spelled(folder, spelling)
    document = f"{uri.rstrip('/')}/a.prompt"
    expected = folder.as_uri()
    assert workspace_of(document, ()) == expected, "no folder is open"
    assert workspace_of(document, (expected,)) == expected
    assert workspace_of(f"{expected}/a.prompt", (uri,)) == expected
    assert workspace_of(f"{expected}/sub/a.prompt", (uri,)) == expected
    assert workspace_of(uri, (expected,)) == expected, "a folder holds itself"
    assert workspace_of(uri, ()) == expected


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_what_a_link_leads_to_belongs_to_the_folder_that_is_open(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "out").symlink_to(outside)
    assert workspace_of(f"{folder.as_uri()}/out/a.prompt", (folder.as_uri(),)) == folder.as_uri()
    assert workspace_of(f"{folder.as_uri()}/out/a.prompt", ()) == outside.as_uri()
    both = (folder.as_uri(), outside.as_uri())
    assert workspace_of(f"{folder.as_uri()}/out/a.prompt", both) == outside.as_uri()


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("way", ["out", "sub/../out", "out/../out", "sub/./%2e%2e/out"])
def test_and_however_the_way_to_the_link_is_spelled(folder: Path, way: str) -> None:
    outside = folder.parent / "beside"
    outside.mkdir()
    (folder / "out").symlink_to(outside)
    (folder.parent / "out").symlink_to(outside)
    assert workspace_of(f"{folder.as_uri()}/{way}/a.prompt", (folder.as_uri(),)) == folder.as_uri()


def test_of_two_folders_the_inner_one_holds_a_document(folder: Path) -> None:
    inner = (folder / "sub").as_uri()
    assert workspace_of(f"{inner}/a.prompt", (folder.as_uri(), inner)) == inner
    assert workspace_of(f"{folder.as_uri()}/submarine/a.prompt", (folder.as_uri(), inner)) == folder.as_uri()


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "file:///w%00/a.prompt", "file:", "", "http://h/w/a.prompt"])
def test_what_is_no_file_is_a_workspace_of_its_own(uri: str) -> None:
    assert workspace_of(uri, ("file:///w",)) == uri


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("spelling", ["a-link", "an-escape-of-a-letter", "up-and-down-again", "this-machine-by-name"])
async def test_a_limit_of_the_day_and_a_withdrawal_hold_for_every_spelling(
    folder: Path, scripted: ScriptedServer, spelling: str
) -> None:
    world = World(60)
    world.write(folder)
    scripted.script = world.script
    environ = environment(folder.parent / "cache", scripted.base_url.replace("127.0.0.1", "0.0.0.0"))
    options = {"background": "off", "workspaceBudget": {"calls": 20}}
    first = await Editor.start(folder, environ, options=options)
    first.answer = "Allow for this workspace"
    uri = first.open("tickets.prompt")
    await first.command("apo.evaluate", uri)
    await first.lens(uri, "Paused by budget")
    assert len(scripted.log) == 20
    await first.stop()

    other = await Editor.start(folder / "sub", environ, options=options)
    other_uri = f"{spelled(folder, spelling)}/tickets.prompt"
    item = types.TextDocumentItem(other_uri, "dotprompt", 1, (folder / "tickets.prompt").read_text("utf-8"))
    other.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    await other.command("apo.evaluate", other_uri)
    await other.until(lambda: any("Paused by budget" in one for one in other.messages()))
    assert other.questions == [], "consent holds for the folder too"
    assert len(scripted.log) == 20
    await other.command("apo.revokeConsent", other_uri)
    assert ConsentFile(folder.parent / "cache").read().grants == ()
    await other.stop()
