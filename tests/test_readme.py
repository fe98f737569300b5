"""The documents are true: their examples run, their messages are real, their commands and links exist."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.main import get_command

from control.cli import app
from data.intake import Origin, kind_of_file, take_rows
from keepfit import Project
from keepfit.errors import ProjectRefused
from keepfit.loading import load_project
from keepfit.settings import ROOT, Settings
from serving.contract import (
    FeedbackAnswer,
    PredictAnswer,
    Schema,
    read_feedback_request,
)
from serving.exchange import refused
from serving.refusal import Refused
from serving.typed import TypedRows
from tasks.check import check_project

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def exchanges(text: str) -> Iterator[tuple[str, str]]:
    """Pair each command of the console blocks with what it printed."""
    for block in blocks("console", text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, told = part.partition("\n")
            yield command, told.strip()


def body(command: str) -> bytes:
    """Take what curl sends."""
    (found,) = re.findall(r"--json '([^']*)'", command)
    return found.encode()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    (source,) = blocks("python")
    file = tmp_path_factory.mktemp("readme") / "churn.py"
    file.write_text(source, encoding="utf-8")
    return load_project(str(file))


def answer_of(project: Project, command: str) -> bytes:
    try:
        TypedRows(Schema(project.features, project.target)).read(body(command), Settings().rows)
    except Refused as refusal:
        return refused(refusal).body
    pytest.fail(f"README shows a refusal of what is answered: {command}")


def test_the_project_of_the_readme_has_15_lines() -> None:
    assert len(blocks("python")[0].splitlines()) == 15


def test_the_project_of_the_readme_passes_its_check(project: Project) -> None:
    assert [trial for trial in check_project(project) if trial.objection] == []


def test_the_refusals_of_requests_are_what_the_server_says(project: Project) -> None:
    shown = [(command, told) for command, told in exchanges(README) if '"error"' in told]
    assert len(shown) >= 2
    for command, told in shown:
        assert answer_of(project, command).decode() == told


def test_the_refusal_of_a_project_is_what_the_command_says(project: Project) -> None:
    with pytest.raises(ProjectRefused) as refusal:
        replace(project, gates=[])
    assert f"keepfit: {refusal.value}" in README


def test_the_requests_of_the_readme_are_taken_and_its_answers_have_the_shape_of_the_contract(
    project: Project,
) -> None:
    (predict, predicted), (feedback, acknowledged) = exchanges(section("Over HTTP"))
    (row,) = TypedRows(Schema(project.features, project.target)).read(body(predict), 1)
    assert row.reference_id == "customer-9"
    assert set(json.loads(predicted)) == set(PredictAnswer.__struct_fields__)
    assert len(read_feedback_request(body(feedback), 1).labels) == 1
    assert set(json.loads(acknowledged)) == set(FeedbackAnswer.__struct_fields__)


def test_the_history_of_the_readme_is_taken_whole(project: Project) -> None:
    (text,) = blocks("csv")
    rows: list[dict[str, object]] = [dict(row) for row in csv.DictReader(io.StringIO(text))]
    assert kind_of_file(project, rows[0], "history.csv") == "rows"
    taken = take_rows(project, rows, Origin("history.csv"))
    assert (len(taken.predictions), taken.rejected) == (len(rows), [])
    assert {prediction.features["plan"] for prediction in taken.predictions} == {"basic", "family"}


def settings_told() -> list[tuple[str, str]]:
    """The settings of the README, of the service and of the page on security, with their defaults."""
    pages = [(ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("serving", "security")]
    tables = section("Settings") + "".join(p.split("\n## Settings\n")[1].split("\n## ")[0] for p in pages)
    return re.findall(r"^\| `KEEPFIT_(\w+)` \| ([^|]+) \|", tables, re.MULTILINE)


def test_every_setting_is_in_a_table_and_the_other_way_round() -> None:
    assert sorted(name.lower() for name, _ in settings_told()) == sorted(
        field.name for field in fields(Settings)
    )


def test_the_defaults_of_the_settings_are_the_real_ones() -> None:
    for name, told in settings_told():
        default = getattr(Settings(), name.lower())
        if told.startswith("`") and name != "HOME":
            assert told.strip("`") in {str(default), str(default).lower()}, name
        else:
            assert name == "HOME" or default is None, name


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        typed = "\n".join([*re.findall(r"`[^`\n]+`", text), *blocks("", text)])
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", typed, re.MULTILINE)) <= targets, document


def test_every_command_that_a_document_names_exists() -> None:
    commands = set(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    for document in DOCUMENTS:
        named = re.findall(r"bin/keepfit ([a-z]+(?:-[a-z]+)*)", document.read_text(encoding="utf-8"))
        assert set(named) <= commands, document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    relative = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in relative if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_and_test_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(
        r"`(?:\.venv/bin/pytest )?([\w/]+\.(?:py|yaml|toml))`", document.read_text(encoding="utf-8")
    )
    missing = [name for name in named if "/" in name and not (ROOT / name).exists()]
    assert missing == []
