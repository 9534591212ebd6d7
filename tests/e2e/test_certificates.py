"""Certificates and keys: which are taken, who holds them, how they are replaced under load; sessions resumed by any process."""

import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pop3 import Pop3
from server import SANITIZED, free_port, wait_for
from test_tls import V12, V13, cert, implicit, is_served, message, offered  # noqa: F401 (fixtures)

CHECKS = [("gwrfil", 0o620, "a", "Group writable file"), ("awrfil", 0o602, "a", "World writable file"),
          ("grdfil", 0o640, "a", "Group readable file"), ("ardfil", 0o604, "a", "World readable file"),
          ("linkwrdir", 0o600, "link", "Linked file in a group writable directory"),
          ("gwrdir", 0o600, "a", "File in a group writable directory"),
          ("awrdir", 0o600, "a", "File in a world writable directory")]


@pytest.mark.parametrize("kind", ["key", "cert", "ca"])
@pytest.mark.parametrize("check,mode,name,text", CHECKS, ids=[c[0] for c in CHECKS])
def test_file_checks(daemon, cert, check, mode, name, text, kind):
    """Each check on each file: it refuses to start, and without the check it starts."""
    open_dir = daemon.top / "open"
    open_dir.mkdir()
    open_dir.chmod(0o777)
    files = {"key": cert.key, "cert": cert.chain, "ca": cert.chain}
    bad = open_dir / "a"
    bad.write_bytes(files[kind].read_bytes())
    os.chown(bad, daemon.uid, daemon.uid)
    bad.chmod(mode)
    if name == "link":
        (open_dir / "link").symlink_to(bad)
        bad = open_dir / "link"
    files[kind] = bad
    daemon.server = (f"tls {{ ssl-certificate-file {files['cert']}; ssl-key-file {files['key']}; "
                     f"ssl-ca-file {files['ca']}; }}")
    daemon.extra = f"tls-file-checks {{ {kind}-file (none, {check}); }}"
    for options in ([], ["--config-lint"]):
        result = daemon.run(*options)
        assert result.returncode == 78 and f"pop3d: error: {bad}: {text}\n" in result.stderr.replace(
            "pop3d: /", "pop3d: error: /"), result.stderr
    daemon.start(extra=f"tls-file-checks {{ {kind}-file (all, -{check}, -gwrdir, -awrdir, -linkwrdir); }}")


def test_defaults_of_the_file_checks(daemon, cert):
    """As Mailutils: nobody else may read a key, nor write a certificate."""
    daemon.server = cert.block
    for file, mode, fine in ((cert.key, 0o640, False), (cert.key, 0o604, False), (cert.key, 0o600, True), (cert.key, 0o400, True),
                             (cert.chain, 0o664, False), (cert.chain, 0o646, False), (cert.chain, 0o644, True)):
        file.chmod(mode)
        assert daemon.run("--config-lint").returncode == (0 if fine else 78), (file, oct(mode))


def test_certificates_that_cannot_be_used(daemon, cert):
    """It does not start, with 78 and a line that names server and files; --config-lint says the same."""
    other = daemon.certificate("other")
    junk = daemon.top / "junk.pem"
    junk.write_text("junk\n", encoding="ascii")
    top = daemon.top
    for block, said in (("tls-mode required;", rf"conf:\d+: server inet://127.0.0.1:{daemon.port}: no certificate set"),
                        (f"tls {{ ssl-certificate-file {cert.chain}; }}", "no private key set"),
                        (f"tls {{ ssl-certificate-file {top}/none; ssl-key-file {cert.key}; }}", f"{top}/none: No such file"),
                        (f"tls {{ ssl-certificate-file {junk}; ssl-key-file {cert.key}; }}", "no certificate in PEM"),
                        (f"tls {{ ssl-certificate-file {cert.chain}; ssl-key-file {other.key}; }}",
                         f"private key is not that of the certificate.*{cert.chain}.*{other.key}")):
        daemon.server = block
        daemon.write_config()
        for options in ([], ["--config-lint"]):
            result = daemon.run(*options)
            assert result.returncode == 78 and re.search(said, result.stderr), result.stderr
    daemon.server = f"tls-mode no; tls {{ ssl-certificate-file {top}/none; }}"
    daemon.write_config()
    daemon.start()


