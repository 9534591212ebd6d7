"""TLS: every mode on both kinds of server, what comes before it and what must not stay, clients that break off, what it costs,
real clients. Certificates, keys and resumption are in test_certificates.py."""

import os
import re
import socket
import ssl
import struct
import subprocess

import pytest

from clients import ALL, Where, getmail
from pop3 import Gone, Pop3
from server import SANITIZED, free_port, wait_for
from test_clients import NUMBER, message as clients_message
from test_counts import Trace
from test_inetd import Inetd

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MODES = {"no": ["no", "false", "off", "0"], "ondemand": ["ondemand", "stls", None], "required": ["required"],
         "connection": ["connection", "yes", "true", "on", "1"]}


def message(n, lines=3):
    return f"Subject: m{n}\n\n" + "".join(f"line {i} of {lines}\n.\n" for i in range(lines))


def capa(client):
    client.ok("CAPA")
    return client.text()


@pytest.fixture
def cert(daemon):
    return daemon.certificate()


@pytest.fixture
def offered(daemon, cert):
    """A daemon that offers STLS, and a user with mail."""
    user = daemon.user()
    for n in range(3):
        user.deliver(message(n, 10 ** n * 5))
    daemon.start(server=cert.block, extra="auth { failure-delay 0; }")
    daemon.mailbox = user
    return daemon


@pytest.fixture
def implicit(daemon, cert):
    """One whose port is for TLS."""
    user = daemon.user()
    for n in range(3):
        user.deliver(message(n, 10 ** n * 5))
    daemon.tls = cert.context()
    daemon.start(server=f"tls-mode connection; {cert.block}", extra="auth { failure-delay 0; }")
    daemon.mailbox = user
    return daemon


def is_served(client, user):
    client.login(user)
    for n, octets in client.list().items():
        assert len(client.retr(n)) == octets
    client.quit()


def check_mode(mode, address, cert, user):
    context = cert.context()
    if mode == "connection":
        c = Pop3(address, tls=context)
        assert "STLS" not in capa(c) and "USER" in capa(c)
        c.err("STLS")
        is_served(c, user)
        return
    c = Pop3(address)
    shown = capa(c)
    assert ("STLS" in shown) == (mode != "no")
    assert ("XTLSREQUIRED" in shown) == (mode == "required") and ("USER" in shown) == (mode != "required")
    if mode == "required":
        c.ok("NOOP")
        for command in ("USER x", "PASS y", "AUTH PLAIN", "STAT", "LIST", "APOP a b"):
            assert c.cmd(command) in (b"-ERR Incorrect state", b"-ERR Invalid command"), command
        Pop3(address).quit()
    if mode == "no":
        assert c.cmd("STLS") == b"-ERR Invalid command"
        is_served(c, user)
        return
    if mode == "ondemand":
        is_served(Pop3(address), user)
    c.err("STLS x")
    c.stls(context)
    shown = capa(c)
    assert "USER" in shown and "STLS" not in shown and "XTLSREQUIRED" not in shown
    is_served(c, user)


@pytest.mark.parametrize("where", ["server", "global"])
def test_modes(daemon, cert, where):
    """Every word, with a certificate of the block's own and with the global one; unset: STLS is offered."""
    user = daemon.user()
    user.deliver(message(1))
    words = [(mode, word, ("127.0.0.1", free_port())) for mode, words in MODES.items() for word in words]
    inside = cert.block if where == "server" else ""
    servers = "\n".join(f"server 127.0.0.1:{address[1]} {{ {inside} {f'tls-mode {word};' if word else ''} }}"
                        for _, word, address in words)
    daemon.start(servers=servers, extra="" if inside else cert.block)
    for mode, _, address in words:
        check_mode(mode, address, cert, user)


@pytest.mark.parametrize("word", [None, "no", "ondemand", "required", "connection"])
def test_global_mode(daemon, cert, word):
    """For servers that say nothing themselves."""
    user = daemon.user()
    address = ("127.0.0.1", free_port())
    daemon.start(servers=f"server 127.0.0.1:{address[1]} {{ }}", extra=cert.block + (f"tls-mode {word};" if word else ""))
    check_mode(word or "ondemand", address, cert, user)


