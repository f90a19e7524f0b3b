"""Which names tell of a secret, and which only look so."""

from __future__ import annotations

import pytest

from mltracker.events.secret_names import Telling, telling

PASSWORDS = """
    password PASSWORD DB_PASSWORD dbPassword db-password userPassword DBPASSWORD password1 passwd pwd passphrase secret
    client_secret clientSecret credentials smtp_pass pass secret_value MY_SECRETS
"""
KEYS = """
    token HF_TOKEN hfToken access_token auth_token session_token GITHUB_TOKEN api_key apiKey APIKey api-key apikey
    OPENAI_API_KEY aws_secret_access_key secret_key private_key authorization bearer auth cookie access_tokens
    --api-key oauth2_token token_2
"""
HARMLESS = """
    tokens max_tokens num_tokens tokenizer tokenizer_name token_dim token_type token_ids pad_token eos_token bos_token
    unk_token mask_token cls_token sep_token image_token start_token next_token n_token special_token key keys
    key_padding_mask sort_key secretary hash sha256 password_file token_path secret_name use_auth_token no_token
    author authority forward_pass passes lr monkey keyword hotkey
"""


@pytest.mark.parametrize("name", PASSWORDS.split())
def test_a_number_under_it_is_a_secret_too(name: str) -> None:
    assert telling(name) is Telling.ANYTHING


@pytest.mark.parametrize("name", KEYS.split())
def test_text_under_it_is_a_secret(name: str) -> None:
    assert telling(name) is Telling.TEXT


@pytest.mark.parametrize("name", [*HARMLESS.split(), "", "-", "2", "λ"])
def test_it_tells_nothing(name: str) -> None:
    assert telling(name) is Telling.NOTHING
