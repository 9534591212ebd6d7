"""What all processes of a server use together: CPU seconds, those of processes that have ended included, and memory.

With control groups (version 2 is enough, no controller is needed) the kernel adds up; without, the process tree does, in
steps of a clock tick and without what a process that outlives its parent takes along."""
import os
import re
import time
from collections import Counter
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
KIB = 1024


def _mounts() -> list[tuple[str, str, str]]:
    return [tuple(line.split()[1:4]) for line in Path("/proc/mounts").read_text().splitlines()]


def _group_of_self(controller: str) -> str:
    """Our own group in the hierarchy of a controller; "" is version 2."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _make_group(mount: str, controller: str, name: str) -> Path | None:
    path = Path(mount + _group_of_self(controller)) / f"pop3-bench-{os.getpid()}-{name}"
    try:
        path.mkdir()
        (path / "cgroup.procs").read_text()
        return path
    except OSError:
        return None


class Group:
    """A control group. Whatever runs in it was started by us."""

    def __init__(self, name: str):
        self.cpu_dir = self.memory_dir = None
        self.mount = ""
        for mount, kind, options in _mounts():
            if kind == "cgroup2" and not self.cpu_dir:
                self.mount, self.cpu_dir = mount, _make_group(mount, "", name)
            if kind == "cgroup" and "memory" in options.split(",") and not self.memory_dir:
                self.memory_dir = _make_group(mount, "memory", name)

    def enter_command(self, argv: list[str]) -> list[str]:
        """argv, run inside the group."""
        joins = "".join(f"echo $$ >'{d}/cgroup.procs' && " for d in (self.cpu_dir, self.memory_dir) if d)
        return ["/bin/sh", "-c", joins + 'exec "$@"', "sh"] + argv

    def attach(self, pid: int) -> None:
        """Processes join by themselves."""

    def path(self) -> str:
        """Below the mount point, as perf wants it."""
        return str(self.cpu_dir.relative_to(self.mount))

    def pids(self) -> list[int]:
        return [int(p) for p in (self.cpu_dir / "cgroup.procs").read_text().split()]

    def cpu(self) -> tuple[float, float]:
        stat = dict(line.split() for line in (self.cpu_dir / "cpu.stat").read_text().splitlines())
        total, system = int(stat["usage_usec"]), int(stat["system_usec"])
        return total / 1e6, system / 1e6

    def kernel_kib(self) -> float | None:
        """Slabs, stacks and sockets that the kernel holds for the group, where it says so."""
        if self.memory_dir:
            return int((self.memory_dir / "memory.kmem.usage_in_bytes").read_text()) / KIB
        try:
            match = re.search(r"^kernel (\d+)$", (self.cpu_dir / "memory.stat").read_text(), re.M)
        except OSError:
            match = None
        return int(match[1]) / KIB if match else None

    def remove(self) -> None:
        for path in (self.cpu_dir, self.memory_dir):
            if path:
                path.rmdir()


class Tree:
    """The processes below one, where there are no control groups."""

    def __init__(self, _name: str):
        self.root = 0

    def enter_command(self, argv: list[str]) -> list[str]:
        return argv

    def attach(self, pid: int) -> None:
        self.root = pid

    def path(self) -> str:
        raise RuntimeError("no control groups of version 2 here: perf cannot tell the server's processes from others")

    def _stats(self) -> dict[int, list[str]]:
        stats = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                stats[int(entry.parent.name)] = entry.read_text().rpartition(")")[2].split()
            except OSError:
                pass  # it has ended
        return stats

    def _below(self, stats: dict[int, list[str]]) -> list[int]:
        family = [self.root] if self.root in stats else []
        for parent in family:  # grows while we go
            family += [pid for pid, fields in stats.items() if int(fields[1]) == parent]
        return family

    def pids(self) -> list[int]:
        return self._below(self._stats())

    def cpu(self) -> tuple[float, float]:
        stats = self._stats()
        times = [[int(t) for t in stats[pid][11:15]] for pid in self._below(stats)]
        system = sum(t[1] + t[3] for t in times)
        return sum(map(sum, times)) / TICK, system / TICK

    def kernel_kib(self) -> None:
        return None

    def remove(self) -> None:
        pass


def account(name: str) -> Group | Tree:
    group = Group(name)
    return group if group.cpu_dir else Tree(name)


def settled_cpu(of: Group | Tree) -> tuple[float, float]:
    """CPU seconds, total and system, once the processes have come to rest: much of a session's cost comes behind its end."""
    before = of.cpu()
    for _ in range(40):
        time.sleep(0.05)
        now = of.cpu()
        if now[0] - before[0] < 0.0005:
            return now
        before = now
    return before


def pss_by_role(of: Group | Tree) -> Counter[str]:
    """Memory of all processes, in KiB, what they share counted once; by their names."""
    total = Counter()
    for pid in of.pids():
        try:
            rollup, role = Path(f"/proc/{pid}/smaps_rollup").read_text(), Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue  # it has ended
        match = re.search(r"^Pss:\s+(\d+)", rollup, re.M)
        total[role] += int(match[1]) if match else 0
    return total


def pss_kib(of: Group | Tree) -> int:
    return pss_by_role(of).total()


def machine_times() -> tuple[float, float, float]:
    """Seconds since boot that all processors together spent busy, were stolen by the host, and in all."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle, steal = fields[3] + fields[4], fields[7]
    return (sum(fields) - idle - steal) / TICK, steal / TICK, sum(fields) / TICK
