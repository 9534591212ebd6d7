"""Certificates for tests, made with the openssl program: EC P-256, for localhost and its addresses."""

import os
import ssl
import subprocess
from pathlib import Path

NEW = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


class Certificate:
    """Files: .chain and .key. What signed it: .ca, itself where nobody did."""

    def __init__(self, directory, name, ca=None):
        self.chain, self.key, self.ca = Path(directory) / f"{name}.pem", Path(directory) / f"{name}.key", ca or self

    @property
    def block(self):
        """For a configuration."""
        return f"tls {{ ssl-certificate-file {self.chain}; ssl-key-file {self.key}; }}"

    def context(self, version=None):
        """A client that trusts who signed it, and speaks this version (ssl.TLSVersion) alone if one is named."""
        context = ssl.create_default_context(cafile=self.ca.chain)
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def der(self):
        """As a client sees it."""
        return ssl.PEM_cert_to_DER_cert(self.chain.read_text(encoding="ascii"))


def run(*command, **kw):
    return subprocess.run([str(c) for c in command], check=True, stderr=subprocess.PIPE, **kw)


def make(directory, name, ca=None, days=30, is_ca=False):
    """A certificate, signed by `ca` or by itself."""
    cert = Certificate(directory, name, ca)
    extensions = "basicConstraints=critical,CA:TRUE" if is_ca else NAMES
    subject = ["-subj", f"/CN={name}", "-keyout", cert.key]
    if not ca:
        run(*NEW, *subject, "-x509", "-days", days, "-addext", extensions, "-out", cert.chain)
    else:
        request = run(*NEW, *subject, stdout=subprocess.PIPE).stdout
        file = Path(directory) / f"{name}.ext"
        file.write_text(extensions, encoding="ascii")
        run("openssl", "x509", "-req", "-CA", ca.chain, "-CAkey", ca.key, "-days", days, "-extfile", file, "-out",
            cert.chain, input=request)
    os.chmod(cert.key, 0o600)
    return cert
