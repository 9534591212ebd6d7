"""Sessions of owners without a store worker begin without one, where the maildrop is what its index says; everything else is as ever."""

import contextlib
import fcntl
import os
import signal
import struct
import time

import pytest

from pop3 import Gone
from server import FRONT_READS, Maildir, Mbox, wait_for
from test_locks import SpoolUser
from test_parked import KINDS, MESSAGES, in_use, login_reply, wait_free, with_mail, workers
from test_run import reload

CALM = 2.1  # seconds: an index says nothing about what has changed in these before it was made
EXTRA = "mailbox { session-lock-wait 0; }\nexpire 30;\n"
OF_EACH_KIND = 24
AGAIN = 12  # owners of each kind, where processes die
MANY = 400  # messages: more than come with the head of an index
OPENER = "pop3d-opener"

pytestmark = [
    pytest.mark.needs_root,  # others have one owner, and no opener
    pytest.mark.skipif(not FRONT_READS, reason="front may not read indexes that lie there (ipc/handover.h)"),
]


def index_of(user):
    """Where his index is."""
    inbox = user.inbox
    return inbox.path / ".pop3-index" if isinstance(inbox, Maildir) else inbox.path.parent / f".{inbox.path.name}.pop3idx"


def make_cold(daemon, users, extra=EXTRA):
    """All have an index, and none a worker."""
    time.sleep(CALM)
    daemon.start(extra=extra)
    for user in users:
        with daemon.login(user) as c:
            c.quit()
    daemon.restart()
    assert not workers(daemon)


@pytest.fixture(scope="module")
def daemon(make_module_daemon):
    d = make_module_daemon()
    d.cold = {name: [with_mail(d, kind) for _ in range(OF_EACH_KIND)] for name, kind in KINDS.items()}
    d.large = [with_mail(d, kind) for kind in KINDS.values()]
    for user in d.large:
        for n in range(MANY - len(MESSAGES)):
            user.deliver(f"Subject: {n}\n\n{n}\n")
    d.two_names = with_mail(d, Mbox)
    os.link(d.two_names.inbox.path, d.two_names.home / "two")
    d.without_file = d.user(kind=Mbox)
    d.without_file.inbox.path.unlink()
    make_cold(d, [d.two_names, d.without_file] + [user for users in d.cold.values() for user in users] + d.large)
    return d


@pytest.fixture(scope="module")
def make_module_daemon():
    from server import Daemon

    made = []

    def make():
        made.append(Daemon())
        made[-1].alarms_expected = True
        return made[-1]

    yield make
    for d in made:
        d.finish()


@pytest.fixture(params=KINDS)
def user(request, daemon):
    """Who has three messages, an index, and no worker."""
    return daemon.cold[request.param].pop()


def poll_cold(daemon, user, messages=3):
    """A session that asks what there is; no worker is started for it. The client."""
    c = daemon.login(user)
    assert c.stat()[0] == messages and len(c.list()) == messages == len(set(c.uidl().values()))
    c.ok("NOOP")
    c.ok("CAPA")
    c.text()
    assert not workers(daemon, user), daemon.log()
    return c


def poll_by_worker(daemon, user, messages=3):
    with daemon.login(user) as c:
        assert c.stat()[0] == messages and len(c.list()) == messages
        assert workers(daemon, user)
        assert b"Subject: one" in c.retr(1)
        c.quit()


def test_poll(daemon, user):
    """One after the other; the second is another session of the same listing."""
    with poll_cold(daemon, user) as c:
        before = c.uidl()
        c.quit()
    with poll_cold(daemon, user) as c:
        assert c.uidl() == before
        c.ok("DELE 1")
        c.ok("RSET")
        c.quit()
    assert not workers(daemon, user)


