"""Bad input and bad manners: nothing crashes, hangs or grows, and other clients do not notice.

Every test has a well-behaved client beside the bad ones, and the fixture looks at the daemon's log and processes."""

import os
import random
import socket
import ssl

import pytest

from pop3 import Gone
from server import SANITIZED, wait_for

MANY = 200


def message(n, octets=100):
    return f"Subject: m{n}\n\n" + "x" * 70 + "\n" + ("y" * 71 + "\n") * (octets // 72)


@pytest.fixture(params=["clear", "tls"])
def world(daemon, request):
    """A daemon, a well-behaved user and one for mischief, each with mail; in the clear, and over TLS."""
    if request.param == "tls":
        cert = daemon.certificate()
        daemon.server, daemon.tls = f"tls-mode connection; {cert.block}", cert.context()
    good, bad = daemon.user("good"), daemon.user("bad")
    for n in range(5):
        good.deliver(message(n))
        bad.deliver(message(n, 200000))
    daemon.start(extra="auth { failure-delay 0; }")
    fetch_all(daemon, good)  # warms up
    fetch_all(daemon, bad)
    return daemon, good, bad


def fetch_all(daemon, user):
    c = daemon.login(user)
    for n, octets in c.list().items():
        assert len(c.retr(n)) == octets
    c.quit()


def drain(sock):
    """Reads until the server closes; the number of octets."""
    got = 0
    try:
        while chunk := sock.recv(65536):
            got += len(chunk)
    except (ConnectionResetError, TimeoutError, ssl.SSLError):
        pass
    return got


def test_garbage(world):
    daemon, good, _ = world
    random.seed(1)
    for _ in range(100):
        c = daemon.connect()
        c.send(random.randbytes(random.randrange(1, 5000)))
        socket.socket.shutdown(c.sock, socket.SHUT_WR)
        drain(c.sock)
        c.close()
    fetch_all(daemon, good)


def test_garbage_after_login(world):
    daemon, good, bad = world
    random.seed(2)
    verbs = [b"STAT", b"LIST", b"RETR", b"TOP", b"UIDL", b"DELE", b"NOOP", b"RSET", b"CAPA", b"USER", b"PASS", b"XYZ"]
    for _ in range(20):
        c = daemon.login(bad)
        lines = []
        for _ in range(200):
            args = random.choice([b"", b" 1", b" 9", b" 1 0", b" -1", b" 99999999999999999999", b" \0", b" " + random.randbytes(9)])
            lines.append(random.choice(verbs) + args.replace(b"\n", b"") + random.choice([b"\r\n", b"\n", b" \r\n"]))
        c.send(b"".join(lines) + b"NOOP\r\n")
        c.sock.settimeout(60)
        replies = 0
        while replies < 201:
            line = c.line()
            if line[:3] in (b"+OK", b"-ER"):
                replies += 1
            if replies == 201:
                break
        c.reset()
    fetch_all(daemon, good)
    fetch_all(daemon, bad)


@pytest.mark.parametrize("octets", [1000, 1023, 1024, 1025, 1026, 1100, 4096, 100000])
def test_long_line(world, octets):
    """A line over the limit gets one -ERR and is swallowed whole; it is never echoed, never half executed."""
    daemon, good, _ = world
    c = daemon.login(good)
    c.send(b"DELE 1" + b" " * (octets - 8) + b"\r\nSTAT\r\n")
    reply = c.line()
    assert reply.startswith(b"+OK" if octets <= 1024 else b"-ERR") and len(reply) < 200
    assert c.line().startswith(b"+OK %d " % (4 if octets <= 1024 else 5))  # exactly one reply came before
    c.ok("RSET")
    c.quit()


def test_endless_line(world):
    """30 MB without a line end: one -ERR, and memory does not grow."""
    daemon, good, _ = world
    c = daemon.connect()
    before = daemon.rss_kib()
    for _ in range(30):
        c.send(b"USER " + b"a" * (1 << 20))
    if not SANITIZED:
        assert daemon.rss_kib() - before < 2048
    c.send(b"\r\nCAPA\r\n")
    assert c.line().startswith(b"-ERR")
    assert c.line().startswith(b"+OK")
    fetch_all(daemon, good)
    c.close()


def test_many_half_open_and_slow(world):
    """200 connections that say nothing, half a line, or a line an octet at a time; others are served meanwhile."""
    daemon, good, bad = world
    slow = []
    for i in range(MANY):
        c = daemon.client(greeting=False)
        if i % 4 == 1:
            c.send(b"USER ba")
        elif i % 4 == 2:
            c.send(b"U")
        elif i % 4 == 3:
            socket.socket.shutdown(c.sock, socket.SHUT_WR)
        slow.append(c)
    for octet in b"SER bad@example.test\r\n":
        for i, c in enumerate(slow):
            if i % 4 == 2:
                c.send(bytes([octet]))
        if octet % 4 == 0:
            fetch_all(daemon, good)
    for i, c in enumerate(slow):
        assert c.line().startswith(b"+OK")
        if i % 4 == 2:
            assert c.line().startswith(b"+OK")
        if i % 4 == 3:
            assert c.at_end()
        c.close()
    fetch_all(daemon, good)
    fetch_all(daemon, bad)


@pytest.mark.needs_root
def test_resets_in_the_middle_of_a_message(world):
    daemon, good, bad = world
    before = daemon.descriptors()
    for i in range(40):
        c = daemon.login(bad, rcvbuf=4096)
        c.say("RETR 1")
        c.sock.recv(1 + 100 * i)
        if i % 2:
            c.reset()
        else:
            c.close()
    fetch_all(daemon, good)
    fetch_all(daemon, bad)
    assert wait_for(lambda: daemon.descriptors() <= before, 10), "descriptors are left open"


def test_flood_from_a_client_that_does_not_read(world):
    """100,000 pipelined commands, nothing read: the daemon stops reading, holds little, and serves others; then all
    replies are there, in order."""
    daemon, good, bad = world
    c = daemon.login(bad, rcvbuf=4096)
    before = daemon.rss_kib()
    flood = b"LIST 1\r\nRETR 2\r\nBAD\r\n" * 100
    c.send(flood * 3)
    for _ in range(3):
        fetch_all(daemon, good)
    if not SANITIZED:
        assert daemon.rss_kib() - before < 4096
    octets = None
    for _ in range(300):
        assert c.line().startswith(b"+OK 1 ")
        reply = c.line()
        assert reply.startswith(b"+OK ")
        body = c.octets()
        octets = octets or len(body)
        assert len(body) == octets and reply == b"+OK %d octets" % octets
        assert c.line().startswith(b"-ERR")
    c.quit()


def test_many_that_do_not_read(world):
    """40 of them, each with 500 large messages asked for at once: a bounded buffer each, and others are served."""
    daemon, good, bad = world
    users = [daemon.user(uid=bad.uid) for _ in range(40)]
    for u in users:
        u.deliver(message(1, 200000))
    slow = [daemon.login(u, rcvbuf=4096) for u in users]
    before = daemon.rss_kib()
    for c in slow:
        c.send(b"RETR 1\r\n" * 500)
    for _ in range(3):
        fetch_all(daemon, good)
    if not SANITIZED:
        assert daemon.rss_kib() - before < len(slow) * 128  # less than a message
    c = slow.pop()
    first = c.line(), c.octets()
    assert all((c.line(), c.octets()) == first for _ in range(20))
    c.reset()
    for c in slow:
        c.reset()
    fetch_all(daemon, bad)


def test_hundreds_of_pipelined_commands(world):
    """One write, replies in order; and the same in single octets."""
    daemon, good, _ = world
    for pieces in (False, True):
        c = daemon.login(good)
        commands = b"".join(b"LIST %d\r\n" % (i % 5 + 1) for i in range(300))
        if pieces:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in commands:
                c.send(bytes([octet]))
        else:
            c.send(commands)
        assert [c.line().split()[1] for _ in range(300)] == [b"%d" % (i % 5 + 1) for i in range(300)]
        c.quit()


def test_delete_after_pipelined_retr_that_never_arrives(world):
    """RETR, DELE, QUIT in one write, and the line breaks before the message came: the mail stays."""
    daemon, _, bad = world
    for _ in range(5):
        c = daemon.login(bad, rcvbuf=4096)
        c.send(b"RETR 1\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nQUIT\r\n")
        c.sock.recv(100)
        c.reset()
    c = daemon.login(bad)
    assert c.stat()[0] == 5
    c.quit()


@pytest.mark.needs_root
def test_nothing_grows(world):
    """Sessions of all kinds, over and over: memory and descriptors come back to where they were."""
    daemon, good, bad = world

    def round_of_mischief():
        for i in range(30):
            c = daemon.connect()
            c.send([b"USER x\r\nPASS y\r\n", b"\xff" * 3000, b"USER good@example.test\r\nPASS secret\r\nRETR 1\r\n", b""][i % 4])
            c.reset() if i % 2 else c.close()
        fetch_all(daemon, good)
        fetch_all(daemon, bad)

    for _ in range(5):
        round_of_mischief()
    wait_for(lambda: False, 0.5)
    memory, descriptors = daemon.rss_kib(), daemon.descriptors()
    for _ in range(10):
        round_of_mischief()
    assert wait_for(lambda: daemon.descriptors() <= descriptors, 10), "descriptors grow"
    if not SANITIZED:
        assert daemon.rss_kib() < memory + 1024, "memory grows"


def test_user_names_reach_the_log_escaped(world):
    daemon, good, _ = world
    c = daemon.connect()
    c.send(b"USER a\"b\x1b[2J\xff@example.test\r\nPASS x\r\n")
    c.line()
    c.line()
    c.close()
    line = daemon.wait_log(r'user="a\\"b[^\n]*')[0]
    assert "\x1b" not in line and r"\x1b" in line and r"\xff" in line
    assert 'address="127.0.0.1"' in daemon.log() or "address=127.0.0.1" in daemon.log()


def test_passwords_never_reach_the_log(world):
    daemon, good, _ = world
    c = daemon.connect()
    c.send(b"PASS hunter2-early\r\nUSER good@example.test\r\nPASS hunter2-wrong\r\nPASS hunter2-late\r\nhunter2-verb\r\n")
    for _ in range(5):
        c.line()
    c.login(good)
    c.send(b"PASS hunter2-after\r\n")
    c.line()
    c.quit()
    assert "hunter2-" not in daemon.log() and "secret" not in daemon.log().replace(str(daemon.top), "")


def test_every_message_with_a_nul_name_or_slash_is_refused(world):
    """User names never leave the configured directories."""
    daemon, good, _ = world
    (daemon.mail / "example.test" / "evil").mkdir()
    outside = daemon.top / "outside"
    outside.write_text(f"eve:{'x'}:20001:20001::{daemon.mail}/example.test/good:/bin/false\n")
    os.chmod(outside, 0o644)
    for name in [b"eve@../outside", b"eve@..", b"eve@.", b"eve@/etc/passwd", b"eve@./example.test", b"../good@example.test",
                 b"good@example.test\0", b"good\0@example.test", b".good@example.test", b"good@.example.test", b"@example.test",
                 b"good@", b"\x01good@example.test", b"good/@example.test", b"good@example.test/"]:
        c = daemon.connect()
        c.send(b"USER " + name + b"\r\nPASS secret\r\n")
        try:
            replies = [c.line(), c.line()]
        except Gone:
            replies = [b"", b""]
        assert not replies[1].startswith(b"+OK"), name
        c.close()
    fetch_all(daemon, good)
