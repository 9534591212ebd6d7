"""One session per maildrop: who comes behind another's QUIT, who takes over (session-takeover), within a worker, over a reload, and
among processes of a superserver."""

import contextlib
import os
import signal

import pytest

from pop3 import Gone
from server import Maildir, Mbox, wait_for
from test_inetd import Inetd
from test_locks import COMMITTING, TELL, put_lock, waits
from test_run import reload

TAKE_OVER = "mailbox { session-takeover yes; }\n"
MESSAGES = "Subject: one\n\n1\n", "Subject: two\n\n2\n"


@pytest.fixture(params=[Maildir, Mbox], ids=["maildir", "mbox"])
def user(request, daemon):
    user = daemon.user(kind=request.param)
    for message in MESSAGES:
        user.inbox.deliver(message)
    return user


def is_ended(client, command="NOOP"):
    """It is told so, or finds its connection closed; never +OK."""
    try:
        reply = client.cmd(command)
    except (Gone, ConnectionError):
        return True
    assert reply.startswith(b"-ERR"), reply
    return client.at_end()


def test_login_right_behind_quit(daemon, user):
    """What was answered is over, whoever waits how long."""
    daemon.start(extra="mailbox { session-lock-wait 0; }")
    for _ in range(30):
        c = daemon.login(user)
        c.ok("QUIT")
        d = daemon.login(user)
        c.close()
        d.ok("QUIT")
        d.close()


def test_login_right_behind_quit_of_another_generation(daemon, user):
    daemon.start(extra="mailbox { session-lock-wait 0; }")
    for _ in range(5):
        c = daemon.login(user)
        reload(daemon)
        c.ok("QUIT")
        daemon.login(user).quit()
        c.close()


def test_login_behind_one_that_deletes(daemon, user):
    daemon.start(extra="mailbox { session-lock-wait 0; }")
    for left in (1, 0):
        c = daemon.login(user)
        c.ok("DELE 1")
        c.ok("QUIT")
        d = daemon.login(user)
        assert d.stat()[0] == left
        d.quit()
        c.close()


def test_owner_dies(daemon, user):
    """The lock of a worker that was killed is free at once."""
    daemon.alarms_expected = True
    daemon.start(extra="mailbox { session-lock-wait 0; }")
    c = daemon.login(user)
    c.ok("DELE 1")
    for pid in daemon.role_pids("pop3d-store"):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(Gone, ConnectionError):
        while c.cmd("NOOP").startswith(b"+OK"):  # until front has heard of it
            pass

    def let_in():
        with daemon.connect() as d:
            d.ok(f"USER {user.login}")
            reply = d.cmd(f"PASS {user.password}")
            assert not reply.startswith(b"-ERR [IN-USE]"), reply
            return reply.startswith(b"+OK") and d.stat()[0] == 2

    assert wait_for(let_in)


def test_takeover(daemon, user):
    """The old session is over, deletes nothing, and the log says why; only the right password does that."""
    daemon.start(extra=TAKE_OVER)
    c = daemon.login(user)
    c.ok("DELE 1")
    with daemon.connect() as thief:
        thief.ok(f"USER {user.login}")
        thief.err("PASS wrong", "AUTH")
    c.ok("NOOP")
    d = daemon.login(user)
    assert is_ended(c, "QUIT")
    assert d.stat()[0] == 2
    e = daemon.login(user)
    assert is_ended(d)
    assert e.stat()[0] == 2 and len(user.inbox.contents()) == 2
    daemon.wait_log(r'session-taken-over user="' + user.name)
    daemon.wait_log(r'logout .*reason="taken over"')
    e.ok("DELE 1")
    e.quit()
    assert len(user.inbox.contents()) == 1


def test_takeover_while_a_message_is_sent(daemon):
    """It ends in the middle; other sessions of the same worker, and of the same front, go on."""
    user = daemon.user()
    other = daemon.user(uid=user.uid)
    user.deliver("Subject: large\n\n" + "a line of a large message\n" * 400000)
    daemon.start(extra=TAKE_OVER)
    o = daemon.login(other)
    c = daemon.connect(rcvbuf=4096)
    c.login(user)
    c.ok("RETR 1")
    d = daemon.login(user)
    with pytest.raises((Gone, ConnectionError)):
        c.octets()
    assert d.stat()[0] == 1
    o.ok("NOOP")
    for client in (o, d):
        client.quit()


def test_takeover_of_another_generation(daemon, user):
    daemon.start(extra=TAKE_OVER)
    c = daemon.login(user)
    c.ok("DELE 1")
    reload(daemon)
    d = daemon.login(user)
    assert is_ended(c, "QUIT")
    assert d.stat()[0] == 2
    d.quit()


def test_takeover_among_processes_of_a_superserver(daemon, user):
    i = Inetd(daemon, extra=TAKE_OVER)
    try:
        c, p = i.login(user)
        c.ok("DELE 1")
        d, q = i.login(user)
        assert is_ended(c, "QUIT") and d.stat()[0] == 2
        d.quit()
        assert p.wait(20) == os.EX_TEMPFAIL and q.wait(20) == 0
    finally:
        i.listener.close()


def test_takeover_waits_for_a_commit(daemon):
    """One that deletes is not broken off: it is done, and said so; then the other has the maildrop."""
    user = daemon.user(kind=Mbox)
    for message in MESSAGES:
        user.inbox.deliver(message)
    user.lock = user.inbox.path.with_name("INBOX.lock")
    other = daemon.user(uid=user.uid)
    daemon.start(extra=TAKE_OVER + TELL + "locking { retry-count 1000; retry-sleep 0; }\n")
    c = daemon.login(user)
    c.ok("DELE 1")
    put_lock(user, str(os.getpid()))
    c.say("QUIT")
    waits(daemon, other, COMMITTING)
    d = daemon.connect()
    d.ok(f"USER {user.login}")
    d.say(f"PASS {user.password}")
    daemon.login(other).quit()  # behind it
    with contextlib.suppress(FileNotFoundError):
        user.lock.unlink()
    assert c.line().startswith(b"+OK") and d.line().startswith(b"+OK")
    assert d.stat()[0] == 1
    d.quit()
