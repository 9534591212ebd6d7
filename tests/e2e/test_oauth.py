"""AUTH with tokens: OAUTHBEARER and XOAUTH2, with a real authorization server, Glewlwyd, and tokens that PyJWT has signed."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from clients import call
from provider import CLIENT, SECRET, Glewlwyd, openssl
from server import START_SECONDS, Daemon, wait_for
from test_auth import try_login
from test_inetd import Inetd
from test_run import reload
from test_sasl import MESSAGE, b64, offered

pytestmark = pytest.mark.needs_root

AUTH, TEMP, PERM, OK = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"-ERR [SYS/PERM]", b"+OK"


@pytest.fixture(scope="module")
def world(unpacked):
    with contextlib.ExitStack() as ends:
        d = Daemon()
        ends.callback(d.finish)
        d.provider = Glewlwyd(*unpacked("glewlwyd"), Path(d.top) / "provider")
        ends.callback(d.provider.kill)
        d.first, d.second = d.user(), d.user()
        for user in (d.first, d.second):
            user.deliver(MESSAGE)
            d.provider.add(user)
        d.tls_cert = d.certificate()
        d.alarms_expected = True
        d.start(server=d.tls_cert.block + " transcript yes;", extra=extra(d, told(d)))
        yield d


def extra(d, oauth, auth=""):
    return f'auth {{ failure-delay 0; {auth} }}\noauth {{ {oauth} ca-file "{d.provider.cert.chain}"; }}\n'


def told(d, secret=SECRET, url=None):
    return f'introspection-url "{url or d.provider.issuer + "/introspect"}"; client-id {CLIENT}; client-secret "{secret}"; user-claim username;'


def signed(d, keys, user_claim="email"):
    return f'{keys} issuer "{d.provider.issuer}"; audience mail; user-claim {user_claim};'


def fetched(d):
    return f'jwks-url "{d.provider.issuer}/jwks";'


def response(mechanism, token, login=""):
    if mechanism == "XOAUTH2":
        return b64(f"user={login}\1auth=Bearer {token}\1\1")
    return b64(f"n,{'a=' + login if login else ''},\1host=localhost\1port=110\1auth=Bearer {token}\1\1")


def try_token(d, token, login="", mechanism="OAUTHBEARER", errors=None):
    """The status line that ends it; what the server said of a refused token is appended to errors."""
    with d.connect() as c:
        line = c.cmd(f"AUTH {mechanism} {response(mechanism, token, login)}")
        if not line.startswith(b"+ "):
            return line
        if errors is not None:
            errors.append(json.loads(base64.b64decode(line[2:])))
        return c.cmd("AQ==" if mechanism == "OAUTHBEARER" else "")


def refused(d, token, reason, login=""):
    before = len(d.log())
    errors = []
    assert try_token(d, token, login, errors=errors).startswith(AUTH), reason
    assert errors, reason
    assert wait_for(lambda: f'reason="{reason}' in d.log()[before:]), (reason, d.log()[before:])


def test_introspection(world):
    """Who has issued a token says whose it is: both mechanisms, with an initial response and without; others' tokens, wrong and revoked ones."""
    reload(world, extra=extra(world, told(world)))
    first, second = world.first.login, world.second.login
    token = world.provider.token(world.first)
    for mechanism, login in (("OAUTHBEARER", first), ("OAUTHBEARER", ""), ("XOAUTH2", first)):
        for early in (True, False):
            with world.connect() as c:
                assert offered(c) == ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]
                if early:
                    assert c.cmd(f"AUTH {mechanism} {response(mechanism, token, login)}").startswith(OK)
                else:
                    assert c.cmd(f"AUTH {mechanism}") == b"+ "
                    assert c.cmd(response(mechanism, token, login)).startswith(OK)
                assert c.cmd("AUTH") == b"-ERR Incorrect state"
                assert c.retr(1) == MESSAGE.replace("\n", "\r\n").encode()
                c.quit()
    refused(world, token, "the token is another user's", second)
    refused(world, token + "x", "the provider says that the token is not good", first)
    refused(world, "x", "the provider says that the token is not good")
    assert try_token(world, token, second, "XOAUTH2").startswith(AUTH)
    world.provider.revoke(token)
    refused(world, token, "the provider says that the token is not good", first)
    with world.connect() as c:
        for octets in ("", "n,,\1auth=Bearer \1\1", "n,,\1auth=Basic x\1\1", f"user={first}\1auth=Bearer x\1\1", f"n,,\1auth=Bearer {'x' * 16385}\1\1"):
            assert c.cmd(f"AUTH OAUTHBEARER {b64(octets) or '='}").startswith((AUTH, b"-ERR Argument too long")), octets[:40]
        assert c.cmd(f"AUTH OAUTHBEARER {response('OAUTHBEARER', token)}").startswith(b"+ ")
        assert c.cmd("*") == b"-ERR Authentication cancelled"
        assert c.cmd(f"AUTH OAUTHBEARER {response('OAUTHBEARER', world.provider.token(world.first))}").startswith(OK)
        c.quit()
    log = world.log()
    assert re.search(f' login user="{first}" ', log) and re.search(f'login-failed user="{second}" [^\n]*another user\'s', log), log
    assert token not in log and b64(token)[:40] not in log and SECRET not in log
    reload(world, extra=extra(world, told(world, secret="wrong")))
    assert try_token(world, token).startswith(PERM)
    world.wait_log("HTTP status 401: see client-id and client-secret")


