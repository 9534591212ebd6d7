"""Users of a RADIUS server: a real FreeRADIUS, and between it and pop3d somebody who loses, forges and strips packets."""

import contextlib
import hashlib
import hmac
import os
import signal
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import START_SECONDS, Daemon, Maildir, wait_for
from test_auth import check_logins, try_login
from test_run import reload

pytestmark = pytest.mark.needs_root

RADIUS_UP = Path(__file__).parents[1] / "services/radius-up"
SECRET = b"testing123"
ACCEPT, REJECT, CHALLENGE = 2, 3, 11
AUTH, TEMP, PERM, OK = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"+OK"
UID = 20501


class Server:
    """FreeRADIUS with users of its own."""

    def __init__(self, top):
        self.top, self.port = Path(top), ""
        self.top.mkdir()

    def start(self, **env):
        self.port = subprocess.run([RADIUS_UP, self.top, *([self.port] if self.port else [])], env={**os.environ, **env}, check=True,
                                   capture_output=True, text=True, timeout=120).stdout.strip()

    def stop(self, sig=signal.SIGKILL):
        pid = int((self.top / "pid").read_text(encoding="ascii"))
        os.kill(pid, sig)
        assert wait_for(lambda: not Path(f"/proc/{pid}").exists() or "(freeradius) Z" in Path(f"/proc/{pid}/stat").read_text(encoding="ascii"))


class Between:
    """Takes requests for the server and answers with what `mischief(request, reply, n)` makes of its reply: a list of packets. n counts how often
    this very request has come."""

    def __init__(self, server):
        self.server, self.mischief, self.requests = server, None, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.pool = ThreadPoolExecutor(16)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            request, client = self.socket.recvfrom(4096)
            if not request:
                return
            self.requests.append(request)
            self.pool.submit(self.relay, request, client, self.requests.count(request) if self.mischief else 1, self.mischief)

    def relay(self, request, client, n, mischief):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            s.connect(("127.0.0.1", int(self.server.port)))
            s.send(request)
            try:
                reply = s.recv(4096)
            except OSError:
                return
        for packet in mischief(request, reply, n) if mischief else [reply]:
            self.socket.sendto(packet, client)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.pool.shutdown()
        self.socket.close()


def attributes(packet):
    """Without the Message-Authenticator."""
    rest, out = packet[20:], b""
    while rest:
        if rest[0] != 80:
            out += rest[:rest[1]]
        rest = rest[rest[1]:]
    return out


def packet(request, code, rest=b"", signed=True, secret=SECRET, identifier=None):
    """A reply whose authenticators are right for the secret."""
    head = struct.pack(">BBH", code, request[1] if identifier is None else identifier, 20 + 18 * signed + len(rest))
    mark = b""
    if signed:
        mark = b"\x50\x12" + hmac.new(secret, head + request[4:20] + b"\x50\x12" + bytes(16) + rest, hashlib.md5).digest()
    return head + hashlib.md5(head + request[4:20] + mark + rest + secret).digest() + mark + rest


