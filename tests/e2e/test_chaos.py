"""Store workers and the locker are killed at random moments, and the daemon is restarted once, while mail is delivered, fetched and deleted."""

import os
import random
import re
import signal
import time

import pytest

from pop3 import Gone
from server import Maildir, Mbox
from test_locks import SpoolUser
from test_mbox import Writer, message, numbers

COUNT = 40
SECONDS = 20
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))


def make_user(daemon, kind):
    if kind == "spool":
        daemon.make_spool()
        path = SpoolUser(daemon).path
        user = daemon.users[-1]
        user.inbox.path = path
        user.inbox.write(b"")
        return user
    user = daemon.user(kind=Maildir if kind == "maildir" else Mbox)
    if kind == "linked":
        os.link(user.inbox.path, daemon.top / "second-name")
    return user


def kill_one(daemon, dice):
    pids = [p for role in ("pop3d-store", "pop3d-locker") for p in daemon.role_pids(role)]
    if pids:
        try:
            os.kill(dice.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            pass


def session(daemon, user, dice, seen, gone):
    """Fetches all, deletes some; what came whole is in `seen`, what QUIT has confirmed in `gone`."""
    try:
        with daemon.client(timeout=30) as c:
            c.ok(f"USER {user.login}")
            if not c.cmd(f"PASS {user.password}").startswith(b"+OK"):
                return
            deleted = set()
            for k in range(1, c.stat()[0] + 1):
                n, = numbers(octets := c.retr(k))
                assert octets == message(n, 4000).replace("\n", "\r\n").encode()
                assert n not in gone, f"message {n} is back"
                seen.add(n)
                if dice.random() < 0.5:
                    c.ok(f"DELE {k}")
                    deleted.add(n)
            if c.cmd("QUIT").startswith(b"+OK"):
                gone |= deleted
    except (Gone, ConnectionError, TimeoutError, AssertionError) as e:
        if isinstance(e, AssertionError) and "-ERR" not in str(e):
            raise


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["mbox", "linked", "spool", "maildir"])
def test_chaos(daemon, kind):
    print("CHAOS_SEED", SEED)
    dice = random.Random(SEED)
    daemon.alarms_expected = True
    user = make_user(daemon, kind)
    daemon.start(extra=daemon.extra + "locking { retry-count 30; retry-sleep 1; }")
    writer = Writer(lambda n: (user.inbox.deliver(message(n, 4000)), time.sleep(0.05)), range(COUNT))
    killing = Writer(lambda _: (time.sleep(dice.random() / 3), kill_one(daemon, dice)), range(25))
    seen, gone = set(), set()
    end = time.monotonic() + SECONDS
    while (writer.is_alive() or killing.is_alive()) and time.monotonic() < end:
        session(daemon, user, dice, seen, gone)
    killing.join()
    writer.join()
    daemon.restart()
    for _ in range(20):
        session(daemon, user, dice, seen, gone)
    left = numbers(b"".join(user.inbox.contents()))
    deaths = len(re.findall("ended role=", daemon.log()))
    print(f"{kind}: {deaths} died, {len(seen)} were seen, {len(gone)} deleted")
    assert deaths > 0
    assert seen == set(range(COUNT)) and len(left) == len(set(left)) and not set(left) & gone
