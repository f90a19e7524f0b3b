"""Secrets are cut out before anything is written: by the name they stand under and by the form of issued keys.

Never by entropy: hashes are no secrets. `secret_names` says which names tell of a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from re import Match, Pattern
from typing import Any

from mltracker.events.secret_names import Telling, telling, words

REDACTED = "[redacted]"
SHORTEST_KEY = 10

_ISSUED = (
    r"sk-(?:ant|proj|svcacct|admin|or)-[\w-]{8,}|sk-(?=[A-Za-z_-]{0,80}\d)[\w-]{16,}|[sr]k_(?:live|test)_\w{8,}|whsec_\w{16,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{16,}"
    r"|hf_[A-Za-z0-9]{20,}|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{16,}|1//0[\w-]{30,}|npm_[A-Za-z0-9]{20,}|pypi-AgE[\w-]{8,}"
    r"|pypi-(?=[\w-]{0,80}\d)(?=[\w-]{0,80}[A-Z])[\w-]{16,}|rubygems_[0-9a-f]{32,}|dckr_(?:pat|oat)_[\w-]{10,}"
    r"|SG\.[\w-]{10,}\.[\w-]{10,}|eyJ(?<![A-Za-z0-9]eyJ)[\w-]{6,}\.[\w-]{6,}\.[\w-]{6,}|hv[bs]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,}"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sq0\w{3}-[\w-]{20,}|lin_api_\w{20,}|r8_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{20,}"
    r"|pplx-[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|tskey-\w+-[\w-]{10,}|dapi[0-9a-f]{32}|ATATT3[\w=-]{20,}|glsa_\w{20,}"
    r"|sntry[su]_[\w=+/-]{20,}|wandb_v1_\w{16,}|figd_[\w-]{20,}|PMAK-[0-9a-f-]{30,}|AGE-SECRET-KEY-1[A-Z0-9]{20,}"
    r"|(?<=hooks\.slack\.com/services/)[\w/]{16,}|(?<=/api/webhooks/)\d+/[\w-]{20,}|(?<=bot)\d{8,10}:AA[\w-]{30,}"
)
_BEGINNINGS = words(
    "sk- _live_ _test_ whsec_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- glcbt- glptt- glft- glsoat- "
    "glagent- hf_ AKIA ASIA ABIA ACCA xox xapp- AIza ya29. GOCSPX- 1//0 npm_ pypi- rubygems_ dckr_ SG. eyJ hvb. hvs. "
    "_v1_ shp sq0 lin_api_ r8_ gsk_ pplx- nvapi- tskey- dapi ATATT3 glsa_ sntry figd_ PMAK- AGE-SECRET slack.com/ "
    "/webhooks/ :AA"
)
"""One of these is in each issued key: looking for them is ten times as fast as the pattern."""
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY( BLOCK)?-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY( BLOCK)?-----|\Z)"
)
_USER_INFO = (
    r"(?<=[A-Za-z0-9]://)(?:(?>(?:[^\s/?#\"'<>\\@]*+@)+)"
    r"|[^\s/?#\"'<>@:\[\\]*+:(?!\d+[/?#])[^\s\"'<>@\\]{0,200}+@)"  # a password with a slash in it
)
_NAME = r"(?<![\w.])(?<![\w.]-)(?P<name>[A-Za-z_][\w.]*+(?>(?:-[\w.]++)*))"
_QUOTE = r"(?P<quote>\\*+(?:\"\"\"|'''|[\"']))(?P<value>(?>(?:(?!(?P=quote))(?:\\.|[^\\\n])){0,8192}))(?P=quote)"
QUOTED = (
    _NAME + r"(?P<between>[\\\"'\])]{0,4}[ \t]{0,8}"
    r"(?::[ \t]{0,8}[\w.\[\], |]{1,80}=|[:!=]=|=>|[:=])\s{0,8}(?:\\\n)?\(?\s{0,8})"
    r"(?P<kind>[rbfuRBFU]{0,2})" + _QUOTE
)
_BARE = (
    _NAME + r"(?P<between>[\\\"'\]]{0,3}[ \t]{0,4}(?P<sign>[:=])[ \t]{0,4})"
    r"(?!\\+[\"'])(?P<value>\$\{[^}\s]*\}|[^\s\"',;&\[\](){}]+)"
)
_FLAG = r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]*+)(?P<between>[ \t]+|[\"'],[ \t]*[\"'])(?![-\"'])(?P<value>[^\s\"',;]+)"
_SCHEME = r"(?i:(?P<before>authorization[\\\"']{0,3}\s{0,4}[:=]\s{0,4}[\\\"']{0,3}))(?:[A-Za-z]+[ \t]+)?[^\s\"',;]+"
_BEARER = r"(?i:(?P<before>\b(?:bearer|basic)[ \t]+))[\w.~+/=-]{16,}"
SIGNED = r"(?i:(?P<before>[?&](?:(?:x-(?:amz|goog)-)?signature|sig|x-amz-security-token)=))[^\s\"'&#<>{}$\\,;]{8,}"
"""What makes a signed URL one; it opens what it names."""
PAIR = (
    r"(?P<before>(?<![\w.])(?P<name>[A-Za-z_][\w.]*+)"
    r"(?:[\"'\]]{0,2}\s{0,4}[:=]\s{0,4}|(?<=BasicAuth)|(?<=DigestAuth))"
    r"\(\s{0,80}[rbfu]?(?P<q>[\"'])(?>(?:(?!(?P=q))[^\\\n]){0,200})(?P=q)\s{0,4},\s{0,80}(?P<kind>[rbfu]{0,2}))"
    r"(?P<quote>[\"'])(?P<value>(?>(?:(?!(?P=quote))(?:\\.|[^\\\n])){0,500}))(?P=quote)"
)
"""`auth=("user", "password")`: the second is the secret."""
NETRC = (
    r"(?P<before>\b(?:machine\s{1,8}\S{1,200}|default)\s{1,8}login\s{1,8}\S{1,200}\s{1,8}password\s{1,8})[^\s\[][^\s]*"
)
COMMANDS = (
    r"(?P<before>\bcurl[ \t](?:[^\n;|]|\\\n){0,120}?(?<![\w-])(?:-u|--user)[ \t=]{0,4}[\"']?[^\s:\"'$]{1,64}+:"
    r"|\bsshpass[ \t]+-p[ \t]{0,4}[\"']?"
    r"|\bmysql(?:dump|admin)?[ \t](?:[^\n;|]|\\\n){0,120}?(?<![\w-])(?:-p|--password=)[\"']?)"
    r"(?P<value>[^\s\"'$`;|&<>(){}\[\\]+)"
)
_SAID = (
    r"(?P<before>\b(?i:password|passwd|passphrase|api[ _-]?key)[ \t]{1,4}(?:(?:is|was|of)[ \t]{1,4})?)"
    r"(?P<quote>[\"'`])(?P<value>(?>(?:(?!(?P=quote))[^\n]){1,200}))(?P=quote)"
)
HINTS = (
    *("://", "pass", "pw", "secret", "token", "key", "auth", "cred", "cookie", "bearer", "basic"),
    *("jwt", "otp", "mfa", "sig=", "signature=", "curl", "mysql"),
)
_PLACEHOLDER = (
    r"|\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|<[^>]*>|<\|.*\|>|</?\w+>|\[[A-Za-z_]+\]|%(?:\(\w+\))?s|\*+|\.\.\.|"
    + re.escape(REDACTED)
)
"""What stands for a value that is not there: `${TOKEN}`, `<pad>`, `[MASK]`, what was redacted before."""


def text(value: str) -> str:
    """Text without issued keys, private keys, user info of URLs, and `name=value` under a telling name."""
    plain = without_keys(value)
    if not may_hold(plain.lower(), HINTS):
        return plain
    plain = pattern(_USER_INFO).sub("", plain)
    plain = pattern(_SCHEME).sub(_after_scheme, plain)
    plain = pattern(_BEARER).sub(_after_scheme, plain)
    for expression in (SIGNED, NETRC, COMMANDS):
        plain = pattern(expression).sub(_after_scheme, plain)
    plain = pattern(_SAID).sub(_said, plain)
    for expression, decide in ((PAIR, _pair), (QUOTED, _quoted), (_BARE, _bare), (_FLAG, _flagged)):
        plain = substitute(expression, decide, plain)
    return plain


def parameters(value: Any) -> Any:
    """Plain JSON the same way: under a telling name all text, and numbers where the name is that of a password."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        plain = {text(key): under(key, item) for key, item in value.items()}
        name = plain.get("name")
        if "value" in plain and isinstance(name, str):  # as Kubernetes writes variables
            plain["value"] = under(name, plain["value"])
        return plain
    if isinstance(value, list):
        if len(value) == 2 and _all_text(value) and _is_pair(*value):
            return [value[0], _hidden(value[1], Telling.TEXT)]
        if any(isinstance(item, str) and item.startswith("-") for item in value) and _all_text(value):
            return command(value)
        return [parameters(item) for item in value]
    return value


