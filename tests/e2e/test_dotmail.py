"""dotmail mailboxes, and Mailutils' programs at the same file."""

import os
import re
import subprocess

import pytest

from server import Dotmail, Mbox, own


@pytest.fixture
def user(daemon):
    return daemon.user(kind=Dotmail)


def message(n):
    return (f"From: a@example.org\nTo: b@example.org\nSubject: number {n}\nDate: Mon, 05 Jan 2026 10:00:00 +0000\nX-Number: <{n}>\n\n"
            "a line\n.\n..\n.dot\nFrom here\n>From there\n")


def wire(text):
    return text.replace("\n", "\r\n").encode()


def numbers(octets):
    return [int(n) for n in re.findall(rb"X-Number: <(\d+)>", octets)]


def mailutils(user, *command, input=None, code=0):
    env = {"HOME": str(user.home), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, input=input, capture_output=True, env=env, timeout=120, check=False)
    assert said.returncode == code, said
    own(user.inbox.path, user.uid, user.gid)
    return said.stdout.decode()


def uidls(daemon, user):
    c = daemon.login(user)
    ids = {numbers(c.top(n, 0))[0]: uidl for n, uidl in c.uidl().items()}
    c.quit()
    return ids


def test_session(daemon, user):
    """Dots undone and exact octets; what stays is untouched, and in the same place for a second reader."""
    for n in (1, 2, 3):
        user.deliver(message(n))
    c = daemon.login(user)
    assert c.stat() == (3, 3 * len(wire(message(1))))
    assert [c.retr(n) for n in (1, 2, 3)] == [wire(message(n)) for n in (1, 2, 3)]
    assert c.top(2, 2) == wire(message(2).partition("..")[0])
    c.ok("DELE 2")
    c.quit()
    assert user.inbox.contents() == [message(1).encode(), message(3).encode()]
    c = daemon.login(user)
    assert numbers(c.retr(1) + c.retr(2)) == [1, 3]
    c.ok("DELE 1")
    c.ok("DELE 2")
    c.quit()
    assert user.inbox.path.read_bytes() == b""


def test_walk(daemon, user):
    """One message after the other of a listing that is large: front reads the file itself, where it may."""
    for n in range(1, 301):
        user.deliver(message(n))
    c = daemon.login(user)
    assert [c.retr(n) for n in range(1, 301)] == [wire(message(n)) for n in range(1, 301)]
    assert [numbers(c.top(n, 1)) for n in range(1, 301)] == [[n] for n in range(1, 301)]
    c.quit()


def test_mailutils(daemon, user):
    """What mail(1) writes we read, and what we leave messages(1) and frm(1) read; its headers change no unique-id."""
    source = user.home / "source"
    source.write_bytes(b"".join(Mbox.FROM + message(n).replace("\n>From", "\n>>From").replace("\nFrom", "\n>From").encode() + b"\n"
                                for n in (1, 2, 3, 4)))
    user.inbox.path.unlink()
    url = f"dotmail:{user.inbox.path}"
    mailutils(user, "mail.mailutils", "-N", "-f", f"mbox:{source}", input=f"copy 1-4 {url}\nexit\n".encode())
    c = daemon.login(user)
    assert [c.retr(n) for n in (1, 2, 3, 4)] == [wire(message(n)) for n in (1, 2, 3, 4)]
    c.quit()
    before = uidls(daemon, user)
    mailutils(user, "mail.mailutils", "-N", "-f", url, input=b"print 1\ndelete 3\nquit\n")
    assert b"Status: " in user.inbox.path.read_bytes()
    left = uidls(daemon, user)
    assert list(left) == [1, 2, 4] and left.items() < before.items()
    c = daemon.login(user)
    assert b"Status" not in c.retr(1)
    c.ok("DELE 2")
    c.quit()
    assert mailutils(user, "messages", "-q", url).split()[-1] == "2"
    assert [line.split()[-1] for line in mailutils(user, "frm", url, code=1).splitlines()] == ["1", "4"]


def test_not_ended(daemon, user):
    """A message without its dot is served and can be deleted; the next one is none of it."""
    user.deliver(message(1))
    with open(user.inbox.path, "ab") as f:
        f.write(b"X-Number: <2>\n\nhalf a")
    c = daemon.login(user)
    assert c.stat()[0] == 2 and c.retr(2) == b"X-Number: <2>\r\n\r\nhalf a\r\n"
    c.ok("DELE 1")
    c.quit()
    assert user.inbox.path.read_bytes() == b"X-Number: <2>\n\nhalf a"


def test_mailbox_type(daemon, user):
    """A file that is empty, or not there, is what mailbox-type says."""
    user.inbox.path.unlink()
    daemon.start(extra="mailbox { mailbox-type dotmail; }")
    c = daemon.login(user)
    assert c.stat() == (0, 0)
    c.quit()
    assert not os.path.exists(user.inbox.path)