def test_lockout(world):
    """A wrong token counts, also of clients that cancel when they hear of it; whoever is locked out has his token shown to nobody."""
    reload(world, extra=extra(world, told(world), "penalty-most 1; lockout-failures 3; lockout-time 3600;"))
    login = "guessed@example.test"
    lockout = f'lock-out of=user user="{login}" address=127.0.0.1 failures=3 seconds=3600'
    for n in range(5):  # by now a part of the first may be forgotten
        with world.connect() as c:
            reply = c.cmd(f"AUTH OAUTHBEARER {response('OAUTHBEARER', f'wrong{n}', login)}")
            if reply.startswith(b"-ERR [SYS/TEMP] Too many wrong passwords"):
                break
            assert reply.startswith(b"+ ")
            assert c.cmd("*") == b"-ERR Authentication cancelled"
            c.quit()
    world.wait_log(lockout)
    errors = []
    assert try_token(world, "another", login, errors=errors).startswith(b"-ERR [SYS/TEMP]")
    assert not errors  # that of a provider


def bent(claims, key, **header):
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, "ES256", headers=header)


def test_signed(world):
    """By the signature alone: right, expired, of another issuer, for somebody else, signed with another key or in a way that is none."""
    p, login = world.provider, world.first.login
    keys = Path(world.top) / "keys.json"
    keys.write_text(p.jwks(), encoding="ascii")
    keys.chmod(0o644)
    reload(world, extra=extra(world, signed(world, f'jwks-file "{keys}";')))
    assert try_token(world, p.token(world.first)).startswith(OK)
    assert try_token(world, p.token(world.first), login, "XOAUTH2").startswith(OK)
    refused(world, p.token(world.first), "the token is another user's", world.second.login)
    now, kid = int(time.time()), p.kid()
    good = {"iss": p.issuer, "aud": "mail", "email": login, "exp": now + 600}
    assert try_token(world, bent(good, p.key, kid=kid)).startswith(OK)
    assert try_token(world, bent({**good, "aud": ["x", "mail"]}, p.key)).startswith(OK)
    for claim, reason in (({"exp": now - 600}, "the token has expired"), ({"exp": None}, "the token does not say until when"),
                          ({"nbf": now + 600}, "the token is not good yet"), ({"iss": "https://other.example"}, "the token is of another issuer"),
                          ({"aud": "web"}, "the token is for somebody else"), ({"aud": None}, "the token is for somebody else"),
                          ({"email": None}, "the token does not say whose it is"), ({"email": "a\nb"}, "the token's user has a name that no user has")):
        refused(world, bent({**good, **claim}, p.key, kid=kid), reason)
    refused(world, bent({**good, "email": "nobody@example.test"}, p.key, kid=kid)[:-8], "the token is")
    assert try_token(world, bent({**good, "email": "nobody@example.test"}, p.key, kid=kid)).startswith(AUTH)  # a user of theirs and not of ours
    refused(world, bent(good, p.new_key(), kid=kid), "the token is signed with another key")
    refused(world, bent(good, p.new_key(), kid="new"), "the token is signed with an unknown key")
    refused(world, jwt.encode(good, None, "none"), "the token is no JWT")  # it has no signature
    refused(world, jwt.encode(good, None, "none") + "AAAA", "the token is signed in a way that is not allowed")
    body = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "HS256", "kid": kid}, good))
    mac = hmac.new(openssl("pkey", "-pubout", text=p.key).encode(), body.encode(), hashlib.sha256).digest()
    refused(world, f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}", "the token is signed in a way that is not allowed")
    other = {"RS256": rsa.generate_private_key(65537, 2048), "EdDSA": ed25519.Ed25519PrivateKey.generate()}
    sets = [json.loads(jwt.get_algorithm_by_name(alg).to_jwk(key.public_key())) for alg, key in other.items()]
    keys.with_suffix(".new").write_text(json.dumps({"keys": sets}), encoding="ascii")
    keys.with_suffix(".new").chmod(0o644)
    keys.with_suffix(".new").rename(keys)
    for alg, key in other.items():
        assert try_token(world, jwt.encode(good, key, alg)).startswith(OK), alg
    refused(world, bent(good, p.key, kid=kid), "the token is signed with an unknown key")
    assert b64("Bearer ")[:8] not in world.log() and "eyJ" not in world.log()