def other(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


def with_authenticator(request, octets):
    """Its Response Authenticator is right, whatever the rest is: what a collision of MD5 gives without the secret."""
    return octets[:4] + hashlib.md5(octets[:4] + request[4:20] + octets[20:] + SECRET).digest() + octets[20:]


# What an attacker may send before the real answer; `code' is what he would like it to be.
FORGERIES = {
    "with a wrong Message-Authenticator": lambda q, code: with_authenticator(q, other(packet(q, code), 30)),
    "without Message-Authenticator": lambda q, code: packet(q, code, signed=False),
    "with a wrong Response Authenticator": lambda q, code: other(packet(q, code), 10),
    "to another request": lambda q, code: packet(q, code, identifier=q[1] ^ 1),
    "malformed": lambda q, code: packet(q, code)[:-1],
}

USERS = """
DEFAULT Service-Type == Authorize-Only, User-Name =~ "^(alice|bob)$", Auth-Type := Accept
	GNU-MU-UID = {uid}, GNU-MU-GID = {uid}, GNU-MU-Dir = "/home/%{{User-Name}}", GNU-MU-Mailbox = "maildir:{top}/%{{User-Name}}", GNU-MU-Quota = 1048576
DEFAULT Service-Type == Authorize-Only, User-Name == "20501", Auth-Type := Accept
	GNU-MU-User-Name = "alice", GNU-MU-UID = {uid}, GNU-MU-GID = {uid}, GNU-MU-Dir = "/home/alice", GNU-MU-Mailbox = "maildir:{top}/alice"
DEFAULT Service-Type == Authorize-Only, User-Name == "homeless", Auth-Type := Accept
	GNU-MU-UID = {uid}, GNU-MU-GID = {uid}
DEFAULT Service-Type == Authorize-Only, User-Name == "disabled", Auth-Type := Reject
	GNU-MU-UID = {uid}, GNU-MU-GID = {uid}, GNU-MU-Dir = "/home/disabled", Reply-Message = "no longer a customer"
DEFAULT Service-Type == Authorize-Only, Auth-Type := Reject
alice	Cleartext-Password := "apw"
bob	Crypt-Password := "$6$saltbob$C5n1C7evD2MMpx0H3mKuxjW9IqbxbPNjUGJKY4cdcHEnPJwnqTZgI5QRzG7jDNyqA9A3FX7MfvWl2GgMNXf0T1"
"""


@pytest.fixture(scope="module")
def world():
    """The daemon, with the server and two that stand between."""
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        mail = d.top / "radius-mail"
        mail.mkdir()
        for name in ("alice", "bob"):
            Maildir(mail / name, UID, UID).deliver("Subject: x\n\nx\n")
        d.radius = Server(d.top / "radius")
        (d.radius.top / "users").write_text(USERS.format(uid=UID, top=mail), encoding="ascii")
        ends.callback(d.radius.stop)
        d.radius.start()
        d.first, d.second = Between(d.radius), Between(d.radius)
        ends.callback(d.first.close)
        ends.callback(d.second.close)
        d.virtual = d.user("ann")
        yield d.start(extra(d))


@pytest.fixture
def daemon(world):
    yield world
    world.first.mischief = world.second.mischief = None


def extra(d, servers=None, more="", timeout=20):
    servers = servers or f"127.0.0.1:{d.first.port}"
    return f"""
auth {{ authorization clear:virtdomain:radius; authentication clear:radius:generic; failure-delay 0; lookup-timeout {timeout}; }}
radius {{
    server ({servers});
    secret {SECRET.decode()};
    timeout 1;
    auth "User-Name = ${{user}}, User-Password = ${{passwd}}, NAS-Port = 1, Calling-Station-Id = \\"${{client}}\\"";
    getpwnam "User-Name = ${{user}}, Service-Type = Authorize-Only";
    getpwuid "User-Name = ${{user}}, Service-Type = Authorize-Only";
    {more}
}}
"""


CASES = [
    ("alice", b"apw", OK, ""),
    ("bob", b"bpw", OK, ""),
    ("alice", b"Apw", AUTH, "rejects user or password"),
    ("alice", b"apw, Auth-Type = Accept", AUTH, "rejects"),
    ("alice", b"\xff\x01\"\\${user}%{User-Name}", AUTH, "rejects"),
    ("alice", b"x" * 129, AUTH, "User-Password: the value has 129 octets"),
    ("carol", b"apw", AUTH, ""),
    ("disabled", b"apw", AUTH, ""),
    ("homeless", b"apw", PERM, "the answer has no GNU-MU-Dir"),
    ('alice",Service-Type="Login-User', b"apw", AUTH, ""),
    ("alice,User-Password=x", b"apw", AUTH, ""),
    ("${passwd}%{User-Name}$(id)", b"apw", AUTH, ""),
    ("x" * 254, b"apw", AUTH, ""),
    ("ann@example.test", b"secret", OK, ""),
]


def test_users(daemon):
    """Right, wrong, unknown, disabled, whatever octets there are; and the mailbox is what the server says."""
    check_logins(daemon, CASES)
    with daemon.connect() as c:
        c.ok("USER alice")
        c.ok("PASS apw")
        assert c.stat()[0] == 1
    daemon.wait_log(rf'login user="alice".* source="radius" uid={UID} messages=1')
    assert "Apw" not in daemon.log() and "apw" not in daemon.log() and SECRET.decode() not in daemon.log()
    assert all(q[20:22] == b"\x50\x12" for q in daemon.first.requests)
    assert len({q[4:20] for q in daemon.first.requests}) == len(daemon.first.requests)
    assert any(b"\x1f\x0b127.0.0.1" in q for q in daemon.first.requests)


def test_cache(daemon):
    """A password is asked about each time, but where `cache' says so; what was wrong is always asked again."""
    def asked(*passwords):
        before = len(daemon.first.requests)
        for password, status in passwords:
            assert try_login(daemon, "alice", password).startswith(status)
        return sum(b"\x05\x06\0\0\0\x01" in q for q in daemon.first.requests[before:])  # NAS-Port: requests of `auth'
    right, wrong = ("apw", OK), ("a guess", AUTH)
    assert asked(right, right, wrong, wrong) == 4
    reload(daemon, extra=extra(daemon, more="cache yes;"))
    assert asked(right, right, right) == 1
    assert asked(wrong, wrong) == 2
    reload(daemon, extra=extra(daemon))


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged(daemon, kind):
    """Neither lets a wrong password in nor keeps a right one out: the real answer comes behind it, and is taken."""
    before = len(daemon.log())
    daemon.first.mischief = lambda q, reply, n: [FORGERIES[kind](q, ACCEPT + REJECT - reply[0]), reply]
    assert try_login(daemon, "alice", "apw").startswith(OK)
    assert try_login(daemon, "alice", "wrong").startswith(AUTH)
    assert wait_for(lambda: f"1 replies dropped, the last one {kind}" in daemon.log()[before:]), daemon.log()[before:]


def test_challenge(daemon):
    daemon.first.mischief = lambda q, reply, n: [packet(q, CHALLENGE, b"\x18\x06abcd") if b"apw" not in reply and len(q) > 60 else reply]
    assert try_login(daemon, "alice", "apw").startswith(AUTH)
    daemon.wait_log("Access-Challenge")


def test_rejection_with_attributes(daemon):
    """A record is made of an Access-Accept alone."""
    daemon.first.mischief = lambda q, reply, n: [packet(q, REJECT, attributes(reply))]
    assert try_login(daemon, "alice", "apw").startswith(AUTH)


def test_sent_again(daemon):
    """The same octets: the server can tell that it is not another question."""
    daemon.first.requests.clear()
    daemon.first.mischief = lambda q, reply, n: [reply] if n > 1 else []
    assert try_login(daemon, "alice", "apw").startswith(OK)
    requests = list(daemon.first.requests)
    assert len(requests) == 4 and len(set(requests)) == 2


def test_many(daemon):
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: try_login(daemon, "alice", f"wrong{n}" if n % 2 else "apw"), range(64)))
    assert [a.startswith(AUTH if n % 2 else OK) or a for n, a in enumerate(answers)] == [True] * 64


