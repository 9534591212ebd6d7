"""A realm of Kerberos with a KDC of its own below a directory, on a port of its own; its principals, keys and tickets."""

import os
import socket
import subprocess
import time
from pathlib import Path

from clients import call
from server import free_port, wait_for


class Realm:
    def __init__(self, top, name="EXAMPLE.TEST", etypes="aes256-cts-hmac-sha1-96"):
        self.top, self.name, self.process = Path(top), name, None
        self.top.mkdir()
        self.port = free_port()
        conf, kdc = self.top / "krb5.conf", self.top / "kdc.conf"
        conf.write_text(f"""[libdefaults]
    default_realm = {name}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    qualify_shortname = ""
    forwardable = true
    udp_preference_limit = 1
    allow_weak_crypto = true
[realms]
    {name} = {{
        kdc = 127.0.0.1:{self.port}
    }}
""", encoding="utf-8")
        kdc.write_text(f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{self.port}
    kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
    {name} = {{
        database_name = {self.top}/principal
        key_stash_file = {self.top}/stash
        acl_file = {self.top}/acl
        supported_enctypes = {etypes}:normal
    }}
""", encoding="utf-8")
        self.env = {**os.environ, "KRB5_CONFIG": str(conf), "KRB5_KDC_PROFILE": str(kdc), "HOME": str(self.top),
                    "PATH": f"{os.environ['PATH']}:/usr/sbin"}  # where a user may not look for it
        call("kdb5_util", "create", "-s", "-r", name, "-P", "master", env=self.env)

    def start(self, **env):
        with open(self.top / "kdc.log", "ab") as log:
            self.process = subprocess.Popen(["krb5kdc", "-n", "-r", self.name], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**self.env, **env})
        assert wait_for(self.is_up)
        return self

    def is_up(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def admin(self, *queries):
        subprocess.run(["kadmin.local", "-r", self.name], input="\n".join(queries), capture_output=True, text=True, env=self.env, check=True)

    def users(self, *names):
        self.admin(*[f"addprinc -pw of-{name} {name}" for name in names])

    def service(self, name):
        self.admin(f"addprinc -randkey {name}")

    def keytab(self, path, *names, more=()):
        """Keys of services in a file; a new one each time."""
        self.admin(" ".join(["ktadd", *more, "-k", str(path), *names]))

    def ticket(self, name, *more):
        """The environment of a client who has just got his first ticket."""
        env = {**self.env, "KRB5CCNAME": f"FILE:{self.top}/cc-{name.replace('/', '-')}"}
        subprocess.run(["kinit", *more, name], input=f"of-{name}\n", capture_output=True, text=True, env=env, check=True)
        return env

    def past(self, name, service, hours):
        """As ticket, with one for the service that ended an hour before now, which the client does not know: the end is written anew in his file,
        where it stands outside of the ticket, too. For this the KDC and the client live in the past."""
        back = {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME": f"-{hours}h"}
        path = self.top / "cc-past"
        env = {**self.env, "KRB5CCNAME": f"FILE:{path}"}
        self.stop()
        self.start(**back)
        subprocess.run(["kinit", "-l", f"{hours - 1}h", name], input=f"of-{name}\n", capture_output=True, text=True, env={**env, **back}, check=True)
        call("kvno", service, env={**env, **back})
        self.stop()
        self.start()
        ends = [int(time.mktime(time.strptime(" ".join(line.split()[2:4]), "%m/%d/%y %H:%M:%S"))) for line in call("klist", env=env).decode().splitlines()
                if f"{service}@" in line]
        octets = path.read_bytes()
        assert len(ends) == 1 and ends[0] < time.time() - 1800
        path.write_bytes(octets.replace(ends[0].to_bytes(4, "big"), (ends[0] + 86400).to_bytes(4, "big")))
        return env


class Speaker:
    """The client of GNU SASL, whose lines are taken and given one by one."""

    def __init__(self, env, authzid="", host="localhost"):
        self.process = subprocess.Popen(["gsasl", "--client", "--quiet", "--mechanism=GSSAPI", "--service=pop", f"--hostname={host}",
                                         f"--authorization-id={authzid}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env=env)

    def __enter__(self):
        assert self.says() == "GSSAPI"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def says(self):
        return self.process.stdout.readline().rstrip("\n")

    def hears(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.says()


def exchange(c, env, authzid="", host="localhost", change=lambda n, line: line):
    """AUTH with a ticket; the reply that ends it, and the lines that the client has said. change(n, line): what becomes of them on the way."""
    with Speaker(env, authzid, host) as client:
        said = [change(0, client.says())]
        reply = c.cmd(f"AUTH GSSAPI {said[0]}").decode()
        while reply.startswith("+ ") and len(said) < 9:
            said.append(change(len(said), client.hears(reply[2:])))
            reply = c.cmd(said[-1]).decode()
        return reply.encode(), said
