"""`locking { type external; }`: mailboxes that a program locks: Mailutils' dotlock, and one that writes down how it is called."""

import collections
import os
import shutil
import signal
import subprocess
import threading

import pytest

from server import Mbox, wait_for
from slowed import Slowed
from test_inetd import Inetd
from test_locks import MESSAGES, SpoolUser, attempt, fcntl_lock, touch
from test_uidl_import import ids, ours, popctl

DOTLOCK = "dotlock.mailutils"

SCRIPT = f"""#!/bin/sh
echo "$@" >> %TOP%/calls
[ "$1" = -u ] || [ ! -e %TOP%/status ] || exit $(cat %TOP%/status)
while [ "$1" != -u ] && [ -e %TOP%/hang ]; do sleep 0.1; done
{DOTLOCK} "$@" || exit $?
while [ "$1" != -u ] && [ -e %TOP%/late ]; do sleep 0.1; done
"""


@pytest.fixture(autouse=True)
def packages():
    assert shutil.which(DOTLOCK), f"{DOTLOCK} is not installed: make packages"


class Locker:
    """The program, and what it was told."""

    def __init__(self, daemon, statements=""):
        self.top = daemon.top
        path = self.top / "locker"
        path.write_text(SCRIPT.replace("%TOP%", str(self.top)))
        path.chmod(0o755)
        (self.top / "calls").touch()
        (self.top / "calls").chmod(0o666)
        daemon.extra += f'locking {{ type external; external-locker "{path}"; {statements} }}\n'

    def calls(self):
        """Of each call, the words."""
        return [line.split() for line in (self.top / "calls").read_text().splitlines()]

    def locks(self):
        return sum(words[0] != "-u" for words in self.calls())

    def unlocks(self):
        return sum(words[0] == "-u" for words in self.calls())

    def settled(self, user, n):
        """It has locked and unlocked so often, and has ended."""
        return wait_for(lambda: self.unlocks() >= n and not user.lock.exists()) and self.locks() == self.unlocks() == n

    def status(self, n):
        """From now on it does nothing but end with this; None: it does what it is for."""
        if n is None:
            (self.top / "status").unlink()
        else:
            (self.top / "status").write_text(str(n))

    def set(self, name, on=True):
        """hang: before it locks; late: when it has."""
        if on:
            (self.top / name).touch()
        else:
            (self.top / name).unlink()


def make_user(daemon, **kw):
    user = daemon.user(kind=Mbox, **kw)
    for message in MESSAGES:
        user.inbox.deliver(message)
    user.path = user.inbox.path
    user.lock = user.path.with_name("INBOX.lock")
    return user


def login_begun(daemon, user):
    """A client that waits for the reply to PASS."""
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.say(f"PASS {user.password}")
    return c


@pytest.mark.parametrize("statements, options", [("", ["-r10"]), ("retry-count 0;", []),
                                                 ("retry-count 3; expire-timeout 600;", ["-f600", "-r3"])])
def test_calls(either, statements, options):
    """Locked to be scanned, and to be changed, with the mailbox's path."""
    user = make_user(either)
    locker = Locker(either, statements)
    c = either.login(user)
    path = str(user.path)
    expected = [[*options, path], ["-u", *options, path]]
    assert locker.settled(user, 1) and locker.calls() == expected
    c.ok("DELE 2")
    c.quit()
    assert locker.settled(user, 2) and locker.calls() == 2 * expected
    assert b"two" not in user.path.read_bytes()


def test_mailbox_that_is_known(daemon):
    """One that has not changed for a while needs no lock, and no program."""
    user = make_user(daemon)
    locker = Locker(daemon)

    def without():
        before = locker.calls()
        daemon.login(user).quit()
        return locker.calls() == before

    assert wait_for(without) and locker.locks() > 0


def test_links_are_resolved(daemon):
    """Others call the mailbox by its own name."""
    user = make_user(daemon)
    real = user.path.rename(user.path.with_name("REAL"))
    user.path.symlink_to(real)
    locker = Locker(daemon)
    daemon.login(user).quit()
    assert locker.calls()[0][-1] == str(real)


def dotlock(user, *options):
    """As another program of the owner would."""
    who = {"user": user.uid, "group": user.uid, "extra_groups": []} if os.getuid() == 0 else {}
    return subprocess.run([DOTLOCK, *options, user.path], **who, timeout=120).returncode


@pytest.mark.parametrize("program", [DOTLOCK, "dotlock"])
def test_held_by_another_program(daemon, program):
    """By its name in PATH; refused while it is held, and served when it is not. At QUIT nothing is deleted then."""
    user = make_user(daemon)
    daemon.extra += f"locking {{ type external; external-locker {program}; retry-count 1; }}\n"
    daemon.start()
    assert dotlock(user) == 0
    assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
    assert dotlock(user, "-u") == 0
    c = daemon.login(user)
    c.ok("DELE 1")
    assert dotlock(user) == 0
    assert c.cmd("QUIT").startswith(b"-ERR")
    assert user.path.read_bytes().count(b"Subject") == len(MESSAGES) and dotlock(user, "-u") == 0
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    assert user.path.read_bytes().count(b"Subject") == len(MESSAGES) - 1 and wait_for(lambda: not user.lock.exists())


