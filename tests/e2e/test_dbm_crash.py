"""A database is what it was, or what it shall be, at whatever system call the program that writes it is killed; and it goes on being one."""

import shutil
import signal
import subprocess

import pytest

from test_popauth import MAILUTILS, POPAUTH, create, listed, place, run  # noqa: F401
from server import SANITIZED

pytestmark = [pytest.mark.long, pytest.mark.skipif(SANITIZED, reason="the sanitizer's run time is no tracee")]

CALLS = ["write", "pwrite64", "pwritev", "ftruncate", "fsync", "fdatasync", "unlink", "rename", "link", "fchmod"]  # strace counts each for itself

# Records before, and what is done then. 166 fill gdbm's first bucket; the next one splits it.
CHANGES = {
    "first": (0, ["-a", "-u", "new", "-p", "x"]),
    "one more": (20, ["-a", "-u", "new", "-p", "x"]),
    "same length": (20, ["-m", "-u", "user7@a.test", "-p", "secret 8"]),
    "longer": (20, ["-m", "-u", "user7@a.test", "-p", "a secret that is longer than what was there"]),
    "split": (166, ["-a", "-u", "new", "-p", "x"]),
    "delete": (170, ["-d", "-u", "user7@a.test"]),
    "replace all": (30, ["-c"]),
}


def killed_at(call, n, arguments, name, more):
    """Whether it was killed as it was about to make the nth call of this name."""
    what = ["-o", name] if "-c" in arguments else ["-f", name]
    got = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}", str(POPAUTH), *arguments,
                          *what], input=more, capture_output=True, text=True, check=False, timeout=60)
    if got.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return True
    assert got.returncode == 0, got.stderr
    return False


@pytest.mark.parametrize("scheme, change", [*(("gdbm", c) for c in CHANGES), ("lmdb", "one more"), ("text", "longer"), ("lmdb", "replace all")])
def test_killed(place, scheme, change):  # noqa: F811
    records, arguments = CHANGES[change]
    old, new = place / "old", place / "new"
    name = f"{scheme}://{place}/db"
    text = "".join(f"user{n}@a.test secret {n % 10}\n" for n in range(records))
    create(f"{scheme}://{old}", text)
    shutil.copy(old, new)
    assert run(*arguments, "-o" if "-c" in arguments else "-f", f"{scheme}://{new}", text="other 1\n").returncode == 0
    before, after = listed(f"{scheme}://{old}"), listed(f"{scheme}://{new}")
    assert before != after or change == "same length"
    seen, done = set(), set()
    kills = 0
    for call, n in ((call, n) for call in CALLS for n in range(1, 100)):
        if call in done:
            continue
        for left in place.glob("*db*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        for left in place.glob(".db*"):
            left.unlink()
        shutil.copy(old, place / "db")
        if not killed_at(call, n, arguments, name, "other 1\n"):
            done.add(call)
            continue
        kills += 1
        now = listed(name)
        assert now in (before, after), (call, n, set(before) ^ set(now))
        seen.add(tuple(now) == tuple(after))
        if scheme != "gdbm":
            continue
        for k in range(6):  # what is written later takes new space, not that of others
            assert run("-a", "-f", name, "-u", f"later{k}", "-p", "y" * 1000).returncode == 0
        assert listed(f"{place}/db", program=MAILUTILS) == sorted(now + [f"later{k} {'y' * 1000}" for k in range(6)])
    assert kills > 2 and False in seen and not list(place.glob(".db*"))
