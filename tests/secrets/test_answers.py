"""A secret that an endpoint quotes is struck out before it is used, cut or shown: in answers, errors and listings."""

from __future__ import annotations

import base64
import html
import json
import re
import time
import unicodedata
from urllib.parse import quote

import pytest

from apo_engine.models.chat import Completion
from apo_engine.models.failure import CallFailure, Target
from apo_engine.models.refusal import told_of
from apo_engine.models.secrets import Secrets
from apo_engine.models.wire import model_ids
from tests.engine.models.support import KEY, ask, chat
from tests.scripted import Reply, ScriptedServer
from tests.scripted.reply import failure
from tests.secrets.canary import Canary

TOKEN = "corptok9876543210xyzAB"
QUOTED = {
    "plain": TOKEN,
    "in capitals": TOKEN.upper(),
    "in hex": TOKEN.encode().hex(),
    "reversed": TOKEN[::-1],
    "in base64, behind a scheme": base64.b64encode(f"Bearer {TOKEN}".encode()).decode(),
    "in base64, behind a user": base64.b64encode(f"me:{TOKEN}".encode()).decode(),
}
ESCAPED = {
    "as JSON": "".join(f"\\u{ord(char):04x}" for char in TOKEN),
    "as JSON, in part": TOKEN.replace("k", "\\u006B"),
    "as JSON in JSON": json.dumps("".join(f"\\u{ord(char):04x}" for char in TOKEN))[1:-1],
    "as Python": "".join(f"\\x{ord(char):02x}" for char in TOKEN),
    "as Python, long": "".join(f"\\U{ord(char):08x}" for char in TOKEN),
    "as JavaScript": "".join(f"\\u{{{ord(char):x}}}" for char in TOKEN),
    "as HTML": "".join(f"&#{ord(char)};" for char in TOKEN),
    "as HTML in hex": "".join(f"&#x{ord(char):X};" for char in TOKEN),
    "as a URL": "".join(f"%{ord(char):02X}" for char in TOKEN),
    "as a URL in a URL": "".join(f"%25{ord(char):02x}" for char in TOKEN),
    "as JavaScript, with zeros": "".join(f"\\u{{{ord(char):0100x}}}" for char in TOKEN),
    "as Perl": "".join(f"\\N{{U+{ord(char):04X}}}" for char in TOKEN),
    "as Python, in octal": "".join(f"\\{ord(char):03o}" for char in TOKEN),
    "as Python, by names": "".join(f"\\N{{{unicodedata.name(char)}}}" for char in TOKEN),
    "as a URL, ten times over": "".join(f"%{'25' * 9}{ord(char):02x}" for char in TOKEN),
    "as a URL, a thousand times over": "".join(f"%{'25' * 999}{ord(char):02x}" for char in TOKEN),
    "as HTML, ten times over": "".join(f"&{'amp;' * 9}#{ord(char)};" for char in TOKEN),
    "as HTML in a URL in HTML, three times over": "".join(f"&{'#37;26' * 6}#{ord(char)};" for char in TOKEN),
    "as JavaScript, each letter itself": re.sub(r"(?=[ac-eg-mo-qswyzA-Z])", r"\\", TOKEN),
    "as JavaScript, in part": TOKEN.replace("k", "\\k").replace("98", "\\9\\8"),
    "as a shell": re.sub(r"(?=.)", r"\\", TOKEN),
    "as a shell in JSON": json.dumps(re.sub(r"(?=.)", r"\\", TOKEN))[1:-1],
    "in HTML as a shell": re.sub(r"(?=.)", "&#92;", TOKEN),
    "in HTML as JSON": "".join(f"&#92;u{ord(char):04x}" for char in TOKEN),
}
LONGER = {
    "a scheme": f"Bearer {TOKEN}",
    "a cookie": f"session={TOKEN}; theme=dark",
    "a second cookie": f"theme=dark; session={TOKEN}",
    "a name and a colon": f"token:{TOKEN}",
    "two spaces": f"Bearer  {TOKEN}",
}


def message(**said: object) -> bytes:
    return json.dumps({"choices": [{"message": said, "finish_reason": "stop"}]}).encode()


