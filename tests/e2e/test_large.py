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
STORE_KIB = 16 * 1024  # of a store process, all in all
MESSAGES = 100_000 if os.environ.get("POP3D_LONG") else 40_000


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


def fill(user):
    """Small messages, all different but for the last one, which is there twice. Their number."""
    inbox = user.inbox
    numbers = [*range(MESSAGES), MESSAGES - 1]
    if isinstance(inbox, Mbox):
        with open(inbox.path, "wb") as f:
            f.writelines(inbox.FROM + b"Subject: %d\n\n%d\n\n" % (n, n) for n in numbers)
    else:
        for place, n in enumerate(numbers):
            file = inbox.path / "cur" / f"{1700000000 + place}.M{place}P1.a-host.example.org:2,S"
            file.write_bytes(b"Subject: %d\n\n%d\n" % (n, n))
            os.chown(file, inbox.uid, inbox.gid)
    return len(numbers)


def store_kib(daemon):
    """The most that a store process ever had, libraries included."""
    status = [Path(f"/proc/{pid}/status").read_text() for pid in daemon.role_pids("pop3d-store")]
    return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) for text in status)


@pytest.mark.skipif(SANITIZED, reason="sanitizers have a memory of their own")
def test_memory_does_not_grow_with_a_mailbox(daemon, user):
    """Opened without an index, with one, when a message has come, and when every second one was deleted."""
    count = fill(user)
    daemon.login(user).quit()
    user.inbox.deliver("Subject: one more\n\n")
    c = daemon.login(user)
    assert c.stat()[0] == count + 1
    for first in range(1, count + 1, 1000):
        numbers = range(first, min(first + 1000, count + 1), 2)
        c.send("".join(f"DELE {n}\r\n" for n in numbers))
        for _ in numbers:
            assert c.line().startswith(b"+OK")
    c.quit()
    c = daemon.login(user)
    assert c.stat()[0] == count + 1 - (count + 1) // 2
    c.quit()
    assert store_kib(daemon) < STORE_KIB


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
