"""Maildrops of one kind of message, made quickly and in any number: few large ones, or very many small ones."""
import base64
import os
import random
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHUNK = 1000  # messages of an mbox that are written at once
LINE = "what a client that polls every few minutes finds in the mail of a day, line by line\n"
LF, CRLF = b"\n", b"\r\n"
COLUMNS = 57  # octets of a line before base64


@dataclass(frozen=True)
class Drop:
    messages: int
    lines: int  # of a body
    encoded: bool = False  # lines of base64 that nothing can compress, as attachments have


@cache
def body_of(lines: int, encoded: bool) -> tuple[bytes, str]:
    """The body of all messages, and its checksum on the wire."""
    if encoded:
        octets = random.Random(lines).randbytes(COLUMNS * min(lines, CHUNK))
        some = b"".join(base64.b64encode(octets[at:at + COLUMNS]) + b"\n" for at in range(0, len(octets), COLUMNS))
        body = some * (lines // min(lines, CHUNK))
    else:
        body = LINE.encode() * lines
    return body, f"{zlib.crc32(body.replace(LF, CRLF)):08x}"


def message(drop: Drop, number: int) -> bytes:
    body, crc = body_of(drop.lines, drop.encoded)
    return (f"From: sender{number}@example.org\nTo: user1@cheap.test\nSubject: message {number}\n"
            f"Message-ID: <{number}.{drop.lines}@example.org>\nX-Body-CRC: {crc}\n\n").encode() + body


def make_maildir(path: Path, drop: Drop, owner: int) -> None:
    """All seen before."""
    for part in ("", "tmp", "new", "cur"):
        (path / part).mkdir()
        os.chown(path / part, owner, owner)
    for i in range(1, drop.messages + 1):
        name = f"{path}/cur/{1767600000 + i}.M1P1.mail:2,S"
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, message(drop, i))
        os.fchown(fd, owner, owner)
        os.close(fd)


def make_mbox(path: Path, drop: Drop, owner: int, mode: int = 0o600) -> None:
    with open(path, "wb") as f:
        some = max(1, min(CHUNK, 10_000_000 // (len(body_of(drop.lines, drop.encoded)[0]) + 1)))
        for first in range(1, drop.messages + 1, some):
            f.write(b"".join(b"From sender@example.org Mon Jan  5 10:00:00 2026\n" + message(drop, i) + b"\n"
                             for i in range(first, min(first + some, drop.messages + 1))))
        os.fchown(f.fileno(), owner, owner)
        os.fchmod(f.fileno(), mode)


def make_wire(path: Path, drop: Drop) -> None:
    """A message as it is sent: no line of these bodies begins with a dot."""
    path.write_bytes(message(drop, 1).replace(LF, CRLF) + b"." + CRLF)


def make_home(home: Path, kind: str, drop: Drop, owner: int) -> None:
    """A home with one maildrop, INBOX."""
    home.mkdir(parents=True)
    os.chown(home, owner, owner)
    (make_maildir if kind == "maildir" else make_mbox)(home / "INBOX", drop, owner)
