"""Other servers first, then us: what they have shown as unique-ids of a maildrop is what we show, so that no client fetches anything again.

The servers are those that Debian has: Dovecot and Mailutils are installed; Courier and popa3d cannot be installed beside them, and are
unpacked. Each serves one client on a socket."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from pop3 import Pop3
from server import BINARY, Maildir, Mbox, own
from system import Etc, hashed

POPCTL = Path(os.environ.get("POPCTL", BINARY.with_name("popctl")))
DOVECOT, MAILUTILS = Path("/usr/lib/dovecot/pop3"), Path("/usr/sbin/pop3d")
FROM = "From sender@example.org Mon Jan  5 10:00:00 2026\n"

pytestmark = pytest.mark.needs_root

MESSAGES = [
    "Received: from a by b\nReceived: from c by d\nDate: Mon, 5 Jan 2026 10:01:00 +0000\nMessage-ID: <1@x>\nSubject: one\n\nfirst\n",
    "Delivered-To: bob\nDate: Mon, 5 Jan 2026 10:02:00 +0000\nReceived: from a\n\tby b; now\nMessage-ID: <2@x>\n\nsecond\n",
    "Date:  Mon, 5 Jan 2026 10:03:00 +0000\nMessage-ID: <3@x>\nX-Delivery-ID: 17\nSubject: no way\n\nthird\n\n",
    "From: a@example.org\nmessage-id: <4@x>\nReceived: from a by b\nDelivered-To: ann\n continued\nX-Delivery-Id: 18\n\n",
]
LATER = "Message-ID: <9@x>\nSubject: later\n\nnew\n"


def fill(user, messages=MESSAGES):
    for n, message in enumerate(messages):
        if isinstance(user.inbox, Maildir):  # one as Dovecot names it, with its size
            user.deliver(message, name=f"170000000{n}.M{n}P1.host" + (f",S={len(message)}" if n == 2 else ""))
        else:
            user.deliver(message)


def served(command, login=None, commands=(), greeting=True, **kw):
    """What the server that `command` starts on a socket says to UIDL, as text."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        client = Pop3(door.getsockname(), greeting=False)
        theirs, _ = door.accept()
    with theirs:
        process = subprocess.Popen([str(c) for c in command], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, **kw)
    try:
        assert not greeting or client.line().startswith(b"+OK")
        if login:
            client.ok(b"USER " + login[0].encode())
            client.ok(b"PASS " + login[1].encode())
        client.ok("UIDL")
        text = client.octets().replace(b"\r\n", b"\n").decode()
        for c in commands:
            client.ok(c)
        client.ok("QUIT")
        client.close()
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    return text


