"""TCP wrappers: the tables of hosts_access(5) and hosts_options(5), in both modes, and what they can do to others: nothing.

Clients come from the addresses 127.0.0.N."""

import pytest

from server import session_pids, wait_for
from test_access import is_let_in
from test_inetd import Inetd
from test_programs import connect, greeted, is_program, is_silent


class Tables:
    """hosts.allow and hosts.deny of a daemon, and what says that they are to be asked."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.allow, self.deny = daemon.top / "hosts.allow", daemon.top / "hosts.deny"

    def write(self, allow="", deny=""):
        for path, text in ((self.allow, allow), (self.deny, deny)):
            path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
            path.chmod(0o644)

    def block(self, more=""):
        return f'tcp-wrappers {{ allow-table "{self.allow}"; deny-table "{self.deny}"; {more} }}\n'

    def start(self, allow="", deny="", more="", extra="", server=""):
        self.write(allow, deny)
        starts = self.daemon.log().count(") started\n")
        self.daemon.start(extra=self.block(more) + extra, server=server, wait=False)
        assert wait_for(lambda: self.daemon.log().count(") started\n") > starts), self.daemon.log()

    def lets_in(self, *hosts):
        """Which of these."""
        return [n for n in hosts if is_let_in(self.daemon, f"127.0.0.{n}")]


@pytest.fixture
def tables(either):
    return Tables(either)


def test_statements(tables):
    """enable, daemon, allow-table, deny-table; either of access list and tables denies."""
    tables.start("pop3d: 127.0.0.1\nothername: 127.0.0.2\n", "ALL: ALL\n", extra="acl { deny 127.0.0.3; }")
    assert tables.lets_in(1, 2, 3) == [1]
    tables.daemon.wait_log(r'access-denied address=127\.0\.0\.2 port=\d+ rule="tcp-wrappers" reason="the tables say no"')
    tables.write("", "pop3d: 127.0.0.1\n")
    assert tables.lets_in(1, 2, 3) == [2], "the tables are read for each client"
    tables.daemon.stop()
    tables.start("othername: ALL EXCEPT 127.0.0.1", "ALL: ALL", more="daemon othername;")
    assert tables.lets_in(1, 2) == [2]
    tables.daemon.stop()
    tables.start("", "ALL: ALL", more="enable no;")
    assert tables.lets_in(1, 2) == [1, 2]
    assert not tables.daemon.role_pids("pop3d-access")


def test_inetd_mode(either):
    tables = Tables(either)
    tables.write("pop3d: 127.0.0.0/255.0.0.0 EXCEPT 127.0.0.2\n", "ALL: ALL\n")
    inetd = Inetd(either, tables.block())
    c, p = inetd.client()
    c.quit()
    assert p.wait(30) == 0
    c, p = inetd.client(greeting=False, source="127.0.0.2")
    assert c.at_end()
    p.wait(30)
    inetd.listener.close()


def test_tables_that_cannot_be_used(tables):
    """None: an empty one. One that cannot be read: nobody is let in, and the log says why. A line that means nothing is told, too."""
    tables.start()
    tables.allow.unlink()
    tables.deny.unlink()
    assert tables.lets_in(1) == [1]
    tables.write("pop3d 127.0.0.1\n", "")
    assert tables.lets_in(1) == [1]
    tables.daemon.wait_log(r"tcp-wrappers: libwrap: pop3d: warning: .*hosts\.allow, line 1: missing .{1,2}:.{1,2} separator")
    tables.deny.unlink()
    tables.deny.mkdir()
    assert not tables.lets_in(1)
    tables.daemon.wait_log(r"hosts\.deny is not a file, so nobody is let in")
    tables.deny.rmdir()
    tables.write()
    tables.deny.chmod(0)
    assert not tables.lets_in(1)
    tables.daemon.wait_log(r"cannot read .*hosts\.deny, so nobody is let in: Permission denied")


def test_options(tables):
    """Commands of the tables run; what would end or replace the process that asks denies its client, and harms nobody else."""
    made = tables.daemon.top / "made"
    made.mkdir(mode=0o777)
    made.chmod(0o777)
    tables.start(f"""pop3d: 127.0.0.1: spawn (echo %a %d >{made}/spawned)
pop3d: 127.0.0.2: twist /bin/sh -c 'touch {made}/twisted; exit 0'
pop3d: 127.0.0.3: spawn (id -u >{made}/before): user root: spawn (id -u >{made}/behind)
pop3d: 127.0.0.4: setenv A b: umask 022: nice 5: allow
pop3d: 127.0.0.5: deny
pop3d: 127.0.0.6: nonsense
""", "ALL: 127.0.0.7")
    access = tables.daemon.role_pids("pop3d-access")
    assert len(access) == 1
    assert tables.lets_in(1, 2, 4, 5, 6, 7, 8) == [1, 4, 8]
    assert wait_for(lambda: (made / "spawned").exists() and (made / "spawned").read_text() == "127.0.0.1 pop3d\n")
    assert not (made / "twisted").exists()
    tables.lets_in(3)
    assert wait_for(lambda: (made / "before").exists() and (made / "before").read_text().strip() not in ("", "0"))
    assert not (made / "behind").exists() or (made / "behind").read_text() in ("", (made / "before").read_text()), "nobody becomes another user"
    assert tables.daemon.role_pids("pop3d-access") == access


def test_a_table_that_takes_its_time(tables):
    """Who is asked about waits, and nobody else; who gives up frees the process; too long is a denial."""
    tables.start("pop3d: 127.0.0.66: spawn (echo asked >&2; sleep 3600)\npop3d: 127.0.0.67: spawn sleep 3600\n", "ALL: 127.0.0.9",
                 extra="acl-timeout 3;")
    slow = connect(tables.daemon, 66)
    other = connect(tables.daemon, 67)
    running = lambda: [pid for pid in session_pids(tables.daemon.process.pid) if is_program(pid)]
    assert wait_for(lambda: len(running()) >= 2)
    greeted(connect(tables.daemon, 1))
    assert tables.lets_in(1, 9) == [1]
    other.close()
    assert is_silent(slow) or slow.at_end()
    assert slow.at_end(), "closed without an octet"
    tables.daemon.wait_log(r'address=127\.0\.0\.66 .*reason="its program took too long"')
    assert wait_for(lambda: not running())
    greeted(connect(tables.daemon, 1))


def test_compatible_line(tables):
    tables.start("", "ALL: ALL", extra="logging { compatible yes; }")
    assert not tables.lets_in(2)
    tables.daemon.wait_log(r"error: access from inet://127\.0\.0\.2:\d+ blocked by TCP wrappers")
