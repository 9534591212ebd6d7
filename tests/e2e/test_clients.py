"""Real clients fetch and delete while mail is being delivered: nothing is lost, nothing comes twice."""

import os
import re
import threading
import time

import pytest

from clients import ALL, Where, call, python_poplib
from server import Dotmail, Mh, Maildir, Mbox, wait_for

ROUNDS = 3
NUMBER = re.compile(rb"^X-Number: (\d+)\r?$", re.M)


def message(n):
    return (f"From: Sender <sender@example.test>\nTo: you\nSubject: number {n}\nDate: Mon, 5 Jan 2026 10:01:00 +0000\n"
            f"Message-Id: <{n}@example.test>\nX-Number: {n}\n\nThis is number {n}.\n.\n..dots\n" + "line\n" * (n % 50))


class Deliverer(threading.Thread):
    """Delivers numbered messages beside whatever happens meanwhile."""

    def __init__(self, user, numbers):
        super().__init__(daemon=True)
        self.user, self.numbers = user, numbers
        self.start()

    def run(self):
        for n in self.numbers:
            self.user.deliver(message(n))
            time.sleep(0.005)


KINDS = [Maildir, Mbox, Mh, Dotmail]
ALL_KINDS = [pytest.param(c, k, id=f"{c.__name__}-{k.__name__.lower()}",
                          marks=[] if k in KINDS[:2] or c in ALL[:3] else pytest.mark.nightly) for c in ALL for k in KINDS]


@pytest.mark.parametrize("client, kind", ALL_KINDS)
def test_fetch_and_delete_while_mail_arrives(daemon, client, place, kind):
    user = daemon.user(kind=kind)
    for n in range(10):
        user.deliver(message(n))
    daemon.start()
    got = b""
    for r in range(ROUNDS):
        deliverer = Deliverer(user, range(10 + 10 * r, 20 + 10 * r))
        got += client(Where(daemon.port), user, place)
        deliverer.join()
    got += client(Where(daemon.port), user, place)
    assert sorted(int(n) for n in NUMBER.findall(got)) == list(range(10 + 10 * ROUNDS))
    assert user.inbox.contents() == []


def test_message_is_whole(daemon):
    """What a client stores is what was delivered, dots and all."""
    user = daemon.user()
    for n in range(5):
        user.deliver(message(n))
    daemon.start()
    url, login = f"pop3://127.0.0.1:{daemon.port}/", ["--user", f"{user.login}:{user.password}"]
    for n in range(5):
        got = call("curl", "-sS", *login, f"{url}{n + 1}")
        assert got.replace(b"\r\n", b"\n") == message(n).encode()


def test_sixteen_clients_at_once(daemon):
    """Each with a maildrop of its own; all of them poll, fetch and delete."""
    users = [daemon.user() for _ in range(16)]
    for u in users:
        for n in range(20):
            u.deliver(message(n))
    daemon.start()
    got = {}
    errors = []

    def work(u):
        try:
            for _ in range(3):
                got[u.name] = got.get(u.name, b"") + python_poplib(Where(daemon.port), u, None)
        except Exception as e:  # a thread's exception would be lost
            errors.append(e)

    threads = [threading.Thread(target=work, args=(u,)) for u in users]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    for u in users:
        assert sorted(int(n) for n in NUMBER.findall(got[u.name])) == list(range(20))
        assert u.inbox.files() == []


def test_connection_lost_deletes_nothing(daemon):
    """DELE without QUIT: the mail stays, however the connection ends."""
    user = daemon.user()
    for n in range(3):
        user.deliver(message(n))
    for ending in ("close", "reset"):
        c = daemon.login(user)
        c.retr(1)
        c.ok("DELE 1")
        c.ok("DELE 2")
        getattr(c, ending)()
        c = daemon.login(user)
        assert c.stat()[0] == 3
        c.quit()
    assert len(user.inbox.files()) == 3


def test_mail_that_arrives_in_a_session_waits(daemon):
    """New mail is hidden until the next session, and not lost at QUIT."""
    user = daemon.user()
    user.deliver(message(1))
    c = daemon.login(user)
    user.deliver(message(2))
    assert c.stat()[0] == 1 and list(c.list()) == [1]
    c.err("RETR 2")
    c.ok("DELE 1")
    c.quit()
    c = daemon.login(user)
    assert c.stat()[0] == 1 and b"X-Number: 2\r\n" in c.retr(1)
    c.quit()


def test_second_session_is_told_in_use(daemon):
    user = daemon.user()
    user.deliver(message(1))
    daemon.start(extra="mailbox { session-lock-wait 0; }")
    first = daemon.login(user)
    second = daemon.connect()
    second.ok(f"USER {user.login}")
    second.err(f"PASS {user.password}", "IN-USE")
    first.ok("NOOP")
    first.quit()
    second.ok(f"USER {user.login}")
    second.ok(f"PASS {user.password}")
    second.quit()


def test_session_lock_is_waited_for(daemon):
    """A login that comes while the last session still ends waits for it, session-lock-wait seconds at most."""
    user = daemon.user()
    daemon.start(extra="mailbox { session-lock-wait 60; }")
    first = daemon.login(user)
    second = daemon.connect()
    second.ok(f"USER {user.login}")
    second.say(f"PASS {user.password}")
    first.quit()
    assert second.line().startswith(b"+OK")
    second.quit()


def test_either_way_of_starting(either):
    """Started as root or by an ordinary user: the same session."""
    user = either.user()
    for n in range(3):
        user.deliver(message(n))
    c = either.login(user)
    assert c.stat()[0] == 3
    assert [b"X-Number: %d\r\n" % n in c.retr(n + 1) for n in range(3)] == [True] * 3
    c.ok("DELE 2")
    c.quit()
    assert len(user.inbox.files()) == 2


@pytest.mark.needs_root
def test_owner_of_the_mail_serves_it(daemon):
    """The records of two owners are served by processes of these owners; a record of root is refused."""
    a, b, root = daemon.user(), daemon.user(), daemon.user(uid=0)
    one, two = daemon.login(a), daemon.login(b)
    uids = {os.stat(f"/proc/{pid}").st_uid for pid in daemon.pids()}
    assert {a.uid, b.uid} <= uids
    c = daemon.connect()
    c.ok(f"USER {root.login}")
    c.err(f"PASS {root.password}", "SYS/PERM")
    one.quit()
    two.quit()
