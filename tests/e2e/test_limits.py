"""Places, waiting, addresses, timeouts, and every kind of server address.

Where something must not have happened yet, a test looks without waiting: it can miss a fault, never invent one."""

import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from pop3 import Gone, Pop3
from server import free_port, wait_for


def silent(client):
    """The server has said nothing so far."""
    return not client.seen and not select.select([client.sock], [], [], 0)[0]


def waiting(daemon):
    return Pop3(daemon.address, greeting=False)


def refused(client, code="SYS/TEMP"):
    line = client.line()
    assert line.startswith(f"-ERR [{code}] ".encode()), line
    return client.at_end()


def test_those_beyond_max_children_wait_in_order(daemon):
    user = daemon.user()
    daemon.start(extra="max-children 2; client-wait 60;")
    a, b = daemon.connect(), daemon.connect()
    queue = []
    for _ in range(10):
        queue.append(waiting(daemon))
        assert wait_for(lambda: daemon.unaccepted() == 0)  # fronts may accept two of the same moment in either order
    b.ok("CAPA")
    b.lines()
    inside = [a, b]
    for i, c in enumerate(queue):
        leaves = inside.pop(0)
        leaves.login(user) if i % 2 else None
        leaves.quit()
        assert c.line().startswith(b"+OK")
        assert all(silent(later) for later in queue[i + 1:])
        inside.append(c)
    for c in inside:
        c.close()


def test_a_waiting_client_that_goes_away_is_passed_over(daemon):
    daemon.start(extra="max-children 1; client-wait 60;")
    a = daemon.connect()
    gone = waiting(daemon)
    assert wait_for(lambda: daemon.unaccepted() == 0)
    c = waiting(daemon)
    gone.close()
    a.quit()
    assert c.line().startswith(b"+OK")
    c.quit()


def test_waiting_ends_with_a_reason(daemon):
    daemon.start(extra="max-children 1; client-wait 1;")
    a = daemon.connect()
    assert refused(waiting(daemon))
    a.ok("CAPA")
    a.lines()
    a.quit()
    daemon.connect().quit()


def test_waiting_ends_though_others_come(daemon):
    """Whoever comes behind does not put off the end of those who came before."""
    daemon.start(extra="max-children 1; client-wait 1;", server="backlog 1000; single-process yes;")
    a, first = daemon.connect(), waiting(daemon)
    others = []
    while silent(first) and len(others) < 150:
        others.append(waiting(daemon))
        time.sleep(0.1)
    assert not silent(first), "150 came in the meantime"
    assert refused(first)
    for c in [a, *others]:
        c.close()


def test_queue_of_the_kernel(daemon):
    """`backlog` bounds clients that wait for a place, not a burst of connections that nobody has had the time to accept."""
    daemon.start(server="backlog 3;")
    most = int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))
    row = subprocess.run(["ss", "-Hltn", f"sport = :{daemon.port}"], check=True, capture_output=True, text=True).stdout.split()
    assert int(row[2]) == min(most, 4096)


def test_waiting_is_bounded_by_backlog_and_logged_once(daemon):
    daemon.start(extra="max-children 1; client-wait 60;", server="backlog 3;")
    a = daemon.connect()
    queue = [waiting(daemon) for _ in range(20)]
    told = wait_for(lambda: [c for c in queue if not silent(c)])
    wait_for(lambda: sum(not silent(c) for c in queue) >= 17)
    told = [c for c in queue if not silent(c)]
    assert len(told) == 17 and all(refused(c) for c in told)
    a.quit()
    inside = [c for c in queue if c not in told]
    assert len(inside) == 3
    while inside:  # in the order in which fronts took them, which need not be that of their connections
        greeted = wait_for(lambda: [c for c in inside if not silent(c)])
        assert len(greeted) == 1 and greeted[0].line().startswith(b"+OK")
        greeted[0].quit()
        inside.remove(greeted[0])
    lines = re.findall(r".*max-children.*", daemon.log())
    assert len(lines) == 1, lines