def test_fail_over(daemon):
    """The next server is asked where one never answers, and from then on first."""
    daemon.first.mischief = lambda q, reply, n: []
    reload(daemon, extra=extra(daemon, f"127.0.0.1:{daemon.first.port}, 127.0.0.1:{daemon.second.port}", "", 4) + "auth { backend-processes 1; }\n")
    assert try_login(daemon, "alice", "apw").startswith(OK)
    daemon.first.requests.clear()
    daemon.second.requests.clear()
    assert try_login(daemon, "alice", "apw").startswith(OK)
    assert len(daemon.second.requests) == 2 and not daemon.first.requests
    daemon.first.mischief, daemon.second.mischief = None, daemon.first.mischief
    assert try_login(daemon, "alice", "apw").startswith(OK)


def test_signatures_not_required(daemon):
    """Off, a reply without a Message-Authenticator is believed; one with a wrong one still is not."""
    daemon.first.mischief = lambda q, reply, n: [packet(q, reply[0], attributes(reply), signed=False)]
    reload(daemon, extra=extra(daemon, timeout=2))
    assert try_login(daemon, "alice", "apw").startswith(TEMP)
    daemon.wait_log("without Message-Authenticator")
    reload(daemon, extra=extra(daemon, more="require-message-authenticator no;"))
    assert try_login(daemon, "alice", "apw").startswith(OK)
    assert try_login(daemon, "alice", "wrong").startswith(AUTH)
    forged = FORGERIES["with a wrong Message-Authenticator"]
    daemon.first.mischief = lambda q, reply, n: [forged(q, ACCEPT), reply]
    assert try_login(daemon, "alice", "wrong").startswith(AUTH)


