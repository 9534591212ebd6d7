"""The locks of mailboxes in one file, against other programs' lockers: Debian's dotlockfile, procmail's lockfile, fcntl."""

import contextlib
import crypt
import fcntl
import grp
import os
import shutil
import signal
import subprocess
import time

import pytest

from server import Maildir, Mbox, wait_for

MESSAGES = "Subject: one\n\n1\n", "Subject: two\n\n2\n", "Subject: three\n\n3\n"


class SpoolUser:
    """A user whose mailbox is a file of the spool."""

    def __init__(self, daemon, uid=None):
        user = daemon.user(kind=Mbox, uid=uid)
        for message in MESSAGES:
            user.inbox.deliver(message)
        self.login, self.password, self.uid = user.login, user.password, user.uid
        self.path = daemon.spool / user.login
        user.inbox.path.rename(self.path)
        os.chown(self.path, user.uid, grp.getgrnam("mail").gr_gid)
        self.path.chmod(0o660)
        self.lock = self.path.with_name(self.path.name + ".lock")
        file = daemon.domains / user.domain
        lines = file.read_text(encoding="utf-8").splitlines(True)
        fields = lines[-1].split(":")
        fields[5] = ""
        file.write_text("".join(lines[:-1]) + ":".join(fields), encoding="utf-8")


@pytest.fixture
def spooled(daemon):
    daemon.make_spool()
    return SpoolUser(daemon)


@pytest.fixture
def user(daemon):
    """One whose mailbox is in a directory of his own."""
    user = daemon.user(kind=Mbox)
    for message in MESSAGES:
        user.inbox.deliver(message)
    user.path = user.inbox.path
    user.lock = user.path.with_name("INBOX.lock")
    return user


def lock_statements(daemon, text):
    daemon.extra += f"locking {{ {text} }}\n"


def put_lock(user, text, age=0):
    """Of root, which no user's process may signal."""
    user.lock.write_text(text)
    user.lock.chmod(0o644)
    os.utime(user.lock, (time.time() - age,) * 2)


def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def attempt(daemon, user):
    """The reply to PASS."""
    with daemon.connect() as c:
        c.ok(f"USER {user.login}")
        return c.cmd(f"PASS {user.password}")


def touch(user):
    """The next session must scan, under the lock."""
    with open(user.path, "ab") as f:
        f.write(Mbox.FROM + b"Subject: more\n\nx\n\n")


