"""What a peer is given and what it gives back, as JSON over stdin and stdout."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass

# Names the peers' own examples use; prices and sizes of these are known to their client libraries.
TASK_MODEL = "gpt-3.5-turbo-0125"
WRITING_MODEL = "gpt-4o"

# The best prompt so far whenever it changed, with the calls of the task model that were spent by then.
Trail = list[tuple[int, str]]


@dataclass(frozen=True)
class Job:
    """A prompt to improve with at most ``calls`` calls of the task model; rows are (message, label)."""

    prompt: str
    train: tuple[tuple[str, str], ...]
    validation: tuple[tuple[str, str], ...]
    calls: int
    seed: int
    width: int = 32

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Job:
        fields = json.loads(text)
        for name in ("train", "validation"):
            fields[name] = tuple((message, label) for message, label in fields[name])
        return cls(**fields)


def given() -> Job:
    """The job on stdin."""
    return Job.load(sys.stdin.read())


def give(trail: Trail) -> None:
    """Hand a trail back on stdout, past whatever a library may print there."""
    os.write(1, ("\n" + json.dumps(trail) + "\n").encode())


def taken(output: str) -> Trail:
    """The trail that a peer handed back."""
    return [(calls, prompt) for calls, prompt in json.loads(output.rstrip().rsplit("\n", 1)[-1])]


def stood_at(trail: Trail, calls: int) -> str:
    """The prompt that the peer would have returned, had it been stopped after ``calls`` calls."""
    return [prompt for used, prompt in trail if used <= calls][-1]
