"""A bad `initialize` request is refused with one sentence, on every transport, and the editor is served after it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from lsprotocol import types
from websockets.asyncio.client import connect

from apo_server.initialize_request import initialize_fault
from apo_server.tcp import over_tcp
from apo_server.wiring import create_server
from tests.attacks.door import door, web_answer, web_door
from tests.server.raw import HELLO, Message, Raw, ending, framed


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


# What is wrong, by the place that the answer names.
BAD: dict[str, dict[str, Any]] = {
    "capabilities": {"capabilities": None},
    "capabilities.textDocument": {"capabilities": {"textDocument": 5}},
    "capabilities.general.positionEncodings[1]": {"capabilities": {"general": {"positionEncodings": ["utf-8", {}]}}},
    "processId": {"processId": "x"},
    "trace": {"trace": "loud"},
    "clientInfo.name": {"clientInfo": []},
    "rootUri": {"rootUri": "file://["},
    "rootPath": {"rootPath": "/\ud800"},
    "workspaceFolders": {"workspaceFolders": 7},
    "workspaceFolders[0].name": {"workspaceFolders": [{"uri": "file:///w"}]},
    "workspaceFolders[0].uri": {"workspaceFolders": [{"uri": "file:///%00", "name": "w"}]},
    "workspaceFolders[1].uri": {"workspaceFolders": [{"uri": "file:///w", "name": ""}, {"uri": "//[x", "name": ""}]},
    "more than 100 levels": {"initializationOptions": nested(300)},
}
PARAMS = HELLO["params"]
DEEP = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def hello(number: object, changes: dict[str, Any]) -> Message:
    return {**HELLO, "id": number, "params": {**PARAMS, **changes}}


def expect_refusal(answer: Message, place: str) -> None:
    error = answer["error"]
    assert error["code"] == types.ErrorCodes.InvalidParams
    assert place in error["message"]
    assert error["message"].count("\n") == 0
    assert error["message"].endswith(".")
    assert "data" not in error


async def test_a_bad_request_is_answered_and_the_server_goes_on() -> None:
    client, process = await Raw.start()
    for number, (place, changes) in enumerate(BAD.items(), 1):
        await client.say(hello(number, changes))
        expect_refusal(await client.answer(number), place)
    await client.shout(b"Content-Length: %d\r\n\r\n%b" % (len(DEEP), DEEP))
    assert "nests too deeply" in (await client.answer(None))["error"]["message"]
    answer = await client.greet()
    assert answer["result"]["capabilities"]
    await client.leave()
    ended, _, err = await ending(process)
    assert ended == 0
    assert b"Traceback" not in err


@pytest.mark.parametrize("place", BAD)
async def test_a_bad_request_does_not_take_a_socket(place: str) -> None:
    async with door(way=over_tcp) as opened_door:
        answer = await opened_door.attack(framed(hello(1, BAD[place])))
        expect_refusal(json.loads(answer.partition(b"\r\n\r\n")[2]), place)
        await opened_door.expect_served()


async def test_json_that_nests_too_deeply_does_not_take_a_socket() -> None:
    async with door(way=over_tcp) as opened_door:
        assert await opened_door.attack(b"Content-Length: %d\r\n\r\n%b" % (len(DEEP), DEEP)) == b""
        await opened_door.expect_served()


async def test_a_bad_request_does_not_take_a_web_socket() -> None:
    async with web_door() as opened_door:
        for place, changes in BAD.items():
            async with connect(f"ws://127.0.0.1:{opened_door.port}/") as client:
                await client.send(json.dumps({"jsonrpc": "2.0", **hello(1, changes)}))
                expect_refusal(json.loads(await client.recv()), place)
        assert await web_answer(opened_door) == "served"


class Heard:
    """Keeps what a server says."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def write(self, data: bytes) -> None:
        self.messages.append(json.loads(data))

    def close(self) -> None:
        """Nothing is left to do."""


_VALUES: tuple[Any, ...] = (None, True, -1, 1e308, 10**30, "", "\0", "utf-8", "file:///w", "\udc80", [], {}, [None])
_NAMES = ("apo", "textDocument", "workspace", "general", "window", "positionEncodings", "apoStatus", "uri", "name")


def made_up(rng: random.Random, depth: int = 0) -> Any:
    chosen = rng.random()
    if depth > 3 or chosen < 0.4:
        return rng.choice(_VALUES)
    if chosen < 0.6:
        return [made_up(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(_NAMES): made_up(rng, depth + 1) for _ in range(rng.randrange(4))}


async def test_whatever_passes_as_a_request_is_served() -> None:
    rng = random.Random(7)
    names = [*PARAMS, "rootPath", "workspaceFolders", "initializationOptions", "trace", "clientInfo", "locale"]
    served = 0
    for number in range(300):
        changes = {rng.choice(names): made_up(rng) for _ in range(number % 2 + 1)}
        message = {"jsonrpc": "2.0", **hello(number, changes)}
        server, heard = create_server("0"), Heard()
        server.authenticated = True
        server.protocol.set_writer(heard, include_headers=False)
        server.protocol.take(json.dumps(message).encode())
        answers = [one for one in heard.messages if one.get("id") == number]
        assert len(answers) == 1
        if initialize_fault(message) is None:
            served += 1
            assert "result" in answers[0], (message, answers)
        else:
            assert answers[0]["error"]["code"] == types.ErrorCodes.InvalidParams
    assert 50 < served < 250
