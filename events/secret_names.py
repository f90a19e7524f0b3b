"""Which names tell of a secret: by their words, so that `max_tokens`, `pad_token` and `tokenizer` do not."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


class Telling(IntEnum):
    """How much a name tells."""

    NOTHING = 0
    TEXT = 1
    """Text under it is a secret; a number is a count."""
    ANYTHING = 2
    """A number under it is a secret, too."""


_SECRETS = words("password passwords passwd pwd passphrase passcode secret secrets credential credentials cred creds")
_KEYS = words("apikey apikeys secretkey accesskey privatekey authkey authtoken accesstoken bearer authorization "
                  "cookie cookies auth oauth jwt")  # fmt: skip
_COMPOUND = ("password", "passwd", "passphrase", "secret")
_COMPOUND_KEYS = ("apikey", "secretkey", "privatekey", "accesskey")
_COMPOUND_TOKENS = ("accesstoken", "authtoken", "apitoken", "hftoken", "bottoken", "sessiontoken", "refreshtoken")
_KEY_KINDS = words(
    "access account api auth client deploy encryption host license master private secret security service session "
    "shared signing ssh storage subscription webhook "
    "anthropic aws azure comet gcp github gitlab huggingface neptune openai sendgrid stripe twilio wandb"
)
_TOKEN_KINDS = words("access api auth bearer csrf github gitlab hf id oauth refresh session slack")
_TOKENS_OF_TEXT = words(
    "added additional audio begin beginning blank bos byte char class cls content context control current decoder "
    "decoding dist distillation domain dummy empty encoder end eod eof eol eos eot extra fill filler first function "
    "global image in init input instruction lang language last latent line mask masked max memory min mode modality "
    "n new next noise null num number oov other out output pad padding per predicted prefix previous prev prompt "
    "query register response role separator sep sentinel software sos source special speech start stop suffix sum "
    "summary system target task test text thinking timestamp top total train unk unknown use user video vision vocab "
    "word"
)
_PASS_OF = words("admin database db ftp imap ldap mail mysql pg postgres redis root smtp user")
_SWITCHES = words("disable enable has have ignore is need needs no no_ require show skip use with without")
_VALUES = words("plain plaintext str string text value")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


@lru_cache(maxsize=4096)
def telling(name: str) -> Telling:
    """What a name, in any spelling (`DB_PASSWORD`, `apiKey`, `--client-secret`), tells of its value."""
    parts = [word.lower() for word in _WORD.findall(name)]
    while len(parts) > 1 and parts[-1] in _VALUES:
        parts.pop()
    if not parts or (len(parts) > 1 and parts[0] in _SWITCHES):
        return Telling.NOTHING
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last in _SECRETS or last.endswith(_COMPOUND) or (last in ("pass", "pw") and before in {*_PASS_OF, ""}):
        return Telling.ANYTHING
    if last in _KEYS or last.endswith(_COMPOUND_KEYS + _COMPOUND_TOKENS):
        return Telling.TEXT
    if parts[-3:] == ["access", "key", "id"]:
        return Telling.TEXT
    if last == "seed" and before in ("totp", "otp", "mfa"):
        return Telling.ANYTHING
    if last in ("key", "keys"):
        return Telling.TEXT if before in _KEY_KINDS else Telling.NOTHING
    if last == "tokens":
        return Telling.TEXT if before in _TOKEN_KINDS else Telling.NOTHING
    if last == "token" and before not in _TOKENS_OF_TEXT:
        return Telling.TEXT
    return Telling.NOTHING
