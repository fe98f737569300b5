"""The policy of retraining."""

from datetime import timedelta
from typing import Any

import pytest

from keepfit import Retraining


@pytest.mark.parametrize(
    "given",
    [
        {"every": 28},
        {"every": timedelta()},
        {"cool_down": None},
        {"cool_down": -timedelta(days=1)},
        {"new_labels": 0},
        {"stop_after": 0},
        {"stop_after": 2.5},
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_field(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        Retraining(**given)