def test_expired_certificate_is_a_warning(daemon):
    root = daemon.certificate("root", is_ca=True)
    cert = daemon.certificate("old", ca=root, days=-1)
    daemon.start(server=cert.block)
    daemon.wait_log(rf"warning: {cert.chain}: the certificate expired on 20")


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="its shadow is too large to be searched")
def test_only_fronts_hold_the_key(implicit, cert):
    """No other process, master included, has it in its memory, in whatever form; nor a descriptor that it can be read from."""
    is_served(implicit.connect(), implicit.mailbox)
    pem = cert.key.read_bytes()
    der = subprocess.run(["openssl", "ec", "-in", cert.key, "-outform", "DER"], capture_output=True, check=True).stdout
    secret = der[7:39]  # SEC 1: SEQUENCE, version, OCTET STRING of 32
    needles = [secret, secret[::-1], pem.splitlines()[2]]
    holders, descriptors = set(), set()
    for pid in implicit.pids():
        name = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
        octets = memory(pid)
        if any(needle in octets for needle in needles):
            holders.add(name)
        if "/memfd:pop3d certificate (deleted)" in opened(pid):
            descriptors.add(name)
    assert holders == {"pop3d-front"} and descriptors == {"pop3d-front", "pop3d-master"}


def opened(pid):
    """What its descriptors are. Those that are closed meanwhile do not count."""
    names = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            names.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return names


@pytest.mark.needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer cannot look for leaks in a process that may not be traced")
def test_keys_are_in_no_core_file(daemon, cert):
    """The process that reads a key has made itself undumpable before."""
    daemon.server = cert.block
    daemon.write_config()
    trace = daemon.top / "trace"
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=prctl,openat", *daemon.command("--config-lint")], check=True,
                   timeout=60, capture_output=True, env=daemon.environment())
    lines = trace.read_text(encoding="utf-8").splitlines()
    reads = [n for n, line in enumerate(lines) if f'"{cert.key}"' in line]
    assert reads
    for n in reads:
        pid = lines[n].split()[0]
        assert any(line.split()[0] == pid and "PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in line for line in lines[:n]), lines[n]


def memory(pid):
    """All that a process can read of its own, what it shares with files left out."""
    text = bytearray()  # which grows in place
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines():
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and "[v" not in line:
                mem.seek(start)
                text += mem.read(end - start)
    return text


# resumption


def front_of(daemon, client):
    """The process that has the server's end of this connection."""
    port = client.sock.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] == f"0100007F:{daemon.port:04X}" and fields[2] == f"0100007F:{port:04X}":
            inode = f"socket:[{fields[9]}]"
    for pid in daemon.role_pids("pop3d-front"):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == inode:
                    return pid
            except OSError:
                pass
    raise AssertionError("nobody has it")


@pytest.mark.parametrize("version", [V12, V13])
def test_every_resumption_succeeds_whichever_front_gets_it(implicit, cert, version):
    """Each connection resumes the session of the one before; they are kept open, so that they spread over the fronts. With TLS
    1.3 each has a ticket of its own, since clients use one once."""
    context = cert.context(version)
    open_ones, fronts, crossed, session, ids = [], set(), 0, None, set()
    before = None
    for i in range(60):
        c = Pop3(implicit.address, tls=context, session=session)
        c.ok("NOOP")
        assert c.sock.session_reused == (i > 0), i
        session = c.sock.session
        ids.add(session.id)
        if os.getuid() == 0:
            front = front_of(implicit, c)
            crossed += before not in (None, front)
            fronts.add(front)
            before = front
        open_ones.append(c)
    if os.getuid() == 0 and len(implicit.role_pids("pop3d-front")) > 1:
        assert len(fronts) > 1 and crossed > 5, (fronts, crossed)
    assert version != V13 or len(ids) == 60
    for c in open_ones:
        c.quit()


def test_tickets_of_another_certificate_are_not_resumed(daemon):
    """Nor with other priorities: a full handshake is made, and fine."""
    certs = [daemon.certificate("one"), daemon.certificate("two")]
    ports = [free_port() for _ in range(3)]
    weak = certs[0].block.replace("}", 'ssl-priorities "PERFORMANCE"; }')
    daemon.start(servers=f"""server 127.0.0.1:{ports[0]} {{ {certs[0].block} tls-mode yes; }}
        server 127.0.0.1:{ports[1]} {{ {certs[1].block} tls-mode yes; }}
        server 127.0.0.1:{ports[2]} {{ {weak} tls-mode yes; }}""")
    for version in (V12, V13):
        context = certs[0].context(version)
        context.load_verify_locations(certs[1].chain)
        first = Pop3(("127.0.0.1", ports[0]), tls=context)
        for port in ports:
            c = Pop3(("127.0.0.1", port), tls=context, session=first.sock.session)
            assert c.sock.session_reused == (port == ports[0])
            c.quit()
        first.quit()


