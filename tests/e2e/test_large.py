"""Messages of any size: what they cost in memory, and what happens when the file under them is cut."""

import os
import re
from pathlib import Path

import pytest

from server import Maildir, Mbox
from test_counts import SANITIZED

GIB = 1 << 30
PIECE = 1 << 20
MORE_KIB = 16 * 1024  # of all processes together, over what they have without a message


@pytest.fixture(params=[Maildir, Mbox])
def user(request, daemon):
    return daemon.user(kind=request.param)


def deliver(user, octets):
    """A header and a line of so many NUL. The file has a hole there: no disk is filled."""
    user.inbox.deliver("Subject: large\n\nbegin\n")
    path = user.inbox.path if user.inbox.path.is_file() else next((user.inbox.path / "new").iterdir())
    os.truncate(path, octets + 4096)  # more than what is not sent
    with open(path, "ab") as f:
        f.write(b"\nend\n")
    return path


def most_kib(daemon):
    """The most that processes ever had, each for itself; libraries, which they share, are in it."""
    status = [Path(f"/proc/{pid}/status").read_text() for pid in daemon.pids()]
    return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) for text in status)


def drain(c, command):
    """How many octets the reply has behind its first line, and the last of them. It ends where the reply or the connection does."""
    c.ok(command)
    seen, tail = len(c.seen), c.seen[-16:]
    while not tail.endswith(b"\r\n.\r\n"):
        try:
            piece = c.sock.recv(PIECE)
        except ConnectionError:
            piece = b""
        if not piece:
            break
        seen += len(piece)
        tail = (tail + piece)[-16:]
    c.seen = b""
    return seen, tail


@pytest.mark.skipif(SANITIZED, reason="sanitizers have a memory of their own")
@pytest.mark.parametrize("command", ["RETR 1", "TOP 1 99999999"])
def test_memory_does_not_grow_with_a_message(daemon, user, command):
    """1 GiB, to the octet: no process grows by more than a few of its buffers."""
    daemon.login(user).quit()
    before = most_kib(daemon)
    deliver(user, GIB)
    c = daemon.login(user)
    octets = c.list()[1]
    assert octets > GIB
    seen, tail = drain(c, command)
    assert seen == octets + 3 and tail.endswith(b"\r\nend\r\n.\r\n")
    c.quit()
    assert most_kib(daemon) - before < MORE_KIB


def test_file_is_cut_under_a_session(daemon, user):
    """A large message is listed, and its file is cut: no last line ever makes it look whole."""
    path = deliver(user, 64 << 20)
    c = daemon.login(user)
    assert c.list()[1] > 64 << 20
    os.truncate(path, 1 << 20)
    try:
        seen, tail = drain(c, "RETR 1")
    except AssertionError:
        return  # it was told at once
    assert seen < 64 << 20 and not tail.endswith(b"\r\n.\r\n")


def test_file_is_cut_while_it_is_sent(daemon, user):
    path = deliver(user, 64 << 20)
    c = daemon.login(user)
    c.ok("RETR 1")
    os.truncate(path, 1 << 20)
    seen, tail = 0, b""
    while piece := c.sock.recv(PIECE):
        seen += len(piece)
        tail = (tail + piece)[-16:]
    assert seen < 64 << 20 and not tail.endswith(b"\r\n.\r\n")
