"""Attacks by edits of every row: rows that were looked at stay so, and different rows stay different."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from apo_engine.examples.example import Example
from apo_engine.examples.fingerprints import identify
from apo_engine.store import RowFingerprints, recognized
from apo_engine.store.memory import looks_at
from tests.attacks.test_identity import SEARCH, Desk, Row, looks_of
from tests.cli.conftest import Apo, make_apo
from tests.scripted import ScriptedServer
from tests.scripted.world import World


def _word(number: int) -> str:
    draw = random.Random(number)
    return "".join(draw.choice("bcdfghkmnprtvz") + draw.choice("aeiou") for _ in range(draw.randint(2, 4)))


WORDS = sorted({_word(number) for number in range(600)})
ROOT = Path(__file__).parents[2]
SHARED = " ".join(random.Random(0).choices(WORDS, k=500))
Edit = Callable[[str, random.Random], str]


def make_texts(words: int, seed: str = "a", count: int = 100) -> list[str]:
    return [" ".join(random.Random(f"{seed}{n}").sample(WORDS, words)) for n in range(count)]


def unedited(text: str, draw: random.Random) -> str:
    return text


def typing_error(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return f"{text[:at]}x{text[at + 1 :]}"


def transposed(text: str, draw: random.Random) -> str:
    at = draw.choice([at for at in range(len(text) - 1) if " " not in text[at : at + 2]])
    return f"{text[:at]}{text[at + 1]}{text[at]}{text[at + 2 :]}"


def plural(text: str, draw: random.Random) -> str:
    return text.replace(" ", "s ", 1)


def inserted(text: str, draw: random.Random) -> str:
    return text.replace(" ", f" {draw.choice(WORDS)} ", 1)


def digits(text: str, draw: random.Random) -> str:
    return " ".join(f"{word}1" for word in text.split())


def many_digits(text: str, draw: random.Random) -> str:
    return " ".join(f"{word}{'0' * 2 * len(word)}0" for word in text.split())


def digits_around(text: str, draw: random.Random) -> str:
    return " ".join(f"{draw.randrange(10**6)}{word[:2]}{draw.randrange(10**6)}{word[2:]}7" for word in text.split())


def in_tag(text: str, draw: random.Random) -> str:
    return f"<q {text}>"


def in_tags(text: str, draw: random.Random) -> str:
    return " ".join(f"<{word.title()}>" for word in typing_error(text, draw).split())


def in_attribute(text: str, draw: random.Random) -> str:
    return f'<q title="{text}">'


def in_comment(text: str, draw: random.Random) -> str:
    return f"<!-- {text} -->"


def in_entities(text: str, draw: random.Random) -> str:
    return "".join(f"&amp;#{ord(letter)};" for letter in text)


def in_markdown(text: str, draw: random.Random) -> str:
    return f"[{' '.join(f'**{word}**' for word in text.split())}](<a href='x'>)"


def formatted(text: str, draw: random.Random) -> str:
    return "".join(f"<{draw.choice(('b', 'EM', 'span'))}>{letter}</q>" for letter in text)


def lookalikes(text: str, draw: random.Random) -> str:
    return text.translate(str.maketrans("aeiotud", "\u0251\u212e\u13a5\u0585\u1d1b\u057d\u0501"))


def prefixed(text: str, draw: random.Random) -> str:
    return f"{SHARED} {text}"


def prefixed_error(text: str, draw: random.Random) -> str:
    return prefixed(typing_error(text, draw), draw)


def rows_of(texts: list[str], edit: Edit, columns: int = 0, words: int = 6) -> list[Row]:
    rows = []
    for number, text in enumerate(texts):
        draw = random.Random(f"edit{number}")
        more = {f"note{at}": " ".join(draw.sample(WORDS, words)) for at in range(columns)}
        rows.append({"text": edit(text, draw), **more, "label": ("yes", "no")[number % 2]})
    return rows


# The words in each text, the rows at first, and the rows later: each an edit, unread columns, and their words.
Way = tuple[Edit, int, int]
ATTACKS: dict[str, tuple[int, Way, Way]] = {
    "typing error and column": (15, (unedited, 0, 0), (typing_error, 1, 15)),
    "typing error and column removed": (15, (unedited, 1, 15), (typing_error, 0, 0)),
    "columns beside short rows": (2, (unedited, 0, 0), (unedited, 2, 2)),
    "long column beside short rows": (2, (unedited, 0, 0), (unedited, 1, 8)),
    "transposed letter in short rows": (2, (unedited, 0, 0), (transposed, 0, 0)),
    "plural in short rows": (2, (unedited, 0, 0), (plural, 0, 0)),
    "inserted word in short rows": (2, (unedited, 0, 0), (inserted, 0, 0)),
    "transposed letter and column": (3, (unedited, 0, 0), (transposed, 1, 6)),
    "long beginning in common": (20, (prefixed, 0, 0), (prefixed_error, 0, 0)),
    "digit after each word": (10, (unedited, 0, 0), (digits, 0, 0)),
    "many digits after each word": (10, (unedited, 0, 0), (many_digits, 0, 0)),
    "many digits after each word of short rows": (2, (unedited, 0, 0), (many_digits, 0, 0)),
    "digits in and around each word": (10, (unedited, 0, 0), (digits_around, 0, 0)),
    "text in a tag": (10, (unedited, 0, 0), (in_tag, 0, 0)),
    "words as tags": (15, (unedited, 0, 0), (in_tags, 0, 0)),
    "text in an attribute": (10, (unedited, 0, 0), (in_attribute, 0, 0)),
    "text in a comment": (10, (unedited, 0, 0), (in_comment, 0, 0)),
    "text in entities": (10, (unedited, 0, 0), (in_entities, 0, 0)),
    "text in Markdown": (10, (unedited, 0, 0), (in_markdown, 0, 0)),
    "letters formatted": (10, (unedited, 0, 0), (formatted, 0, 0)),
    "lookalikes": (10, (unedited, 0, 0), (lookalikes, 0, 0)),
}


@pytest.mark.parametrize(("words", "before", "after"), ATTACKS.values(), ids=ATTACKS)
async def test_an_edit_of_every_row_buys_no_look(tmp_path: Path, words: int, before: Way, after: Way) -> None:
    texts = make_texts(words)
    assert (await Desk(tmp_path, rows=rows_of(texts, *before)).look()).earlier is None
    assert (await Desk(tmp_path, rows=rows_of(texts, *after)).look()).earlier == 1


NAMES = ("Anna", "Berta", "Carla", "Doris", "Elena", "Frida", "Greta", "Ilse", "Jana", "Karin", "Lara", "Mona")
DIFFERENT: dict[str, Callable[[int], str]] = {
    "one number": lambda n: f"What is the price of item {n} in the list?",
    "one letter": lambda n: (
        f"H{NAMES[n % 100 % 12].lower()}{n % 100 // 12}" if n >= 100 else f"{NAMES[n % 12]}{n // 12}"
    ),
    "one word of a form": lambda n: f"The box is {WORDS[n]} and the lid is closed.",
    "two words": lambda n: make_texts(2, str(n // 100), 100)[n % 100],
    "five words": lambda n: make_texts(5, str(n // 100), 100)[n % 100],
}


@pytest.mark.parametrize("form", DIFFERENT.values(), ids=DIFFERENT)
async def test_different_rows_stay_different(tmp_path: Path, form: Callable[[int], str]) -> None:
    for first in (0, 100):
        texts = [form(number) for number in range(first, first + 100)]
        assert (await Desk(tmp_path, rows=rows_of(texts, unedited)).look()).earlier is None


async def test_rows_on_the_same_subjects_are_different(tmp_path: Path) -> None:
    for seed in "ab":
        rows = [{"subject": WORDS[n], **row} for n, row in enumerate(rows_of(make_texts(12, seed), unedited))]
        assert (await Desk(tmp_path, rows=rows).look()).earlier is None


@pytest.mark.parametrize("edit", [typing_error, transposed])
def test_a_search_again_on_edited_rows_is_counted(tmp_path: Path, scripted: ScriptedServer, edit: Edit) -> None:
    world = World(60)
    world.write(tmp_path)
    scripted.script = world.script
    apo: Apo = make_apo(tmp_path, scripted)
    words = 12 if edit is typing_error else 2
    for earlier, change, columns in ((None, unedited, 0), (1, edit, 1)):
        made = rows_of(make_texts(words, count=60), change, columns, words=12)
        for number, row in enumerate(made):
            row.update(text=f"{row['text']} #{number:04d}", label=world.rows[number].concept.label)
        (tmp_path / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
        assert looks_of(apo(*SEARCH).object) == earlier


@pytest.mark.parametrize(("words", "vocabulary"), [(12, 40), (8, 60), (4, 120), (12, 600)])
def test_rows_are_known_by_their_words_in_whatever_order(words: int, vocabulary: int) -> None:
    def shuffled(text: str, draw: random.Random) -> str:
        return " ".join(draw.sample(found := text.split(), len(found)))

    texts, others = (
        [" ".join(random.Random(f"{seed}{n}").sample(WORDS[:vocabulary], words)) for n in range(200)] for seed in "ab"
    )
    before = rows_of(texts, unedited)
    assert not count_new(before, rows_of(texts, shuffled))
    assert count_new(before, rows_of(others, unedited)) == len(others)


def fingerprints_of(rows: list[Row]) -> list[RowFingerprints]:
    examples = [
        Example(
            str(number), {column: text for column, text in row.items() if column != "label"}, "a", number, Path("a")
        )
        for number, row in enumerate(rows)
    ]
    return [identity.fingerprints for identity in identify(examples).values()]


def count_new(before: list[Row], after: list[Row]) -> int:
    recorded = {name for row in fingerprints_of(before) for name in row.recorded_as}
    return sum(not names for names in recognized(fingerprints_of(after), recorded))


@pytest.mark.parametrize(("columns_before", "columns_after"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("changed", "most_new"), [(1, 0.03), (2, 0.075)])
def test_changed_letters_leave_few_ordinary_rows_new(
    changed: int, most_new: float, columns_before: int, columns_after: int
) -> None:
    def edit(text: str, draw: random.Random) -> str:
        for _ in range(changed):
            at = draw.choice([at for at, letter in enumerate(text) if letter.isalpha()])
            text = f"{text[:at]}{draw.choice('bcdfghjkmpqtvz')}{text[at + 1 :]}"
        return text

    lines = (ROOT / "examples/tickets/tickets.jsonl").read_text().splitlines()
    texts = [text for line in lines if len(text := json.loads(line)["text"]) >= 45]
    before = rows_of(texts, unedited, columns_before, words=15)
    after = rows_of(texts, edit, columns_after, words=15)
    assert count_new(before, after) <= most_new * len(texts)


def test_few_of_many_different_rows_fit_a_hint() -> None:
    recorded = {
        name for row in fingerprints_of(rows_of(make_texts(12, "a", 3_000), unedited)) for name in row.recorded_as
    }
    others = fingerprints_of(rows_of(make_texts(12, "b", 3_000), unedited))
    assert not any(name in recorded for row in others for name in row.known_by)
    assert sum(any(name in recorded for name in row.hints) for row in others) < 0.1 * len(others)


def test_a_hint_of_one_row_adds_no_look() -> None:
    names = [bytes([number]) * 16 for number in range(60)]
    rows = [RowFingerprints((names[at],), (names[at], names[30 + at]), (names[30 + at],)) for at in range(30)]
    executions = {name: {1} for name in names}
    for other, looks in ((1, 1), (3, 2)):
        for name in names[30 : 30 + other]:
            executions[name] = {1, 2}
        assert looks_at(rows, executions, {}).earlier == looks


def test_identification_stops() -> None:
    rows = [Example(str(n), {"text": text}, "yes", n, Path("a")) for n, text in enumerate(make_texts(8))]
    for asked in range(0, 400, 7):
        left = iter(range(asked))
        assert len(identify(rows, lambda left=left: next(left, None) is None)) in (0, 100)  # type: ignore[misc]
