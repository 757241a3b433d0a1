"""Every attack of the corpus is repelled, but for those that are known not to be; harmless rewrites are left alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.engine.table_model import prompt
from tests.injection.corpus import Attack, Harmless, attacks, harmless
from tests.injection.requests import SEED
from tests.injection.seams import outcome, verdict


@pytest.mark.parametrize("attack", [one for one in attacks() if not one.known], ids=lambda attack: attack.id)
def test_an_attack_is_repelled(attack: Attack) -> None:
    assert outcome(attack) == ""


@pytest.mark.parametrize("attack", [one for one in attacks() if one.known], ids=lambda attack: attack.id)
def test_what_is_listed_as_not_repelled_is_listed_rightly(attack: Attack) -> None:
    assert outcome(attack)


@pytest.mark.parametrize("rewrite", harmless(), ids=lambda rewrite: rewrite.id)
def test_nothing_is_held_against_a_harmless_rewrite(rewrite: Harmless) -> None:
    assert verdict(f"{SEED}\n{rewrite.payload}", prompt(SEED)) == ("", ())


def test_the_corpus_is_as_large_as_is_said() -> None:
    names = [attack.id for attack in attacks()]
    assert len(names) == len(set(names)) >= 100
    assert len({attack.category for attack in attacks()}) >= 10


def test_the_table_in_the_readme_is_that_of_the_corpus() -> None:
    tried = Counter(attack.category for attack in attacks())
    known = Counter(attack.category for attack in attacks() if attack.known)
    table = (Path(__file__).parent / "README.md").read_text("utf-8")
    for name, count in (*tried.items(), ("all", tried.total())):
        through = known.total() if name == "all" else known[name]
        assert f"| {name} | {count} | {count - through} |" in table
