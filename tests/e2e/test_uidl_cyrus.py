"""Cyrus first, then us: what it has shown as unique-ids of an INBOX is what we show of the same files in an MH folder.

Debian's Cyrus is unpacked, not installed, and runs in a directory of the test's."""

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pop3 import Pop3
from server import Mh, own
from test_uidl_import import LATER, MESSAGES, ids, ours, popctl

PACKAGES = ("cyrus-common", "cyrus-pop3d", "cyrus-imapd", "libclamav12", "libical3", "libtfm1", "libzephyr4", "libxapian30", "libpcre3")
OWNER = ("nobody", "nogroup")
START_SECONDS = 60

IMAPD = """configdirectory: {top}/conf
defaultpartition: default
partition-default: {top}/spool
cyrus_user: {owner[0]}
cyrus_group: {owner[1]}
allowplaintext: yes
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN
servername: localhost
autocreate_quota: 0
idlesocket: {top}/idle
notifysocket: {top}/notify
"""
MASTER = """START {{ }}
SERVICES {{
  pop3 cmd="{pop3d} -C {top}/imapd.conf" listen="127.0.0.1:{ports[0]}" prefork=0
  imap cmd="{imapd} -C {top}/imapd.conf" listen="127.0.0.1:{ports[1]}" prefork=0
}}
EVENTS {{ }}
"""

pytestmark = pytest.mark.needs_root


def free_ports(count):
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [d.getsockname()[1] for d in doors]
    for d in doors:
        d.close()
    return ports


class Cyrus:
    def __init__(self, top, unpacked):
        roots = unpacked(*PACKAGES)
        self.top, self.ports = top, free_ports(2)
        top.mkdir(mode=0o755)
        for name in ("", "conf", "spool"):
            (top / name).mkdir(exist_ok=True)
            subprocess.run(["chown", ":".join(OWNER), top / name], check=True)
        facts = {"top": top, "owner": OWNER, "ports": self.ports, "pop3d": roots[1] / "usr/lib/cyrus/bin/pop3d",
                 "imapd": roots[2] / "usr/lib/cyrus/bin/imapd"}
        (top / "imapd.conf").write_text(IMAPD.format(**facts), encoding="ascii")
        (top / "cyrus.conf").write_text(MASTER.format(**facts), encoding="ascii")
        libraries = {str(f.parent) for root in roots for f in root.rglob("*.so*")}
        self.process = subprocess.Popen([roots[0] / "usr/lib/cyrus/bin/master", "-C", top / "imapd.conf", "-M", top / "cyrus.conf",
                                         "-p", top / "pid", "-D"], env={"LD_LIBRARY_PATH": ":".join(libraries), "PATH": "/usr/bin:/bin"},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def connect(self, which):
        """Master listens a moment after it was started."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.ports[which]), timeout=START_SECONDS)
            except ConnectionRefusedError:
                assert time.monotonic() < deadline and self.process.poll() is None
                time.sleep(0.05)

    def imap(self, *commands):
        """Each with the tag `a`, and what it says to each; octets behind a command are its literal."""
        said = []
        with self.connect(1) as sock, sock.makefile("rb") as file:
            assert file.readline().startswith(b"* OK")
            for command in commands:
                sock.sendall(b"a " + command + b"\r\n")
                lines = [file.readline()]
                while lines[-1] and not lines[-1].startswith(b"a "):
                    lines.append(file.readline())
                assert lines[-1].startswith(b"a OK"), lines
                said.append(b"".join(lines))
        return said

    def pop3(self):
        self.connect(0).close()
        with Pop3(("127.0.0.1", self.ports[0])) as c:
            c.ok("USER bob")
            c.ok("PASS any")
            c.ok("UIDL")
            text = c.octets().replace(b"\r\n", b"\n").decode()
            c.quit()
        return text

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)  # and waits for its children
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            subprocess.run(["pkill", "-KILL", "-s", str(self.process.pid)], check=False)
            self.process.wait()


@pytest.fixture(name="cyrus")
def _cyrus(daemon, unpacked):
    c = Cyrus(Path(daemon.top) / "cyrus", unpacked)
    yield c
    c.stop()


def append(text):
    octets = text.replace("\n", "\r\n").encode()
    return b"APPEND INBOX {%d+}\r\n%s" % (len(octets), octets)


def test_cyrus(daemon, cyrus):
    """With a number that is missing, and files that are called as Cyrus calls them or were renamed to numbers."""
    cyrus.pop3()  # which makes the INBOX
    said = cyrus.imap(b"LOGIN bob any", append(LATER), *map(append, MESSAGES), b"SELECT INBOX", b"STORE 1 +FLAGS (\\Deleted)", b"EXPUNGE",
                      b"STATUS INBOX (UIDVALIDITY)")
    validity = re.search(rb"UIDVALIDITY (\d+)", said[-1])[1].decode()
    listing = cyrus.pop3()
    assert ids(listing) == [f"{validity}.{n}" for n in range(2, 2 + len(MESSAGES))]
    cyrus.stop()
    files = {int(f.name[:-1]): f for f in cyrus.top.rglob("*.") if re.fullmatch(r"\d+\.", f.name)}
    user = daemon.user("bob", kind=Mh)
    for number in range(2, 2 + len(MESSAGES)):
        user.inbox.file(number).write_bytes(files[number].read_bytes())
        own(user.inbox.file(number), user.uid, user.gid)
    daemon.extra = "mailbox { uidl-format cyrus; }\n"
    saved = daemon.top / "listing"
    saved.write_text(listing, encoding="ascii")
    words = ("--listing", saved, "--uidvalidity", validity, "cyrus", user.inbox.path)
    assert " 0 would be fetched again, 0 are not there\n" in popctl(daemon, "import", "--dry-run", *words)
    popctl(daemon, "import", *words)
    daemon.start()
    assert ids(ours(daemon, user)) == ids(listing)
    user.deliver(LATER)
    assert ids(ours(daemon, user)) == ids(listing) + [f"{validity}.{2 + len(MESSAGES)}"]