def test_wakes(daemon, user):
    """What is asked of mail, a worker answers; it is one session all the time, and nobody else gets in."""
    with poll_cold(daemon, user) as c:
        uidls = c.uidl()
        assert b"Subject: two" in c.retr(2) and workers(daemon, user)
        assert in_use(daemon, user) and c.uidl() == uidls
        c.ok("DELE 2")
        c.quit()
    with daemon.login(user) as c:
        assert list(c.uidl().values()) == [uidls[1], uidls[3]] and b"Subject: three" in c.retr(2)
        c.quit()


def test_delete_alone(daemon, user):
    with poll_cold(daemon, user) as c:
        c.ok("DELE 1")
        assert not workers(daemon, user)
        c.quit()
    wait_free(daemon, user, 2)


def test_in_use(daemon, user):
    """Two at a time, and one whose client vanishes."""
    c = poll_cold(daemon, user)
    assert in_use(daemon, user)
    c.close()
    wait_free(daemon, user, 3)


def test_mail_has_come(daemon, user):
    user.deliver("Subject: new\n\nnew\n")
    poll_by_worker(daemon, user, 4)


def test_mail_comes(daemon, user):
    """It is for the next session."""
    with poll_cold(daemon, user) as c:
        user.deliver("Subject: new\n\nnew\n")
        assert len(c.list()) == 3 and b"Subject: three" in c.retr(3)
        c.quit()
    wait_free(daemon, user, 4)


def test_no_file(daemon):
    """Who has got no mail yet; when some comes, a worker is needed."""
    user = daemon.without_file
    with poll_cold(daemon, user, 0) as c:
        assert in_use(daemon, user) and c.cmd("RETR 1").startswith(b"-ERR")
        user.inbox = Mbox(user.inbox.path, user.uid, user.gid)
        user.deliver(MESSAGES[0])
        c.quit()
    end_workers(daemon)
    assert wait_for(lambda: not in_use(daemon, user))
    poll_by_worker(daemon, user, 1)


def test_large(daemon):
    """A listing that front reads from the index as it goes."""
    for user in daemon.large:
        with poll_cold(daemon, user, MANY) as c:
            assert b"Subject: 0" in c.retr(len(MESSAGES) + 1)
            c.quit()


def crc32c(octets):
    crc = 0xFFFFFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_head(octets, at, value):
    """An index with another number in its head, and a checksum that says so."""
    head = bytearray(octets[:200])
    struct.pack_into("I", head, at, value)
    struct.pack_into("I", head, 196, crc32c(bytes(head[:196])))
    return bytes(head) + octets[200:]


def cut(path, _):
    os.truncate(path, path.stat().st_size // 2)


def no_records(path, _):
    os.truncate(path, 300)


def other_head(path, _):
    path.write_bytes(path.read_bytes()[:40] + b"\7" + path.read_bytes()[41:])


def count(path, _):
    path.write_bytes(with_head(path.read_bytes(), 32, 2))


def large_count(path, _):
    path.write_bytes(with_head(path.read_bytes(), 32, 0xFFFFFFFF))


def record(path, _):
    octets = bytearray(path.read_bytes())
    octets[200 + 40] = 200  # octets of a unique-id
    path.write_bytes(octets)


def of_another(path, other):
    path.write_bytes(index_of(other).read_bytes())


def link(path, other):
    path.unlink()
    path.symlink_to(index_of(other))


def pipe(path, _):
    path.unlink()
    os.mkfifo(path)


def directory(path, _):
    path.unlink()
    path.mkdir()


def foreign(path, other):
    os.chown(path, other.uid, other.gid)
    path.chmod(0o644)


@pytest.mark.parametrize("kind", KINDS)
def test_index_is_hostile(daemon, kind):
    """It may be anything: the right listing comes from a worker."""
    other = daemon.cold[kind][0]
    for change in cut, no_records, other_head, count, large_count, record, of_another, link, pipe, directory, foreign:
        user = daemon.cold[kind].pop()
        path = index_of(user)
        stat = path.stat()
        change(path, other)
        if path.is_file() and not path.is_symlink() and change is not foreign:
            os.chown(path, user.uid, user.gid)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with daemon.login(user) as c:
            assert c.stat()[0] == 3 and workers(daemon, user), change.__name__
            assert len(c.list()) == 3 and b"Subject: two" in c.retr(2), change.__name__
            c.quit()
    poll_cold(daemon, other).close()


def end_workers(daemon):
    for pid in workers(daemon):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not workers(daemon))


