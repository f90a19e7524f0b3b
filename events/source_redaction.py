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
UNQUOTED = words(
    ".bash .cfg .conf .dockerfile .env .ini .json .jsonl .makefile .md .mk .properties .rst .sh .toml .txt .yaml "
    ".yml .zsh"
)
"""Files in which a value may stand without quotes."""
SHELL = words(".bash .dockerfile .makefile .mk .sh .yaml .yml .zsh")
"""Files that hold command lines."""
_GOES_ON = re.compile(r"(?:[(=:\\]|: [|>][+-]?|\bname[\"']?: *[\"']?[\w.-]+[\"']?,?)\s*\Z")
PROSE = frozenset((".md", ".rst", ".txt"))
_TYPES = re.compile(r"str|bytes|int|bool|None|Any|SecretStr|Optional\[.*\]|.*\| *None")
_FALLBACK = re.compile(
    r"(?P<before>(?:getenv|putenv|setenv|get|pop|setdefault)\(\s{0,8}[\"'](?P<name>[\w.-]+)[\"']\s{0,8},\s{0,8}"
    r"|add_argument\([^)\n]{0,80}?[\"']-{1,2}(?P<flag>[\w-]+)[\"'][^)\n]{0,200}?default\s{0,4}=\s{0,4})"
    r"(?P<quote>[\"'])(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\\n]))+)(?P=quote)"
)
_LINE = re.compile(
    r"^(?P<before>[ \t+-]*(?:(?:export|set|ENV|ARG|env)[ \t]+)?"
    r"[\"']?(?P<name>[A-Za-z_][\w.-]*)[\"']?[ \t]*(?:[:?]?=|:)[ \t]*)"
    r"(?P<value>[^\s\"'#$!&*|>{\[\\`][^\n#]*?)(?P<after>[ \t]*,?(?:[ \t]#[^\n]*)?)$",
    re.MULTILINE,
)
_QUERY = re.compile(r"(?P<before>(?<=[\w/.=%-])[?&](?P<name>[\w.-]+)=)(?P<value>[^\s\"'&#<>{}$\\,;=]+)")
_LOGIN = re.compile(
    r"(?P<before>\blogin\([^()\n]{0,200}?\bkey\s{0,4}=\s{0,4})"
    r"(?P<quote>[\"'])(?P<value>(?>(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,500}))(?P=quote)"
)
_TRIPLE = (
    r"(?<![\w.])(?P<name>[A-Za-z_][\w.]*+)(?P<between>[\"'\])]{0,2}[ \t]{0,8}(?::[ \t]{0,8}\w{1,40}[ \t]{0,8}=|[:=])"
    r"\s{0,8}\(?\s{0,8})(?P<kind>[rbfuRBFU]{0,2})(?P<quote>\"\"\"|''')"
    r"(?P<value>(?>(?:(?!(?P=quote))(?:\\.|[^\\]|\\\n)){0,4096}))(?P=quote)"
)
_CONTINUED = re.compile(
    r"(?P<before>\[redacted\][\"'])(?P<more>(?:\s(?:[\s+-]){0,80}[rbfu]{0,2}(?:\"[^\"\n]++\"|'[^'\n]++'))+)(?!\s{0,8}[:=])"
)
_QUOTED = re.compile(r"\"[^\"\n]+\"|'[^'\n]+'")
_FLAG = re.compile(
    r"(?P<before>(?<![\w-])--?(?P<name>[A-Za-z][\w-]*+)(?:[ \t]+|=)[\"']?)"
    r"(?P<value>[^\s\"'`$;|&<>(){}\[\\-][^\s\"'`;|&<>(){}\\]*)"
)
_ASSIGNED = re.compile(
    r"(?P<before>(?<![\w$?&.-])(?P<name>[A-Za-z_]\w*+)=[\"']?)(?P<value>[^\s\"'`$;|&<>(){}\[\\=][^\s\"'`;|&<>(){}\\]*)"
)
_NO_SECRET = re.compile(r"id=.*|inherit|[\w./~-]*\.(?:pem|key|json|ya?ml|toml|txt|pub|crt|env|py)")
"""What a flag may say instead: the file with the secret, a secret of the build."""
_BLOCK = re.compile(
    r"^(?P<before>(?P<indent>[+-]?[ \t]*)(?:- +)?[\"']?(?P<name>[A-Za-z_][\w.-]*)[\"']?"
    r"[ \t]*:[ \t]*[|>][+-]?\d?[ \t]*\n)"
    r"(?P<value>(?P<deep>(?P=indent)[ \t]+)\S[^\n]*(?:\n(?:[+-]?[ \t]*\n){0,20}(?P=deep)[^\n]*)*)",
    re.MULTILINE,
)
_BLOCK_LINE = re.compile(r"^([+-]?[ \t]+)\S.*$", re.MULTILINE)
_NAMED = re.compile(
    r"(?P<before>\bname[\"']?[ \t]*:[ \t]*[\"']?(?P<name>[A-Za-z_][\w.-]*+)[\"']?[ \t]*,?[ \t]*\n?[+ \t-]{0,80}"
    r"[\"']?\bvalue[\"']?[ \t]*:[ \t]*(?P<quote>[\"']?))(?P<value>[^\s\"'{$\[&*|>][^\n\"'}]*)"
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
    suffix = _kind(path)
    parts = []
    for piece in _pieces(content):
        in_time()
        parts.append(_piece(piece, suffix))
    return "".join(parts)


def _kind(path: str) -> str:
    """The suffix; of a file without one, such as `Makefile` and `.env`, its name as one."""
    name = PurePosixPath(path).name.lower()
    return ".dockerfile" if name.startswith("dockerfile.") else PurePosixPath(name).suffix or "." + name.lstrip(".")


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
        while end < len(content) and _GOES_ON.search(content[max(start, end - 60) : end]):
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
    plain = redaction.pattern(redaction.SIGNED).sub(rf"\g<before>{REDACTED}", plain)
    plain = _QUERY.sub(_value, plain)
    for expression, decide in ((redaction.PAIR, _pair), (_TRIPLE, _triple), (redaction.QUOTED, _literal)):
        plain = redaction.substitute(expression, decide, plain)
    plain = _FALLBACK.sub(_fallback, plain)
    plain = _LOGIN.sub(_login, plain)
    if suffix == ".py":
        plain = _CONTINUED.sub(_continued, plain)
    if suffix in UNQUOTED:
        plain = _NAMED.sub(_value, plain)
        plain = _LINE.sub(_line(suffix), plain)
    return _commands(plain, suffix)


def _commands(content: str, suffix: str) -> str:
    """What command lines and blocks of YAML hold, and netrc."""
    if suffix in (".yaml", ".yml"):
        content = _BLOCK.sub(_block, content)
    if suffix in SHELL:
        content = redaction.pattern(redaction.COMMANDS).sub(_command, content)
        content = _FLAG.sub(_value, content)
        content = _ASSIGNED.sub(_value, content)
    if suffix in SHELL or suffix in PROSE or suffix == ".netrc":
        content = redaction.pattern(redaction.NETRC).sub(rf"\g<before>{REDACTED}", content)
    return content


def _value(match: Match[str]) -> str:
    """Cut the value under a telling name, unless it says where the secret is."""
    value = match["value"]
    if not _is_secret(match["name"], value) or _NO_SECRET.fullmatch(value):
        return match[0]
    return match["before"] + REDACTED


def _command(match: Match[str]) -> str:
    return match[0] if _FIELD.fullmatch(match["value"]) else match["before"] + REDACTED


def _block(match: Match[str]) -> str:
    value = match["value"]
    if not telling(match["name"]) or "${" in value or "{{" in value:
        return match[0]
    return match["before"] + _BLOCK_LINE.sub(rf"\g<1>{REDACTED}", value)


def _pair(match: Match[str]) -> str | None:
    if not redaction.has_pair(match["name"]) or redaction.only_fields(match):
        return None
    if not _is_secret("password", match["value"]) or match["value"].lower() == "password":
        return None
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def _triple(match: Match[str]) -> str | None:
    if (
        "\n" not in match["value"]
        or redaction.only_fields(match)
        or not _is_secret(match["name"], match["value"].strip())
    ):
        return None
    first, *others = match["value"].split("\n")
    lines = ((line[0] if line[0] in "+-" else "") + REDACTED if line.strip("+- \t") else line for line in others)
    value = "\n".join((REDACTED if first.strip("\\ ") else first, *lines))
    return f"{match['name']}{match['between']}{match['kind']}{match['quote']}{value}{match['quote']}"


def _continued(match: Match[str]) -> str:
    """The further parts of a literal that goes on."""
    return match["before"] + _QUOTED.sub(f'"{REDACTED}"', match["more"])


def _login(match: Match[str]) -> str:
    if not _is_secret("api_key", match["value"]):
        return match[0]
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def _literal(match: Match[str]) -> str | None:
    name, value = match["name"], match["value"]
    if (
        redaction.only_fields(match)
        or redaction.user_of_pair(match)
        or value.lower() == name.rpartition(".")[2].lower()
        or not _is_secret(name, value)
    ):
        return None
    return f"{name}{match['between']}{match['kind']}{match['quote']}{REDACTED}{match['quote']}"


def _fallback(match: Match[str]) -> str:
    if not _is_secret(match["name"] or match["flag"], match["value"]):
        return match[0]
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def _line(suffix: str) -> Callable[[Match[str]], str]:
    def cut(match: Match[str]) -> str:
        value = match["value"].rstrip()
        if suffix in (".makefile", ".mk", ".dockerfile") and "=" not in match["before"]:
            return match[0]
        if _NO_SECRET.fullmatch(value) and suffix in SHELL:
            return match[0]
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
