"""A storage error is told as one: never an empty or a shorter maildrop, never a wrong message completed."""

import os
import shutil

import pytest

from pop3 import Gone
from server import wait_for

SYS = (b"-ERR [SYS/TEMP] ", b"-ERR [SYS/PERM] ")


def fill(user, count=3):
    for n in range(count):
        user.deliver(f"Subject: m{n}\n\nbody {n}\n", name=f"170000000{n}.M1P1.host")


def unreadable(path):
    path.chmod(0)


def not_a_directory(path):
    shutil.rmtree(path)
    path.write_text("not a directory\n")


def dangling(path):
    shutil.rmtree(path)
    path.symlink_to("/nonexistent/place")


def looped(path):
    shutil.rmtree(path)
    path.symlink_to(path)


BREAK = {
    "maildir unreadable": lambda i: unreadable(i),
    "new unreadable": lambda i: unreadable(i / "new"),
    "cur unreadable": lambda i: unreadable(i / "cur"),
    "home unreadable": lambda i: unreadable(i.parent),
    "maildir not a directory": lambda i: not_a_directory(i),
    "new not a directory": lambda i: not_a_directory(i / "new"),
    "cur missing": lambda i: (i / "cur").rmdir(),
    "new missing": lambda i: shutil.rmtree(i / "new"),
    "new dangling": lambda i: dangling(i / "new"),
    "maildir dangling": lambda i: dangling(i),
    "maildir a loop": lambda i: looped(i),
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("what", BREAK)
def test_login_says_so(daemon, what, warm):
    """Before the first login, and after one (when a worker is warm and an index is there)."""
    user = daemon.user()
    fill(user)
    daemon.start()
    if warm:
        daemon.login(user).quit()
    BREAK[what](user.inbox.path)
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    reply = c.cmd(f"PASS {user.password}")
    assert reply.startswith(SYS), reply
    c.err("STAT")  # and there is no session
    c.close()


def test_message_that_cannot_be_read(daemon):
    """New, it cannot be counted: no login. Counted before, it is listed, and RETR says what is wrong."""
    user = daemon.user()
    fill(user)
    daemon.login(user).quit()
    user.inbox.file("1700000001.M1P1.host").chmod(0)
    c = daemon.login(user)
    assert c.stat()[0] == 3
    assert c.cmd("RETR 2").startswith(SYS)
    assert b"body 2" in c.retr(3)
    c.quit()
    user.deliver("Subject: late\n\nx\n", name="1800000000.M1P1.host")
    user.inbox.file("1800000000.M1P1.host").chmod(0)
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    assert c.cmd(f"PASS {user.password}").startswith(SYS)
    c.close()


def test_it_heals(daemon):
    """The same worker serves the maildrop again when the trouble is over."""
    user = daemon.user()
    fill(user)
    daemon.login(user).quit()
    user.inbox.path.chmod(0)
    c = daemon.connect()
    for _ in range(3):
        c.ok(f"USER {user.login}")
        assert c.cmd(f"PASS {user.password}").startswith(SYS)
    user.inbox.path.chmod(0o700)
    c.login(user)
    assert c.stat()[0] == 3
    c.quit()


def test_message_that_vanished(daemon):
    """Removed by somebody else in mid-session: an error or the end of the connection for it, the others are there."""
    user = daemon.user()
    fill(user)
    c = daemon.login(user)
    user.inbox.file("1700000001.M1P1.host").unlink()
    assert c.stat()[0] == 3
    assert b"body 0" in c.retr(1)
    assert c.cmd("RETR 2").startswith(b"-ERR")
    assert b"body 2" in c.retr(3)
    c.quit()


def test_message_that_was_renamed(daemon):
    """Another program sets flags or moves it to cur/ in mid-session: it is the same message."""
    user = daemon.user()
    fill(user)
    c = daemon.login(user)
    new, cur = user.inbox.path / "new", user.inbox.path / "cur"
    (new / "1700000001.M1P1.host").rename(cur / "1700000001.M1P1.host:2,S")
    assert b"body 1" in c.retr(2)
    c.ok("DELE 2")
    c.quit()
    assert len(user.inbox.files()) == 2


@pytest.mark.parametrize("octets", [100, 300000])
def test_message_that_was_rewritten_is_never_completed(daemon, octets):
    """Another program changes it in mid-session: no wrong message ends with its dot."""
    user = daemon.user()
    good = b"Subject: a\n\n" + b"a" * octets + b"\n"
    user.deliver(good, name="1700000000.M1P1.host")
    daemon.login(user).quit()
    for bad in (good.replace(b"aaa", b"bbb"), good[:-50], good + b"more\n"):
        path = user.inbox.file("1700000000.M1P1.host")
        path.write_bytes(good)
        c = daemon.login(user)
        path.write_bytes(bad)
        c.say("RETR 1")
        try:
            if c.line().startswith(b"+OK"):
                c.lines()
                pytest.fail("a wrong message was completed")
        except Gone:
            pass
        c.close()


def test_quit_that_cannot_delete_says_so(daemon):
    """Deletion fails: -ERR, and the mail is there. (The owner takes the right to write away from itself.)"""
    user = daemon.user()
    fill(user)
    c = daemon.login(user)
    c.ok("DELE 1")
    c.ok("DELE 2")
    for sub in ("new", "cur"):
        (user.inbox.path / sub).chmod(0o500)
    assert c.cmd("QUIT").startswith(b"-ERR")
    assert c.at_end()
    assert len(user.inbox.files()) == 3
    for sub in ("new", "cur"):
        (user.inbox.path / sub).chmod(0o700)
    c = daemon.login(user)
    assert c.stat()[0] == 3
    c.quit()


def test_deleting_what_is_gone_already(daemon):
    """Two programs delete the same message: what was asked for is so, and QUIT is answered."""
    user = daemon.user()
    fill(user)
    c = daemon.login(user)
    c.ok("DELE 1")
    user.inbox.file("1700000000.M1P1.host").unlink()
    c.say("QUIT")
    assert c.line()[:3] in (b"+OK", b"-ER")
    assert len(user.inbox.files()) == 2


@pytest.mark.parametrize("index", ["", "garbage", "cut", "zeros", "unreadable", "directory"])
def test_broken_index_costs_time_only(daemon, index):
    """Whatever the index file holds: the mail is right."""
    user = daemon.user()
    fill(user, 9)
    c = daemon.login(user)
    uids, sizes = c.uidl(), c.list()
    c.quit()
    files = wait_for(lambda: [p for p in list(user.inbox.path.glob(".pop3*")) + list((daemon.top / "cache").rglob("*"))
                              if p.is_file()], 5) or []
    for p in files:
        octets = p.read_bytes()
        if index == "directory":
            p.unlink()
            p.mkdir()
        elif index == "unreadable":
            p.chmod(0)
        else:
            p.write_bytes({"": b"", "garbage": os.urandom(len(octets)), "cut": octets[:len(octets) // 2],
                           "zeros": bytes(len(octets))}[index])
    user.deliver("Subject: m9\n\nbody 9\n", name="1700000009.M1P1.host")
    c = daemon.login(user)
    assert {n: uid for n, uid in c.uidl().items() if n < 10} == uids
    assert {n: s for n, s in c.list().items() if n < 10} == sizes
    for n in range(10):
        assert b"body %d" % n in c.retr(n + 1)
    c.quit()


@pytest.mark.needs_root
def test_mailbox_that_the_owner_may_not_write(daemon):
    """[SYS/PERM], and a log line with the chown that helps."""
    user = daemon.user()
    fill(user)
    os.chown(user.inbox.path, 0, 0)
    for sub in ("new", "cur", "tmp"):
        os.chown(user.inbox.path / sub, 0, 0)
    user.inbox.path.chmod(0o700)
    daemon.start()
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.err(f"PASS {user.password}", "SYS/PERM")
    daemon.wait_log("chown")
    c.close()
