"""Mailboxes in one file: what is listed and sent of them, what deletions leave, and other programs at the same file."""

import crypt
import hashlib
import mailbox
import os
import re
import subprocess
import threading

import pytest

from pop3 import Gone
from server import Mbox, own
from test_counts import SANITIZED, Trace, poll

FROM = Mbox.FROM.decode()


@pytest.fixture
def user(daemon):
    return daemon.user(kind=Mbox)


def message(n, size=200):
    line = f"line of message {n}, with > and From in it\n"
    return f"From: a@example.org\nSubject: number {n}\nX-Number: <{n}>\n\n" + line * (size // len(line) + 1)


def numbers(octets):
    return sorted(int(n) for n in re.findall(rb"X-Number: <(\d+)>", octets))


def wire(text):
    return text.replace("\n", "\r\n").encode()


# ---- what is shown


def test_session(daemon, user):
    """Exact octets, quoting undone, bookkeeping headers neither sent nor counted; what stays is untouched."""
    user.inbox.deliver("A: 1\nStatus: RO\nX-UID: 7\n\n>From me\n.\n")
    user.inbox.deliver("A: 2\n\nFrom you\n\nFrom nobody\n")
    user.inbox.deliver("A: 3\n\nlast")
    c = daemon.login(user)
    expected = [wire("A: 1\n\nFrom me\n.\n"), wire("A: 2\n\nFrom you\n\nFrom nobody\n"), wire("A: 3\n\nlast\n")]
    assert c.stat() == (3, sum(map(len, expected)))
    assert c.list() == {n + 1: len(text) for n, text in enumerate(expected)}
    assert [c.retr(n) for n in (1, 2, 3)] == expected
    assert c.top(2, 1) == wire("A: 2\n\nFrom you\n")
    c.ok("DELE 2")
    c.quit()
    assert user.inbox.path.read_text() == (
        FROM + "A: 1\nStatus: RO\nX-UID: 7\n\n>From me\n.\n\n" + FROM + "A: 3\n\nlast\n\n")


@pytest.mark.parametrize("quoting, sent", [("mboxrd", "From a\n>From b\n"), ("mboxo", "From a\n>>From b\n"),
                                           ("none", ">From a\n>>From b\n")])
def test_quoting(daemon, user, quoting, sent):
    """The statement decides, and an index that was made with another value does not count."""
    user.inbox.deliver("A: 1\n\n>From a\n>>From b\n")
    daemon.start(extra="mailbox { mbox-quoting mboxrd; }")
    poll(daemon, user)
    daemon.restart(extra=f"mailbox {{ mbox-quoting {quoting}; }}")
    c = daemon.login(user)
    assert c.retr(1) == wire("A: 1\n\n" + sent)
    assert c.list() == {1: len(wire("A: 1\n\n" + sent))}
    c.quit()


def test_no_mailbox_is_an_empty_one(daemon, user):
    """And none is made, nor anything else."""
    user.inbox.path.unlink()
    c = daemon.login(user)
    assert c.stat() == (0, 0)
    c.quit()
    assert list(user.home.iterdir()) == []
    user.inbox.path.write_bytes(Mbox.FROM + b"A: 1\n\n")
    own(user.inbox.path, user.uid, user.gid)
    c = daemon.login(user)
    assert c.stat() == (1, 6)
    c.quit()


def test_crlf(daemon, user):
    """A mailbox that came from elsewhere: the same octets on the wire, and a deliverer that does not know it."""
    user.inbox.write(b"".join(Mbox.FROM + message(n).encode() + b"\n" for n in (1, 2, 3)).replace(b"\n", b"\r\n"))
    user.inbox.deliver(message(4))
    c = daemon.login(user)
    assert c.stat() == (4, sum(len(wire(message(n))) for n in (1, 2, 3, 4)))
    assert [c.retr(n) for n in (1, 2, 3, 4)] == [wire(message(n)) for n in (1, 2, 3, 4)]
    c.ok("DELE 2")
    c.ok("DELE 3")
    c.quit()
    first = (Mbox.FROM + message(1).encode() + b"\n").replace(b"\n", b"\r\n")
    assert user.inbox.path.read_bytes() == first + Mbox.FROM + message(4).encode() + b"\n"


@pytest.mark.parametrize("before, shown", [(b"", []), (b"\n\r\n", []), (b"end of a line\n\n", [b"end of a line\r\n"]),
                                           (b"A: 1\n\nlost its From_\n\n", [b"A: 1\r\n\r\nlost its From_\r\n"]),
                                           (b"\0" * 600 + b"\n\n", [])])
def test_what_is_before_the_first_from_line(daemon, user, before, shown):
    """Mail that has lost its beginning is mail; and when all is deleted, it is still a mailbox."""
    user.inbox.write(before)
    user.inbox.deliver(message(1))
    c = daemon.login(user)
    assert c.stat()[0] == len(shown) + 1
    assert [c.retr(n + 1) for n in range(len(shown))] == shown and numbers(c.retr(len(shown) + 1)) == [1]
    c.ok(f"DELE {len(shown) + 1}")
    c.quit()
    assert user.inbox.path.read_bytes() == before
    if not shown:
        c = daemon.login(user)
        assert c.stat() == (0, 0)
        c.quit()


@pytest.mark.parametrize("octets, reason", [(b"hello\n", "no known mailbox format"), (b"hello\n\nFrom me\n", "no known mailbox format")])
def test_what_is_no_mailbox_is_refused(daemon, user, octets, reason):
    user.inbox.write(octets)
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.err(f"PASS {user.password}", "SYS/PERM")
    daemon.wait_log(reason)
    assert user.inbox.path.read_bytes() == octets


def test_internal_data_of_other_programs(daemon, user):
    """Hidden, and kept whatever is deleted."""
    internal = ("From: Mail System Internal Data <MAILER-DAEMON@host>\n"
                "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\nThis text\n")
    user.inbox.deliver(internal)
    user.inbox.deliver(message(1))
    c = daemon.login(user)
    assert c.stat()[0] == 1 and numbers(c.retr(1)) == [1]
    c.ok("DELE 1")
    c.quit()
    assert user.inbox.contents() == [internal.encode()]
    c = daemon.login(user)
    assert c.stat() == (0, 0)
    c.quit()


def test_large_messages(daemon, user):
    """Those that go over as descriptors, beside small ones."""
    sizes = [200, 300000, 100, 5000000, 70000]
    for n, size in enumerate(sizes):
        user.inbox.deliver(message(n, size))
    c = daemon.login(user)
    for n, size in enumerate(sizes):
        assert c.retr(n + 1) == wire(message(n, size))
    c.quit()


def test_all_deleted(daemon, user):
    """The file stays, empty, with owner and mode."""
    for n in range(3):
        user.inbox.deliver(message(n))
    user.inbox.path.chmod(0o640)
    before = user.inbox.path.stat()
    c = daemon.login(user)
    for n in (1, 2, 3):
        c.ok(f"DELE {n}")
    c.quit()
    after = user.inbox.path.stat()
    assert after.st_size == 0
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert not (user.home / "INBOX.lock").exists()


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_links(daemon, user, link):
    """What a symbolic link leads to is changed, and the link stays; a file of two names stays one."""
    for n in range(3):
        user.inbox.deliver(message(n))
    other = user.home / "other"
    if link == "hard":
        os.link(user.inbox.path, other)
    else:
        user.inbox.path.rename(other)
        user.inbox.path.symlink_to("other")
    daemon.start()
    c = daemon.login(user)
    c.ok("DELE 2")
    c.quit()
    assert numbers(other.read_bytes()) == [0, 2]
    assert user.inbox.path.is_symlink() == (link == "symbolic")
    assert other.stat().st_ino == user.inbox.path.stat().st_ino


# ---- the index


def index_of(user):
    return user.home / ".INBOX.pop3idx"


def settle(user):
    """The last change was long ago, and the index was made later."""
    os.utime(user.inbox.path, (1600000000, 1600000000))


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_unchanged_is_opened_at_a_fixed_cost(daemon):
    """As many system calls for 30,000 messages as for 10, and no lock. (The clock: an index is believed two seconds behind a change.)"""
    cost = {}
    for count in (10, 30000):
        user = daemon.user(kind=Mbox)
        user.inbox.write(b"".join(Mbox.FROM + f"A: {n}\n\nbody\n\n".encode() for n in range(count)))
        daemon.process or daemon.start()
        poll(daemon, user)
        index, changed = index_of(user), user.inbox.path.stat().st_ctime_ns
        for _ in range(100):
            if index.stat().st_ctime_ns - changed > 2_100_000_000:
                break
            threading.Event().wait(0.7)
            poll(daemon, user)
        with Trace(daemon) as t:
            for _ in range(4):
                daemon.login(user).quit()
                t.settle()
        assert t.count("store", "linkat", "link") == 0 and t.count("store") > 0
        looks = [text for _, name, text in t.calls if "INBOX.lock" in text and name in ("newfstatat", "faccessat2", "openat")]
        assert len(looks) == sum("INBOX.lock" in text for _, name, text in t.calls)  # whether somebody else has one
        assert not [text for text in looks if "O_CREAT" in text]
        cost[count] = t.count("store")
    assert cost[10] * 0.9 < cost[30000] < cost[10] * 1.1, cost


def test_index_beside_and_elsewhere(daemon, user):
    """Beside the mailbox where its owner may write, else in the cache; and such a mailbox can be deleted from, in its place."""
    user.inbox.deliver(message(1))
    daemon.start()
    poll(daemon, user)
    assert index_of(user).stat().st_uid == user.uid
    if os.getuid() != 0:
        return
    index_of(user).unlink()
    own(user.home, 0, 0)
    user.home.chmod(0o755)
    user.inbox.deliver(message(2))
    c = daemon.login(user)
    assert c.stat()[0] == 2
    c.quit()
    assert not index_of(user).exists()
    assert list((daemon.top / "cache" / str(user.uid)).iterdir())
    inode = user.inbox.path.stat().st_ino
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    assert numbers(user.inbox.path.read_bytes()) == [2] and user.inbox.path.stat().st_ino == inode


# ---- unique-ids


def uidls(daemon, user):
    c = daemon.login(user)
    found = list(c.uidl().values())
    c.quit()
    return found


def test_uidl_stays(daemon, user):
    """Through index loss, other messages' deletion, rewritten headers, deliveries and a move."""
    for n in range(5):
        user.inbox.deliver(message(n))
    before = uidls(daemon, user)
    assert len(set(before)) == 5 and all(re.fullmatch("[0-9a-f]{32}", uid) for uid in before)
    index_of(user).unlink()
    assert uidls(daemon, user) == before
    box = mailbox.mbox(user.inbox.path)
    for key, m in box.items():
        m.set_flags("RO")
        box[key] = m
    box.remove(1)
    box.close()
    own(user.inbox.path, user.uid, user.gid)
    kept = before[:1] + before[2:]
    assert uidls(daemon, user) == kept
    assert b"Status: RO" in user.inbox.path.read_bytes()
    user.inbox.deliver(message(9))
    index_of(user).unlink()
    assert uidls(daemon, user)[:4] == kept
    other = daemon.user(kind=Mbox)
    other.inbox.write(user.inbox.path.read_bytes())
    assert uidls(daemon, other)[:4] == kept


def mutt(user, *commands):
    """mutt at the mailbox, without a terminal. It wants a user with a name, and changes the file in its place."""
    quoted = " ".join(["env", f"HOME={user.home}", "TERM=vt100", "mutt", "-n", "-F", "/dev/null", "-f", str(user.inbox.path),
                       *[f"-e '{c}'" for c in (f"set folder={user.home} delete=yes move=no quit=yes mark_old=yes", *commands)]])
    subprocess.run(["script", "-qec", quoted, "/dev/null"], check=True, timeout=60, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def who(user):
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if os.getuid() == 0 else {}


def test_uidl_stays_when_mutt_has_been_there(daemon, user):
    for n in range(4):
        user.inbox.deliver(message(n))
    before = uidls(daemon, user)
    mutt(user, "push <first-entry><display-message><exit><delete-message><sync-mailbox><quit>")
    assert b"\nStatus: " in user.inbox.path.read_bytes()
    after = uidls(daemon, user)
    assert len(after) == 3 and set(after) < set(before)
    index_of(user).unlink()
    assert uidls(daemon, user) == after


MAILUTILS = "/usr/sbin/pop3d"


def mailutils_session(user, commands):
    """Mailutils' pop3d from Debian's package, as the user who owns the mailbox."""
    config = user.home / "mailutils.conf"
    passwd = user.home / "passwd"
    passwd.mkdir(exist_ok=True)
    (passwd / "dom").write_text(f"u:{crypt.crypt(user.password)}:{user.uid}:{user.gid}::{user.home}:/bin/false\n")
    config.write_text(f"""
mode inetd;
auth {{ authorization virtdomain; authentication generic; }}
virtdomain {{ passwd-dir "{passwd}"; }}
mandatory-locking {{ enable no; }}
logging {{ syslog no; }}
""")
    said = "".join(f"{c}\r\n" for c in ("USER u@dom", f"PASS {user.password}", *commands, "QUIT")).encode()
    got = subprocess.run([MAILUTILS, f"--config-file={config}"], input=said, capture_output=True, timeout=60, check=False)
    return got.stdout.decode()


@pytest.mark.needs_root
@pytest.mark.skipif(not os.path.exists(MAILUTILS), reason="Mailutils' pop3d is not installed")
def test_uidl_of_mailutils_is_kept(daemon, user):
    """The unique-ids that its clients know, header and all; one that a sender made up is not."""
    for n in range(3):
        user.inbox.deliver(message(n) + ">From here\n")
    mailutils_session(user, ["STAT"])  # writes headers that belong to the hash of the next one
    said = mailutils_session(user, ["UIDL", "RETR 2"])
    theirs = re.findall(r"^\d (\S+)\r?$", said, re.M)
    assert len(theirs) == 3, said
    assert user.inbox.path.read_bytes().count(b"X-UIDL: ") == 3
    forged = message(7).replace("\nSubject", f"\nX-UIDL: {hashlib.md5(b'x').hexdigest()}.1700000000.1\nSubject")
    user.inbox.deliver(forged)
    ours = uidls(daemon, user)
    assert ours[:3] == theirs and re.fullmatch("[0-9a-f]{32}", ours[3])


def test_identical_copies(daemon, user):
    """Each has its own, and keeps it when the other goes."""
    for _ in range(3):
        user.inbox.deliver(message(1))
    before = uidls(daemon, user)
    assert len(set(before)) == 3
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    assert uidls(daemon, user) == before[1:]


# ---- other programs at the same time


def test_message_that_was_rewritten_is_never_completed(daemon, user):
    for n in range(3):
        user.inbox.deliver(message(n, 200000))
    c = daemon.login(user)
    assert numbers(c.retr(1)) == [0]
    octets = user.inbox.path.read_bytes()
    user.inbox.write(octets.replace(b"of message 1", b"of massage 1"))
    try:
        reply = c.cmd("RETR 2")
        assert reply.startswith(b"-ERR [SYS/TEMP]") or not c.lines()
    except Gone:
        return
    assert numbers(c.retr(3)) == [2]
    c.quit()


def test_messages_are_found_where_they_went(daemon, user):
    """The file was rewritten under the session, and these messages were not."""
    for n in range(30):
        user.inbox.deliver(message(n, 3000 * (n % 3)))
    c = daemon.login(user)
    octets = user.inbox.path.read_bytes()
    second = octets.index(Mbox.FROM, 10)
    new = user.home / "new"
    new.write_bytes(octets[second:])
    own(new, user.uid, user.gid)
    new.rename(user.inbox.path)
    for n in range(1, 30):
        assert c.retr(n + 1) == wire(message(n, 3000 * (n % 3)))
    c.err("RETR 1", "SYS/TEMP")
    c.ok("DELE 2")
    c.ok("DELE 30")
    c.quit()
    assert numbers(user.inbox.path.read_bytes()) == list(range(2, 29))


@pytest.mark.parametrize("renamed", (False, True), ids=("in-place", "renamed"))
def test_rewritten_under_a_walk(daemon, user, renamed):
    """A client takes one of 400 messages after the other while another program deletes each third of them: whatever it is sent is the message
    that was listed, or an error."""
    last = 400
    for n in range(1, last + 1):
        user.inbox.deliver(message(n))
    c = daemon.login(user)
    for n in range(1, 51):
        assert c.retr(n) == wire(message(n))
    left = "".join(f"{FROM}{message(n)}\n" for n in range(1, last + 1) if n % 3).encode()
    if renamed:
        new = user.home / "new"
        new.write_bytes(left)
        own(new, user.uid, user.gid)
        new.rename(user.inbox.path)
    else:
        user.inbox.write(left)
    for n in range(51, last + 1):
        reply = c.cmd(f"RETR {n}")
        if reply.startswith(b"+OK"):
            assert b"\r\n".join(c.lines()) + b"\r\n" == wire(message(n))
        else:
            assert n % 3 == 0 and b"SYS/TEMP" in reply
    c.quit()


def test_new_mail_waits_for_the_next_session(daemon, user):
    user.inbox.deliver(message(0))
    c = daemon.login(user)
    user.inbox.deliver(message(1))
    assert c.stat()[0] == 1 and numbers(c.retr(1)) == [0]
    c.ok("DELE 1")
    c.quit()
    c = daemon.login(user)
    assert c.stat()[0] == 1 and numbers(c.retr(1)) == [1]
    c.quit()


def test_changed_message_stays(daemon, user):
    """QUIT says so, and the others go."""
    for n in range(3):
        user.inbox.deliver(message(n))
    c = daemon.login(user)
    c.ok("DELE 1")
    c.ok("DELE 2")
    octets = user.inbox.path.read_bytes()
    user.inbox.write(octets.replace(b"line of message 0", b"line of another 0"))
    c.err("QUIT", "SYS/TEMP")
    left = user.inbox.contents()
    assert len(left) == 2 and b"another 0" in left[0] and numbers(left[1]) == [2]


def deliver_by_python(user, n):
    user.inbox.deliver(message(n))


def deliver_by_procmail(user, n):
    """Debian's procmail: NAME.lock and fcntl."""
    rc = user.home / "procmailrc"
    if not rc.exists():
        rc.write_text(f"SHELL=/bin/sh\nLOCKSLEEP=1\nDEFAULT={user.inbox.path}\nORGMAIL={user.inbox.path}\nLOGFILE=/dev/null\n"
                      f":0:\n{user.inbox.path}\n")
        own(rc, user.uid, user.gid)
    subprocess.run(["procmail", "-m", str(rc)], input=Mbox.FROM + message(n).encode(), check=True, timeout=60, cwd=user.home,
                   **who(user))


class Writer(threading.Thread):
    """Calls fn for each of `work`; its exception is raised by join()."""

    def __init__(self, fn, work):
        super().__init__()
        self.fn, self.work, self.error = fn, work, None
        self.start()

    def run(self):
        try:
            for item in self.work:
                self.fn(item)
        except BaseException as e:
            self.error = e

    def join(self, timeout=120):
        super().join(timeout)
        assert not self.is_alive()
        if self.error:
            raise self.error


def fetch_all(daemon, user):
    """One session that takes and deletes what is there; the octets of what QUIT has confirmed."""
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    if not c.cmd(f"PASS {user.password}").startswith(b"+OK"):
        c.close()
        return b""
    got = [c.retr(n + 1) for n in range(c.stat()[0])]
    for n in range(len(got)):
        c.ok(f"DELE {n + 1}")
    return b"".join(got) if c.cmd("QUIT").startswith(b"+OK") else b""


@pytest.mark.parametrize("deliver", [deliver_by_python, deliver_by_procmail])
@pytest.mark.long
def test_fetch_and_delete_while_mail_arrives(daemon, user, deliver):
    """Nothing is lost, nothing comes twice."""
    count = 60
    daemon.start(extra="locking { retry-count 1500; retry-sleep 0; }")
    writer = Writer(lambda n: deliver(user, n), range(count))
    got = b""
    for _ in range(40):
        got += fetch_all(daemon, user)
        if not writer.is_alive():
            break
    writer.join()
    got += fetch_all(daemon, user)
    assert numbers(got) == list(range(count))
    assert user.inbox.path.read_bytes() == b""


def test_delete_while_another_program_rewrites(daemon, user):
    """Python's mailbox module writes flags and removes messages, a deliverer delivers, sessions delete others: each message that nobody
    deleted is there, once and whole; no wrong one is gone."""
    count = 40
    for n in range(count):
        user.inbox.deliver(message(n))
    daemon.start(extra="locking { retry-count 1500; retry-sleep 0; }")
    mine, theirs = set(range(0, count, 4)), set(range(2, count, 4))

    def rewrite(n):
        with user.inbox.locked() as box:
            octets = b""
            for m in box:
                m.set_flags("RO" if n % 8 else "O")
                if f"<{n}>" != m["X-Number"]:
                    octets += f"From {m.get_from()}\n".encode() + m.as_bytes() + b"\n"
            user.inbox.write(octets)  # in its place: a file by the module itself would be root's for a moment

    writers = [Writer(rewrite, sorted(theirs)), Writer(user.inbox.deliver, [message(n) for n in range(count, count + 20)])]
    gone = set()
    for n in sorted(mine):
        for _ in range(50):
            c = daemon.login(user)
            at = [k for k in c.list() if n in numbers_of_top(c, k)]
            if not at:
                c.quit()
                gone.add(n)
                break
            c.ok(f"DELE {at[0]}")
            c.cmd("QUIT")
    for w in writers:
        w.join()
    assert gone == mine
    left = sorted(set(range(count + 20)) - mine - theirs)
    assert numbers(user.inbox.path.read_bytes()) == left
    bodies = {numbers(m)[0]: m for m in user.inbox.contents()}
    for n in left:
        assert bodies[n].split(b"\n\n", 1)[1] == message(n).encode().split(b"\n\n", 1)[1]


def numbers_of_top(c, k):
    """Of a message that may have been changed meanwhile."""
    if not c.cmd(f"TOP {k} 0").startswith(b"+OK"):
        return []
    return numbers(b"\n".join(c.lines()))


def test_mutt_deletes_during_a_session(daemon, user):
    """What mutt deleted is gone, what the session deleted is gone, the rest is there."""
    for n in range(6):
        user.inbox.deliver(message(n))
    c = daemon.login(user)
    c.ok("DELE 6")
    c.ok("DELE 3")
    mutt(user, "push <first-entry><delete-message><sync-mailbox><quit>")
    assert len(user.inbox.contents()) == 5
    user.inbox.deliver(message(6))
    assert c.cmd("QUIT").startswith(b"+OK")
    assert numbers(user.inbox.path.read_bytes()) == [1, 3, 4, 6]
