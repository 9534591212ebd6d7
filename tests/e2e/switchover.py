"""For test_switchover.py, as root in namespaces of its own: an installation of Debian's Mailutils is switched to pop3d as
docs/from-mailutils.md says, and back. Prints JSON: {stage: {what: what clients saw}}.

usage: switchover.py WORLD [PLACE]	WORLD as for takeover.py; PLACE: where clients keep their mail and what they know of a maildrop; without it
					it is about what is kept in data bases"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clients import Where, fetchmail, getmail, mpop
from pop3 import Pop3
from server import BINARY, Maildir, Mbox, Mh, wait_for
from takeover import ADDRESS, SECONDS, mount, start, stop, world_enter

GUIDE = Path(__file__).resolve().parents[2] / "docs/from-mailutils.md"
MAILUTILS = Path("/usr/sbin/pop3d")
DOMAIN = Path("/var/mail/example.test")
DAY = 86400
CLIENTS = (fetchmail, mpop, getmail)
NUMBER = re.compile(rb"^X-Number: (\d+)\r?$", re.M)


@dataclass
class User:
    login: str
    uid: int
    kind: type
    path: Path
    password: str = "secret"

    @property
    def inbox(self):
        return self.kind(self.path, self.uid, self.uid)


USERS = [
    User("bob", 31901, Mbox, Path("/var/mail/bob")),
    User("max", 31902, Maildir, Path("/var/mail/max")),
    User("mia", 31903, Mh, Path("/var/mail/mia")),
    User("ann@example.test", 31904, Maildir, DOMAIN / "ann/INBOX"),
    User("vic@example.test", 31905, Mbox, DOMAIN / "vic/INBOX"),
]


def deliver(user, n, text=b"text\n", header=b""):
    """Into new files, or behind an mbox; nothing of what was there changes."""
    user.inbox.deliver(b"From: a@example.org\nSubject: number %d\nX-Number: %d\n%s\n%s" % (n, n, header, text))
    if user.path.parent == Path("/var/mail"):
        spool()


def spool():
    os.chown("/var/mail", 0, 8)
    os.chmod("/var/mail", 0o2775)


def guide(title):
    """The commands of the block that begins with `# TITLE`, as they stand in the documentation, are run."""
    text = GUIDE.read_text(encoding="utf-8")
    block = re.search(rf"^    # {re.escape(title)}\n((?:    .*\n|\n)+)", text, re.M)
    assert block, title
    return subprocess.run(["sh", "-euc", re.sub(r"^    ", "", block[1], flags=re.M)], check=True, stdout=subprocess.PIPE, text=True).stdout


def is_free(user):
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        c.ok(f"USER {user.login}")
        free = c.cmd(f"PASS {user.password}").startswith(b"+OK")
        c.ok("QUIT")
        return free and c.at_end()


def wait_free(user):
    """Mailutils holds a maildrop a little longer than until its reply to QUIT, and clients do not look for the end of the connection."""
    assert wait_for(lambda: is_free(user)), user


def look(user):
    wait_free(user)
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        c.login(user)
        seen = {"stat": c.stat(), "list": c.list(), "uidl": c.uidl()}
        seen["retr"] = {n: c.retr(n).decode("latin-1") for n in seen["list"]}
        seen["capa"] = c.cmd(b"CAPA") and c.text()
        c.ok("QUIT")
        assert c.at_end()
    return seen


def attempts(client, user, directory, most):
    """What the client has fetched. With Mailutils getmail now and then ends with an exception of its own, and is called again."""
    for left in reversed(range(most)):
        try:
            return client(Where(ADDRESS[1], keep=True), user, directory)
        except AssertionError:
            if left == 0:
                raise


def fetch(place, user, most):
    """{client: numbers of the messages that it has fetched}"""
    got = {}
    for client in CLIENTS:
        directory = place / user.login / client.__name__
        directory.mkdir(parents=True, exist_ok=True)
        wait_free(user)
        got[client.__name__] = [int(n) for n in NUMBER.findall(attempts(client, user, directory, most))]
    return got


def stage(place, theirs=False):
    with ThreadPoolExecutor(4) as pool:  # each maildrop is one client's at a time
        fetched = dict(zip([u.login for u in USERS], pool.map(lambda u: fetch(place, u, 3 if theirs else 1), USERS)))
    return {"fetched": fetched, "seen": {u.login: look(u) for u in USERS}}


@contextlib.contextmanager
def ours_instead():
    """What the guide says to do while nobody serves; from here on to the end pop3d is in the place of Mailutils'."""
    guide("mail of virtual users")
    guide("files of virtual domains")
    seen = guide("unique-ids of Maildirs and MH folders")
    mount("--bind", BINARY, MAILUTILS)
    yield seen
    subprocess.run(["umount", MAILUTILS], check=True)


def clients(seen, place):
    """Clients that leave their mail on the server, while it is Mailutils', then ours, then Mailutils' again."""
    for user in USERS:
        for n, text in enumerate([b"one\n", b".\n..\n\nFrom here\n", b"x" * 900 + b"\n"], 1):
            deliver(user, n, text)
    start()
    seen["mailutils"] = stage(place, theirs=True)
    seen["check"] = guide("what it says to the configuration")
    stop()
    with ours_instead() as seen["import"]:
        start()
        seen["poplar"] = stage(place)
        for user in USERS:
            deliver(user, 4)
        seen["new mail"] = stage(place)
        for user in USERS:
            with Pop3(ADDRESS, timeout=SECONDS) as c:
                c.login(user)
                c.ok("DELE 2")
                c.quit()
        stop()
    start()
    seen["back"] = stage(place, theirs=True)
    stop()


