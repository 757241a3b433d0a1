"""Nobody raises the user's own caps: neither a prompt nor the settings of a workspace; a flag that is typed does."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from apo_engine.problems import InputError
from apo_engine.settings import Layer, LayerName, Settings, resolve
from apo_server.settings import from_options, updated
from tests.cli.conftest import Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World
from tests.server.editor import Editor, environment

ABSURD = {"usd": 1000, "calls": 5000, "tokens": 10**9, "seconds": 100_000}


def budget(name: LayerName, **caps: object) -> Layer:
    return Layer(name, {"budget": caps})


@pytest.mark.parametrize("cap", ABSURD)
@pytest.mark.parametrize(("higher", "lower"), [("file", "user"), ("file", "editor"), ("editor", "user")])
def test_a_cap_is_never_raised_from_above(higher: LayerName, lower: LayerName, cap: str) -> None:
    settings = resolve([budget(higher, **ABSURD), budget(lower, **{cap: 7})])
    assert getattr(settings.budget, cap) == 7
    assert [getattr(settings.budget, name) for name in ABSURD if name != cap] == [
        ABSURD[name] for name in ABSURD if name != cap
    ], "where the user sets no cap, a prompt may"


def test_nor_is_the_limit_on_requests_at_once() -> None:
    assert resolve([Layer("file", {"concurrency": 1024}), Layer("user", {"concurrency": 2})]).concurrency == 2


def test_a_cap_may_be_lowered_from_above() -> None:
    assert resolve([budget("file", calls=3), budget("editor", calls=4), budget("user", calls=5)]).budget.calls == 3


def test_a_flag_sets_a_cap_whatever_the_others_say() -> None:
    settings = resolve([budget("flag", calls=9), budget("file", calls=99, usd=9), budget("user", calls=5, usd=1)])
    assert (settings.budget.calls, settings.budget.usd) == (9, 1)


@pytest.mark.parametrize("value", [None, {}, {"calls": None}])
def test_an_empty_value_takes_no_cap_away(value: object) -> None:
    assert resolve([Layer("file", {"budget": value}), budget("user", calls=5)]).budget.calls == 5


@pytest.mark.parametrize("value", ["5000", True, [5000], {"calls": {"calls": 5000}}, {"calls": "5000"}])
def test_a_cap_of_another_type_is_an_error_and_no_way_around(value: object) -> None:
    given = value if isinstance(value, dict) else {"calls": value}
    with pytest.raises(InputError, match=r"budget\.calls"):
        resolve([Layer("file", {"budget": given}), budget("user", calls=5)])


def test_without_a_cap_of_the_users_a_prompt_sets_its_own_above_the_default() -> None:
    assert resolve([budget("file", calls=5000)]).budget.calls == 5000
    assert resolve([]) == Settings()


@pytest.mark.parametrize(
    "asked",
    [
        {"calls": 5000, "usd": 1000},
        {"calls": 10**400},
        {},
        {"calls": None},
        {"tokens": 5},
        {"usd": 0.5, "calls": 11},
        None,
        "",
        [],
    ],
    ids=repr,
)
def test_later_settings_never_pass_those_of_the_initialization_options(asked: object) -> None:
    settings, _ = from_options({"budget": {"calls": 10, "usd": 1}})
    for later in ({"budget": asked}, {"apo": {"budget": asked}}):
        settings, _ = updated(settings, later)
        used = resolve([Layer("editor", settings.editor)]).budget
        assert used.calls == 10
        assert used.usd is not None
        assert used.usd <= 1
    settings, _ = updated(settings, {"budget": {"calls": 3}})
    assert resolve([Layer("editor", settings.editor)]).budget.calls == 3
    settings, _ = updated(settings, {"budget": {"calls": 8}})
    assert resolve([Layer("editor", settings.editor)]).budget.calls == 8, "what was lowered may be raised again"


@pytest.mark.parametrize("later", ["all", "", None, 3, {}])
def test_later_settings_keep_nothing_if_the_initialization_options_say_so(later: object) -> None:
    settings, _ = from_options({"keep": "nothing"})
    settings, _ = updated(settings, {"keep": later})
    assert resolve([Layer("editor", settings.editor)]).keep == "nothing"
    settings, _ = from_options({"keep": "all"})
    settings, _ = updated(settings, {"keep": "nothing"})
    assert resolve([Layer("editor", settings.editor)]).keep == "nothing"


def test_a_cap_of_the_users_own_that_is_wrong_is_not_replaced_by_one_of_a_workspace() -> None:
    settings, _ = from_options({"budget": {"calls": "ten"}})
    settings, _ = updated(settings, {"budget": {"calls": 5000}})
    with pytest.raises(InputError, match=r"budget\.calls"):
        resolve([Layer("editor", settings.editor)])


# For real.


def configured(folder: Path, text: str) -> None:
    file = folder / "config" / "apo-language-server" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.fixture
def apo(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    """`apo` in a stranger's folder whose prompt asks for 5,000 calls; the user's own cap is 10."""
    world = World(60)
    world.write(tmp_path, "apo.budget: {calls: 5000, seconds: 100000}\napo.concurrency: 1000")
    configured(tmp_path, "budget: {calls: 10}\nconcurrency: 2\n")
    scripted.script = world.script
    return make_apo(tmp_path, scripted)


def test_a_prompt_spends_no_more_than_the_user_allows_and_says_so_once(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.05
    outcome = apo("evaluate", "tickets.prompt")
    assert len(scripted.log) == 10
    assert scripted.log.peak <= 2
    said = " ".join(outcome.err.split())
    assert said.count("Your own settings lower what the prompt asks for") == 1
    assert "budget.calls is 10 and not 5,000, concurrency is 2 and not 1,000." in said
    assert "budget.seconds" not in said


def test_a_typed_flag_overrides_both_and_nothing_is_said_of_it(apo: Apo, scripted: ScriptedServer) -> None:
    outcome = apo("evaluate", "tickets.prompt", "--max-calls=20")
    assert len(scripted.log) == 20
    assert "budget.calls" not in outcome.err


async def test_nor_does_a_workspace_in_an_editor(tmp_path: Path, scripted: ScriptedServer) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    world = World(60)
    world.write(folder, "apo.budget: {calls: 5000}")
    scripted.script = world.script
    raised = {"budget": {"calls": 4000}, "background": "off"}
    editor = await Editor.start(
        folder,
        environment(tmp_path / "cache", scripted.base_url),
        options={"background": "off", "budget": {"calls": 10}},
        configuration=raised,
    )
    editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"apo": raised}))
    uri = editor.open("tickets.prompt")
    await editor.command("apo.evaluate", uri)
    await editor.lens(uri, "acc ")
    await editor.until_idle(uri)
    assert len(scripted.log) == 10
    await editor.stop()
