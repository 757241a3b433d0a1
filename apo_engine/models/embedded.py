"""The embedded model: a language model in this process, with no key and no network."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from apo_engine.allowed_paths import OutsideError, is_network_path
from apo_engine.models.chat import ChatRequest, Completion, LabelScores, Message, Usage
from apo_engine.models.held_weights import HeldWeights, check_header, hold_weights
from apo_engine.models.label_tree import LabelTree, label_probabilities, label_tree
from apo_engine.models.llama_runtime import Lane, runtime_version
from apo_engine.models.weights import (
    GEMMA_270M,
    INSTALL_REMEDY,
    IsStopped,
    assemble,
    find_parts,
    never,
    sha256_of,
)
from apo_engine.parameters import wire_parameters
from apo_engine.problems import InputError, ModelError, Place, Problem

PROVIDER = "embedded"
DEFAULT_MODEL = "embedded/gemma-3-270m"
#: The longest answer, in tokens, where the request sets no bound.
DEFAULT_OUTPUT = 256
# Part of the identity: whatever changes how messages become a prompt, or how labels are scored, gets a new one.
_FORMAT = "1"
_MAX_LANES = 4
_LARGE_FILE = 1 << 30
_BOUND_KEYS = ("max_completion_tokens", "max_tokens")
_SAMPLING_KEYS = ("top_p", "top_k")

T = TypeVar("T")


def load_embedded(
    name: str,
    cache_dir: Path,
    place: Place | None = None,
    roots: Sequence[Path] | None = None,
    is_stopped: IsStopped = never,
) -> EmbeddedModel:
    """The embedded model of that name: ``embedded/gemma-3-270m``, or ``embedded/`` and the path of a GGUF file.

    Nothing is downloaded and no model is loaded yet: the first request does that. A GGUF file of the user's is read
    once, for its hash, which is then remembered.

    Args:
        name: as in a prompt file, with ``embedded/``.
        cache_dir: where the packaged weights are put together, and hashes are remembered.
        place: where the user has written the name; None where that is in no file.
        roots: the folders that a GGUF file may lie in, the one first where a relative path begins; None if the user
            named it, so that it may lie anywhere.
        is_stopped: asked while a GGUF file is read: a large one takes minutes.

    Raises:
        InputError: the GGUF file lies outside of ``roots``.
        ModelError: the extra ``local`` is not installed, there is no such model, or the file is not a whole GGUF file.
        StoppedError: it was stopped.
    """
    folder = cache_dir / "models"
    if name == DEFAULT_MODEL:
        version = _runtime_version()
        find_parts(GEMMA_270M)
        sha256 = GEMMA_270M.sha256
        return EmbeddedModel(
            name,
            _identity(sha256, version),
            sha256,
            lambda _: hold_weights(assemble(GEMMA_270M, folder), sha256, folder),
        )
    path = Path(name.removeprefix(f"{PROVIDER}/"))
    try:
        if roots is not None and is_network_path(str(path)):
            raise OutsideError(path)
        path = path.expanduser()
        if roots:
            path = roots[0] / path
        check_header(path, roots, place)
        sha256 = sha256_of(path, folder, roots, is_stopped)
    except OutsideError:
        message = f"The model file {path} lies outside the prompt's folder and the folders you work in."
        remedy = "Name it yourself instead: with --model, in APO_MODEL or in your configuration file."
        raise InputError(Problem("model-outside", message, remedy, place)) from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        message = f"There is no embedded model {name!r}: {path} cannot be read ({reason})."
        remedy = f"Use {DEFAULT_MODEL}, or {PROVIDER}/ and the path of a GGUF file."
        raise ModelError(Problem("model-not-found", message, remedy, place)) from error
    version, file = _runtime_version(), path.resolve()
    return EmbeddedModel(
        name,
        _identity(sha256, version),
        sha256,
        lambda is_closed: hold_weights(file, sha256, folder, place, is_closed),
        file=file,
    )


def _runtime_version() -> str:
    version = runtime_version()
    if version is None:
        message = "The embedded model needs a runtime that is not installed (xllamacpp)."
        raise ModelError(Problem("model-not-installed", message, INSTALL_REMEDY))
    return version


def raw_prompt(messages: Sequence[Message]) -> str:
    """How a base model, which has no chat template, reads messages: their texts, parted by blank lines.

    White space around the texts goes. The model continues the last text, so this should end with a cue in the form
    of the answer, such as ``Category:``, and so should the examples that stand before it.
    """
    return "\n\n".join(text for message in messages if (text := message.content.strip()))


class EmbeddedModel:
    """A GGUF model in this process, as :class:`~apo_engine.models.chat.ChatModel` and ``LabelScorer``.

    A model with a chat template gets the messages in it; one without gets :func:`raw_prompt`, and its answer ends at
    the first blank line unless the request says otherwise. The same request gets the same answer, whatever else is
    asked at the same time or was asked before. As the order of requests does not matter, the one that shares the
    longest beginning with what was just read goes first.

    Args:
        name: as in a prompt file.
        identity: what determines the answers.
        sha256: the hash of the weights.
        locate: finds, checks and opens the weights. It is called once, in a thread, before the first answer, and is
            given what says whether the model was closed meanwhile.
        file: the file of the weights, where this program does not bring them.
        lanes: how many requests are computed at once; by default as many as there are cores, up to four.
    """

    local = True

    def __init__(
        self,
        name: str,
        identity: str,
        sha256: str,
        locate: Callable[[IsStopped], HeldWeights],
        *,
        file: Path | None = None,
        lanes: int | None = None,
    ) -> None:
        self.name = name
        self.identity = identity
        self.sha256 = sha256
        self.file = file
        self._locate = locate
        self._cores = _cores()
        self._lanes = lanes or min(self._cores, _MAX_LANES)
        self._executor = ThreadPoolExecutor(self._lanes, thread_name_prefix="embedded-model")
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._weights: HeldWeights | None = None
        self._pending: list[_Job] = []
        self._free: list[_FreeLane] = []
        self._trees: dict[tuple[str, ...], LabelTree] = {}

    async def complete(self, request: ChatRequest) -> Completion:
        """Continue the messages. Without ``temperature`` the answer is the most probable one (greedy).

        Read from the parameters are the temperature, the bounds on the output's length, top-p, top-k and the stop
        sequences, in Dotprompt's spelling or OpenAI's; others mean nothing here.

        Raises:
            ModelError: the model cannot be loaded, or the prompt is too long.
        """
        return await self._run(request.messages, lambda lane, prompt: self._completion(lane, prompt, request))

    async def score_labels(self, messages: Sequence[Message], labels: Sequence[str]) -> LabelScores:
        """The probability of each label, given that one of them follows (they sum to 1).

        A label counts with the first tokens of its spellings: as written, in lower case and capitalised, each with
        and without a leading space. Labels that begin with the same token cost a further pass for each that is shared.

        Raises:
            ModelError: the model cannot be loaded, the prompt is too long, or two labels look the same.
        """
        return await self._run(messages, lambda lane, prompt: self._scores(lane, prompt, tuple(labels)))

    async def close(self) -> None:
        """Drop what was not begun, wait for the rest, and free the model."""
        self._closed.set()
        with self._lock:
            for job in self._pending:
                job.answer.cancel()
        await asyncio.to_thread(self._close)

    async def _run(self, messages: Sequence[Message], work: Callable[[Lane, list[int]], T]) -> T:
        job = _Job(raw_prompt(messages), tuple(messages), work, Future())
        with self._lock:
            self._pending.append(job)
        self._executor.submit(self._serve)
        return cast(T, await asyncio.wrap_future(job.answer))

    def _serve(self) -> None:
        """Answer the pending request that suits a free lane best; one call per request, in the executor."""
        with self._lock:
            self._pending = [job for job in self._pending if not job.answer.cancelled()]
            chosen = _best_match(self._free, self._pending)
            if chosen is None:
                return
            lane, job = chosen
            self._pending.remove(job)
            if lane is not None:
                self._free.remove(lane)
        if not job.answer.set_running_or_notify_cancel():
            self._release(lane)
            return
        try:
            lane = lane or self._new_lane()
            lane.text = job.text
            answer = job.work(lane.lane, self._prompt(lane.lane, job))
        except BaseException as error:
            self._release(lane)
            job.answer.set_exception(error)
        else:
            self._release(lane)
            job.answer.set_result(answer)

    def _release(self, lane: _FreeLane | None) -> None:
        if lane is not None:
            with self._lock:
                self._free.append(lane)

    def _new_lane(self) -> _FreeLane:
        with self._loading:
            if self._weights is None:
                self._weights = self._locate(self._closed.is_set)
        weights = self._weights
        threads = self._cores if weights.size > _LARGE_FILE else max(1, self._cores // self._lanes)
        return _FreeLane(weights.load(lambda path: Lane(path, threads, weights.path)))

    def _prompt(self, lane: Lane, job: _Job) -> list[int]:
        if self._templated:
            return lane.chat_tokens(job.messages)
        return lane.tokens(job.text, start=True)

    @property
    def _templated(self) -> bool:
        return self._weights is not None and self._weights.header.chat_template

    def _scores(self, lane: Lane, prompt: list[int], labels: tuple[str, ...]) -> LabelScores:
        tree = self._trees.get(labels)
        if tree is None:
            tree = self._trees[labels] = label_tree(labels, lane.tokens)
        read = answered = 0

        def next_tokens(path: tuple[int, ...], choices: Sequence[int]) -> dict[int, float]:
            nonlocal read, answered
            chances, count = lane.next_tokens(prompt, path, choices)
            read, answered = read + count, answered + 1
            return chances

        return LabelScores(label_probabilities(tree, labels, next_tokens), Usage(read, answered))

    def _completion(self, lane: Lane, prompt: list[int], request: ChatRequest) -> Completion:
        params = wire_parameters(request.params)
        bound = next((params[key] for key in _BOUND_KEYS if params.get(key)), DEFAULT_OUTPUT)
        fields: dict[str, object] = {
            "max_tokens": bound,
            "temperature": params.get("temperature") or 0.0,
            "seed": request.draw,
            "stop": params.get("stop") or ([] if self._templated else ["\n\n"]),
        }
        fields |= {key: params[key] for key in _SAMPLING_KEYS if key in params}
        answer = lane.answer(prompt, fields)
        choice, usage = answer["choices"][0], answer["usage"]
        return Completion(
            choice["text"].strip(),
            Usage(usage["prompt_tokens"], usage["completion_tokens"]),
            str(choice["finish_reason"]),
        )

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        while self._free:
            self._free.pop().lane.close()
        if self._weights is not None:
            self._weights.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A request that waits: its text as far as order is concerned, what to do with a lane, and where to answer."""

    text: str
    messages: tuple[Message, ...]
    work: Callable[[Lane, list[int]], object]
    answer: Future[Any]


@dataclass(slots=True, eq=False)
class _FreeLane:
    """A lane, and the text that it read last."""

    lane: Lane
    text: str = ""


def _best_match(lanes: Sequence[_FreeLane], jobs: Sequence[_Job]) -> tuple[_FreeLane | None, _Job] | None:
    """The pair that has the longest beginning in common; the first request where none has, or no lane is there yet."""
    if not jobs:
        return None
    if not lanes:
        return None, jobs[0]
    pairs = [(lane, job) for job in jobs for lane in lanes]
    return max(pairs, key=lambda pair: _common_length(pair[0].text, pair[1].text))


def _common_length(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginning, by bisection."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a.startswith(b[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _identity(sha256: str, version: str) -> str:
    return f"{PROVIDER} sha256={sha256} xllamacpp={version} format={_FORMAT}"


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
