"""Frames: what is sent comes out, in whatever pieces it arrives; nonsense costs no more than it spoils."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apo_server.framing import Frames

bodies = st.lists(st.binary(max_size=40).filter(bool), max_size=6)


def frame(body: bytes, header: bytes = b"Content-Length: %d\r\n\r\n") -> bytes:
    return header % len(body) + body


def read(given: bytes, pieces: list[int] | None = None, longest: int = 1000) -> list[bytes]:
    frames, found = Frames(longest), []
    for length in [*(pieces or ()), len(given)]:
        found += frames.feed(given[:length])
        given = given[length:]
    return found


@given(bodies, st.lists(st.integers(0, 30), max_size=40))
def test_bodies_come_out_as_they_were_sent_in_whatever_pieces(sent: list[bytes], pieces: list[int]) -> None:
    assert read(b"".join(map(frame, sent)), pieces) == sent


@given(st.binary(max_size=300), st.lists(st.integers(0, 30), max_size=20))
def test_no_bytes_raise_or_are_held_beyond_a_frame(noise: bytes, pieces: list[int]) -> None:
    frames = Frames(100)
    for length in [*pieces, len(noise)]:
        list(frames.feed(noise[:length]))
        noise = noise[length:]
    assert len(frames._held) <= 8 * 1024 + 300


@given(st.binary(max_size=60).filter(lambda noise: b"ength" not in noise.lower()), st.integers(0, 30))
def test_after_nonsense_the_next_header_is_found_again(noise: bytes, piece: int) -> None:
    assert read(noise + frame(b"hello") + frame(b"again"), [piece])[-2:] == [b"hello", b"again"]


def test_headers_are_read_as_other_programs_write_them() -> None:
    for header in (
        b"content-length:%d\r\n\r\n",
        b"Content-Length: %d\n\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nContent-Type: x\r\n\r\n",
    ):
        assert read(frame(b"{}", header)) == [b"{}"]


def test_a_length_that_is_too_short_spoils_one_message_alone() -> None:
    assert read(b"Content-Length: 3\r\n\r\n{long}" + frame(b"next")) == [b"{lo", b"next"]


def test_a_length_beyond_all_measure_is_not_waited_for() -> None:
    assert read(b"Content-Length: 99999999999\r\n\r\n" + frame(b"next")) == [b"next"]
    assert read(b"Content-Length: -5\r\n\r\n" + frame(b"next")) == [b"next"]


def test_a_header_that_never_ends_takes_no_memory() -> None:
    frames = Frames()
    for _ in range(200):
        assert list(frames.feed(b"x" * 65536)) == []
    assert len(frames._held) <= 8 * 1024
    assert list(frames.feed(b"\r\n" + frame(b"next"))) == [b"next"]
