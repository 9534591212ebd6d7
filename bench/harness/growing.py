"""How a session's CPU grows with one thing, all else being the same: a curve per server. Each row of CURVES is a plot."""
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import acts, crowd, drops, maildrops, servers

SESSIONS = 40  # of which the median of the rounds is taken
DOMAIN = "mbox.test"
ACTIVE = 10  # users of a file who log in
MESSAGES = 10  # that are fetched, of each size


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
    users = max(curve.points)
    with scene.stage(tuple(curve.peers), crowd.many_homes("maildir", users, crowd.SMALL)) as running:
        scene.warm(running, "cheap.test", users)
        for turn in range(scene.rounds):
            for n in curve.points:
                for r in (r for r in running if n in curve.of(r.server)):
                    sessions = max(min(users, 2000), n)
                    yield fact(scene.cost(r, f"{n} connections", turn, "poll", "cheap.test", users, f"--clients={n}", f"--sessions={sessions}"), n)


def by_octets(scene: acts.Scene, curve: Curve) -> Iterator[dict]:
    def fill(server: servers.Server, directory: Path) -> None:
        homes = {n: directory / "homes" / f"user{n}" for n in curve.of(server)}
        for n, home in homes.items():
            drops.make_home(home, "mbox", drops.Drop(MESSAGES, max(n // 77, 1), True), maildrops.OWNER)
        acts.write_domain(directory, DOMAIN, ((f"user{n}", home, maildrops.OWNER) for n, home in homes.items()))

    with scene.stage(tuple(curve.peers), fill) as running:
        for turn in range(-2, scene.rounds):
            for n in curve.points:
                for r in (r for r in running if n in curve.of(r.server)):
                    sessions = 1 if turn < 0 else max(SESSIONS // max(n // 100_000, 1), 2)
                    got = scene.cost(r, f"messages of {n} octets", turn, "retr", DOMAIN, 1, f"--user=user{n}@{DOMAIN}", f"--sessions={sessions}")
                    if turn >= 0:
                        yield fact(got, n)
            if turn < 0:
                scene.settle()


MS = "server CPU, ms per session"
CURVES = (
    Curve("messages", "Opening: USER, PASS, STAT, QUIT of an unchanged mbox", "messages in the maildrop", MS,
          (10, 100, 1000, 10_000, 100_000, 1_000_000), {"poplar": 1_000_000, "dovecot-tuned": 100_000}, by_messages),
    Curve("users", "Logging in: USER, PASS, STAT, QUIT", "users in the domain's file", MS,
          (10, 100, 1000, 10_000, 100_000, 1_000_000), {"poplar": 1_000_000, "dovecot-tuned": 1_000_000}, by_users),
    Curve("connections", "Poll, Maildir, at so many connections at once", "connections", MS,
          (10, 100, 1000, 10_000), {"poplar": 10_000, "dovecot-tuned": 1000}, by_connections),
    Curve("octets", "Fetch of ten messages, mbox", "octets of each message", MS,
          (1000, 10_000, 100_000, 1_000_000, 10_000_000), {"poplar": 10_000_000, "dovecot-tuned": 10_000_000}, by_octets),
)
