"""Other programs rewrite a mailbox under a session, in loops: no wrong message is completed, no wrong one deleted, none lost. And a maildrop that nobody
changes is not written to."""

import contextlib
import os
import random
import re
import threading

import pytest

from pop3 import Gone
from server import Maildir, Mbox
from test_mbox import Writer, message, mutt, numbers, wire

ROUNDS = 8
WRITTEN = re.compile(rb"^(Content-Length|Lines): \d+\r\n", re.M)  # by mutt, which clients are shown
SEED = int(os.environ.get("REWRITING_SEED", random.randrange(10**6)))


def fetched(c, k):
    """The number of message k, which came whole; None: it was not completed."""
    reply = c.cmd(f"RETR {k}")
    if not reply.startswith(b"+OK"):
        return None
    octets = c.octets()
    n, = numbers(octets)
    assert WRITTEN.sub(b"", octets) == wire(message(n, 3000))
    return n


def fetch(c, which, dice, gone):
    """Numbers that are to go; those that were not completed stay."""
    marked = set()
    for k in which:
        n = fetched(c, k)
        assert n not in gone, f"message {n} is back"
        if n is not None and dice.random() < 0.2:
            c.ok(f"DELE {k}")
            marked.add(n)
    return marked


@pytest.mark.long
def test_mutt_in_a_loop(daemon):
    """mutt marks mail as old or new, which writes into headers, in the middle of a session, and a deliverer delivers all the time."""
    print("REWRITING_SEED", SEED)
    dice = random.Random(SEED)
    user = daemon.user(kind=Mbox)
    first, more = range(20), range(20, 60)
    for n in first:
        user.inbox.deliver(message(n, 3000))
    daemon.start(extra="locking { retry-count 1500; retry-sleep 0; }")
    writer = Writer(lambda n: user.inbox.deliver(message(n, 3000)), more)
    gone, unsure = set(), set()
    for _ in range(ROUNDS):
        with contextlib.suppress(Gone, ConnectionError):  # a message was not completed: nothing is deleted
            c = daemon.login(user)
            count = c.stat()[0]
            marked = fetch(c, range(1, count // 2), dice, gone)
            mutt(user, "push <first-entry>" + "<toggle-new><next-entry>" * 5 + "<sync-mailbox><quit>")
            marked |= fetch(c, range(count // 2, count + 1), dice, gone)
            if c.cmd("QUIT").startswith(b"+OK"):
                gone |= marked
            else:
                unsure |= marked
    writer.join()
    c = daemon.login(user)
    for k in range(1, c.stat()[0] + 1):
        assert fetched(c, k) is not None
    c.quit()
    left = numbers(user.inbox.path.read_bytes())
    print(f"{len(gone)} deleted, {len(unsure)} not certainly")
    assert len(left) == len(set(left)) and not set(left) & gone
    assert set(left) | gone | unsure == set(first) | set(more)
    assert b"\nStatus: " in user.inbox.path.read_bytes()  # mutt was there


def stats(directory):
    found = {}
    for at, dirs, files in os.walk(directory):
        for name in [".", *dirs, *files]:
            st = os.lstat(os.path.join(at, name))
            found[os.path.normpath(os.path.join(at, name))] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    return found


@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_unchanged_maildrop_is_not_written_to(daemon, kind):
    """Neither by sessions that read, nor by those that break off, nor by RSET: no file and no directory of the user's has changed."""
    user = daemon.user(kind=kind)
    for n in range(5):
        user.inbox.deliver(message(n, 3000))
    daemon.start()
    for _ in range(100):  # until the index is one that is believed
        before = stats(user.home)
        daemon.login(user).quit()
        if stats(user.home) == before:
            break
        threading.Event().wait(0.1)
    before = stats(user.home)
    for end in ("QUIT", "reset", "close"):
        c = daemon.login(user)
        for k in range(1, 6):
            assert numbers(c.retr(k)) == [k - 1]
        c.top(1, 5)
        c.uidl()
        c.ok("DELE 1")
        if end == "QUIT":
            c.ok("RSET")
            c.quit()
        else:
            getattr(c, end)()
            daemon.wait_log("logout .*left=5")
    daemon.stop()
    assert stats(user.home) == before
