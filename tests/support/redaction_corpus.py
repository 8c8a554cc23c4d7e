"""Texts that must stay as they are, and secrets that must go; none of them is anybody's."""

import base64
import hashlib
from typing import NamedTuple

_BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
_PUBLIC = "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ"
_HEX = hashlib.sha256(b"harmless").hexdigest()


class Told(NamedTuple):
    """A text with a secret, and what is said in its place; `kind` is what has to be looked for."""

    text: str
    secret: str
    name: str
    kind: str = "keys"


def _pem(label: str, *lines: str) -> str:
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


PEM = _pem("PRIVATE KEY", _BASE64, _BASE64, "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SupZMMzq1lA==")
_ENCODED = base64.b64encode(PEM.encode()).decode()
_EC_ENCODED = base64.b64encode(PEM.replace("PRIVATE", "EC PRIVATE").encode()).decode()
JWT = (
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJqb2UiLCJleHAiOjE3NjM5MDAwMDB9."
    "c2lnbmF0dXJlX3RoYXRfaXNfbm9uZQ"
)
_JWT_ENCODED = base64.b64encode(JWT.encode()).decode()
_DOCKER = base64.b64encode(b'{"auths": {"quay.io": {"auth": "am9lOmh1bnRlcjI="}}}').decode()
_JWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..QUJDREVGR0hJSktM.c2VjcmV0X3RleHQ.dGFnX29mX2l0"
_DRAWN = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"

