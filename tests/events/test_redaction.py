"""Secrets are cut out of parameters, texts and command lines; numbers, hashes and words of the field are not."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltracker.events import (
    CheckpointStored,
    ConfigChanged,
    DatasetData,
    ModuleData,
    NoteChanged,
    SessionDescribed,
    SessionStarted,
    TagsChanged,
    TrainingFailed,
    redaction,
)
from mltracker.events.catalogue import load
from mltracker.events.redaction import REDACTED

ISSUED = {
    "OpenAI": "sk-proj-" + "aB3" * 8,
    "OpenAI, old": "sk-" + "aB3d" * 12,
    "Anthropic": "sk-ant-api03-" + "aB3" * 8,
    "Stripe": "sk_live_" + "aB3d" * 6,
    "Stripe, restricted": "rk_live_" + "aB3d" * 6,
    "GitHub": "ghp_" + "aB3d" * 9,
    "GitHub, OAuth": "gho_" + "aB3d" * 9,
    "GitHub, server": "ghs_" + "aB3d" * 9,
    "GitHub, user": "ghu_" + "aB3d" * 9,
    "GitHub, fine-grained": "github_pat_" + "aB3d" * 9,
    "GitLab": "glpat-" + "aB3d" * 5,
    "Hugging Face": "hf_" + "abCD" * 8,
    "AWS": "AKIA" + "ABCD2345" * 2,
    "AWS, temporary": "ASIA" + "ABCD2345" * 2,
    "Slack": "xoxb-123456789012-abcdef",
    "Slack, user": "xoxp-123456789012-abcdef",
    "Google": "AIza" + "aB3d-" * 7,
    "Google, OAuth": "ya29." + "aB3d" * 9,
    "npm": "npm_" + "aB3d" * 9,
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + "aB3d" * 9,
    "Docker": "dckr_pat_" + "aB3d" * 6,
    "SendGrid": "SG." + "aB3d" * 5 + "." + "aB3d" * 10,
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
    "Weights & Biases": "wandb_v1_" + "aB3d" * 9,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEaB3d\naB3d==\n-----END RSA PRIVATE KEY-----",
    "private key, cut": "-----BEGIN PRIVATE KEY-----\nMIIEaB3d",
}
HARMLESS = [
    "sk-learn-gradient-boosting-classifier",
    "hf_transformers_model",
    "task-force-of-many-words-2",
    "AKIA",
    "a1b2c3d4" * 8,
    "SG.x",
    "npm_config",
    "xoxo-hugs",
    "pypi-mirror-of-the-company",
    "https://host/path?step=5",
    "http://localhost:8080/a@b",
    "git@github.com:org/repo.git",
    "max_tokens=512, pad_token='<pad>'",
    "KeyError: 'token'",
    "f(token=None)",
    "loss: 0.5",
    "the key: a word",
    "expected token: int",
    "password=${PASSWORD}",
]


@pytest.mark.parametrize("key", ISSUED.values(), ids=ISSUED)
def test_issued_keys_are_found_anywhere(key: str) -> None:
    for text in (key, f"called with {key}", f'{{"x": "{key}"}}', f"({key}", f"https://host/{key}"):
        assert key not in redaction.text(text)
        assert key[8:20] not in redaction.text(text)
    assert redaction.text(f"before {key}").startswith("before [redacted]")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redaction.text(text) == text
    assert redaction.parameters({"note": [text]}) == {"note": [text]}


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://bob:hunter2@host/a?b", "https://host/a?b"),
        ("postgres://bob:hun/ter2@db:5432/x", "postgres://db:5432/x"),
        ("https://hunter2@host", "https://host"),
        ("redis://:hunter2@host:6379/0", "redis://host:6379/0"),
        ("see ssh://bob:hun@ter2@host, or not", "see ssh://host, or not"),
    ],
)
def test_urls_lose_their_user(url: str, plain: str) -> None:
    assert redaction.text(url) == plain


@pytest.mark.parametrize(
    "text",
    [
        "login failed for password=hunter2",
        "password: hunter2",
        'connect(user="bob", password="hunter2")',
        "{'api_key': 'hunter2', 'n': 1}",
        '{\\"password\\": \\"hunter2\\"}',
        "Authorization: Bearer hunter2",
        "{'Authorization': 'Token hunter2'}",
        "Command '['curl', '--password', 'hunter2']' returned 1",
        "python train.py --token hunter2 --lr 1",
        "https://host/a?lr=1&access_token=hunter2&b=2",
        "DB_PASSWORD=hunter2 python train.py",
        "token='hunter2'",
        "see https://host/?token=hunter2",
        "cmd = 'connect(password=\"hunter2\")'",
        "a: b=password=hunter2",
        "cannot connect with password 'hunter2'",
        "machine host login bob password hunter2",
        "https://host/a?sv=1&sig=hunter2x",
        "https://host/a?X-Goog-Signature=hunter2x",
        "curl -u bob:hunter2 https://host",
        "sshpass -p hunter2 ssh host",
        "get(auth=('bob', 'hunter2'))",
    ],
)
def test_text_under_telling_names(text: str) -> None:
    plain = redaction.text(text)
    assert "hunter2" not in plain and REDACTED in plain
    assert redaction.text(plain) == plain


def test_parameters() -> None:
    given: dict[str, Any] = {
        "lr": 0.1,
        "max_tokens": 512,
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "token": 5,
        "use_auth_token": True,
        "password": None,
        "secret": "",
        "api_key": "${API_KEY}",
    }
    assert redaction.parameters(given) == given
    assert redaction.parameters({"db": {"password": "a", "port": 5432}}) == {"db": {"password": REDACTED, "port": 5432}}
    assert redaction.parameters({"password": 1234, "token": "a"}) == {"password": REDACTED, "token": REDACTED}
    assert redaction.parameters({"db.password": "a"}) == {"db.password": REDACTED}
    nested = {"credentials": {"user": "bob", "codes": ["a", 5], "on": True}}
    assert redaction.parameters(nested) == {
        "credentials": {"user": REDACTED, "codes": [REDACTED, REDACTED], "on": True},
    }
    assert redaction.parameters({"argv": ["--password", "a", "--lr", "1"]}) == {
        "argv": ["--password", REDACTED, "--lr", "1"]
    }
    assert redaction.parameters({"runs": [{"secret": "a"}]}) == {"runs": [{"secret": REDACTED}]}
    assert redaction.parameters([{"name": "DB_PASSWORD", "value": "a"}]) == [{"name": "DB_PASSWORD", "value": REDACTED}]
    assert redaction.parameters({"columns": ["token", "text"], "pair": ["password", "a"]}) == {
        "columns": ["token", "text"],
        "pair": ["password", REDACTED],
    }
    told = {"jwt": "a", "WANDB_KEY": "a", "totp_seed": 5, "aws_access_key_id": "a"}
    assert redaction.parameters(told) == dict.fromkeys(told, REDACTED)
    untold = {"primary_key": "a", "sort_key": "a", "key": "a", "seed": 5}
    assert redaction.parameters(untold) == untold
    assert redaction.parameters({ISSUED["GitHub"]: 1}) == {REDACTED: 1}


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("a.py --password X --lr 1", f"a.py --password {REDACTED} --lr 1"),
        ("a.py --password=X", f"a.py --password={REDACTED}"),
        ("a.py --api-key X", f"a.py --api-key {REDACTED}"),
        ("a.py token=X model.api_key=X", f"a.py token={REDACTED} model.api_key={REDACTED}"),
        ("a.py Bearer X", f"a.py Bearer {REDACTED}"),
        ("a.py --password --lr 1", "a.py --password --lr 1"),
        ("a.py --max-tokens 5 --pad-token X", "a.py --max-tokens 5 --pad-token X"),
        ("a.py --use-auth-token a.yaml", "a.py --use-auth-token a.yaml"),
        ("a.py --url https://bob:X@host/", "a.py --url https://host/"),
    ],
)
def test_command_lines(given: str, plain: str) -> None:
    assert redaction.command(given.split()) == plain.split()
    assert redaction.command(plain.split()) == plain.split()


def test_a_header_of_a_command_line() -> None:
    assert redaction.command(["curl", "-H", "Authorization: Bearer X"]) == ["curl", "-H", f"Authorization: {REDACTED}"]


def test_without_user() -> None:
    assert redaction.without_user("https://bob:x@host/a.git") == "https://host/a.git"
    assert redaction.without_user("git@host:a.git") == "git@host:a.git"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(json)
def test_twice_is_once(value: Any) -> None:
    once = redaction.parameters(value)
    assert repr(redaction.parameters(once)) == repr(once)


@given(st.text(st.sampled_from("sk-:=/@\"'\\[]{} token.password\nghp_eyJBEGIN")))
def test_any_text(text: str) -> None:
    once = redaction.text(text)
    assert redaction.text(once) == redaction.text(redaction.text(once))
    redaction.command(text.split())


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "a ",
        "a-",
        "a--",
        "://",
        '"',
        "\\",
        "password=",
        "sk-",
        "eyJa.",
        "pypi-",
        "curl -u ",
        "auth=('",
        "password ",
        "login a ",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (500_000 // len(piece)) + " token"
    started = time.perf_counter()
    redaction.text(text)
    assert time.perf_counter() - started < 5  # what is not linear takes minutes


def test_events_are_written_without_secrets() -> None:
    secret, stream = "hunter2", "0" * 32 + ":1"
    message = f"401 for https://bob:{secret}@host with token='{secret}'"
    events = [
        ConfigChanged(stream=stream, changes={"db.password": secret}),
        TagsChanged(stream=stream, changes={"apiKey": secret}),
        NoteChanged(stream=stream, text=message),
        TrainingFailed(stream=stream, training="t", error_type="E", message=message),
        SessionStarted(command=["a.py", "--token", secret], environment={"variables": {"HF_TOKEN": secret}}),
        SessionDescribed(environment={"code": {"problem": message}, "password": secret}),
    ]
    for event in events:
        assert secret.encode() not in event.encoded() and b"[redacted]" in event.encoded()
    assert ModuleData(type="m", hash="h", name="n", parameters={"secret": secret}).parameters == {"secret": REDACTED}
    assert DatasetData(hash="h", name="n", parameters={"url": f"s3://a:{secret}@b"}).parameters == {"url": "s3://b"}


def test_names_of_datasets_modules_and_checkpoints() -> None:
    key = ISSUED["GitHub"]
    dataset = DatasetData(hash="h", name="https://bob:hunter2@host/d.csv")
    assert dataset.name == "https://host/d.csv"
    assert ModuleData(type="m", hash="h", name=f"a {key}").name == f"a {REDACTED}"
    checkpoint = CheckpointStored(stream="0" * 32 + ":1", name="password=hunter2", hash="h", size=1)
    assert checkpoint.name == f"password={REDACTED}"
    stored = load("CheckpointStored", CheckpointStored.version, "0" * 32 + ":1", {**checkpoint.data(), "name": key})
    assert isinstance(stored, CheckpointStored) and stored.name == key


def test_names_of_files_and_packages_are_no_telling_names() -> None:
    environment = {
        "packages": {"detect-secrets": "1.4", "token": "2"},
        "code": {"untracked": {"credentials.json": {"hash": "a" * 64}, "token": {"hash": "b" * 64}}},
        "editable": {"secret": {"location": "/a"}},
    }
    assert SessionDescribed(environment=environment).environment == environment


def test_history_is_not_changed_by_reading() -> None:
    stored = load("ConfigChanged", 1, "0" * 32 + ":1", {"changes": {"password": "hunter2"}})
    assert isinstance(stored, ConfigChanged) and stored.changes == {"password": "hunter2"}
    note = load("NoteChanged", 1, "0" * 32 + ":1", {"text": "password=hunter2"})
    assert isinstance(note, NoteChanged) and note.text == "password=hunter2"