@pytest.mark.parametrize("status, reply, reason", [
    (1, b"-ERR [SYS/TEMP]", "External locker failed"), (2, b"-ERR [SYS/TEMP]", "Lock not held on file"),
    (3, b"-ERR [IN-USE]", "Conflict with previous locker"), (4, b"-ERR [SYS/PERM]", "Operation not permitted"),
    (127, b"-ERR [SYS/TEMP]", "External locker failed")])
@pytest.mark.parametrize("compatible", ["no", "yes"])
def test_statuses(daemon, status, reply, reason, compatible):
    """What it ends with, with Mailutils' reasons. It was told how often to try, so it is run once; and again for the next login."""
    user = make_user(daemon)
    locker = Locker(daemon, "retry-count 5; retry-sleep 0;")
    locker.status(status)
    daemon.start(extra=daemon.extra + f"logging {{ syslog no; compatible {compatible}; }}\n")
    assert attempt(daemon, user).startswith(reply)
    daemon.wait_log(rf"locking mailbox `{user.path}' failed: {reason}" if compatible == "yes" else
                    rf'maildrop-refused .*reason="{reason}')
    assert locker.locks() == 1 and locker.unlocks() == 0
    locker.status(None)
    assert attempt(daemon, user).startswith(b"+OK")
    assert wait_for(lambda: locker.unlocks() == 1 and not user.lock.exists()) and locker.locks() == 2


def test_program_that_is_not_there(daemon):
    user = make_user(daemon)
    daemon.extra += "locking { type external; external-locker /nonexistent/locker; }\n"
    assert attempt(daemon, user).startswith(b"-ERR [SYS/TEMP]")
    daemon.wait_log(r"External locker failed: /nonexistent/locker: it could not be run")


def test_fcntl_counts_beside_it(daemon):
    """Who knows fcntl's lock alone is kept out, and keeps us out."""
    user = make_user(daemon)
    locker = Locker(daemon, "retry-count 2; retry-sleep 0;")
    daemon.start()
    with fcntl_lock(user.path):
        assert attempt(daemon, user).startswith(b"-ERR [IN-USE]")
        assert locker.settled(user, 2)
    assert attempt(daemon, user).startswith(b"+OK")


def test_program_that_hangs(daemon):
    """It holds up nobody, of its worker neither, and is ended with what it has started."""
    user = make_user(daemon)
    other = daemon.user(uid=user.uid)
    locker = Locker(daemon, "external-locker-timeout 3;")
    daemon.start()
    locker.set("hang")
    waiting = login_begun(daemon, user)
    assert wait_for(locker.locks)
    for _ in range(3):
        daemon.login(other).quit()
    assert waiting.line().startswith(b"-ERR [SYS/TEMP]")
    daemon.wait_log(r"External locker failed: \S+ took longer than external-locker-timeout")
    locker.set("hang", False)
    assert attempt(daemon, user).startswith(b"+OK")


def asked(daemon):
    """A user, his locker, and his client that waits: the program has locked, and not yet ended."""
    user, locker = make_user(daemon), Locker(daemon)
    daemon.start()
    locker.set("late")
    c = login_begun(daemon, user)
    assert wait_for(user.lock.exists)
    return user, locker, c


def test_client_that_leaves_while_it_runs(daemon):
    """What it locks for nobody is let go of."""
    user, locker, c = asked(daemon)
    c.close()
    locker.set("late", False)
    assert locker.settled(user, 1)
    assert attempt(daemon, user).startswith(b"+OK")


@pytest.mark.parametrize("when", ["locking", "held"])
def test_worker_is_killed(daemon, when):
    """The lock that it had, or was about to get, goes; the next session is served."""
    daemon.alarms_expected = True
    user = make_user(daemon)
    locker = Locker(daemon)
    c = daemon.login(user)
    assert locker.settled(user, 1)
    c.ok("DELE 2")
    slowed = Slowed(daemon, 600) if when == "held" else None
    locker.set("late")
    c.say("QUIT")
    assert wait_for(user.lock.exists)
    if slowed:
        locker.set("late", False)
        assert wait_for(lambda: list(user.path.parent.glob(".INBOX.new")))
    for pid in daemon.role_pids("pop3d-store"):
        os.kill(pid, signal.SIGKILL)
    if slowed:
        slowed.stop()
    else:
        locker.set("late", False)
    c.close()
    assert locker.settled(user, 2)
    c = daemon.login(user)
    assert c.stat()[0] == len(MESSAGES)
    c.quit()


@pytest.mark.parametrize("when", ["hang", "late"])
def test_end_of_the_daemon(daemon, when):
    """Nothing stays locked, and no program runs on."""
    user = make_user(daemon)
    locker = Locker(daemon)
    daemon.start()
    locker.set(when)
    c = login_begun(daemon, user)
    assert wait_for(user.lock.exists if when == "late" else locker.locks)
    daemon.process.send_signal(signal.SIGTERM)
    assert c.line().startswith(b"-ERR")
    locker.set(when, False)
    daemon.stop()
    assert not user.lock.exists() and locker.locks() == locker.unlocks() == 1


