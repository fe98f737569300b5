"""The rule about sources of labels, as a project writes it."""

import re
from typing import Any

import pytest

from keepfit import Suspicion
from keepfit.errors import ProjectRefused
from tests.making import project


def test_without_a_rule_nothing_is_held() -> None:
    assert not project().suspicion.hold


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shift": 0.0}, "Suspicion(shift=0.0): give a share above 0 and up to 1"),
        ({"repeated": 2}, "Suspicion(repeated=2): give a share above 0 and up to 1"),
        ({"p_value": float("nan")}, "Suspicion(p_value=nan): give a share above 0 and up to 1"),
        ({"times_its_past": 1}, "Suspicion(times_its_past=1): give a number above 1"),
        ({"labels_per_hour": 0}, "Suspicion(labels_per_hour=0): give a number above 0, or None"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Suspicion(**given)


def test_a_project_takes_no_other_rule() -> None:
    with pytest.raises(ProjectRefused, match=r"suspicion: write such as Suspicion\(hold=True\), got True"):
        project(suspicion=True)
