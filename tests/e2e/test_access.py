"""Access lists: who is let in, who is denied, by which list; programs that decide.

Clients come from the addresses 127.0.0.x and ::1. Where something must not have happened yet, a test looks without waiting: it
can miss a fault, never invent one."""

import re

import pytest

from pop3 import Gone, Pop3
from server import free_port, wait_for


def is_let_in(daemon, source="127.0.0.1", address=None):
    """True: greeted. False: closed without an octet. Anything else fails."""
    with Pop3(address or daemon.address, greeting=False, source=source) as c:
        try:
            line = c.line()
        except Gone:
            assert c.seen == b""
            return False
        assert line.startswith(b"+OK"), line
        c.quit()
        return True


def start(daemon, acl="", server="", **kw):
    """With these entries in the global list, and in that of the server."""
    daemon.start(extra=f"acl {{ {acl} }}\n" + kw.pop("extra", ""), server=f"acl {{ {server} }}", wait=False, **kw)
    daemon.wait_log(r"pop3d \(.*\) started")
    return daemon


# --- what needs the address only ---

LISTS = [
    # global list, the server's, who is let in: the last number of 127.0.0.x
    ("", "", {1: True}),
    ("deny from any;", "", {1: False}),
    ("", "deny any;", {1: False}),
    ("allow from 127.0.0.1; deny any;", "", {1: True, 2: False}),
    ("deny 127.0.0.1; allow any;", "", {1: False, 2: True}),
    ("deny any; allow any;", "", {1: False}),
    ("deny 127.0.0.4/30;", "", {3: True, 4: False, 7: False, 8: True}),
    ("deny 127.0.0.5/255.255.255.252;", "", {3: True, 4: False, 7: False, 8: True}),
    ("deny 127.0.0.0/8;", "allow any;", {1: False}),
    ("allow any;", "deny 127.0.0.2;", {1: True, 2: False}),
    ("deny 127.0.0.3;", "deny 127.0.0.2;", {1: True, 2: False, 3: False}),
    ("deny \"::/0\"; deny 2001:db8::1;", "", {1: True}),
    ("deny \"::ffff:127.0.0.2\";", "", {1: True, 2: False}),
    ("log any; deny 127.0.0.2; log any;", "", {1: True, 2: False}),
    ("allow localhost; deny any;", "", {1: True, 2: False}),
]


@pytest.mark.parametrize("acl,server,who", LISTS, ids=range(len(LISTS)))
def test_addresses(daemon, acl, server, who):
    start(daemon, acl, server)
    for n, allowed in who.items():
        assert is_let_in(daemon, f"127.0.0.{n}") == allowed, n


def test_denied_get_no_octet_and_one_line(daemon):
    """Nor do they hold a place. The line says which entry it was."""
    start(daemon, "allow 127.0.0.1;\n deny any;", extra="max-children 1;")
    for _ in range(3):
        assert not is_let_in(daemon, "127.0.0.9")
    assert is_let_in(daemon)
    line = daemon.config.read_text().split("deny any")[0].count("\n") + 1
    said = re.findall(rf'notice: access-denied address=127\.0\.0\.9 port=\d+ rule="{re.escape(str(daemon.config))}:{line}"',
                      daemon.log())
    assert len(said) == 3, daemon.log()


def test_two_global_blocks_add_up(daemon):
    daemon.start(extra="acl { deny 127.0.0.2; }\nacl { deny 127.0.0.3; allow any; }")
    assert [is_let_in(daemon, f"127.0.0.{n}") for n in (1, 2, 3)] == [True, False, False]


def test_list_that_can_end_undecided(daemon):
    """It allows; and a warning at start and of --config-lint says so, with its place."""
    start(daemon, "deny 127.0.0.2;", "allow any;")
    assert is_let_in(daemon, "127.0.0.3")
    said = rf"{re.escape(str(daemon.config))}:\d+: statement acl allows those that none of its entries decides about"
    assert re.search("warning: " + said, daemon.log())
    assert "server.acl" not in daemon.log()
    assert re.search(said, daemon.run("--config-lint").stderr)


def test_log(daemon):
    """`log' writes its text, or the address, and decides nothing."""
    start(daemon, 'log from any "from ${address} (${family}) port ${port}, entry ${aclno}"; log any; allow any;')
    assert is_let_in(daemon, "127.0.0.5")
    daemon.wait_log(r"info: from 127\.0\.0\.5 \(AF_INET\) port \d+, entry 1\n")
    daemon.wait_log(r"info: 127\.0\.0\.5\n")


def test_ipv6_and_unix(daemon):
    """Entries of either family, and `any' for both; whoever reaches a Unix socket is not asked about."""
    port6, path = free_port(), str(daemon.top / "run" / "pop3.sock")
    daemon.start(servers=f'server 127.0.0.1:{daemon.port} {{ }}\n'
                 f'server "[::1]:{port6}" {{ acl {{ allow ::1; deny any; }} }}\n'
                 f'server "unix://{path}" {{ acl {{ deny any; }} }}',
                 extra="acl { allow ::/0; deny any; }")
    assert wait_for(lambda: is_let_in(daemon, source=None, address=("::1", port6)))
    assert not is_let_in(daemon)
    assert is_let_in(daemon, source=None, address=path)
    daemon.restart(servers=f'server "[::1]:{port6}" {{ acl {{ deny ::/64; }} }}', extra="acl { allow any; }")
    assert not is_let_in(daemon, source=None, address=("::1", port6))
    daemon.wait_log(r"access-denied address=::1 port=\d+ rule=")


def test_unknown_host_is_an_error_with_its_place(daemon):
    daemon.extra = "acl {\n deny no-such-host.invalid;\n}"
    result = daemon.run()
    assert result.returncode == 78
    line = daemon.config.read_text().split("deny no-such-host")[0].count("\n") + 1
    assert re.search(rf"{re.escape(str(daemon.config))}:{line}\.2-\d+: invalid source CIDR: ", result.stderr), result.stderr
