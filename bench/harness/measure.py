"""One measurement: a load on one server, what it cost, whether every answer was right."""
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import accounting, maildrops
from .servers import Running

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
LIMIT_SECONDS = 600  # for a load; whose server is not through with it by then is not waited for


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: str  # popload's name for it
    domain: str = "cheap.test"
    clients: tuple[int, ...] = (1, 16, 64)
    tls: str = ""  # how popload makes its handshakes; none: in the clear


@dataclass(frozen=True)
class Stage:
    """Where connections wait that say nothing."""
    name: str
    title: str
    load: str
    tls: str = ""


STAGES = (
    Stage("greeted", "before login", "greeted"),
    Stage("tls-greeted", "before login, over TLS", "greeted", "full"),
    Stage("idle", "logged in", "idle"),
    Stage("tls-idle", "logged in, over TLS", "idle", "full"),
)

SCENARIOS = (
    Scenario("poll", "Poll: USER, PASS, STAT, UIDL, LIST, QUIT, nothing new", "poll"),
    Scenario("poll-512", "Poll, 512 clients at once", "poll", clients=(512,)),
    Scenario("short", "Short poll: USER, PASS, STAT, QUIT", "short", clients=(16,)),
    Scenario("fetch", "Fetch: a poll, and RETR of all 20 messages", "fetch"),
    Scenario("poll-sha512", "Poll, with passwords hashed by SHA-512 crypt", "poll", "sha512.test", (16,)),
    Scenario("poll-mbox", "Poll of a maildrop in mbox format", "poll", "mbox.test", (16,)),
    Scenario("fetch-mbox", "Fetch of all 20 messages of a maildrop in mbox format", "fetch", "mbox.test", (16,)),
    Scenario("poll-tls", "Poll over TLS from the first octet, a full handshake with ECDSA P-256 for each session", "poll",
             clients=(16,), tls="full"),
    Scenario("poll-tls-resumed", "Poll over TLS from the first octet, with sessions resumed", "poll", clients=(16,), tls="resumed"),
    Scenario("fetch-tls", "Fetch of all 20 messages over TLS, with sessions resumed", "fetch", clients=(16,), tls="resumed"),
)


def build_popload() -> str:
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", BUILD, TOP], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD, "bench/popload"], check=True, stdout=subprocess.DEVNULL)
    return str(BUILD / "bench" / "popload")


@dataclass(frozen=True)
class Load:
    """The client program and whom it logs in."""
    popload: str
    users: int

    def command(self, running: Running, load: str, domain: str, users: int, *more: str, tls: str = "") -> list[str]:
        port = [f"--port={running.tls_port}", f"--tls={tls}"] if tls else [f"--port={running.port}"]
        return [*running.client(), self.popload, load, *port, f"--user={running.user(domain)}", f"--users={users}",
                f"--password={maildrops.PASSWORD}", *more]


def parse(output: str) -> dict[str, float]:
    return {k: float(v) for k, _, v in (line.partition("=") for line in output.splitlines())}


def client(command: list[str], limit: float = LIMIT_SECONDS) -> tuple[str, list[str]]:
    """What a load prints, and what it finds wrong. It is ended after LIMIT seconds, and that is wrong."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return "", [f"not through after {limit:.0f} s"]
    return done.stdout, done.stderr.splitlines()


def cost(running: Running, command: list[str], limit: float = LIMIT_SECONDS) -> dict:
    """Figures of a load and of the server meanwhile; `complaints` holds what the client found wrong."""
    cpu, system = accounting.settled_cpu(running.account)
    output, complaints = client(command, limit)
    cpu_after, system_after = accounting.settled_cpu(running.account)
    figures = parse(output) or {"sessions": 0, "errors": 1}
    sessions = max(figures["sessions"], 1)
    return figures | {
        "server": running.server.name,
        "cpu_ms": (cpu_after - cpu) * 1000 / sessions,
        "system_ms": (system_after - system) * 1000 / sessions,
        "complaints": complaints,
    }


def run_load(load: Load, running: Running, scenario: Scenario, clients: int, *limits: str) -> dict:
    command = load.command(running, scenario.load, scenario.domain, load.users, f"--clients={clients}", *limits,
                           tls=scenario.tls)
    return cost(running, command) | {"scenario": scenario.name, "clients": clients}


def warm_up(load: Load, running: Running, users: int, domain: str = "cheap.test") -> list[str]:
    """Every user once. LIST before UIDL: Mailutils writes unique-ids into the messages when it is first asked for them, and
    its sizes then no longer agree with what STAT said."""
    command = load.command(running, "visit", domain, users, "--once", "--clients=16", "--errors=1000000")
    return client(command)[1]


def hold(load: Load, running: Running, stage: Stage, sessions: int) -> dict:
    """Memory of so many connections that say nothing."""
    command = load.command(running, stage.load, "cheap.test", sessions, "--clients=16", tls=stage.tls)
    pss, kernel = accounting.pss_by_role(running.account), running.account.kernel_kib()
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    held = client.stdout.readline()
    accounting.settled_cpu(running.account)
    time.sleep(0.5)
    pss_held, kernel_held = accounting.pss_by_role(running.account), running.account.kernel_kib()
    processes = len(running.account.pids())
    output, complaints = client.communicate()
    figures = parse(held + output)
    return {
        "server": running.server.name, "stage": stage.name, "sessions": sessions, "processes": processes,
        "held": figures.get("held", 0), "errors": figures.get("errors", 1),
        "pss_kib": (pss_held.total() - pss.total()) / sessions,
        "roles_kib": {role: (kib - pss[role]) / sessions for role, kib in pss_held.items()},
        "kernel_kib": None if kernel is None else (kernel_held - kernel) / sessions,
        "complaints": complaints.splitlines(),
    }
