"""Secrets in source code and diffs: literals under telling names, issued keys, passwords in URLs.

What only names a secret stays: `password = os.environ["PASSWORD"]`, `def f(token: str)`, `token = tokenizer.next()`.
A file out of which something was cut is not the one that ran, so this cuts less than `redaction.text` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from re import Match

from mltracker.events import redaction
from mltracker.events.redaction import REDACTED, is_placeholder, looks_issued
from mltracker.events.secret_names import Telling, telling, words

PIECE = 1 << 12
"""Characters looked at in one go: a search holds the interpreter's lock, and most pieces need no close look."""
UNQUOTED = words(".cfg .conf .env .ini .json .jsonl .md .properties .rst .sh .bash .toml .txt .yaml .yml")
"""Files in which a value may stand without quotes."""
_GOES_ON = ("(", "=", ":", "\\")
PROSE = frozenset((".md", ".rst", ".txt"))
_TYPES = re.compile(r"str|bytes|int|bool|None|Any|SecretStr|Optional\[.*\]|.*\| *None")
_FALLBACK = re.compile(
    r"(?P<before>(?:getenv|get|pop|setdefault)\(\s{0,8}[\"'](?P<name>[\w.-]+)[\"']\s{0,8},\s{0,8}"
    r"|add_argument\([^)\n]{0,80}?[\"']-{1,2}(?P<flag>[\w-]+)[\"'][^)\n]{0,200}?default\s{0,4}=\s{0,4})"
    r"(?P<quote>[\"'])(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\\n]))+)(?P=quote)"
)
_LINE = re.compile(
    r"^(?P<before>[ \t+-]*(?:(?:export|set|ENV|ARG|env)[ \t]+)?[\"']?(?P<name>[A-Za-z_][\w.-]*)[\"']?[ \t]*[:=][ \t]*)"
    r"(?P<value>[^\s\"'#$!&*|>{\[\\`][^\n#]*?)(?P<after>[ \t]*,?(?:[ \t]#[^\n]*)?)$",
    re.MULTILINE,
)
_URL = re.compile(r"(?<=[A-Za-z0-9]://)(?P<user>[^\s/?#\"'<>@:\\]*)(?::(?P<password>(?!\d+[/?#])[^\s\"'<>@\\]*))?@")
_FIELD = re.compile(r"\$?\{[^{}]*\}|\$\w+|%\(?\w*\)?s|<[^<>]*>|\*+|\.\.\.|x{3,}|\[redacted\]")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""The name of an environment variable, which is what a program has instead of a secret."""
_LONGEST_USER = 24
_SECTION = re.compile(r"^(?=diff --git )", re.MULTILINE)
_SECTION_PATH = re.compile(r"^(?:\+\+\+ \"?b/|--- \"?a/)(.*?)\"?\t?$", re.MULTILINE)


def source(content: str, path: str, in_time: Callable[[], None] = lambda: None) -> str:
    """A source file's text without secrets. What may be one depends on the kind of file, which its path tells.

    `in_time` is called again and again and may raise.
    """
    suffix = PurePosixPath(path).suffix.lower()
    parts = []
    for piece in _pieces(content):
        in_time()
        parts.append(_piece(piece, suffix))
    return "".join(parts)


def diff(content: str, in_time: Callable[[], None] = lambda: None) -> tuple[str, list[str]]:
    """A git diff without secrets, and the paths of the files out of which one was cut. `in_time`: as for `source`."""
    sections, paths = [], []
    for section in _SECTION.split(content):
        plain = section
        if "\nGIT binary patch\n" not in section:
            path = _path(section)
            plain = source(section, path, in_time)
            if plain != section:
                paths.append(path)
        sections.append(plain)
    return "".join(sections), paths


def _path(section: str) -> str:
    """Of the file as it became, else as it was."""
    found = sorted(_SECTION_PATH.finditer(section[:4096]), key=lambda match: match[0].startswith("---"))
    return found[0][1] if found else section.partition("\n")[0].rpartition(" b/")[2]


def _pieces(content: str) -> Iterator[str]:
    """Parts that end with a line, never within a private key or between a name and its value."""
    start = 0
    while start < len(content):
        end = content.find("\n", start + PIECE) + 1 or len(content)
        while end < len(content) and content[max(start, end - 40) : end].rstrip().endswith(_GOES_ON):
            end = content.find("\n", end) + 1 or len(content)
        begun = content.rfind("-----BEGIN ", start, end)
        if begun >= 0 and "-----END " not in content[begun:end]:
            closed = content.find("-----END ", end)
            end = content.find("\n", closed) + 1 or len(content) if closed >= 0 else end
        yield content[start:end]
        start = end


def _piece(content: str, suffix: str) -> str:
    plain = redaction.without_keys(content)
    if not redaction.may_hold(plain.lower(), redaction.HINTS):
        return plain
    plain = _URL.sub(_url, plain)
    plain = redaction.substitute(redaction.QUOTED, _literal, plain)
    plain = _FALLBACK.sub(_fallback, plain)
    if suffix in UNQUOTED:
        plain = _LINE.sub(_line(suffix), plain)
    return plain


def _literal(match: Match[str]) -> str | None:
    name, value = match["name"], match["value"]
    if redaction.only_fields(match) or value.lower() == name.rpartition(".")[2].lower() or not _is_secret(name, value):
        return None
    return f"{name}{match['between']}{match['kind']}{match['quote']}{REDACTED}{match['quote']}"


def _fallback(match: Match[str]) -> str:
    if not _is_secret(match["name"] or match["flag"], match["value"]):
        return match[0]
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def _line(suffix: str) -> Callable[[Match[str]], str]:
    def cut(match: Match[str]) -> str:
        value = match["value"].rstrip()
        number = re.fullmatch(r"[\d.,]+|true|false|null|none|yes|no|~", value, re.IGNORECASE)
        if number and (suffix == ".json" or telling(match["name"]) is not Telling.ANYTHING or not value[0].isdigit()):
            return match[0]
        if " " in value and suffix in PROSE:
            return match[0]
        if value.startswith(("(", "os.", "self.", 'f"', "f'")) or not _is_secret(match["name"], value):
            return match[0]
        return f"{match['before']}{REDACTED}{match['after']}"

    return cut


def _is_secret(name: str, value: str) -> bool:
    """Of a bare `token` or `auth`, which parsers are full of, only what looks issued."""
    last = name.rpartition(".")[2]
    if not telling(last) or is_placeholder(value) or _FIELD.fullmatch(value) or _TYPES.fullmatch(value):
        return False
    if _VARIABLE.fullmatch(value) and telling(value):
        return False
    return last.lower() not in ("token", "auth") or looks_issued(value)


def _url(match: Match[str]) -> str:
    """The user info of a URL, unless it is a mere user as in ssh://git@host, or computed."""
    user, password = match["user"], match["password"]
    if not password:
        return match[0] if len(user) <= _LONGEST_USER or _FIELD.fullmatch(user) else ""
    return match[0] if _FIELD.fullmatch(password) else ""