ANSWERS = {
    "text": message(content=f"The key is {KEY}."),
    "parts": message(content=[{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}]),
    "escaped": message(content=KEY).replace(b"sk-", b"\\u0073k-"),
    "refusal": message(content=None, refusal=f"I refuse {KEY}"),
    "reasoning": message(content="yes", reasoning_content=KEY, reasoning=KEY),
    "finish reason": json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": KEY}]}).encode(),
}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
async def test_no_answer_holds_the_key(body: bytes) -> None:
    with ScriptedServer(lambda _: Reply(body=body)) as server:
        model = chat(server)
        answer = await model.complete(ask())
        await model.close()
    assert KEY not in repr(answer)
    assert isinstance(answer, Completion)


async def test_a_listing_leaves_out_what_quotes_the_key() -> None:
    with ScriptedServer(models=("good", KEY, f"m-{KEY}")) as server:
        model = chat(server)
        assert await model.model_ids(10) == ("good",)
        await model.close()


def test_a_listing_of_millions_is_searched_in_time() -> None:
    body = b'{"data":[' + b'{"id":"a"},' * 1_400_000 + b'{"id":"a"}]}'
    target = Target("host", "m", None, None, Secrets.of([TOKEN]))
    began = time.process_time()
    assert set(model_ids(target, body)) == {"a"}
    assert time.process_time() - began < 4


CUT = {
    "at the end of a long message": failure(400, "No:" + " " * (100_000 - 3 - len(KEY) + 1) + KEY + " x"),
    "at the end of what is read of a page": Reply(
        body=b"No:" + b" " * (4096 - 3 - len(KEY) + 1) + KEY.encode() + b" x", content_type="text/html"
    ),
    "at the end of what is read of a longer page": Reply(
        body=b"No:" + b" " * (100_000 - 3 - len(KEY) + 1) + KEY.encode() + b" x", content_type="text/html"
    ),
    "in a list": Reply(status=400, body=json.dumps([[f"{KEY}"]]).encode()),
}


@pytest.mark.parametrize("reply", CUT.values(), ids=CUT.keys())
async def test_a_key_is_struck_out_before_a_text_is_cut(reply: Reply) -> None:
    with ScriptedServer(lambda _: reply) as server:
        model = chat(server)
        with pytest.raises(CallFailure) as caught:
            await model.complete(ask())
        await model.close()
    assert KEY[:-2] not in str(caught.value)


@pytest.mark.parametrize("longer", LONGER.values(), ids=LONGER.keys())
def test_a_part_of_a_longer_secret_is_a_secret(longer: str) -> None:
    assert TOKEN not in Secrets.of([longer]).struck(f"Incorrect API key provided: {TOKEN}. See docs.")


@pytest.mark.parametrize("quoted", QUOTED.values(), ids=QUOTED.keys())
def test_other_spellings_are_struck_out(quoted: str) -> None:
    struck = Secrets.of([TOKEN]).struck(f"you sent {quoted} to me")
    assert struck.startswith("you sent ")
    assert quoted not in struck
    assert quoted[8:-4] not in struck


@pytest.mark.parametrize("quoted", ESCAPED.values(), ids=ESCAPED.keys())
def test_escapes_are_struck_out_whole(quoted: str) -> None:
    assert Secrets.of([TOKEN]).struck(f'A "path" C:\\new: {quoted} %d') == 'A "path" C:\\new: [key] %d'


@pytest.mark.parametrize("part", [TOKEN[:12], TOKEN[:-1], TOKEN[1:], TOKEN[-12:], TOKEN.upper()[:15]])
def test_a_long_beginning_or_end_of_a_key_is_struck_out(part: str) -> None:
    assert Secrets.of([f"Bearer {TOKEN}"]).struck(f"({part})") == "([key])"


def _in_base64(text: str, before: int) -> str:
    return base64.b64encode(b"~" * before + text.encode()).decode().rstrip("=")


