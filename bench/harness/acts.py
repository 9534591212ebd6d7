"""Scenarios that want maildrops or users of their own. Each is a row of ACTS: where it starts its servers, with what mail, and what it then
measures, case by case; the facts that it gives are rows of its table."""
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import drops, maildrops, measure, servers, system

SETTLE_SECONDS = 2.5  # nobody trusts an index that is as young as the mail that it lists
PATIENCE = "--patience=120"
Watch = Callable[[servers.Running, str, Callable[[], dict]], dict]  # whom a case measures, its title, the measurement; gives its facts
AGAIN_SECONDS = 30  # for a load of a server that was not through in time once
EVERY_SERVER = {s.name: s for s in servers.SERVERS + servers.GUESTS}


def unwatched(_running: servers.Running, _case: str, run: Callable[[], dict]) -> dict:
    return run()


@dataclass
class Scene:
    """What an act is given: where to work, whom to measure and how often."""
    base: Path
    own: dict[str, str]
    load: measure.Load
    chosen: tuple[str, ...]  # servers that are wanted at all
    rounds: int
    smoke: bool
    say: Callable[[str], None]
    watch: Watch = unwatched
    part: int = 1  # all that is large is divided by it
    more: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what the client is told, by case, behind what the act tells it
    failed: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)  # servers that were not through in time

    def wanted(self, *names: str) -> list[servers.Server]:
        """Those that are wanted and there."""
        asked = [EVERY_SERVER[n] for n in names if n in self.chosen]
        return [s for s in asked if servers.program_of(s, self.own)]

    def size(self, whole: int, smoke: int) -> int:
        """How many users or messages there are."""
        return smoke if self.smoke else max(whole // self.part, smoke)

    @contextmanager
    def stage(self, names: tuple[str, ...], fill: Callable[[servers.Server, Path], None], by_system: bool = False,
              users: int = 0) -> Iterator[list[servers.Running]]:
        """Servers that run with what `fill` has put into their directories, beside the maildrops of so many usual users; all is gone afterwards."""
        with ExitStack() as stack:
            place = self.base / "act"
            place.mkdir()
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            servers.make_certificate(place)
            running = []
            stack.callback(lambda: [r.stop() for r in running])
            for server in self.wanted(*names):
                directory = servers.prepare(server, place, users)
                fill(server, directory)
                try:
                    running.append(servers.start(server, directory, self.own, by_system or server.unpacked))
                except servers.StartError as error:
                    self.say(str(error))
                    self.failed[server.name] = str(error)
            yield running

    def start_again(self, running: list[servers.Running], statements: str = "") -> None:
        """All of them, with the mail and the indexes that they have. Statements: of our configuration."""
        for i, r in enumerate(running):
            r.stop()
            running[i] = servers.start(r.server, r.directory, self.own, r.system, statements)

    def warm(self, running: list[servers.Running], domain: str, users: int = 1) -> None:
        """Twice, since nobody trusts an index that is as young as the mail that it lists. LIST before UIDL: see measure.warm_up."""
        for _ in range(2):
            for r in running:
                if r.server.template or r.server.unpacked:
                    command = self.load.command(r, "visit", domain, users, "--once", f"--clients={min(16, users)}", PATIENCE)
                    complaints = measure.cost(r, command)["complaints"]
                    if complaints:
                        self.say(f"{r.server.name}: {complaints[0]}")
            self.settle()

    def settle(self) -> None:
        time.sleep(0 if self.smoke else SETTLE_SECONDS)

    def cost(self, running: servers.Running, case: str, turn: int, load: str, domain: str, users: int, *more: str, tls: str = "") -> dict:
        limit = AGAIN_SECONDS if running.server.name in self.slow else measure.LIMIT_SECONDS
        command = self.load.command(running, load, domain, users, PATIENCE, *more, *self.more.get(case, ()), tls=tls)
        got = self.watch(running, case, lambda: measure.cost(running, command, limit))
        fact = got | {"case": case, "round": turn}
        if "seconds" not in fact:
            self.slow.add(running.server.name)
        self.say(f"{case:32} {running.server.name:14} {fact['cpu_ms']:10.3f} ms CPU {fact.get('rate', 0):8.1f}/s "
                 f"{fact['errors']:.0f} errors")
        for complaint in fact["complaints"][:2]:
            self.say("    " + complaint)
        if fact["errors"]:
            self.say("    log: " + "\n         ".join(running.log.read_text(errors="replace").splitlines()[-3:]))
        return fact


def nothing(_server: servers.Server, _directory: Path) -> None:
    """What fills a stage that has the usual users."""


def write_domain(directory: Path, domain: str, users: Iterator[tuple[str, Path, int]]) -> None:
    """A file of virtual users: name, home and uid of each; the same password for all."""
    password = maildrops.crypt(maildrops.CHEAP).decode()
    with open(directory / "domains" / domain, "w", encoding="ascii") as f:
        f.writelines(f"{name}:{password}:{uid}:{uid}::{home}:/bin/false\n" for name, home, uid in users)


def system_users(directory: Path, users: int, drop: drops.Drop) -> None:
    """Users of the system, a uid and an mbox in the spool for each."""
    system.make_etc(directory, users)
    for u in range(1, users + 1):
        drops.make_mbox(directory / "spool" / f"user{u}", drop, system.FIRST_UID + u)


@dataclass(frozen=True)
class Column:
    title: str
    key: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Act:
    name: str
    title: str
    minutes: float  # about, ours and tuned Dovecot
    about: str
    columns: tuple[Column, ...]  # the first one is that of the ratio
    run: Callable[[Scene], Iterator[dict]]
