"""Plays tests/dialogue/*.pop3 (the format stands in its README.md) in three ways that must not differ."""

import re
from pathlib import Path

import pytest

from pop3 import Pop3
from server import Daemon

DIALOGUES = Path(__file__).resolve().parents[1] / "dialogue"
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


def unescape(text):
    def octets(m):
        return ESCAPES[m[1]].decode("latin-1") if m[1] else chr(int(m[2], 16))

    return re.sub(r"\\(?:([rnt\\])|x([0-9a-fA-F]{2}))", octets, text).encode("latin-1")


def parse(path):
    """[(line number, kind, octets or text)]"""
    steps = []
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        kind, text = line[:2], line[3:]
        if kind == "C:":
            steps.append((n, "C", text.encode("utf-8") + b"\r\n"))
        elif kind == "C!":
            steps.append((n, "C", unescape(text)))
        elif kind in ("S:", "S~", "S.", "S$"):
            steps.append((n, kind, text))
        else:
            raise ValueError(f"{path.name}:{n}: {line!r} is no line of a dialogue")
    return steps


def expect(client, where, kind, text):
    if kind == "S$":
        assert client.at_end(), where
    elif kind == "S.":
        client.lines()
    else:
        line = client.line().decode("utf-8", "replace")
        fits = line == text if kind == "S:" else re.fullmatch(text, line)
        assert fits, f"{where}: the server said {line!r}, not {text!r}"


def by_line(client, steps, name):
    for n, kind, what in steps:
        if kind == "C":
            client.send(what)
        else:
            expect(client, f"{name}:{n}", kind, what)


def by_octet(client, steps, name):
    for n, kind, what in steps:
        if kind == "C":
            for octet in what:
                client.send(bytes([octet]))
        else:
            expect(client, f"{name}:{n}", kind, what)


def in_one_write(client, steps, name):
    client.send(b"".join(what for _, kind, what in steps if kind == "C"))
    for n, kind, what in steps:
        if kind != "C":
            expect(client, f"{name}:{n}", kind, what)


@pytest.fixture(scope="module")
def world():
    d = Daemon()
    users = [d.user("alice", "apw"), d.user("empty", "epw"), d.user("blank", " two  blanks ")]
    d.start(extra="auth { failure-delay 0; }")
    yield d, users
    d.finish()


@pytest.mark.parametrize("play", [by_line, by_octet, in_one_write])
@pytest.mark.parametrize("path", sorted(DIALOGUES.glob("*.pop3")), ids=lambda p: p.stem)
def test_dialogue(world, path, play):
    d, (alice, *_) = world
    for name in alice.inbox.files():
        alice.inbox.file(name).unlink()
    for message in sorted((DIALOGUES / "mail").iterdir()):
        alice.deliver(message.read_bytes(), name=message.name)
    with Pop3(d.address, greeting=False) as client:
        client.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        play(client, parse(path), path.name)
