"""A process dies in the middle of a change in place (a mailbox with two names is never replaced): afterwards the mailbox is whole."""

import os
import re
import subprocess

import pytest

from pop3 import Gone
from server import SANITIZED, Mbox, wait_for
from test_locks import SpoolUser

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(SANITIZED, reason="strace and a sanitizer do not go together"),
]

COUNT = 40  # messages, together more than two windows of a journal


def message(n):
    return f"From: a@example.org\nSubject: number {n}\n\n" + f"line of message {n}\n" * 5000


def fill(daemon, user):
    for n in range(COUNT):
        user.deliver(message(n))
    user.second_name = daemon.top / "second-name"
    os.link(user.inbox.path, user.second_name)
    daemon.alarms_expected = True
    return user


@pytest.fixture
def user(daemon):
    return fill(daemon, daemon.user(kind=Mbox))


@pytest.fixture(params=["own-directory", "spool"])
def anywhere(daemon, request):
    """One whose mailbox is in a directory of his own, or in the spool, where the locker makes his locks."""
    if request.param == "own-directory":
        return fill(daemon, daemon.user(kind=Mbox))
    daemon.make_spool()
    path = SpoolUser(daemon).path
    user = daemon.users[-1]
    user.inbox.path = path
    user.inbox.write(b"")
    return fill(daemon, user)


class Injection:
    """Attached to the worker until it ends: something happens at its Nth call of this name."""

    def __init__(self, daemon, rule):
        pid, = daemon.role_pids("store")
        self.strace = subprocess.Popen(["strace", "-f", "-o", daemon.top / "trace", "-e", f"inject={rule}", "-p", str(pid)],
                                       stderr=subprocess.PIPE, text=True)
        assert "attached" in self.strace.stderr.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.communicate(timeout=30)


def kept(user):
    """What must be there: all but every third message, exactly."""
    return [message(n).encode() for n in range(COUNT) if n % 3]


def journals(daemon, user):
    place = daemon.top / "state" / "journal" / str(user.uid)
    return [p.name for p in place.iterdir() if re.fullmatch("[0-9a-f]{16}", p.name)]


def start_quit(daemon, user):
    """A session that deletes every third message, just before QUIT."""
    c = daemon.login(user)
    for n in range(0, COUNT, 3):
        c.ok(f"DELE {n + 1}")
    return c


def die_in_the_middle(daemon, user, c):
    """All processes at once, when a part of the mailbox has been changed."""
    before = user.inbox.path.read_bytes()
    with Injection(daemon, "fdatasync:delay_enter=600000000:when=4"):
        c.send(b"QUIT\r\n")
        assert wait_for(lambda: journals(daemon, user) and user.inbox.path.read_bytes() != before)
        process, daemon.process = daemon.process, None
        daemon.kill_session(process.pid)
        process.wait()


def lock(user):
    return user.inbox.path.with_name(user.inbox.path.name + ".lock")


def check_whole(daemon, user):
    assert user.inbox.contents() == kept(user)
    assert user.second_name.read_bytes() == user.inbox.path.read_bytes()
    assert not lock(user).exists()
    c = daemon.login(user)
    assert c.stat()[0] == len(kept(user))
    c.quit()


@pytest.mark.parametrize("when", [2, 4, 6])
def test_worker_dies(daemon, anywhere, when):
    """Another one is started, and brings the change to its end."""
    user = anywhere
    daemon.start()
    c = start_quit(daemon, user)
    with Injection(daemon, f"fdatasync:signal=KILL:when={when}"):
        with pytest.raises((Gone, AssertionError)):
            c.quit()
    daemon.wait_log("a change that was interrupted is brought to its end")
    assert wait_for(lambda: not journals(daemon, user))
    check_whole(daemon, user)


def test_disk_fails(daemon, anywhere):
    """QUIT says so; the mailbox stays locked, and the next session, of the same worker, brings it to its end when it opens it."""
    user = anywhere
    daemon.start()
    c = start_quit(daemon, user)
    worker = daemon.role_pids("store")
    with Injection(daemon, "fdatasync:error=EIO:when=4"):
        c.err("QUIT", "SYS/TEMP")
    assert journals(daemon, user) and lock(user).exists()
    c = daemon.login(user)
    assert c.stat()[0] == len(kept(user)) and not journals(daemon, user)
    c.quit()
    assert daemon.role_pids("store") == worker
    check_whole(daemon, user)


def test_daemon_dies(daemon, anywhere):
    """The next one brings it to its end before it serves; what was delivered in between stays."""
    user = anywhere
    daemon.start()
    c = start_quit(daemon, user)
    die_in_the_middle(daemon, user, c)
    assert journals(daemon, user) and lock(user).exists()
    with open(user.inbox.path, "ab") as f:
        f.write(Mbox.FROM + b"Subject: delivered without a lock\n\n\n")
    daemon.start()
    log = daemon.log()[daemon.log_from:]
    if user.inbox.path.parent == user.home:  # else the locker is needed, which starts with the others
        assert re.search(r"(?s)is brought to its end.* started", log), log
    assert wait_for(lambda: not journals(daemon, user))
    assert user.inbox.contents() == [*kept(user), b"Subject: delivered without a lock\n\n"]


def test_daemon_is_told_to_end(daemon, user):
    """A commit under way is finished first."""
    daemon.start()
    c = start_quit(daemon, user)
    with Injection(daemon, "fdatasync:delay_enter=1000000:when=4"):
        c.send(b"QUIT\r\n")
        assert wait_for(lambda: journals(daemon, user))
        daemon.stop()
    assert not journals(daemon, user)
    assert user.inbox.contents() == kept(user)


def test_another_file(daemon, user):
    """A journal whose mailbox is another file by now is set aside, and said so; the mailbox is not touched."""
    daemon.start()
    c = start_quit(daemon, user)
    die_in_the_middle(daemon, user, c)
    name, = journals(daemon, user)
    restored = Mbox.FROM + b"Subject: from a backup\n\nhello\n\n"
    user.inbox.path.unlink()
    user.inbox.path.write_bytes(restored)
    os.chown(user.inbox.path, user.uid, user.gid)
    daemon.start()
    daemon.wait_log("cannot be brought to its end: it is another file now; its journal is kept as " + name + ".aside-")
    assert not journals(daemon, user)
    assert user.inbox.path.read_bytes() == restored