def test_reload_while_it_runs(daemon):
    """The session goes on with its generation, and its lock goes with it."""
    user, locker, c = asked(daemon)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("configuration reloaded")
    locker.set("late", False)
    c.line()
    assert wait_for(lambda: not user.lock.exists())
    c.close()


def test_inetd(either):
    """One process for one client: what is locked is unlocked before it ends."""
    user = make_user(either)
    locker = Locker(either)
    inetd = Inetd(either, extra=either.extra)
    c, p = inetd.login(user)
    c.ok("DELE 1")
    c.quit()
    assert p.wait(60) == 0 and locker.locks() == locker.unlocks() == 2 and not user.lock.exists()
    inetd.listener.close()


def test_single_process(either):
    user = make_user(either)
    locker = Locker(either)
    either.start(server="single-process yes;")
    c = either.login(user)
    c.ok("DELE 1")
    c.quit()
    assert locker.settled(user, 2)


@pytest.mark.needs_root
def test_spool(daemon):
    """Where owners may make no files the program has group mail. The mailbox is changed in place, and keeps what it is."""
    daemon.make_spool()
    user = SpoolUser(daemon)
    locker = Locker(daemon)
    before = user.path.stat()
    c = daemon.login(user)
    c.ok("DELE 2")
    c.quit()
    after = user.path.stat()
    assert locker.settled(user, 2)
    assert (after.st_ino, after.st_uid, after.st_gid, after.st_mode) == (before.st_ino, before.st_uid, before.st_gid, before.st_mode)
    assert os.listdir(daemon.spool) == [user.path.name]
    assert b"two" not in user.path.read_bytes() and user.path.read_bytes().count(b"Subject") == 2


@pytest.mark.needs_root
def test_change_in_place_is_brought_to_its_end_under_the_lock(daemon):
    """A worker dies in the middle: the lock is for the one that replays, and goes behind it."""
    daemon.alarms_expected = True
    daemon.make_spool()
    user = SpoolUser(daemon)
    locker = Locker(daemon)
    c = daemon.login(user)
    assert locker.settled(user, 1)
    c.ok("DELE 1")
    slowed = Slowed(daemon, 600, "ftruncate")
    c.say("QUIT")
    assert wait_for(lambda: list((daemon.top / "state").rglob("journal/*/????????????????"))), daemon.log()
    assert wait_for(lambda: slowed.file.read_text()), daemon.log()
    for pid in daemon.role_pids("pop3d-store"):
        os.kill(pid, signal.SIGKILL)
    slowed.stop()
    c.close()
    daemon.wait_log("a change that was interrupted is brought to its end")
    assert locker.settled(user, 2)
    c = daemon.login(user)
    assert c.stat()[0] == len(MESSAGES) - 1
    c.quit()


def test_deliverer_with_the_same_program(daemon):
    """Neither loses or doubles anything."""
    user = make_user(daemon)
    Locker(daemon, "retry-count 100;")
    daemon.start()
    subjects = [f"Subject: delivery {n}" for n in range(60)]

    def deliver():
        for subject in subjects:
            assert dotlock(user, "-r100", "-t1") == 0
            with open(user.path, "ab") as f:
                f.write(Mbox.FROM + f"{subject}\n\nx\n\n".encode())
            assert dotlock(user, "-u") == 0

    deliverer = threading.Thread(target=deliver)
    deliverer.start()
    got = collections.Counter()
    while True:
        last = not deliverer.is_alive()
        c = daemon.login(user)
        n = c.stat()[0]
        seen = [c.retr(i).split(b"\r\n")[0].decode() for i in range(1, n + 1)]
        for i in range(1, n + 1):
            c.ok(f"DELE {i}")
        if c.cmd("QUIT").startswith(b"+OK"):
            got.update(seen)
        if last and not n:
            break
    deliverer.join()
    assert got == collections.Counter(subjects + [m.split("\n")[0] for m in MESSAGES])


def test_mailbox_that_grew(daemon):
    """What has come is scanned under the lock."""
    user = make_user(daemon)
    locker = Locker(daemon)
    daemon.login(user).quit()
    touch(user)
    c = daemon.login(user)
    assert c.stat()[0] == len(MESSAGES) + 1
    c.quit()
    assert locker.settled(user, 2)


@pytest.mark.needs_root
def test_popctl(daemon):
    """It has no master that would start the program, and locks as the program does: what that has locked it leaves alone, and tells."""
    user = make_user(daemon)
    locker = Locker(daemon)
    assert dotlock(user) == 0
    assert popctl(daemon, "list", user.path, code=75) == ""
    assert dotlock(user, "-u") == 0
    shown = popctl(daemon, "list", user.path)
    assert len(ids(shown)) == len(MESSAGES) and not user.lock.exists() and locker.calls() == []
    daemon.start()
    assert ours(daemon, user) == shown
    assert locker.settled(user, 1)