def test_silent(daemon):
    """A server that takes requests and never answers is trouble, in the time that a look-up may take; others' users do not notice."""
    daemon.first.mischief = lambda q, reply, n: []
    reload(daemon, extra=extra(daemon, timeout=2))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(try_login, daemon, "alice", "apw") for _ in range(8)]
        assert [w.result().startswith(TEMP) or w.result() for w in waiting] == [True] * 8


def test_killed(daemon):
    """Killed in the middle: trouble, never a wrong password. Started anew, it is asked again without a word from anybody."""
    reload(daemon, extra=extra(daemon, f"127.0.0.1:{daemon.radius.port}"))
    assert try_login(daemon, "alice", "apw").startswith(OK)
    daemon.radius.stop()
    assert try_login(daemon, "alice", "apw").startswith(TEMP)
    daemon.wait_log("Connection refused")
    daemon.radius.start()
    assert wait_for(lambda: try_login(daemon, "alice", "apw").startswith(OK), START_SECONDS)


def test_directory(daemon):
    """Where `server' is not given, the servers are GNU Radius' client.conf's, and more attributes the dictionaries'."""
    raddb = daemon.top / "raddb"
    raddb.mkdir()
    (raddb / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n", encoding="ascii")
    (raddb / "client.conf").write_text(f"server ours 127.0.0.1 {SECRET.decode()} {daemon.first.port} 1813\ntimeout 1\n", encoding="ascii")
    text = extra(daemon).replace(f"server (127.0.0.1:{daemon.first.port});", f"directory {raddb};").replace(f"secret {SECRET.decode()};", "")
    reload(daemon, extra=text.replace("NAS-Port = 1", "Cisco-AVPair = pop3, NAS-Port-Type = Virtual"))
    daemon.first.requests.clear()
    assert try_login(daemon, "alice", "apw").startswith(OK)
    assert any(b"\x1a\x0c\x00\x00\x00\x09\x01\x06pop3\x3d\x06\x00\x00\x00\x05" in q for q in daemon.first.requests)


BAD = [
    ("radius { secret x; %s }", "no server is configured"),
    ("radius { server 127.0.0.1; %s }", "radius.secret is not set"),
    ('radius { server 127.0.0.1; secret x; auth "Nobody = 1"; }', "radius.auth: no dictionary has an attribute Nobody"),
    ('radius { server 127.0.0.1; secret x; auth "User-Name = $user"; }', "radius.getpwnam is not set"),
    ("radius { server 127.0.0.1; secret x; directory /nowhere; }", "/nowhere/dictionary: No such file or directory"),
]


def test_bad_set_up(daemon):
    """What cannot work is told at the start, and the daemon that runs goes on as it was."""
    for text, said in BAD:
        text = text.replace("%s", 'auth "User-Name = $user"; getpwnam "User-Name = $user";')
        reload(daemon, said, extra="auth { authorization clear:radius; authentication clear:radius; }\n" + text)
    assert try_login(daemon, "alice", "apw").startswith(OK)
