"""MH folders: what is listed and sent of them, and the programs of nmh and Mailutils at the same folder: whatever these do to
numbers and headers, a message keeps its unique-id, and none is lost."""

import os
import re
import subprocess
import threading

import pytest

from server import Mh, own

NMH = "/usr/bin/mh:/usr/lib/mh:/usr/bin:/bin"


@pytest.fixture
def user(daemon):
    return daemon.user(kind=Mh)


def message(n, body="a line\nFrom here\n>From there\n.\n..\n", day=None):
    return (f"From: a@example.org\nTo: b@example.org\nSubject: number {n}\nDate: Mon, {1 + (n * 7 % 28 if day is None else day):02} Jan 2024 "
            f"10:00:00 +0000\nX-Number: <{n}>\n\n{body}")


def numbers(octets):
    return sorted(int(n) for n in re.findall(rb"X-Number: <(\d+)>", octets))


def wire(text):
    return text.replace("\n", "\r\n").encode()


def as_user(user, *command, input=None, code=(0,)):
    """Runs a mail program as the user; what it says."""
    profile = user.home / ".mh_profile"
    if not profile.exists():
        profile.write_text(f"Path: {user.home}\n")
        own(profile, user.uid, user.gid)
    env = {"HOME": str(user.home), "MH": str(profile), "PATH": NMH, "LOGNAME": "nobody", "MM_CHARSET": "utf-8"}
    who = {"user": user.uid, "group": user.gid, "extra_groups": []} if os.getuid() == 0 else {}
    r = subprocess.run(command, input=input, capture_output=True, env=env, cwd=user.home, timeout=120, **who)
    assert r.returncode in code, f"{command}: {r.returncode} {r.stderr}"
    return r.stdout.decode()


def mailutils(user, *command, input=None, code=0):
    """Those want a user whose name they find: as the caller, and what they write is the user's then."""
    env = {"HOME": str(user.home), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, input=input, capture_output=True, env=env, timeout=120, check=False)
    assert said.returncode == code, said
    for p in user.inbox.path.iterdir():
        own(p, user.uid, user.gid)
    return said.stdout.decode()


def rcvstore(user, text):
    as_user(user, "rcvstore", "+INBOX", input=text.encode())


def uidls(daemon, user):
    """Unique-ids by X-Number."""
    c = daemon.login(user)
    ids = {numbers(c.top(n, 0))[0]: uidl for n, uidl in c.uidl().items()}
    c.quit()
    return ids


def test_session(daemon, user):
    user.deliver("A: 1\nStatus: RO\nX-UID: 7\n\n>From me\n.\n")
    user.deliver("A: 2\n\nlast")
    c = daemon.login(user)
    expected = [wire("A: 1\n\n>From me\n.\n"), wire("A: 2\n\nlast\n")]
    assert c.stat() == (2, sum(map(len, expected)))
    assert [c.retr(n) for n in (1, 2)] == expected
    c.ok("DELE 1")
    c.quit()
    assert user.inbox.numbers() == [2]
    assert (user.inbox.path / ",1").read_text() == "A: 1\nStatus: RO\nX-UID: 7\n\n>From me\n.\n"


def test_backup(daemon, user):
    """The statement: without it nothing is left of a message."""
    user.deliver(message(1))
    daemon.start(extra="mailbox { mh-backup no; }")
    c = daemon.login(user)
    c.ok("DELE 1")
    c.quit()
    assert not [p for p in user.inbox.path.iterdir() if p.name.endswith("1")]
    poll_empty = daemon.login(user)  # and the folder is still one
    assert poll_empty.stat() == (0, 0)
    poll_empty.quit()


def test_created(daemon):
    """Where there is nothing, by mailbox-type."""
    user = daemon.user(kind=Mh)
    (user.inbox.path / ".mh_sequences").unlink()
    user.inbox.path.rmdir()
    daemon.start(extra="mailbox { mailbox-type mh; }")
    c = daemon.login(user)
    assert c.stat() == (0, 0)
    c.quit()
    assert user.inbox.path.is_dir() and user.inbox.path.stat().st_mode & 0o777 == 0o700
    rcvstore(user, message(1))
    assert list(uidls(daemon, user)) == [1]


def test_what_is_no_message(daemon, user):
    """Others are served, and the log says what is odd."""
    user.deliver(message(1))
    os.mkfifo(user.inbox.path / "2")
    os.symlink("/etc/passwd", user.inbox.path / "3")
    (user.inbox.path / "4").mkdir()
    (user.inbox.path / ",5").write_text(message(5))
    (user.inbox.path / "note").write_text(message(6))
    assert list(uidls(daemon, user)) == [1]
    daemon.wait_log('not-messages .*count=3')


