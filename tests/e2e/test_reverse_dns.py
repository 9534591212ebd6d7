"""virtdomain { reverse-dns yes; }: the name of the address that a client connected to is a domain for login names that have none."""

import socket

import pytest

from pop3 import Pop3
from server import free_port
from test_inetd import Inetd

STATEMENT = "virtdomain { reverse-dns yes; }\n"


def name_of(address):
    """As name servers, or /etc/hosts, have it."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].lower()
    except socket.gaierror:
        pytest.skip(f"{address} has no name here")


def is_let_in(client, user):
    with client:
        client.ok(f"USER {user.name}")
        return client.cmd(f"PASS {user.password}").startswith(b"+OK")


@pytest.mark.parametrize("address,label", [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", ""), ("::1", "[::1]")], ids=["address", "any", "inet6"])
def test_reverse_dns(daemon, address, label):
    """Off unless configured; a typed domain counts all the same, and the number of the address comes last."""
    user = daemon.user(domain=name_of(address))
    numbered = daemon.user(domain=address, name="numbered")
    servers = f'server "{label}:{free_port()}" {{ }}'
    port = int(servers.split(":")[-1].split('"')[0])
    auth = "auth { failure-delay 0; }\n"
    for extra, found in ((auth, False), (auth + STATEMENT, True)):
        daemon.start(servers=servers, extra=extra)
        client = lambda: Pop3((address, port))
        assert is_let_in(client(), user) == found
        assert is_let_in(client(), numbered)
        daemon.stop()


def test_inetd_mode(daemon):
    user = daemon.user(domain=name_of("127.0.0.1"))
    for extra, found in (("", False), (STATEMENT, True)):
        inetd = Inetd(daemon, "auth { failure-delay 0; }\n" + extra)
        c, p = inetd.client()
        assert is_let_in(c, user) == found
        p.wait(30)
        inetd.listener.close()
