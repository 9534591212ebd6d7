"""A disk that is full: who fills it can log in and delete, whatever the mailbox is, and gets his space back. (Quotas say EDQUOT: tests/store/test_crash.c
and test_mbox_crash.c have that at every call.)"""

import contextlib
import os
import subprocess

import pytest

from server import Maildir, Mbox, own

pytestmark = pytest.mark.needs_root

COUNT, SIZE = 6, 60000


def message(n):
    return f"From: s@example.test\nX-Number: {n}\n\n" + f"a line of message {n}\n" * (SIZE // 20)


@contextlib.contextmanager
def small_disk(path):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill_up(path):
    """Not one octet more fits into it."""
    with open(path / "filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while f.write(b"x" * size):
                    pass
    with pytest.raises(OSError), open(path / "more", "wb", buffering=0) as f:
        f.write(b"x" * 4096)


def numbers(c):
    count = c.stat()[0]
    found = []
    for k in range(1, count + 1):
        octets = c.retr(k)
        n = int(octets.split(b"X-Number: ")[1].split(b"\r")[0])
        assert octets == message(n).replace("\n", "\r\n").encode()
        found.append(n)
    return found


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("state", ["state elsewhere", "state on it"])
@pytest.mark.parametrize("deleted", [[0, 2, 3], [4, 5], list(range(COUNT)), [1]], ids=str)
@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_delete_on_a_full_disk(daemon, kind, deleted, state, warm):
    with small_disk(daemon.mail):
        own(daemon.mail, daemon.uid, daemon.uid)
        user = daemon.user(kind=kind)
        for n in range(COUNT):
            user.inbox.deliver(message(n))
        if state == "state on it":
            daemon.extra += f'state-dir "{daemon.mail}/state"; cache-dir "{daemon.mail}/cache";\n'
        daemon.start()
        if warm:
            daemon.login(user).quit()
        else:
            other = daemon.user(uid=user.uid)  # so that the worker, and what master sets aside for it, are there
            daemon.login(other).quit()
        fill_up(daemon.mail)
        c = daemon.login(user)
        assert numbers(c) == list(range(COUNT))
        for n in deleted:
            c.ok(f"DELE {n + 1}")
        c.quit()
        left = [n for n in range(COUNT) if n not in deleted]
        c = daemon.login(user)
        assert numbers(c) == left
        c.quit()
        assert len(user.inbox.contents()) == len(left)
        free = os.statvfs(daemon.mail)
        assert free.f_bavail * free.f_bsize >= len(deleted) * SIZE / 2  # an index may have come
        daemon.stop()


@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_mail_that_comes_with_a_full_disk(daemon, kind):
    """It can be read when the disk takes what must be known of it, and until then nothing else is withheld."""
    with small_disk(daemon.mail):
        own(daemon.mail, daemon.uid, daemon.uid)
        user = daemon.user(kind=kind)
        for n in range(2):
            user.inbox.deliver(message(n))
        daemon.start()
        daemon.login(user).quit()
        user.inbox.deliver(message(2))
        fill_up(daemon.mail)
        for _ in range(2):
            c = daemon.login(user)
            assert numbers(c) == [0, 1, 2]
            assert len(set(c.uidl().values())) == 3
            c.quit()
        daemon.stop()
