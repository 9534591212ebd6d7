"""Sessions that do nothing have no store worker (session-idle-worker): one comes back when it is needed, and nothing else changes."""

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from pop3 import Gone
from server import Daemon, Dotmail, Maildir, Mbox, Mh, wait_for
from test_run import reload

IDLE = "mailbox { session-idle-worker 1; session-lock-wait 0; }\nexpire 30;\n"
MESSAGES = "Subject: one\n\n1\n", "Subject: two\n\n2\n", "Subject: three\n\n3\n"
KINDS = {"maildir": Maildir, "mbox": Mbox}
OF_EACH_KIND = 11

pytestmark = pytest.mark.needs_root  # who is not root has one worker for all users


def workers(daemon, user=None):
    """Store processes, of this user's mail or of anybody's."""
    def is_his(pid):
        with contextlib.suppress(OSError):
            return re.search(rf"^Uid:\s+{user.uid}\s", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.M)
        return False

    return [pid for pid in daemon.role_pids("pop3d-store") if not user or is_his(pid)]


def rest(daemon, *users):
    """Sessions of these users, which had workers and have none."""
    clients = [daemon.login(user) for user in users]
    if len(clients) == 1:
        assert workers(daemon, users[0])
    assert wait_for(lambda: not any(workers(daemon, user) for user in users)), daemon.log()
    return clients


def with_mail(daemon, kind):
    user = daemon.user(kind=kind)
    for message in MESSAGES:
        user.deliver(message)
    return user


@pytest.fixture(scope="module")
def daemon():
    d = Daemon()
    d.at_rest = {}
    users = [(name, with_mail(d, kind)) for name, kind in KINDS.items() for _ in range(OF_EACH_KIND)]
    users += [("none", d.user(kind=kind)) for kind in KINDS.values()]
    d.start(extra=IDLE)
    for (name, user), client in zip(users, rest(d, *(user for _, user in users)), strict=True):
        d.at_rest.setdefault(name, []).append((user, client))
    yield d
    d.finish()


@pytest.fixture(params=KINDS)
def resting(request, daemon):
    """A user with three messages, and his session, which has no worker."""
    user, c = daemon.at_rest[request.param].pop()
    yield user, c
    c.close()


def login_reply(daemon, user):
    with daemon.connect() as c:
        c.ok(f"USER {user.login}")
        return c.cmd(f"PASS {user.password}")


def in_use(daemon, user):
    return login_reply(daemon, user).startswith(b"-ERR [IN-USE]")


def wait_free(daemon, user, messages):
    """Somebody can log in, and finds so many; until then it is in use."""
    assert wait_for(lambda: not in_use(daemon, user)), daemon.log()
    with daemon.login(user) as c:
        assert c.stat()[0] == messages
        c.quit()


@pytest.mark.parametrize("kind", KINDS)
def test_idle_sessions_have_no_workers(daemon, kind):
    """Of five owners none, until something is asked, twice; mail that comes meanwhile is the next session's."""
    of = [daemon.at_rest[kind].pop() for _ in range(5)]
    uidls = []
    for user, c in of:
        user.deliver("Subject: new\n\nnew\n")
        assert c.stat()[0] == 3 and len(c.list()) == 3
        c.ok("NOOP")
        c.ok("CAPA")
        c.text()
        uidls.append(c.uidl())
        assert not workers(daemon, user)
    for user, c in of:
        assert b"Subject: two" in c.retr(2) and b"Subject: three" in c.top(3, 0) and workers(daemon, user)
        assert in_use(daemon, user)
    assert wait_for(lambda: not any(workers(daemon, user) for user, _ in of))
    for (user, c), uidl in zip(of, uidls, strict=True):
        assert c.uidl() == uidl
        c.ok("DELE 1")
        c.quit()
        with daemon.login(user) as d:
            assert d.stat()[0] == 3 and b"Subject: new" in d.retr(3) and b"Subject: two" in d.retr(1)
            d.quit()


