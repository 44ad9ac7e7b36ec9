"""A process that was forked leaves the connections of the other alone, which goes on with them."""

import os
import socket

import pytest

from interlock.net.blocking.stream import BlockingStream
from interlock.net.errors import ReadError, WriteError
from interlock.net.stream import run


@pytest.mark.parametrize("users", [0, 1])
def test_streams_of_another_process(monkeypatch: pytest.MonkeyPatch, users: int) -> None:
    """To the stream the process has another number, as after a fork; ``same`` is the descriptor of who was forked."""
    near, far = socket.socketpair()
    with near, far, near.dup() as same:
        stream = BlockingStream(near, "far")
        run(stream.write(b"a"))
        assert not stream.get_extra_info("is_readable")
        stream._users = users  # threads that were using it, and are not in this process
        monkeypatch.setattr(os, "getpid", lambda: -1)
        far.send(b"not for us")
        assert stream.get_extra_info("is_readable")  # so that a pool takes it for one that has ended
        with pytest.raises(WriteError):
            run(stream.write(b"b"))
        with pytest.raises(ReadError):
            run(stream.read(10))
        run(stream.send_eof())
        stream.abort()
        assert near.fileno() == -1
        same.send(b"c")
        assert (same.recv(10), far.recv(10)) == (b"not for us", b"ac")
