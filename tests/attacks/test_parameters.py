"""What a stranger's `config` asks for: only what tunes one answer goes out, the rest is an error at its line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo_engine import parameters
from apo_engine.api import Options, check
from apo_engine.models import wire
from apo_engine.models.web_search import searches_web
from apo_engine.problems import BudgetError, InputError, ModelError
from apo_engine.prompt import keys
from apo_engine.prompt.checks import check_prompt
from apo_engine.prompt.file import parse_prompt
from apo_engine.runs.plan import make_plan
from apo_engine.settings import Layer, resolve
from tests.cli.conftest import Apo, make_apo
from tests.engine.models.support import ask, chat
from tests.scripted import ScriptedServer

_HEAD = "---\nmodel: {model}\napo.examples: rows.jsonl\napo.metric: label\nconfig:\n"
_BODY = '---\n{{role "user"}}\nSay yes or no: {{text}}\n'
_LINE = 6


def prompt_text(config: str, model: str = "openai/gpt-4o-mini") -> str:
    lines = "".join(f"  {line}\n" for line in config.split("\n"))
    return _HEAD.replace("{model}", model) + lines + _BODY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [{"text": f"t{number}", "label": "yes" if number % 2 else "no"} for number in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return tmp_path


def allow(folder: Path, text: str) -> None:
    (folder / "config" / "apo-language-server").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "apo-language-server" / "config.yaml").write_text(text)


def errors(config: str, model: str = "openai/gpt-4o-mini") -> list[tuple[str, int, str]]:
    found = check_prompt(parse_prompt(prompt_text(config, model), Path("a.prompt")), None)
    return [(one.code, one.place.line if one.place else 0, str(one)) for one in found]


# Each does something else than tune one answer: costs more, keeps data, sends it elsewhere, fetches, runs a program.
REFUSED = {
    "another price": "service_tier: priority",
    "data is kept": "store: true",
    "notes are kept with data": "metadata: {team: a}",
    "the answer is made later and kept": "background: true",
    "kept for a day": "prompt_cache_retention: 24h",
    "a search on the web": "web_search_options: {}",
    "a tool that searches": "tools: [{type: web_search}]",
    "a tool on a stranger's server": "tools: [{type: mcp, server_url: 'https://elsewhere.example'}]",
    "functions of the old protocol": "functions: [{name: f}]",
    "plugins of a router": "plugins: [{id: web}]",
    "other models of a router": "models: [other/expensive]",
    "another provider behind a router": "provider: {order: [elsewhere]}",
    "a router's way": "route: fallback",
    "what a router does to prompts": "transforms: [middle-out]",
    "another address behind a proxy": "api_base: 'https://elsewhere.example'",
    "the SDK's own body": "extra_body: {store: true}",
    "the SDK's own headers": "extra_headers: {X-Route: b}",
    "a key": "api_key: sk-canary",
    "who asks": "user: me",
    "who asks, newly": "safety_identifier: me",
    "a text to predict": "prediction: {type: content, content: x}",
    "sound": "modalities: [text, audio]",
    "a voice": "audio: {voice: alloy, format: wav}",
    "a program for the sampler": "grammar: 'root ::= root root'",
    "a template": "chat_template: '{{ 1 }}'",
    "answers that never end": "ignore_eos: true",
    "longer answers": "min_tokens: 100000",
    "a name in another case": "N: 50",
    "another model": "model: other",
    "another question": "messages: []",
    "pieces and their price": "stream_options: {include_usage: true}",
    "an unknown name": "frobnicate: 1",
    "a name with an escape sequence": '"\\e[31mred": 1',
    "a name of a megabyte": f"{'x' * 1000}: 1",
    "a name that looks like ours": "tеmperature: 1",
    "an empty name": '"": 1',
}


@pytest.mark.parametrize("config", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_allowed_is_an_error_at_its_line(config: str) -> None:
    ((code, line, said),) = errors(f"temperature: 0\n{config}")
    assert (code, line) == (parameters.UNKNOWN, _LINE + 1)
    assert "config.yaml" in said or "Remove it." in said
    assert "\x1b" not in said
    assert len(said) < 500
    assert "sk-canary" not in said


# The name is allowed; the value is not.
WRONG = {
    "five answers": "n: 5",
    "no answers": "n: 0",
    "one answer, as a yes": "n: true",
    "candidates": "candidateCount: 3",
    "the best of many": "best_of: 20",
    "a stream": "stream: true",
    "a temperature in words": "temperature: hot",
    "no number": "temperature: .nan",
    "without end": "temperature: .inf",
    "hotter than any sampler": "temperature: 1e300",
    "a truth for a number": "topP: true",
    "a list for a number": "topP: [0.5]",
    "an answer of a billion tokens": "maxOutputTokens: 1000000000",
    "no bound at all": "max_tokens: -1",
    "no tokens": "max_tokens: 0",
    "half a token": "maxOutputTokens: 2.5",
    "two bounds": "maxOutputTokens: 5\nmax_tokens: 900",
    "a bound by its two names": "max_completion_tokens: 5\nmax_tokens: 900",
    "a hundred stops": f"stopSequences: {json.dumps(['x'] * 100)}",
    "a stop of a megabyte": f"stopSequences: [{'x' * 5000}]",
    "a stop that is a map": "stop: [{a: 1}]",
    "an empty stop": "stop: ['']",
    "a bias for a word": "logit_bias: {yes: 100}",
    "a bias beyond its range": "logit_bias: {50256: 1e9}",
    "biases by the thousand": f"logit_bias: {json.dumps({str(number): 1 for number in range(2000)})}",
    "an effort that is not one": "reasoning_effort: ultra",
    "a schema that fetches": "response_format: {type: json_schema, json_schema: {$ref: 'https://elsewhere.example'}}",
    "a template through its options": "chat_template_kwargs: {chat_template: '{{ cycler }}'}",
    "an argument of the template's function": "chat_template_kwargs: {tokenize: true}",
    "an image in the template's options": "chat_template_kwargs: {thinking: {image_url: 'https://elsewhere.example'}}",
    "a long text in the template's options": f"chat_template_kwargs: {{model_identity: {'x' * 5000}}}",
    "template options that are no map": "chat_template_kwargs: enable_thinking",
}


@pytest.mark.parametrize("config", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_an_error_at_its_line(config: str) -> None:
    found = errors(config)
    assert [code for code, *_ in found] == [parameters.INVALID]
    assert found[0][1] == _LINE + config.count("\n")


def test_what_tunes_an_answer_is_sent(folder: Path) -> None:
    config = {
        "temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 50, "stopSequences": ["\n"], "seed": -1,
        "min_p": 0.1, "repeat_penalty": 1.1, "mirostat": 2, "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": False}, "response_format": {"type": "json_object"},
        "logit_bias": {"50256": -100}, "presencePenalty": 1, "n": 1, "stream": False,
    }  # fmt: skip
    assert errors("\n".join(f"{name}: {json.dumps(value)}" for name, value in config.items())) == []
    sent = wire.params(config)
    assert sent["max_tokens"] == 50
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert not sent.keys() & {"n", "stream", "topP"}


async def test_a_run_refuses_before_anything_leaves(folder: Path) -> None:
    for config in ("store: true", "n: 2"):
        with pytest.raises(InputError, match=r"a\.prompt:6:"):
            await make_plan("evaluate", parse_prompt(prompt_text(config), folder / "a.prompt"), Options())


def test_the_check_of_a_folder_says_what_the_editor_says(folder: Path) -> None:
    prompt = parse_prompt(prompt_text("store: true\nn: 2"), folder / "a.prompt")
    in_editor = {str(one) for one in check_prompt(prompt, ["text"])}
    assert in_editor == {str(one) for one in check(prompt, Options(), {}) if one.severity.value == "error"}
    assert len(in_editor) == 2


# A workspace cannot allow itself anything.
@pytest.mark.parametrize(
    "line",
    [
        "apo.endpoints: {openai: {parameters: [store]}}",
        "apo.parameters: [store]",
        "apo.config: {store: true}",
        "endpoints: {openai: {parameters: [store]}}",
    ],
)
def test_a_workspace_allows_itself_nothing(folder: Path, line: str) -> None:
    text = prompt_text("store: true").replace("config:", f"{line}\nconfig:", 1)
    found = check_prompt(parse_prompt(text, folder / "a.prompt"), ["text"])
    assert parameters.UNKNOWN in [one.code for one in found]
    with pytest.raises(InputError):
        resolve([Layer("editor", {"endpoints": {"openai": {"parameters": ["store"]}}, "config": {"store": True}})])


async def test_what_the_user_allows_is_sent_and_named(folder: Path) -> None:
    allow(folder, "endpoints: {openai: {parameters: [store, xtc_probability]}}\n")
    prompt = parse_prompt(prompt_text("store: true\nxtc_probability: 0.5"), folder / "a.prompt")
    assert check_prompt(prompt, ["text"]) == ()
    plan = await make_plan("evaluate", prompt, Options())
    from apo_engine.runs.announcement import announce

    notices = announce(plan).notices
    await plan.close()
    assert len(notices) == 2
    assert "'store: true' is sent to api.openai.com: it keeps data at the endpoint." in notices


async def test_leave_for_one_endpoint_is_none_for_another(folder: Path) -> None:
    allow(folder, "endpoints: {far: {base_url: 'https://models.example/v1', parameters: [store]}}\n")
    text = prompt_text("store: true")
    with pytest.raises(InputError, match=r"endpoints: {openai: {parameters: \[store\]}}"):
        await make_plan("evaluate", parse_prompt(text, folder / "a.prompt"), Options())
    far = parse_prompt(text.replace("openai/", "far/"), folder / "a.prompt")
    await (await make_plan("evaluate", far, Options())).close()


@pytest.mark.parametrize("name", ["n", "stream", "model", "messages", "stream_options", "best_of"])
def test_not_even_the_user_allows_what_every_request_sets(folder: Path, name: str) -> None:
    allow(folder, f"endpoints: {{openai: {{parameters: [{name}]}}}}\n")
    from apo_engine.machine import user_layer

    with pytest.raises(InputError, match="cannot be allowed"):
        resolve([user_layer()])


@pytest.mark.parametrize(
    "text",
    [
        "endpoints: {openai: {parameters: store}}",
        "endpoints: {openai: {parameters: [{store: true}]}}",
        "endpoints: {openai: {key_env: OTHER_KEY, parameters: [store]}}",
        "endpoints: {far: {parameters: [store]}}",
        "endpoints: {openai: {parameters: ['a b']}}",
    ],
)
def test_a_list_that_cannot_be_read_allows_nothing(folder: Path, text: str) -> None:
    allow(folder, text)
    from apo_engine.machine import user_layer

    with pytest.raises(InputError):
        resolve([user_layer()])
    assert parameters.UNKNOWN in [code for code, *_ in errors("store: true")]


@pytest.mark.parametrize(
    "value", ["{a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}}", ".inf", f"[{'x' * 70000}]", "[.nan]"]
)
def test_a_value_of_an_allowed_name_stays_plain_and_small(folder: Path, value: str) -> None:
    allow(folder, "endpoints: {openai: {parameters: [custom]}}\n")
    assert [code for code, *_ in errors(f"custom: {value}")] == [parameters.INVALID]


# Under a cap in dollars, what has a price of its own is known or refused.
@pytest.mark.parametrize(
    ("config", "model", "known"),
    [
        ("service_tier: priority", "gpt-5.1", True),
        ("service_tier: flex", "gpt-5.1", True),
        ("service_tier: auto", "gpt-5.1", True),
        ("service_tier: gold", "gpt-5.1", False),
        ("service_tier: priority", "gpt-3.5-turbo", False),
        ("web_search_options: {}", "gpt-5.1", False),
        ("tools: [{type: web_search}]", "gpt-5.1", False),
        ("service_tier: [priority]", "gpt-5.1", False),
    ],
)
async def test_a_cap_in_dollars_needs_a_price(folder: Path, config: str, model: str, known: bool) -> None:
    allow(folder, "endpoints: {openai: {parameters: [service_tier, web_search_options, tools]}}\n")
    prompt = parse_prompt(prompt_text(config, f"openai/{model}"), folder / "a.prompt")
    capped = Options(flags={"budget": {"usd": 1.0}})
    if known:
        await (await make_plan("evaluate", prompt, capped)).close()
        return
    with pytest.raises(BudgetError, match=r"a\.prompt:6:"):
        await make_plan("evaluate", prompt, capped)
    uncapped = await make_plan("evaluate", prompt, Options())
    from apo_engine.runs.announcement import announce

    assert announce(uncapped).estimate.usd is None
    assert "Its price is not known." in announce(uncapped).notices[0]
    await uncapped.close()


# Outside of the values on the list, it may be anything that the endpoint takes.
@pytest.mark.parametrize(
    "config",
    [
        "chat_template_kwargs: {chat_template: '{{ cycler }}', tools: [{type: function}]}",
        "response_format: {type: web_search}",
        "logit_bias: {anything: goes}",
    ],
)
async def test_an_opened_parameter_with_an_unlisted_value_is_named(folder: Path, config: str) -> None:
    from apo_engine.runs.announcement import announce

    allow(folder, "endpoints: {openai: {parameters: [chat_template_kwargs, response_format, logit_bias]}}\n")
    texts = {}
    for listed in ("response_format: {type: json_object}", config):
        text = f"---\nmodel: openai/gpt-4o\nconfig: {{{listed}}}\napo.examples: rows.jsonl\n{_BODY}"
        plan = await make_plan("evaluate", parse_prompt(text, folder / "a.prompt"), Options())
        texts[listed] = announce(plan).notices
        await plan.close()
    assert texts.pop("response_format: {type: json_object}") == ()
    (notices,) = texts.values()
    assert len(notices) == 1
    assert "is sent to api.openai.com: it has a value that APO does not know." in notices[0]
    assert config.partition(":")[0] in notices[0]


@pytest.mark.parametrize(
    "name",
    ["jina-deepsearch-v1", "exa", "exa-research", "Web-Search", "Linkup-Deep-Search", "web-search-pro",
     "glm-4-alltools", "gemini-deepresearch", "o4-mini-deep_research", "kagi/fastgpt", "qwen-plus-search"],
)  # fmt: skip
def test_more_names_of_models_that_search_are_known(name: str) -> None:
    assert searches_web(name)


@pytest.mark.parametrize("name", ["gpt-4o", "deepseek-chat", "example-7b", "research-llm", "hexa-13b", "glm-4-plus"])
def test_other_names_are_not_taken_for_such(name: str) -> None:
    assert not searches_web(name)


# A model that searches the web by itself does what `web_search_options` asks of others.
@pytest.mark.parametrize(
    "line",
    [
        "model: openai/gpt-4o-search-preview",
        "model: openai/gpt-4o\napo.optimizer: {model: openai/o3-deep-research}",
        "model: openai/gpt-4o\napo.metric: judge\napo.judge: {model: openai/gpt-5-search-api, rubric: Be kind}",
    ],
    ids=lambda one: one[-20:],
)
async def test_a_model_that_searches_needs_the_users_leave(folder: Path, line: str) -> None:
    prompt = parse_prompt(f"---\n{line}\napo.examples: rows.jsonl\n{_BODY}", folder / "a.prompt")
    words = [f"{chr(97 + number // 8) * 5} {chr(97 + number % 8) * 7}" for number in range(64)]
    rows = [{"text": word, "label": "yes" if number % 3 else "no"} for number, word in enumerate(words)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"endpoints: {openai: {parameters: \[web_search_options\]}}") as refused:
        await make_plan("optimize", prompt, Options())
    assert "a.prompt:" in str(refused.value)
    allow(folder, "endpoints: {openai: {parameters: [web_search_options]}}\n")
    plan = await make_plan("optimize", prompt, Options())
    from apo_engine.runs.announcement import announce

    started = announce(plan)
    await plan.close()
    assert started.estimate.usd is None
    assert len(started.notices) == 1
    assert "searches the web: it costs more, and may send data elsewhere. Its price is not known." in started.notices[0]
    with pytest.raises(BudgetError, match="is unknown"):
        await make_plan("optimize", prompt, Options(flags={"budget": {"usd": 1.0}}))


async def test_a_model_on_this_machine_may_have_any_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    prompt = parse_prompt(prompt_text("temperature: 0", "openai/my-deep-research-8b"), folder / "a.prompt")
    await (await make_plan("evaluate", prompt, Options())).close()


async def test_a_tier_is_priced_as_the_list_says(folder: Path) -> None:
    allow(folder, "endpoints: {openai: {parameters: [service_tier]}}\n")
    usd = {}
    for tier in ("default", "priority", "flex"):
        text = prompt_text(f"service_tier: {tier}", "openai/gpt-5.1")
        plan = await make_plan("evaluate", parse_prompt(text, folder / "a.prompt"), Options())
        from apo_engine.models.chat import Usage

        usd[tier] = plan.price_of(plan.task_model, Usage(10**6, 10**6)) or 0.0
        await plan.close()
    # The same model writes critiques without the tier: the higher price of the two counts.
    assert usd["priority"] > usd["default"] == usd["flex"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)
_NAMES = st.sampled_from([*(name for one in parameters.PARAMETERS for name in one.spellings), "tools", "store"])
_CONFIGS = st.dictionaries(_NAMES | st.text(max_size=12), _VALUES, max_size=6)


@settings(max_examples=400)
@given(_CONFIGS, st.sets(st.sampled_from(["store", "custom", "logit_bias"])))
def test_whatever_a_config_holds_the_wire_carries_only_what_is_allowed(
    config: Mapping[str, object], allowed: set[str]
) -> None:
    try:
        sent = wire.params(config, allowed)
    except InputError:
        return
    known = {one.name for one in parameters.PARAMETERS if not one.fixed}
    assert sent.keys() <= known | allowed
    json.dumps(sent, allow_nan=False)
    for one in parameters.PARAMETERS:
        if one.name in sent and not (one.structured and one.name in allowed):
            assert one.fits(sent[one.name])


async def test_the_model_itself_sends_nothing_else(scripted: ScriptedServer) -> None:
    model = chat(scripted, parameters=["custom"])
    for config in ({"store": True}, {"extra_body": {}}, {"n": 2}, {"custom": float("nan")}):
        with pytest.raises((InputError, ModelError)):
            await model.complete(ask(**config))
    assert len(scripted.log) == 0
    await model.complete(ask(custom={"a": [1]}, temperature=0, n=1))
    assert scripted.log[0].body.keys() == {"model", "messages", "custom", "temperature"}
    await model.close()


def test_every_parameter_of_the_sdk_is_decided_upon() -> None:
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    undecided = [
        name
        for name in CompletionCreateParamsBase.__annotations__
        if parameters.parameter(name) is None
        and not parameters.never_allowed(name)
        and parameters.effect(name) == parameters.effect("frobnicate")
    ]
    assert undecided == []


def test_the_editor_offers_only_what_is_allowed() -> None:
    offered = [key.name for key in keys.below(("config",))]
    assert {"temperature", "maxOutputTokens", "min_p"} <= set(offered)
    assert all(parameters.parameter(name) is not None for name in offered)
    assert not set(offered) & {"n", "stream", "store", "service_tier"}


def test_checking_loads_no_sdk() -> None:
    code = (
        "import sys\nfrom apo_engine.prompt.checks import check_prompt\n"
        "from apo_engine.prompt.file import parse_prompt\n"
        "assert check_prompt(parse_prompt('---\\nconfig: {store: true}\\n---\\nHi'), None)\n"
        "sys.exit('openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _stranger(folder: Path, server: ScriptedServer, config: str) -> Apo:
    (folder / "a.prompt").write_text(prompt_text(config, "openai/m"))
    rows = [{"text": f"t{number}", "label": "yes"} for number in range(3)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return make_apo(folder, server)


def test_the_command_sends_nothing_and_names_each_line(tmp_path: Path, scripted: ScriptedServer) -> None:
    apo = _stranger(tmp_path, scripted, "service_tier: priority\nstore: true\ntools: [{type: web_search}]\nN: 50")
    done = apo("evaluate", "a.prompt", "--max-usd=1")
    assert done.code == 2
    assert len(scripted.log) == 0
    for line, name in enumerate(("service_tier", "store", "tools", "N"), start=_LINE):
        assert f"a.prompt:{line}:3: error: '{name}'" in done.err + done.out


def test_the_command_names_what_the_user_has_allowed(tmp_path: Path, scripted: ScriptedServer) -> None:
    apo = _stranger(tmp_path, scripted, "store: true")
    allow(tmp_path, "endpoints: {openai: {parameters: [store]}}\n")
    done = apo("evaluate", "a.prompt")
    assert done.code == 0, done.err
    bodies: list[dict[str, Any]] = scripted.log.bodies
    assert all(body["store"] is True for body in bodies)
    assert "'store: true' is sent to 127.0.0.1" in " ".join(done.err.split())
