import errno
import os

import pytest

from control import cli


def test_a_full_disk_ends_a_command_in_a_sentence_that_names_the_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "var/releases/champion.json")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = "keepfit: var/releases/champion.json: No space left on device; free space there and run it again\n"
    assert capsys.readouterr().err == said
