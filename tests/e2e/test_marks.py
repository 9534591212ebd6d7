"""Deletion marks that other programs have stored with messages: shown like others, and cleared where `undelete` says so."""

import os
import re

import pytest

from server import Dotmail, Maildir, Mbox, Mh
from test_inetd import Inetd

MARKED = "Subject: {n}\nStatus: DOR\nX-Other: D\n\nStatus: D\nbody {n}\n"
PLAIN = "Subject: {n}\n\nbody {n}\n"


def deliver(user, n, mark):
    if isinstance(user.inbox, Maildir):
        user.deliver(PLAIN.format(n=n), name=f"17000000{n:02}.M{n}.test,T=1{':2,FST' if mark else ':2,S'}", where="cur")
    else:
        user.deliver((MARKED if mark else PLAIN).format(n=n))


def marks(inbox):
    """So many messages are marked in the storage."""
    if isinstance(inbox, Maildir):
        return sum(bool(re.search(":2,.*T", name)) for name in inbox.files())
    return sum(bool(re.search(rb"(?m)^Status:.*D", m.partition(b"\n\n")[0])) for m in inbox.contents())


def shown(c):
    c.ok("LIST")
    sizes = c.text()
    c.ok("UIDL")
    uidls = c.text()
    texts = [c.retr(n + 1) for n in range(len(sizes))]
    c.quit()
    return sizes, uidls, texts


def settle(user):
    """As if it had been at rest for long: its index passes for current."""
    for path in (user.inbox.path, *user.inbox.path.rglob("*")):
        if "idx" not in path.name:
            os.utime(path, (1600000000, 1600000000))


@pytest.mark.parametrize("kind", [Maildir, Mbox, Mh, Dotmail])
def test_undelete(daemon, kind):
    user = daemon.user(kind=kind)
    for n in range(1, 5):
        deliver(user, n, mark=n in (2, 4))
    settle(user)
    daemon.start()
    before = shown(daemon.login(user))
    assert len(before[0]) == 4 and marks(user.inbox) == 2, "they are shown like others, and nothing is changed"
    assert shown(daemon.login(user)) == before and marks(user.inbox) == 2

    daemon.restart(extra="undelete yes;")
    assert shown(daemon.login(user)) == before, "neither sizes nor unique-ids change"
    assert marks(user.inbox) == 0 and "undeleted" in daemon.log()
    assert shown(daemon.login(user)) == before
    if kind is Maildir:
        assert sorted(n.partition(":2,")[2] for n in user.inbox.files()) == ["FS", "FS", "S", "S"]
    else:
        assert all(b"\nX-Other: D\n\nStatus: D\n" in m for m in user.inbox.contents() if b"X-Other" in m), "nothing else does"

    deliver(user, 5, mark=True)
    after = shown(daemon.login(user))
    assert [x[:4] for x in after] == list(before) and len(after[0]) == 5
    assert marks(user.inbox) == 0, "and so with one that comes later"
    daemon.stop()
    assert kind is Maildir or all(m.count(b"Status: OOR") <= 1 for m in user.inbox.contents())


def test_undelete_in_inetd_mode(daemon):
    user = daemon.user(kind=Mbox)
    deliver(user, 1, mark=True)
    for extra, left in (("", 1), ("undelete yes;", 0)):
        inetd = Inetd(daemon, extra)
        c, p = inetd.login(user)
        assert len(shown(c)[0]) == 1
        assert p.wait(30) == 0 and marks(user.inbox) == left
        inetd.listener.close()


def test_marks_that_cannot_be_cleared(daemon):
    """A name that is taken: mail is shown all the same, and the log says why a mark stays."""
    user = daemon.user()
    name = "1700000001.M1.test:2,"
    user.deliver(PLAIN.format(n=1), name=name + "ST", where="cur")
    user.deliver(PLAIN.format(n=1), name=name + "S", where="cur")  # the name that the other would get
    daemon.start(extra="undelete yes;")
    assert len(shown(daemon.login(user))[0]) == 2
    daemon.wait_log("deletion marks cannot be cleared: .*File exists")
    assert marks(user.inbox) == 1
