"""Postfix's local(8), procmail, maildrop and Exim deliver into one mailbox while clients fetch and delete: none is lost, none comes twice, none is damaged.

DELIVERIES says how many; make test-long delivers ten thousand."""

import os
import random
import re

import pytest

from clients import NOBODY
from deliverers import Exim, Maildrop, Postfix, Procmail
from server import Mbox
from test_mbox import Writer

COUNT = int(os.environ.get("DELIVERIES", "150"))
SHARE = {"postfix": 0.6, "procmail": 0.2, "maildrop": 0.1, "exim": 0.1}
AT_ONCE = 20  # that are handed to Postfix over one connection
SEED = int(os.environ.get("DELIVERIES_SEED", random.randrange(10**6)))

pytestmark = [pytest.mark.needs_root, pytest.mark.long]

NUMBER = re.compile(rb"^X-Number: (\S+)\r$", re.M)


def body(name):
    """Lines that tell a damaged message, with what an mbox must quote in between."""
    n = int(name.rsplit("-", 1)[1])
    return "".join(f"line {k} of {name}\n" for k in range(n * 7 % 60)) + "From the middle\n.\n\n" + f"the end of {name}\n"


def message(name):
    return f"From: s@example.test\nTo: you\nX-Number: {name}\nMessage-Id: <{name}@example.test>\n\n{body(name)}".encode()


def check_whole(octets):
    name, = NUMBER.findall(octets)
    got = octets.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n").decode()
    assert got.rstrip("\n") == body(name.decode()).rstrip("\n"), name
    return name.decode()


def session(daemon, user, dice):
    """Fetches all; deletes most of it. The names of what QUIT has confirmed."""
    c = daemon.connect(timeout=120)
    c.ok(f"USER {user.login}")
    if not c.cmd(f"PASS {user.password}").startswith(b"+OK"):
        c.close()
        return []
    gone = []
    for k in range(1, c.stat()[0] + 1):
        name = check_whole(c.retr(k))
        if dice.random() < 0.8:
            c.ok(f"DELE {k}")
            gone.append(name)
    if dice.random() < 0.1:  # the line breaks: nothing is deleted
        c.close()
        return []
    reply = c.cmd("QUIT")
    c.close()
    return gone if reply.startswith(b"+OK") else []


def test_many_deliveries(daemon, unpacked):
    print("DELIVERIES_SEED", SEED)
    dice = random.Random(SEED)
    user = daemon.user(uid=NOBODY, kind=Mbox)
    names = {who: [f"{who}-{n}" for n in range(int(COUNT * share))] for who, share in SHARE.items()}
    postfix = Postfix(daemon.top / "postfix", [user], "local")
    daemon.start(extra="locking { retry-count 100; }")
    gone = []
    try:
        chunks = [names["postfix"][i:i + AT_ONCE] for i in range(0, len(names["postfix"]), AT_ONCE)]
        programs = {"procmail": Procmail(daemon.top / "procmail", user), "maildrop": Maildrop(daemon.top / "maildrop", user),
                    "exim": Exim(daemon.top / "exim", user, *unpacked("exim4-daemon-light"))}
        writers = [Writer(lambda chunk: postfix.send(user, map(message, chunk)), chunks)]
        writers += [Writer(lambda name, p=p: p.send([message(name)]), names[who]) for who, p in programs.items()]
        while any(w.is_alive() for w in writers) or not postfix.is_idle():
            gone += session(daemon, user, dice)
        for w in writers:
            w.join()
    finally:
        postfix.stop()
    c = daemon.login(user)
    left = [check_whole(c.retr(k)) for k in range(1, c.stat()[0] + 1)]
    c.quit()
    assert sorted(gone + left) == sorted(n for some in names.values() for n in some)
