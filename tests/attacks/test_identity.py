"""Every way to look at hold-out rows again as if for the first time: none of them works.

Each attack looks once, does something, and looks again: the second look must be counted as the second.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apo_engine import api
from apo_engine.problems import InputError
from apo_engine.prompt.file import load_prompt
from apo_engine.runs.announcement import sealed_words
from apo_engine.runs.experiment import experiment_id
from apo_engine.runs.kept import clear_kept
from apo_engine.runs.plan import Plan, make_plan
from apo_engine.runs.recorder import Recorder
from apo_engine.search.events import Job
from apo_engine.search.verdict import Look
from apo_engine.store import new_ulid
from tests.cli.conftest import Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World

Row = dict[str, str]
_WORDS = tuple(
    word
    for line in ("amber birch cedar delta ember fjord grove haven inlet", "jetty knoll ledge marsh north ocean prism")
    for word in line.split()
)


def make_rows(count: int = 120, first: int = 0) -> list[Row]:
    """Rows with a long text each that no other row has, and a short column."""
    rows = []
    for number in range(first, first + count):
        said = random.Random(number).sample(_WORDS, 6)
        rows.append({"text": f"Café {' '.join(said)} {number}.", "lang": "en", "label": ("yes", "no")[number % 2]})
    return rows


@dataclass
class Desk:
    """A prompt with its rows in ``folder``, and what stands in its front matter and template."""

    folder: Path
    rows: list[Row] = field(default_factory=make_rows)
    examples: str = "rows.jsonl"
    front: tuple[str, ...] = ()
    text: str = "Answer yes or no."
    template: str = "{{text}}"
    prompt: str = "a.prompt"
    cache: str = "cache"
    flags: dict[str, Any] = field(default_factory=dict)
    fresh: bool = False

    @property
    def path(self) -> Path:
        return self.folder / self.prompt

    @property
    def cache_folder(self) -> Path:
        return self.folder / self.cache

    def write(self) -> None:
        self.folder.mkdir(exist_ok=True)
        _write(self.folder / "rows.jsonl", self.rows)
        front = "\n".join(["---", "model: openai/a", f"apo.examples: {self.examples}", *self.front, "---"])
        self.path.write_text(f'{front}\n{{{{role "system"}}}}{self.text}{{{{role "user"}}}}{self.template}\n', "utf-8")

    async def look(self, winner: str = "") -> Look:
        """Open the hold-out as a run does, and go no further."""
        look, _ = await self.opened(winner)
        return look

    async def opened(self, winner: str = "") -> tuple[Look, list[str]]:
        """The look, and the texts of the rows that it opened."""
        self.write()
        plan = await self.plan("optimize")
        recorder = Recorder(plan, new_ulid(), experiment_id(plan), None, lambda _: None)
        await recorder.begin()
        assert plan.rows is not None
        look = await recorder.look(plan.rows.holdout, winner)
        assert look is not None
        texts = [next(iter(row.inputs.values())) for row in plan.rows.holdout]
        await recorder.close()
        await plan.close()
        return look, texts

    async def evaluated(self) -> list[str]:
        """Begin an evaluation, and go no further; the texts of the rows that it scores."""
        self.write()
        plan = await self.plan("evaluate")
        recorder = Recorder(plan, new_ulid(), experiment_id(plan), None, lambda _: None)
        await recorder.begin()
        await recorder.close()
        await plan.close()
        return [row.inputs["text"] for row in plan.open_rows]

    async def plan(self, job: Job) -> Plan:
        environ = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "APO_CACHE_DIR": str(self.cache_folder)}
        options = api.Options(environ=environ, flags=self.flags, fresh=self.fresh)
        return await make_plan(job, load_prompt(self.path), options)


def _write(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def texts(change: Callable[[str], str], every: int = 1) -> Callable[[Desk], None]:
    """Change the text of every row, or of every so many."""

    def attack(desk: Desk) -> None:
        desk.rows = [
            {**row, "text": change(row["text"])} if number % every == 0 else row for number, row in enumerate(desk.rows)
        ]

    return attack


def rows(change: Callable[[Row, int], Row]) -> Callable[[Desk], None]:
    def attack(desk: Desk) -> None:
        desk.rows = [change(row, number) for number, row in enumerate(desk.rows)]

    return attack


def settings(**more: Any) -> Callable[[Desk], None]:
    def attack(desk: Desk) -> None:
        for name, value in more.items():
            setattr(desk, name, value)

    return attack


def renamed(name: str, becomes: str) -> Callable[[Row, int], Row]:
    return lambda row, _: {becomes if key == name else key: value for key, value in row.items()}


def uid(number: int, salt: str) -> str:
    return f"{random.Random(f'{salt}{number}').getrandbits(128):032x}"


def copies(times: int, salt: str) -> Callable[[Desk], None]:
    """Every row several times, each copy with a long random id of its own."""

    def attack(desk: Desk) -> None:
        desk.rows = [
            {"id": uid(times * number + copy, salt), **row}
            for number, row in enumerate(desk.rows)
            for copy in range(times)
        ]

    return attack


def noted_copies(times: int, salt: str) -> Callable[[Desk], None]:
    """Every row several times, each copy with a word of its own at its end."""

    def attack(desk: Desk) -> None:
        desk.rows = [
            {**row, "text": f"{row['text']} {_letters(f'{salt}{number}.{copy}')}"}
            for number, row in enumerate(desk.rows)
            for copy in range(times)
        ]

    return attack


def _letters(salt: str) -> str:
    return "".join(random.Random(salt).choices("abcdefghijklmnopqrstuvwxyz", k=6))


def shuffled(desk: Desk) -> None:
    random.Random(5).shuffle(desk.rows)


def half_new(desk: Desk) -> None:
    desk.rows = [*desk.rows[::2], *make_rows(60, first=1000)]


def as_table(desk: Desk) -> None:
    lines = ["text\tlabel", *(f"{row['text']}\t{row['label']}" for row in desk.rows)]
    (desk.folder / "rows.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    desk.examples = "rows.tsv"


def in_two_files(desk: Desk) -> None:
    """The user deals the rows anew: what was held out stays so, or becomes a training row."""
    _write(desk.folder / "train.jsonl", desk.rows[:80])
    _write(desk.folder / "held.jsonl", desk.rows[80:])
    desk.examples = "{train: train.jsonl, holdout: held.jsonl}"


def elsewhere(desk: Desk) -> None:
    """A copy of the whole folder, but for the cache."""
    cache = desk.cache_folder
    desk.folder = desk.folder / "copy"
    desk.cache = str(cache)


_DOT = settings(flags={"optimizer": {"rounds": 2, "beam": 2}})
_RUBRIC = ("apo.metric: judge", "apo.judge: {rubric: Be kind.}")
CHANGES: dict[str, Callable[[Desk], None]] = {
    "nothing": lambda desk: None,
    "fresh": settings(fresh=True),
    "one-word-of-one-row": texts(lambda text: text.replace(" ", " really ", 1), every=120),
    "one-word-of-every-third-row": texts(lambda text: text.replace(" ", " really ", 1), every=3),
    "upper-case": texts(str.upper),
    "white-space": texts(lambda text: f"  {text.replace(' ', '   ')} "),
    "line-breaks": texts(lambda text: text.replace(" ", "\n")),
    "decomposed-unicode": texts(lambda text: unicodedata.normalize("NFD", text)),
    "full-width-letters": texts(lambda text: "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text)),
    "invisible-characters": texts(lambda text: text.replace(" ", "\u200b \u2060")),
    "soft-hyphens": texts("\u00ad".join),
    "no-break-spaces": texts(lambda text: text.replace(" ", "\u00a0")),
    "punctuation": texts(lambda text: f"“{text.rstrip('.')}!”"),
    "commas": texts(lambda text: text.replace(" ", ", ")),
    "word-before-every-row": texts(lambda text: f"Q: {text}"),
    "word-after-every-row": texts(lambda text: f"{text} please"),
    "number-after-every-row": texts(lambda text: f"{text} 1"),
    "sign-after-every-row": texts(lambda text: f"{text} \U0001f600"),
    "blank-letters": texts(lambda text: f"{text}\u3164\u115f"),
    "combining-marks": texts("\u034f".join),
    "variation-selectors": texts(lambda text: text.replace(" ", "\ufe0f ")),
    "accents-stripped": texts(lambda text: text.replace("é", "e")),
    "accents-as-entities": texts(lambda text: text.replace("é", "&eacute;")),
    "letters-of-another-script": texts(lambda text: text.replace("a", "\u0430").replace("o", "\u043e")),
    "doubled-letter-in-every-row": texts(lambda text: text.replace("r", "rr", 1)),
    "typing-error-in-every-row": texts(lambda text: f"{text[:9]}x{text[10:]}"),
    "tags": texts(lambda text: f"<p>{text}</p>"),
    "column-split": lambda desk: (
        rows(lambda row, _: {"a": row["text"][:22], "b": row["text"][22:], "label": row["label"]})(desk),
        settings(template="{{a}}{{b}}")(desk),
    )[0],
    "columns-joined": rows(lambda row, _: {"text": f"{row['text']} ({row['lang']})", "label": row["label"]}),
    "constant-word-moved-to-template": lambda desk: (
        rows(lambda row, _: {**row, "text": row["text"].removeprefix("Café ")})(desk),
        settings(template="Café {{text}}")(desk),
    )[0],
    "column-reference-added": settings(template="{{text}} ({{lang}})"),
    "column-reference-swapped": settings(template="{{lang}}"),
    "column-renamed": lambda desk: (
        rows(renamed("text", "body"))(desk),
        settings(template="{{body}}")(desk),
    )[0],
    "column-mapped": lambda desk: (
        rows(renamed("text", "body"))(desk),
        settings(examples="{train: rows.jsonl, input: {text: body}}")(desk),
    )[0],
    "label-column-renamed": lambda desk: (
        rows(renamed("label", "answer"))(desk),
        settings(examples="{train: rows.jsonl, expected: answer}")(desk),
    )[0],
    "columns-reordered": rows(lambda row, _: dict(reversed(row.items()))),
    "short-column-dropped": rows(lambda row, _: {"text": row["text"], "label": row["label"]}),
    "short-column-changed": rows(lambda row, number: {**row, "lang": f"l{number}"}),
    "constant-column-added": rows(lambda row, _: {**row, "source": "web"}),
    "long-constant-column-added": rows(lambda row, _: {**row, "source": "exported from the help desk in May"}),
    "id-column-added": rows(lambda row, number: {"id": str(number), **row}),
    "long-random-ids-added": rows(lambda row, number: {"id": uid(number, "a"), **row}),
    "rows-shuffled": shuffled,
    "rows-repeated": lambda desk: desk.rows.extend(list(desk.rows)),
    "rows-copied-three-times-with-random-ids": copies(3, "b"),
    "rows-copied-eight-times-with-random-ids": copies(8, "c"),
    "rows-taken-away": lambda desk: desk.rows.__delitem__(slice(0, 20)),
    "half-the-rows-replaced": half_new,
    "labels-corrected": rows(lambda row, number: {**row, "label": "yes" if number % 7 == 0 else row["label"]}),
    "file-format": as_table,
    "dealt-into-two-files": in_two_files,
    "file-renamed": lambda desk: (
        _write(desk.folder / "other.jsonl", desk.rows),
        settings(examples="other.jsonl")(desk),
    )[0],
    "folder-copied": elsewhere,
    "prompt-renamed": settings(prompt="b.prompt"),
    "prompt-reworded": settings(text="Say yes, or say no."),
    "few-shot-partial-added": lambda desk: (
        (desk.folder / "_shots.prompt").write_text("Be quick."),
        settings(text="{{> shots}} Answer.")(desk),
    )[0],
    "seed": settings(flags={"seed": 7}),
    "rounds-and-beam": settings(flags={"optimizer": {"rounds": 2, "beam": 2}}),
    "algorithm": settings(flags={"optimizer": {"algorithm": "monte-carlo"}}),
    "smaller-cap": settings(flags={"budget": {"calls": 300}}),
    "temperature": settings(front=("config: {temperature: 1}",)),
    "metric": settings(front=("apo.metric: f1",)),
    "judge": settings(front=_RUBRIC),
    "model": settings(flags={"model": "openai/another"}),
    "optimizer-model": settings(flags={"optimizer": {"model": "openai/another"}}),
    "nothing-kept": settings(flags={"keep": "nothing"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_second_look_is_the_second(tmp_path: Path, change: Callable[[Desk], object]) -> None:
    desk = Desk(tmp_path)
    first = await desk.look()
    assert (first.earlier, first.level) == (None, 0.025)
    change(desk)
    second = await desk.look()
    assert second.earlier == 1
    assert second.level == pytest.approx(0.05 / 6)
    assert second.opened_rows > 0


# What may be undone: the first look is had with the change, the second without it.
UNDONE = {
    "nothing-kept": settings(flags={"keep": "nothing"}),
    "long-random-ids": CHANGES["long-random-ids-added"],
    "long-constant-column": CHANGES["long-constant-column-added"],
    "rows-copied-with-random-ids": copies(3, "d"),
    "short-columns": CHANGES["short-column-changed"],
    "column-reference": CHANGES["column-reference-added"],
    "smaller-cap": CHANGES["smaller-cap"],
}


@pytest.mark.parametrize("change", UNDONE.values(), ids=UNDONE)
async def test_a_look_counts_after_what_came_before_it_is_undone(
    tmp_path: Path, change: Callable[[Desk], object]
) -> None:
    desk = Desk(tmp_path)
    change(desk)
    await desk.look()
    assert (await Desk(tmp_path).look()).earlier == 1


RENEWED = {
    "random-ids": lambda desk, salt: rows(lambda row, number: {"id": uid(number, salt), **row})(desk),
    "random-ids-of-copies": lambda desk, salt: copies(4, salt)(desk),
    "random-ids-of-many-copies": lambda desk, salt: copies(14, salt)(desk),
    "random-notes-of-many-copies": lambda desk, salt: noted_copies(9, salt)(desk),
    "long-comments": lambda desk, salt: rows(lambda row, _: {**row, "note": f"exported by the robot {salt}"})(desk),
}


@pytest.mark.parametrize("change", RENEWED.values(), ids=RENEWED)
async def test_what_changes_each_time_makes_no_row_new(tmp_path: Path, change: Callable[[Desk, str], None]) -> None:
    looks = []
    for salt in ("p", "q", "r"):
        desk = Desk(tmp_path)
        change(desk, salt)
        looks.append((await desk.look()).earlier)
    assert looks == [None, 1, 2]


@pytest.mark.parametrize("change", ["ids renumbered", "ids and times", "constant added", "shuffled and doubled"])
async def test_short_rows_are_known_as_a_whole(tmp_path: Path, change: str) -> None:
    """No cell has 16 characters: the row is known by what it says, whatever its number is."""
    short = [
        {
            "id": str(number),
            "text": " ".join(random.Random(number).sample(_WORDS, 2)),
            "label": ("yes", "no")[number % 2],
        }
        for number in range(150)
    ]
    await Desk(tmp_path, rows=list(short)).look()
    if change == "ids renumbered":
        later = [{**row, "id": str(900 - number)} for number, row in enumerate(short)]
    elif change == "ids and times":
        later = [{**row, "id": f"no {number * 7}", "at": str(number * 98_765_431)} for number, row in enumerate(short)]
    elif change == "constant added":
        later = [{**row, "lang": "en", "source": "exported from the help desk in May"} for row in short]
    else:
        later = [*reversed(short), *short]
    assert (await Desk(tmp_path, rows=later).look()).earlier == 1


async def test_a_row_that_is_moved_to_train_and_back_was_seen(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await Desk(tmp_path, rows=make_rows(120, first=5000)).look()
    train, held, other = desk.rows[:60], desk.rows[60:90], desk.rows[90:]
    desk.examples = "{train: train.jsonl, holdout: held.jsonl}"
    for some, rest, expected in ((held, train, None), (other, [*train, *held], None), (held, [*train, *other], 1)):
        _write(tmp_path / "train.jsonl", rest)
        _write(tmp_path / "held.jsonl", some)
        assert (await desk.look()).earlier == expected
    # Rows that were never held out, but shown to every search so far, count as looked at, too.
    _write(tmp_path / "train.jsonl", make_rows(60, first=9000))
    _write(tmp_path / "held.jsonl", train)
    assert (await desk.look()).earlier == 1


def deal(desk: Desk, train: Sequence[Row], held: Sequence[Row]) -> Desk:
    _write(desk.folder / "train.jsonl", train)
    _write(desk.folder / "held.jsonl", held)
    desk.examples = "{train: train.jsonl, holdout: held.jsonl}"
    return desk


@pytest.mark.parametrize("column", ["id", "long id", "note"])
async def test_rows_that_a_search_was_shown_are_seen_with_one_more_column(tmp_path: Path, column: str) -> None:
    more: Callable[[int], Row] = {
        "id": lambda number: {"id": str(number)},
        "long id": lambda number: {"id": uid(number, "n")},
        "note": lambda number: {"note": f"checked by the robot {number}"},
    }[column]
    shown, other = make_rows(60), make_rows(120, first=7000)
    assert not (await deal(Desk(tmp_path), shown, other[:60]).look()).earlier
    held = [{**more(number), **row} for number, row in enumerate(shown)]
    assert (await deal(Desk(tmp_path), other[60:], held).look()).earlier == 1


@pytest.mark.parametrize("kept", ["all", "nothing"])
@pytest.mark.parametrize("number", [20, 60])
async def test_rows_that_an_evaluation_shows_are_seen(tmp_path: Path, number: int, kept: str) -> None:
    await Desk(tmp_path, rows=make_rows(120, first=5000)).look()
    desk = Desk(tmp_path, rows=make_rows(number), flags={"keep": kept})
    shown = await desk.evaluated()
    assert len(shown) == (20 if number == 20 else 42)
    held = [row for row in desk.rows if row["text"] in shown]
    assert (await deal(Desk(tmp_path), make_rows(60, first=7000), held).look()).earlier == 1


async def test_an_evaluation_scores_no_row_that_is_held_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    _, sealed = await desk.opened()
    held = [row for row in desk.rows if row["text"] in sealed]
    new = make_rows(12, first=3000)
    desk.rows = [*held[:15], *new]
    assert sorted(await desk.evaluated()) == sorted(row["text"] for row in new)
    # Nor with another column; and with another word in each row, hardly any.
    desk.rows = [{"id": uid(at, "e"), **row} for at, row in enumerate(held[:15])]
    with pytest.raises(InputError, match="All 15 example rows are hold-out rows"):
        await desk.evaluated()
    desk.rows = [*({**row, "text": f"{row['text']} please"} for row in held[:15]), *new]
    assert len(await desk.evaluated()) <= len(new) + 5


@pytest.mark.parametrize("job", ["evaluate", "gradients", "optimize"])
async def test_another_hold_out_opens_no_row_that_is_held_out(tmp_path: Path, job: Job) -> None:
    desk = Desk(tmp_path, rows=make_rows(160))
    sealed = set((await desk.opened())[1])
    deal(desk, desk.rows, make_rows(40, first=3000)).write()
    for _ in range(2):
        plan = await desk.plan(job)
        assert not {row.inputs["text"] for row in plan.open_rows} & sealed
        assert sealed <= {row.inputs["text"] for row in plan.sealed_rows}
        assert f"{len(sealed)} rows are left out, as an earlier search held them out" in sealed_words(plan)
        await plan.close()


FORMS: dict[str, Callable[[int], Row]] = {
    "one meaningful word": lambda n: {"text": f"The box {n} is {_WORDS[n % 16]} and the lid is {_WORDS[n // 16]}."},
    "arithmetic": lambda n: {"text": f"What is {n} times {n * 7 % 31}?"},
    "numbers in columns": lambda n: {"task": "Add these two numbers.", "a": str(n), "b": str(n * 7 % 31)},
    "short words": lambda n: {"text": f"{_WORDS[n % 16]} {_WORDS[n // 16]}"},
    "sentences": lambda n: make_rows(1, first=n)[0],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_rows_of_one_form_are_different_rows(tmp_path: Path, form: Callable[[int], Row]) -> None:
    made = [{**form(number), "label": ("yes", "no")[number % 2]} for number in range(240)]
    desk = Desk(tmp_path, rows=made, template=" ".join(f"{{{{{name}}}}}" for name in made[0] if name != "label"))
    desk.write()
    plan = await desk.plan("optimize")
    assert plan.whole is not None
    sizes = [len(side) for side in (plan.whole.critique, plan.whole.selection, plan.whole.holdout)]
    await plan.close()
    assert [round(size / 240, 1) for size in sizes] == [0.4, 0.3, 0.3]
    assert len(set(plan.history.groups.values())) > 200


async def test_the_clock_cannot_be_set_back_before_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Desk(tmp_path).look()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert (await Desk(tmp_path).look()).earlier == 1


async def test_clearing_the_cache_forgets_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Desk(tmp_path).look()
    monkeypatch.setenv("APO_CACHE_DIR", str(tmp_path / "cache"))
    assert (await clear_kept()).runs == 0
    assert (await Desk(tmp_path).look()).earlier == 1


@pytest.mark.parametrize("how", ["another folder", "deleted", "damaged", "of a later version"])
async def test_a_new_store_says_that_earlier_looks_are_unknown(tmp_path: Path, how: str) -> None:
    desk = Desk(tmp_path)
    await desk.look()
    store = desk.cache_folder / "store.sqlite"
    if how == "another folder":
        desk.cache = "other"
    elif how == "deleted":
        shutil.rmtree(desk.cache_folder)
    elif how == "damaged":
        store.write_bytes(b"noise" * 2000)
    else:
        with closing(sqlite3.connect(store)) as database:
            database.execute("PRAGMA user_version = 99")
    new = await desk.look()
    assert new.earlier is None
    # An evaluation, or other rows, make nothing known of looks elsewhere; a look of this store at these rows does.
    assert (await Desk(tmp_path, rows=make_rows(120, first=7000), cache=desk.cache).look()).earlier is None
    await desk.evaluated()
    again = await desk.look()
    assert (again.earlier, again.began) == (1, new.began)


REWORDED: dict[str, Callable[[Desk], None]] = {
    "file of the prompt": settings(text="Say yes, or say no.", examples="other.jsonl"),
    "text of the prompt": settings(prompt="b.prompt", examples="other.jsonl"),
    "file of the rows": settings(prompt="b.prompt", text="Say yes, or say no."),
    "text of the winner": settings(prompt="b.prompt", text="WINNER", examples="other.jsonl"),
}


@pytest.mark.parametrize("known_by", REWORDED)
async def test_rows_that_resemble_none_are_not_taken_for_new_in_silence(tmp_path: Path, known_by: str) -> None:
    """The prompt was judged before: whoever reworded every row is told what look it then is."""
    desk = Desk(tmp_path)
    if known_by == "text of the prompt":
        _write(tmp_path / "other.jsonl", desk.rows)
        desk.examples = "other.jsonl"
    desk.write()
    winner = desk.path.read_text("utf-8").replace("Answer yes or no.", "WINNER").replace("rows.jsonl", "other.jsonl")
    for looks in range(2):
        assert (await desk.look(winner)).on_prompt == looks
    desk.rows = make_rows(120, first=7000)
    if known_by == "text of the prompt":
        desk.folder = tmp_path / "elsewhere"
        desk.folder.mkdir()
        desk.cache = str(tmp_path / "cache")
    _write(desk.folder / "other.jsonl", desk.rows)
    REWORDED[known_by](desk)
    look = await desk.look()
    assert (look.earlier, look.on_prompt) == (None, 2)


async def test_a_look_that_cannot_be_recorded_is_not_taken_for_the_first(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    desk = Desk(tmp_path)
    desk.write()
    plan = await desk.plan("optimize")
    recorder = Recorder(plan, new_ulid(), experiment_id(plan), None, lambda _: None)
    await recorder.begin()
    assert await recorder.look(plan.sealed_rows) is None
    await recorder.close()
    await plan.close()


async def test_looks_add_up_and_the_levels_with_them(tmp_path: Path) -> None:
    looks = [await Desk(tmp_path, fresh=True).look() for _ in range(10)]
    assert [look.earlier for look in looks] == [None, *range(1, 10)]
    assert sum(look.level for look in looks) < 0.05


async def test_new_rows_in_place_of_the_opened_ones_restore_the_level(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rows=make_rows(240))
    _, opened = await desk.opened()
    again, same = await desk.opened()
    assert (again.earlier, sorted(same)) == (1, sorted(opened))
    assert again.opened_rows == len(opened)
    desk.rows = [row for row in desk.rows if row["text"] not in opened] + make_rows(again.opened_rows, first=9000)
    restored, new = await desk.opened()
    assert (restored.earlier, restored.on_prompt, restored.level) == (None, 2, 0.025)
    assert len(new) >= 60
    assert not set(new) & set(opened)


@pytest.mark.parametrize("shared", ["ids", "constants", "short words"])
async def test_rows_of_another_kind_share_no_look(tmp_path: Path, shared: str) -> None:
    """What two sets of rows have in common does not make one of the other."""
    more = {
        "ids": lambda number: {"id": str(number)},
        "constants": lambda number: {"source": "exported from the help desk in May"},
        "short words": lambda number: {"tag": _WORDS[number % 16]},
    }[shared]
    for looks, first in enumerate((0, 7000)):
        some = [{**row, **more(number)} for number, row in enumerate(make_rows(120, first=first))]
        look = await Desk(tmp_path, rows=some).look()
        assert (look.earlier, look.on_prompt) == (None, looks)


# --- whole processes ---------------------------------------------------------------------------------------------

SEARCH = ("optimize", "tickets.prompt", "--json", "--max-calls", "300", "--rounds", "2")


@pytest.fixture
def apo(tmp_path: Path, scripted: ScriptedServer) -> Apo:
    """`apo` in a folder with 60 tickets, and a server that knows the world they come from."""
    world = World(60)
    world.write(tmp_path)
    scripted.script = world.script
    return make_apo(tmp_path, scripted)


def link_in_its_place(store: Path) -> None:
    store.symlink_to("/nonexistent/x")


def full_disk(store: Path) -> None:
    # As with a disk that fills up during the run: what comes first is written, the look is not.
    with closing(sqlite3.connect(store)) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON executions BEGIN SELECT raise(ABORT, 'disk full'); END")
        database.commit()


@pytest.mark.parametrize(
    ("broken", "fresh"),
    [(link_in_its_place, ()), (link_in_its_place, ("--fresh",)), (full_disk, ("--fresh",))],
    ids=["link, cached answers", "link", "full disk"],
)
def test_rows_stay_sealed_if_their_look_cannot_be_recorded(
    apo: Apo, scripted: ScriptedServer, broken: Callable[[Path], None], fresh: tuple[str, ...]
) -> None:
    """The search ends with its result, without a verdict; no hold-out row is sent, and no figure is shown."""
    first = apo(*SEARCH)
    assert looks_of(first.object) is None
    store = apo.folder / "cache" / "store.sqlite"
    if broken is link_in_its_place:
        for file in store.parent.glob("store.sqlite*"):
            file.rename(apo.folder / file.name)
    broken(store)
    asked = len(scripted.log)
    sealed = apo(*SEARCH, *fresh, "--seed", "0" if not fresh else "3")
    assert sealed.code == 0, sealed.err
    assert sealed.object["holdout"] is None
    assert sealed.object["verdict"] == "keep"
    assert sum("There is no verdict: the hold-out stays sealed" in line for line in sealed.object["warnings"]) == 1
    calls = sum(sealed.object["calls"].values())
    assert len(scripted.log) - asked == (calls if fresh else 0)
    if broken is link_in_its_place:
        store.unlink()
        for file in apo.folder.glob("store.sqlite*"):
            file.rename(store.parent / file.name)
        assert looks_of(apo(*SEARCH, "--fresh", "--seed", "5").object) == 1


def looks_of(found: dict[str, Any]) -> object:
    assert found["holdout"] is not None
    return found["holdout"]["earlier_looks"]


def test_a_process_killed_right_after_its_look_has_looked(apo: Apo, scripted: ScriptedServer) -> None:
    store = apo.folder / "cache" / "store.sqlite"
    scripted.latency = 0.01

    def looked() -> bool:
        if not store.exists():
            return False
        with closing(sqlite3.connect(store)) as database:
            try:
                return bool(database.execute("SELECT count(*) FROM executions").fetchone()[0])
            except sqlite3.OperationalError:
                return False

    process = apo.start(*SEARCH)
    while not looked():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert looks_of(apo(*SEARCH, "--fresh").object) == 1


def test_processes_at_once_follow_one_run(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.1
    more = [(), ("--fresh",), ("--resume",)]
    started = [apo.start(*SEARCH, "--concurrency", "8", *extra) for extra in more]
    ended = [(process.communicate(timeout=100), process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0], ended
    found = [json.loads(out) for (out, _), _ in ended]
    assert len({one["run"] for one in found}) == 1
    assert len({json.dumps(one["holdout"]) for one in found}) == 1
    assert sum("Another process runs this experiment: following run 01" in err for (_, err), _ in ended) == 2
    assert len(apo("runs", "--json").object["runs"]) == 1
    assert looks_of(apo(*SEARCH, "--fresh").object) == 1


def test_whoever_follows_takes_over_from_a_process_that_is_killed(apo: Apo, scripted: ScriptedServer) -> None:
    scripted.latency = 0.1
    writer = apo.start(*SEARCH, "--concurrency", "2")
    while len(scripted.log) < 20:
        assert writer.poll() is None
        time.sleep(0.005)
    follower = apo.start(*SEARCH)
    assert follower.stderr is not None
    line = ""
    while "following run" not in line:
        line = follower.stderr.readline()
        assert line
    assert {run["state"] for run in apo("runs", "--json").object["runs"]} == {"running"}
    writer.kill()
    writer.communicate()
    scripted.latency = 0
    out, err = follower.communicate(timeout=100)
    assert follower.returncode == 0, err
    assert "this process goes on as run" in err
    states = {run["run"]: run["state"] for run in apo("runs", "--json").object["runs"]}
    assert states.pop(json.loads(out)["run"]) == "finished"
    assert list(states.values()) == ["unfinished"]


@pytest.mark.parametrize("what", ["partial", "meta-prompt", "scorer", "rows"])
def test_no_finished_run_answers_for_another_question(apo: Apo, scripted: ScriptedServer, what: str) -> None:
    changed = {
        "partial": ("_tone.prompt", "Be brief.", "Be kind."),
        "meta-prompt": ("meta/critic.prompt", "", " "),
        "scorer": ("mine.py", "def score(answer, expected): return answer == expected\n", "# otherwise\n"),
        "rows": ("tickets.jsonl", "", '{"text": "One more ticket, about nothing at all", "label": "billing"}\n'),
    }[what]
    name, before, after = changed
    path = apo.folder / name
    path.parent.mkdir(exist_ok=True)
    if what == "meta-prompt":
        own = Path(api.__file__).parent / "search" / "meta" / "critic.prompt"
        before = own.read_text("utf-8")
        apo.edit("apo.examples:", "apo.optimizer: {meta: meta}\napo.examples:")
    if what == "scorer":
        apo.edit("apo.examples:", "apo.metric: mine:score\napo.examples:")
    if what == "partial":
        apo.edit("Answer with", "{{> tone}} Answer with")
    if what != "rows":
        path.write_text(before, "utf-8")
    first = apo(*SEARCH)
    assert first.code == 0, first.err
    replayed = apo(*SEARCH, "--resume")
    assert replayed.object == first.object
    path.write_text(path.read_text("utf-8") + after, "utf-8")
    again = apo(*SEARCH, "--resume")
    assert again.code == 0, again.err
    assert "is finished" not in again.err
    assert again.object["run"] != first.object["run"]
    assert again.object["experiment"] != first.object["experiment"]


def test_a_replay_that_sends_nothing_is_no_look(apo: Apo, scripted: ScriptedServer) -> None:
    first = apo(*SEARCH).object
    asked = len(scripted.log)
    again = apo(*SEARCH).object
    assert len(scripted.log) == asked
    assert again["holdout"] == first["holdout"]
    assert again["run"] != first["run"]
    assert looks_of(apo(*SEARCH, "--fresh").object) == 1
    assert looks_of(apo(*SEARCH, "--fresh").object) == 2


@pytest.mark.parametrize("source", ["file", "random"])
def test_other_scores_of_the_same_answers_are_another_look(apo: Apo, scripted: ScriptedServer, source: str) -> None:
    worth = "random.random() / 9" if source == "random" else f"float(open({str(apo.folder / 'worth.txt')!r}).read())"
    scorer = f"import random\ndef score(answer, expected): return (answer == expected) * (1 - {worth})\n"
    (apo.folder / "mine.py").write_text(scorer)
    apo.edit("apo.examples:", "apo.metric: mine:score\napo.examples:")
    for number, expected in enumerate((None, 1, 2)):
        (apo.folder / "worth.txt").write_text(f"0.{number}")
        assert looks_of(apo(*SEARCH).object) == expected
    if source == "file":
        # What was shown before is no new look, whatever was shown since.
        asked = len(scripted.log)
        for number, expected in ((1, 1), (0, None)):
            (apo.folder / "worth.txt").write_text(f"0.{number}")
            assert looks_of(apo(*SEARCH).object) == expected
        assert len(scripted.log) == asked


def test_hold_out_rows_are_no_oracle_for_an_evaluation(apo: Apo, scripted: ScriptedServer) -> None:
    held = apo(*SEARCH).object["holdout"]["n"]
    lines = (apo.folder / "tickets.jsonl").read_text().splitlines(keepends=True)
    apo.edit("apo.examples: tickets.jsonl", "apo.examples: some.jsonl")
    scored = 0
    asked = len(scripted.log)
    for start in range(0, 60, 12):
        (apo.folder / "some.jsonl").write_text("".join(lines[start : start + 12]))
        found = apo("evaluate", "tickets.prompt", "--json")
        scored += found.object["n"] if found.code == 0 else 0
        assert found.code in (0, 2)
        if found.code == 0 and found.object["n"] < 12:
            assert f"{12 - found.object['n']} hold-out row" in found.err
    # In parts of too few rows to split, no more rows are scored than are open in the whole.
    assert 0 < scored <= 60 - held
    assert len(scripted.log) == asked


def test_the_verdict_says_its_level_and_how_many_new_rows_restore_it(apo: Apo) -> None:
    first = apo(*SEARCH).object["holdout"]
    assert (first["confidence"], first["earlier_looks"]) == (pytest.approx(0.95), None)
    shown = apo(*SEARCH[:2], *SEARCH[3:], "--fresh")
    assert "98.33 % interval" in shown.out
    assert "Look 2 at these rows: tested at 0.83 % one-sided, in place of 2.5 %" in shown.out
    assert f"replace the opened rows by {first['n']} new rows" in shown.out
    assert apo("cache", "clear", "--yes").code == 0
    third = apo(*SEARCH).object["holdout"]
    assert (third["confidence"], third["earlier_looks"]) == (pytest.approx(1 - 0.1 / 12), 2)
