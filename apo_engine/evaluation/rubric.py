"""Answers graded by a model along a rubric."""

from __future__ import annotations

import re
from importlib.resources import files

from apo_engine.encodable import encodable
from apo_engine.evaluation.fanout import fan_out
from apo_engine.examples.example import Example
from apo_engine.models.chat import ChatRequest, Message, Shape
from apo_engine.models.gateway import Gateway
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.render import Renderer
from apo_engine.prompt.shown_data import shown_data, shown_field
from apo_engine.prompt.tags import mark_of
from apo_engine.scoring.json_value import containers, decoded
from apo_engine.scoring.judgement import Judgement

LOWEST, HIGHEST = 1, 5
#: How often one grade is asked for at most, where it cannot be read.
ATTEMPTS = 2
_LONGEST = 20_000
# The only number in an answer, if it is a grade: "4", "Grade: 4", "4/5".
_BARE_GRADE = re.compile(r"\D*([1-5])(?:\s*(?:/|out of)\s*5)?\D*")

_SHAPE = Shape(
    "grade",
    {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "grade": {"type": "integer"}},
        "required": ["reason", "grade"],
        "additionalProperties": False,
    },
)


class RubricGrader:
    """Asks a model for grades from 1 to 5, which become scores from 0 to 1.

    Each answer is graded ``repeats`` times, by draws of its own, and scores the mean. A single grade is asked for at
    temperature 0; several at 1, since their spread is what measures the judge, and their mean is steadier than any of
    them (Liu et al. 2023, G-Eval, arXiv 2303.16634). A grade that cannot be read is asked for once more; an answer
    with no grade at all counts as invalid. An empty answer is invalid and is not graded.
    """

    def __init__(self, gateway: Gateway, rubric: str, repeats: int = 1) -> None:
        self._gateway = gateway
        self._rubric = rubric
        self._repeats = repeats
        self._params = {"temperature": 0.0 if repeats == 1 else 1.0}
        text = (files("apo_engine.evaluation") / "meta" / "judge.prompt").read_text("utf-8")
        self._renderer = Renderer(parse_prompt(text, None))

    @property
    def calls(self) -> int:
        """Calls per answer; those that ask once more for a grade that could not be read come on top."""
        return self._repeats

    async def open(self) -> None:
        """Nothing is needed."""

    async def grade(self, row: Example, answer: str) -> Judgement:
        """See `Grader`."""
        said = answer.strip()
        if not said:
            return Judgement(0.0, "", invalid=True)
        messages = self._messages(row, said)
        given = await fan_out(self._grade(messages, draw) for draw in range(self._repeats))
        grades = [grade for grade in given if grade is not None]
        if not grades:
            return Judgement(0.0, said, invalid=True, remark="The judge gave no grade.")
        marks = tuple(mark for mark, _ in grades)
        worst = min(grades, key=lambda grade: grade[0])
        return Judgement(sum(marks) / len(marks), said, marks=marks if self._repeats > 1 else (), remark=worst[1])

    async def close(self) -> None:
        """Nothing is held: the gateway's model belongs to the run."""

    def _messages(self, row: Example, answer: str) -> tuple[Message, ...]:
        task = "\n".join(shown_field(name, value, _LONGEST) for name, value in row.inputs.items())
        shown = {
            "rubric": self._rubric[:_LONGEST],
            "task": task[:_LONGEST],
            "reference": shown_data(row.expected, _LONGEST),
            "answer": shown_data(answer, _LONGEST),
        }
        return self._renderer.messages({**shown, "mark": mark_of(*shown.values())})

    async def _grade(self, messages: tuple[Message, ...], draw: int) -> tuple[float, str] | None:
        for attempt in range(ATTEMPTS):
            request = ChatRequest(messages, self._params, draw + attempt * self._repeats, _SHAPE)
            completion = await self._gateway.complete("judge", request)
            grade = read_grade(completion.text, messages[-1].content)
            if grade is not None and not completion.no_answer:
                mark, reason = grade
                return mark, self._gateway.struck(reason)
        return None


def read_grade(answer: str, shown: str = "") -> tuple[float, str] | None:
    """The score in [0, 1] that a judge's answer gives, and its reason; None where it gives none, or several.

    An object within the answer that stands in what the judge was ``shown`` is not the judge's word: it repeats it.
    """
    said = [value for value in containers(answer) if isinstance(value, dict)]
    repeated = [] if _is_json(answer) else [value for value in containers(shown) if isinstance(value, dict)]
    objects = [value for value in said if value not in repeated]
    grades = [grade for one in objects if (grade := _grade(one.get("grade"), str(one.get("reason") or ""))) is not None]
    if not said and (bare := _BARE_GRADE.fullmatch(answer)) is not None:
        return _grade(bare[1], "")
    return grades[0] if len({score for score, _ in grades}) == 1 else None


def _is_json(answer: str) -> bool:
    try:
        decoded(answer)
    except (ValueError, RecursionError):
        return False
    return True


def _grade(value: object, reason: str) -> tuple[float, str] | None:
    if isinstance(value, str) and (bare := _BARE_GRADE.fullmatch(value)) is not None:
        value = int(bare[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not LOWEST <= value <= HIGHEST:
        return None
    return (value - LOWEST) / (HIGHEST - LOWEST), " ".join(encodable(reason).split())[:500]
