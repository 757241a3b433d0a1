"""The keys of front matter: all of them have their sentence, and agree with the settings."""

from __future__ import annotations

from msgspec import structs

from apo_engine.prompt.keys import METRIC_WORDS, below, keys
from apo_engine.settings import METRICS, Layer, OptimizerSettings, resolve


def test_every_setting_of_a_prompt_file_is_a_key_with_its_type_and_default() -> None:
    for field in structs.fields(OptimizerSettings):
        key = keys()["apo.optimizer", field.name]
        assert key.words.endswith(".")
        assert key.type
    rounds = keys()["apo.optimizer", "rounds"]
    assert (rounds.type, rounds.default) == ("a whole number", "20")
    assert keys()["apo.optimizer", "joint"].values == ("true", "false")
    assert set(keys()["apo.metric",].values) == set(METRIC_WORDS) == set(METRICS)


def test_every_choice_and_default_is_a_value_that_the_settings_take() -> None:
    for key in keys().values():
        if not key.path[0].startswith("apo.") or not (key.values or key.default):
            continue
        for value in (*key.values, *filter(None, [key.default])):
            written: object = {"true": True, "false": False}.get(value, value)
            if key.type in ("a number", "a whole number"):
                written = float(value) if "." in value else int(value)
            for name in reversed((key.path[0].removeprefix("apo."), *key.path[1:])):
                written = {name: written}
            assert isinstance(written, dict)
            resolve([Layer("file", written)])


def test_keys_below_another_are_its_own() -> None:
    assert {key.name for key in below(("apo.judge",))} == {"rubric", "model", "repeats"}
    assert {"model", "input", "apo.examples"} <= {key.name for key in below(())}
    assert not below(("model",))
