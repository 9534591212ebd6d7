"""Where the CPU time of a case goes. perf looks at the control group of a server, and so sees processes that start or end meanwhile.

A case is measured twice, each time by a fresh server: once sampled, once with its system calls counted, since the one would disturb the other.
Samples are taken of everything that runs, and sorted later: a clock of the group alone would be started and stopped with each switch of
processes, and that would be seen as the server's."""
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import accounting, servers, tables

START_SECONDS = 1  # until perf looks
SAMPLES = "4000"  # a second, of each processor
OFTEN = ("-m", "32768", "-r", "1")  # room, and perf before all others, lest events be lost
MESSAGES = 50  # from so many in a session, the message is what is counted
KERNEL = "[kernel.kallsyms]"
CALL = "raw_syscalls:sys_enter"
NAMES = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
ENTRY = re.compile(r"\[k\] (?:(?:__x64_sys_|__do_sys_|__sys_|ksys_)(\w+)|asm_exc_page_fault)$")  # one of a call may be hidden by a jump to the next
FAULT = "page faults"
LEAST = 0.1  # percent, or calls, of what is shown

Key = tuple[str, str]  # role; function or system call


@dataclass
class Case:
    """What was seen of a case. Percentages are of all CPU time of the server."""
    facts: dict = field(default_factory=dict)
    cpu: float = 0  # seconds, while it was sampled
    functions: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # role, where it is, its name: percent
    within: dict[Key, float] = field(default_factory=dict)  # role, system call: percent
    calls: Counter[Key] = field(default_factory=Counter)
    counted: dict = field(default_factory=dict)  # the facts of the run with the calls

    def unit(self) -> str:
        return "message" if per_session(self.facts) >= MESSAGES else "session"

    def units(self, facts: dict) -> float:
        return max(facts.get("messages" if self.unit() == "message" else "sessions") or 1, 1)

    def roles(self) -> dict[str, list[float]]:
        """Percent of all, and of that in the kernel."""
        found: dict[str, list[float]] = {}
        for (role, place, _), percent in self.functions.items():
            of = found.setdefault(role, [0, 0])
            of[0] += percent
            of[1] += percent if place == KERNEL else 0
        return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def per_session(facts: dict) -> float:
    return facts.get("messages", 0) / max(facts.get("sessions") or 1, 1)


@contextmanager
def perf(*command: str) -> Iterator[None]:
    process = subprocess.Popen(["perf", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(START_SECONDS)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def report(data: Path, *how: str) -> list[list[str]]:
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "-g", "none", "-t", "|", *how], capture_output=True, text=True, check=False)
    print("".join(f"perf: {line}\n" for line in done.stderr.splitlines() if "lost" in line), end="", file=sys.stderr)
    return [[f.strip() for f in line.split("|")] for line in done.stdout.splitlines() if "|" in line and not line.startswith("#")]


def call_names() -> dict[str, str]:
    return {number: name for name, number in re.findall(r"#define __NR_(\w+) (\d+)", NAMES.read_text())}


class Profiler:
    """What is around the measurement of each case that is wanted, or of all; each is looked at where it comes first."""

    def __init__(self, base: Path, wanted: list[str]):
        self.data, self.wanted = base / "perf", wanted
        self.cases: dict[str, Case] = {}
        self.seen: set[str] = set()  # in this run

    def looks_at(self, case: str) -> bool:
        if case in self.seen or self.wanted and case not in self.wanted:
            return False
        self.seen.add(case)
        self.cases.setdefault(case, Case())
        return True

    def is_through(self) -> bool:
        return bool(self.wanted) and self.seen >= set(self.wanted)

    def sample(self, running: servers.Running, case: str, run: Callable[[], dict]) -> dict:
        if not self.looks_at(case):
            return run()
        before = accounting.settled_cpu(running.account)
        with perf("record", "-q", "-a", "-e", "cpu-clock", "-F", SAMPLES, "-g", "--all-cgroups", "-o", str(self.data)):
            facts = run()
        found, group = self.cases[case], "/" + running.account.path()
        found.facts, found.cpu = facts, accounting.settled_cpu(running.account)[0] - before[0]
        rows = report(self.data, "--no-children", "-n", "--sort", "cgroup,comm,dso,sym")
        every = sum(int(count) for _, count, *_ in rows)
        ours = max(sum(int(count) for _, count, of, *_ in rows if of == group), 1)
        for _, count, of, role, place, name in rows:
            if of == group:
                found.functions[role, place, name[4:]] += int(count) * 100 / ours
        for percent, _, of, role, name in report(self.data, "--children", "--sort", "cgroup,comm,sym"):
            if of == group and (entry := ENTRY.match(name)):
                key = role, entry[1] or FAULT
                found.within[key] = max(found.within.get(key, 0), float(percent.rstrip("%")) * every / ours)
        return facts

    def count(self, running: servers.Running, case: str, run: Callable[[], dict]) -> dict:
        if not self.looks_at(case):
            return run()
        with perf("record", "-q", "-a", "-e", CALL, "-G", running.account.path(), *OFTEN, "-o", str(self.data)):
            facts = run()
        found = self.cases[case]
        found.counted = facts
        names = call_names()
        for _, count, role, number in report(self.data, "-n", "--sort", f"comm,{CALL}.id"):
            found.calls[role, names.get(number, number)] += int(count)
        return facts