def test_quit(daemon, resting):
    """In use until then. What was marked as deleted, and not deleted in the end, is there."""
    user, c = resting
    assert in_use(daemon, user)
    c.ok("DELE 1")
    c.ok("RSET")
    c.quit()
    wait_free(daemon, user, 3)


def test_connection_is_lost(daemon, resting):
    user, c = resting
    c.ok("DELE 1")
    assert in_use(daemon, user)
    c.close()
    wait_free(daemon, user, 3)


def test_pipelined(daemon, resting):
    """Commands behind one that waits for a worker wait, too."""
    user, c = resting
    c.say("STAT\r\nRETR 3\r\nDELE 3\r\nNOOP\r\nQUIT")
    assert c.line().startswith(b"+OK 3 ") and c.line().startswith(b"+OK") and b"Subject: three" in c.octets()
    assert [c.line()[:3] for _ in range(3)] == [b"+OK"] * 3 and c.at_end()
    wait_free(daemon, user, 2)


def test_replaced_mailbox(daemon, resting):
    """Nothing of the other one is sent or deleted."""
    user, c = resting
    c.ok("DELE 1")
    path = user.inbox.path
    os.rename(path, f"{path}.old")
    user.inbox = type(user.inbox)(path, user.uid, user.gid)
    for text in "abcd":
        user.deliver(f"Subject: {text}\n\nother\n")
    assert c.cmd("RETR 2").startswith(b"-ERR [SYS/TEMP]")
    if isinstance(user.inbox, Maildir):
        assert c.at_end()  # the directory is what had the lock
    else:
        assert c.cmd("QUIT").startswith(b"-ERR")
    wait_free(daemon, user, 4)


def test_index_has_gone(daemon, resting):
    """Without what says which message is which, nothing is deleted."""
    user, c = resting
    c.ok("DELE 1")
    indexes = list(user.home.rglob(".pop3-index")) + list(user.home.glob(".INBOX.pop3idx"))
    assert len(indexes) == 1
    indexes[0].unlink()
    assert c.cmd("QUIT").startswith(b"-ERR") and c.at_end()
    daemon.wait_log(rf'maildrop-refused user="{user.name}".*the index of a session')
    wait_free(daemon, user, 3)


def test_no_mail(daemon):
    """Who has none, and so no index."""
    for user, c in daemon.at_rest["none"]:
        assert c.stat() == (0, 0) and in_use(daemon, user)
        c.quit()
        wait_free(daemon, user, 0)


def test_what_came_ahead_is_marked(daemon):
    """The client has retrieved what front had got ahead; that is noted when its session ends at rest, and written by the next one."""
    for kind in KINDS.values():
        user = with_mail(daemon, kind)
        c = daemon.login(user)
        for n in 1, 2, 3:
            c.retr(n)
        assert wait_for(lambda user=user: not workers(daemon, user))
        c.close()  # QUIT would have something to do
        assert wait_for(lambda user=user: workers(daemon, user))
        wait_free(daemon, user, 3)
        assert all(b"X-Expire-Timestamp:" in text for text in user.inbox.contents())


@pytest.fixture
def other(make_daemon):
    """One that may lose processes."""
    d = make_daemon()
    d.user_of = {name: with_mail(d, kind) for name, kind in KINDS.items()}
    d.alarms_expected = True
    d.start(extra=IDLE)
    return d


def test_processes_die(other):
    """No mail goes, and no maildrop is in use for ever. To a session at rest only front matters; master is the end of all."""
    users = list(other.user_of.values())
    clients = rest(other, *users)
    for pid in other.role_pids("pop3d-auth"):
        os.kill(pid, signal.SIGKILL)
    for c in clients:
        assert b"Subject: two" in c.retr(2)
        c.ok("DELE 2")
    for pid in workers(other):  # which have them again
        os.kill(pid, signal.SIGKILL)
    for user, c in zip(users, clients, strict=True):
        with contextlib.suppress(Gone, ConnectionError):
            assert not c.cmd("QUIT").startswith(b"+OK")
        c.close()
        wait_free(other, user, 3)
    rest(other, *users)
    for pid in other.role_pids("pop3d-front"):
        os.kill(pid, signal.SIGKILL)

    def served(user):
        with contextlib.suppress(Gone, ConnectionError, AssertionError):
            return login_reply(other, user).startswith(b"+OK")
        return False

    assert all(wait_for(lambda user=user: served(user)) for user in users)