def test_one_ticket_and_no_early_data(offered, cert):
    for version in ("-tls1_2", "-tls1_3"):
        session = offered.top / "session"
        p = subprocess.Popen(["openssl", "s_client", version, "-msg", "-crlf", "-starttls", "pop3", "-sess_out", session,
                              "-connect", f"127.0.0.1:{offered.port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = b""
        p.stdin.write(b"CAPA\n")
        p.stdin.flush()
        while b"\r\n.\r\n" not in said:
            said += os.read(p.stdout.fileno(), 65536)
        said += p.communicate(timeout=30)[0]
        assert said.count(b"NewSessionTicket") == 1, said
        shown = subprocess.run(["openssl", "sess_id", "-noout", "-text", "-in", session], capture_output=True, text=True).stdout
        assert "Max Early Data: 0" in shown or "Early Data" not in shown, shown
        assert "lifetime hint: 28800" in shown, shown


# reload


def replace(cert, new):
    """As a program that renews certificates does: new files are renamed over the old ones, then SIGHUP."""
    for old, fresh in ((cert.key, new.key), (cert.chain, new.chain)):
        os.replace(fresh, old)


def served(daemon):
    c = daemon.connect()
    der = c.sock.getpeercert(binary_form=True)
    c.quit()
    return der


def test_certificate_is_replaced_under_load(daemon):
    """SIGHUP again and again while clients come and go, with new and with resumed sessions: not one fails, new ones get the
    new certificate, and those that were open go on."""
    root = daemon.certificate("root", is_ca=True)
    cert = daemon.certificate("server", ca=root)
    user = daemon.user()
    user.deliver(message(1))
    daemon.tls = cert.context()
    daemon.start(server=f"tls-mode connection; {cert.block}", extra="mailbox { session-lock-wait 30; }")
    old = daemon.connect()
    failures, polls, stop = [], [0], threading.Event()

    def poll():
        session = None
        while not stop.is_set():
            try:
                c = daemon.client(session=session)
                c.ok("CAPA")
                c.lines()
                session = c.sock.session
                c.quit()
                polls[0] += 1
            except Exception as e:  # whatever it is, it is a failed session
                failures.append(repr(e))

    clients = [threading.Thread(target=poll, daemon=True) for _ in range(3)]
    for t in clients:
        t.start()
    for i in range(3):
        new = daemon.certificate(f"new{i}", ca=root)
        fresh, before = new.der(), polls[0]
        replace(cert, new)
        daemon.process.send_signal(signal.SIGHUP)
        assert wait_for(lambda: served(daemon) == fresh), daemon.log()[-3000:]
        assert wait_for(lambda: polls[0] > before + 20)
    stop.set()
    for t in clients:
        t.join(30)
    assert not failures, failures[:5]
    is_served(old, user)


def test_broken_new_certificate_is_told_and_the_old_one_stays(implicit, cert):
    """Missing, unsafe, not that of the key."""
    old = cert.der()
    key, chain = cert.key.read_bytes(), cert.chain.read_bytes()
    other = implicit.certificate("other")
    for spoil, said in ((lambda: cert.key.write_bytes(other.key.read_bytes()), "this private key is not that of the certificate"),
                        (lambda: cert.key.chmod(0o640), f"{cert.key}: Group readable file"),
                        (lambda: cert.chain.write_text("junk", encoding="ascii"), "no certificate in PEM"),
                        (cert.chain.unlink, f"{cert.chain}: No such file or directory")):
        spoil()
        implicit.process.send_signal(signal.SIGHUP)
        implicit.wait_log(f"error: [^\n]*{re.escape(said)}")
        assert served(implicit) == old
        is_served(implicit.connect(), implicit.mailbox)
        cert.key.write_bytes(key)
        cert.key.chmod(0o600)
        cert.chain.write_bytes(chain)


def test_tickets_survive_a_reload(implicit, cert):
    """Where the certificate is the same; processes are others."""
    for version in (V12, V13):
        context = cert.context(version)
        c = Pop3(implicit.address, tls=context)
        c.ok("NOOP")
        session, fronts = c.sock.session, set(implicit.role_pids("pop3d-front"))
        c.quit()
        implicit.process.send_signal(signal.SIGHUP)
        assert wait_for(lambda: not fronts & set(implicit.role_pids("pop3d-front")) and implicit.role_pids("pop3d-front"))
        c = Pop3(implicit.address, tls=context, session=session)
        assert c.sock.session_reused
        c.quit()