def test_index_of_no_use(daemon, user):
    """A maildrop that cannot be reached, and a mailbox that has two names, are for a worker to judge."""
    user.home.chmod(0)
    os.chown(user.home, 0, 0)
    assert login_reply(daemon, user).startswith(b"-ERR [SYS/PERM]") and workers(daemon, user)
    if isinstance(user.inbox, Mbox):
        poll_by_worker(daemon, daemon.two_names)


def test_locked_by_another_program(daemon, user):
    """The session lock, as popctl takes it."""
    with open(daemon.top / "run" / "session" / str(user.uid), "rb+") as f:
        fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        assert in_use(daemon, user)
    wait_free(daemon, user, 3)


def test_dotlock(daemon):
    """One of a process that runs is honoured, one that was left is taken away: by a worker."""
    user = daemon.cold["mbox"].pop()
    lock = user.inbox.path.with_name("INBOX.lock")
    lock.write_text(f"{os.getpid()}\n")
    assert in_use(daemon, user)
    lock.unlink()
    user = daemon.cold["mbox"].pop()
    lock = user.inbox.path.with_name("INBOX.lock")
    lock.write_text("999999999\n")
    os.chown(lock, user.uid, user.gid)
    poll_by_worker(daemon, user)
    assert not lock.exists()


def test_pipelined(daemon, user):
    c = daemon.connect()
    c.say(f"USER {user.login}\r\nPASS {user.password}\r\nSTAT\r\nRETR 3\r\nDELE 3\r\nQUIT")
    assert [c.line()[:3] for _ in range(3)] == [b"+OK"] * 3 and c.line().startswith(b"+OK") and b"Subject: three" in c.octets()
    assert [c.line()[:3] for _ in range(2)] == [b"+OK"] * 2 and c.at_end()
    wait_free(daemon, user, 2)


@pytest.fixture
def other(make_daemon):
    """One that may lose processes."""
    d = make_daemon()
    d.user_of = {name: [with_mail(d, kind) for _ in range(AGAIN)] for name, kind in KINDS.items()}
    d.alarms_expected = True
    make_cold(d, [user for users in d.user_of.values() for user in users])
    return d


def opener(daemon):
    assert wait_for(lambda: len(daemon.role_pids(OPENER)) == 1), daemon.log()
    return daemon.role_pids(OPENER)[0]


def test_opener_stops(other):
    """Nobody waits for it long, and it is replaced; what it was asked meanwhile a worker has."""
    first, second, *others = other.user_of["maildir"]
    pid = opener(other)
    os.kill(pid, signal.SIGSTOP)
    for user in first, second:
        begun = time.monotonic()
        poll_by_worker(other, user)
        assert time.monotonic() - begun < 1.5
    assert wait_for(lambda: other.role_pids(OPENER) and pid not in other.role_pids(OPENER))
    assert wait_for(lambda: cold_again(other, others)), other.log()
    with other.login(first) as c:
        c.quit()


def cold_again(daemon, users):
    """A session of one of them has no worker. Each is asked once: whoever needed one has it from then on."""
    time.sleep(0.2)
    user = users.pop()
    with daemon.login(user) as c:
        is_cold = not workers(daemon, user)
        c.quit()
    return is_cold