def test_new_key(world):
    """Keys come from a URL and are kept; one that is new is fetched when a token needs it. Where the provider is asked, too, a revoked token is none."""
    p = world.provider
    reload(world, extra=extra(world, signed(world, fetched(world)), "backend-processes 1;"))
    assert try_token(world, p.token(world.first)).startswith(OK)
    p.rotate()
    token = p.token(world.first)
    assert try_token(world, token).startswith(OK)
    p.revoke(token)
    assert try_token(world, token).startswith(OK)  # a signature lasts
    p.kill()
    assert try_token(world, token).startswith(OK)  # and nobody needs to be asked
    p.start()
    both = f'{signed(world, fetched(world), "sub")} introspection-url "{p.issuer}/introspect"; client-id {CLIENT}; client-secret "{SECRET}";'
    reload(world, extra=extra(world, both))
    token = p.token(world.first)
    p.revoke(token)
    refused(world, token, "the provider says that the token is not good")
    claims = jwt.decode(p.token(world.first), options={"verify_signature": False})
    refused(world, bent({**claims, "jti": "x"}, p.key, kid=p.kid()), "the provider says that the token is not good")


def test_scope_and_claim(world):
    """What a token must be good for, and what in it names the user; a client whose token is refused hears what to ask for."""
    reload(world, extra=extra(world, told(world) + "scope mail;"))
    assert try_token(world, world.provider.token(world.first), world.first.login).startswith(OK)
    reload(world, extra=extra(world, told(world) + 'scope "mail other"; openid-configuration "https://login.example/.well-known/openid-configuration";'))
    refused(world, world.provider.token(world.first), "the token is not for scope other")
    errors = []
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        assert try_token(world, "x", world.first.login, mechanism, errors).startswith(AUTH)
    assert errors == [{"status": "invalid_token", "scope": "mail other", "openid-configuration": "https://login.example/.well-known/openid-configuration"},
                      {"status": "401", "schemes": "bearer", "scope": "mail other"}]
    reload(world, extra=extra(world, told(world).replace("user-claim username;", "user-claim client_id;")))
    refused(world, world.provider.token(world.first), "the token is another user's", world.first.login)


def test_tls(world):
    """The provider must be who it should be; and where passwords must not come in the clear, no token may."""
    reload(world, extra=extra(world, told(world)).replace(str(world.provider.cert.chain), str(world.tls_cert.chain)))
    token = world.provider.token(world.first)
    assert try_token(world, token).startswith(PERM)
    reload(world, extra=extra(world, told(world), "plaintext-login tls;"))
    with world.connect() as c:
        assert "OAUTHBEARER" not in offered(c) and "XOAUTH2" not in offered(c)
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            assert c.cmd(f"AUTH {mechanism} {response(mechanism, token, world.first.login)}") == b"-ERR Plaintext login is not allowed here"
        c.stls(world.tls_cert.context())
        assert offered(c)[-2:] == ["OAUTHBEARER", "XOAUTH2"]
        assert c.cmd(f"AUTH XOAUTH2 {response('XOAUTH2', token, world.first.login)}").startswith(OK)
        c.quit()


