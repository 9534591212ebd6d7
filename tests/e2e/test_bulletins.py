"""Bulletins: what comes to their source is put into every maildrop, once, whatever its format and whatever dies when."""

import concurrent.futures
import grp
import os
import random
import re
import signal
import subprocess

import pytest

from pop3 import Gone
from server import SANITIZED, Dotmail, Maildir, Mbox, Mh, own, process_name, wait_for
from test_counts import Trace, poll

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


# the data base

class Database:
    """Of numbers, as gdbm's own tool sees it."""

    def __init__(self, daemon):
        self.file = daemon.top / "numbers.db"
        self.statement = f'bulletin-db "{self.file}";'

    def tool(self, *command):
        def run():
            got = subprocess.run(["gdbmtool", "--norc" if self.file.exists() else "--newdb", str(self.file), *command],
                                 capture_output=True, text=True, check=False)
            return got if not re.search("locked|can't be", got.stderr, re.I) else None
        got = wait_for(run)
        assert got, "the data base stays locked"
        return got.stdout.strip()

    def write(self, key, value):
        self.tool("store", key, value)
        self.file.chmod(0o660)

    def share(self, daemon):
        """As Mailutils makes it."""
        self.file.chmod(0o660)
        own(self.file, daemon.uid, grp.getgrnam("mail").gr_gid)

    def number(self, key):
        got = self.tool("fetch", key)
        return got if re.fullmatch("[0-9]+", got) else None


def test_database(daemon):
    """It wins over .popbull; old keys have no domain; a record that is no number means all; new users, and those whom only .popbull knows."""
    source, db = Source(daemon), Database(daemon)
    source.add(1, 2, 3)
    own_key, old_key, wrong, new, file = users = [daemon.user() for _ in range(5)]
    db.write(own_key.login, "1")
    db.write(own_key.name, "3")
    db.write(old_key.name, " 0x2")
    db.write(wrong.login, "junk")
    db.share(daemon)
    for u in (own_key, file):
        (u.home / ".popbull").write_text("2\n")
        own(u.home / ".popbull", u.uid, u.gid)
    daemon.start(extra=source.statement(db.statement))
    for u, expected in zip(users, ([2, 3], [3], [], [1, 2, 3], [3])):
        assert seen(daemon, u) == expected, u.name
        if u is not wrong:
            assert wait_for(lambda: db.number(u.login) == "3"), u.name
    assert number(own_key) == "2\n" and db.number(own_key.name) == "3" and not (new.home / ".popbull").exists()
    daemon.wait_log(f"error: wrong bulletin database format for `{wrong.login}'")
    source.add(4)
    for u in users:
        assert seen(daemon, u)[-1:] == [4] and wait_for(lambda: db.number(u.login) == "4"), u.name
    # What was lost on the way is said again; a number that is higher than anything we know of is Mailutils'.
    db.write(new.login, "3")
    seen(daemon, new)
    assert wait_for(lambda: db.number(new.login) == "4")
    source.add(5, 6)
    db.write(new.login, "5")
    assert seen(daemon, new) == [1, 2, 3, 4, 6] and wait_for(lambda: db.number(new.login) == "6")


def test_database_that_cannot_be_used(daemon):
    """It is told, .popbull has the number meanwhile, and nobody gets anything twice when it is back."""
    source, db, user = Source(daemon), Database(daemon), daemon.user()
    source.add(1)
    db.file.write_text("this is no data base")
    db.share(daemon)
    daemon.start(extra=source.statement(db.statement))
    assert seen(daemon, user) == [1] and number(user) == "1\n"
    daemon.wait_log("error: unable to open bulletin db for reading: .*; ~/.popbull counts")
    db.file.unlink()
    source.add(2)
    daemon.restart()  # which makes it
    assert seen(daemon, user) == [1, 2] and wait_for(lambda: db.number(user.login) == "2")
    if os.getuid() == 0:
        assert db.file.stat().st_mode & 0o7777 == 0o660
    daemon.stop()
    for wrong in ("bulletin-db;", "bulletin-db (a, b);"):
        daemon.extra = wrong
        daemon.write_config()
        assert daemon.run("--config-lint").returncode == 78, wrong


@pytest.mark.parametrize("scheme", ["lmdb", "gdbm"])
def test_database_schemes(daemon, scheme):
    source, user = Source(daemon), daemon.user()
    source.add(1)
    daemon.start(extra=source.statement(f'bulletin-db "{scheme}://{daemon.top}/numbers";'))
    assert seen(daemon, user) == [1] and not (user.home / ".popbull").exists()
    assert (daemon.top / "numbers").exists()
    daemon.restart()
    source.add(2)
    assert seen(daemon, user) == [1, 2]
    assert "unable to open" not in daemon.log()


