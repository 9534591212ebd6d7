"""A message has the same unique-id for ever, whatever is done to the maildrop by others, to the index, or to the machine; identical copies, too."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pop3 import Pop3
from server import Maildir, Mbox, own
from test_mbox import mailutils_session, mutt
from test_uidl_import import DOVECOT, MAILUTILS, dovecot

COPY = "From: a@example.org\nSubject: copy\nDate: Mon, 5 Jan 2026 10:01:00 +0000\n\nthe same\n"
OTHERS = [f"From: b@example.org\nSubject: number {n}\nDate: Mon, 5 Jan 2026 10:0{n}:00 +0000\n\nbody {n}\n" for n in range(2)]


@pytest.fixture(params=[Maildir, Mbox])
def user(request, daemon):
    user = daemon.user("bob", kind=request.param)
    for message in (COPY, OTHERS[0], COPY, COPY, OTHERS[1]):
        user.deliver(message)
    if request.param is Maildir:  # a name twice, which a Maildir should not have
        name = user.inbox.files()[0]
        copy = user.inbox.path / "cur" / (name + ":2,S")
        copy.write_text(OTHERS[1], encoding="ascii")
        own(copy, user.uid, user.gid)
    daemon.start()
    return user


def session(daemon, user, *commands):
    with Pop3(daemon.address) as c:
        c.ok(f"USER {user.login}")
        c.ok(f"PASS {user.password}")
        c.ok("UIDL")
        ids = [line.split()[1].decode() for line in c.octets().split(b"\r\n")[:-1]]
        for command in commands:
            c.ok(command)
        c.quit()
    assert len(set(ids)) == len(ids)
    return ids


def index_of(user):
    return user.inbox.path / ".pop3-index" if isinstance(user.inbox, Maildir) else user.home / ".INBOX.pop3idx"


def check(daemon, user, ids):
    """In any order: Maildirs are sorted by names that others change."""
    assert sorted(session(daemon, user)) == sorted(ids)
    index_of(user).unlink()
    assert sorted(session(daemon, user)) == sorted(ids)


def own_all(user):
    for path in user.home.rglob("*"):
        own(path, user.uid, user.gid)


def test_restart_and_index(daemon, user):
    ids = session(daemon, user)
    check(daemon, user, ids)
    daemon.restart()
    check(daemon, user, ids)


@pytest.mark.parametrize("gone", [0, 2])
def test_others_are_deleted(daemon, user, gone):
    ids = session(daemon, user)
    session(daemon, user, f"DELE {gone + 1}")
    del ids[gone]
    check(daemon, user, ids)
    session(daemon, user, *[f"DELE {n}" for n in range(1, len(ids))])
    check(daemon, user, ids[-1:])


def headers_added(octets, header):
    return octets.replace(b"Subject:", header + b"Subject:", 1)


def test_headers_that_others_write(daemon, user):
    """Status, flags, and when mail expires."""
    ids = session(daemon, user)
    added = b"X-Expire-Timestamp: 1795886953\nX-Status: AF\nStatus: RO\nX-UID: 7\nX-Keywords: a\n b\n"
    if isinstance(user.inbox, Mbox):
        text = user.inbox.path.read_bytes()
        user.inbox.write(text.replace(b"Subject:", added + b"Subject:"))
    else:
        for path in [p for sub in ("new", "cur") for p in (user.inbox.path / sub).iterdir()]:
            new = user.inbox.path / "tmp" / "rewritten"
            new.write_bytes(headers_added(path.read_bytes(), added))
            own(new, user.uid, user.gid)
            new.rename(path)
    check(daemon, user, ids)


def test_names_that_others_give(daemon, user):
    """From new/ to cur/, with flags, sizes and what Mailutils adds."""
    if isinstance(user.inbox, Mbox):
        pytest.skip("messages of an mbox have no names")
    ids = session(daemon, user)
    for n, name in enumerate(sorted(p.name for p in (user.inbox.path / "new").iterdir())):
        ending = [":2,", ":2,FS", ",S=117:2,S", ",u=3,a=O:2,", ",W=120,S=117:2,RS"][n]
        (user.inbox.path / "new" / name).rename(user.inbox.path / "cur" / (name + ending))
    check(daemon, user, ids)


def test_mutt(daemon, user):
    if isinstance(user.inbox, Maildir):
        pytest.skip("renaming is tested above")
    ids = session(daemon, user)
    mutt(user, "push <first-entry><display-message><exit><next-entry><display-message><exit><flag-message><sync-mailbox><quit>")
    assert b"Status: " in user.inbox.path.read_bytes()
    check(daemon, user, ids)


@pytest.mark.skipif(not Path(MAILUTILS).exists(), reason="needs mailutils-pop3d")
def test_mailutils(daemon, user):
    """It writes X-UIDL and more into messages, and renames them."""
    if isinstance(user.inbox, Maildir):
        pytest.skip("it writes as root")
    ids = session(daemon, user)
    assert "+OK" in mailutils_session(user, ["RETR 1", "UIDL"])
    own_all(user)
    assert b"X-UID: " in user.inbox.path.read_bytes()
    check(daemon, user, ids)


@pytest.mark.needs_root
@pytest.mark.skipif(not DOVECOT.exists(), reason="needs dovecot-pop3d")
def test_dovecot(daemon, user):
    if isinstance(user.inbox, Maildir):  # it gives the second file of a name another one
        next((user.inbox.path / "cur").iterdir()).unlink()
    ids = session(daemon, user)
    dovecot(daemon, user, "%u.%v")
    own_all(user)
    check(daemon, user, ids)


def files(daemon, user):
    return [daemon.top / "state/uidl" / str(user.uid), user.home]


def test_backup_and_restore(daemon, user):
    """Of the mail and its durable file: what they were then."""
    session(daemon, user, "DELE 1")
    ids = session(daemon, user)
    daemon.stop()
    saved = daemon.top / "backup.tar"
    subprocess.run(["tar", "-cpf", saved, *files(daemon, user)], check=True, capture_output=True)
    daemon.start()
    session(daemon, user, "DELE 1", "DELE 2", "DELE 3")
    user.deliver(COPY)
    session(daemon, user)
    daemon.stop()
    for path in files(daemon, user):
        shutil.rmtree(path)
    subprocess.run(["tar", "-xpf", saved, "-C", "/"], check=True)
    daemon.start()
    assert session(daemon, user) == ids
    check(daemon, user, ids)


def test_another_machine(daemon, make_daemon, user):
    """Another path, and another user: the durable file gets their names."""
    session(daemon, user, "DELE 1")
    ids = session(daemon, user)
    there = make_daemon()
    bob = there.user("robert", kind=type(user.inbox), uid=None if os.getuid() else 20077)
    (shutil.rmtree if bob.inbox.path.is_dir() else os.unlink)(bob.inbox.path)
    copy = shutil.copytree if user.inbox.path.is_dir() else shutil.copy
    copy(user.inbox.path, bob.inbox.path)
    durable = list((daemon.top / "state/uidl" / str(user.uid)).iterdir())
    assert len(durable) == 1
    place = there.top / "state/uidl" / str(bob.uid)
    place.mkdir(parents=True)
    name = str(bob.inbox.path).replace("%", "%25").replace("/", "%2F") + ".uidl"
    shutil.copy(durable[0], place / name)
    for path in (place, place / name):
        own(path, bob.uid, bob.gid)
    own(bob.home, bob.uid, bob.gid)
    own_all(bob)
    if bob.inbox.path.is_dir():
        (bob.inbox.path / ".pop3-index").unlink()
    there.start()
    assert session(there, bob) == ids
    check(there, bob, ids)
