from pathlib import Path

import pytest

from data.credentials import credentials, credentials_file
from keepfit.errors import StateError
from keepfit.settings import Settings


def test_on_this_machine_alone_there_are_none(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert credentials(settings) is None
    assert not credentials_file(settings).exists()


@pytest.mark.parametrize("access", ["local", "keys", "anyone"])
def test_beyond_it_they_are_made_once_and_kept(tmp_path: Path, access: str) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0", access=access)
    made = credentials(settings)
    assert made is not None
    assert made == credentials(settings)
    assert len({made.prefect, made.mlflow, made.mlflow_forms}) == 3


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, access="keys")
    credentials(settings)
    credentials_file(settings).chmod(0o640)
    with pytest.raises(StateError, match=r"servers\.json: others than its owner may read it"):
        credentials(settings)


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, access="keys")
    credentials(settings)
    credentials_file(settings).write_text("{}")
    with pytest.raises(StateError, match=r"servers\.json: holds no credentials; remove it"):
        credentials(settings)