def test_nmh(daemon, user):
    """rcvstore, inc, sortm, folder -pack, rmm, refile: the same messages, the same unique-ids."""
    for n in range(1, 6):
        rcvstore(user, message(n))
    before = uidls(daemon, user)
    assert list(before) == [1, 2, 3, 4, 5]
    as_user(user, "sortm", "+INBOX")
    after = uidls(daemon, user)
    assert after == before and list(after) != list(before)
    as_user(user, "rmm", "2", "+INBOX")
    as_user(user, "folder", "+INBOX", "-pack")
    left = uidls(daemon, user)
    assert len(left) == 4 and left.items() < before.items()
    spool = user.home / "spool"
    spool.write_text("".join(f"From a@example.org Mon Jan  5 10:00:00 2026\n{message(n)}\n" for n in (6, 7)))
    own(spool, user.uid, user.gid)
    as_user(user, "inc", "+INBOX", "-file", str(spool), "-truncate")
    more = uidls(daemon, user)
    assert left.items() < more.items() and set(more) - set(left) == {6, 7}
    daemon.restart(extra="mailbox { index off; }")
    assert uidls(daemon, user) == more
    c = daemon.login(user)
    gone = numbers(c.retr(1))[0]
    c.ok("DELE 1")
    c.quit()
    listed = as_user(user, "scan", "+INBOX", "-format", "%{x-number}")
    assert sorted(int(n) for n in re.findall(r"<(\d+)>", listed)) == sorted(set(more) - {gone})
    shown = as_user(user, "mhshow", "-nomoreproc", "last", "+INBOX")
    assert "a line" in shown


def test_annotations_and_edits_are_another_message(daemon, user):
    """What changes more than the fields that are left out of the identity: never deleted by a session that saw it otherwise."""
    for n in (1, 2):
        rcvstore(user, message(n))
    c = daemon.login(user)
    c.ok("DELE 1")
    as_user(user, "anno", "1", "+INBOX", "-component", "Replied", "-text", "today")
    c.ok("DELE 2")
    c.err("QUIT")
    assert user.inbox.numbers() == [1]


def test_numbers_change_under_a_session(daemon, user):
    for n in range(1, 8):
        rcvstore(user, message(n))
    c = daemon.login(user)
    first = c.retr(1)
    as_user(user, "sortm", "+INBOX")
    as_user(user, "rmm", "first", "+INBOX")
    as_user(user, "folder", "+INBOX", "-pack")
    there = sorted(numbers(b"".join(user.inbox.contents())))
    assert c.retr(1) == first and numbers(first) == [1]
    keep = [n for n in there if n != 1 and n != 5]
    for n in (1, 5):
        c.ok(f"DELE {n}")
    c.quit()
    assert sorted(numbers(b"".join(user.inbox.contents()))) == keep


def test_mailutils(daemon, user):
    """mail(1) marks, writes headers and deletes; frm(1) and messages(1) count what we leave."""
    for n in range(1, 5):
        rcvstore(user, message(n))
    before = uidls(daemon, user)
    url = f"mh:{user.inbox.path}"
    mailutils(user, "mail.mailutils", "-N", "-f", url, input=b"print 1\ndelete 3\nquit\n")
    assert b"Status: " in user.inbox.file(1).read_bytes()
    left = uidls(daemon, user)
    assert list(left) == [1, 2, 4] and left.items() < before.items()
    c = daemon.login(user)
    assert b"Status" not in c.retr(1)
    c.ok("DELE 1")
    c.quit()
    assert mailutils(user, "messages", "-q", url).split()[-1] == "2"
    assert [line.split()[-1] for line in mailutils(user, "frm", url, code=1).splitlines()] == ["2", "4"]


def test_nothing_is_lost(daemon, user):
    """A client fetches and deletes while rcvstore stores, and folder and sortm give other numbers to all. These one after the other: sortm puts
    a message where rcvstore has just stored one, and then it is lost without anybody's help."""
    daemon.start(extra="locking { retry-count 1500; retry-sleep 0; }")
    errors = []

    def work(call):
        try:
            call()
        except Exception as e:  # a thread's exception would be lost
            errors.append(e)

    many = 60
    done, one_of_nmh = threading.Event(), threading.Lock()

    def store():
        for n in range(many):
            with one_of_nmh:
                rcvstore(user, message(n))
        done.set()

    def sort():
        while not done.is_set():
            for command in (["folder", "+INBOX", "-pack"], ["sortm", "+INBOX"]):
                with one_of_nmh:
                    as_user(user, *command, code=(0, 1))

    threads = [threading.Thread(target=work, args=(call,)) for call in (store, sort)]
    for t in threads:
        t.start()
    got = {}  # by unique-id: one that could not be deleted comes again
    while threads[0].is_alive():
        fetch(daemon, user, got)
    for t in threads:
        t.join()
    fetch(daemon, user, got)
    assert not errors, errors
    assert numbers(b"".join(got.values())) == list(range(many))
    assert user.inbox.contents() == []


def fetch(daemon, user, got):
    c = daemon.login(user)
    for n, uidl in c.uidl().items():
        got[uidl] = c.retr(n)
        c.ok(f"DELE {n}")
    c.say("QUIT")
    c.line()
    c.close()