PARTS = [TOKEN[:12], TOKEN[:13], TOKEN[:14], TOKEN[:-1], TOKEN[1:], TOKEN[-14:], TOKEN[-13:], TOKEN[-12:]]


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("part", PARTS)
def test_so_is_that_of_a_key_in_base64(part: str, before: int) -> None:
    encoded = _in_base64(part, before)
    struck = Secrets.of([f"Bearer {TOKEN}"]).struck(f"({encoded})")
    # What is left holds bits of what stands before, and less than one character of the key.
    assert re.fullmatch(r"\(.{0,3}\[key\].?\)", struck)
    assert len(struck.replace("[key]", "")) <= 2 + (8 * before + 5) // 6 + 1


@pytest.mark.parametrize("part", PARTS)
def test_so_is_that_of_a_key_in_hex(part: str) -> None:
    secrets = Secrets.of([f"Bearer {TOKEN}"])
    assert secrets.struck(f"({part.encode().hex()})") == "([key])"
    assert secrets.struck(f"({part.encode().hex().upper()})") == "([key])"


def test_so_is_that_of_a_key_of_other_letters_and_in_the_base64_of_urls() -> None:
    key = "\u00e4\u00f6?\u00fc>>?\u00df~~~8jQz7Rk\u00e9"
    secrets = Secrets.of([key])
    for part in (key[:12], key[-12:]):
        assert "[key]" in secrets.struck(base64.urlsafe_b64encode(part.encode()).decode())
        assert secrets.struck(part.encode().hex()) == "[key]"


def test_shorter_pieces_of_a_key_in_base64_or_hex_stay() -> None:
    text = f"{_in_base64(TOKEN[:11], 0)} {TOKEN[:11].encode().hex()} {TOKEN[5:15].encode().hex()}"
    assert Secrets.of([TOKEN]).struck(text) == text


LATE = "sk-live-QwertyuiopAsdfghjklZxcvbnmQwertyuiop42"


@pytest.mark.parametrize(
    ("key", "part"),
    [
        *((LATE, LATE[:44]), (LATE, LATE[:12]), (LATE[:-2], LATE[:-3]), (LATE[:-2], LATE[1:-2])),
        *((TOKEN[:13], TOKEN[:12]), (TOKEN[:13], TOKEN[1:13])),
        *(("Zq7=TkP,93m:Vx2&LwB", "Zq7=TkP,93m:"), (f"{TOKEN}==", f"{TOKEN[-10:]}==")),
    ],
)
def test_so_is_that_of_a_key_without_digits_or_with_signs_or_of_a_short_one(key: str, part: str) -> None:
    assert Secrets.of([key]).struck(f"({part})") == "([key])"


def test_what_is_public_at_the_ends_of_a_header_stays() -> None:
    header = f"session={TOKEN}; theme=dark"
    assert Secrets.of([header]).struck("a theme; theme=dark") == "a theme; theme=dark"


@pytest.mark.parametrize("part", [TOKEN[:11], "internation", "session", "correct-hor", "internal"])
def test_words_and_short_pieces_of_a_key_stay(part: str) -> None:
    secrets = Secrets.of([TOKEN, "internationalisation-9", "correct-horse-battery", "internals12"])
    assert secrets.struck(f"({part})") == f"({part})"


def test_a_key_of_markdown_signs_is_struck_out() -> None:
    key = "sk-proj_Ab9x_Q7rT*yU2w_Z8mN"
    assert Secrets.of([key]).struck(re.sub(r"([_*-])", r"\\\1", key)) == "[key]"


def test_a_key_that_holds_escapes_itself_is_struck_out_however_often_it_is_escaped() -> None:
    key, spelled = "pa%25ss&amp;w0rd", []
    for _ in range(8):
        spelled += [key, html.escape(key), quote(html.escape(key))]
        key = quote(key)
    secrets = Secrets.of([spelled[0]])
    assert [text for text in spelled if secrets.struck(text) != "[key]"] == []


@pytest.mark.parametrize(
    "deep", ["%" + "25" * 200_000 + "73", "&" + "amp;" * 200_000 + "#115;", "%26" + "#37;26" * 20_000]
)
def test_what_is_escaped_too_often_to_be_read_is_struck_out(deep: str) -> None:
    assert Secrets.of([TOKEN]).struck(f"It is {deep}") == "It is [key]"


