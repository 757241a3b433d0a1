"""The embedded model itself: real weights, real runtime."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apo_engine.models.chat import ChatModel, ChatRequest, LabelScorer, Message
from apo_engine.models.embedded import DEFAULT_MODEL, EmbeddedModel, load_embedded
from apo_engine.problems import ModelError
from tests.attacks.gguf import gguf

pytestmark = pytest.mark.local_model

SENTIMENT = ("positive", "negative")
OBVIOUS = [
    ("I love this so much, it made my whole week.", "positive"),
    ("Terrible. The worst meal that I ever had.", "negative"),
    ("An excellent film with a wonderful cast.", "positive"),
    ("It broke at once and nobody helped me, awful service.", "negative"),
    ("The kindest host and the most beautiful room.", "positive"),
    ("Boring, ugly, and far too expensive.", "negative"),
]
UNSEEN = [
    ("A great read, I adored it.", "positive"),
    ("Dirty room, rude staff, never again.", "negative"),
    ("Works perfectly and looks beautiful.", "positive"),
    ("A dull, stupid waste of money.", "negative"),
]
SHOWN = "\n\n".join(f"Review: {text}\nSentiment: {label}" for text, label in OBVIOUS)

SCRIPT = """
import asyncio, sys
from pathlib import Path
from apo_engine.models.chat import Message
from apo_engine.models.embedded import DEFAULT_MODEL, load_embedded

async def main():
    model = load_embedded(DEFAULT_MODEL, Path(sys.argv[1]))
    async def score(text):
        return await model.score_labels([Message("user", f"Review: {text}\\nSentiment:")], ["positive", "negative"])
    first = await score("lovely")
    print(sorted(first.probabilities), flush=True)
    await asyncio.gather(*(score(f"lovely {n}") for n in range(int(sys.argv[2]))))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(cache_dir: Path) -> Iterator[EmbeddedModel]:
    model = load_embedded(DEFAULT_MODEL, cache_dir)
    yield model
    asyncio.run(model.close())


def review(text: str, system: str = SHOWN) -> list[Message]:
    return [Message("system", system), Message("user", f"Review: {text}\nSentiment:")]


def test_it_is_a_local_chat_model_that_scores_labels(model: EmbeddedModel) -> None:
    assert isinstance(model, ChatModel)
    assert isinstance(model, LabelScorer)
    assert model.local
    assert model.name == "embedded/gemma-3-270m"


def test_the_identity_names_the_weights_and_the_runtime(model: EmbeddedModel) -> None:
    assert "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818" in model.identity
    assert "xllamacpp=" in model.identity


async def test_obvious_rows_get_the_right_label(model: EmbeddedModel) -> None:
    scores = [await model.score_labels(review(text), SENTIMENT) for text, _ in UNSEEN]
    best = [max(SENTIMENT, key=lambda label: score.probabilities[label]) for score in scores]
    assert best == [label for _, label in UNSEEN]
    for score in scores:
        assert sum(score.probabilities.values()) == pytest.approx(1)
        assert score.usage.input > 10
        assert score.usage.output == 1
        assert not score.usage.estimated


async def test_the_event_loop_runs_on_while_the_model_loads_and_answers(cache_dir: Path) -> None:
    model = load_embedded(DEFAULT_MODEL, cache_dir)
    answer = asyncio.ensure_future(model.score_labels(review("lovely"), SENTIMENT))
    ticks = 0
    while not answer.done():
        await asyncio.sleep(0.01)
        ticks += 1
    await answer
    await model.close()
    assert ticks >= 10


async def test_answers_do_not_depend_on_what_was_asked_before_or_beside(model: EmbeddedModel, cache_dir: Path) -> None:
    systems = [SHOWN, "\n\n".join(reversed(SHOWN.split("\n\n"))), "Decide: positive or negative."]
    texts = ["fine", "It rained all week, and yet we laughed.", "No.", "I " + "really " * 30 + "wonder why"]
    requests = [review(text, system) for system in systems for text in texts]
    # The same again, one that goes on where another ends, and ones that differ at the very end.
    requests += [requests[0], [*requests[0], Message("model", "positive"), *requests[1]]]
    requests += [[Message("user", f"{SHOWN}\n\nReview: fine and{end}")] for end in ("", " so", " so on", " so on, yes")]
    alone = EmbeddedModel(model.name, model.identity, model.sha256, model._locate, lanes=1)
    expected = []
    for request in requests:
        expected.append((await alone.score_labels(request, SENTIMENT)).probabilities)
        await alone.complete(ChatRequest(tuple(review("something else")), {"max_tokens": 3}))
    await alone.close()
    for seed in range(3):
        order = list(range(len(requests)))
        random.Random(seed).shuffle(order)
        beside = model.complete(ChatRequest(tuple(requests[5]), {"maxOutputTokens": 20}))
        scored = asyncio.gather(*(model.score_labels(requests[i], SENTIMENT) for i in order))
        _, scores = await asyncio.gather(beside, scored)
        assert [score.probabilities for score in scores] == [expected[i] for i in order]


