"""How a way of answering did in a window."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from tasks.assess import report_folder, standing
from tests.making import loop
from tests.monitoring.windows_of import project, window


def test_only_rows_that_are_labelled_and_were_answered_are_scored() -> None:
    made = window(100)
    made.labelled[:30] = False
    made.outputs[50:60] = np.nan
    found = standing(project(), made, None, made.outputs)
    assert (found.version, found.rows) == (None, 60)
    assert found.scores["neg_log_loss"] > -1


def test_another_model_is_scored_on_the_rows_that_were_answered() -> None:
    made = window(100)
    made.outputs[:40] = np.nan
    chance = np.full_like(made.outputs, 0.5)
    found = standing(project(), made, 1, chance)
    assert (found.version, found.rows) == (1, 60)
    assert found.scores["neg_log_loss"] == pytest.approx(-np.log(2))


def test_a_window_without_such_a_row_has_no_score() -> None:
    made = window(10, labelled=np.zeros(10, dtype=bool))
    found = standing(project(), made, None, made.outputs)
    assert found.rows == 0
    assert np.isnan(found.scores["neg_log_loss"])


def test_a_moment_has_one_report_whatever_its_zone(tmp_path: Path) -> None:
    here = loop(tmp_path)
    at = datetime(2026, 3, 15, 1, 30, tzinfo=UTC)
    folder = report_folder(here, at.astimezone(timezone(-timedelta(hours=5))))
    here.store.close()
    assert folder == here.settings.reports(here.name) / "2026-03-15T013000Z"
