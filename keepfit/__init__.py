"""What a user plugs in: `from keepfit import Column, Gate, Project, Retraining, Suspicion, Target`."""

from keepfit.gates import Gate
from keepfit.retraining import Retraining
from keepfit.spec import Column, Project, Target
from keepfit.suspicion import Suspicion

VERSION = "0.1.0"
"""Keepfit's own; what serves is called by the registry's number."""

__all__ = ["Column", "Gate", "Project", "Retraining", "Suspicion", "Target"]
