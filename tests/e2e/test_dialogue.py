"""Plays tests/dialogue/*.pop3 (the format stands in its README.md): against pop3d in three ways that must not differ, and against Mailutils'
pop3d, which differs where the files say so, for one of the reasons in differences.md."""

import hashlib
import re
import shutil
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from pop3 import Pop3
from worlds import CONFIGURATIONS, MAILUTILS, World

DIALOGUES = Path(__file__).resolve().parents[1] / "dialogue"
ALL = sorted(DIALOGUES.glob("*.pop3"))
CONFIGURED = [(path, found[1]) for path in ALL if (found := re.search("^= (.*)$", path.read_text(encoding="utf-8"), re.M))]
FILES = [path for path in ALL if path not in dict(CONFIGURED)]
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


def needs_mailutils(test):
    for mark in (pytest.mark.needs_root, pytest.mark.long, pytest.mark.skipif(not MAILUTILS.exists(), reason="needs mailutils-pop3d")):
        test = mark(test)
    return test


@dataclass
class Step:
    where: str
    kind: str
    text: str
    theirs: list = field(default_factory=list)  # (kind, reason, text): what Mailutils says in the place of this line

    def octets(self):
        return self.text.encode("utf-8") + b"\r\n" if self.kind == "C:" else unescape(self.text)


def unescape(text):
    def octets(m):
        if m[2]:
            return chr(int(m[2], 16))
        return m[4] * int(m[3]) if m[3] else ESCAPES[m[1]].decode("latin-1")

    return re.sub(r"\\(?:([rnt\\])|x([0-9a-fA-F]{2})|\{(\d+)(.)\})", octets, text).encode("latin-1")


def parse(path):
    steps = []
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path.name}:{n}"
        if not line.strip() or line.startswith("#"):
            continue
        kind, text = line[:2], line[3:]
        if line.startswith("= "):
            assert not steps, f"{where}: this is the first line"
        elif kind in ("M:", "M~", "M.", "M$", "M-"):
            reason, _, text = text.partition(" ")
            assert steps[-1].kind[0] == "S", f"{where}: in the place of which line?"
            steps[-1].theirs.append((kind[1], reason, text))
        else:
            assert kind in ("C:", "C!", "S:", "S~", "S.", "S$", "@ ", "T:", "X:", "$ "), f"{where}: {line!r} is no line of a dialogue"
            steps.append(Step(where, kind, text if len(kind) == 2 else ""))
            if kind in ("@ ", "$ "):
                steps[-1].text = line[2:]
    return steps


def fits(kind, text, line):
    return line == text if kind == ":" else re.fullmatch(text, line)


def expect(client, where, kind, text):
    """The line that it was, where it was one."""
    if kind == "$":
        assert client.at_end(), where
    elif kind == ".":
        client.lines()
    else:
        line = client.line().decode("utf-8", "replace")
        client.greeting = client.greeting or line
        assert fits(kind, text, line), f"{where}: the server said {line!r}, not {text!r}"
        return line
    return None


def ours(client, step):
    expect(client, step.where, step.kind[1], step.text)


def theirs(client, step):
    """What the file says of Mailutils, if anything; then it must differ from what stands there for us."""
    if not step.theirs:
        ours(client, step)
    for kind, _, text in step.theirs:
        line = None if kind == "-" else expect(client, step.where, kind, text)
        if line is not None and len(step.theirs) == 1 and step.kind in ("S:", "S~"):
            assert not fits(step.kind[1], step.text, line), f"{step.where}: this is no difference any more"


def digest(client, octets):
    """RFC 1939, section 7, APOP: `{digest of SECRET}` is made of the time stamp in the greeting."""
    def md5(m):
        stamp = re.search(r"<.*>", client.greeting)[0]
        return hashlib.md5(stamp.encode("ascii") + m[1]).hexdigest().encode("ascii")

    return re.sub(rb"\{digest of (\w+)\}", md5, octets)


