"""Large maildrops: what it takes to open one without an index, with one, and when a message has come; and to delete half of it.

One client, one session at a time. Times are from PASS to the reply to STAT, and from the first DELE to the reply to QUIT. The page cache is
warm, since the mail has just been written."""
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from . import acts, maildrops
from .servers import Running

SERVERS = ("poplar", "dovecot-tuned", "mailutils")
SETTLE_SECONDS = 3  # nobody trusts an index that is as young as the mail that it lists
WARM, DELIVERIES = 9, 5
SMOKE = 500  # of whose messages one is left
SLOW_MS = 5000  # who takes so long each time is measured once
PIPELINED = 500  # commands sent before replies are read
LINE = "what a client that polls every few minutes finds in the mail of a day, line by line\n"


@dataclass(frozen=True)
class Drop:
    name: str
    title: str
    domain: str
    messages: int
    lines: int  # of a body
    servers: tuple[str, ...] = SERVERS


DROPS = (
    Drop("mbox", "mbox, 100,000 messages, 500 MB", "mbox.test", 100_000, 58),
    Drop("maildir", "Maildir, 100,000 messages, 500 MB", "cheap.test", 100_000, 58, ("poplar", "dovecot-tuned")),
    Drop("mbox-10", "mbox, 10 messages", "mbox.test", 10, 58),
    Drop("mbox-million", "mbox, 1,000,000 messages of a line each", "mbox.test", 1_000_000, 1, ("poplar", "dovecot-tuned")),
)


def text(number: int, lines: int) -> bytes:
    return (f"From: sender{number}@example.org\nTo: user1@cheap.test\nSubject: message {number}\n"
            f"Message-ID: <{number}.{lines}@example.org>\n\n" + LINE * lines).encode()


class Mail:
    """A maildrop of user1, its only one of this format."""

    def __init__(self, homes: Path, drop: Drop):
        self.drop = drop
        self.path = homes / maildrops.DOMAINS[drop.domain].homes / "user1" / "INBOX"
        self.made = 0
        self.peak_mib = 0.0

    def fill(self) -> None:
        shutil.rmtree(self.path.parent)  # with the indexes of those before
        self.path.parent.mkdir()
        os.chown(self.path.parent, maildrops.OWNER, maildrops.OWNER)
        if self.path.parent.parent.name == "mbox":
            self.path.touch()
        else:
            for part in ("", "tmp", "new", "cur"):
                (self.path / part).mkdir()
                os.chown(self.path / part, maildrops.OWNER, maildrops.OWNER)
        self.deliver(self.drop.messages, seen=True)

    def deliver(self, count: int, seen: bool = False) -> None:
        if self.path.is_dir():
            for _ in range(count):
                self.made += 1
                name = f"{1767600000 + self.made}.M1P1.mail"
                file = self.path / (f"cur/{name}:2,S" if seen else f"new/{name}")
                file.write_bytes(text(self.made, self.drop.lines))
                os.chown(file, maildrops.OWNER, maildrops.OWNER)
            return
        with open(self.path, "ab") as f:
            for _ in range(count):
                self.made += 1
                f.write(b"From sender@example.org Mon Jan  5 10:00:00 2026\n" + text(self.made, self.drop.lines) + b"\n")
        os.chown(self.path, maildrops.OWNER, maildrops.OWNER)


class Session:
    def __init__(self, running: Running, domain: str):
        self.sock = socket.create_connection(("127.0.0.1", running.port), timeout=600)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.reply()
        self.say(f"USER user1@{domain}")
        start = time.perf_counter()
        self.say(f"PASS {maildrops.PASSWORD}")
        self.count = int(self.say("STAT").split()[1])
        self.seconds = time.perf_counter() - start

    def reply(self) -> str:
        line = self.file.readline().decode()
        if not line.startswith("+OK"):
            raise RuntimeError(f"instead of +OK: {line!r}")
        return line

    def say(self, line: str) -> str:
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def delete(self, numbers: range) -> None:
        for at in range(0, len(numbers), PIPELINED):
            some = numbers[at:at + PIPELINED]
            self.sock.sendall("".join(f"DELE {n}\r\n" for n in some).encode())
            for _ in some:
                self.reply()

    def quit(self) -> None:
        self.say("QUIT")
        self.sock.close()


def peak_mib(running: Running) -> float:
    """The most that one of the server's processes that are there now ever had."""
    peak = 0
    for pid in running.account.pids():
        try:
            found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
        except OSError:
            continue
        peak = max(peak, int(found[1]) if found else 0)
    return peak / 1024


def opened(running: Running, mail: Mail) -> float:
    session = Session(running, mail.drop.domain)
    if session.count != mail.made:
        raise RuntimeError(f"{session.count} messages instead of {mail.made}")
    mail.peak_mib = max(mail.peak_mib, peak_mib(running))
    session.quit()
    return session.seconds * 1000


def delivered(running: Running, mail: Mail) -> float:
    mail.deliver(1)
    return opened(running, mail)


def half_deleted(running: Running, mail: Mail) -> float:
    session = Session(running, mail.drop.domain)
    start = time.perf_counter()
    session.delete(range(1, session.count + 1, 2))
    session.quit()
    mail.made //= 2
    return (time.perf_counter() - start) * 1000


def drops(part: int) -> list[Drop]:
    return [replace(d, messages=max(d.messages // part, 10)) for d in DROPS]


def measure(running: Running, homes: Path, drop: Drop, watch: acts.Watch = acts.unwatched, warm: int = WARM, deliveries: int = DELIVERIES) -> dict:
    def case(title: str, sessions: int, once: Callable[[Running, Mail], float]) -> float:
        facts = watch(running, f"{drop.name}, {title}", lambda: {"sessions": sessions, "ms": [once(running, mail) for _ in range(sessions)]})
        return median(facts["ms"])

    mail = Mail(homes, drop)
    mail.fill()
    cold_ms = case("no index", 1, opened)
    time.sleep(SETTLE_SECONDS)
    opened(running, mail)
    again = opened(running, mail)
    slow = again > SLOW_MS
    warm_ms = again if slow else case("unchanged", warm, opened)
    delivered_ms = case("one came", 1 if slow else deliveries, delivered)
    half_ms = case("half deleted", 1, half_deleted)
    opened(running, mail)
    return {"server": running.server.name, "drop": drop.name, "cold_ms": cold_ms, "warm_ms": warm_ms,
            "delivered_ms": delivered_ms, "half_ms": half_ms, "peak_mib": mail.peak_mib}