def test_master_dies(other):
    """Who is at rest is told by the end of his connection, nothing is deleted, and the next master lets in whoever comes."""
    users = list(other.user_of.values())
    clients = rest(other, *users)
    for c in clients:
        c.ok("DELE 1")
    os.kill(other.role_pids("pop3d-master")[0], signal.SIGKILL)
    assert all(c.at_end() for c in clients)
    for user in users:
        wait_free(other, user, 3)


def test_told_to_end(other):
    """Until shutdown-timeout whoever is at rest can have what he marked deleted; behind it nothing is."""
    busy, silent = other.user_of.values()
    other.restart(extra=IDLE + "shutdown-timeout 2;\n")
    quits, stays = rest(other, busy, silent)
    for c in quits, stays:
        c.ok("DELE 1")
    os.kill(other.process.pid, signal.SIGTERM)
    assert wait_for(lambda: not other.role_pids("pop3d-spare"))
    quits.quit()
    assert stays.line().startswith(b"-ERR") and stays.at_end()
    other.stop()
    assert len(busy.inbox.contents()) == 2 and len(silent.inbox.contents()) == 3


@pytest.mark.parametrize("kind, name", [(Mh, "mh"), (Dotmail, "dotmail")])
def test_other_formats(make_daemon, kind, name):
    d = make_daemon()
    user = with_mail(d, kind)
    d.start(extra=IDLE.replace("session-lock-wait", f"mailbox-type {name}; session-lock-wait"))
    (c,) = rest(d, user)
    user.deliver("Subject: new\n\nnew\n")
    assert c.stat()[0] == 3 and in_use(d, user) and b"Subject: two" in c.retr(2) and workers(d, user)
    assert wait_for(lambda: not workers(d, user))
    c.ok("DELE 1")
    c.quit()
    wait_free(d, user, 3)


def test_without_root(unprivileged):
    """One worker has the mail of all: it goes when there is one session, and that does nothing."""
    users = [with_mail(unprivileged, kind) for kind in KINDS.values()]
    unprivileged.start(extra=IDLE)
    first, second = (unprivileged.login(user) for user in users)
    before = workers(unprivileged, users[0])
    second.quit()
    assert before and wait_for(lambda: not workers(unprivileged, users[0]))
    assert first.stat()[0] == 3 and in_use(unprivileged, users[0])
    first.ok("DELE 2")
    first.quit()
    wait_free(unprivileged, users[0], 2)


def test_reload_and_end(other):
    """A session stays with its generation, its lock counts in all; what is deleted when we are told to end is not, as ever."""
    users = list(other.user_of.values())
    clients = rest(other, *users)
    reload(other)
    for user, c in zip(users, clients, strict=True):
        assert in_use(other, user) and b"Subject: one" in c.retr(1)
        c.ok("DELE 1")
        c.quit()
        wait_free(other, user, 2)
    clients = [other.login(user) for user in users]
    for c in clients:
        c.ok("DELE 1")
    other.wait_log(r"configuration reloaded")
    other.restart(extra=IDLE + "shutdown-timeout 1;\n")
    for user in users:
        wait_free(other, user, 2)


def test_turned_off(other):
    """0: the worker stays, also where others have none."""
    stays, rests = other.user_of.values()
    other.restart(extra="mailbox { session-idle-worker 0; }\n")
    with other.login(stays) as c:
        before = workers(other, stays)
        other.config.write_text(other.config_text().replace("session-idle-worker 0", "session-idle-worker 1"), encoding="utf-8")
        os.kill(other.process.pid, signal.SIGHUP)
        other.wait_log("configuration reloaded")
        rest(other, rests)
        assert before and workers(other, stays) == before
        c.retr(1)
        c.quit()
