"""Clients of AUTH that others wrote, over our connections; files of secrets."""

import base64
import re
import socket
import subprocess
from typing import NamedTuple

from clients import call
from pop3 import Gone, Pop3
from server import own

MESSAGE = "Subject: a\n\nbody\n"
OPENED = b"+OK maildrop has 1 messages"
BAD = b"-ERR [AUTH] Bad login"


def b64(octets):
    if isinstance(octets, str):
        octets = octets.encode()
    return base64.b64encode(octets).decode()


def plain(user, password=None, authzid=""):
    return b64(f"{authzid}\0{user.login}\0{user.password if password is None else password}")


def secrets(daemon, lines, name="cram/passwd", mode=0o640):
    """A file for cram-passwd, in a directory of its own."""
    path = daemon.top / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{user}\t{secret}\n" for user, secret in lines.items()), encoding="utf-8")
    path.chmod(mode)
    own(path, daemon.uid, daemon.uid)
    return path


def offered(c):
    c.ok("CAPA")
    found = [line[len("SASL "):].split() for line in c.text() if line.startswith("SASL ")]
    c.ok("AUTH")
    listed = c.text()
    assert listed == (found[0] if found else [])
    return listed


def gsasl(c, mechanism, login, password, *more, exporter="", unique="", env=None):
    """The client of GNU SASL, whose lines go through our connection; the reply that ends it. It asks for the channel binding where it wants one."""
    command = ["gsasl", "--client", "--quiet", f"--mechanism={mechanism}", f"--authentication-id={login}", f"--password={password}", *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as p:
        def says():
            return p.stdout.readline().rstrip("\n").split("binding: ")[-1]

        def hears(line):
            p.stdin.write(line + "\n")
            p.stdin.flush()

        try:
            if mechanism.startswith("SCRAM"):
                p.stdin.write(exporter + "\n" + ("" if exporter else unique + "\n"))
                p.stdin.flush()
            assert says() == mechanism
            first, reply = says(), c.cmd(f"AUTH {mechanism}").decode()
            if reply == "+ ":
                reply = c.cmd(first).decode()
            while reply.startswith("+ "):
                hears(reply[2:])
                reply = c.cmd(says()).decode()
            return reply.encode()
        finally:
            p.kill()


def verifier(password, hash="SHA-256", iterations=4096, form="gsasl"):
    made = call("gsasl", "--mkpasswd", f"--mechanism=SCRAM-{hash}", f"--password={password}", f"--iteration-count={iterations}").decode().strip()
    if form == "gsasl":
        return made
    scheme, iterations, salt, stored, server = re.fullmatch(r"(\{.*\})(.*),(.*),(.*),(.*)", made).groups()
    return f"{scheme if form == 'braces' else scheme[1:-1] + '$'}{iterations}:{salt}${stored}:{server}"


def scram_challenge(c, name, hash="SHA-256"):
    line = c.cmd(f"AUTH SCRAM-{hash} {b64(f'n,,n={name},r=abcdefgh')}")
    assert line.startswith(b"+ "), line
    nonce, salt, count = base64.b64decode(line[2:]).decode().split(",", 2)
    assert nonce.startswith("r=abcdefgh") and len(nonce) > 20
    assert c.cmd("*") == b"-ERR Authentication cancelled"
    return len(base64.b64decode(salt[2:])), salt, count


class Scrammed(NamedTuple):
    """A user, for those who want his name and password."""
    login: str
    password: str


class GnuTls(Pop3):
    """A connection whose TLS is GnuTLS' own client's, from STLS on. .bindings: what it says names the connection, in base64."""

    def __init__(self, daemon, ca, version, more=""):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(20)
        self.seen = b""
        with theirs:
            self.process = subprocess.Popen(
                ["gnutls-cli", "--verbose", "--starttls-proto=pop3", f"--x509cafile={ca}", f"--priority=NORMAL:-VERS-ALL:+VERS-{version}{more}",
                 "--port", str(daemon.port), "localhost"], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        self.bindings = {}
        while (line := self.raw()) != "- Simple Client Mode:":
            if found := re.match(r" - '(tls-.*)': ([0-9a-f]+)", line):
                self.bindings[found[1]] = b64(bytes.fromhex(found[2]))
        self.raw()

    def raw(self):
        while b"\n" not in self.seen:
            got = self.sock.recv(65536)
            assert got, f"gnutls-cli ended behind {self.seen!r}"
            self.seen += got
        line, self.seen = self.seen.split(b"\n", 1)
        return line.decode()

    def line(self):
        """It says how much it has sent, and in front of what it has received, how much that was."""
        while (line := self.raw()).startswith("- Sent: "):
            pass
        if line.startswith("- Peer has closed"):
            raise Gone(line)
        line = re.sub(r"^- Received\[\d+\]: ", "", line)
        assert line.endswith("\r"), line
        return line[:-1].encode()

    def close(self):
        super().close()
        self.process.kill()
        self.process.wait()
