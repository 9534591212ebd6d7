"""A real authorization server: Glewlwyd, with SQLite, over TLS, in a directory and on a port of its own. Set up by its own API, as its
administrator would do it in a browser."""

import base64
import gzip
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import certificates
from server import wait_for

CLIENT, SECRET = "pop", "s3cret-of-pop"

# Of its plug-in for OpenID Connect: what a client may do, and what stands in a token.
OFFERS = {"jwt-type": "ecdsa", "jwt-key-size": "256", "access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 600,
          "allow-non-oidc": True, "auth-type-code-enabled": False, "auth-type-token-enabled": False, "auth-type-id-token-enabled": True,
          "auth-type-none-enabled": False, "auth-type-password-enabled": True, "auth-type-client-enabled": False, "auth-type-device-enabled": False,
          "auth-type-refresh-enabled": False, "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
          "jwks-show": True, "subject-type": "public", "pkce-allowed": False,
          "additional-parameters": [{"user-parameter": "email", "token-parameter": "email", "token-parameter-type": "string", "token-changed": False}]}


def openssl(*command, text=""):
    return subprocess.run(["openssl", *command], input=text, capture_output=True, text=True, check=True).stdout


class Glewlwyd:
    def __init__(self, root, top):
        self.root, self.top, self.cookie, self.process = Path(root), Path(top), None, None
        self.top.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.cert = certificates.make(self.top, "provider")
        self.url = f"https://127.0.0.1:{self.port}/api"
        self.issuer = f"{self.url}/oidc"
        self.key = None
        conf = gzip.decompress((self.root / "usr/share/doc/glewlwyd/glewlwyd.conf.sample.gz").read_bytes()).decode()
        conf = conf.replace('"/usr/', f'"{self.root}/usr/').replace("/var/cache/glewlwyd/glewlwyd.db", f"{self.top}/db")
        (self.top / "files").mkdir()
        for name, value in {"port": self.port, "static_files_path": f'"{self.top}/files"', "external_url": f'"https://127.0.0.1:{self.port}"', "cookie_domain": '"127.0.0.1"',
                            "use_secure_connection": "true", "secure_connection_key_file": f'"{self.cert.key}"',
                            "secure_connection_pem_file": f'"{self.cert.chain}"', "secure_connection_ca_file": f'"{self.cert.chain}"'}.items():
            conf = re.sub(rf"(?m)^#?{name}=.*$", f"{name}={value}", conf)
        (self.top / "conf").write_text(conf, encoding="ascii")
        db = sqlite3.connect(self.top / "db")
        db.executescript(gzip.decompress((self.root / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz").read_bytes()).decode())
        db.close()
        self.start()
        self.call("POST", "scope/", {"name": "mail", "display_name": "mail", "password_required": False, "scheme": {}})
        self.sign_with(self.new_key(), "POST", "mod/plugin/")
        self.call("POST", "client/", {"client_id": CLIENT, "client_name": CLIENT, "confidential": True, "client_secret": SECRET, "password": SECRET,
                                      "authorization_type": ["password"], "redirect_uri": [], "scope": ["mail"], "enabled": True,
                                      "token_endpoint_auth_method": ["client_secret_basic"]})

    def start(self):
        with open(self.top / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.root / "usr/bin/glewlwyd", "--config-file", self.top / "conf"], stdout=log, stderr=log)
        self.cookie = None
        assert wait_for(self.log_in), (self.top / "log").read_text(encoding="utf-8")

    def log_in(self):
        try:
            return self.call("POST", "auth/", {"username": "admin", "password": "password"}) is not None
        except OSError:
            return False

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def call(self, method, path, body=None, **form):
        """The text of its answer. With a form: as the client."""
        headers, data = {"Cookie": self.cookie or "", "Content-Type": "application/json"}, None
        if body is not None:
            data = json.dumps(body).encode()
        if form:
            data = urllib.parse.urlencode(form).encode()
            headers = {"Authorization": "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()}
        request = urllib.request.Request(f"{self.url}/{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=self.cert.chain)) as answer:
                if "Set-Cookie" in answer.headers:
                    self.cookie = answer.headers["Set-Cookie"].split(";")[0]
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{method} {path}: {e.code} {e.read().decode()}") from e

    def new_key(self):
        return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def sign_with(self, key, method="PUT", path="mod/plugin/oidc"):
        self.key = key
        self.call(method, path, {"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": {
            **OFFERS, "iss": self.issuer, "key": key, "cert": openssl("pkey", "-pubout", text=key)}})

    def rotate(self):
        """Another key, which it takes when it starts."""
        before = json.loads(self.jwks())["keys"][0]
        self.sign_with(self.new_key())
        self.kill()
        self.start()
        after = json.loads(self.jwks())["keys"][0]
        assert before["x"] != after["x"] and before["kid"] != after["kid"]

    def add(self, user):
        self.call("POST", "user/", {"username": user.login, "password": user.password, "name": "x", "email": user.login, "scope": ["mail"], "enabled": True})

    def token(self, user):
        """A new one for this user, who has shown the password."""
        answer = json.loads(self.call("POST", "oidc/token", grant_type="password", username=user.login, password=user.password, scope="mail"))
        return answer["access_token"]

    def revoke(self, token):
        self.call("POST", "oidc/revoke", token=token, token_type_hint="access_token")

    def jwks(self):
        return self.call("GET", "oidc/jwks")

    def kid(self):
        return json.loads(self.jwks())["keys"][0]["kid"]
