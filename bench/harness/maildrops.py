"""Maildrops and users, the same for every server.

A message says in its header what checksum its body must have on the wire, so that the client can tell whether a server
changed it. Domains hold the same users with the same password and the same messages; they differ in what checking the password
costs, and in the format of the maildrops."""
import ctypes
import os
import random
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "correct horse"
OWNER = 20001  # uid and gid of all mail, as with virtual users everywhere
MESSAGES = 20
CHEAP = b"ab"  # DES: next to nothing, so that the servers are measured and not the hash


@dataclass(frozen=True)
class Domain:
    setting: bytes  # of crypt(3)
    homes: str = "maildir"


DOMAINS = {
    "cheap.test": Domain(CHEAP),
    "sha512.test": Domain(b"$6$saltsaltsaltsalt$"),  # SHA-512 with its usual 5000 rounds
    "mbox.test": Domain(CHEAP, "mbox"),
}
WORDS = "the mail of a client that polls every few minutes and finds nothing new is what a server does all day".split()


def crypt(setting: bytes) -> bytes:
    libcrypt = ctypes.CDLL("libcrypt.so.1")
    libcrypt.crypt.restype = ctypes.c_char_p
    return libcrypt.crypt(PASSWORD.encode(), setting)


def crypt_ms(domain: str) -> float:
    """What one check of the password costs, without any server."""
    times = []
    for _ in range(20):
        start = time.process_time()
        crypt(DOMAINS[domain].setting)
        times.append(time.process_time() - start)
    return sorted(times)[len(times) // 2] * 1000


def body_lines(rng: random.Random) -> list[str]:
    """No line begins with From: whether quoting in a mbox is undone, servers do not agree."""
    lines = []
    for _ in range(rng.randint(5, 60)):
        line = " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 12)))
        lines.append(rng.choice(("", "", "", "", ".", "..", "> ", "from ")) + line)
    return lines


def message(rng: random.Random, number: int, user: int) -> bytes:
    lines = body_lines(rng)
    wire = "".join(line + "\r\n" for line in lines)
    header = [
        f"Return-Path: <sender{rng.randint(1, 99)}@example.org>",
        f"Received: from mx.example.org (mx.example.org [192.0.2.{rng.randint(1, 254)}])",
        f"\tby mail.cheap.test (Postfix) with ESMTPS id {rng.getrandbits(40):010X}",
        f"\tfor <user{user}@cheap.test>; Mon, 05 Jan 2026 10:{number % 60:02d}:00 +0000 (UTC)",
        f"Message-ID: <{number}.{user}.{rng.getrandbits(32)}@example.org>",
        f"From: Sender <sender{number}@example.org>",
        f"To: user{user}@cheap.test",
        f"Subject: message {number}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        f"X-Body-CRC: {zlib.crc32(wire.encode()):08x}",
    ]
    return "\n".join(header + [""] + lines).encode() + b"\n"


def make_maildir(path: Path, user: int) -> None:
    """Three quarters seen before, the rest new."""
    rng = random.Random(user)
    for part in ("tmp", "new", "cur"):
        (path / part).mkdir(parents=True)
    for i in range(MESSAGES):
        name = f"{1767600000 + i}.M{user:06d}P{i + 1}.mail"
        place = f"cur/{name}:2,S" if i < MESSAGES * 3 // 4 else f"new/{name}"
        (path / place).write_bytes(message(rng, i + 1, user))


def make_mbox(path: Path, user: int) -> None:
    """Three quarters seen before, the rest new."""
    rng = random.Random(user)
    with open(path, "wb") as f:
        for i in range(MESSAGES):
            header, _, body = message(rng, i + 1, user).partition(b"\n\n")
            seen = b"\nStatus: RO" if i < MESSAGES * 3 // 4 else b""
            f.write(b"From sender%d@example.org Mon Jan  5 10:%02d:00 2026\n" % (i + 1, i % 60))
            f.write(header + seen + b"\n\n" + body + b"\n")


def make_homes(homes: Path, users: int) -> None:
    for user in range(1, users + 1):
        for kind, make in (("maildir", make_maildir), ("mbox", make_mbox)):
            home = homes / kind / f"user{user}"
            home.mkdir(parents=True)
            make(home / "INBOX", user)
    for directory, _, files in os.walk(homes):
        for name in [directory] + [os.path.join(directory, f) for f in files]:
            os.chown(name, OWNER, OWNER)


def make_domains(domains: Path, homes: Path, users: int) -> None:
    """A file of passwd(5)'s form per domain: what Mailutils' virtual domains, Dovecot's passwd-file and we read."""
    domains.mkdir()
    for name, domain in DOMAINS.items():
        password = crypt(domain.setting).decode()
        home = homes / domain.homes
        lines = (f"user{u}:{password}:{OWNER}:{OWNER}::{home}/user{u}:/bin/false\n" for u in range(1, users + 1))
        (domains / name).write_text("".join(lines))
