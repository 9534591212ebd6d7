"""`expire', `delete-expired', `expire-mark': when a message was retrieved, and what goes when."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pop3 import Gone
from server import Dotmail, Maildir, Mbox, Mh, own, wait_for

KINDS = [Maildir, Mbox, Mh, Dotmail]
DAY = 86400
MAILUTILS = Path("/usr/sbin/pop3d")


def message(n, header=""):
    return f"From: a@example.org\nSubject: number {n}\n{header}\nbody of {n}\nand more\n"


def stamp(seconds):
    return f"X-Expire-Timestamp: {int(time.time()) + seconds}\n"


def numbers(user):
    return [int(n) for text in user.inbox.contents() for n in re.findall(rb"Subject: number (\d+)", text)]


def texts(user):
    return [text.decode() for text in user.inbox.contents()]


def poll(daemon, user, *retrieved):
    """What UIDL says; these messages are retrieved."""
    c = daemon.login(user)
    ids = c.uidl()
    for n in retrieved:
        c.retr(n)
    c.quit()
    return ids


def polls(daemon, user):
    """How many messages it has; 0: it cannot be had at this moment."""
    try:
        return len(poll(daemon, user))
    except (AssertionError, Gone):
        return 0


def test_capabilities(make_daemon):
    """What CAPA says before the login and behind it; unset it is in dialogue/capa.pop3."""
    for days in (0, 7, 4294967294):
        daemon = make_daemon()
        user = daemon.user()
        daemon.start(extra=f"expire {days};")
        c = daemon.connect()
        c.ok("CAPA")
        assert f"EXPIRE {days}" in c.text()
        c.login(user)
        c.ok("CAPA")
        assert f"EXPIRE {days}" in c.text()
        c.quit()
        daemon.stop()


def test_delete_expired(daemon):
    """At QUIT, retrieved now or not: what bears a stamp of so many days ago, and nothing else. Other ends delete nothing."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    kept = [message(2, stamp(-2 * DAY)), message(3, "X-Expire-Timestamp: junk\n"), message(4, stamp(30 * DAY)), message(5),
            message(6, "X-Expire-Timestamp: 99999999999999999999999\n"), message(7, "X-Expire-Timestamp: -1\n")]
    for user in users:
        user.deliver(message(1, stamp(-3 * DAY - 10)))
        for text in kept:
            user.deliver(text)
    daemon.start(extra="expire 3; delete-expired yes; expire-mark index;")
    for user in users:
        c = daemon.login(user)
        before = c.uidl()
        sizes = c.list()
        assert len(before) == 7
        c.close()
        assert numbers(user) == [1, 2, 3, 4, 5, 6, 7]
        assert wait_for(lambda u=user: poll(daemon, u) == before)
        assert texts(user) == kept
        c = daemon.login(user)
        assert list(c.uidl().values()) == [before[n] for n in range(2, 8)]
        assert list(c.list().values()) == [sizes[n] for n in range(2, 8)]
        c.quit()
    daemon.wait_log(r"deleted user=.* deleted=1 failed=0 expired=1")


def test_without_delete_expired_nothing_goes(daemon):
    user = daemon.user()
    user.deliver(message(1, stamp(-9 * DAY)))
    daemon.start(extra="expire 3;")
    poll(daemon, user)
    assert numbers(user) == [1]
    daemon.restart(extra="delete-expired yes;")  # and `expire' unset: never
    poll(daemon, user)
    assert numbers(user) == [1]


def test_mail_that_comes_with_a_stamp(daemon):
    """Its sender has written that. So it is not believed, and the message stays; retrieved or not."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    daemon.start(extra="expire 3; delete-expired yes; expire-mark index;")
    for user in users:
        poll(daemon, user)
        user.deliver(message(1))
        poll(daemon, user)
        user.deliver(message(2, stamp(-30 * DAY)))
        poll(daemon, user)
        poll(daemon, user, 2)
        poll(daemon, user)
        assert numbers(user) == [1, 2]


def test_marks_in_the_index(daemon):
    """RETR and TOP mark, RSET does not undo it, and it is there however the session ends: what is marked goes when no day is left. The
    mailbox is not touched before."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    daemon.start(extra="expire 7; delete-expired yes; expire-mark index;")
    for user in users:
        for n in range(1, 9):
            user.deliver(message(n))
        before = user.inbox.contents()
        c = daemon.login(user)
        c.retr(1)
        c.top(2, 0)
        c.ok("RSET")
        for n in (4, 5, 6):  # of which two come ahead
            c.retr(n)
        c.close()
        assert wait_for(lambda u=user: len(poll(daemon, u)) == 8)
        assert user.inbox.contents() == before
    daemon.restart(extra="expire 0;")
    for user in users:
        assert len(poll(daemon, user)) == 8
        assert numbers(user) == [3, 7, 8]


