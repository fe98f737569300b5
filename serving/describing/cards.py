"""One route, written for people: what it takes, a command to copy, what it answers."""

import re
import shlex
from collections.abc import Iterator
from typing import cast

from msgspec.json import encode, format

from keepfit.spec import LARGEST
from serving.describing.markup import Markup, joined, prose, tag
from serving.describing.operations import JSON_MEDIA
from serving.describing.schemas import Json

_SEGMENT = re.compile(r"\{(\w+)\}")
_LONG = 84
"""A JSON value of more characters is written over several lines."""


def card(document: Json, method: str, path: str, told: Json, url: str) -> Markup:
    """Write what a document has of a route; its commands begin with `url`."""
    address = _SEGMENT.sub(lambda found: _segment_value(told, found[1]), path)
    name = told["operationId"]
    return tag(
        "article",
        tag("h3", badge(method), " ", breakable(path), tag("a", "#", href=f"#{name}", aria_label="Link")),
        tag("p", prose(told["summary"] + "."), class_="summary"),
        tag("p", prose(told["description"])) if "description" in told else "",
        _parameters(told["parameters"]),
        *_asking(method, f"{url}{address}", told),
        *_answering(told),
        _statuses(document, told),
        id=name,
    )


def _segment_value(told: Json, name: str) -> str:
    (schema,) = (p["schema"] for p in told["parameters"] if p["name"] == name and p["in"] == "path")
    return str(schema.get("enum", [name.upper()])[0])


def badge(method: str) -> Markup:
    """Mark a method."""
    return tag("span", method, class_=f"method {method.lower()}")


def breakable(path: str) -> Markup:
    """Write a path that may go on in the next line before a slash."""
    first, *parts = path.split("/")
    return tag("code", first, *(joined([Markup("<wbr>"), f"/{part}"]) for part in parts))


def _parameters(parameters: list[Json]) -> Markup:
    rows = [
        tag(
            "tr",
            tag("th", tag("code", told["name"]), scope="row"),
            tag("td", told["in"], class_="note"),
            tag("td", prose(told.get("description", in_words(told["schema"])))),
        )
        for told in parameters
    ]
    return tag("div", tag("table", tag("tbody", *rows)), class_="wide") if rows else Markup()


def _asking(method: str, url: str, told: Json) -> Iterator[Markup]:
    """Write a command for each example, to copy."""
    content = told.get("requestBody", {}).get("content", {})
    if not content:
        asks = "" if method == "GET" else f"-X {method} "
        yield _command(f"curl -s {asks}{shlex.quote(url)}", "Ask")
    for media, body in content.items():
        for name, example in body.get("examples", {}).items():
            value = example["value"]
            text = value if isinstance(value, str) else as_json(value)
            sends = "--json" if media == JSON_MEDIA else f"-H 'Content-Type: {media}' --data-binary"
            yield _command(f"curl -s {shlex.quote(url)} {sends} {shlex.quote(text)}", f"Ask: {name}")


def _command(text: str, label: str) -> Markup:
    copy = tag("button", "Copy", type="button", hidden=True, aria_label=f"Copy the command ({label})")
    caption = tag("figcaption", label, copy)
    return tag("figure", caption, tag("pre", tag("code", text), tabindex="0", class_="ask"))


def _answering(told: Json) -> Iterator[Markup]:
    for status, answer in told["responses"].items():
        for body in answer.get("content", {}).values():
            for name, example in body.get("examples", {}).items():
                value = example["value"]
                text = value if isinstance(value, str) else as_json(value)
                caption = tag("figcaption", f"Answer {status}: {name}")
                yield tag("figure", caption, tag("pre", tag("code", text), tabindex="0"))


def _statuses(document: Json, told: Json) -> Markup:
    shared = document["components"]["responses"]
    rows = [
        tag("tr", tag("th", status, scope="row"), tag("td", prose(_response(shared, answer)["description"])))
        for status, answer in told["responses"].items()
    ]
    statuses = ", ".join(told["responses"])
    return tag("details", tag("summary", f"Statuses: {statuses}"), tag("table", tag("tbody", *rows)))


def _response(shared: Json, answer: Json) -> Json:
    return shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


def in_words(schema: Json) -> str:
    """Say in words which values a schema takes."""
    if "enum" in schema:
        values = [value for value in schema["enum"] if value not in ("", None)]
        if values and values[0] is True:
            return "true or false"
        return ("one of " if len(values) > 1 else "") + ", ".join(map(as_json, values))
    kinds = schema.get("type", "any value")
    kind = next(k for k in kinds if k != "null") if isinstance(kinds, list) else kinds
    if kind == "string":
        return "text"
    if kind != "number":
        return kind
    low, high = schema.get("minimum", -LARGEST), schema.get("maximum", LARGEST)
    least = f" from {low:g}" if low > -LARGEST else ""
    return f"a number{least}" + (f" to {high:g}" if high < LARGEST else "")


def as_json(value: object, indent: int = 0) -> str:
    """Write JSON as a person would: what is short stays on its line."""
    short = format(encode(value), indent=0).decode()
    if len(short) + indent <= _LONG or not isinstance(value, dict | list):
        return short
    if isinstance(value, dict):
        named = cast("dict[str, object]", value).items()
        parts = [f"{as_json(key)}: {as_json(part, indent + 2)}" for key, part in named]
    else:
        parts = [as_json(part, indent + 2) for part in cast("list[object]", value)]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    lines = ",\n".join(f"{' ' * (indent + 2)}{part}" for part in parts)
    return f"{opens}\n{lines}\n{' ' * indent}{closes}"