def test_what_follows_after_ten_thousand_keys_is_struck_out() -> None:
    struck = Secrets.of([TOKEN]).struck(f"{TOKEN} " * 10_500 + "end")
    assert struck.startswith("[key] [key] ")
    assert struck.endswith("[key]")
    assert 10_000 <= struck.count("[key]") <= 10_001


MANY = 15 * 2**20
SLOW = {
    "its beginning in base64": _in_base64(TOKEN[:12], 0) * (MANY // 16),
    "almost its beginning in hex": TOKEN[:11].encode().hex() * (MANY // 22),
    "a character behind each backslash": "\\k\\7" * 25_000 + "x" * (MANY - 100_000),
    "the key": TOKEN * (MANY // len(TOKEN)),
    "its beginning": TOKEN[:12] * (MANY // 12),
    "its end": TOKEN[-12:] * (MANY // 12),
    "a key that repeats": "ab" * (MANY // 2),
    "beginnings and escapes": (TOKEN[:12] * 40 + "&amp;") * 30_000,
    "escapes in escapes": ("x" * 150 + "%2526#37;2526#37;2526#37;41") * 90_000,
    "a URL in a URL": "%" + "25" * (MANY // 2),
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_no_answer_takes_long_to_be_searched(text: str) -> None:
    secrets = Secrets.of([TOKEN, "ab" * 12])
    began = time.process_time()
    secrets.struck(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("escape", ["\\u0041", "%41", "&#65;", "\\\\", "\\", "%", "&", "\\k", "\\7"])
def test_an_answer_of_nothing_but_escapes_stalls_nothing(escape: str) -> None:
    text = escape * (16_000_000 // len(escape))
    began = time.process_time()
    struck = Secrets.of([TOKEN]).struck(text + "".join(f"%{ord(char):02x}" for char in TOKEN))
    assert time.process_time() - began < 5
    assert struck.endswith("[key]")


def test_a_canary_is_struck_out_in_every_form() -> None:
    canary = Canary.hatch()
    secrets = Secrets.of([canary.secret])
    for form in (canary.secret, canary.quoted, canary.secret.encode().hex(), canary.basic):
        assert canary.seen_in(secrets.struck(f"x {form} y").encode()) is None


@pytest.mark.parametrize("text", ["Bearer of news", "the session is over", "a theme that is dark", "ollama runs it"])
def test_words_that_are_not_secret_stay(text: str) -> None:
    assert Secrets.of(["ollama", f"Bearer {TOKEN}", LONGER["a cookie"]]).struck(text) == text


def test_names_and_dates_that_an_answer_may_hold_stay() -> None:
    named = Secrets.named([("X-Title", "Support"), ("api-version", "2024-10-21"), ("X-Token", TOKEN)])
    assert named == [TOKEN]


def test_what_is_cut_counts_from_the_text_that_was_sent() -> None:
    secrets = Secrets.of([TOKEN])
    assert secrets.struck(f"{TOKEN}{TOKEN}{TOKEN}", len(TOKEN) + 1) == "[key][key]"
    assert secrets.struck("İ" + TOKEN + "İ") == "İ[key]İ"


def test_as_much_of_an_error_as_is_read_holds_no_secret() -> None:
    error = {TOKEN: 1, "error": [{"message": TOKEN, "code": 4, "l": ["a"]}, TOKEN], "detail": "x" * 99_995 + TOKEN}
    told = told_of(error, Secrets.of([TOKEN]))
    assert told == {"error": [{"message": "[key]", "code": 4}], "detail": "x" * 99_995 + "[key]"}


async def test_cookies_of_an_endpoint_are_not_sent_back() -> None:
    reply = Reply("yes", headers={"Set-Cookie": "track=me123456; Path=/"})
    with ScriptedServer(lambda _: reply) as server:
        model = chat(server)
        for _ in range(3):
            await model.complete(ask())
        await model.close()
        assert not [exchange for exchange in server.log.exchanges if "cookie" in exchange.headers]
