"""Deliverers that wait for a lock while a session deletes, which puts a new file in the mailbox's place: what they deliver is in the new one."""

import re
import threading

import pytest

from clients import NOBODY
from deliverers import Exim, Maildrop, Postfix, Procmail
from server import Mbox, wait_for
from slowed import Slowed

pytestmark = [pytest.mark.needs_root, pytest.mark.long]

NUMBER = re.compile(rb"^X-Number: (\S+)\r?$", re.M)


def message(name):
    return f"From: s@example.test\nTo: you\nX-Number: {name}\nMessage-Id: <{name}@example.test>\n\nbody of {name}\n".encode()


@pytest.fixture
def user(daemon):
    user = daemon.user(uid=NOBODY, kind=Mbox)
    for n in range(3):
        user.inbox.deliver(message(n))
    user.lock = user.inbox.path.with_name("INBOX.lock")
    return user


def deliverer(kind, place, user, unpacked):
    if kind == "exim":
        return Exim(place, user, *unpacked("exim4-daemon-light"))
    if kind.startswith("postfix"):
        _, agent, locks = kind.split(" ", 2)
        return Postfix(place, [user], agent, locks)
    return {"procmail": Procmail, "maildrop": Maildrop}[kind](place, user)


@pytest.mark.parametrize("kind", ["postfix local fcntl, dotlock", "procmail", "maildrop", "exim",
                                  *(pytest.param(f"postfix {how}", marks=pytest.mark.nightly)
                                    for how in ("local dotlock", "local fcntl", "virtual fcntl, dotlock"))])
def test_delivery_waits_for_a_replaced_mailbox(daemon, user, unpacked, kind):
    agent = deliverer(kind, daemon.top / "agent", user, unpacked)
    daemon.start()
    try:
        c = daemon.login(user)
        c.ok("DELE 2")
        inode = user.inbox.path.stat().st_ino
        slowed = Slowed(daemon, 2)
        c.say("QUIT")
        assert wait_for(user.lock.exists)
        sending = threading.Thread(target=lambda: (agent.send(user, [message("new")]) if isinstance(agent, Postfix)
                                                   else agent.send([message("new")])))
        sending.start()
        assert c.line().startswith(b"+OK")
        slowed.stop()
        sending.join(120)
        assert wait_for(lambda: not isinstance(agent, Postfix) or agent.is_idle(), 120), agent.log()
    finally:
        if isinstance(agent, Postfix):
            agent.stop()
    assert user.inbox.path.stat().st_ino != inode  # it was replaced
    assert [n.decode() for n in NUMBER.findall(user.inbox.path.read_bytes())] == ["0", "2", "new"]
    c = daemon.login(user)
    assert c.stat()[0] == 3 and b"body of new" in c.retr(3)
    c.quit()
