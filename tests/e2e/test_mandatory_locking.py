"""mandatory-locking: the mailbox is locked from login to QUIT, as Mailutils' sessions lock it."""

import os
import subprocess

import pytest

from server import Dotmail, Maildir, Mbox, Mh, wait_for
from test_inetd import Inetd
from test_locks import MESSAGES, attempt, lock_statements, mailutils, put_lock, spooled  # noqa: F401




def lock_of(daemon, user):
    """Where the lock of this mailbox is to be seen."""
    path = getattr(user, "path", None) or user.inbox.path
    if path.is_dir():
        return daemon.top / "locks" / (str(path).replace("%", "%25").replace("/", "%2F") + ".lock")
    return path.with_name(path.name + ".lock")


def statements(daemon, enable="yes"):
    return f'mandatory-locking {{ enable {enable}; lock-directory "{daemon.top}/locks"; }}\n'


@pytest.mark.parametrize("kind", [Mbox, Dotmail, Maildir, Mh])
def test_held_for_the_session(either, kind):
    """With the number of a process that runs; gone behind QUIT, a lost connection and the daemon's end; not there without the statement."""
    user = either.user(kind=kind)
    for message in MESSAGES:
        user.inbox.deliver(message)
    lock = lock_of(either, user)
    either.start(extra=statements(either))
    for end in ("quit", "drop", "delete", "stop"):
        c = either.login(user)
        assert c.stat()[0] >= len(MESSAGES) - 1
        assert int(lock.read_text()) in either.pids(), end
        if end == "delete":
            c.ok("DELE 1")
        if end == "drop":
            c.close()
        elif end == "stop":
            either.stop()
        else:
            c.quit()
        assert wait_for(lambda: not lock.exists()), end
    assert len(user.inbox.contents()) == len(MESSAGES) - 1
    either.start(extra=statements(either, "no"))
    c = either.login(user)
    assert not lock.exists()
    c.quit()


@pytest.mark.needs_root
def test_in_the_spool(daemon, spooled):
    """Where users may make no files, locker holds it for them."""
    daemon.start(extra=daemon.extra + statements(daemon))
    c = daemon.login(spooled)
    assert spooled.lock.exists()
    c.ok("DELE 1")
    c.quit()
    assert wait_for(lambda: not spooled.lock.exists())
    assert spooled.path.read_bytes().count(b"Subject") == len(MESSAGES) - 1


def test_deliverers_wait(daemon):
    """A lock of others is waited for, also where the index is current; and they wait for ours."""
    user = daemon.user(kind=Mbox)
    user.path, user.lock = user.inbox.path, user.inbox.path.with_name("INBOX.lock")
    user.deliver(MESSAGES[0])
    lock_statements(daemon, "retry-count 1;")
    daemon.start(extra=daemon.extra + statements(daemon))
    daemon.login(user).quit()
    assert wait_for(lambda: not user.lock.exists())
    put_lock(user, "1")
    assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    user.lock.unlink()
    c = daemon.login(user)
    got = subprocess.run(["lockfile", "-1", "-r", "1", user.lock], capture_output=True, check=False)
    assert got.returncode != 0
    c.quit()
    subprocess.run(["lockfile", "-r", "1", user.lock], check=True)
    os.unlink(user.lock)


@pytest.mark.needs_root
@pytest.mark.skipif(not os.path.exists("/usr/sbin/pop3d"), reason="Mailutils' pop3d is not installed")
@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_mailutils_is_kept_out(daemon, kind):
    """Its session gets no lock while ours has it, and ours none while it has it."""
    user = daemon.user(kind=kind)
    user.deliver(MESSAGES[0])
    lock_statements(daemon, "retry-count 1;")
    daemon.start(extra=daemon.extra + statements(daemon))
    c = daemon.login(user)
    with pytest.raises(AssertionError):
        with mailutils(user, daemon.top / "locks"):
            pass
    c.quit()
    (user.home / "passwd" / "dom").unlink()
    (user.home / "passwd").rmdir()
    with mailutils(user, daemon.top / "locks"):
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    daemon.login(user).quit()


def test_type_null(daemon):
    """A mailbox that is not locked has Mailutils' file all the same."""
    user = daemon.user(kind=Mbox)
    user.deliver(MESSAGES[0])
    lock_statements(daemon, "type null;")
    daemon.start(extra=daemon.extra + statements(daemon))
    c = daemon.login(user)
    assert [n for n in os.listdir(daemon.top / "locks") if n.endswith("INBOX.lock")]
    c.quit()
    assert wait_for(lambda: not os.listdir(daemon.top / "locks"))


def test_no_directory(daemon):
    """Without a place for the lock nobody is let in, and the log says why."""
    user = daemon.user(kind=Maildir)
    (daemon.top / "locks").mkdir()
    (daemon.top / "locks").chmod(0o555)
    daemon.start(extra=statements(daemon))
    assert attempt(daemon, user).startswith(b"-ERR [SYS/PERM]")
    daemon.wait_log("mandatory-locking: .*Permission denied")


def test_inetd_mode(daemon):
    user = daemon.user(kind=Maildir)
    user.deliver(MESSAGES[0])
    inetd = Inetd(daemon, statements(daemon))
    c, p = inetd.login(user)
    assert lock_of(daemon, user).exists()
    c.quit()
    assert p.wait(30) == 0 and not lock_of(daemon, user).exists()
    inetd.listener.close()
