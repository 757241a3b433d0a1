"""The words of the lens that tells the score."""

from __future__ import annotations

import pytest

from apo_server.features.code_lens import score_in_words
from apo_server.knowledge import Score


@pytest.mark.parametrize(
    ("metric", "name"),
    [("label", "acc"), ("exact_match", "acc"), ("f1", "F1"), ("f1_macro", "macro F1"), ("json_match", "JSON"),
     ("judge", "grade"), ("tools.queues:strictly", "strictly")],
)  # fmt: skip
def test_each_metric_has_a_short_name_of_its_own(metric: str, name: str) -> None:
    assert score_in_words(Score(metric, 0.814, (0.78, 0.842), 140, "open")) == f"{name} 81.4 % ± 3.1 (n 140)"
