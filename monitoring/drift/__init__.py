"""Has the world moved: two windows -> DriftVerdict."""

from typing import TYPE_CHECKING

from monitoring.drift.verdicts import DriftVerdict, Finding, Limits, cannot_say

if TYPE_CHECKING:
    from monitoring.drift.two_windows import judge, judge_examples

__all__ = ["DriftVerdict", "Finding", "Limits", "cannot_say", "judge", "judge_examples"]


def __getattr__(name: str) -> object:
    # Of rows, and so with pandas: who judges what was counted before does not wait for it.
    if name in ("judge", "judge_examples"):
        from monitoring.drift import two_windows

        return getattr(two_windows, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
