"""The page at /docs: an OpenAPI document for people to read, whole in itself.

It asks for nothing that is elsewhere, and its policy forbids it to: it works where there is no internet.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from serving.describing.cards import as_json, badge, breakable, card, in_words
from serving.describing.markup import Markup, joined, prose, tag
from serving.describing.schemas import Json

_STATIC = Path(__file__).parent / "static"
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def policy() -> tuple[tuple[bytes, bytes], ...]:
    """Let the page's own style and script run, and nothing else."""
    rules = f"default-src 'none'; style-src {_hash('handbook.css')}; script-src {_hash('handbook.js')}"
    rules += "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return (
        (b"content-security-policy", rules.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )


def page(document: Json, host: str) -> str:
    """Write a document as a page; its commands ask `host`, where that is one."""
    url = f"http://{host if _HOST.fullmatch(host) else 'localhost'}"
    operations = list(_operations(document))
    main = [_model(document), *(_contract(name, document, operations, url) for name in _contracts(document))]
    title = document["info"]["title"]
    body = joined(
        [
            tag("a", "Skip to the routes", href="#main", class_="skip"),
            _banner(document),
            tag(
                "div",
                _menu(document, operations),
                tag("main", *main, _schemas(document), id="main", tabindex="-1"),
                class_="page",
            ),
            tag("script", Markup(_static("handbook.js"))),
        ]
    )
    head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
            tag("title", f"{title} - how to ask it"),
            tag("style", Markup(_static("handbook.css"))),
        ]
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


@cache
def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_static(name).encode()).digest()).decode()}'"


def _contracts(document: Json) -> list[str]:
    return [told["name"] for told in document["tags"]]


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _banner(document: Json) -> Markup:
    about = document["info"]
    return tag(
        "header",
        tag("p", "Keepfit", class_="brand"),
        tag("h1", about["title"]),
        tag("p", prose(about["description"]), class_="intro"),
        tag(
            "p",
            "For tools: ",
            tag("a", "the OpenAPI 3.1 document", href="/openapi.json"),
            ". For a look at the workers: ",
            tag("a", "/v1/model", href="/v1/model"),
            ", ",
            tag("a", "/metrics", href="/metrics"),
            ".",
            class_="note",
        ),
    )


def _menu(document: Json, operations: list[tuple[str, str, Json]]) -> Markup:
    parts = [tag("p", tag("a", "The model", href="#model"))]
    for name in _contracts(document):
        links = [
            tag("li", tag("a", badge(method), " ", breakable(path), href=f"#{told['operationId']}"))
            for method, path, told in operations
            if name in told["tags"]
        ]
        parts.append(joined([tag("p", name), tag("ul", *links)]))
    parts.append(tag("p", tag("a", "Schemas", href="#schemas")))
    return tag("nav", *parts, aria_label="Routes")


def _model(document: Json) -> Markup:
    schemas = document["components"]["schemas"]
    features = schemas["Features"]
    example = _first_row(document)
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Feature", "Takes", "", "Example")))
    required = set(features.get("required", []))
    rows = [
        tag(
            "tr",
            tag("th", tag("code", name), scope="row"),
            tag("td", in_words(schema)),
            tag("td", "required" if name in required else "optional", class_="note"),
            tag("td", tag("code", as_json(example[name])) if name in example else ""),
        )
        for name, schema in features.get("properties", {}).items()
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide", tabindex="0")
    output = schemas["Output"]
    # Classes are the project's text: only our own sentence may mark code in it.
    told = joined([prose(output["description"].removesuffix(".")), f": {in_words(output)}."])
    return tag(
        "section",
        tag("h2", "The model"),
        tag("p", "One row has these features.") if rows else tag("p", features["description"]),
        table if rows else "",
        tag("p", tag("strong", "It answers."), " ", told),
        id="model",
    )


def _first_row(document: Json) -> dict[str, Any]:
    asked = document["paths"].get("/v1/predict", {}).get("post", {}).get("requestBody", {})
    for body in asked.get("content", {}).values():
        for example in body.get("examples", {}).values():
            return example["value"]["rows"][0]["features"]
    return {}


def _contract(name: str, document: Json, operations: list[tuple[str, str, Json]], url: str) -> Markup:
    mine = [each for each in operations if name in each[2]["tags"]]
    return tag("section", tag("h2", name), *(card(document, *each, url) for each in mine))


def _schemas(document: Json) -> Markup:
    told = [
        tag(
            "details",
            tag("summary", tag("code", name)),
            tag("pre", tag("code", as_json(schema)), tabindex="0"),
            id=f"schema-{name}",
        )
        for name, schema in document["components"]["schemas"].items()
    ]
    intro = tag("p", "What the bodies look like, as JSON Schema 2020-12.")
    return tag("section", tag("h2", "Schemas"), intro, *told, id="schemas")
