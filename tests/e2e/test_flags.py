"""`mailbox { update-flags yes; }': what Mailutils and mail readers see of mail that was fetched."""

import mailbox
import re

import pytest

from server import Dotmail, Maildir, Mbox, Mh, wait_for
from test_expire import MAILUTILS, message, poll, talk
from test_mbox import mutt

KINDS = [Maildir, Mbox, Mh, Dotmail]
ON = "mailbox { update-flags yes; }"


def marks(user):
    """Of each message: R it was read, O it was seen, - neither; and its number, where it has one."""
    if isinstance(user.inbox, Maildir):
        paths = sorted((p for d in ("new", "cur") for p in (user.inbox.path / d).iterdir()), key=lambda p: p.name)
        return [("-" if p.parent.name == "new" else "R" if "S" in p.name.partition(":2,")[2] else "O",
                 int((re.findall(r",u=(\d+)", p.name) or [0])[0])) for p in paths]
    found = []
    for text in user.inbox.contents():
        status = re.search(rb"^Status: (.*)\n", text, re.M)
        uid = re.search(rb"^X-UID: (\d+)\n", text, re.M)
        found.append((("R" if b"R" in status[1] else "O") if status else "-", int(uid[1]) if uid else 0))
    return found


def state(user):
    """What is to stay as it is where nothing is written: names and contents; of a file, that it is the same one."""
    path = user.inbox.path
    if path.is_file():
        return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file() and ".pop3" not in str(p)}


def flags(user):
    return "".join(f for f, _ in marks(user))


def test_flags(daemon):
    """At QUIT all were seen, and those that RETR sent whole were read. A client sees no difference, and there is nothing to write the next time."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    for user in users:
        for n in range(1, 7):
            user.deliver(message(n))
    daemon.start(extra=ON)
    for user in users:
        c = daemon.login(user)
        seen = c.uidl(), c.list(), c.retr(2), c.top(3, 0), c.top(4, 1), c.top(5, 99999999)
        c.ok("DELE 1")
        assert flags(user) == "------"
        c.quit()
        assert flags(user) == "ROORO"
        if not isinstance(user.inbox, Mh):  # whose files are called by their numbers
            assert [uid for _, uid in marks(user)] == [1, 2, 3, 4, 5]
        before = state(user)
        c = daemon.login(user)
        assert list(c.uidl().values()) == list(seen[0].values())[1:]
        assert list(c.list().values()) == list(seen[1].values())[1:]
        assert c.retr(1) == seen[2] and c.top(2, 0) == seen[3]
        c.quit()
        assert state(user) == before
        user.deliver(message(7))
        poll(daemon, user)
        assert flags(user) == "ROOROO" and marks(user)[5][1] in (0, 6)
        poll(daemon, user, 2)
        assert flags(user) == "RROROO"
    assert b"X-IMAPbase: " in users[1].inbox.contents()[0] and (users[0].inbox.path / ".mu-prop").exists()


def test_off_by_default(daemon):
    """Nothing moves, nothing is written."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    for user in users:
        user.deliver(message(1))
    daemon.start(extra="mailbox { index off; }")
    for user in users:
        before = state(user)
        poll(daemon, user, 1)
        assert state(user) == before


def test_sessions_that_are_cut(daemon):
    """What they retrieved the next QUIT says."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    daemon.start(extra=ON)
    for user in users:
        user.deliver(message(1))
        user.deliver(message(2))
        c = daemon.login(user)
        c.retr(2)
        c.close()
        assert flags(user) == "--"
        assert wait_for(lambda u=user: poll(daemon, u))
        assert flags(user) == "OR"


@pytest.mark.skipif(not MAILUTILS.exists(), reason="Mailutils' pop3d is not there")
@pytest.mark.needs_root
def test_mailutils_finds_its_own(daemon):
    """Mailutils' pop3d has nothing to write where we have been, whatever the format; where it has been, nor have we; and numbers go on."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    for user in users:
        for n in (1, 2, 3):
            user.deliver(message(n))
    daemon.start(extra=ON)
    for user in users:
        poll(daemon, user, 2)
        before = state(user), marks(user)
        assert flags(user) == "ORO"
        talk(daemon, user, "", "STAT", "RETR 2")
        assert (state(user), marks(user)) == before
        if isinstance(user.inbox, Dotmail):
            continue  # where Mailutils 3.15 writes nothing more, once messages have numbers
        user.deliver(message(4))
        talk(daemon, user, "", "RETR 4")
        theirs = state(user)
        assert flags(user) == "OROR"
        poll(daemon, user, 2, 4)
        assert state(user) == theirs
        user.deliver(message(5))
        poll(daemon, user)
        assert flags(user) == "ORORO" and marks(user)[4][1] in (0, 5)


def test_mutt(daemon):
    """It shows as read what was fetched, and what it says of messages stays."""
    user = daemon.user(kind=Mbox)
    for n in range(1, 5):
        user.deliver(message(n))
    daemon.start(extra=ON)
    poll(daemon, user, 1, 3)
    assert [set(m.get_flags()) for m in mailbox.mbox(user.inbox.path)] == [set("RO"), set("O"), set("RO"), set("O")]
    mutt(user, "push <first-entry><delete-pattern>~R<enter><sync-mailbox><quit>")  # those that were read
    assert re.findall(rb"number (\d)", user.inbox.path.read_bytes()) == [b"2", b"4"]
    mutt(user, "push <first-entry><flag-message><sync-mailbox><quit>")
    user.deliver(message(5))
    poll(daemon, user, 1)
    assert [set(m.get_flags()) for m in mailbox.mbox(user.inbox.path)] == [set("ROF"), set("O"), set("O")]
    numbers = [uid for _, uid in marks(user)]
    assert numbers == sorted(set(numbers)) and numbers[0] > 0