def contents(value: Any) -> Any:
    """Plain JSON whose keys tell nothing, such as paths: only what `text` finds."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {text(key): contents(item) for key, item in value.items()}
    return [contents(item) for item in value] if isinstance(value, list) else value


def under(name: str, value: Any) -> Any:
    """The value that stands under a name. A name may be flat, its parts joined by dots."""
    found = max(map(telling, name.split(".")))
    return _hidden(value, found) if found else parameters(value)


def command(arguments: Sequence[str]) -> list[str]:
    """A command line: `--password X`, `token=X`, `Authorization: Bearer X`, and all that `text` knows."""
    plain: list[str] = []
    hide_next = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        flag = argument.startswith("-")
        if hide_next and not flag:
            plain.append(_hidden(argument, Telling.TEXT))
        elif equals and _tells(name):
            plain.append(f"{name}={_hidden(value, Telling.TEXT)}")
        else:
            plain.append(text(argument))
        said = argument.lower().rstrip(":")
        hide_next = (flag and not equals and _tells(name)) or said in ("bearer", "basic", "authorization")
    return plain


def without_user(url: str) -> str:
    """A URL without its user and password; what is no URL, as it is."""
    return pattern(_USER_INFO).sub("", url)


def _all_text(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_pair(name: str, value: str) -> bool:
    """Whether it is a name and its secret rather than two words."""
    found = telling(name)
    return found is Telling.ANYTHING or (found is Telling.TEXT and looks_issued(value))


def _tells(name: str) -> bool:
    return any(telling(part) for part in name.lstrip("-+~").split("."))


def _hidden(value: Any, found: Telling) -> Any:
    if isinstance(value, str):
        return value if is_placeholder(value) else REDACTED
    if isinstance(value, Mapping):
        return {text(key): _hidden(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, found) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return REDACTED if found is Telling.ANYTHING else value


def is_placeholder(value: str) -> bool:
    """Whether it only stands for a value, as `${TOKEN}`, `<pad>` and nothing at all do."""
    return pattern(_PLACEHOLDER).fullmatch(value) is not None


def without_keys(value: str) -> str:
    """Text without the keys that bear the form of who issued them, and without private keys."""
    if "PRIVATE KEY" in value:
        value = pattern(_PRIVATE_KEY).sub(REDACTED, value)
    if len(value) >= SHORTEST_KEY and may_hold(value, _BEGINNINGS):
        return pattern(_ISSUED).sub(_issued, value)
    return value


def may_hold(value: str, parts: Iterable[str]) -> bool:
    """Whether one of these parts is in it."""
    for part in parts:  # noqa: SIM110 - on the way of every parameter, and any() costs as much as the looks
        if part in value:
            return True
    return False


def _issued(match: Match[str]) -> str:
    """A key begins where a word begins."""
    before = match.string[match.start() - 1 : match.start()]
    return match[0] if before.isalnum() and match.string[match.start() - 3 : match.start()] != "bot" else REDACTED


def _after_scheme(match: Match[str]) -> str:
    return match["before"] + REDACTED


def substitute(expression: str, decide: Callable[[Match[str]], str | None], value: str) -> str:
    """Put in what `decide` says; where that is None, look on right behind the name: what follows may be one, too."""
    parts, start = [], 0
    search = pattern(expression).search
    while match := search(value, start):
        instead = decide(match)
        end = match.end("name") if instead is None else match.end()
        parts.append(value[start:end] if instead is None else value[start : match.start()] + instead)
        start = end
    return "".join((*parts, value[start:]))


def _quoted(match: Match[str]) -> str | None:
    if not _tells(match["name"]) or is_placeholder(match["value"]) or only_fields(match) or user_of_pair(match):
        return None
    return f"{match['name']}{match['between']}{match['kind']}{match['quote']}{REDACTED}{match['quote']}"


def _pair(match: Match[str]) -> str | None:
    if not has_pair(match["name"]) or is_placeholder(match["value"]) or only_fields(match):
        return None
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def _said(match: Match[str]) -> str:
    if is_placeholder(match["value"]):
        return match[0]
    return f"{match['before']}{match['quote']}{REDACTED}{match['quote']}"


def has_pair(name: str) -> bool:
    """Whether two texts under the name are a user and a password."""
    return name.lower().endswith(("auth", "credentials", "creds"))


def user_of_pair(match: Match[str]) -> bool:
    """Whether a quoted text is the first of two."""
    if "(" not in match["between"] or not has_pair(match["name"]):
        return False
    return match.string[match.end() : match.end() + 40].lstrip().startswith(",")


def only_fields(match: Match[str]) -> bool:
    """Whether it is an f-string that says nothing but what is computed."""
    return "f" in match["kind"].lower() and "{" in match["value"]


def _bare(match: Match[str]) -> str | None:
    name, value = match["name"], match["value"]
    found = max(telling(part) for part in name.split("."))
    weak = found is not Telling.ANYTHING
    if not found or is_placeholder(value) or (weak and value in ("None", "True", "False", "null", "true", "false")):
        return None
    if weak and match["sign"] == ":" and not looks_issued(value):
        return None
    return f"{name}{match['between']}{REDACTED}"


def _flagged(match: Match[str]) -> str | None:
    if not _tells(match["name"]) or is_placeholder(match["value"]):
        return None
    return match[0][: -len(match["value"])] + REDACTED


def looks_issued(value: str) -> bool:
    """Whether a value is more likely given out by a service than a word of a language."""
    return " " not in value and (len(value) >= 16 or (len(value) >= 6 and any(sign.isdigit() for sign in value)))


@cache
def pattern(expression: str) -> Pattern[str]:
    """Compiled when it is first needed: importing the events stays cheap."""
    return re.compile(expression, re.DOTALL if expression is _PRIVATE_KEY else 0)