def listed(values: dict[str, str], top: int) -> str:
    return ", ".join(f"{name} {value}" for name, value in list(values.items())[:top])


def calls_of(case: Case, role: str, top: int) -> str:
    """Percent of CPU within each system call, and how many there are, of those that cost most."""
    units = case.units(case.counted)
    keys = [key for key in case.within.keys() | case.calls.keys() if key[0] == role]
    costs = {key: (case.within.get(key, 0), case.calls[key] / units) for key in keys}
    ordered = sorted((key for key in keys if max(costs[key]) >= LEAST), key=lambda key: costs[key], reverse=True)
    return listed({name: f"{costs[role, name][0]:.1f}" + (f" ({tables.number(costs[role, name][1])})" if name != FAULT else "")
                   for _, name in ordered}, top)


def functions_of(case: Case, role: str, top: int) -> str:
    """Those that are not of the kernel say of what."""
    ordered = sorted(((percent, place, name) for (of, place, name), percent in case.functions.items() if of == role and percent >= LEAST), reverse=True)
    return listed({f"`{name.partition('.')[0]}`" + ("" if place == KERNEL else f" of {place.partition('.so')[0]}"): f"{percent:.1f}"
                   for percent, place, name in ordered}, top)


def roles_table(case: Case, top: int) -> str:
    units = case.units(case.counted)
    rows = []
    for role, (percent, kernel) in case.roles().items():
        calls = sum(n for (of, _), n in case.calls.items() if of == role) / units
        if percent >= LEAST or calls >= LEAST:
            name = role.removeprefix("pop3d-")
            rows.append([name, f"{percent:.1f}", f"{kernel:.1f}", tables.number(calls), calls_of(case, role, top), functions_of(case, role, top)])
    return tables.table(["role", "% of CPU", "in the kernel", f"calls per {case.unit()}", "within: % of CPU (calls)", "functions: % of CPU"], rows)


def memory(roles: dict[str, float]) -> str:
    """Those that have grown, or shrunk."""
    return ", ".join(f"{role} {kib:.2f}" for role, kib in sorted(roles.items(), key=lambda item: -item[1]) if abs(kib) >= 0.01)


def places(case: Case) -> str:
    """Kernel, program and libraries."""
    shares = Counter()
    for (_, place, _), percent in case.functions.items():
        shares["kernel" if place == KERNEL else place.partition(".so")[0]] += percent
    return ", ".join(f"{place} {percent:.0f}" for place, percent in shares.most_common() if percent >= 0.5)


def headline(case: Case) -> str:
    facts, us = case.facts, case.cpu * 1e6 / case.units(case.facts)
    cost = f"{us:.3g} µs" if us < 1000 else f"{us / 1000:.3g} ms"
    errors = f"{facts.get('errors', 0):.0f} errors"
    return (f"{facts.get('sessions', 0):.0f} sessions, {errors}, {cost} of CPU per {case.unit()} while sampled; percent of it: {places(case)}"
            + (f". Memory, KiB for each connection: {memory(facts['roles_kib'])}" if "roles_kib" in facts else ""))


def text(title: str, case: Case, top: int) -> str:
    return "\n".join([f"### {title}\n", headline(case) + "\n", roles_table(case, top)])
