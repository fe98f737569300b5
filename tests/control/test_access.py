import json
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from typer.testing import CliRunner

from control.cli import app
from data import audit
from data.apikeys import ApiKeys, read_keys
from data.store import Store
from keepfit.errors import KeyUnknown, StateError
from keepfit.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KEEPFIT_HOME", str(tmp_path))
    return Settings.from_env()


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["keys", *words], catch_exceptions=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_key_that_was_made_is_printed_once_and_works(settings: Settings) -> None:
    text, told = said("make", "shop", "--role", "predict", "--role", "feedback", "--rate", "50").splitlines()
    assert told.startswith("the key shop may predict and feedback, 50 times a second; it is shown this once")
    key = ApiKeys(settings.api_keys_file).of(text.encode())
    assert key is not None
    assert (key.roles, key.rate) == (("predict", "feedback"), 50)
    assert text not in said("list")


def test_a_list_says_what_each_key_may_and_whether_it_still_may(settings: Settings) -> None:
    said("make", "shop", "--role", "predict", "--expires", "90d")
    said("make", "old", "--role", "read")
    said("revoke", "old")
    keys = json.loads(said("list", "--json"))["keys"]
    assert [(key["name"], key["state"], key["roles"]) for key in keys] == [
        ("shop", "valid", ["predict"]),
        ("old", "revoked", ["read"]),
    ]
    assert "old   revoked  read" in said("list")
    assert settings.api_keys_file.exists()


def test_who_made_and_who_revoked_a_key_stands_in_the_audit_log(settings: Settings) -> None:
    text = said("make", "shop", "--role", "predict", "--reason", "the new shop").splitlines()[0]
    said("revoke", "shop", "--reason", "it leaked")
    store = Store(settings.store_url)
    with store.reading() as connection:
        revoked, made = audit.last_entries(connection, 2)
    store.close()
    assert (made.what, made.why, made.who) == ("api key made", "the new shop", audit.oneself())
    assert json.loads(made.after or "") == {"name": "shop", "number": 1, "roles": ["predict"], "rate": None}
    assert (revoked.what, revoked.why) == ("api key revoked", "it leaked")
    assert text not in str(made)


def test_a_key_that_cannot_be_noted_is_not_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPFIT_DATABASE_URL", f"sqlite:///{settings.home / 'nothing' / 'store.db'}")
    (settings.home / "nothing").write_text("no folder")
    with pytest.raises((StateError, OSError, SQLAlchemyError)):
        said("make", "shop", "--role", "predict")
    assert read_keys(settings.api_keys_file) == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["make", "shop", "--role", "all"], "--role all: expected one of predict, feedback, read, operate"),
        (["revoke", "shop"], "no key shop is in use; in use are: none"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_what_cannot_be_done_is_said_in_a_sentence(words: list[str], told: str) -> None:
    with pytest.raises(KeyUnknown, match=told):
        said(*words)