def test_clients(world):
    """Programs that others wrote."""
    reload(world, extra=extra(world, told(world)))
    login, token = world.first.login, world.provider.token(world.first)
    before = world.log().count(f' login user="{login}"')
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        for early in ((), ("--sasl-ir",)):
            curl = ("curl", "-sS", *early, "--login-options", f"AUTH={mechanism}", "--user", f"{login}:", "--oauth2-bearer")
            assert b"Subject: a" in call(*curl, token, f"pop3://127.0.0.1:{world.port}/1"), mechanism
            call(*curl, "x", f"pop3://127.0.0.1:{world.port}/1", code=(67,))  # login denied
        for password, code in ((token, 0), ("x", 77)):
            fetched = world.top / f"{mechanism}-{code}"
            for sub in ("cur", "new", "tmp"):
                (fetched / sub).mkdir(parents=True)
            call("mpop", "--host=localhost", f"--port={world.port}", f"--user={login}", f"--passwordeval=echo {password}", f"--auth={mechanism.lower()}",
                 "--tls=on", "--tls-starttls=on", f"--tls-trust-file={world.tls_cert.chain}", "--keep=on", f"--uidls-file={fetched}.uidls",
                 f"--delivery=maildir,{fetched}", code=(code,), env={**os.environ, "HOME": str(world.top)})
            assert len(list((fetched / "new").iterdir())) == (code == 0), mechanism
    assert world.log().count(f' login user="{login}"') - before == 4 + 2


def test_many(world):
    """64 at once, half of them with a token that is none."""
    reload(world, extra=extra(world, told(world)))
    token = world.provider.token(world.first)
    with ThreadPoolExecutor(64) as pool:
        got = list(pool.map(lambda n: try_token(world, token if n % 2 else f"x{n}"), range(64)))
    assert all(g.startswith((OK, b"-ERR [IN-USE]") if n % 2 else AUTH) for n, g in enumerate(got)), got
    assert any(g.startswith(OK) for g in got)


def works(world):
    return wait_for(lambda: try_token(world, world.provider.token(world.first)).startswith(OK), START_SECONDS)


def test_killed(world):
    """Temporary trouble, never a wrong token, and it holds up nobody else; when it is back it is asked again."""
    reload(world, extra=extra(world, told(world)))
    token = world.provider.token(world.first)
    assert try_token(world, token).startswith(OK)
    world.provider.kill()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(try_token, world, token) for _ in range(8)]
        for _ in range(8):
            assert try_login(world, world.second.login, "secret").startswith(OK)
        assert [a.result().startswith(TEMP) or a.result() for a in asked] == [True] * 8
    world.provider.start()
    assert works(world)


def test_silent(world):
    """Somebody takes connections and says nothing."""
    token = world.provider.token(world.first)
    with socket.create_server(("127.0.0.1", 0)) as s:
        url = f"https://127.0.0.1:{s.getsockname()[1]}/"
        for oauth in (told(world, url=url), signed(world, f'jwks-url "{url}";')):
            reload(world, extra=extra(world, oauth, "lookup-timeout 1;"))
            assert try_token(world, token).startswith(TEMP)
            assert try_login(world, world.second.login, "secret").startswith(OK)
    reload(world, extra=extra(world, told(world)))
    assert works(world)


@pytest.mark.parametrize("oauth, says", [
    ("issuer x;", "nothing to check tokens by"),
    ('jwks-url "https://127.0.0.1/"; issuer x;', "issuer and audience must be there"),
    ('jwks-url "https://127.0.0.1/"; jwks-file /keys; issuer x; audience x;', "one of them"),
    ('introspection-url "http://login.example.org/";', "it must be https"),
    ('introspection-url "https://a:b@login.example.org/";', "no names and passwords"),
])
def test_refused_configurations(world, oauth, says):
    reload(world, extra=extra(world, oauth), said=says)
    world.extra = extra(world, told(world))


def test_inetd(world, daemon):
    reload(world, extra=extra(world, told(world)))
    token = world.provider.token(world.first)
    inetd = Inetd(daemon, extra(world, told(world)) + f'virtdomain {{ passwd-dir "{world.domains}"; }}')
    for said, status in ((token, OK), ("x", b"+ ")):
        c, _ = inetd.client()
        assert c.cmd(f"AUTH OAUTHBEARER {response('OAUTHBEARER', said)}").startswith(status)
        if status != OK:
            assert c.cmd("AQ==").startswith(AUTH)
        c.quit()
