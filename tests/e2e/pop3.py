"""A POP3 client that hides nothing: octets out, lines in. For tests."""

import re
import socket
import ssl
import struct


class Gone(Exception):
    """The server closed the connection."""


class Pop3:
    """One connection. `address` is (host, port), or the path of a Unix socket.

    A line is returned without its CRLF; one that ends in anything else is an error."""

    def __init__(self, address, timeout=20, greeting=True, source=None, rcvbuf=None, tls=None,
                 session=None):
        family = socket.AF_UNIX
        if not isinstance(address, str):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(address)
        self.seen = b""
        if tls:
            self.secure(tls, session)
        self.greeting = self.line() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # TLS

    def secure(self, context, session=None):
        """Makes the handshake; `context` is an ssl.SSLContext."""
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost", session=session)

    def stls(self, context, session=None):
        self.ok("STLS")
        assert not self.seen, f"octets behind the reply to STLS: {self.seen!r}"
        self.secure(context, session)

    # octets out

    def send(self, octets):
        if isinstance(octets, str):
            octets = octets.encode("utf-8")
        self.sock.sendall(octets)

    def say(self, command):
        """Sends one command line."""
        if isinstance(command, str):
            command = command.encode("utf-8")
        self.send(command + b"\r\n")

    # lines in

    def line(self):
        while b"\n" not in self.seen:
            try:
                got = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError) as e:
                raise Gone(str(e)) from e
            if not got:
                raise Gone(f"end of the connection behind {self.seen!r}")
            self.seen += got
        line, self.seen = self.seen.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a line without CR: {line!r}"
        return line[:-1]

    def lines(self):
        """A multi-line body up to its dot, as it came (dots stuffed)."""
        body = []
        while (line := self.line()) != b".":
            body.append(line)
        return body

    def text(self):
        """A multi-line body as a list of str, for LIST, UIDL, CAPA."""
        return [line.decode("ascii") for line in self.lines()]

    def octets(self):
        """A message: dots unstuffed, every line with its CRLF."""
        return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in self.lines())

    def at_end(self):
        """True when the server has closed the connection and said no more."""
        try:
            line = self.line()
        except Gone:
            return True
        raise AssertionError(f"the server said {line!r}")

    # commands

    def cmd(self, command):
        """Sends a command; its status line."""
        self.say(command)
        return self.line()

    def ok(self, command):
        reply = self.cmd(command)
        assert reply.startswith(b"+OK"), f"{command!r}: {reply!r}"
        return reply

    def err(self, command, code=None):
        """Sends a command that must fail, with this response code if one is named."""
        reply = self.cmd(command)
        assert reply.startswith(b"-ERR"), f"{command!r}: {reply!r}"
        if code:
            assert reply.startswith(b"-ERR [" + code.encode() + b"]"), f"{command!r}: {reply!r}"
        return reply

    def login(self, user):
        """`user` has .login and .password."""
        self.ok(f"USER {user.login}")
        return self.ok(f"PASS {user.password}")

    def stat(self):
        count, octets = re.fullmatch(rb"\+OK (\d+) (\d+)", self.ok("STAT")).groups()
        return int(count), int(octets)

    def list(self):
        """{message-number: octets}"""
        self.ok("LIST")
        return {int(n): int(octets) for n, octets in (line.split() for line in self.lines())}

    def uidl(self):
        """{message-number: unique-id}"""
        self.ok("UIDL")
        return {int(n): uid.decode("ascii") for n, uid in (line.split(b" ", 1) for line in self.lines())}

    def retr(self, msgno):
        self.ok(f"RETR {msgno}")
        return self.octets()

    def top(self, msgno, lines):
        self.ok(f"TOP {msgno} {lines}")
        return self.octets()

    def quit(self):
        reply = self.ok("QUIT")
        assert self.at_end()
        self.close()
        return reply

    # endings

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
