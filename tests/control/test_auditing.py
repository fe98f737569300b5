"""`bin/keepfit audit` as it is run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from control.auditing import listed, verified
from control.safekeeping import backup
from data.audit import Change, append
from data.promotions import Ledger, Promotion
from data.store import Store
from keepfit.errors import StateError
from keepfit.settings import ROOT, Settings
from tests.making import NOON


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a home of its own, with two entries in its log."""
    monkeypatch.setenv("KEEPFIT_HOME", str(tmp_path / "home"))
    made = Store(Settings.from_env().store_url)
    with made.transaction() as connection:
        append(connection, Change(what="api key made", why="a test", who="ann@box", after={"name": "bob"}))
    first = Promotion(kind="retrain", version=1, digest="d", reason="drift", as_of=NOON)
    Ledger(made, "made", who="root@box").append(first, None)
    yield made
    made.close()


def forge(store: Store, statement: str) -> None:
    with store.transaction() as connection:
        connection.execute(text("DROP TRIGGER audit_no_UPDATE"))
        connection.execute(text(statement))


def keepfit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "control.cli", "audit", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.usefixtures("store")
def test_the_command_prints_who_did_what_and_why() -> None:
    done = keepfit()
    assert done.returncode == 0, done.stderr
    assert "api key made, by ann@box, because: a test\n" in done.stdout
    assert '    after   {"name": "bob"}\n' in done.stdout
    assert "made: promoted, by root@box, because: drift" in done.stdout


@pytest.mark.usefixtures("store")
def test_entries_can_be_asked_for_by_project_and_by_number() -> None:
    assert [entry["what"] for entry in listed(None, 1).told["entries"]] == ["promoted"]
    assert [entry["what"] for entry in listed("made", 20).told["entries"]] == ["promoted"]
    assert listed("other", 20).told["entries"] == []


@pytest.mark.usefixtures("store")
def test_a_log_that_holds_is_said_with_its_head_which_a_backup_names_too() -> None:
    done = keepfit("--verify", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], told["head"]["entries"]) == (True, 2)
    assert told["head"]["hash"] == listed(None, 1).told["entries"][0]["hash"]
    assert backup(None).told["audit"] == told["head"]
    assert verified(told["head"]["hash"]).ok


def test_the_few_lines_in_the_docs_check_a_log_too(store: Store) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/audit.md").read_text(encoding="utf-8"), re.DOTALL
    )
    code = code.replace("var/keepfit.db", str(Settings.from_env().home / "keepfit.db"))
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    forge(store, "UPDATE audit SET who = 'nobody' WHERE number = 1")
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).stderr.endswith(
        b"Error: 1\n"
    )


def test_a_log_that_was_changed_ends_the_command_with_1_and_names_the_entry(store: Store) -> None:
    forge(store, "UPDATE audit SET who = 'nobody' WHERE number = 1")
    done = keepfit("--verify")
    assert done.returncode == 1
    assert done.stdout == (
        "the audit log does not hold: entry 1 was changed: its hash is not that of what it says\n"
    )


@pytest.mark.usefixtures("store")
def test_a_head_that_the_log_never_had_is_refused() -> None:
    answer = verified("f" * 64)
    assert not answer.ok
    assert "no entry has the hash ffff" in answer.text()


def test_what_is_no_head_is_refused_with_where_to_find_one() -> None:
    with pytest.raises(StateError, match="--head abc: is no head of an audit log; give the 64 digits that"):
        verified("abc")