def as_user(user):
    return {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": user.home}


def dovecot(daemon, user, pattern, **kw):
    kind = "maildir" if isinstance(user.inbox, Maildir) else "mbox"
    where = f"maildir:{user.inbox.path}" if kind == "maildir" else f"mbox:{user.home}/folders:INBOX={user.inbox.path}"
    (user.home / "folders").mkdir(exist_ok=True)
    own(user.home / "folders", user.uid, user.gid)
    conf = daemon.top / "dovecot.conf"
    conf.write_text(f"base_dir = {daemon.top}/dovecot\nlog_path = /dev/null\nssl = no\nprotocols = pop3\n"
                    f"mail_location = {where}\npop3_uidl_format = {pattern}\n", encoding="ascii")
    return served([DOVECOT, "-c", conf], greeting=False, env={"HOME": str(user.home), "USER": user.name, "PATH": "/bin"}, **as_user(user), **kw)


def courier(unpacked, user, **kw):
    roots = unpacked("courier-pop", "courier-authlib", "libcourier-unicode4")
    libraries = ":".join(str(d) for root in roots for d in (root / "usr/lib", *(root / "usr/lib").glob("*-linux-gnu")))
    return served([roots[0] / "usr/lib/courier/courier/courierpop3d", user.inbox.path],
                  env={"LD_LIBRARY_PATH": libraries, "HOME": str(user.home)}, **as_user(user), **kw)


def popa3d(unpacked, daemon, user, **kw):
    """It wants a system user and a spool: /etc and /var/mail are others for it."""
    root, = unpacked("popa3d")
    etc = Etc(daemon.top / "etc-popa3d")
    etc.add("passwd", f"popa3d:x:31900:31900::/:/bin/false\nbob:x:{user.uid}:{user.gid}::{user.home}:/bin/sh\n")
    etc.add("shadow", f"bob:{hashed('popa')}:19000:0:99999:7:::\n")
    shutil.copytree("/etc/pam.d", etc.path / "pam.d")
    shutil.copytree(root / "etc/pam.d", etc.path / "pam.d", dirs_exist_ok=True)
    spool = daemon.top / "spool-popa3d"
    spool.mkdir()
    (spool / "bob").write_bytes(user.inbox.path.read_bytes())
    os.chown(spool / "bob", user.uid, user.gid)
    jail = daemon.top / "jail"
    jail.mkdir(mode=0o755)
    script = 'mount --bind "$0" /etc && mount --bind "$1" /var/mail && mount -t tmpfs none /var/lib && mkdir -m 755 /var/lib/popa3d && exec "$2"'
    return served(["unshare", "--mount", "sh", "-c", script, etc.path, spool, root / "usr/sbin/popa3d"], login=("bob", "popa"), **kw)


def mailutils(daemon, user, **kw):
    conf = daemon.top / "mailutils.conf"
    locks = daemon.top / "locks"
    locks.mkdir(mode=0o1777, exist_ok=True)
    locks.chmod(0o1777)
    conf.write_text(f"mode inetd;\nlogging {{ syslog no; }}\nauth {{ authorization virtdomain; authentication generic; }}\n"
                    f'virtdomain {{ passwd-dir "{daemon.domains}"; }}\n'
                    f'mandatory-locking {{ enable yes; lock-directory "{locks}"; }}\n', encoding="ascii")
    return served([MAILUTILS, f"--config-file={conf}", "--inetd"], login=(user.login, user.password), **kw)


def popctl(daemon, *words, code=0):
    daemon.write_config()
    run = subprocess.run([POPCTL, "--config-file", daemon.config, "uidl", *map(str, words)], capture_output=True, text=True,
                         timeout=60, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    assert "Sanitizer" not in run.stderr
    return run.stdout


def ours(daemon, user):
    with Pop3(daemon.address) as c:
        c.ok(f"USER {user.login}")
        c.ok(f"PASS {user.password}")
        c.ok("UIDL")
        text = c.octets().replace(b"\r\n", b"\n").decode()
        c.quit()
    return text


def ids(listing):
    return [line.split(" ", 1)[1] for line in listing.splitlines()]


def lose_index(user):
    index = user.inbox.path / ".pop3-index" if isinstance(user.inbox, Maildir) else user.home / ".INBOX.pop3idx"
    index.unlink()


def take_over(daemon, user, listing, *words, gone=()):
    """A dry run, the import, and our listing, with and without an index: all as `listing` has it."""
    saved = daemon.top / "listing"
    saved.write_text("+OK\n" + listing.replace("\n", "\r\n") + ".\r\n", encoding="ascii")
    before = popctl(daemon, "list", user.inbox.path)
    said = popctl(daemon, "import", "--dry-run", "--listing", saved, *words, user.inbox.path)
    assert " 0 would be fetched again, 0 are not there\nnothing was changed\n" in said
    assert popctl(daemon, "list", user.inbox.path) == before
    popctl(daemon, "import", "--listing", saved, *words, user.inbox.path)
    daemon.start()
    assert ids(ours(daemon, user)) == ids(listing)
    lose_index(user)
    assert ids(ours(daemon, user)) == ids(listing)


def later(daemon, user, listing):
    """A message that comes then is new, and those that there were stay what they were."""
    user.deliver(LATER)
    now = ids(ours(daemon, user))
    assert now[:-1] == ids(listing) and now[-1] not in now[:-1]
    lose_index(user)
    assert ids(ours(daemon, user)) == now
    return now[-1]


@pytest.mark.skipif(not DOVECOT.exists(), reason="needs dovecot-pop3d")
@pytest.mark.parametrize("kind,pattern,new", [
    (Maildir, "%08Xu%08Xv", r"00000005[0-9a-f]{8}"),
    (Maildir, "%v-%u", r"\d+-5"),
    (Maildir, "%u.%v", r"5\.\d+"),
    (Maildir, "%f", r"\d+\.M.*"),
    (Maildir, "%g", r"\d+\.M.*"),
    (Mbox, "%08Xv%08Xu", r"[0-9a-f]{8}00000005"),
    (Mbox, "%m", r"[0-9a-f]{32}"),
])
def test_dovecot(daemon, kind, pattern, new):
    user = daemon.user("bob", kind=kind)
    fill(user)
    listing = dovecot(daemon, user, pattern)
    assert len(listing.splitlines()) == len(MESSAGES)
    daemon.extra = f'mailbox {{ uidl-format dovecot "{pattern}"; }}\n'
    take_over(daemon, user, listing, "dovecot", pattern)
    assert re.fullmatch(new, later(daemon, user, listing))


def test_courier(daemon, unpacked):
    user = daemon.user("bob")
    fill(user)
    courier(unpacked, user, commands=["DELE 2"])
    user.deliver(LATER.replace("9@x", "8@x"), name="1700000008.M8P1.host")
    listing = courier(unpacked, user)
    assert re.findall(r"UID(\d)-", listing) == ["1", "3", "4", "5"]
    daemon.extra = "mailbox { uidl-format courier; }\n"
    take_over(daemon, user, listing, "courier")
    assert later(daemon, user, listing).startswith("UID6-")


def test_popa3d(daemon, unpacked):
    user = daemon.user("bob", kind=Mbox)
    fill(user)
    listing = popa3d(unpacked, daemon, user)
    assert len(listing.splitlines()) == len(MESSAGES)
    daemon.extra = "mailbox { uidl-format md5-header; }\n"
    take_over(daemon, user, listing, "md5-header")
    assert re.fullmatch("[0-9a-f]{16}", later(daemon, user, listing))


@pytest.mark.skipif(not MAILUTILS.exists(), reason="needs mailutils-pop3d")
@pytest.mark.parametrize("kind", [Maildir, Mbox])
def test_mailutils(daemon, kind):
    user = daemon.user("bob", kind=kind)
    fill(user)
    mailutils(daemon, user)
    listing = mailutils(daemon, user)
    for path in user.home.rglob("*"):  # it has written as root
        own(path, user.uid, user.gid)
    assert all(re.fullmatch(r"[0-9a-f]{32}\.\d+\.\d+", i) for i in ids(listing))
    daemon.extra = "mailbox { uidl-format mailutils; }\n"
    take_over(daemon, user, listing, "mailutils")
    assert re.fullmatch(r"[0-9a-f]{32}\.\d+\.\d+", later(daemon, user, listing))


def test_basename(daemon):
    """As qmail-pop3d names them."""
    user = daemon.user("bob")
    fill(user)
    user.inbox.file(user.inbox.files()[0]).rename(user.inbox.path / "cur" / (user.inbox.files()[0] + ":2,S"))
    listing = "".join(f"{n + 1} {name.split(':')[0]}\n" for n, name in enumerate(user.inbox.files()))
    daemon.extra = "mailbox { uidl-format basename; }\n"
    take_over(daemon, user, listing, "basename")
    assert later(daemon, user, listing) == user.inbox.files()[-1]


def test_cyrus_by_listing(daemon):
    """Mail that was copied message by message, and what the old server showed: by their places."""
    user = daemon.user("bob")
    fill(user)
    listing = "".join(f"{n + 1} 1170000000.{n * 3 + 1}\n" for n in range(len(MESSAGES)))
    saved = daemon.top / "saved"
    saved.write_text(listing, encoding="ascii")
    daemon.extra = "mailbox { uidl-format cyrus; }\n"
    take_over(daemon, user, listing, "--from", saved, "listing")
    assert re.fullmatch(r"\d+\.1", later(daemon, user, listing))
    saved.write_text(listing, encoding="ascii")  # there is one more by now
    popctl(daemon, "import", "--from", saved, "listing", user.inbox.path, code=65)


def test_says_what_is_fetched_again(daemon):
    user = daemon.user("bob")
    fill(user)
    names = user.inbox.files()
    saved = daemon.top / "saved"
    saved.write_text(f"+OK 3\r\n1 {names[0]}\r\n2 {names[1]}\r\n3 gone\r\n.\r\n", encoding="ascii")
    said = popctl(daemon, "import", "--dry-run", "--listing", saved, "basename", user.inbox.path, code=1)
    assert f"message 3 would be fetched again: {names[2]} is not in the listing\n" in said
    assert f"message 4 would be fetched again: {names[3]} is not in the listing\n" in said
    assert "no message has gone, number 3 of the listing\n" in said
    assert "4 messages, 3 in the listing, 2 would be fetched again, 1 are not there\nnothing was changed\n" in said


def test_export_and_another_place(daemon):
    """Mail that moves to another path, and another user, takes its ids with it."""
    old, new = daemon.user("bob", kind=Mbox), daemon.user("ann", kind=Mbox)
    fill(old, [MESSAGES[0]] * 3 + MESSAGES[1:])
    listing = popctl(daemon, "list", old.inbox.path)
    daemon.start()
    with Pop3(daemon.address) as c:
        c.ok(f"USER {old.login}")
        c.ok(f"PASS {old.password}")
        c.ok("DELE 1")
        c.quit()
    left = ids(listing)[1:]
    assert ids(ours(daemon, old)) == left
    exported = daemon.top / "exported"
    exported.write_text(popctl(daemon, "export", old.inbox.path), encoding="ascii")
    new.inbox.write(old.inbox.path.read_bytes())
    popctl(daemon, "import", "--from", exported, "poplar", new.inbox.path)
    assert ids(ours(daemon, new)) == left


def test_not_while_somebody_is_there(daemon):
    user = daemon.user("bob")
    fill(user)
    daemon.start()
    with Pop3(daemon.address) as c:
        c.ok(f"USER {user.login}")
        c.ok(f"PASS {user.password}")
        popctl(daemon, "import", "basename", user.inbox.path, code=75)
        c.quit()


def test_hostile_owner(daemon):
    """It runs as the owner of the mail: links lead nowhere that he could not go, and mail of root is refused."""
    user = daemon.user("bob")
    fill(user)
    secret = daemon.top / "secret"
    secret.write_text("3 V1 N9\n1 :1700000000.M0P1.host\n", encoding="ascii")
    secret.chmod(0o600)
    (user.inbox.path / "dovecot-uidlist").symlink_to(secret)
    popctl(daemon, "import", "dovecot", "%u", user.inbox.path, code=65)
    (user.inbox.path / "dovecot-uidlist").unlink()
    os.mkfifo(user.inbox.path / "dovecot-uidlist")
    popctl(daemon, "import", "dovecot", "%u", user.inbox.path, code=65)
    (user.inbox.path / "dovecot-uidlist").unlink()
    (user.inbox.path / "dovecot-uidlist").write_text("3 V1 N9\n1 P" + "x" * 71 + " :1700000000.M0P1.host\n2 P\x01 :1700000001.M1P1.host\n",
                                                     encoding="ascii")
    assert "4 messages, 0 ids found" in popctl(daemon, "import", "dovecot", "%u", user.inbox.path)
    files = list((daemon.top / "state/uidl" / str(user.uid)).iterdir())
    assert all(f.stat().st_uid == user.uid for f in files)
    os.chown(user.inbox.path, 0, 0)
    popctl(daemon, "list", user.inbox.path, code=66)


def test_a_disk_that_is_full(daemon):
    """A copy that comes then is not shown, the others are; it is there when there is room again."""
    user = daemon.user("bob", kind=Mbox)
    state = daemon.top / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "none", state], check=True)
    try:
        fill(user, [MESSAGES[0], MESSAGES[0], MESSAGES[1]])
        daemon.start()
        before = ids(ours(daemon, user))
        with open(state / "filler", "wb", buffering=0) as f, pytest.raises(OSError):
            while True:
                f.write(b"x" * 4096)
        user.deliver(MESSAGES[0])
        user.deliver(MESSAGES[2])
        assert ids(ours(daemon, user))[:3] == before and len(ids(ours(daemon, user))) == 4
        assert "1 new messages wait until their unique-ids can be kept" in daemon.log()
        (state / "filler").unlink()
        now = ids(ours(daemon, user))
        assert now[:3] == before and len(set(now)) == 5
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)
