"""How a session's CPU grows with one thing, all else being the same: a curve per server. Each row of CURVES is a plot."""
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import acts, crowd, drops, maildrops, servers

SESSIONS = 40  # of which the median of the rounds is taken
DOMAIN = "mbox.test"
ACTIVE = 10  # users of a file who log in
POLLS = 1000  # at so many connections at once, where these are not more
MESSAGES = 10  # that are fetched, of each size
BARE, BARE_LEAST = "bare-sendfile", 100_000  # it forks for each session, and that is what smaller ones would show


@dataclass(frozen=True)
class Curve:
    name: str
    title: str
    across: str
    up: str
    points: tuple[int, ...]
    peers: dict[str, int]  # server: the largest point that it is asked for
    run: Callable[[acts.Scene, "Curve"], Iterator[dict]]

    def of(self, server: servers.Server) -> list[int]:
        return [p for p in self.points if p <= self.peers[server.name]]


def fact(got: dict, point: int) -> dict:
    return got | {"at": point}


def by_messages(scene: acts.Scene, curve: Curve) -> Iterator[dict]:
    def fill(server: servers.Server, directory: Path) -> None:
        homes = {n: directory / "homes" / f"user{n}" for n in curve.of(server)}
        for n, home in homes.items():
            drops.make_home(home, "mbox", drops.Drop(n, 4), maildrops.OWNER)
        acts.write_domain(directory, DOMAIN, ((f"user{n}", home, maildrops.OWNER) for n, home in homes.items()))

    with scene.stage(tuple(curve.peers), fill) as running:
        for _ in range(2):
            for r in running:
                for n in curve.of(r.server):
                    scene.cost(r, f"{n} messages, first", 0, "short", DOMAIN, 1, f"--user=user{n}@{DOMAIN}", "--sessions=1")
            scene.settle()
        for turn in range(scene.rounds):
            for n in curve.points:
                for r in (r for r in running if n in curve.of(r.server)):
                    yield fact(scene.cost(r, f"{n} messages", turn, "short", DOMAIN, 1, f"--user=user{n}@{DOMAIN}", f"--sessions={SESSIONS}"), n)


def by_users(scene: acts.Scene, curve: Curve) -> Iterator[dict]:
    """A domain for each number of users; those who log in are spread over its file and have the same homes in all."""
    def fill(server: servers.Server, directory: Path) -> None:
        homes = [directory / "homes" / f"user{n}" for n in range(ACTIVE)]
        for home in homes:
            drops.make_home(home, "mbox", drops.Drop(5, 4), maildrops.OWNER)
        for n in curve.of(server):
            active = dict(zip(random.Random(n).sample(range(n), ACTIVE), homes))
            acts.write_domain(directory, f"mbox{n}.test", ((f"user{u}", active.get(u, homes[0]), maildrops.OWNER) for u in range(n)))
            (directory / f"names{n}").write_text("".join(f"user{u}@mbox{n}.test\n" for u in active))

    with scene.stage(tuple(curve.peers), fill) as running:
        for turn in range(-2, scene.rounds):
            for n in curve.points:
                for r in (r for r in running if n in curve.of(r.server)):
                    who = f"--user=@{r.directory}/names{n}"
                    got = scene.cost(r, f"{n} users", turn, "short", "", ACTIVE, who, f"--sessions={SESSIONS}", "--clients=1")
                    if turn >= 0:
                        yield fact(got, n)
            if turn < 0:
                scene.settle()


def by_connections(scene: acts.Scene, curve: Curve) -> Iterator[dict]:
    """As many users as the server is asked for connections, and as many sessions, but at least so many that they can be measured."""
    def fill(server: servers.Server, directory: Path) -> None:
        if server.template:
            crowd.many_homes("maildir", max(curve.of(server)), crowd.SMALL)(server, directory)

    with scene.stage(tuple(curve.peers), fill) as running:
        for r in running:
            scene.warm([r], "cheap.test", max(curve.of(r.server)))
        for turn in range(scene.rounds):
            for n in curve.points:
                for r in (r for r in running if n in curve.of(r.server)):
                    limits = f"--clients={n}", f"--sessions={max(n, POLLS)}"
                    yield fact(scene.cost(r, f"{n} connections", turn, "poll", "cheap.test", max(curve.of(r.server)), *limits), n)


def ten_of(octets: int) -> drops.Drop:
    return drops.Drop(MESSAGES, max(octets // 77, 1), True)


def fetch(scene: acts.Scene, running: servers.Running, octets: int, turn: int) -> dict:
    """CPU for each message. The rounds below 0 are for the indexes, and do not count."""
    sessions = 1 if turn < 0 else max(SESSIONS // max(octets // 100_000, 1), 2)
    limits = f"--user=user{octets}@{DOMAIN}", f"--sessions={sessions}"
    got = scene.cost(running, f"messages of {octets} octets", turn, "retr", DOMAIN, 1, *limits)
    return fact(got | {"cpu_ms": got["cpu_ms"] / MESSAGES}, octets)


def by_octets(scene: acts.Scene, curve: Curve) -> Iterator[dict]:
    def fill(server: servers.Server, directory: Path) -> None:
        homes = {n: directory / "homes" / f"user{n}" for n in curve.of(server)}
        for n, home in homes.items():
            drops.make_home(home, "mbox", ten_of(n), maildrops.OWNER)
        acts.write_domain(directory, DOMAIN, ((f"user{n}", home, maildrops.OWNER) for n, home in homes.items()))

    with scene.stage(tuple(n for n in curve.peers if n != BARE), fill) as running:
        for turn in range(-2, scene.rounds):
            got = [fetch(scene, r, n, turn) for n in curve.points for r in running if n in curve.of(r.server)]
            yield from got if turn >= 0 else ()
            if turn < 0:
                scene.settle()
    scene.own["@MESSAGES@"] = str(MESSAGES)
    for n in (n for n in curve.points if n >= BARE_LEAST):  # it has one file
        with scene.stage((BARE,), lambda _server, directory, n=n: drops.make_wire(directory / "wire", ten_of(n))) as running:
            yield from (fetch(scene, r, n, turn) for turn in range(scene.rounds) for r in running)


MS = "server CPU, ms per session"
CURVES = (
    Curve("messages", "Opening: USER, PASS, STAT, QUIT of an unchanged mbox", "messages in the maildrop", MS,
          (10, 100, 1000, 10_000, 100_000, 1_000_000), {"poplar": 1_000_000, "dovecot-tuned": 100_000}, by_messages),
    Curve("users", "Logging in: USER, PASS, STAT, QUIT", "users in the domain's file", MS,
          (10, 100, 1000, 10_000, 100_000, 1_000_000), {"poplar": 1_000_000, "dovecot-tuned": 1_000_000}, by_users),
    Curve("connections", "Poll, Maildir, at so many connections at once", "connections", MS,
          (10, 100, 1000, 10_000), {"poplar": 10_000, "dovecot-tuned": 1000, "bare": 10_000}, by_connections),
    Curve("octets", "Fetch of ten messages, mbox", "octets of each message", "server CPU, ms per message",
          (1000, 10_000, 100_000, 1_000_000, 10_000_000), {"poplar": 10_000_000, "dovecot-tuned": 10_000_000, BARE: 10_000_000}, by_octets),
)
