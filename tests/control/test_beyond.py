import os
from pathlib import Path

import pytest

from control.beyond import reached_by_others
from data.apikeys import make_api_key, revoke_api_key
from keepfit.errors import StackError
from keepfit.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an API key, and nothing else that a person set."""
    for name in [name for name in os.environ if name.startswith("KEEPFIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEEPFIT_HOME", str(tmp_path))
    monkeypatch.setenv("KEEPFIT_NAME", "localhost")
    make_api_key(Settings(home=tmp_path).api_keys_file, "somebody", ["operate"])
    return tmp_path


@pytest.mark.usefixtures("home")
def test_without_tls_it_is_refused_and_both_ways_are_named() -> None:
    with pytest.raises(StackError, match=r"KEEPFIT_TLS_CERT.*KEEPFIT_CLEARTEXT=true"):
        reached_by_others()


def test_without_a_key_that_is_valid_it_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPFIT_CLEARTEXT", "true")
    revoke_api_key(Settings(home=home).api_keys_file, "somebody")
    with pytest.raises(StackError, match="bin/keepfit keys make NAME --role read --role operate"):
        reached_by_others()


@pytest.mark.usefixtures("home")
def test_a_name_that_leads_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPFIT_CLEARTEXT", "true")
    monkeypatch.setenv("KEEPFIT_NAME", "keepfit.invalid")
    with pytest.raises(StackError, match=r"KEEPFIT_NAME='keepfit.invalid'"):
        reached_by_others()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("host", "listens"), [(None, "0.0.0.0"), ("127.0.0.1", "127.0.0.1")])
def test_it_listens_to_all_or_as_it_is_told_and_asks_for_keys(
    host: str | None, listens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPFIT_CLEARTEXT", "true")
    monkeypatch.setenv("KEEPFIT_ACCESS", "local")
    if host is not None:  # a proxy on this machine ends TLS
        monkeypatch.setenv("KEEPFIT_HOST", host)
    settings = reached_by_others()
    assert (settings.host, settings.asks_keys) == (listens, True)
