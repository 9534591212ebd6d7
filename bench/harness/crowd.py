"""Acts with very many users or connections: all at once, a uid each, or a few of a million in one file."""
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import accounting, acts, drops, maildrops, measure, servers, system

DOMAIN = {"maildir": "cheap.test", "mbox": "mbox.test"}
SMALL = drops.Drop(5, 20)


def many_homes(kind: str, users: int, drop: drops.Drop) -> Callable[[servers.Server, Path], None]:
    """user1 to userN of the domain of this kind, all with one owner."""
    def fill(_server: servers.Server, directory: Path) -> None:
        def each() -> Iterator[tuple[str, Path, int]]:
            for u in range(1, users + 1):
                home = directory / "homes" / kind / f"user{u}"
                drops.make_home(home, kind, drop, maildrops.OWNER)
                yield f"user{u}", home, maildrops.OWNER
        acts.write_domain(directory, DOMAIN[kind], each())
    return fill


def crowd(scene: acts.Scene) -> Iterator[dict]:
    """Each session is of another user, each user has one in each case."""
    users = scene.size(10_000, 100)
    with scene.stage(("poplar", "dovecot-shared"), many_homes("maildir", users, SMALL)) as running:
        scene.warm(running, DOMAIN["maildir"], users)
        for turn in range(scene.rounds):
            for clients in (16, users):
                for r in running:
                    yield scene.cost(r, f"{clients} clients", turn, "poll", DOMAIN["maildir"], users, "--once", f"--clients={clients}")


def idle_crowd(scene: acts.Scene) -> Iterator[dict]:
    users = scene.size(10_000, 100)
    with scene.stage(("poplar",), many_homes("maildir", users, SMALL)) as running:
        yield from silent(scene, running, users)


def silent(scene: acts.Scene, running: list[servers.Running], users: int) -> Iterator[dict]:
    for stage in measure.STAGES:
        scene.start_again(running)
        for r in running:
            measure.warm_up(scene.load, r, min(32, users))
            fact = scene.watch(r, stage.title, partial(measure.hold, scene.load, r, stage, users))
            scene.say(f"{stage.name:12} {fact['held']:.0f} held {fact['pss_kib']:.2f} KiB each, {fact['errors']:.0f} errors")
            for complaint in fact["complaints"][:3]:
                scene.say("    " + complaint)
            yield fact | {"case": stage.title, "round": 0}


def million_users(scene: acts.Scene) -> Callable[[servers.Server, Path], None]:
    """A file of a million users, of whom some have a maildrop; their names, in no order, are in DIR/storm."""
    users, some = scene.size(1_000_000, 1000), scene.size(100_000, 100)

    def fill(server: servers.Server, directory: Path) -> None:
        rng = random.Random(1)
        logins = rng.sample(range(1, users + 1), some if server.ours else some // 10)
        for u in logins:
            drops.make_home(directory / "homes" / f"{u % 1000}" / f"user{u}", "mbox", drops.Drop(1, 4), maildrops.OWNER)
        acts.write_domain(directory, DOMAIN["mbox"], ((f"user{u}", directory / "homes" / f"{u % 1000}" / f"user{u}", maildrops.OWNER)
                                                      for u in range(1, users + 1)))
        (directory / "storm").write_text("".join(f"user{u}@{DOMAIN['mbox']}\n" for u in logins))
    return fill


def storm(scene: acts.Scene) -> Iterator[dict]:
    clients = 8 if scene.smoke else 64
    with scene.stage(("poplar", "dovecot-tuned"), million_users(scene)) as running:
        for turn, case in enumerate(("for the first time", "again", "again")):
            for r in running:
                names = r.directory / "storm"
                logins = len(names.read_text().splitlines())
                fact = scene.cost(r, case, turn, "short", DOMAIN["mbox"], logins, f"--user=@{names}", "--once", f"--clients={clients}")
                yield fact | {"mib": accounting.pss_kib(r.account) / 1024}


IDLE_SECONDS = 3  # after which a session of ours is to have let go of its worker


def owned(running: servers.Running) -> list[float]:
    """Memory, in KiB, of each process that has become one of the users."""
    found = []
    for pid in running.account.pids():
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
            if uid > system.FIRST_UID:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                found.append(float(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]))
        except OSError:
            continue  # it has ended
    return found


def workers(running: servers.Running) -> dict:
    sizes = owned(running)
    return {"workers": len(sizes), "worker_kib": sum(sizes) / len(sizes) if sizes else None}


def wait_until_let_go(running: servers.Running) -> None:
    """Until no process of a user is left, or for five times as long as it should take."""
    until = time.monotonic() + 5 * IDLE_SECONDS
    while owned(running) and time.monotonic() < until:
        time.sleep(0.5)


