"""The colours of the style sheet stand out from their grounds, in the light and in the dark."""

import re
from itertools import product

import pytest

from monitoring.console.rendering import HERE

SHEET = (HERE / "static" / "console.css").read_text(encoding="utf-8")
GROUNDS = ("paper", "raised")
WASHES = {"fine": "fine-wash", "alarm": "alarm-wash", "refused": "refused-wash"}
INKS = ("unsure-wash", "fine-wash", "alarm-wash", "refused-wash", "heat-1", "heat-2", "heat-3", "heat-4")
"""Grounds on which the ink stands."""
INVERTED = (("paper", "link"), ("paper", "ink"))
"""The text of a button, and of the link that skips."""


def light(colour: str) -> float:
    """Tell how light a colour is: the relative luminance of WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Say the contrast ratio of WCAG 2.2, from 1 to 21."""
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def palette(scheme: str) -> dict[str, str]:
    """Read the colours of a scheme; what the dark one does not say is as in the light."""
    first, second = re.findall(r":root \{(.*?)\n *\}", SHEET, re.DOTALL)[:2]
    named = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in (first, second)]
    return named[0] if scheme == "light" else named[0] | named[1]


def used(what: str) -> set[str]:
    return set(re.findall(rf"(?<![\w-])(?:{what}): (?:[\w.]+ )*var\(--([\w-]+)\)", SHEET))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(scheme: str) -> None:
    colours = palette(scheme)
    texts = used("color|fill(?=: var[^}]*font)") - {"paper"}
    assert {"ink", "soft", "link", "fine", "alarm", "refused"} <= texts
    pairs = [*product(texts, GROUNDS), *WASHES.items(), *(("ink", ground) for ground in INKS), *INVERTED]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(*(colours[name] for name in pair))) < 4.5}
    assert weak == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_line_and_shape_stands_out_from_its_ground(scheme: str) -> None:
    colours = palette(scheme)
    drawn = (used("stroke|fill|border|outline") | used("--colour")) - {"paper", "raised", "rule", "colour"}
    # Areas behind a text or between lines, which say nothing alone.
    drawn -= {name for name in drawn if name.endswith("-wash")}
    assert {"first", "second", "third", "event-drift", "event-refusal"} <= drawn
    weak = {
        pair: ratio
        for pair in product(drawn, GROUNDS)
        if (ratio := contrast(*(colours[name] for name in pair))) < 3
    }
    assert weak == {}


def test_no_colour_stands_outside_of_the_palette() -> None:
    rules = re.sub(r":root \{.*?\n *\}", "", SHEET, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == ["#fff"]  # Evidently's page is always light
