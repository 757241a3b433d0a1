"""llama.cpp's server inside this process, made to give the same answer to the same request, to the bit.

Answers of llama.cpp depend in their last digits on what else is computed: on the requests that share a batch, and on
how much of a prompt is still at hand from the one before. Such digits turn near-ties, and with them a whole search.
Three measures rule this out, for less than a tenth of the speed (98 instead of 91 ms per row where it was measured):

- A lane answers one request at a time; several lanes, with threads of their own, stand in for batching.
- Only kernels are used whose sums do not depend on the size of a batch: no flash attention, no repacked weights.
- Kernels for fewer than 8 tokens do differ. What is at hand from the prompt before is used only if at least 8 tokens
  remain to be read, in one batch; otherwise the whole prompt is read again.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apo_engine.models.chat import Message
from apo_engine.problems import ModelError, Problem

#: The longest prompt with its answer, in tokens.
CONTEXT = 4096
_BATCH = 2048
_LEAST_NEW_TOKENS = 8
# Far above any difference of logits, far below the point where float32 would round the differences away.
_BIAS = 100.0
_OPENING, _CLOSING = "\ue000", "\ue001"


def runtime_version() -> str | None:
    """The version of the installed runtime, found without loading it; None if there is none."""
    try:
        return metadata.version("xllamacpp")
    except metadata.PackageNotFoundError:
        return None


class Lane:
    """One instance of a model, for one thread at a time.

    Args:
        weights: the GGUF file; instances share its pages in memory.
        threads: how many threads compute.
        shown: the file's own path, for messages.

    Raises:
        ModelError: the file is no model that the runtime can load.
    """

    def __init__(self, weights: Path, threads: int, shown: Path) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(weights)
        parameters.verbosity = 0
        parameters.n_ctx = CONTEXT
        parameters.n_batch = parameters.n_ubatch = _BATCH
        parameters.n_parallel = 1
        parameters.n_gpu_layers = 0
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.no_extra_bufts = True
        # Models with sliding windows (Gemma) could not reuse the beginning of a prompt otherwise.
        parameters.swa_full = True
        # Prompts kept outside the lane would be at hand at times that nobody controls.
        parameters.cache_ram_mib = 0
        parameters.n_ctx_checkpoints = 0
        parameters.fit_params = False
        parameters.warmup = False
        for pool in (parameters.cpuparams, parameters.cpuparams_batch):
            pool.n_threads = threads
        # The runtime always opens a port on loopback. Ours takes requests with this key only.
        self._key = secrets.token_urlsafe(32)
        parameters.port = 0
        parameters.n_threads_http = 1
        parameters.api_keys = [self._key]
        parameters.cors_origins = ""
        parameters.ui = False
        parameters.endpoint_slots = False
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except (RuntimeError, ValueError, OSError) as error:
            message = f"{shown} cannot be loaded: {error}."
            remedy = "Name a GGUF file of a text model that llama.cpp supports."
            raise ModelError(Problem("model-not-loadable", message, remedy)) from error
        self._address = urlsplit(self._server.listening_address)
        self._read: Sequence[int] = ()

    def tokens(self, text: str, *, start: bool = False, special: bool = False) -> list[int]:
        """The tokens of a text. ``start`` adds what a prompt begins with; ``special`` reads control tokens in it."""
        body = {"content": text, "add_special": start, "parse_special": special}
        return [int(token) for token in self._post("/tokenize", body)["tokens"]]

    def chat_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of a prompt in the model's own chat template; control tokens in contents are plain text."""
        stand_ins = [f"{_OPENING}{index}{_CLOSING}" for index in range(len(messages))]
        turns = [
            {"role": "assistant" if message.role == "model" else message.role, "content": stand_in}
            for message, stand_in in zip(messages, stand_ins, strict=True)
        ]
        body = {"messages": turns, "chat_template_kwargs": {"enable_thinking": False}}
        prompt = str(self._post("/apply-template", body)["prompt"])
        found: list[int] = []
        for index, piece in enumerate(re.split(f"{_OPENING}(\\d+){_CLOSING}", prompt)):
            # Odd pieces are the numbers of the messages that stand there.
            text = messages[int(piece)].content if index % 2 else piece
            found += self.tokens(text, start=index == 0, special=index % 2 == 0)
        return found

    def answer(self, prompt: Sequence[int], fields: Mapping[str, object]) -> dict[str, Any]:
        """The server's completion of a prompt, with these fields of its completion API.

        Raises:
            ModelError: the prompt is too long, or the runtime fails.
        """
        reusable = self._reusable(prompt)
        self._read = ()
        answer = self._complete(prompt, {**fields, "cache_prompt": reusable})
        self._read = prompt
        return answer

    def next_tokens(
        self, prompt: Sequence[int], path: Sequence[int], choices: Sequence[int]
    ) -> tuple[dict[int, float], int]:
        """The probability of each of the tokens ``choices``, given that one of them follows; and the tokens read.

        With a ``path``, the prompt must be the one that the lane read last: it goes on from there.
        """
        fields = {
            "max_tokens": 1,
            "n_probs": len(choices),
            "post_sampling_probs": True,
            "samplers": ["temperature"],
            "temperature": 1.0,
            "logit_bias": [[token, _BIAS] for token in choices],
        }
        if path:
            answer = self._complete([*prompt, *path], {**fields, "cache_prompt": True})
        else:
            answer = self.answer(prompt, fields)
        said = {top["id"]: top["prob"] for top in answer["choices"][0]["logprobs"]["content"][0]["top_probs"]}
        chances = {token: float(said.get(token, 0.0)) for token in choices}
        total = sum(chances.values()) or 1.0
        return {token: chance / total for token, chance in chances.items()}, answer["usage"]["prompt_tokens"]

    def shared(self, prompt: Sequence[int]) -> int:
        """How many tokens a prompt has in common with the one that the lane read last."""
        count = 0
        for ours, theirs in zip(self._read, prompt, strict=False):
            if ours != theirs:
                break
            count += 1
        return count

    def close(self) -> None:
        """End the instance and free its memory."""
        self._server = None

    def _reusable(self, prompt: Sequence[int]) -> bool:
        shared = self.shared(prompt)
        # Beyond its prompt, a lane holds its own answer, which it read token by token.
        return len(prompt) <= _BATCH and len(prompt) - shared >= _LEAST_NEW_TOKENS and shared < len(self._read)

    def _complete(self, prompt: Sequence[int], fields: Mapping[str, object]) -> dict[str, Any]:
        answer: dict[str, Any] = self._server.handle_completions({"prompt": list(prompt), **fields})
        if "choices" not in answer:
            raise _refused(answer)
        return answer

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        # A new connection each time: the server drops idle ones, and a new one costs 0.1 ms.
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _refused({"error": {"message": f"no answer on loopback ({error})"}}) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise _refused(answer)
        return answer


def _refused(answer: Mapping[str, Any]) -> ModelError:
    error = answer.get("error") or {}
    if error.get("type") == "exceed_context_size_error":
        message = f"The prompt has {error.get('n_prompt_tokens')} tokens; the embedded model reads at most {CONTEXT}."
        return ModelError(Problem("context-too-long", message, "Shorten the prompt or the row."))
    message = f"The embedded model failed: {error.get('message', 'no reason given')}."
    return ModelError(Problem("model-failed", message, "Use another model: `apo models` lists what is reachable."))
