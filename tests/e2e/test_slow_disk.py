"""A disk that takes minutes: only the session that wants what lies there waits, and no front ever does."""

import os
import subprocess
import time

import pytest

from server import SANITIZED, Maildir, Mbox, wait_for
from slowed import Slowed

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(SANITIZED, reason="strace and a sanitizer do not go together"),
]

READS = "read,pread64,preadv,readv,sendfile,splice,mmap"
OWNER = 20077
SIZES = {"small": 2_000, "large": 3_000_000}


def message(size):
    return "Subject: of some size\n\n" + "sixty-three octets and a line end, again and again and again....\n" * (size // 64)


def forget(inbox):
    """Nothing of it is in the page cache: whoever reads it waits for the disk."""
    for path in [inbox.path] if inbox.path.is_file() else map(inbox.file, inbox.files()):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


@pytest.mark.parametrize("kind", [Maildir, Mbox])
@pytest.mark.parametrize("size", SIZES)
def test_others_are_served(daemon, kind, size):
    """Two users with one owner, so with one store worker, and on the same fronts: one's message is read for ten minutes."""
    slow, quick = (daemon.user(name, kind=kind, uid=OWNER) for name in ("slow", "quick"))
    for user in (slow, quick):
        user.deliver(message(SIZES[size]))
    daemon.start()
    c = daemon.login(slow)
    octets = c.stat()[1]
    forget(slow.inbox)
    slowed = Slowed(daemon, 600, "pread64,preadv2")
    c.say("RETR 1")
    assert wait_for(lambda: "pread" in slowed.file.read_text()), daemon.log()
    time.sleep(0.2)  # a worker that does not come back for so long is given nothing
    for _ in range(4):
        other = daemon.login(quick)
        assert other.stat() == (1, octets)
        assert len(other.retr(1)) == octets
        other.quit()
    slowed.stop()
    assert c.line().startswith(b"+OK")
    assert len(c.octets()) == octets
    c.quit()


def test_front_never_waits(daemon):
    """What fronts do with descriptors of mail: reads that come back at once with nothing where the disk would be waited for. Then store reads."""
    user = daemon.user(kind=Mbox)
    user.deliver(message(20_000_000))  # more than sockets hold
    daemon.start()
    c = daemon.login(user, rcvbuf=65536)
    octets = c.stat()[1]
    trace = daemon.top / "fronts"
    pids = ",".join(str(p) for p in daemon.role_pids("pop3d-front"))
    watching = subprocess.Popen(["strace", "-qq", "-f", "-y", "-s0", "-p", pids, "-e", f"trace={READS},preadv2", "-o", str(trace)],
                                stderr=subprocess.DEVNULL)
    assert wait_for(lambda: all(Slowed.is_traced(p) for p in pids.split(",")))
    c.ok("RETR 1")
    forget(user.inbox)
    assert len(c.octets()) == octets
    c.quit()
    watching.terminate()
    watching.wait(20)
    calls = [line for line in trace.read_text().splitlines() if str(user.inbox.path) in line]
    assert calls and all("preadv2(" in line and "RWF_NOWAIT" in line for line in calls), calls[:5]
    assert any("EAGAIN" in line for line in calls), calls[:5]
