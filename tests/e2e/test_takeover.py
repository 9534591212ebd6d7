"""An installation of Debian's Mailutils packages (which bring a unit and no configuration file, so all is as built in) with
system users and a virtual domain: pop3d in the place of Mailutils' serves it unchanged, and clients notice nothing but what
docs/from-mailutils.md announces. What they see is recorded with one, then with the other."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server import BINARY, Maildir
from system import Etc, hashed
from takeover import STEPS, UNIT

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(not Path("/usr/sbin/pop3d").exists() or not UNIT.exists(), reason="needs mailutils-pop3d"),
]

MAILUTILS = "/usr/sbin/pop3d"
BOB, ANN = 31901, 31902
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
MESSAGES = [
    "From: a@example.org\nTo: you\nSubject: one\nDate: Mon, 5 Jan 2026 10:01:00 +0000\n\nfirst\n",
    "From: b@example.org\nSubject: two\nDate: Mon, 5 Jan 2026 10:02:00 +0000\n\n.\n..dots\nline 3\n.\n\nend\n",
    "From: c@example.org\nSubject: three\nDate: Mon, 5 Jan 2026 10:03:00 +0000\n\nFrom here\n>From there\n" + "x" * 990 + "\n",
]


def put_maildir(path, uid):
    inbox = Maildir(path, uid, uid)
    for n, message in enumerate(MESSAGES):
        inbox.deliver(message, name=f"170000000{n}.M{n}P1.host")


def put_mbox(path, uid):
    text = ""
    for n, message in enumerate(MESSAGES):
        quoted = "".join(">" + line if line.lstrip(">").startswith("From ") else line
                         for line in message.splitlines(keepends=True))
        text += f"From sender@example.org Mon Jan  5 10:0{n + 1}:00 2026\n{quoted}\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    os.chown(path, uid, uid)


# What an administrator may have added. (Without a file all is as built in.)
CONFIGURED = """
# /etc/mailutils.conf
mailbox { mail-spool /var/mail; };
locking { type dotlock; retry-count 10; retry-sleep 1; };
auth {
    authorization system:virtdomain;
    authentication system:generic;
};
virtdomain { passwd-dir /etc/domain; };
max-children 40;
timeout "10 minutes";
pidfile /run/pop3d.pid;
server 127.0.0.1:110 { backlog 20; };
"""


def world(top, put, conf=None):
    """/etc and /var/mail as they are before the day of the change."""
    top.mkdir()
    etc = Etc(top / "etc")
    etc.add("passwd", f"bob:x:{BOB}:{BOB}:Bob,,,:/home/bob:/bin/bash\nlocked:x:31903:31903::/:/bin/sh\n")
    etc.add("shadow", f"bob:{hashed('system')}:19000:0:99999:7:::\nlocked:!:19000:0:99999:7:::\n")
    if conf:
        etc.write("mailutils.conf", conf, 0o644)
    (etc.path / "domain").mkdir()
    etc.write("domain/example.test", f"ann:{hashed('virtual')}:{ANN}:{ANN}::/var/mail/example.test/ann:/bin/false\n", 0o644)
    mail = top / "mail"
    (mail / "example.test" / "ann").mkdir(parents=True)
    shutil.chown(mail, "root", "mail")
    mail.chmod(0o2775)
    os.chown(mail / "example.test" / "ann", ANN, ANN)
    put(mail / "bob", BOB)
    put(mail / "example.test" / "ann" / "INBOX", ANN)
    return top


def record(top, program, *what):
    script = Path(__file__).with_name("takeover.py")
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "LANG": "C.UTF-8"}
    run = subprocess.run([*NAMESPACES, "/usr/bin/python3", str(script), str(top), str(program), *what], capture_output=True,
                         text=True, timeout=120, env=env, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# What docs/from-mailutils.md announces: (command, theirs, ours), patterns of what may stand in place of the same. Everything else is equal.
ANNOUNCED = [
    ("PASS", r"\+OK opened mailbox for \w+", r"\+OK maildrop has \d+ messages? \(\d+ octets\)"),
    ("RETR .", r"\+OK", r"\+OK \d+ octets"),
    ("LIST x", "-ERR No such message", "-ERR Invalid arguments"),
    ("NOOP", "-ERR Incorrect state", r"\+OK"),
]


# What Mailutils writes into an mbox at the end of a session, sends with the next one, and counts.
KEPT = re.compile(r"^(Status|X-UID|X-IMAPbase): .*\r\n", re.M)


def text_of(command, body):
    """TOP of Mailutils sends one empty line too many behind the header."""
    body = KEPT.sub("", body)
    return body.replace("\r\n\r\n\r\n", "\r\n\r\n", 1) if re.fullmatch(r"TOP \d+ [1-9]\d*", command) else body


def without_octets(command, *reply):
    """STAT and LIST with the numbers of messages alone."""
    if not re.match("STAT|LIST", command):
        return command, *reply
    return command, *(re.sub(r"(?m)^((?:\+OK )?\d+) \d+", r"\1", part) for part in reply)


def is_same(theirs, ours, octets=True):
    """octets False: Mailutils has written into the mailbox, and counts that."""
    if not octets:
        theirs, ours = without_octets(*theirs), without_octets(*ours)
    (command, status, *text), (_, our_status, *our_text) = theirs, ours
    announced = any(re.fullmatch(c, command) and re.fullmatch(t, status) and re.fullmatch(o, our_status)
                    for c, t, o in ANNOUNCED)
    return (status == our_status or announced) and [text_of(command, t) for t in text] == our_text


@pytest.mark.parametrize("put,conf", [
    pytest.param(put_maildir, None, id="maildir"),
    pytest.param(put_mbox, None, id="mbox"),
    pytest.param(put_mbox, CONFIGURED, id="configured"),
])
@pytest.mark.long
def test_takeover(tmp_path, put, conf):
    theirs = record(world(tmp_path / "theirs", put, conf), MAILUTILS)
    ours = record(world(tmp_path / "ours", put, conf), BINARY)
    # As Mailutils is built, x is the password of every system user, and root is one.
    assert [reply[:3] for reply in theirs.pop("holes")] == ["-ER" if conf else "+OK", "+OK"]
    assert ours.pop("holes") == ["-ERR [AUTH] Bad login", "-ERR [SYS/PERM] Cannot authenticate"]
    capabilities = set(theirs.pop("capabilities"))
    assert "EXPIRENEVER" in capabilities  # which is no capability
    assert set(ours.pop("capabilities")) == capabilities - {"EXPIRENEVER"} | {"EXPIRE NEVER", "SASL PLAIN LOGIN"}
    assert theirs.keys() == ours.keys() and len(theirs) > 2 * len(STEPS)
    for step, replies in theirs.items():
        octets = put is put_maildir or step.endswith(("before login", "read"))
        assert len(replies) == len(ours[step]), step
        assert [(a, b) for a, b in zip(replies, ours[step]) if not is_same(a, b, octets)] == [], step


def test_unique_ids_stay(tmp_path):
    """What Mailutils has named in an mbox keeps its name, so clients that leave mail on the server fetch nothing again."""
    top = world(tmp_path / "world", put_mbox)
    theirs = record(top, MAILUTILS, "uidl")
    assert all(len(set(uids.values())) == len(MESSAGES) for uids in theirs.values())
    assert record(top, BINARY, "uidl") == theirs