def held(scene: acts.Scene, running: servers.Running, users: int) -> dict:
    """All users are logged in and say nothing, for a while."""
    command = scene.load.command(running, "idle", "", users, "--clients=4" if scene.smoke else "--clients=16", acts.PATIENCE)
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = client.stdout.readline()
    wait_until_let_go(running)
    accounting.settled_cpu(running.account)
    fact = workers(running) | {"server": running.server.name, "case": "all logged in and idle", "round": 0, "cpu_ms": None, "sessions": users,
                               "mib": accounting.pss_kib(running.account) / 1024}
    output, complaints = client.communicate()
    figures = measure.parse(first + output)
    fact["session_kib"] = fact["mib"] * 1024 / max(figures.get("held", 0), 1)
    scene.say(f"{fact['case']:32} {running.server.name:14} {figures.get('held', 0):.0f} held, {fact['workers']} processes of users, "
              f"{fact['session_kib']:.1f} KiB of all for each session")
    return fact | {"errors": figures.get("errors", 1), "complaints": complaints.splitlines()}


FIRST, COLD = "for the first time", "processes cold"
CASES = ((FIRST, "visit", False), ("for the second time", "poll", False), (COLD, "poll", True), (COLD, "poll", True),  # load, started again before
         ("processes warm", "poll", False), ("processes cold, all is fetched", "fetch", True))
SYSTEM_SERVERS = ("poplar", "dovecot-tuned", "mailutils", "popa3d")
ONLY = {"mailutils": (FIRST, COLD), "popa3d": (COLD,)}  # they have no index, so sessions cost the same; Mailutils writes unique-ids in the first


def uids(scene: acts.Scene) -> Iterator[dict]:
    users = scene.size(2000, 20)
    drop = drops.Drop(20, 30)
    with scene.stage(SYSTEM_SERVERS, lambda _server, directory: acts.system_users(directory, users, drop), by_system=True) as running:
        for turn, (case, load, again) in enumerate(CASES):
            if again:
                scene.start_again(running)
            for r in (r for r in running if case in ONLY.get(r.server.name, (case,))):
                who = users if r.server.ours else min(users // 5, r.server.polls_most)  # a session of theirs costs the same
                clients = min(4 if scene.smoke else 16, r.server.idle_most)
                fact = scene.cost(r, case, turn, load, "", who, "--once", f"--clients={clients}")
                yield fact | workers(r) | {"mib": accounting.pss_kib(r.account) / 1024}
        scene.start_again(running, f"mailbox {{ session-idle-worker {IDLE_SECONDS}; }}\n")
        for r in (r for r in running if r.server.name in ("poplar", "dovecot-tuned")):
            yield scene.watch(r, "all logged in and idle", partial(held, scene, r, users if r.server.ours else users // 5))


MIB = acts.Column("MiB of all processes", "mib")
CPU, RATE, ERRORS = acts.Column("CPU ms per session", "cpu_ms"), acts.Column("sessions per second", "rate", True), acts.Column("errors", "errors")
ACTS = (
    acts.Act("crowd", "10,000 connections at once that each poll", 3,
             "10,000 users with 5 messages in a Maildir each and one owner; every one of them polls once, at 16 clients and all at the same time.",
             (CPU, RATE, acts.Column("95 % ms", "p95_ms"), ERRORS), crowd),
    acts.Act("idle-crowd", "10,000 idle connections", 1,
             "As idle connections above, with the users of the scenario before.",
             (acts.Column("KiB each", "pss_kib"), acts.Column("kernel KiB each", "kernel_kib"), acts.Column("held", "held"),
              acts.Column("processes", "processes"), ERRORS), idle_crowd),
    acts.Act("system", "2,000 system users, a uid each", 3,
             "An mbox of 20 messages in the spool for each; every one of them polls once per case, at 16 clients; of the peers' 400 do, and of "
             "popa3d's 40, at 4 clients. Processes are cold when the server was just started, and its indexes are those of before. The users are "
             "those of a passwd and shadow of 2,000 lines. Processes of users are those that run with their uids when a case is over; for those who are "
             f"idle, our session-idle-worker is {IDLE_SECONDS} seconds, instead of half a minute.",
             (CPU, RATE, acts.Column("processes of users", "workers"), acts.Column("KiB of each", "worker_kib"), MIB, acts.Column("KiB of that for each session", "session_kib"),
              ERRORS), uids),
    acts.Act("storm", "Logins of users who are in a file of 1,000,000", 6,
             "100,000 users, a tenth of the file and in no order, log in at 64 clients: USER, PASS, STAT, QUIT, with an mbox of one message each; "
             "10,000 of them for Dovecot.",
             (CPU, RATE, acts.Column("95 % ms", "p95_ms"), MIB, ERRORS), storm),
)
