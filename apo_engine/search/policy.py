"""A policy over a few actions that is learned from reward."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

ActionT = TypeVar("ActionT", bound=str)


class SoftmaxPolicy(Generic[ActionT]):
    """A gradient bandit: softmax over preferences, which move along the policy gradient (REINFORCE with a baseline).

    After Sutton & Barto, Reinforcement Learning, 2nd edition, section 2.8. The baseline is the mean reward so far, and
    0 before the first. With rewards in [-1, 1], ``step`` of a few units tells actions apart within dozens of trials.
    """

    def __init__(self, actions: Sequence[ActionT], step: float) -> None:
        self._preference = dict.fromkeys(actions, 0.0)
        self._step = step
        self._mean = 0.0
        self._rewards = 0

    def probabilities(self, allowed: Sequence[ActionT]) -> list[float]:
        """How likely each of the ``allowed`` actions is drawn, in their order."""
        highest = max((self._preference[action] for action in allowed), default=0.0)
        weights = [math.exp(self._preference[action] - highest) for action in allowed]
        total = sum(weights)
        return [weight / total for weight in weights]

    def draw(self, allowed: Sequence[ActionT], rng: random.Random) -> ActionT:
        """One of the ``allowed`` actions."""
        return rng.choices(allowed, self.probabilities(allowed))[0]

    def learn(self, action: ActionT, allowed: Sequence[ActionT], reward: float) -> None:
        """``action``, drawn among ``allowed``, brought ``reward``."""
        advantage = reward - self._mean
        for other, share in zip(allowed, self.probabilities(allowed), strict=True):
            self._preference[other] += self._step * advantage * ((other == action) - share)
        self._rewards += 1
        self._mean += (reward - self._mean) / self._rewards
