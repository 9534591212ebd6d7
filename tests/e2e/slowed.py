"""System calls of store workers that take long, as on a disk that does: strace lets them begin late."""

import re
import subprocess
from pathlib import Path

from server import wait_for


class Slowed:
    """Each of these calls of the store workers that run begins so many seconds late: what it is for is held meanwhile."""

    def __init__(self, daemon, seconds, calls="renameat"):
        pids = ",".join(str(p) for p in daemon.role_pids("pop3d-store"))
        self.file = daemon.top / "trace"
        self.trace = subprocess.Popen(["strace", "-qq", "-f", "-p", pids, "-e", f"trace={calls}", "-e",
                                       f"inject={calls}:delay_enter={seconds * 1000000}", "-o", str(self.file)],
                                      stderr=subprocess.DEVNULL)
        assert wait_for(lambda: all(self.is_traced(p) for p in pids.split(",")))

    @staticmethod
    def is_traced(pid):
        return not re.search(r"^TracerPid:\t0$", Path(f"/proc/{pid}/status").read_text(), re.M)

    def stop(self):
        self.trace.terminate()
        self.trace.wait(20)
