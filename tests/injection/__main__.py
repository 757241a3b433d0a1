"""``python -m tests.injection``: the attacks repelled, by category; 1 where one got through that is not known to."""

from __future__ import annotations

import sys
from collections import Counter

from tests.engine.table_model import prompt
from tests.injection.corpus import Attack, attacks, harmless
from tests.injection.requests import SEED
from tests.injection.seams import outcome, verdict


def main() -> int:
    """Try every attack and print the table."""
    tried: Counter[str] = Counter()
    repelled: Counter[str] = Counter()
    through: list[tuple[Attack, str]] = []
    for attack in attacks():
        why = outcome(attack)
        tried[attack.category] += 1
        repelled[attack.category] += not why
        if why:
            through.append((attack, why))
    print(f"{'attack':30}{'tried':>7}{'repelled':>10}{'share':>9}")
    for name in tried:
        print(f"{name:30}{tried[name]:7}{repelled[name]:10}{repelled[name] / tried[name]:9.1%}")
    total, good = sum(tried.values()), sum(repelled.values())
    print(f"{'all':30}{total:7}{good:10}{good / total:9.1%}")
    wronged = [one.id for one in harmless() if verdict(f"{SEED}\n{one.payload}", prompt(SEED)) != ("", ())]
    print(f"\nHarmless rewrites left alone: {len(harmless()) - len(wronged)} of {len(harmless())} {' '.join(wronged)}")
    for attack, why in through:
        told = "known" if attack.known else "NEW"
        print(f"{told}: {attack.id}: {why}: {ascii(attack.payload)[:100]}")
    return int(any(not attack.known for attack, _ in through) or bool(wronged))


if __name__ == "__main__":
    sys.exit(main())
