"""Frames: what is sent comes out, in whatever pieces it arrives; what is not a frame breaks the stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo_server.framing import BrokenFrame, Frames

bodies = st.lists(st.binary(max_size=40), max_size=6)


def frame(body: bytes, header: bytes = b"Content-Length: %d\r\n\r\n") -> bytes:
    return header % len(body) + body


def read(given: bytes, pieces: list[int] | None = None, longest: int = 1000, *, recovers: bool = False) -> list[bytes]:
    frames, found = Frames(longest, recovers=recovers), []
    for length in [*(pieces or ()), len(given)]:
        found += frames.feed(given[:length])
        given = given[length:]
    return found


@given(bodies, st.lists(st.integers(0, 30), max_size=40))
def test_bodies_come_out_as_they_were_sent_in_whatever_pieces(sent: list[bytes], pieces: list[int]) -> None:
    assert read(b"".join(map(frame, sent)), pieces) == sent
    assert read(b"".join(map(frame, sent)), pieces, recovers=True) == sent


@given(st.binary(max_size=300), st.lists(st.integers(0, 30), max_size=20))
def test_no_bytes_are_held_beyond_a_frame_or_raise_where_the_peer_is_the_editor(
    noise: bytes, pieces: list[int]
) -> None:
    frames = Frames(100, recovers=True)
    for length in [*pieces, len(noise)]:
        list(frames.feed(noise[:length]))
        noise = noise[length:]
    assert len(frames._held) <= 1024 + 300


@given(st.binary(max_size=60).filter(lambda noise: b"ength" not in noise.lower()), st.integers(0, 30))
def test_after_nonsense_the_next_header_that_begins_a_line_is_found(noise: bytes, piece: int) -> None:
    given = noise + b"\n" + frame(b"hello") + frame(b"again")
    assert read(given, [piece], recovers=True)[-2:] == [b"hello", b"again"]


def test_headers_are_read_as_the_protocol_has_them() -> None:
    for header in (
        b"Content-Length: %d\r\n\r\n",
        b"content-length: %d\r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nCONTENT-TYPE: x\r\n\r\n",
    ):
        assert read(frame(b"{}", header)) == [b"{}"]


BROKEN = {
    "no space": b"Content-Length:%d\r\n\r\n",
    "two spaces": b"Content-Length:  %d\r\n\r\n",
    "a space before the colon": b"Content-Length : %d\r\n\r\n",
    "a space at the end": b"Content-Length: %d \r\n\r\n",
    "a space at the beginning": b" Content-Length: %d\r\n\r\n",
    "a tab": b"Content-Length:\t%d\r\n\r\n",
    "line feeds alone": b"Content-Length: %d\n\n",
    "a line feed alone in the middle": b"Content-Length: %d\n\r\n",
    "a line feed alone at the end": b"Content-Length: %d\r\n\n",
    "two carriage returns": b"Content-Length: %d\r\r\n\r\n",
    "a sign": b"Content-Length: +%d\r\n\r\n",
    "a negative length": b"Content-Length: -%d\r\n\r\n",
    "a fraction": b"Content-Length: %d.0\r\n\r\n",
    "a hexadecimal length": b"Content-Length: 0x%d\r\n\r\n",
    "an underscore": b"Content-Length: 1_%d\r\n\r\n",
    "other digits": "Content-Length: ٣\r\n\r\n".encode() + b"%d",
    "a NUL": b"Content-Length: %d\0\r\n\r\n",
    "a list": b"Content-Length: %d, 2\r\n\r\n",
    "the same length twice": b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n",
    "two lengths": b"Content-Length: 9\r\ncontent-length: %d\r\n\r\n",
    "two types": b"Content-Type: x\r\nContent-Type: y\r\nContent-Length: %d\r\n\r\n",
    "a type of control characters": b"Content-Type: \x1b\r\nContent-Length: %d\r\n\r\n",
    "another header first": b"Host: x\r\nContent-Length: %d\r\n\r\n",
    "another header last": b"Content-Length: %d\r\nHost: x\r\n\r\n",
    "a folded header": b"Content-Length: %d\r\n \r\n\r\n",
    "a length at the end of a line": b"Referer: http://x/content-length: %d\r\n\r\n",
    "a byte order mark": b"\xef\xbb\xbfContent-Length: %d\r\n\r\n",
    "an empty line first": b"\r\nContent-Length: %d\r\n\r\n",
    "a type alone": b"Content-Type: x\r\n\r\n%d",
    "a huge number": b"Content-Length: 99999999%d\r\n\r\n",
    "a number without end": b"Content-Length: " + b"0" * 5000 + b"%d\r\n\r\n",
    "a line without end": b"x" * 5000 + b"%d",
}


@pytest.mark.parametrize("header", BROKEN.values(), ids=BROKEN.keys())
def test_a_header_that_is_not_exactly_one_breaks_the_stream(header: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read(frame(b"{}", header))
    with pytest.raises(BrokenFrame):
        read(frame(b"{}", header), [1] * 6000)


# Where only the line before or after the length is wrong, the stream is taken up again at the length itself.
_LENGTH_STANDS = {"another header first", "an empty line first", "two types", "a type of control characters"}


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - _LENGTH_STANDS))
def test_an_editor_loses_what_it_breaks_and_is_understood_again_at_the_next_line(name: str) -> None:
    assert read(frame(b"{}", BROKEN[name]) + b"\r\n" + frame(b"next"), recovers=True) == [b"next"]


@pytest.mark.parametrize("name", sorted(_LENGTH_STANDS))
def test_an_editor_is_understood_again_at_a_length_that_stands_alone(name: str) -> None:
    assert read(frame(b"{}", BROKEN[name]) + frame(b"next"), recovers=True) == [b"{}", b"next"]


def test_a_length_that_is_too_short_spoils_what_follows_up_to_the_next_line() -> None:
    spoiled = b"Content-Length: 3\r\n\r\n{long}" + frame(b"lost") + b"\r\n" + frame(b"next")
    assert read(spoiled, recovers=True) == [b"{lo", b"next"]
    with pytest.raises(BrokenFrame):
        read(spoiled)


def test_a_header_cannot_be_hidden_in_a_line_of_which_the_beginning_was_dropped() -> None:
    frames = Frames(recovers=True)
    assert list(frames.feed(b"x" * 2000 + b"C")) == []
    assert list(frames.feed(b"ontent-Length: 2\r\n\r\n{}")) == []


def test_a_bound_on_bodies_can_be_raised_between_two_of_them() -> None:
    frames = Frames(10)
    found = frames.feed(frame(b"short") + frame(b"x" * 50))
    assert next(found) == b"short"
    frames.longest_body = 100
    assert list(found) == [b"x" * 50]


def test_a_header_that_never_ends_takes_no_memory() -> None:
    frames = Frames(recovers=True)
    for _ in range(200):
        assert list(frames.feed(b"x" * 65536)) == []
    assert len(frames._held) <= 8 * 1024
    assert list(frames.feed(b"\r\n" + frame(b"next"))) == [b"next"]
