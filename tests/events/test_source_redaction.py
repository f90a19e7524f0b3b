"""Of source code and diffs only literals are cut; code that handles secrets stays runnable."""

from __future__ import annotations

import time

import pytest

from mltracker.events import source_redaction
from mltracker.events.redaction import REDACTED
from tests.events.test_redaction import ISSUED

LITERALS = [
    ("a.py", 'PASSWORD = "hunter2"'),
    ("a.py", 'api_key: str = "hunter2"'),
    ("a.py", 'def f(password: str = "hunter2"): ...'),
    ("a.py", "connect(user='bob', password='hunter2')"),
    ("a.py", 'os.environ["HF_TOKEN"] = "hunter2"'),
    ("a.py", 'x = os.getenv("DB_PASSWORD", "hunter2")'),
    ("a.py", 'p.add_argument("--password", type=str, default="hunter2")'),
    ("a.py", 'password = (\n    "hunter2"\n)'),
    ("a.py", 'db = {"password": "hunter2"}'),
    ("a.py", 'token = "hunter2"'),
    ("a.py", "code = 'connect(password=\"hunter2\")'"),
    ("a.py", 'engine("postgres://bob:hunter2@host/db")'),
    ("a.ipynb", '"source": ["PASSWORD = \\"hunter2\\"\\n"]'),
    ("a.yaml", "api_key: hunter2"),
    ("a.yaml", "db:\n  password: hunter2  # of the test system\n"),
    ("a.yaml", "- token: 'hunter2'"),
    ("a.ini", "password = hunter2"),
    ("a.toml", 'password = "hunter2"'),
    ("a.json", '{\n  "password": "hunter2",\n'),
    ("a.sh", "export DB_PASSWORD=hunter2"),
    ("README.md", "    HF_TOKEN=hunter2\n"),
    ("a.cpp", 'const char* password = "hunter2";'),
    ("a.py", 'url = "https://host/v1?n=1&api_key=hunter2"'),
    ("a.py", 'url = "https://host/v1?sv=1&sig=hunter2%2Bx"'),
    ("a.py", 'url = "https://host/v1?X-Amz-Signature=hunter2x"'),
    ("a.sh", "x --password hunter2 --api-key=hunter2"),
    ("a.sh", "x --password 'hunter2' && A=1 B_TOKEN=hunter2 y"),
    ("a.sh", "curl -u me:hunter2 https://host; sshpass -p hunter2 ssh host; mysql -uroot -phunter2"),
    ("Makefile", "export X_TOKEN=hunter2\nall:\n\tx --token hunter2\n"),
    ("Dockerfile", "ENV A=1 DB_PASSWORD=hunter2\nRUN x --password=hunter2"),
    ("ci.yml", "  - run: x --password hunter2"),
    (".env", "X_TOKEN=hunter2"),
    (".netrc", "machine host login u password hunter2"),
    ("a.py", 'PWD = """hunter2"""'),
    ("a.py", 'SECRET = """\nhunter2\n  hunter2\n"""\n'),
    ("a.py", 'PASSWORD = (\n    "hunter2"\n    "hunter2"\n)'),
    ("a.py", 'os.putenv("API_KEY", "hunter2")'),
    ("a.py", 'os.environ.setdefault("API_KEY", "hunter2")'),
    ("a.py", 'HTTPBasicAuth("user", "hunter2")'),
    ("a.py", 'wandb.login(key="hunter2")'),
    ("a.py", 'client(aws_access_key_id="hunter2")'),
    ("a.yaml", "password: >\n  hunter2\nlr: 1\n"),
    ("a.yaml", "env:\n  - name: DB_PASSWORD\n    value: hunter2\n"),
    ("a.json", '{"name": "DB_PASSWORD",\n "value": "hunter2"}'),
]
CODE = [
    ("a.py", "token = tokenizer.next()"),
    ("a.py", 'password = os.environ["PASSWORD"]'),
    ("a.py", 'password = os.getenv("PASSWORD", "")'),
    ("a.py", "def f(password: str, token: str | None = None): ..."),
    ("a.py", 'if token == "word" or token == "(": pass'),
    ("a.py", 'if token.op == "placeholder2": pass'),
    ("a.py", 'ENV_GITHUB_TOKEN = "GITHUB_TOKEN"'),
    ("a.py", 'pad_token = "<pad>"; mask_token = "[MASK]"; sep_token = "x1y2z3"'),
    ("a.py", 'url = f"postgres://{user}:{password}@{host}/"'),
    ("a.py", 'secret = f"{a}-{b}"'),
    ("a.py", 'PASSWORD = "password"'),
    ("a.py", 'names = ["password", "token"]'),
    ("requirements.txt", "x @ git+ssh://git@github.com/org/x.git"),
    ("a.sh", "PASSWORD=$1\nTOKEN=$(cat token)\nKEY=${KEY}"),
    ("a.yaml", "password: ${oc.env:PASSWORD}\ntoken: null\ntokenizer: bert\nmax_tokens: 512"),
    ("a.yaml", 'password: "{{ vault }}"'),
    ("vocab.json", '"password": 28712,\n"token": 19233,'),
    ("README.md", "Password: at least eight characters\nToken: the unit of text"),
    ("a.py", "x = 1  # " + "a1b2c3d4" * 8),
    ("a.py", 'url = f"https://host?api_key={key}&n=1"'),
    ("a.py", 'url = "https://host?api_key=" + key'),
    ("a.py", 'auth = (user, password)\nauth = ("user", os.environ["P"])'),
    ("a.py", 'primary_key = "abc12345"; sort_key = "abcd1234abcd1234"; login(key=KEY)'),
    ("a.py", '"""\npassword: the password\n"""'),
    ("a.cpp", "[&token=x1y2z3](){}"),
    ("a.sh", "docker build --secret id=x,src=a ."),
    ("a.sh", "x --private-key a/b.pem --password $P --token=${T} --auth basic --password-stdin"),
    ("a.sh", "docker run -u 1000:1000 x; curl -u $U:$P host"),
    ("Makefile", "secrets: fetch\n"),
    ("a.yml", "secrets: |\n  A=${{ secrets.A }}\n"),
    ("a.yaml", "- name: tokenizer\n  value: bert12345\n- name: X_TOKEN\n  valueFrom: a"),
]


