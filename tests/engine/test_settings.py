from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_engine.machine import cache_dir, environment_layer, user_layer
from apo_engine.problems import InputError, Place
from apo_engine.settings import (
    METRICS,
    PRECEDENCE,
    EndpointSettings,
    ExamplesSettings,
    JudgeSettings,
    Layer,
    LayerName,
    Settings,
    nearest,
    resolve,
)


def at(line: int) -> Place:
    return Place(Path("triage.prompt"), line, 3)


def problems(*layers: Layer) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as caught:
        resolve(layers)
    return [(problem.code, problem.message, problem.remedy) for problem in caught.value.problems]


def test_nothing_given_gives_the_defaults() -> None:
    settings = resolve([])
    assert settings == Settings()
    assert (settings.model, settings.examples, settings.metric, settings.seed) == (None, None, None, 0)
    assert (settings.optimizer.rounds, settings.optimizer.beam, settings.budget.calls) == (20, 4, 1000)
    assert (settings.concurrency, settings.calibration) == (32, "none")


@given(st.permutations(PRECEDENCE), st.sets(st.sampled_from(PRECEDENCE), min_size=1))
def test_the_higher_layer_wins_in_whatever_order_they_come(order: list[LayerName], used: set[LayerName]) -> None:
    layers = [Layer(name, {"model": f"from/{name}"}) for name in order if name in used]
    winner = next(name for name in PRECEDENCE if name in used)
    assert resolve(layers).model == f"from/{winner}"


def test_maps_are_merged_key_by_key() -> None:
    settings = resolve(
        [
            Layer("file", {"optimizer": {"rounds": 3}, "config": {"temperature": 0}}),
            Layer("editor", {"optimizer": {"rounds": 9, "beam": 2}, "config": {"topK": 5}}),
        ]
    )
    assert (settings.optimizer.rounds, settings.optimizer.beam) == (3, 2)
    assert settings.config == {"temperature": 0, "topK": 5}


def test_short_forms_stand_for_maps() -> None:
    settings = resolve([Layer("file", {"examples": "rows.jsonl", "optimizer": "openai/gpt-4.1", "budget": {"usd": 1}})])
    assert settings.examples == ExamplesSettings(path="rows.jsonl")
    assert settings.optimizer.model == "openai/gpt-4.1"
    assert settings.budget.usd == 1.0


def test_rows_of_a_higher_layer_replace_those_of_a_lower_one_and_keep_its_columns() -> None:
    lower = Layer("file", {"examples": {"train": "a.csv", "holdout": "b.csv", "expected": "queue"}})
    settings = resolve([Layer("flag", {"examples": "c.csv"}), lower])
    assert settings.examples == ExamplesSettings(path="c.csv", expected="queue")


def test_an_empty_value_is_as_if_not_given() -> None:
    assert resolve([Layer("file", {"model": None, "budget": None, "seed": None})]) == Settings()


def test_every_wrong_value_is_reported_with_its_key_place_and_remedy() -> None:
    values = {
        "optimizer": {"rounds": "six", "beem": 3, "critic": "foo", "temperature": 9},
        "budget": {"usd": float("nan"), "calls": 0},
        "seed": True,
        "config": 3,
        "examples": {"input": ["text"]},
    }
    layer = Layer("file", values, lambda path: at(len(path)))
    with pytest.raises(InputError) as caught:
        resolve([layer, Layer("flag", {"concurrency": -1})])
    said = sorted(str(problem) for problem in caught.value.problems)
    assert said == sorted(
        [
            "triage.prompt:2:3: 'apo.optimizer.rounds' must be a whole number from 1 to 100, not 'six'."
            " Write for example rounds: 20",
            "triage.prompt:2:3: 'apo.optimizer.beem' is not a setting. Did you mean 'beam'?",
            "triage.prompt:2:3: 'apo.optimizer.critic' must be 'auto' or 'evidence' or 'model', not 'foo'."
            " Write for example critic: auto",
            "triage.prompt:2:3: 'apo.optimizer.temperature' must be a number from 0 to 2, not 9."
            " Write for example temperature: 1.0",
            "triage.prompt:2:3: 'apo.budget.usd' must be a number from 0 to 1,000,000, not nan."
            " Correct it, or remove the key.",
            "triage.prompt:2:3: 'apo.budget.calls' must be a whole number from 1 to 1,000,000,000, not 0."
            " Write for example calls: 1000",
            "triage.prompt:1:3: 'apo.seed' must be a whole number of at least 0, not True. Write for example seed: 0",
            "triage.prompt:1:3: 'config' must be a map, not 3. Correct it, or remove the key.",
            "triage.prompt:2:3: 'apo.examples.input' must be a map, not ['text']. Correct it, or remove the key.",
            "'concurrency' given on the command line must be a whole number from 1 to 1024, not -1."
            " Write for example concurrency: 32",
        ]
    )