# many at a time

@pytest.mark.long
@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_once_whatever_dies(daemon, kind):
    """64 clients of one user at a time, while bulletins come, and stores, state and masters are killed."""
    daemon.alarms_expected = True
    source, db, user = Source(daemon, "maildir"), Database(daemon), daemon.user(kind=kind)
    user.deliver("Subject: own\n\nmine\n")
    daemon.start(extra=source.statement(db.statement) + "auth { failure-delay 0; }\n")
    rand, last = random.Random(5), 8

    def client(_):
        try:
            with daemon.connect(timeout=60) as c:
                c.ok(f"USER {user.login}")
                if not c.cmd(f"PASS {user.password}").startswith(b"+OK"):
                    return []
                got = [int(n) for msgno in c.list() for n in re.findall(rb"^X-Number: (\d+)\r$", c.top(msgno, 0), re.M)]
                c.ok("QUIT")
                return got
        except (Gone, OSError, AssertionError):
            return []

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for n in range(1, last + 1):
            source.add(n)
            results = pool.map(client, range(64))
            # Once a master: one that dies again and again is started with a growing pause.
            roles = "store|state|master" if n == 3 else "store|state"
            victims = [p for p in daemon.pids()[1:] if re.search(roles, process_name(p))]
            for pid in rand.sample(victims, min(2, len(victims))):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for got in results:
                assert len(got) == len(set(got)), got
    assert wait_for(lambda: client(0) == sorted(range(1, last + 1)), 120), client(0)
    assert sum(b"X-Number" in m for m in user.inbox.contents()) == last
    assert sum(b"mine" in m for m in user.inbox.contents()) == 1


# what it costs, and what others make of it

@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_nothing_new_costs_one_look(daemon):
    """One stat of the source in each login, however many bulletins there are; nothing of it is opened."""
    source, user = Source(daemon), daemon.user(kind=Mbox)
    user.deliver("Subject: own\n\nmine\n")
    cost = {}
    for count in (3, 2000):
        source.path.write_bytes(b"".join(Mbox.FROM + f"X: {n}\n\n{n}\n\n".encode() for n in range(count)))
        readable(source.path)
        os.utime(source.path, (1600000000, 1600000000))
        if not daemon.process:
            daemon.start(extra=source.statement("bulletin-new-user none;"))
        poll(daemon, user)
        looked = wait_for(lambda: calls(daemon, user, source, "openat") == 0, 30)
        assert looked, "the source is opened with every login"
        with Trace(daemon) as t:
            t.polls(10, daemon, user)
        named = [name for _, name, text in t.calls if source.path.name in text]
        assert len(named) == 10 and set(named) <= {"stat", "newfstatat"}, named
        cost[count] = t.count()
    assert cost[2000] < cost[3] * 1.2, cost


def calls(daemon, user, source, name):
    with Trace(daemon) as t:
        t.polls(1, daemon, user)
    return sum(n == name and source.path.name in text for _, n, text in t.calls)


THEIRS = "/usr/sbin/pop3d"


@pytest.mark.needs_root
@pytest.mark.skipif(not os.path.exists(THEIRS), reason="Mailutils' pop3d is not installed")
def test_mailutils_before_and_behind(daemon):
    """On the same mailbox, source, file and data base: it delivers, we go on, it goes on."""
    source, db, user = Source(daemon), Database(daemon), daemon.user(kind=Mbox)
    numbers_of = f'bulletin-db "gdbm://{db.file};none";'
    config = daemon.top / "mailutils.conf"
    config.write_text("mode inetd;\nauth { authorization virtdomain; authentication generic; }\n"
                      f'virtdomain {{ passwd-dir "{daemon.domains}"; }}\nmandatory-locking {{ enable no; }}\n'
                      f"logging {{ syslog no; }}\n{source.statement(numbers_of)}")

    def theirs():
        said = f"USER {user.login}\nPASS {user.password}\nSTAT\nQUIT\n"
        got = subprocess.run([THEIRS, f"--config-file={config}"], input=said, capture_output=True, text=True, check=False)
        return int(re.search(r"^\+OK (\d+) \d+\r?$", got.stdout, re.M)[1])

    source.add(1, 2)
    assert theirs() == 2 and db.number(user.name) == "2"
    db.file.chmod(0o660)
    source.add(3)
    daemon.start(extra=source.statement(numbers_of))
    assert seen(daemon, user) == [1, 2, 3] and wait_for(lambda: db.number(user.login) == "3")
    # Virtual users have their domain in our keys: whoever changes programs again sees to the other key.
    db.write(user.name, "3")
    source.add(4)
    assert theirs() == 4
    db.tool("delete", user.login)
    assert seen(daemon, user) == [1, 2, 3, 4]
