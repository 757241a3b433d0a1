"""A key that a model spells in an answer is in no text that is decoded from it: told, shown, stored or sent on."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from apo_engine.models.secrets import Secrets
from apo_engine.positions import Span
from apo_engine.runs.secret_free import without_secrets
from apo_engine.search.candidate import Candidate
from apo_engine.search.events import AnyEvent, CandidateProposed, Noted, RunStarted, encode
from apo_engine.search.gradient import Gradient
from tests.attacks.plans import started
from tests.cli.conftest import make_apo
from tests.engine.models.support import Canned, gateway
from tests.scripted import Reply, ScriptedServer

KEY = "sk-live_Zq7TkP93mVx2LwB8dR4n"
SPELLED = {
    "plain": KEY,
    "escaped": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "escaped in part": KEY.replace("k", "\\u006b"),
    "as HTML": "".join(f"&#{ord(char)};" for char in KEY),
    "in octal": "".join(f"\\{ord(char):03o}" for char in KEY),
    "in Markdown": KEY.replace("-", "\\-").replace("_", "\\_"),
    "as a URL, six times over": "".join(f"%{'25' * 5}{ord(char):02x}" for char in KEY),
    "but for its last character": KEY[:-1],
    "as JavaScript, each letter itself": KEY.replace("k", "\\k").replace("P", "\\P"),
    "its beginning in base64": base64.b64encode(KEY[:15].encode()).decode(),
    "its end in hex": KEY[-15:].encode().hex(),
}
PROMPT = """---
model: openai/m
apo.examples: rows.jsonl
---
{{role "system"}}Answer yes or no.{{role "user"}}{{text}}
"""


def _world(spelled: str) -> ScriptedServer:
    def script(body: Mapping[str, object]) -> Reply:
        said = json.dumps(body)
        if "You find out why a prompt fails" in said:
            critiques = '{"critiques":[{"quote":"Answer yes or no.","critique":"The key is %s, ok","rows":[1,2]}]}'
            return Reply(critiques.replace("%s", spelled))
        if (mark := re.search(r"<new-prompt-([0-9a-f]+)>", said)) is not None:
            return Reply(f"<new-prompt-{mark[1]}>Answer yes or no. IMPROVED by {spelled}</new-prompt-{mark[1]}>")
        return Reply("yes" if "IMPROVED" in said else f"no {spelled}")

    return ScriptedServer(script)


@pytest.mark.parametrize("spelled", SPELLED.values(), ids=SPELLED.keys())
def test_no_answer_brings_the_key_to_a_file_or_a_screen(tmp_path: Path, spelled: str) -> None:
    rows = [{"text": f"word{n} {'abcdefghij'[n % 10] * 5} thing", "label": ("yes", "no")[n % 2]} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.prompt").write_text(PROMPT)
    with _world(spelled) as server:
        apo = make_apo(tmp_path, server)
        apo.environ["OPENAI_API_KEY"] = KEY
        commands = (["gradients", "a.prompt", "--json"], ["optimize", "a.prompt", "--rounds=1"], ["runs", "--json"])
        told = [apo(*command) for command in commands]
        run = re.search(r"[0-9A-HJKMNP-TV-Z]{26}", told[-1].out)
        assert run is not None
        told += [apo("report", run[0]), apo("report", run[0], "--json")]
        sent = json.dumps(server.log.bodies)
    assert all(done.code in (0, 1) for done in told), [done.err for done in told]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (*(done.out + done.err for done in told), written.decode("utf-8", "replace"), sent):
        assert KEY[:-1] not in text
        assert spelled not in text
    assert "The key is [key]" in told[0].out
    assert "IMPROVED by [key]" in written.decode("utf-8", "replace")


async def test_a_gateway_strikes_secrets_out_of_decoded_text() -> None:
    class Keyed(Canned):
        secrets = Secrets.of([KEY])

    assert gateway(Keyed()).struck(f"a {KEY} b") == "a [key] b"
    assert gateway(Canned()).struck(f"a {KEY} b") == f"a {KEY} b"


EVENTS: tuple[AnyEvent, ...] = (
    Noted(f"the endpoint says {KEY}"),
    CandidateProposed(Candidate("c", f"text {KEY}", "edit", suspicions=(f"adds {KEY}",))),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_no_event_holds_a_key(event: AnyEvent) -> None:
    struck = without_secrets(event, Secrets.of([KEY]))
    assert type(struck) is type(event)
    assert KEY.encode() not in encode(struck)
    assert b"[key]" in encode(struck)
    assert without_secrets(event, Secrets.of(["another-key-1234"])) is event


def test_what_the_user_wrote_stays_whatever_the_key_is() -> None:
    plan: RunStarted = started(file="/home/me/projects/a.prompt")
    assert without_secrets(plan, Secrets.of(["projects"])) is plan
    gradient = Gradient("g", f"why {KEY}", "quote", Span(1, 5), "exact", ("projects:1",), 0.5, "model")
    struck = without_secrets((gradient,), Secrets.of([KEY, "projects"]))
    assert struck[0].critique == "why [key]"
    assert (struck[0].rows, struck[0].span) == (("projects:1",), Span(1, 5))