def log_in(user):
    """What is said to the password, without what Mailutils and we say differently; and the numbers of the messages that are there."""
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        c.ok(f"USER {user.login}")
        reply = c.cmd(f"PASS {user.password}").decode("ascii")
        there = [int(n) for m in c.list() for n in NUMBER.findall(c.retr(m))] if reply.startswith("+OK") else None
        c.ok("QUIT")
        assert c.at_end()
    return reply if there is None else "+OK", there


def numbers_of(*users):
    return [log_in(u)[1] for u in users]


def records(file):
    """What other programs see in a data base."""
    return subprocess.run(["gdbmtool", "--read-only", file, "list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[:-1]


BULLETINS = Path("/var/lib/bulletins")
NUMBERS = BULLETINS / "numbers.db"


def publish(n):
    Mbox(BULLETINS / "source", 0, 0).deliver(b"From: admin@example.org\nSubject: bulletin\nX-Number: %d\n\nread this\n" % n)
    os.chmod(BULLETINS / "source", 0o644)


def bulletins(phase, who, news):
    """Each bulletin comes to everybody once, whoever serves. `who` has logged in before, `news` have not."""
    start()
    seen = {"first": numbers_of(*who)}
    if phase > 0:
        publish(102 + phase)
        seen["new"] = numbers_of(*who, *news)
    seen["again"] = numbers_of(*who)
    stop()
    return seen


def in_database(phase):
    bob, max_, _, ann, _ = USERS
    if phase == 0:
        BULLETINS.mkdir()
        publish(101)
        publish(102)
        subprocess.run(["gdbmtool", "--newdb", NUMBERS, "store", "somebody", "1"], check=True)
        shutil.chown(NUMBERS, "root", "mail")
        NUMBERS.chmod(0o660)
    return {**bulletins(phase, [bob, ann], [max_]), "records": records(NUMBERS)}


def in_home(phase):
    _, _, mia, _, vic = USERS
    homes = [Path("/home/mia"), vic.path.parent]
    if phase == 0:
        mount("-t", "tmpfs", "none", "/home")
        BULLETINS.mkdir(exist_ok=True)
        BULLETINS.joinpath("source").unlink(missing_ok=True)
        publish(101)
        publish(102)
        homes[0].mkdir()
        for home, user in zip(homes, (mia, vic)):
            home.joinpath(".popbull").write_text("1\n", encoding="ascii")
            os.chown(home, user.uid, user.uid)
            os.chown(home / ".popbull", user.uid, user.uid)
    return {**bulletins(phase, [mia, vic], []), "records": [home.joinpath(".popbull").read_text(encoding="ascii") for home in homes]}


def expiry(phase):
    """What Mailutils has stamped expires here, and the other way round."""
    bob, max_, mia, ann, vic = USERS
    if phase == 1:  # as if it had been fetched in time
        for user in USERS:
            deliver(user, 2, header=b"X-Expire-Timestamp: %d\n" % (time.time() - 4 * DAY))
    if phase == 2:
        for user in USERS:
            deliver(user, 3)
    start()
    seen = {user.login: numbers_of(user, user) for user in USERS}
    stop()
    return seen | {"stamps": [len(re.findall(rb"^X-Expire-Timestamp: \d+$", b"".join(user.inbox.contents()), re.M)) for user in USERS]}


LOGINS = Path("/var/lib/logins.db")


def delays(phase):
    """One login in each interval, whoever serves."""
    bob, max_, mia, ann, _ = USERS
    start()
    seen = [log_in(u)[0] for u in [(bob, bob, ann), (bob, ann, max_, max_), (bob, max_, mia)][phase]]
    stop()
    return {"logins": seen, "records": [r.split()[0] for r in records(LOGINS)]}


def apop(phase):
    """Secrets that Mailutils' popauth has written are those that a digest is made of, whoever serves."""
    bob, max_, *_ = USERS
    if phase == 0:
        subprocess.run(["popauth", "--create", "--file=/dev/stdin"], input="bob shared\n", check=True, text=True)
    start()
    seen = []
    for user, secret in ((bob, b"shared"), (bob, b"wrong"), (max_, b"shared")):
        with Pop3(ADDRESS, timeout=SECONDS) as c:
            stamp = re.search(rb"<.*>", c.greeting)[0]
            reply = c.cmd(b"APOP %s %s" % (user.login.encode(), hashlib.md5(stamp + secret).hexdigest().encode()))
            seen.append(reply[:3].decode("ascii"))
            c.ok("QUIT")
    seen.append(log_in(bob)[0])
    stop()
    return seen


FEATURES = {
    "expiry": (expiry, "expire 3;\ndelete-expired yes;\n"),
    "bulletins in a database": (in_database, f'bulletin-source {BULLETINS}/source;\nbulletin-db "gdbm://{NUMBERS};none";\n'),
    "bulletins in home": (in_home, f"bulletin-source {BULLETINS}/source;\n"),
    "delays": (delays, f'login-delay "1 hour";\nstat-file "gdbm://{LOGINS};none";\n'),
    "apop": (apop, "apop-database-file /etc/apop.db;\napop-database-owner root;\n"),
}


def features(seen):
    """One after the other, from Mailutils to pop3d and back."""
    conf = Path("/etc/mailutils.conf")
    text = conf.read_text(encoding="ascii")
    for user in USERS:
        deliver(user, 1)
    for name, (feature, statements) in FEATURES.items():
        conf.write_text(text + statements, encoding="ascii")
        seen[name] = [feature(0)]
        with ours_instead():
            seen[name].append(feature(1))
        seen[name].append(feature(2))


def main(world, place=None):
    world_enter(Path(world), MAILUTILS)
    mount("--bind", Path(world) / "local", "/usr/local")
    seen = {}
    clients(seen, Path(place)) if place else features(seen)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
