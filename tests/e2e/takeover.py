"""For test_takeover.py, as root in namespaces of its own (mounts, network, processes): what a client sees of a program that
runs as Debian's unit says. Prints JSON: {step: replies}.

usage: takeover.py WORLD PROGRAM [uidl]	WORLD/etc becomes /etc, WORLD/mail /var/mail, PROGRAM /usr/sbin/pop3d"""

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pop3 import Pop3

UNIT = Path("/lib/systemd/system/mailutils-pop3d.service")
ADDRESS = ("127.0.0.1", 110)
SECONDS = 30
IFF_UP, SIOCSIFFLAGS = 1, 0x8914

STEPS = {
    "before login": [b"NOOP", b"STAT", b"FOO", b"RETR 1", b"USER", b"PASS x", b"QUIT"],
    "read": ["login", b"STAT", b"LIST", b"LIST 2", b"LIST 99", b"LIST x", b"RETR 1", b"RETR 2", b"RETR 3", b"RETR 99",
             b"TOP 2 0", b"TOP 2 1", b"TOP 2 999", b"TOP 2", b"NOOP", b"LAST", b"FOO", b"USER bob", b"DELE 0", b"QUIT"],
    "reset": ["login", b"DELE 1", b"RETR 1", b"LIST 1", b"STAT", b"LIST", b"RSET", b"STAT", b"QUIT"],
    "delete": ["login", b"DELE 2", b"STAT", b"QUIT"],
    "what is left": ["login", b"STAT", b"LIST", b"RETR 1", b"RETR 2", b"QUIT"],
}
USERS = [("bob", "system"), ("ann@example.test", "virtual")]
FAILURES = [("bob", "wrong"), ("bob", "virtual"), ("nobody", "system"), ("ann@example.test", "system"), ("ann", "virtual"),
            ("bob", ""), ("locked", "!")]
HOLES = [("bob", "x"), ("root", "root")]  # of Mailutils
MULTI = re.compile(rb"(RETR|TOP|LIST$|UIDL$|CAPA)")


def loopback_up():
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def world_enter(world, program):
    loopback_up()
    mount("--bind", world / "etc", "/etc")
    mount("--bind", world / "mail", "/var/mail")
    mount("--bind", program, "/usr/sbin/pop3d")
    for place in ("/run", "/var/cache", "/var/lib"):
        mount("-t", "tmpfs", "none", place)
    locks = Path("/run/lock/subsys/mail")  # where Mailutils locks Maildirs
    locks.mkdir(parents=True)
    locks.chmod(0o1777)


def unit_commands(key):
    text = UNIT.read_text(encoding="ascii")
    return [shlex.split(line) for line in re.findall(rf"^{key}=(.*)$", text, re.M)]


def start():
    """As systemd would: the check first, then the daemon, which returns when it serves."""
    for command in unit_commands("ExecStartPre") + unit_commands("ExecStart"):
        subprocess.run(command, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(ADDRESS, 1).close()
            return
        except OSError:
            time.sleep(0.02)  # Mailutils returns before it listens
    raise RuntimeError("nobody listens")


def others():
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]


def stop():
    for pid in others():
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + SECONDS
    while others() and time.monotonic() < deadline:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        time.sleep(0.02)


def said(octets):
    return octets.decode("latin-1")


def play(user, password, commands):
    replies = []
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        for command in commands:
            if command == "login":
                replies += [("USER", said(c.cmd(b"USER " + user.encode()))),
                            ("PASS", said(c.cmd(b"PASS " + password.encode())))]
                continue
            status = c.cmd(command)
            body = said(c.octets()) if status.startswith(b"+OK") and MULTI.match(command) else None
            replies.append((said(command), said(status), body) if body is not None else (said(command), said(status)))
    return replies


def uidl(login, password):
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        c.ok(b"USER " + login.encode())
        c.ok(b"PASS " + password.encode())
        uids = c.uidl()
        c.ok(b"QUIT")
    return uids


def main(world, program, what="dialogues"):
    world_enter(Path(world), program)
    start()
    seen = {}
    if what == "uidl":
        seen = {login: uidl(login, password) for login, password in USERS}
        stop()
        json.dump(seen, sys.stdout)
        return
    for login, password in USERS:
        for step, commands in STEPS.items():
            seen[f"{login}: {step}"] = play(login, password, commands)
    with ThreadPoolExecutor() as pool:  # who fails waits
        for (login, password), replies in zip(FAILURES, pool.map(lambda f: play(*f, ["login"]), FAILURES)):
            seen[f"{login} with {password!r}"] = replies
    seen["holes"] = [play(login, password, ["login"])[-1][1] for login, password in HOLES]
    with Pop3(ADDRESS, timeout=SECONDS) as c:
        seen["capabilities"] = c.cmd(b"CAPA") and c.text()
    stop()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
