"""What a user plugs in: `from keepfit import Column, Gate, Project, Target`."""

from keepfit.gates import Gate
from keepfit.spec import Column, Project, Target

VERSION = "0.1.0"
"""Keepfit's own; what serves is called by the registry's number."""

__all__ = ["Column", "Gate", "Project", "Target"]
