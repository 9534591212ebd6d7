"""Passwords in memory: no process keeps what it has dealt with. Its memory is read as root may, when the answer is there."""

from pathlib import Path

import pytest

from server import SANITIZED, short_name, wait_for

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(SANITIZED, reason="its shadow is too large to be searched"),
]

RIGHT = "correct-horse-battery-staple"
WRONG = "wrong-horse" + 30 * "-battery" + "-paperclip"  # no reply is as long, so none is written over its end
END = 16  # octets of each that are looked for


def memory(pid):
    """All that a process can write and shares with nobody."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines():
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1] == "rw-p":
                mem.seek(start)
                yield mem.read(end - start)


def holders(daemon, needle):
    return {short_name(pid) for pid in daemon.pids() if any(needle in m for m in memory(pid))}


def assert_forgotten(daemon, word):
    end = word[-END:].encode()
    assert wait_for(lambda: not holders(daemon, end), 5), holders(daemon, end)


@pytest.mark.parametrize("way", ["clear", "tls"])
def test_passwords_are_forgotten(daemon, way):
    """Right and wrong ones, in one write and in pieces, hashed and found in the cache; while the sessions go on, and behind them."""
    user = daemon.user(password=RIGHT)
    cert = daemon.certificate()
    daemon.tls = cert.context() if way == "tls" else None
    daemon.start(extra="auth { failure-delay 0; }", server=cert.block + ("tls-mode connection;" if way == "tls" else ""))
    sessions = []
    for word in (WRONG, RIGHT, RIGHT):
        c = daemon.connect()
        c.ok(f"USER {user.login}")
        c.send(f"PASS {word[:20]}")
        c.send(f"{word[20:]}\r\n")
        assert c.line().startswith(b"+OK" if word is RIGHT else b"-ERR [AUTH]")
        assert_forgotten(daemon, word)
        sessions.append(c)
        if word is RIGHT:
            c.quit()
    c = daemon.connect()
    c.send(f"USER {user.login}\r\nPASS {RIGHT}\r\nSTAT\r\n")
    for _ in range(3):
        assert c.line().startswith(b"+OK")
    assert_forgotten(daemon, RIGHT)
    c.quit()


def test_the_search_finds_what_is_there(daemon):
    """A password that has not come whole, so that front must keep it."""
    user = daemon.user(password=RIGHT)
    c = daemon.connect()
    c.ok(f"USER {user.login}")
    c.send(f"PASS {RIGHT}")
    assert wait_for(lambda: holders(daemon, RIGHT.encode())) == {"pop3d-front"}
    c.send("\r\n")
    assert c.line().startswith(b"+OK")
    c.quit()
