"""Of source code and diffs only literals are cut; code that handles secrets stays runnable."""

from __future__ import annotations

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