def test_a_server_has_its_own_certificate(daemon):
    certs = [daemon.certificate("global"), daemon.certificate("own")]
    ports = [free_port(), free_port(), free_port()]
    daemon.start(servers=f"""server 127.0.0.1:{ports[0]} {{ }}
        server 127.0.0.1:{ports[1]} {{ {certs[1].block} }}
        server 127.0.0.1:{ports[2]} {{ tls-mode connection; }}""", extra=certs[0].block)
    for port, cert, implicit in ((ports[0], certs[0], False), (ports[1], certs[1], False), (ports[2], certs[0], True)):
        c = Pop3(("127.0.0.1", port), tls=cert.context() if implicit else None)
        if not implicit:
            c.stls(cert.context())
        assert c.sock.getpeercert(binary_form=True) == cert.der()
        c.quit()


def test_authorities_complete_the_chain(daemon):
    """A client that knows the root alone, and a file with the server's own certificate alone."""
    root = daemon.certificate("root", is_ca=True)
    below = daemon.certificate("below", ca=root, is_ca=True)
    cert = daemon.certificate("server", ca=below)
    context = root.context()
    daemon.start(server=cert.block)
    with pytest.raises(ssl.SSLCertVerificationError):
        daemon.connect().stls(context)
    daemon.restart(server=cert.block.replace("}", f"ssl-ca-file {below.chain}; }}"))
    c = daemon.connect()
    c.stls(context)
    c.quit()


