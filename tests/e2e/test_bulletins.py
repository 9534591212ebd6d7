"""Bulletins: what comes to their source is put into every maildrop, once, whatever its format and whatever dies when."""

import os
import re
import signal
import threading
import time

import pytest

from pop3 import Gone
from server import Dotmail, Maildir, Mbox, Mh, own, wait_for

KINDS = {"mbox": Mbox, "maildir": Maildir, "mh": Mh, "dotmail": Dotmail}
KEPT = ("Status: RO\nX-Status: A\nX-Keywords: k\nX-UID: 7\nX-IMAPbase: 1 2\nX-UIDL: abc\nX-Expire-Timestamp: 5\n"
        "  continued\n")
BODY = "From the start\n>From quoted\n.\n..two\n.dot\nlast\n"


def text(n):
    return f"From: root@example.org\nDate: Mon, {n:2} Jan 2026 10:00:00 +0000\nSubject: bulletin {n}\nX-Number: {n}\n\n{BODY}"


def quoted(message):
    """As an mbox has it."""
    return re.sub("^(>*From )", r">\1", message, flags=re.M)


def readable(path):
    for p in (path, *(path.rglob("*") if path.is_dir() else ())):
        p.chmod(0o755 if p.is_dir() else 0o644)


class Source:
    """The mailbox that bulletins come from: root's, and everybody may read it."""

    def __init__(self, daemon, kind="mbox"):
        self.path = daemon.top / f"bulletins.{kind}"
        self.box = KINDS[kind](self.path, daemon.uid, daemon.uid)
        daemon.top.chmod(0o755)
        self.url = f"{kind}:{self.path}"

    def add(self, *numbers, header=""):
        for n in numbers:
            self.box.deliver(header + (quoted(text(n)) if type(self.box) is Mbox else text(n)))
        readable(self.path)

    def statement(self, more=""):
        return f'bulletin-source "{self.url}";\n{more}\n'


def numbers(client):
    """Of the bulletins in an open maildrop, in its order; each must be what was announced."""
    found = []
    for msgno in client.list():
        message = client.retr(msgno).decode()
        if match := re.search(r"^X-Number: (\d+)\r$", message, re.M):
            found.append(int(match[1]))
            assert message == text(found[-1]).replace("\n", "\r\n")
    return found


def seen(daemon, user):
    c = daemon.login(user)
    got = numbers(c)
    c.quit()
    return got


def number(user):
    return (user.home / ".popbull").read_text()


def record(daemon, user):
    return next(p for p in (daemon.top / "state" / "uidl" / str(user.uid)).iterdir() if p.name.endswith(".bulletins"))


@pytest.mark.parametrize("kind", KINDS)
def test_source(daemon, kind):
    """From a source of each format into maildrops of all: counted in the first reply, whole, without what programs keep in headers."""
    source = Source(daemon, kind)
    source.add(1, header=KEPT)
    source.add(2)
    users = [daemon.user(kind=k) for k in KINDS.values()]
    for u in users:
        u.deliver("Subject: own\n\nmine\n")
    daemon.start(extra=source.statement())
    for u in users:
        c = daemon.connect()
        c.ok(f"USER {u.login}")
        assert b" 3 messages" in c.ok(f"PASS {u.password}"), u.inbox
        assert numbers(c) == [1, 2]
        uidls = c.uidl()
        c.quit()
        c = daemon.login(u)
        assert numbers(c) == [1, 2] and c.uidl() == uidls
        c.quit()
        assert number(u) == "2\n"
        stored = b"".join(u.inbox.contents())
        assert b"X-UIDL" not in stored and b"Status" not in stored and b"continued" not in stored
    if kind == "mbox":
        assert users[0].inbox.path.read_bytes().count(Mbox.FROM) == 3
    source.add(3)
    for u in users:
        assert seen(daemon, u) == [1, 2, 3]
        assert number(u) == "3\n"
        c = daemon.login(u)
        c.ok("DELE 2")
        c.quit()
        assert seen(daemon, u) == [2, 3] and record(daemon, u).stat().st_mode & 0o777 == 0o600


def test_identities_count_and_not_places(daemon):
    """A source that was shortened or brought into another order: nobody misses a new one, nobody gets an old one again."""
    source, user = Source(daemon, "mh"), daemon.user()
    source.add(1, 2, 3)
    daemon.start(extra=source.statement())
    assert seen(daemon, user) == [1, 2, 3]
    source.box.file(1).unlink()
    source.box.file(2).unlink()
    assert seen(daemon, user) == [1, 2, 3] and number(user) == "3\n"
    source.add(4)  # place 2
    assert seen(daemon, user) == [1, 2, 3, 4] and number(user) == "2\n"
    source.box.file(3).rename(source.path / "9")
    source.add(5)
    assert seen(daemon, user) == [1, 2, 3, 4, 5]
    source.box.file(9).unlink()
    source.box.file(10).rename(source.path / "1")
    daemon.restart()
    assert seen(daemon, user) == [1, 2, 3, 4, 5]


