"""HTML as text that cannot be mistaken: what is not markup already is escaped."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, *inner: str, **attributes: str | bool | None) -> Markup:
    """Write an element; `class_` is `class`, `data_x` is `data-x`, False and None leave an attribute out."""
    written = "".join(
        f" {key.strip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value not in (None, False)
    )
    return Markup(f"<{name}{written}>{joined(inner)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Put parts in a row: markup as it is, other text escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def prose(text: str) -> Markup:
    """Write a sentence in which `words` are code."""
    parts = text.split("`")
    return joined(tag("code", part) if number % 2 else part for number, part in enumerate(parts))