PRIORITIES = [("NORMAL:-VERS-TLS1.3", "TLSv1.2", None), ("NORMAL:-VERS-TLS1.2", "TLSv1.3", None),
              ("SUITEB128", "TLSv1.2", "ECDHE-ECDSA-AES(128|256)-GCM"),
              ("NONE:+VERS-TLS1.2:+ECDHE-ECDSA:+AES-128-CBC:+SHA256:+GROUP-SECP256R1:+SIGN-ALL", "TLSv1.2",
               "ECDHE-ECDSA-AES128-SHA256"),
              ("PERFORMANCE:%SERVER_PRECEDENCE", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
              ("NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305", "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")]


@pytest.mark.parametrize("text,version,cipher", PRIORITIES)
def test_priorities(daemon, cert, text, version, cipher):
    daemon.start(server=cert.block.replace("}", f'ssl-priorities "{text}"; }}'))
    c = daemon.connect()
    c.stls(cert.context())
    assert c.sock.version() == version and re.match(cipher or "", c.sock.cipher()[0])
    c.quit()


CHACHA, AES_256, AES_128 = "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"
ORDERS = [(None, f"{AES_256}:{CHACHA}:{AES_128}", AES_128), (None, f"{CHACHA}:{AES_256}:{AES_128}", CHACHA),
          (None, AES_256, AES_256), ("NORMAL", f"{AES_256}:{AES_128}", AES_256), ("NORMAL", f"{AES_128}:{AES_256}", AES_128),
          ("NORMAL:%SERVER_PRECEDENCE", f"{CHACHA}:{AES_128}:{AES_256}", AES_256)]


@pytest.mark.parametrize("text,offers,gets", ORDERS)
def test_order_of_ciphers(daemon, cert, text, offers, gets):
    """Where nothing is said ours, but that ChaCha20 is for those that want it most; else whose the administrator says."""
    daemon.start(server=cert.block.replace("}", f'ssl-priorities "{text}"; }}' if text else "}"))
    said = subprocess.run(["openssl", "s_client", "-tls1_3", "-ciphersuites", offers, "-starttls", "pop3", "-connect",
                           f"127.0.0.1:{daemon.port}"], capture_output=True, text=True, timeout=30, input="")
    assert f"Cipher is {gets}\n" in said.stdout


def test_wrong_priorities_name_their_place(daemon, cert):
    daemon.server = cert.block.replace("tls {", 'tls {\n ssl-priorities "NORMAL:+VERS-SSL3.0";')
    result = daemon.run()
    assert result.returncode == 78
    assert re.search(rf"pop3d: {daemon.config}:\d+\.2-\d+: `\+VERS-SSL3.0' has no equal in OpenSSL", result.stderr)


def test_old_versions_are_refused(offered, cert):
    for old in ("-tls1", "-tls1_1"):
        said = subprocess.run(["openssl", "s_client", old, "-cipher", "ALL:@SECLEVEL=0", "-starttls", "pop3", "-connect",
                               f"127.0.0.1:{offered.port}"], capture_output=True, text=True, timeout=30, input="")
        assert "alert protocol version" in said.stderr, said.stderr
    assert offered.wait_log(r"tls-failed [^\n]*reason=\"unsupported protocol\"")


@pytest.mark.parametrize("version", [V12, V13])
def test_versions(offered, cert, version):
    c = offered.connect()
    c.stls(cert.context(version))
    is_served(c, offered.mailbox)


# what comes before, and what must not stay


def test_stls_forgets_what_came_before(offered, cert):
    """RFC 2595, section 4: AUTHORIZATION, no name, no greeting; not twice, and not behind a login."""
    user = offered.mailbox
    c = offered.connect()
    c.ok(f"USER {user.login}")
    c.stls(cert.context())
    assert c.cmd(f"PASS {user.password}") == b"-ERR Invalid command"
    assert c.cmd("STLS") == b"-ERR Invalid command"
    c.login(user)
    c.err("STLS")
    c.quit()
    c = offered.login(user)
    assert "STLS" not in capa(c)
    assert c.cmd("STLS") == b"-ERR Incorrect state"
    c.quit()


@pytest.mark.parametrize("behind", [b"CAPA\r\n", b"USER eve\r\nPASS x\r\n", b"Q", b"\x16\x03\x01\x02\x00\x01"])
def test_octets_behind_stls_are_refused(offered, cert, behind):
    """In the same packet: -ERR and the end. Nothing of them is executed."""
    c = offered.connect()
    c.send(b"STLS\r\n" + behind)
    assert c.line() == b"-ERR Nothing may follow STLS before the handshake" and c.at_end()
    offered.wait_log(r'tls-failed [^\n]*address=127.0.0.1 [^\n]*reason="octets in the clear behind STLS"')
    is_served(offered.connect(), offered.mailbox)


def test_octets_between_stls_and_the_handshake_are_refused(offered, cert):
    """In a packet of their own they break the handshake."""
    c = offered.connect()
    c.ok("STLS")
    c.send(b"CAPA\r\nUSER eve\r\n")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        c.secure(cert.context())
    offered.wait_log(r'tls-failed [^\n]*address=127.0.0.1 [^\n]*reason="')


def test_plaintext_login(daemon, cert):
    user = daemon.user()
    daemon.start(server=cert.block, extra="auth { plaintext-login tls; }")
    c = daemon.connect()
    assert "USER" not in capa(c) and "STLS" in capa(c)
    for command in (f"USER {user.login}", f"PASS {user.password}"):
        assert c.cmd(command) == b"-ERR Plaintext login is not allowed here"
    c.stls(cert.context())
    assert "USER" in capa(c)
    is_served(c, user)
    daemon.restart(extra="auth { plaintext-login no; }")
    c = daemon.connect()
    c.stls(cert.context())
    assert "USER" not in capa(c)
    assert c.cmd(f"USER {user.login}") == b"-ERR Plaintext login is not allowed here"
    c.quit()
    daemon.restart(extra="auth { plaintext-login yes; }")
    is_served(daemon.connect(), user)


@pytest.mark.parametrize("mode", ["ondemand", "required", "connection"])
def test_inetd(daemon, cert, mode):
    """The global statements are for it; without a certificate it says so and serves nobody."""
    user = daemon.user()
    user.deliver(message(1))
    superserver = Inetd(daemon, extra=f"tls-mode {mode}; {cert.block}")
    c, p = superserver.client(greeting=mode != "connection")
    if mode == "connection":
        c.secure(cert.context())
        assert c.line().startswith(b"+OK")
    else:
        c.stls(cert.context())
    is_served(c, user)
    assert p.wait(20) == 0
    c, p = Inetd(daemon, extra=f"tls-mode {mode};").client(greeting=False)
    assert c.at_end() and p.wait(20) == 69  # as Mailutils
    daemon.wait_log("server <inetd>: no certificate set")


def test_lint_looks_at_servers_whatever_the_mode(daemon):
    daemon.extra, daemon.server = "mode inetd;", "tls-mode required;"
    daemon.write_config()
    result = daemon.run("--config-lint")
    assert result.returncode == 78 and f":{daemon.port}: no certificate set" in result.stderr


# clients that break off, or the protocol


def gone(address, octets=b""):
    """Says these octets in the clear; what came until the server closed."""
    with socket.create_connection(address, timeout=20) as s:
        s.sendall(octets)
        got = b""
        try:
            while chunk := s.recv(4096):
                got += chunk
        except ConnectionResetError:
            pass
        return got


GARBAGE = [(b"CAPA\r\n", "wrong version number"), (b"GET / HTTP/1.0\r\n\r\n", "http request"), (b"\0" * 6000, ""),
           (b"\x16\x03\x01\xff\xff" + b"x" * 70000, ""), (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"\x16\x03\x01\x40\x00" + b"x" * 16384, ""),
           (b"\x15\x03\x01\x00\x02\x02\x28", ""), (b"\x17\x03\x03\x00\x05hello", ""), (bytes(range(256)) * 40, "")]


@pytest.mark.parametrize("octets,reason", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_instead_of_a_handshake(implicit, octets, reason):
    """Nothing readable comes back, one line tells the address and why."""
    got = gone(implicit.address, octets)
    assert b"+OK" not in got and b"-ERR" not in got
    assert implicit.wait_log(rf'tls-failed user="" address=127.0.0.1 port=\d+ [^\n]*reason="[^"]*{reason}[^"]*"')
    assert implicit.log().count("tls-failed") == 1
    is_served(implicit.connect(), implicit.mailbox)


def test_handshake_timeout(daemon, cert):
    """Who says nothing, and who says only a part, is gone after it; its place too."""
    daemon.tls = cert.context()
    daemon.start(server="tls-mode connection; " + cert.block.replace("}", "handshake-timeout 1; }"))
    for octets in (b"", b"\x16\x03\x01"):
        assert gone(daemon.address, octets) == b""
    assert wait_for(lambda: daemon.log().count('reason="timed out"') == 2), daemon.log()
    daemon.connect().quit()


class Octets:
    """A client's TLS without a socket: what it wants to send can be sent as one likes."""

    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def do(self, fn, sock, send, last=None):
        """Calls fn until it is done, reading and sending as it needs; `last` gets what it leaves to be sent."""
        while True:
            try:
                result = fn()
                (last or send)(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                send(self.outgoing.read())
                if not (got := sock.recv(65536)):
                    raise Gone("end") from None
                self.incoming.write(got)


def test_slow_handshake(implicit):
    """An octet at a time: slow is not wrong."""
    user = implicit.mailbox
    with socket.create_connection(implicit.address, timeout=20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        octets = Octets(implicit.tls)

        def slowly(out):
            for i in range(len(out)):
                s.sendall(out[i:i + 1])

        octets.do(octets.tls.do_handshake, s, slowly)
        assert octets.do(lambda: octets.tls.read(100), s, slowly) == b"+OK POP3 Ready\r\n"
        octets.do(lambda: octets.tls.write(f"USER {user.login}\r\n".encode()), s, slowly)
        assert octets.do(lambda: octets.tls.read(100), s, slowly) == b"+OK\r\n"


def test_many_records_in_one_packet(implicit):
    """Commands in records of their own, and a record that comes with the handshake's last: all are answered, in order, together."""
    with socket.create_connection(implicit.address, timeout=20) as s:
        octets, kept = Octets(implicit.tls), []
        octets.do(octets.tls.do_handshake, s, s.sendall, last=kept.append)
        for i in range(200):
            octets.tls.write(b"NOOP\r\n" if i % 2 else b"CAPA x\r\n")
        s.sendall(b"".join(kept) + octets.outgoing.read())
        got = b""
        while len(got) < len(b"+OK POP3 Ready\r\n") + 100 * len(b"+OK\r\n-ERR Invalid arguments\r\n"):
            got += octets.do(lambda: octets.tls.read(65536), s, s.sendall)
        assert got == b"+OK POP3 Ready\r\n" + b"-ERR Invalid arguments\r\n+OK\r\n" * 100


def test_closed_in_the_middle(implicit):
    """At any octet of the handshake, with FIN and with RST: others do not notice, nothing stays open."""
    octets = Octets(implicit.tls)
    try:
        octets.tls.do_handshake()
    except ssl.SSLWantReadError:
        hello = octets.outgoing.read()
    is_served(implicit.connect(), implicit.mailbox)

    def descriptors():
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in implicit.role_pids("pop3d-front"))

    before = descriptors()
    for i in range(0, len(hello) + 1, 23):
        for reset in (False, True):
            s = socket.create_connection(implicit.address)
            s.sendall(hello[:i])
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    is_served(implicit.connect(), implicit.mailbox)
    assert wait_for(lambda: descriptors() <= before, 10), "descriptors are left open"


def test_renegotiation_is_refused(offered, cert):
    """TLS 1.2; a line "R" makes s_client ask for it."""
    p = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-starttls", "pop3", "-connect", f"127.0.0.1:{offered.port}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    p.stdin.write(b"R\n")
    p.stdin.flush()
    said = p.communicate(timeout=30)[0].decode()
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said
    is_served(offered.connect(), offered.mailbox)


def test_key_updates(offered, cert):
    """TLS 1.3; "K" asks for new keys on both sides, and commands go on."""
    p = subprocess.Popen(["openssl", "s_client", "-tls1_3", "-starttls", "pop3", "-connect", f"127.0.0.1:{offered.port}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line, answer in ((b"K\n", b"KEYUPDATE"), (b"NOOP\r\n", b"+OK\r\n"), (b"K\n", b"KEYUPDATE"), (b"CAPA\r\n", b"\r\n.\r\n")):
        p.stdin.write(line)
        p.stdin.flush()
        said = b""
        while answer not in said:
            assert (more := os.read(p.stdout.fileno(), 65536)), said
            said += more
    p.communicate(timeout=30)


def test_the_end_is_said(implicit):
    """close_notify behind QUIT and behind a timeout's reply, so that nobody can cut a session short unseen."""
    c = implicit.login(implicit.mailbox)
    c.ok("QUIT")
    assert c.sock.unwrap()
    c = implicit.client()
    c.sock.suppress_ragged_eofs = False
    for _ in range(10):
        c.ok(f"USER {implicit.mailbox.login}")
        c.err("PASS wrong")
    assert c.sock.recv(10) == b""  # an end that was not said would raise an error


# what it costs, and what is told


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_calls_of_a_session(implicit):
    """A read for each flight of the client, a write for each of ours: ticket and greeting leave together, and so do the last reply
    and close_notify."""
    user = implicit.mailbox
    is_served(implicit.connect(), user)
    with Trace(implicit) as trace:
        c = implicit.client()
        c.ok("NOOP")
        c.ok("NOOP")
        c.quit()
    # hello, finished and greeting, NOOP, NOOP, QUIT
    assert len(trace.sends()) == 5, trace.calls
    reads = [text for role, name, text in trace.calls if role == "front" and name == "recvfrom"]
    assert sum("EAGAIN" not in text for text in reads) <= 6, reads  # with the look behind QUIT
    assert sum("EAGAIN" in text for text in reads) <= 1, reads  # none behind the hello: a short read has taken all
    assert trace.count("front", "getrandom", "openat", "mprotect") <= 4, trace.calls


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own system calls would be counted")
def test_large_message_leaves_in_full_records(daemon, cert):
    user = daemon.user()
    user.deliver("Subject: large\n\n" + ("x" * 76 + "\n") * 20000)
    daemon.tls = cert.context()
    daemon.start(server=f"tls-mode connection; {cert.block}")
    is_served(daemon.connect(), user)
    c = daemon.login(user)
    with Trace(daemon) as trace:
        octets = len(c.retr(1))
    assert len(trace.sends()) <= octets / 65536 * 2 + 4, trace.sends()
    assert max(trace.sends()) > 60000
    c.quit()


def test_log_lines(offered, cert):
    """Version and cipher with each login, failure and logout over TLS, and only there."""
    user = offered.mailbox
    c = offered.connect()
    c.stls(cert.context(V12))
    c.ok(f"USER {user.login}")
    c.err("PASS wrong")
    c.login(user)
    c.quit()
    is_served(offered.connect(), user)
    tls = r"tls=TLSv1.2 cipher=ECDHE-ECDSA-AES128-GCM-SHA256 "
    for event in ("login-failed", "login", "logout"):
        assert offered.wait_log(rf'info: {event} user="{user.login}" address=127.0.0.1 port=\d+ [^\n]*{tls}')
    assert wait_for(lambda: len(re.findall("info: logout ", offered.log())) == 2)
    assert len(re.findall("info: (?:login|logout) [^\n]*tls=", offered.log())) == 2


# real clients


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("way", ["stls", "implicit"])
@pytest.mark.parametrize("client", ALL, ids=lambda c: c.__name__)
def test_clients(daemon, cert, place, client, way, version):
    """Each fetches all and deletes it, verifying the certificate."""
    if (client, way) == (getmail, "stls"):
        pytest.skip("getmail knows no STLS")
    user = daemon.user()
    for n in range(3):
        user.deliver(clients_message(n))
    other = "1.3" if version == "1.2" else "1.2"
    mode = "tls-mode connection;" if way == "implicit" else "tls-mode required;"
    daemon.tls = cert.context() if way == "implicit" else None
    block = cert.block.replace("}", f'ssl-priorities "NORMAL:-VERS-TLS{other}"; }}')
    daemon.start(server=mode + block)
    got = client(Where(daemon.port, way, str(cert.chain)), user, place)
    assert sorted(NUMBER.findall(got)) == [b"0", b"1", b"2"]
    assert user.inbox.files() == []
    assert daemon.wait_log(rf"logout [^\n]*tls=TLSv{version} ")
