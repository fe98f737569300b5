"""What a command has to say, to a person and to a program."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a command has to say: lines for a person, and the same for a program."""

    lines: list[str]
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    ok: bool = True

    def text(self) -> str:
        """Say it to a person."""
        return "\n".join(self.lines)

    def json(self) -> dict[str, Any]:
        """Say it to a program."""
        return self.told