@pytest.mark.parametrize(
    ("metric", "code", "remedy"),
    [
        ("json-match", "setting-invalid", "Did you mean 'json_match'?"),
        ("scorers:", "setting-invalid", "Use one of exact_match, label"),
        ("../scorers:mine", "setting-invalid", "or 'module:function'"),
        ("scorers:mine()", "setting-invalid", "or 'module:function'"),
        ("exact-match", "setting-invalid", "Did you mean 'exact_match'?"),
        ("zzz", "setting-invalid", "Use one of"),
        (3, "setting-invalid", "Correct it"),
    ],
)
def test_a_metric_that_does_not_exist_is_said(metric: object, code: str, remedy: str) -> None:
    ((found, message, advice),) = problems(Layer("file", {"metric": metric}))
    assert found == code
    assert "'apo.metric'" in message
    assert remedy in advice


@pytest.mark.parametrize("metric", [*METRICS, "scorers:mine", "pack.scorers:mine_2"])
def test_metrics_are_accepted_by_name_or_as_a_function(metric: str) -> None:
    assert resolve([Layer("file", {"metric": metric})]).metric == metric


def test_a_judge_is_a_rubric_or_a_map_and_may_be_set_in_parts() -> None:
    assert resolve([Layer("file", {"judge": "Be kind."})]).judge == JudgeSettings("Be kind.")
    layers = [Layer("file", {"judge": {"rubric": "Be kind."}}), Layer("user", {"judge": {"model": "openai/x"}})]
    assert resolve(layers).judge == JudgeSettings("Be kind.", "openai/x", 1)
    ((code, message, _),) = problems(Layer("file", {"judge": {"rubric": "x", "repeats": 0}}))
    assert code == "setting-invalid"
    assert "'apo.judge.repeats' must be a whole number from 1 to 16" in message


@pytest.mark.parametrize("name", [name for name in PRECEDENCE if name != "user"])
def test_endpoints_are_the_users_alone(name: LayerName) -> None:
    ((code, _, remedy),) = problems(Layer(name, {"endpoints": {"x": {"base_url": "http://evil"}}}))
    assert code == "setting-misplaced"
    assert "your key" in remedy


@pytest.mark.parametrize(
    ("examples", "remedy"),
    [
        ({"path": "a.csv", "holdout": "b.csv"}, "Keep either path, or train and holdout."),
        ({"holdout": "b.csv"}, "Add train: and its file."),
    ],
)
def test_contradictory_example_files_are_said(examples: dict[str, object], remedy: str) -> None:
    ((_, _, advice),) = problems(Layer("file", {"examples": examples}))
    assert advice == remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["model", "config", "examples", "metric", "judge", "optimizer", "budget", "seed", "endpoints", "x.y", "zz"]
)


@given(st.dictionaries(KEYS, JSON, max_size=4), st.sampled_from(PRECEDENCE))
def test_any_values_give_settings_or_an_input_error(values: dict[str, object], name: LayerName) -> None:
    try:
        assert isinstance(resolve([Layer(name, values)]), Settings)
    except InputError as error:
        assert all(problem.message for problem in error.problems)


def test_the_environment_names_models_and_wrong_layers_name_the_variable() -> None:
    layer = environment_layer({"APO_MODEL": "openai/a", "APO_OPTIMIZER_MODEL": "openai/b", "OTHER": "c"})
    settings = resolve([layer])
    assert (settings.model, settings.optimizer.model) == ("openai/a", "openai/b")
    assert resolve([environment_layer({"APO_MODEL": ""})]) == Settings()


def test_the_users_file_defines_endpoints_and_errors_name_its_lines(tmp_path: Path) -> None:
    assert user_layer(tmp_path).values == {}
    path = tmp_path / "config.yaml"
    path.write_text("model: lab/x\nendpoints:\n  lab: {base_url: 'http://lab/v1', key_env: LAB_KEY}\n")
    settings = resolve([user_layer(tmp_path)])
    assert settings.endpoints == {"lab": EndpointSettings("http://lab/v1", "LAB_KEY")}
    assert settings.model == "lab/x"
    path.write_text("model: lab/x\nbudget:\n  usd: lots\n")
    with pytest.raises(InputError, match=r"config\.yaml:3:8: 'budget\.usd' must be a number"):
        resolve([user_layer(tmp_path)])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: [1\nb: 2\n", r"config\.yaml:2:\d+: This is not valid YAML"),
        (b"- a\n", "must be a map"),
        (b"a: \xff\n", "cannot be read"),
        (b"[" * 1000, "not valid YAML"),
        (b"a: \x00\n", "not valid YAML"),
    ],
)
def test_a_broken_users_file_is_an_input_error(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "config.yaml").write_bytes(data)
    with pytest.raises(InputError, match=said):
        user_layer(tmp_path)


def test_the_cache_folder_can_be_moved() -> None:
    assert cache_dir({"APO_CACHE_DIR": "/somewhere"}) == Path("/somewhere")
    assert cache_dir({}).name == "apo-language-server"


def test_nearest_finds_misspellings_and_not_strangers() -> None:
    assert nearest("Labl", ["label", "text"]) == "label"
    assert nearest("zzz", ["label", "text"]) is None
    assert nearest("x", []) is None