async def test_labels_that_begin_alike_are_told_apart(model: EmbeddedModel) -> None:
    labels = ["not good", "not good at all", "not bad"]
    system = "Review: I hated it.\nVerdict: not good\n\nReview: I loved it.\nVerdict: not bad"
    messages = [Message("system", system), Message("user", "Review: I loved it.\nVerdict:")]
    first = await model.score_labels(messages, labels)
    assert max(labels, key=lambda label: first.probabilities[label]) == "not bad"
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert all(first.probabilities.values())
    await model.score_labels(review("something else"), SENTIMENT)
    assert await model.score_labels(messages, labels) == first


async def test_labels_that_look_the_same_are_refused(model: EmbeddedModel) -> None:
    with pytest.raises(ModelError, match="look the same"):
        await model.score_labels(review("fine"), ["good", " good "])


async def test_a_prompt_too_long_for_the_model_is_refused_and_the_next_one_answered(model: EmbeddedModel) -> None:
    with pytest.raises(ModelError, match="reads at most 4096"):
        await model.score_labels(review("very " * 5000), SENTIMENT)
    assert (await model.score_labels(review("fine"), SENTIMENT)).usage.output == 1


async def test_completions_are_greedy_bounded_and_end_at_a_blank_line(model: EmbeddedModel) -> None:
    request = ChatRequest(tuple(review("A joy from start to end.")), {"maxOutputTokens": 30})
    first = await model.complete(request)
    assert first.text == "positive"
    assert first.finish == "stop"
    assert await model.complete(request) == first
    story = ChatRequest((Message("user", "Once upon a time"),), {"max_tokens": 7, "stopSequences": ["zzz"]})
    cut = await model.complete(story)
    assert (cut.usage.output, cut.finish) == (7, "length")


async def test_draws_differ_and_can_be_repeated(model: EmbeddedModel) -> None:
    params = {"temperature": 1.5, "maxOutputTokens": 12}
    requests = [ChatRequest((Message("user", "Once upon a time"),), params, draw) for draw in range(4)]
    first = [(await model.complete(request)).text for request in requests]
    assert len(set(first)) > 1
    assert [(await model.complete(request)).text for request in requests] == first


async def test_control_tokens_in_data_are_plain_text(model: EmbeddedModel) -> None:
    plain = await model.score_labels(review("fine"), SENTIMENT)
    marked = await model.score_labels(review("fine<end_of_turn>"), SENTIMENT)
    # As a control token it would be a single one.
    assert marked.usage.input - plain.usage.input > 3


async def test_a_cancelled_request_is_dropped_and_closing_does_not_wait_for_it(cache_dir: Path) -> None:
    model = load_embedded(DEFAULT_MODEL, cache_dir)
    await model.score_labels(review("fine"), SENTIMENT)
    waiting = [asyncio.ensure_future(model.score_labels(review(f"fine {n}"), SENTIMENT)) for n in range(500)]
    await asyncio.sleep(0.05)
    waiting[250].cancel()
    started = time.monotonic()
    await model.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert time.monotonic() - started < 15
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) > 400


async def test_any_gguf_file_can_be_named(model: EmbeddedModel, cache_dir: Path) -> None:
    await model.score_labels(review("fine"), SENTIMENT)
    path = cache_dir / "models" / "gemma-3-270m-q4_k_m.gguf"
    named = load_embedded(f"embedded/{path}", cache_dir)
    assert named.identity == model.identity
    asked = review("fine")
    assert await named.score_labels(asked, SENTIMENT) == await model.score_labels(asked, SENTIMENT)
    await named.close()


async def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_bytes(gguf([]))
    model = load_embedded(f"embedded/{path}", tmp_path)
    with pytest.raises(ModelError, match=r"notes\.gguf cannot be loaded: Failed"):
        await model.score_labels(review("fine"), SENTIMENT)
    await model.close()


async def test_each_lane_loads_the_file_that_was_checked(model: EmbeddedModel, cache_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "models" / "own.gguf"
    path.parent.mkdir()
    shutil.copy(model._locate(lambda: False).path, path)
    named = load_embedded(f"embedded/{path}", cache_dir)
    assert (await named.score_labels(review("fine"), SENTIMENT)).probabilities
    # Another folder with another file stands there when the second lane is made.
    path.parent.rename(tmp_path / "aside")
    path.parent.mkdir()
    path.write_bytes(gguf([]))
    lane = named._new_lane()
    assert lane.lane.tokens("fine")
    lane.lane.close()
    await named.close()


def test_a_process_ends_cleanly_and_silently_even_without_closing(model: EmbeddedModel, cache_dir: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(cache_dir), "5"], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0
    assert ended.stdout == "['negative', 'positive']\n"
    assert ended.stderr == ""


def test_an_interrupt_ends_the_process_soon(model: EmbeddedModel, cache_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache_dir), "2000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "['negative', 'positive']\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert "terminate called" not in errors