@pytest.mark.parametrize(("path", "source"), LITERALS)
def test_literals_are_cut(path: str, source: str) -> None:
    plain = source_redaction.source(source, path)
    assert "hunter2" not in plain
    assert source_redaction.source(plain, path) == plain


@pytest.mark.parametrize(("path", "source"), CODE)
def test_code_stays(path: str, source: str) -> None:
    assert source_redaction.source(source, path) == source


@pytest.mark.parametrize("key", ISSUED.values(), ids=ISSUED)
def test_issued_keys(key: str) -> None:
    assert key[8:20] not in source_redaction.source(f"# {key}\nx = 1\n", "a.py")


def test_of_a_user_and_a_password_the_second_is_cut() -> None:
    plain = source_redaction.source('get(url, auth=("user1234", "hunter2"))', "a.py")
    assert plain == f'get(url, auth=("user1234", "{REDACTED}"))'


def test_a_block_ends_where_its_lines_do() -> None:
    plain = source_redaction.source("db:\n  - password: |\n      hunter2\n\n      hunter2\n    port: 1\n", "a.yaml")
    assert plain == f"db:\n  - password: |\n      {REDACTED}\n\n      {REDACTED}\n    port: 1\n"


@pytest.mark.parametrize("piece", ["curl -u ", "auth=('", "a=", '"""', "password:|\n", "-", "?a", "\n ", "name: a\n"])
def test_no_source_takes_long(piece: str) -> None:
    source = "password\n" + piece * (200_000 // len(piece))
    for path in ("a.py", "a.yaml"):
        started = time.perf_counter()
        source_redaction.source(source, path)
        assert time.perf_counter() - started < 5


def test_a_number_that_is_a_password() -> None:
    assert source_redaction.source("password: 1234\n", "a.yaml") == f"password: {REDACTED}\n"


def test_a_large_file_is_looked_at_in_pieces_that_cut_no_key_in_two() -> None:
    lines = "x = 1\n" * (source_redaction.PIECE // 6 - 2)
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEaB3d\n" * 2000 + "-----END PRIVATE KEY-----\n"
    plain = source_redaction.source(lines + key + lines + 'password = "hunter2"\n', "a.py")
    assert "MIIE" not in plain and "hunter2" not in plain
    assert plain.startswith(lines) and lines in plain[len(lines) :]


@pytest.mark.parametrize("opening", ["password = (", "password =", 'db = {"password":', "password = \\"])
def test_no_piece_ends_between_a_name_and_its_value(opening: str) -> None:
    for before in range(source_redaction.PIECE - 3 * len(opening), source_redaction.PIECE + 2):
        source = "x" * before + f"\n{opening}\n  'hunter2'\n" + "y = 1\n" * 1000
        assert "hunter2" not in source_redaction.source(source, "a.py"), before


def test_it_stops_when_it_is_told_to() -> None:
    def late() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        source_redaction.source("x = 1\n", "a.py", late)
    with pytest.raises(TimeoutError):
        source_redaction.diff(DIFF, late)


DIFF = """diff --git a/a.py b/a.py
index 1111111..2222222 100644
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
-PASSWORD = "hunter2"
+PASSWORD = "hunter2new"
 x = 1
diff --git a/data.bin b/data.bin
index 1111111..2222222 100644
GIT binary patch
literal 16
Xc$@sk-ant-api03-aB3aB3aB3aB3
diff --git a/b.yaml b/b.yaml
new file mode 100644
--- /dev/null
+++ b/b.yaml
@@ -0,0 +1 @@
+api_key: hunter2
diff --git a/gone.yaml b/gone.yaml
deleted file mode 100644
--- a/gone.yaml
+++ /dev/null
@@ -1 +0,0 @@
-api_key: hunter2
diff --git a/c.py b/c.py
--- a/c.py
+++ b/c.py
@@ -1 +1 @@
-x = 1
+x = 2
"""


def test_a_diff() -> None:
    plain, paths = source_redaction.diff(DIFF)
    assert "hunter2" not in plain
    assert paths == ["a.py", "b.yaml", "gone.yaml"]
    assert "sk-ant-api03-aB3aB3aB3aB3" in plain  # base85 is no text
    assert len(plain.splitlines()) == len(DIFF.splitlines())


def test_a_diff_without_secrets_stays_byte_by_byte() -> None:
    clean = DIFF[DIFF.index("diff --git a/c.py") :]
    assert source_redaction.diff(clean) == (clean, [])
    assert source_redaction.diff("") == ("", [])
