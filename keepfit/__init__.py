"""What a user plugs in: `from keepfit import Column, Gate, Project, Target`."""

from keepfit.gates import Gate
from keepfit.spec import Column, Project, Target

__all__ = ["Column", "Gate", "Project", "Target"]