NUMBERS = [("2\n", [3]), ("  0x2 rest\n", [3]), ("00", [1, 2, 3]), ("010", []), ("-1", []), ("", None), ("junk\n", None), ("2x", None)]


def test_popbull(daemon):
    """What Mailutils has left says what a user has; one that is no number means none, and stays."""
    source = Source(daemon)
    source.add(1, 2, 3)
    users = [daemon.user(kind=Mbox) for _ in NUMBERS]
    link = daemon.user()
    for u, (content, _) in zip(users, NUMBERS):
        (u.home / ".popbull").write_text(content)
        own(u.home / ".popbull", u.uid, u.gid)
    (daemon.top / "elsewhere").write_text("0\n")
    (link.home / ".popbull").symlink_to(daemon.top / "elsewhere")
    daemon.start(extra=source.statement())
    for u, (content, expected) in zip(users, NUMBERS):
        assert seen(daemon, u) == (expected or []), content
        assert number(u) == ("3\n" if expected else content), content
    assert "/.popbull: it does not begin with a number" in daemon.log()
    assert seen(daemon, link) == [] and (daemon.top / "elsewhere").read_text() == "0\n"
    # Mailutils has delivered in between: what it says that we do not know of is believed.
    u = users[0]
    source.add(4, 5)
    (u.home / ".popbull").write_text("4\n")
    assert seen(daemon, u) == [3, 5] and number(u) == "5\n"
    (u.home / ".popbull").unlink()
    assert seen(daemon, u) == [3, 5]


def test_new_user(daemon):
    """all, none, since: for those who have neither a record nor a file."""
    source = Source(daemon)
    source.add(1, 2, 3)
    for arg, expected in (("all", [1, 2, 3]), ("none", []), ('since "2026-01-02"', [2, 3])):
        user = daemon.user()
        daemon.start(extra=source.statement(f"bulletin-new-user {arg};"))
        assert seen(daemon, user) == expected and number(user) == "3\n"
        daemon.stop()
    source.add(4)
    daemon.start()
    assert seen(daemon, user) == [2, 3, 4]
    daemon.stop()
    for wrong in ("some", "since", 'since "tomorrow"', 'all "2026-01-02"'):
        daemon.extra = source.statement(f"bulletin-new-user {wrong};")
        daemon.write_config()
        assert daemon.run("--config-lint").returncode == 78, wrong


def test_source_that_cannot_be_read(daemon):
    """It is told, with what helps, and sessions are as ever; one that does not exist as well."""
    source, user = Source(daemon), daemon.user()
    source.add(1)
    user.deliver("Subject: own\n\nmine\n")
    daemon.start(extra=source.statement())
    if os.getuid() == 0:
        source.path.chmod(0o600)
        assert seen(daemon, user) == []
        daemon.wait_log(rf"error: cannot open bulletin mailbox `{source.url}': .*Permission denied.*chmod -R a\+rX {source.path}")
    source.path.rename(daemon.top / "away")
    assert seen(daemon, user) == []
    daemon.wait_log(rf"error: cannot open bulletin mailbox `{source.url}': .*No such file")
    (daemon.top / "away").rename(source.path)
    source.path.chmod(0o644)
    assert seen(daemon, user) == [1]
    daemon.restart(extra='bulletin-source "nonsense:/x";')
    assert seen(daemon, user) == [1]
    daemon.wait_log("cannot open bulletin mailbox `nonsense:/x': mailbox format nonsense is not known")


def test_one_that_is_being_written(daemon):
    """Under the lock of whoever writes, or without an end a moment ago: it comes when it is whole."""
    source, user = Source(daemon), daemon.user()
    source.add(1)
    daemon.start(extra=source.statement())
    whole = source.path.read_bytes()
    lock = source.path.with_name(source.path.name + ".lock")
    lock.write_text(str(os.getpid()))
    assert seen(daemon, user) == []
    lock.unlink()
    second = Mbox.FROM + quoted(text(2)).encode() + b"\n"
    source.path.write_bytes(whole + second[:-20])
    assert seen(daemon, user) == [1] and number(user) == "1\n"
    source.path.write_bytes(whole + second)
    assert seen(daemon, user) == [1, 2] and number(user) == "2\n"


def test_in_both_old_and_new_lines(daemon):
    source, user = Source(daemon), daemon.user()
    source.add(1, 2)
    daemon.start(extra=source.statement())
    seen(daemon, user)
    daemon.wait_log(rf'info: bulletins user="{user.name}" maildrop="[^"]*" delivered=2 number=2')
    source.add(3)
    daemon.restart(extra=source.statement("logging { compatible yes; }"))
    seen(daemon, user)
    daemon.wait_log(f"debug: user {user.name}, last bulletin 2, total bulletins 3")
    daemon.wait_log(f"info: user {user.name}: delivering 1 pending bulletin\n")