SECRETS: tuple[Told, ...] = (
    # Private keys, whole, cut off, and within other things.
    Told(f"My key:\n{PEM}\nDone.", PEM, "private_key"),
    Told(PEM.replace("PRIVATE", "RSA PRIVATE"), _BASE64, "private_key"),
    Told(PEM.rpartition("\n-----")[0], _BASE64, "private_key"),
    Told(_pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED", "", _BASE64), _BASE64, "private_key"),
    Told(_pem("PGP PRIVATE KEY BLOCK", "Version: 1", "", _BASE64), _BASE64, "private_key"),
    Told('{"private_key": "' + PEM.replace("\n", "\\n") + '"}', _BASE64, "private_key"),
    Told("\n".join(f"    {each}" for each in PEM.split("\n")), _BASE64, "private_key"),
    Told(f"client-key-data: {_ENCODED}", _ENCODED, "private_key"),
    Told(f"tls.key: {_EC_ENCODED}\n", _EC_ENCODED, "private_key"),
    Told(f"PuTTY-User-Key-File-3: x\nPrivate-Lines: 1\n{_BASE64}\n", _BASE64, "private_key"),
    Told('{"kty": "EC", "crv": "P-256", "d": "' + _DRAWN + '"}', _DRAWN, "private_key"),
    # What issuers have given a prefix.
    Told("key AKIAIOSFODNN7EXAMPLE in logs", "AKIAIOSFODNN7EXAMPLE", "api_key"),
    Told("?key=AIza" + _DRAWN[:35], "AIza" + _DRAWN[:35], "api_key"),
    Told("GOCSPX-" + _DRAWN[:28], "GOCSPX-" + _DRAWN[:28], "api_key"),
    Told(f"AccountName=a;AccountKey={_DRAWN}{_DRAWN}==;", _DRAWN, "api_key"),
    Told("https://a.test/c?sv=2022&sig=" + _DRAWN + "%3D&se=1", _DRAWN, "api_key"),
    Told("abc8Q~" + _DRAWN[:34], "abc8Q~" + _DRAWN[:34], "api_key"),
    Told("ghp_" + _DRAWN[:36], "ghp_" + _DRAWN[:36], "api_key"),
    Told("github_pat_" + _DRAWN + "_" + _DRAWN, _DRAWN, "api_key"),
    Told("glpat-" + _DRAWN[:20], "glpat-" + _DRAWN[:20], "api_key"),
    Told("xoxb-123456789012-" + _DRAWN, _DRAWN, "api_key"),
    Told("https://hooks.slack.com/services/T0/B0/" + _DRAWN, _DRAWN, "api_key"),
    Told("sk-proj-" + _DRAWN, "sk-proj-" + _DRAWN, "api_key"),
    Told("OPENAI=sk-" + _DRAWN, "sk-" + _DRAWN, "api_key"),
    Told("sk-ant-api03-" + _DRAWN, "sk-ant-api03-" + _DRAWN, "api_key"),
    Told("hf_" + _DRAWN[:34], "hf_" + _DRAWN[:34], "api_key"),
    Told("sk_live_" + _DRAWN, "sk_live_" + _DRAWN, "api_key"),
    Told("npm_" + _DRAWN[:36], "npm_" + _DRAWN[:36], "api_key"),
    Told("oc login --token=sha256~" + _DRAWN + "a1b", "sha256~" + _DRAWN + "a1b", "api_key"),
    Told(f".dockerconfigjson: {_DOCKER}", _DOCKER, "api_key"),
    Told('{"auths": {"a.test": {"auth": "am9lOmh1bnRlcjI="}}}', "am9lOmh1bnRlcjI=", "secret"),
    Told("hvs." + _DRAWN, "hvs." + _DRAWN, "api_key"),
    Told("turnstile_" + _DRAWN + "a1b", "turnstile_" + _DRAWN + "a1b", "api_key"),
    # What is assigned to a name that says it.
    Told("DB_PASS=hunter2!x9", "hunter2!x9", "password"),
    Told("password=hunter2", "hunter2", "password"),
    Told("Password: hunter2.", "hunter2", "password"),
    Told("MYSQL_ROOT_PASSWORD=swordfish\n", "swordfish", "password"),
    Told('db_password = "correct horse battery"', "correct horse battery", "password"),
    Told('{"user": "joe", "password": "pa\\"ss1,x"}', 'pa\\"ss1,x', "password"),
    Told(r'"{\"password\":\"hunter2\"}"', "hunter2", "password"),
    Told("spring.datasource.password=p@ss:w0rd&x=1", "p@ss:w0rd", "password"),
    Told("Server=db;Password=Tr0ub4dor&3;Timeout=5", "Tr0ub4dor&3", "password"),
    Told('{"password": "Summer(2024)!"}', "Summer(2024)!", "password"),
    Told('{"password": "pass[word]1x"}', "pass[word]1x", "password"),
    Told('{"password": "$ecret123"}', "$ecret123", "password"),
    Told('password: "<h7Gd!kk9"', "<h7Gd!kk9", "password"),
    Told("DB_PASSWORD=Summer(2024)!x", "Summer(2024)!x", "password"),
    Told(r'{"password": "ab\nX9!cdefg"}', r"ab\nX9!cdefg", "password"),
    Told(r"DB_PASSWORD=ab\nX9!cdefg", r"ab\nX9!cdefg", "password"),
    Told("DB_PASSWORD=Summer;24x\nHOST=db", "Summer;24x", "password"),
    Told("Password: `hunter2`", "hunter2", "password"),
    Told("- **Password:** hunter2x9", "hunter2x9", "password"),
    Told("| **password**: swordfish\n", "swordfish", "password"),
    Told("        - name: DB_PASSWORD\n          value: hunter2\n", "hunter2", "password"),
    Told('{"name": "DB_PASSWORD", "value": "hunter2"}', "hunter2", "password"),
    Told('{"name":"DB_PASSWORD","value":"hunter2"}', "hunter2", "password"),
    Told('<property name="db.password" value="hunter2"/>', "hunter2", "password"),
    Told("os.environ['PGPASSWORD'] = 'hunter2'", "hunter2", "password"),
    Told("<password>swordfish</password>", "swordfish", "password"),
    Told("<password><![CDATA[a]b<c>d]]></password>", "a]b<c>d", "password"),
    Told("<password>hunter>2</password>", "hunter>2", "password"),
    Told("FROM alpine\nENV DB_PASSWORD hunter2x9\n", "hunter2x9", "password"),
    Told("SET PASSWORD FOR 'joe'@'%' = 'swordfish';", "swordfish", "password"),
    Told("SET PASSWORD FOR joe = PASSWORD('swordfish')", "swordfish", "password"),
    Told("mysqldump --password hunter2 shop", "hunter2", "password"),
    Told("CREATE USER joe IDENTIFIED BY 'swordfish';", "swordfish", "password"),
    Told("machine a.test login joe password swordfish", "swordfish", "password"),
    Told("password: |\n  hunter2\n", "hunter2", "password"),
    Told("  password: aHVudGVyMg==\n", "aHVudGVyMg==", "password"),
    Told("api_key: '1f2e3d4c5b6a7988'", "1f2e3d4c5b6a7988", "secret"),
    Told("X-Api-Key: 9f8e7d6c5b4a", "9f8e7d6c5b4a", "secret"),
    Told("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "wJalrXUtnFEMI/K7MDE", "secret"),
    Told('clientSecret: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"', "1b9d6bcd-bbfd", "secret"),
    # Tokens.
    Told(f"It says {JWT}.", JWT, "jwt", "tokens"),
    Told(f"x_token_{JWT}", JWT, "jwt", "tokens"),
    Told(f"token: {_JWT_ENCODED}", _JWT_ENCODED, "jwt", "tokens"),
    Told(_JWE, _JWE, "jwt", "tokens"),
    Told("Authorization: Bearer abc123def", "abc123def", "authorization", "tokens"),
    Told(
        '-H "authorization: Basic am9lOmh1bnRlcjI="', "am9lOmh1bnRlcjI=", "authorization", "tokens"
    ),
    Told('{"Authorization": "Bearer abc123def"}', "abc123def", "authorization", "tokens"),
    Told(f"Authorization: {_HEX}", _HEX, "authorization", "tokens"),
    Told(f"Authorization: Splunk {_DRAWN}", _DRAWN, "authorization", "tokens"),
    Told("Authorization: Bearer%20abc123def", "abc123def", "authorization", "tokens"),
    Told(
        '{"Authorization": ["Basic am9lOmh1bnRlcjI="]}',
        "am9lOmh1bnRlcjI=",
        "authorization",
        "tokens",
    ),
    Told(f"sent Bearer {_DRAWN} to it", _DRAWN, "authorization", "tokens"),
    Told("curl -s -u joe:hunter2 https://a.test/", "hunter2", "authorization", "tokens"),
    Told("curl -k -sSu joe:hunter2 https://a.test/", "hunter2", "authorization", "tokens"),
    Told("curl --proxy-user joe:hunter2 a.test", "hunter2", "authorization", "tokens"),
    Told("postgresql://joe@srv:hunter2@db/shop", "hunter2", "url_password", "tokens"),
    Told("postgresql://joe:hunter2@db:5432/shop", "hunter2", "url_password", "tokens"),
    Told("redis://:x1@cache:6379/0", "x1", "url_password", "tokens"),
    Told("amqp://joe:p/a@ss#1@[2001:db8::1]/", "p/a@ss#1", "url_password", "tokens"),
    Told("http://a:80/x?next=http://joe:hunter2@a", "hunter2", "url_password", "tokens"),
    Told(f"access_token={_DRAWN}", _DRAWN, "token", "tokens"),
    Told(f'"refresh_token": "{_DRAWN}"', _DRAWN, "token", "tokens"),
    # People and machines.
    Told("Ask joe.doe+x@mail.example.com.", "joe.doe+x@mail.example.com", "email", "emails"),
    Told("an wang.wei@163.com, li@126.com", "wang.wei@163.com", "email", "emails"),
    Told("mailto:jörg@müller.de?", "jörg@müller.de", "email", "emails"),
    Told(f"{'-' * 100}joe@example.com", "joe@example.com", "email", "emails"),
    Told("dial tcp 10.1.2.3:443: refused", "10.1.2.3", "ip_address", "ip_addresses"),
    Told("from 10.0.0.0/8 to 192.168.1.1.", "192.168.1.1", "ip_address", "ip_addresses"),
    Told("ip-172-16-0-1/172.16.0.1", "172.16.0.1", "ip_address", "ip_addresses"),
    Told("please avoid 10.1.2.3", "10.1.2.3", "ip_address", "ip_addresses"),
    Told("Am Montag 10.1.2.3 nicht erreichbar", "10.1.2.3", "ip_address", "ip_addresses"),
    Told("we rebuild 10.1.2.3 tonight", "10.1.2.3", "ip_address", "ip_addresses"),
    Told("ip.addr==10.1.2.3 && ip.src!=10.1.2.3", "10.1.2.3", "ip_address", "ip_addresses"),
    Told("http://[2001:db8::1]:8080/", "2001:db8::1", "ip_address", "ip_addresses"),
    Told("fe80::1ff:fe23:4567:890a%eth0", "fe80::1ff:fe23:4567:890a", "ip_address", "ip_addresses"),
    Told("2001:db8:0:0:0:0:0:1: refused", "2001:db8:0:0:0:0:0:1", "ip_address", "ip_addresses"),
    Told("::ffff:10.1.2.3", "::ffff:10.1.2.3", "ip_address", "ip_addresses"),
)

HARMLESS: tuple[str, ...] = (
    # Kubernetes.
    """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-7d9f8b6c5d
  uid: 0f9d7c1e-6f6a-4b58-9c2e-1d2f3a4b5c6d
  resourceVersion: "184467440"
spec:
  template:
    spec:
      imagePullSecrets: [{name: regcred-2024}]
      containers:
      - image: quay.io/acme/web@sha256:"""
    + _HEX
    + """
        env:
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef: {name: db-credentials-7g2kd9hf5t, key: password}
        - name: API_KEY
          value: $(API_KEY)
        - name: TOKEN_TTL
          value: 3600s
      volumes:
      - name: tls
        secret:
          secretName: web-tls-2024
          defaultMode: 420
""",
    "secret: web-tls-2024\npassword: null\ntoken: ''\napi_key: none\n",
    "password: {{ .Values.password }}\ntoken: ${TOKEN}\nsecret: <your-secret-1>\n",
    'error: secret "db-7f9d8b6c5d" not found in namespace "prod-2"',
    "client-certificate-data: " + base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMII").decode(),
    _pem("CERTIFICATE", _PUBLIC, _PUBLIC),
    _pem("PUBLIC KEY", _PUBLIC),
    "The file begins with -----BEGIN PRIVATE KEY----- and is not shown.",
    # Hashes, ids and blobs.
    _HEX,
    f"sha256:{_HEX} md5:d41d8cd98f00b204e9800998ecf8427e",
    "commit 6dcb09b5b57875f334f61aebed695e2e4193db5e (v1.2.3.4)",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 20).decode(),
    base64.b64encode(b'{"kind": "ConfigMap", "data": {}}').decode(),
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Zkq host",
    "SHA256:ELrRj3Tn1u3pCIwlNf8ZQ0F9v0wGzX2Kq8m7bE1cD5A",
    # Logs and messages.
    "2026-11-23T12:30:45.123Z ERROR pod web-0 restarted 5 times, exit code 137 (12:30:45)",
    "level=info msg=authenticated user=joe method=password token_type=bearer max_tokens=4096",
    "token_type=bearer path=/v1/secret/key?id=12 grant=basic next=/v2/tokens/9/of/users?a=1",
    "Invalid password: must be at least 12 characters. Password: required. password: incorrect",
    "Authorization: required. WWW-Authenticate: Bearer realm=turnstile. Use Basic authentication.",
    "Authorization: Bearer <token>; Authorization: Bearer $TOKEN; Authorization: Bearer token",
    '{"event": "token", "data": {"id": 12, "token": "Hello there, 2 pods"}}',
    '{"password": "********", "secret": "[redacted: secret]", "api_key": "your-api-key-1"}',
    "PWD=/home/joe/src OLDPWD=/home/joe SSH_AUTH_SOCK=/run/user/1000/keyring/ssh",
    "ls -u 1000:1000 && docker run --user 1000:1000 web:1.2",
    "curl https://user:password@example.com/ https://user:$PASS@host https://host:8443/a@b",
    "GET /v1/items?page_token=zyx987wvu654tsr321&limit=5",
    # Code.
    "def connect(user: str, password: str | None = None, token: Token = None) -> None: ...",
    "client.login(password=getpass(), token=self.token, secret=args.secret_key)",
    "password = os.environ['PASSWORD']; password = await read(); password = user_password",
    "if password == other.password and token != request.token: raise InvalidToken(token=token)",
    "const apiKey = process.env.API_KEY; let secret = config.get('secret2');",
    "private_key: Ed25519PrivateKey = serialization.load_pem_private_key(data, None)",
    'token = lookup["token"][0]; password = secrets.get(name)[0].value',
    'PASSWORD=`openssl rand -base64 12`; export PGPASSWORD="$password" PASS="$DB_PASS1"',
    '{"password": "auth.password", "label": "forms.password.label", "token": "self.token"}',
    "$pdo = connect(password: $password, secret: $config['secret1'], token: $token)",
    '<input type="password" value=""/> <property name="password" value="${db.password}"/>',
    "| `password` | `string` | **Password:** required | password: **required** |",
    "SELECT password FROM users WHERE token = ? AND secret = :secret1",
    "std::vector<std::map<int, ace::Task>> x; a[1::2]; list[::-1]; dead::beef()",
    # Prose, in several languages.
    "The token of the session: see RFC7235. Authorization: ask OAuth2-team-7 for it.",
    "Passwort: bitte eingeben. Ihr Kennwort läuft ab, das neue Passwort: mindestens 12 Zeichen.",
    "Mot de passe : obligatoire. Le secret : une phrase de 20 mots. Le token: 2 par jour.",
    "La contraseña: no se comparte. Пароль: обязателен. 密码: 必填 パスワード: 必須",
    # What only looks like an address.
    "pkg@1.0.0-beta.next imageTag: 1.2.3.4 build: 1.2.3.4 tag=1.2.3.4 Firmware 1.2.3.4-rc",
    "git@github.com:acme/web.git lodash@4.17.21 react@18.3.0-rc user@1000.service @app.route",
    "Chrome/120.0.0.0 Safari/537.36 chart-1.2.3.4 foo==1.2.3.4 version: 1.2.3.4 v10.0.0.1",
    "OID 1.3.6.1.4.1.311 at 127.0.0.1:8080, 0.0.0.0, 255.255.255.0, ::1, :: and 239.1.2.3",
    "00:1a:2b:3c:4d:5e 50:01:43:80:12:34:56:78 12:30:45 2001:10:20 300.1.2.3 1.2.3",
)