def test_daemon_option_sets_the_number(daemon):
    daemon.start(options=["-d1"], extra="client-wait 1;")
    a = daemon.connect()
    assert refused(waiting(daemon))
    a.quit()


def test_max_children_0_is_no_limit(daemon):
    daemon.start(extra="max-children 0;")
    clients = [daemon.connect() for _ in range(60)]
    for c in clients:
        c.quit()


def test_per_address(daemon):
    daemon.start(extra="max-per-address 2;")
    a, b = (wait_for(lambda: try_connect(daemon)) for _ in range(2))
    assert refused(waiting(daemon))
    other = daemon.connect(source="127.0.0.2")
    a.quit()
    c = wait_for(lambda: try_connect(daemon))
    assert c
    for x in (b, c, other):
        x.quit()


def try_connect(daemon):
    """A client that has been greeted, or None: one that has left may be counted for another moment."""
    c = Pop3(daemon.address)
    if c.greeting.startswith(b"+OK"):
        return c
    c.close()
    return None


def test_login_timeout(daemon):
    """It counts from the connection on: a client that keeps talking without a login is out as well."""
    daemon.start(extra="login-timeout 1; auth { failure-delay 0; }")
    quiet, busy = daemon.connect(), daemon.connect()
    with pytest.raises((Gone, BrokenPipeError, AssertionError)):
        while True:
            busy.ok("CAPA")
            busy.lines()
    try:
        assert quiet.line().startswith(b"-ERR")
    except Gone:
        pass


def test_idle_timeout(daemon):
    """After login `timeout` counts, from command to command; an idle end deletes nothing."""
    user = daemon.user()
    user.deliver("Subject: a\n\nx\n")
    daemon.start(extra="timeout 1; login-timeout 60;")
    c = daemon.login(user)
    c.ok("DELE 1")
    try:
        assert c.line().startswith(b"-ERR")
        assert c.at_end()
    except Gone:
        pass
    assert len(user.inbox.files()) == 1
    daemon.login(user).quit()


def test_timeout_of_a_server_wins(daemon):
    user = daemon.user()
    daemon.start(extra="timeout 3600;", server="timeout 1;")
    c = daemon.login(user)
    with pytest.raises(Gone):
        while True:
            c.line()


def test_ipv4_ipv6_unix(daemon):
    """Each server block serves; the address is in the log."""
    user = daemon.user()
    user.deliver("Subject: a\n\nx\n")
    port6, path = free_port(), str(daemon.top / "run" / "pop3.sock")
    daemon.start(servers=f'server 127.0.0.1:{daemon.port} {{ }}\nserver "[::1]:{port6}" {{ }}\nserver "unix://{path}" {{ }}',
                 wait=False)
    wait_for(lambda: can_connect(daemon.address) and can_connect(("::1", port6)) and can_connect(path))
    for address, logged in ((daemon.address, "127.0.0.1"), (("::1", port6), "::1"), (path, "unix")):
        with Pop3(address) as c:
            c.login(user)
            assert c.stat()[0] == 1
            c.quit()
        daemon.wait_log(rf'login .*address="?{logged}')


def can_connect(address):
    try:
        Pop3(address).close()
        return True
    except OSError:
        return False


def test_unix_socket_is_removed_at_the_end(daemon):
    path = daemon.top / "run" / "pop3.sock"
    daemon.start(servers=f'server "unix://{path}" {{ }}', wait=False)
    assert wait_for(lambda: can_connect(str(path)))
    daemon.stop()
    assert not path.exists()


def test_login_after_failures_on_one_connection_is_bounded(daemon):
    """A client cannot guess on one connection for ever."""
    user = daemon.user()
    daemon.start(extra="auth { failure-delay 0; penalty no; }")
    c = daemon.connect()
    failures = 0
    try:
        while failures < 1000:
            c.ok(f"USER {user.login}")
            c.err(f"PASS wrong{failures}", "AUTH")
            failures += 1
    except (Gone, BrokenPipeError, AssertionError):
        pass
    assert failures >= 3
    daemon.login(user).quit()