@pytest.mark.needs_root
def test_marks_survive_what_dies(daemon):
    """A front, or the worker, killed while the session lasts."""
    daemon.alarms_expected = True
    user = daemon.user()
    for n in range(1, 5):
        user.deliver(message(n))
    daemon.start(extra="expire 7; expire-mark index;")
    for n, role in ((1, "pop3d-front"), (3, "pop3d-store")):
        c = daemon.login(user)
        c.retr(n)
        for pid in daemon.role_pids(role):
            os.kill(pid, signal.SIGKILL)
        c.close()
        assert wait_for(lambda: polls(daemon, user)) == 4
    daemon.restart(extra="expire 0;")
    poll(daemon, user)
    assert numbers(user) == [2, 4]


def test_nothing_may_stay(daemon):
    """`expire 0': what was sent whole goes at that QUIT. A preview deletes nothing, nor does a session that is cut."""
    users = [daemon.user(kind=kind) for kind in KINDS]
    for user in users:
        for n in range(1, 8):
            user.deliver(message(n))
    daemon.start(extra="expire 0;")
    for user in users:
        c = daemon.login(user)
        c.retr(1)
        c.close()
        assert wait_for(lambda u=user: len(poll(daemon, u)) == 7)
        c = daemon.login(user)
        c.top(1, 0)
        c.top(2, 1)
        c.top(3, 2)  # all of it
        c.top(4, 99999999)
        c.retr(5)
        c.retr(6)
        c.ok("DELE 6")
        c.ok("RSET")  # undoes DELE
        c.ok("DELE 7")
        assert c.stat()[0] == 6
        c.quit()
        assert numbers(user) == [1, 2]
        assert len(poll(daemon, user)) == 2
        assert numbers(user) == [1, 2]


def test_lost_index(daemon):
    """With `expire-mark index' a lost index is the loss of the marks: then messages stay until they are retrieved again."""
    user = daemon.user()
    user.deliver(message(1))
    user.deliver(message(2))
    daemon.start(extra="expire 7; expire-mark index;")
    poll(daemon, user, 1)
    (user.inbox.path / ".pop3-index").unlink()
    poll(daemon, user, 2)
    daemon.restart(extra="expire 0;")
    poll(daemon, user)
    assert numbers(user) == [1]


HEADER = re.compile(rb"^X-Expire-Timestamp: (\d+)\r?\n", re.M)
WRITERS = KINDS


def stamps(user):
    """Of each message, in their order; 0: it has none."""
    return [int(m.group(1)) if (m := HEADER.search(text.partition(b"\n\n")[0] + b"\n")) else 0 for text in user.inbox.contents()]


def test_headers(daemon):
    """At QUIT messages that were retrieved get the header, one value for the session, those only that have none. A client sees no difference."""
    users = [daemon.user(kind=kind) for kind in WRITERS]
    old = int(time.time()) - DAY
    for user in users:
        for n in range(1, 8):
            user.deliver(message(n, f"X-Expire-Timestamp: {old}\n" if n == 2 else "X-UID: 7\nStatus: RO\n" if n == 3 else ""))
    daemon.start(extra="expire 3; delete-expired yes;")
    for user in users:
        before = user.inbox.contents()
        c = daemon.login(user)
        seen = c.uidl(), c.list(), [c.retr(n) for n in (1, 2, 3, 4)], c.top(5, 0)
        c.ok("DELE 6")
        assert user.inbox.contents() == before
        c.quit()
        now = stamps(user)
        assert now[1] == old and now[0] == now[2] == now[3] == now[4] and now[5] == 0 and abs(now[0] - time.time()) < 60
        del before[5]
        assert [HEADER.sub(b"", text) if n != 1 else text for n, text in enumerate(user.inbox.contents())] == before
        assert b"number 3\nX-Expire-Timestamp: %d\nX-UID: 7\nStatus: RO\n\nbody" % now[2] in user.inbox.contents()[2]
        c = daemon.login(user)
        gone = seen[0].pop(6)
        assert gone not in c.uidl().values() and list(c.uidl().values()) == list(seen[0].values())
        assert list(c.list().values()) == [octets for n, octets in seen[1].items() if n != 6]
        assert [c.retr(n) for n in (1, 2, 3, 4)] == seen[2] and c.top(5, 0) == seen[3]
        c.quit()
        assert stamps(user) == now  # the first one counts


def test_headers_of_sessions_that_are_cut(daemon):
    """The next commit writes them."""
    users = [daemon.user(kind=kind) for kind in WRITERS]
    daemon.start(extra="expire 3;")
    for user in users:
        user.deliver(message(1))
        user.deliver(message(2))
        c = daemon.login(user)
        c.retr(1)
        c.close()
        assert stamps(user) == [0, 0]
        assert wait_for(lambda u=user: poll(daemon, u))
        now = stamps(user)
        assert now[0] > 0 and now[1] == 0
        poll(daemon, user)
        assert stamps(user) == now