class Player:
    """One dialogue, with all its connections."""

    def __init__(self, world, how, listen=ours):
        self.world, self.how, self.listen = world, how, listen
        self.clients = {}
        self.cleaning = ExitStack()

    def client(self, name, server="plain"):
        if name not in self.clients:
            client = self.cleaning.enter_context(Pop3(self.world.address(server), greeting=False))
            client.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
            self.clients[name] = client
        return self.clients[name]

    def turn(self, client, steps):
        """Steps that are all commands and replies of one connection."""
        if self.how == "in one write" and steps:
            client.send(b"".join(s.octets() for s in steps if s.kind[0] == "C"))
            steps = [s for s in steps if s.kind[0] != "C"]
        for step in steps:
            if step.kind[0] == "S":
                self.listen(client, step)
            elif self.how == "by octet":
                for octet in step.octets():
                    client.send(bytes([octet]))
            else:
                client.send(digest(client, step.octets()))

    def play(self, steps):
        with self.cleaning:
            here = None
            turn = []
            for step in steps:
                if here is None:
                    here = self.client("first") if step.kind != "@ " else None
                if step.kind[0] in "CS":
                    turn.append(step)
                    continue
                self.turn(here, turn)
                turn = []
                if step.kind == "@ ":
                    here = self.client(*step.text.split())
                elif step.kind == "T:":
                    here.secure(self.world.tls_context)
                elif step.kind == "X:":
                    here.sock.shutdown(socket.SHUT_WR)
                    assert here.at_end(), step.where
                else:
                    subprocess.run(["sh", "-ec", step.text], cwd=self.world.daemon.mail / "example.test", check=True)
            self.turn(here, turn)


@pytest.fixture(scope="module")
def our_world():
    with World.ours() as w:
        yield w


@pytest.fixture(scope="module")
def their_world():
    with World.mailutils() as w:
        yield w


@pytest.fixture(scope="module")
def configured():
    """A function: a world whose servers have one of CONFIGURATIONS, ours or Mailutils'."""
    with ExitStack() as worlds:
        @cache
        def get(kind, name):
            world = kind(CONFIGURATIONS[name])
            worlds.callback(world.daemon.finish)
            return worlds.enter_context(world)

        yield get


def deliver(world):
    """All mail as it was, and no more."""
    for user in world.users.values():
        shutil.rmtree(user.home)
        user.home.mkdir()
        user.inbox = type(user.inbox)(user.inbox.path, user.uid, user.gid)
    for message in sorted((DIALOGUES / "mail").iterdir()):
        world.users["alice"].deliver(message.read_bytes(), name=message.name)
    for message in sorted((DIALOGUES / "mbox").iterdir()):
        world.users["mbox"].deliver(message.read_bytes())


@pytest.mark.parametrize("how", ["by line", "by octet", "in one write"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_dialogue(our_world, path, how):
    deliver(our_world)
    Player(our_world, how).play(parse(path))


by_configuration = pytest.mark.parametrize("path,name", CONFIGURED, ids=[path.stem for path, _ in CONFIGURED])


@by_configuration
def test_configured(configured, path, name):
    """With statements that are not set elsewhere. What they count lasts, so these are played once."""
    world = configured(World.ours, name)
    deliver(world)
    Player(world, "by line").play(parse(path))


@needs_mailutils
@by_configuration
def test_configured_mailutils(configured, path, name):
    world = configured(World.mailutils, name)
    deliver(world)
    Player(world, "by line", theirs).play(parse(path))


@needs_mailutils
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_mailutils(their_world, path):
    deliver(their_world)
    Player(their_world, "by line", theirs).play(parse(path))


def test_reasons():
    """Each difference has one, and each reason is needed."""
    table = re.findall(r"^\| `([a-z0-9-]+)` \|", (DIALOGUES / "differences.md").read_text(encoding="utf-8"), re.M)
    used = {reason for path in ALL for step in parse(path) for _, reason, _ in step.theirs}
    assert sorted(used) == sorted(table)
