"""The section `apo`: what may be set where."""

from __future__ import annotations

import pytest

from apo_engine.models.purse import DailyCaps
from apo_server.settings import ServerSettings, from_options, updated


def test_without_options_everything_has_its_default() -> None:
    assert from_options(None) == (ServerSettings(), ())


def test_options_may_stand_in_the_section_or_alone() -> None:
    options = {"background": "off", "model": "openai/x", "budget": {"calls": 5, "usd": None}, "cacheDir": "/c"}
    alone, wrong = from_options(options)
    inside, _ = from_options({"apo": options})
    assert alone == inside
    assert wrong == ()
    assert alone.background == "off"
    assert alone.cache == "/c"
    assert alone.editor == {"model": "openai/x", "budget": {"calls": 5}}


def test_empty_values_set_nothing() -> None:
    settings, wrong = from_options({"model": "", "optimizer": {}, "budget": {}, "cacheDir": ""})
    assert (settings, wrong) == (ServerSettings(), ())


def test_a_workspace_can_give_neither_consent_nor_trust() -> None:
    started, _ = from_options({"trusted": False})
    changed, _ = updated(started, {"consent": True, "trusted": True, "background": "evaluate"})
    assert not changed.consent
    assert not changed.trusted
    assert changed.background == "evaluate"


def test_consent_and_trust_take_plain_words_only() -> None:
    settings, wrong = from_options({"consent": "yes", "trusted": 1})
    assert not settings.consent
    assert not settings.trusted
    assert len(wrong) == 2


@pytest.mark.parametrize(
    ("configuration", "named"),
    [
        ({"background": "sometimes"}, "apo.background"),
        ({"model": 3}, "apo.model"),
        ({"budget": 3}, "apo.budget"),
        ({"cacheDir": "/of/a/workspace"}, "apo.cacheDir"),
        ({"workspaceBudget": 3}, "apo.workspaceBudget"),
        ({"workspaceBudget": {"calls": -1}}, "apo.workspaceBudget"),
        ({"workspaceBudget": {"call": 1}}, "apo.workspaceBudget"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(configuration: dict[str, object], named: str) -> None:
    before, _ = from_options({"background": "off", "model": "openai/x", "cacheDir": "/c"})
    after, wrong = updated(before, configuration)
    assert after == before
    assert len(wrong) == 1
    assert named in wrong[0]


def test_a_missing_key_changes_nothing_and_an_empty_one_takes_back() -> None:
    before, _ = from_options({"model": "openai/x", "cacheDir": "/c"})
    assert updated(before, {"background": "off"})[0].editor == {"model": "openai/x"}
    after, _ = updated(before, {"model": "", "cacheDir": ""})
    assert after.editor == {}
    assert after.cache == "/c", "only who starts the server chooses where results are kept"


def test_the_cache_folder_of_the_initialization_options_may_be_sent_again() -> None:
    started, _ = from_options({"cacheDir": "~/c"})
    assert updated(started, {"cacheDir": "~/c"}) == (started, ())


@pytest.mark.parametrize("folder", [["/c"], "relative/c", "~nobody-of-that-name/c", "/c\0"])
def test_a_cache_folder_that_leads_nowhere_is_named(folder: object) -> None:
    settings, wrong = from_options({"cacheDir": folder})
    assert settings.cache is None
    assert len(wrong) == 1
    assert "'apo.cacheDir'" in wrong[0]


def test_a_workspace_can_lower_the_users_daily_caps_and_not_raise_them() -> None:
    started, wrong = from_options({"workspaceBudget": {"calls": 100, "usd": None}})
    assert (started.daily, wrong) == (DailyCaps(calls=100), ())
    raised, _ = updated(started, {"workspaceBudget": {"calls": 5000, "usd": 2}})
    assert raised.daily == DailyCaps(calls=100, usd=2)
    lowered, _ = updated(started, {"workspaceBudget": {"calls": 10}})
    assert lowered.daily == DailyCaps(calls=10)
    taken_back, _ = updated(lowered, {"workspaceBudget": None})
    assert taken_back.daily == DailyCaps(calls=100)


def test_a_client_without_a_token_gives_neither_consent_nor_trust_nor_a_place_for_results() -> None:
    given = {"consent": True, "trusted": True, "cacheDir": "/c", "background": "off"}
    for options in (given, {"apo": given}, {"apo": given, "consent": True}):
        settings, (hint,) = from_options(options, authenticated=False)
        assert settings == ServerSettings(trusted=False, background="off")
        assert "--token-file" in hint
    assert not from_options(None, authenticated=False)[0].trusted
    assert from_options({"trusted": False}, authenticated=False)[1] == ()