def test_opener_dies(other):
    """While it is stopped, with questions: they go to workers at once, and locks with it. Sessions do not notice."""
    first, second, *others = other.user_of["mbox"]
    with poll_cold(other, first) as c:
        os.kill(opener(other), signal.SIGSTOP)
        waits = other.connect()
        waits.say(f"USER {second.login}\r\nPASS {second.password}")
        os.kill(opener(other), signal.SIGKILL)
        assert waits.line().startswith(b"+OK") and waits.line().startswith(b"+OK")
        waits.close()
        assert b"Subject: one" in c.retr(1)
        c.quit()
    assert wait_for(lambda: cold_again(other, others)), other.log()
    wait_free(other, second, 3)


def test_opener_goes_on(other):
    """An answer that is late is for nobody: its lock goes, whoever has the maildrop."""
    user, = other.user_of["mbox"][:1]
    pid = opener(other)
    os.kill(pid, signal.SIGSTOP)
    with other.login(user) as c:
        os.kill(pid, signal.SIGCONT)
        assert workers(other, user) and b"Subject: two" in c.retr(2) and in_use(other, user)
        c.quit()
    end_workers(other)
    wait_free(other, user, 3)
    assert opener(other) == pid


def test_processes_die(other):
    """A worker that was woken; a front, with sessions that have none; all of them."""
    (first, *_), (second, *rest) = (users[:3] for users in other.user_of.values())
    with poll_cold(other, first) as c:
        c.retr(1)
        c.ok("DELE 1")
        end_workers(other)
        with contextlib.suppress(Gone, ConnectionError):
            assert not c.cmd("QUIT").startswith(b"+OK")
    wait_free(other, first, 3)
    clients = [poll_cold(other, user) for user in (second, *rest)]
    for pid in other.role_pids("pop3d-front"):
        os.kill(pid, signal.SIGKILL)
    assert all(c.at_end() for c in clients)
    for user in second, *rest:
        def served(user=user):
            with contextlib.suppress(Gone, ConnectionError, AssertionError):
                return login_reply(other, user).startswith(b"+OK")
            return False

        assert wait_for(served), other.log()


def test_master_dies(other):
    """Its opener ends with it, whatever that does, and no maildrop is in use."""
    users = [users[0] for users in other.user_of.values()]
    clients = [poll_cold(other, user) for user in users]
    pid = opener(other)
    os.kill(pid, signal.SIGSTOP)
    for master in other.role_pids("pop3d-master"):
        os.kill(master, signal.SIGKILL)
    assert all(c.at_end() for c in clients)
    assert wait_for(lambda: other.role_pids(OPENER) not in ([], [pid])), other.log()
    assert pid not in other.role_pids(OPENER)
    for user in users:
        wait_free(other, user, 3)


def test_reload(other):
    """A session stays with its generation, which starts a worker for it; its lock counts in all."""
    users = [users[0] for users in other.user_of.values()]
    clients = [poll_cold(other, user) for user in users]
    reload(other)
    for user, c in zip(users, clients, strict=True):
        assert in_use(other, user) and b"Subject: three" in c.retr(3)
        c.ok("DELE 3")
        c.quit()
        wait_free(other, user, 2)


def test_in_the_spool(make_daemon):
    """Where the index lies in a directory of ours."""
    d = make_daemon()
    d.make_spool()
    user = SpoolUser(d)
    make_cold(d, [user], d.extra + EXTRA)
    with poll_cold(d, user) as c:
        assert b"Subject: two" in c.retr(2)
        c.ok("DELE 2")
        c.quit()
    assert len(list((d.top / "cache" / str(user.uid)).glob("*.pop3idx"))) == 1
    wait_free(d, user, 2)


@pytest.mark.parametrize("statement", ["mailbox { index off; }", "mailbox { session-idle-worker 0; }", "mailbox { session-takeover yes; }"])
def test_not_wanted(make_daemon, statement):
    d = make_daemon()
    user = with_mail(d, Maildir)
    d.start(extra=statement + "\n")
    assert not d.role_pids(OPENER)
    poll_by_worker(d, user)
