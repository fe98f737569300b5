from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from keepfit.errors import StackError
from keepfit.settings import Settings

texts = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)
anything = st.builds(
    Settings,
    home=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), max_size=3).map(lambda p: Path("/", *p)),
    host=texts,
    serving_port=st.integers(1, 65535),
    workers=st.integers(1, 64),
    project_name=st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True),
    database_url=st.none() | texts,
    replay=st.booleans(),
    journal_bytes=st.integers(1, 2**40),
    poll_s=st.floats(1e-3, 1e6),
    confirm_s=st.floats(1e-3, 1e6),
)


@given(there=anything)
@hypothesis(deadline=None)
def test_a_child_process_reads_what_its_parent_told(there: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, text in there.environment().items():
            patch.setenv(variable, text)
        assert Settings.from_env() == there


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("KEEPFIT_SERVING_PORT", "http", "a whole number above 0"),
        ("KEEPFIT_WORKERS", "2.5", "a whole number above 0"),
        ("KEEPFIT_CONNECTIONS", "0", "a whole number above 0"),
        ("KEEPFIT_CAPTURE_SHARE", "1.5", "a share above 0 and up to 1"),
        ("KEEPFIT_LOG", "xml", "one of text, json"),
        ("KEEPFIT_CAPTURE", "always", "one of optional, required"),
        ("KEEPFIT_DURABILITY", "sync", "one of process, fsync"),
        ("KEEPFIT_CONFIRM_S", "soon", "a number above 0"),
        ("KEEPFIT_CONFIRM_S", "nan", "a number above 0"),
        ("KEEPFIT_POLL_S", "inf", "a number above 0"),
        ("KEEPFIT_REPLAY", "perhaps", "true or false"),
    ],
)
def test_a_variable_of_the_wrong_kind_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(StackError) as refusal:
        Settings.from_env()
    assert str(refusal.value) == f"{variable}={text!r}: expected {expected}; correct it or unset it"


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("1", True), ("FALSE", False), ("0", False)])
def test_truths_are_written_in_the_usual_ways(
    monkeypatch: pytest.MonkeyPatch, text: str, meant: bool
) -> None:
    monkeypatch.setenv("KEEPFIT_REPLAY", text)
    assert Settings.from_env().replay is meant


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPFIT_WORKERS", "")
    assert Settings.from_env().workers == Settings().workers


def test_a_home_is_found_from_any_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPFIT_HOME", "state")
    assert Settings.from_env().home == tmp_path / "state"


def test_the_keys_are_in_the_home_unless_they_are_said_to_be_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_home = Settings(home=tmp_path)
    assert at_home.key_file == tmp_path / "keys" / "signing.pem"
    assert at_home.trusted_folder == tmp_path / "keys" / "trusted"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPFIT_SIGNING_KEY", "/elsewhere/key.pem")
    monkeypatch.setenv("KEEPFIT_TRUSTED_KEYS", "friends")
    told = Settings.from_env()
    assert (told.key_file, told.trusted_folder) == (Path("/elsewhere/key.pem"), tmp_path / "friends")


def test_every_project_has_folders_of_its_own() -> None:
    there = Settings(home=Path("/home"))
    folders = [
        place(name)
        for name in ("flights", "churn")
        for place in (there.journal, there.releases, there.snapshots, there.landing, there.reports)
    ]
    assert len(set(folders)) == len(folders)
