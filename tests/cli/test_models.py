"""`apo models` as a process."""

from __future__ import annotations

from tests.cli.conftest import Apo
from tests.scripted import ScriptedServer


def test_what_is_reachable_is_listed(apo: Apo) -> None:
    shown = apo("models")
    assert shown.code == 0
    assert "openai/scripted" in shown.out
    assert "embedded/" in shown.out
    assert "Traceback" not in shown.err


def test_the_object_lists_every_endpoint(apo: Apo) -> None:
    found = apo("models", "--json").object
    by_name = {endpoint["name"]: endpoint for endpoint in found["endpoints"]}
    assert by_name["openai"]["reachable"] is True
    assert by_name["openai"]["address"] == apo.environ["OPENAI_BASE_URL"]
    assert [model["name"] for model in by_name["openai"]["models"]] == ["openai/scripted"]
    assert set(by_name["openai"]["models"][0]) == {"name", "context_window", "input_usd", "output_usd"}


def test_what_is_not_reachable_is_listed_with_its_reason(apo: Apo) -> None:
    shown = apo("models", "--json", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    endpoint = next(found for found in shown.object["endpoints"] if found["name"] == "openai")
    assert shown.code == 0
    assert endpoint["reachable"] is False
    assert endpoint["reason"]


def test_named_endpoints_of_the_user_are_asked_with_their_own_key(apo: Apo, scripted: ScriptedServer) -> None:
    with ScriptedServer(key="sk-mine", models=("grand",)) as other:
        folder = apo.folder / "config" / "apo-language-server"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"endpoints: {{lab: {{base_url: '{other.base_url}', key_env: LAB_KEY}}}}\n")
        assert "lab/grand" in apo("models", LAB_KEY="sk-mine").out
        refused = apo("models", LAB_KEY="sk-wrong-one-12345")
    assert "lab/  " in refused.out
    assert "LAB_KEY" in refused.out
    assert "sk-wrong-one-12345" not in refused.out + refused.err
