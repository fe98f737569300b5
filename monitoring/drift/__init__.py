"""Has the world moved: two windows -> DriftVerdict."""

from monitoring.drift.two_windows import judge, judge_examples
from monitoring.drift.verdicts import DriftVerdict, Finding, Limits, cannot_say

__all__ = ["DriftVerdict", "Finding", "Limits", "cannot_say", "judge", "judge_examples"]
