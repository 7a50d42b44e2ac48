"""A frame arrives whole or not at all, and what is not one is refused before it is read."""

import json
import socket
import struct
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.trust import frames
from autograder.trust.frames import (
    ChannelClosedError,
    ChannelError,
    FrameReader,
    OutOfTimeError,
    send_frame,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)  # fmt: skip
blobs = st.lists(st.binary(max_size=300), max_size=6)


@pytest.fixture
def ends():
    """A socket to write to, and a reader of what is written."""
    here, there = socket.socketpair()
    with here, there:
        yield here, FrameReader(there)


def frame(message, *data):
    """The bytes of a frame."""
    here, there = socket.socketpair()
    with here, there:
        send_frame(here, message, list(data))
        here.close()
        return b"".join(iter(lambda: there.recv(2**16), b""))


@given(message=plain, data=blobs)
def test_a_frame_arrives_as_it_was_sent(message, data):
    here, there = socket.socketpair()
    with here, there:
        send_frame(here, message, data)
        assert FrameReader(there).receive() == (message, data)


@settings(max_examples=20)
@given(sizes=st.lists(st.sampled_from([0, 1, 2**16 - 1, 2**16, 2**16 + 1, 300_000]), max_size=5))
def test_large_byte_strings_and_views_arrive_among_small_ones(sizes):
    data = [bytes([number]) * size for number, size in enumerate(sizes)]
    here, there = socket.socketpair()
    with here, there:
        sender = threading.Thread(target=send_frame, args=(here, {}, list(map(memoryview, data))))
        sender.start()
        assert FrameReader(there).receive() == ({}, data)
        sender.join()


@settings(max_examples=30)
@given(messages=st.lists(st.tuples(plain, blobs), max_size=3), data=st.data())
def test_frames_arrive_in_order_however_the_stream_was_cut(messages, data):
    stream = b"".join(frame(message, *parts) for message, parts in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    here, there = socket.socketpair()
    reader = FrameReader(there)
    found = []
    with here, there:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            here.sendall(stream[start:end])
            reader.deadline = time.monotonic() + 0.001
            try:
                while True:
                    found.append(reader.receive())
            except OutOfTimeError:
                pass
        reader.deadline = None
        while reader.waiting():
            found.append(reader.receive())
    assert found == messages


def test_a_large_frame_arrives(ends):
    here, reader = ends
    data = bytes(range(256)) * 2**16
    sender = threading.Thread(target=send_frame, args=(here, "large", [data, b""]))
    sender.start()
    assert reader.receive() == ("large", [data, b""])
    sender.join()


@pytest.mark.parametrize("length", range(len(frame([1, "x"], b"ab"))))
def test_a_frame_that_is_cut_short_is_the_end(ends, length):
    here, reader = ends
    here.sendall(frame([1, "x"], b"ab")[:length])
    here.close()
    with pytest.raises(ChannelClosedError):
        reader.receive()


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("!2I", frames.MAX_JSON + 1, 0),
        struct.pack("!2I", 0xFFFFFFFF, 0),
        struct.pack("!2I", 2, frames.MAX_BLOBS + 1),
        struct.pack("!2I", 2, 0xFFFFFFFF),
        struct.pack("!3I", 2, 1, frames.MAX_BYTES),
        struct.pack("!4I", 2, 2, 0xFFFFFFFF, 0xFFFFFFFF),
    ],
    ids=["long", "longest", "many", "most", "large", "largest"],
)
def test_a_frame_that_claims_too_much_is_refused_before_it_is_read(ends, header):
    here, reader = ends
    here.sendall(header)
    reader.deadline = time.monotonic() + 30
    with pytest.raises(ChannelError, match="larger than agreed"):
        reader.receive()


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[1, 2", b"\xff\xfe", b"{'a': 1}", b"1" * 5000, b"[" * 100_000],
    ids=["empty", "open", "cut", "no UTF-8", "Python", "huge number", "deep"],
)
def test_what_is_no_json_is_refused_and_the_next_frame_is_read(ends, text):
    here, reader = ends
    here.sendall(struct.pack("!2I", len(text), 0) + text + frame("next"))
    with pytest.raises(ChannelError, match="not the JSON"):
        reader.receive()
    assert reader.receive() == ("next", [])


def test_a_time_limit_cuts_the_wait_off_and_the_next_call_goes_on(ends):
    here, reader = ends
    stream = frame([1], b"abc")
    here.sendall(stream[:-1])
    reader.deadline = time.monotonic() + 0.01
    with pytest.raises(OutOfTimeError):
        reader.receive()
    reader.deadline = None
    here.sendall(stream[-1:])
    assert reader.receive() == ([1], [b"abc"])


def test_no_handler_of_ordinary_errors_hides_the_end_of_the_time():
    assert not issubclass(OutOfTimeError, Exception)
    assert issubclass(ChannelClosedError, ChannelError)


def test_it_can_be_asked_whether_anything_waits(ends):
    here, reader = ends
    assert not reader.waiting()
    here.sendall(frame(1) + frame(2))
    assert reader.waiting()
    assert reader.receive() == (1, [])
    assert reader.waiting()
    assert reader.receive() == (2, [])
    assert not reader.waiting()


@pytest.mark.parametrize(
    ("limit", "message", "data"),
    [
        ("MAX_JSON", "x" * 100, []),
        ("MAX_BLOBS", "", [b""] * 100),
        ("MAX_BYTES", "", [b"x" * 60, b"x" * 60]),
    ],
)
def test_nothing_is_sent_of_a_frame_that_would_be_refused(ends, monkeypatch, limit, message, data):
    here, reader = ends
    monkeypatch.setattr(frames, limit, 90)
    with pytest.raises(ChannelError, match="too large"):
        send_frame(here, message, data)
    assert not reader.waiting()


def test_sending_to_a_side_that_has_ended_says_so(ends):
    here, reader = ends
    reader.channel.close()
    with pytest.raises(ChannelClosedError):
        send_frame(here, "x", [])


def test_text_crosses_that_no_file_could_hold(ends):
    here, reader = ends
    send_frame(here, "\ud800", [])
    assert reader.receive() == (json.loads('"\\ud800"'), [])
