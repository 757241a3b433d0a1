"""What goes wrong with real endpoints, at a share of all requests.

Which requests is drawn from what is asked and how often: one meets the same faults in every run, in whatever order they
come.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.scripted.reply import (
    Reply,
    content_filtered,
    cut_connection,
    empty_choices,
    failure,
    hang,
    html,
    not_found,
    refused,
    reset,
    server_error,
    throttled,
    truncated,
    unauthorized,
    wrong_schema,
)
from tests.scripted.server import Script

#: What becomes of a good answer.
Fault = Callable[[Reply], Reply]

#: Faults that another attempt may get past.
PASSING: Mapping[str, Fault] = {
    "429": lambda _: throttled(),
    "429, Retry-After": lambda _: throttled(0.05),
    "500": lambda _: server_error(500),
    "502": lambda _: html(502),
    "503, Retry-After": lambda _: replace(server_error(503), headers={"Retry-After": "0.05"}),
    "reset": lambda _: reset(),
    "reset mid-answer": lambda _: cut_connection(),
    "HTML": lambda _: html(),
    "truncated JSON": lambda _: truncated(),
    "wrong schema": lambda _: wrong_schema(),
    "empty choices": lambda _: empty_choices(),
}
#: Faults that are over when whoever waits has had enough.
SLOW: Mapping[str, Fault] = {
    "time-out": lambda _: hang(),
    "slow drip": lambda good: replace(good, end="drip", drip=30.0),
    "late": lambda good: replace(good, latency=3.0),
}
#: What is no fault to whoever reads carefully.
HARMLESS: Mapping[str, Fault] = {
    "duplicate": lambda good: replace(good, end="twice"),
    "drip": lambda good: replace(good, end="drip", drip=0.2),
}
#: What is the endpoint's last word on one question, and on no other.
UNWILLING: Mapping[str, Fault] = {
    "refusal": lambda _: refused(),
    "content filter": lambda _: content_filtered(),
    "content filter in the answer": lambda _: Reply("", finish="content_filter"),
}
#: What no second attempt can mend.
FINAL: Mapping[str, Fault] = {
    "400": lambda _: failure(400, "No such thing"),
    "401": lambda _: unauthorized(),
    "402": lambda _: failure(402, "Pay"),
    "403": lambda _: failure(403, "Not you"),
    "404": lambda _: not_found("scripted"),
}


class Faulty:
    """A script whose answers meet one of ``faults``, in turn, with a chance of ``share``."""

    def __init__(self, script: Script, *faults: Fault, share: float, seed: str = "") -> None:
        self.injected = 0
        self._script = script
        self._faults = faults
        self._share = share
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: dict[str, Any]) -> str | Reply:
        body = json.dumps(request, sort_keys=True)
        with self._lock:
            self._asked[body] += 1
            nth = self._asked[body]
        drawn = hashlib.sha256(f"{self._seed} {nth} {body}".encode()).digest()
        answer = self._script(request)
        if int.from_bytes(drawn[:8], "big") >= self._share * 2**64:
            return answer
        self.injected += 1
        good = Reply(answer) if isinstance(answer, str) else answer
        return self._faults[drawn[8] % len(self._faults)](good)
