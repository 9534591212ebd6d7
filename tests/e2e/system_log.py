"""The system's log, where the machine has none."""

import fcntl
import os
import queue
import re
import socket
import tempfile
import threading
from pathlib import Path

import pytest


class SystemLog:
    """One test at a time has it. Other programs write to it, too, and lines are lost where nobody takes them: a thread does."""

    path = "/dev/log"

    def __enter__(self):
        self.turn = (Path(tempfile.gettempdir()) / "pop3d-test-syslog").open("w", encoding="ascii")
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        if os.path.exists(self.path):
            self.turn.close()
            pytest.skip("this machine has a log of its own")
        self.open()
        return self

    def __exit__(self, *_):
        self.close()
        self.turn.close()

    def open(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while octets := self.sock.recv(65536):
            self.lines.put(octets.decode("ascii", "replace"))

    def wait(self, pattern, seconds=30):
        """The next line that matches."""
        try:
            while not re.search(pattern, line := self.lines.get(timeout=seconds)):
                pass
        except queue.Empty:
            raise TimeoutError(pattern) from None
        return line

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.path)  # recv returns nothing
        self.reader.join()
        self.sock.close()
        os.unlink(self.path)