@contextlib.contextmanager
def fcntl_lock(path):
    with open(path, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


# ---- in the spool


@pytest.mark.needs_root
def test_delete_in_spool(daemon, spooled):
    """A new file takes the place of the mailbox: owner, group and mode are kept, and nothing is left beside it."""
    before = spooled.path.stat()
    c = daemon.login(spooled)
    c.ok("DELE 2")
    c.quit()
    after = spooled.path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino
    assert os.listdir(daemon.spool) == [spooled.path.name]
    assert b"two" not in spooled.path.read_bytes() and spooled.path.read_bytes().count(b"Subject") == 2


@pytest.mark.needs_root
def test_acl_is_kept(daemon, spooled):
    """With the kernel's own words: a user more may read."""
    acl = b"\2\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, perm, who in ((1, 6, -1), (2, 4, 4242), (4, 6, -1), (0x10, 6, -1), (0x20, 0, -1)))
    try:
        os.setxattr(spooled.path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no ACLs")
    ino = spooled.path.stat().st_ino
    c = daemon.login(spooled)
    c.ok("DELE 1")
    c.quit()
    assert os.getxattr(spooled.path, "system.posix_acl_access") == acl and spooled.path.stat().st_ino != ino


@pytest.mark.needs_root
def test_locker_dies(daemon, spooled):
    """Meanwhile nothing is deleted; then another one is there, for the workers that were."""
    daemon.alarms_expected = True
    c = daemon.login(spooled)
    (pid,) = daemon.role_pids("pop3d-locker")
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: [p for p in daemon.role_pids("pop3d-locker") if p != pid])
    c.ok("DELE 2")
    c.cmd("QUIT")
    c = daemon.login(spooled)
    n = c.stat()[0]
    c.ok("DELE 1")
    c.quit()
    assert spooled.path.read_bytes().count(b"Subject") == n - 1 and os.listdir(daemon.spool) == [spooled.path.name]


@pytest.mark.needs_root
def test_spool_that_cannot_be_written(daemon, spooled):
    """No lock is pretended: the log says what to do; the mailbox is changed in place."""
    daemon.spool.chmod(0o755)
    ino = spooled.path.stat().st_ino
    c = daemon.login(spooled)
    c.ok("DELE 2")
    c.quit()
    daemon.wait_log(r"no \S+\.lock can be made .*mail-spool")
    assert spooled.path.stat().st_ino == ino and spooled.path.read_bytes().count(b"Subject") == 2


# ---- held by others


@pytest.mark.needs_root
@pytest.mark.parametrize("where", ["spooled", "user"])
@pytest.mark.parametrize("program", ["dotlockfile", "lockfile", "fcntl"])
def test_held_by_another_program(daemon, request, where, program):
    """Refused as long as it is held, served when it is not. Their lockers are kept out while ours is held by the same file."""
    user = request.getfixturevalue(where)
    lock_statements(daemon, "retry-count 1;")
    if program == "fcntl":
        with fcntl_lock(user.path):
            assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    else:
        command = ["dotlockfile", "-p", "-r", "0", "-l"] if program == "dotlockfile" else ["lockfile", "-r", "0"]
        assert shutil.which(program), f"{program} is not installed: make packages"
        daemon.start()
        subprocess.run([*command, str(user.lock)], check=True, timeout=30)
        if program == "dotlockfile":  # it writes the number of its parent: us
            assert int(user.lock.read_text()) == os.getpid()
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
        assert user.lock.exists()
        user.lock.unlink()
    assert attempt(daemon, user).startswith(b"+OK")
    assert not user.lock.exists()


@pytest.mark.needs_root
def test_type_kernel(daemon, user):
    """fcntl alone: somebody's NAME.lock does not count, and the mailbox keeps its inode."""
    lock_statements(daemon, "type kernel; retry-count 1;")
    put_lock(user, "1")
    with fcntl_lock(user.path):
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    ino = user.path.stat().st_ino
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    assert user.path.stat().st_ino == ino and user.lock.read_text() == "1"


@pytest.mark.needs_root
def test_type_null(daemon, user):
    """No lock of others counts and none is made; two sessions exclude each other all the same."""
    lock_statements(daemon, "type null; retry-count 1;")
    daemon.extra += "mailbox { session-lock-wait 0; }\n"
    put_lock(user, "1")
    with fcntl_lock(user.path):
        c = daemon.login(user)
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
        c.ok("DELE 1")
        c.quit()
    assert user.lock.read_text() == "1" and user.path.read_bytes().count(b"Subject") == len(MESSAGES) - 1


@contextlib.contextmanager
def mailutils(user, directory):
    """A session of Mailutils' pop3d, logged in, with its own locks for the whole of it (mandatory-locking is its default)."""
    passwd = user.home / "passwd"
    passwd.mkdir()
    (passwd / "dom").write_text(f"u:{crypt.crypt(user.password)}:{user.uid}:{user.gid}::{user.home}:/bin/false\n")
    config = user.home / "mailutils.conf"
    config.write_text(f"""
mode inetd;
auth {{ authorization virtdomain; authentication generic; }}
virtdomain {{ passwd-dir "{passwd}"; }}
mandatory-locking {{ enable yes; lock-directory "{directory}"; }}
logging {{ syslog no; }}
""")
    p = subprocess.Popen(["/usr/sbin/pop3d", f"--config-file={config}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for said in (b"", b"USER u@dom\r\n", b"PASS " + user.password.encode() + b"\r\n"):
            p.stdin.write(said)
            p.stdin.flush()
            assert p.stdout.readline().startswith(b"+OK")
        yield
    finally:
        p.stdin.write(b"QUIT\r\n")
        p.stdin.close()
        p.wait(20)


@pytest.mark.needs_root
@pytest.mark.skipif(not os.path.exists("/usr/sbin/pop3d"), reason="Mailutils' pop3d is not installed")
@pytest.mark.parametrize("kind", [Mbox, Maildir])
@pytest.mark.parametrize("warm", [True, False])
def test_session_of_mailutils(daemon, kind, warm):
    """As long as it has the mailbox open, nobody else has, whatever our index says."""
    user = daemon.user(kind=kind)
    for message in MESSAGES:
        user.inbox.deliver(message)
    locks = daemon.top / "locks"
    locks.mkdir(mode=0o1777)
    locks.chmod(0o1777)
    lock_statements(daemon, "retry-count 1;")
    daemon.start(extra=daemon.extra + f'mandatory-locking {{ enable no; lock-directory "{locks}"; }}\n')
    if warm:
        daemon.login(user).quit()
    with mailutils(user, locks):
        assert os.listdir(locks) or user.inbox.path.with_name("INBOX.lock").exists()
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    c = daemon.login(user)
    assert c.stat()[0] == len(MESSAGES)
    c.quit()


@pytest.mark.needs_root
def test_left_lock_of_mailutils(daemon):
    """One whose process is gone does not count, nor one of another mailbox; where that cannot be known, its time counts, since sessions touch it."""
    user = daemon.user()
    locks = daemon.top / "locks"
    locks.mkdir()
    lock_statements(daemon, "retry-count 1;")
    daemon.start(extra=daemon.extra + f'mandatory-locking {{ enable no; lock-directory "{locks}"; }}\n')
    name = str(user.inbox.path).replace("%", "%25").replace("/", "%2F")
    for lock, text, reply in ((name, str(dead_pid()), b"+OK"), (name, "", b"+OK"), (name + "2", "1", b"+OK"),
                              (name, "1", b"-ERR [IN-USE]")):
        (locks / f"{lock}.lock").write_text(text)
        assert attempt(daemon, user).startswith(reply), (lock, text)
    for age, reply in ((100, b"-ERR [IN-USE]"), (1000, b"+OK")):
        (locks / f"{name}.lock").chmod(0o600)
        os.utime(locks / f"{name}.lock", (time.time() - age,) * 2)
        assert attempt(daemon, user).startswith(reply), age


@pytest.mark.needs_root
@pytest.mark.parametrize("where", ["spooled", "user"])
def test_pid_check(daemon, request, where):
    """A lock of a process that is gone is removed; of one that runs, even root's, it is not; an empty one says nothing."""
    user = request.getfixturevalue(where)
    lock_statements(daemon, "retry-count 1;")
    daemon.start()
    for text, reply in ((str(os.getpid()), b"-ERR [IN-USE]"), ("1\n", b"-ERR [IN-USE]"), ("", b"-ERR [IN-USE]"),
                        ("0", b"-ERR [IN-USE]"), (str(dead_pid()), b"+OK"), ("no number", b"+OK")):
        put_lock(user, text, age=100000)
        touch(user)
        assert attempt(daemon, user).startswith(reply), text
        assert user.lock.exists() == reply.startswith(b"-"), text


@pytest.mark.needs_root
def test_no_pid_check(daemon, user):
    lock_statements(daemon, "retry-count 1; pid-check no;")
    put_lock(user, str(dead_pid()))
    assert attempt(daemon, user).startswith(b"-ERR [IN-USE]") and user.lock.exists()


@pytest.mark.needs_root
@pytest.mark.parametrize("where", ["spooled", "user"])
def test_expire_timeout(daemon, request, where):
    """An old lock is removed whoever has it; a younger one is not."""
    user = request.getfixturevalue(where)
    lock_statements(daemon, "retry-count 1; expire-timeout 600;")
    put_lock(user, "1", age=500)
    assert attempt(daemon, user).startswith(b"-ERR [IN-USE]") and user.lock.exists()
    put_lock(user, "", age=700)
    assert attempt(daemon, user).startswith(b"+OK") and not user.lock.exists()


# ---- waiting


def waits(daemon, other, what):
    """The worker has tried for the first time, and gone on to others."""
    daemon.wait_log(what)
    daemon.login(other).quit()


TRYING = r"/INBOX: session lock: 0"
COMMITTING = r": commit"
TELL = 'debug { level "locker.trace1;mailbox.trace1"; }\n'


def test_retry_count(daemon, user):
    """A lock that goes in time costs nothing; meanwhile another user of the same worker is served."""
    other = daemon.user(uid=user.uid)
    lock_statements(daemon, "retry-count 1000; retry-sleep 0;")
    daemon.extra += TELL
    daemon.start()
    put_lock(user, str(os.getpid()))
    waiting = daemon.connect()
    waiting.ok(f"USER {user.login}")
    waiting.say(f"PASS {user.password}")
    for _ in range(3):
        waits(daemon, other, TRYING)
    user.lock.unlink()
    assert waiting.line().startswith(b"+OK")
    waiting.quit()


@pytest.mark.parametrize("statement", ["retry-sleep", "retry-timeout"])
def test_retry_sleep(daemon, user, statement):
    """The wait is as long as it says, under its old name too: a session that would wait for an hour waits still when another has come and
    gone."""
    other = daemon.user(uid=user.uid)
    lock_statements(daemon, f"retry-count 2; {statement} 3600;")
    daemon.extra += TELL + "mailbox { session-lock-wait 0; }\n"
    daemon.start()
    put_lock(user, str(os.getpid()))
    waiting = daemon.connect()
    waiting.ok(f"USER {user.login}")
    waiting.say(f"PASS {user.password}")
    waits(daemon, other, TRYING)
    user.lock.unlink()
    assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")  # the session that waits has the session lock
    waiting.close()


@pytest.mark.parametrize("program", ["dotlock", "fcntl"])
def test_busy_at_quit(daemon, user, program):
    """Nothing is deleted, nothing lost, and the client is told."""
    lock_statements(daemon, "retry-count 2; retry-sleep 0;")
    c = daemon.login(user)
    c.ok("DELE 1")
    before = user.path.read_bytes()
    with fcntl_lock(user.path) if program == "fcntl" else contextlib.nullcontext():
        if program == "dotlock":
            put_lock(user, str(os.getpid()))
        reply = c.cmd("QUIT")
    assert reply.startswith(b"-ERR") and user.path.read_bytes() == before
    with contextlib.suppress(FileNotFoundError):
        user.lock.unlink()
    c = daemon.login(user)
    assert c.stat()[0] == len(MESSAGES)
    c.quit()


def test_client_leaves_while_quit_waits(daemon, user):
    """What was asked for is done when the lock goes, or not at all; the mailbox can be had again."""
    other = daemon.user(uid=user.uid)
    lock_statements(daemon, "retry-count 1000; retry-sleep 0;")
    daemon.extra += TELL
    c = daemon.login(user)
    c.ok("DELE 1")
    put_lock(user, str(os.getpid()))
    c.say("QUIT")
    waits(daemon, other, COMMITTING)
    c.close()
    user.lock.unlink()
    assert wait_for(lambda: attempt(daemon, user).startswith(b"+OK"))
    assert user.path.read_bytes().count(b"Subject") in (len(MESSAGES), len(MESSAGES) - 1)


@pytest.mark.needs_root
def test_worker_dies_while_it_waits(daemon, spooled):
    """Its session ends with -ERR, its locks are nobody's, and the next worker serves."""
    daemon.alarms_expected = True
    other = daemon.user(uid=spooled.uid)
    lock_statements(daemon, "retry-count 1000; retry-sleep 1;")
    daemon.extra += TELL
    c = daemon.login(spooled)
    c.ok("DELE 1")
    put_lock(spooled, str(os.getpid()))
    c.say("QUIT")
    waits(daemon, other, COMMITTING)
    for pid in daemon.role_pids("pop3d-store"):
        os.kill(pid, signal.SIGKILL)
    c.close()
    spooled.lock.unlink()
    assert wait_for(lambda: attempt(daemon, spooled).startswith(b"+OK"))
    assert os.listdir(daemon.spool) == [spooled.path.name]