def test_other_programs(daemon):
    """A script for cron, by Mailutils' sieve(1), finds our stamps and removes what is old by them; what is left we honour. mutt and frm see the mail."""
    users = [daemon.user(kind=kind) for kind in WRITERS]
    script = daemon.top / "expire.sieve"
    script.write_text(f'''require ["relational", "comparator-i;ascii-numeric"];
if header :value "lt" :comparator "i;ascii-numeric" "X-Expire-Timestamp" "{int(time.time()) - 7 * DAY}" {{ discard; }}
''')
    for user in users:
        for n, old in ((1, 9 * DAY), (2, 6 * DAY), (3, 4 * DAY), (4, 0)):
            user.deliver(message(n, stamp(-old) if old else ""))
    daemon.start(extra="expire 5;")
    for user in users:
        poll(daemon, user, 4)
        now = stamps(user)
        assert all(now)
        url = f"{user.inbox.__class__.__name__.lower()}:{user.inbox.path}"
        run = {"check": True, "timeout": 60, "env": {"HOME": str(user.home), "PATH": "/usr/bin:/bin"}, **as_user(user)}
        if user.inbox.__class__ is Mbox:  # Maildirs and folders it locks in a directory that it may not write to
            subjects = subprocess.run(["frm", "--no-config", "-f", "Subject", url], stdout=subprocess.PIPE,
                                      **{**run, "check": False}).stdout  # its status says that no mail is new
            assert re.findall(rb"number (\d)", subjects) == [b"1", b"2", b"3", b"4"]
        subprocess.run(["sieve", "--no-config", f"--mbox-url={url}", str(script)], **run)
        assert stamps(user) == now[1:]
        assert len(poll(daemon, user)) == 3
    daemon.restart(extra="expire 5; delete-expired yes;")
    for user in users:
        poll(daemon, user)
        assert numbers(user) == [3, 4]


@pytest.mark.needs_root
def test_no_header_in_place(daemon):
    """A mailbox with a second name is changed in place, where it cannot grow: deletions are done, the index alone has the stamps, it is said once, and
    not tried with each poll."""
    user = daemon.user(kind=Mbox)
    for n in range(1, 5):
        user.deliver(message(n))
    os.link(user.inbox.path, user.home / "other")
    daemon.start(extra="expire 7;")
    c = daemon.login(user)
    c.retr(1)
    c.retr(2)
    c.ok("DELE 2")
    c.quit()
    assert numbers(user) == [1, 3, 4] and stamps(user) == [0, 0, 0]
    daemon.wait_log("when 1 messages were retrieved is in the index alone: .*in place")
    before = user.inbox.path.stat().st_mtime_ns
    poll(daemon, user)
    assert user.inbox.path.stat().st_mtime_ns == before
    daemon.restart(extra="expire 0;")
    poll(daemon, user)
    assert numbers(user) == [3, 4]


@pytest.mark.needs_root
@pytest.mark.skipif(not MAILUTILS.exists(), reason="Mailutils' pop3d is not there")
def test_mailutils_daemon(daemon):
    """A mailbox that goes to and fro: what we have stamped Mailutils' pop3d deletes by the same arithmetic and does not stamp again; what it has stamped,
    we do."""
    user = daemon.user(kind=Mbox)
    for n, old in ((1, 5 * DAY + 60), (2, 4 * DAY), (3, 0), (4, 0)):
        user.deliver(message(n, stamp(-old) if old else ""))
    daemon.start(extra="expire 9;")
    poll(daemon, user, 3)
    ours = stamps(user)
    assert ours[2] > 0
    daemon.stop()
    talk(daemon, user, "expire 5; delete-expired yes;", "RETR 3", "RETR 4")
    theirs = stamps(user)
    assert numbers(user) == [2, 3, 4]
    assert theirs[:2] == ours[1:3] and theirs[2] > 0
    daemon.start(extra="expire 4; delete-expired yes;")
    poll(daemon, user)
    assert numbers(user) == [3, 4] and stamps(user) == theirs[1:]


def talk(daemon, user, statements, *commands):
    """A session of Mailutils' pop3d."""
    config = daemon.top / "mailutils.conf"
    config.write_text(f'''mode inetd; {statements}
auth {{ authorization virtdomain; authentication generic; }}
virtdomain {{ passwd-dir "{daemon.domains}"; }}
mailbox {{ mailbox-type mbox; }}
logging {{ syslog no; }}
mandatory-locking {{ enable no; lock-directory "{daemon.top}"; }}
''')
    here, there = socket.socketpair()
    with here, there, subprocess.Popen([MAILUTILS, f"--config-file={config}"], stdin=there, stdout=there, stderr=subprocess.PIPE) as server:
        here.settimeout(30)
        replies = here.makefile("rb")
        assert replies.readline().startswith(b"+OK"), server.stderr.read()
        for command in (f"USER {user.login}", f"PASS {user.password}", *commands, "QUIT"):
            here.sendall(command.encode() + b"\r\n")
            reply = replies.readline()
            assert reply.startswith(b"+OK"), (command, reply)
            while command.startswith("RETR") and replies.readline() != b".\r\n":
                pass
        server.wait(30)
    for path in (user.inbox.path, *user.inbox.path.rglob("*")):
        own(path, user.uid, user.gid)


def as_user(user):
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if os.getuid() == 0 else {}
