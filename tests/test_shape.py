"""The shape that ARCHITECTURE.md describes, held: what imports what, and what each module is called."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import keepfit

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"examples", "benchmarks", "tests"}
"""They stand where a user's project and its callers do: nothing in the packages may need them to run."""

PACKAGES = sorted({file.parent.name for file in ROOT.glob("*/__init__.py")} - OUTSIDE)

TOO_HEAVY_TO_SERVE = {
    *("prefect", "mlflow", "great_expectations", "evidently", "pandas", "sklearn"),
    *("sqlalchemy", "pyarrow", "onnx", "skl2onnx", "typer", "model_signing", "sigstore"),
}
TOO_HEAVY_TO_LOOK = {
    "prefect",
    "mlflow",
    "great_expectations",
    "evidently",
    "pandas",
    "sklearn",
    "onnxruntime",
}
SEEN_OF_SERVING = {"serving.contract", "serving.client", "serving.predictor"}


def modules(package: str) -> dict[str, Path]:
    files = (ROOT / package).rglob("*.py")
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in sorted(files)}


ALL = {name: file for package in PACKAGES for name, file in modules(package).items()}

DOORWAYS = {
    "cryptography": {"data.signatures", "data.signing"},
    "evidently": {"monitoring.drawing"},
    "great_expectations": {"data.expectations"},
    "mlflow": {"control.fronts", "data.registry"},
    "model_signing": {"data.signing"},
    "onnx": {"tasks.convert", "tasks.export"},
    "onnxruntime": {"serving.predictor"},
    "skl2onnx": {"tasks.convert"},
    "sklearn": {"monitoring.scoring"},
    "starlette": {
        *(f"monitoring.console.{name}" for name in ("actions", "exports", "rendering", "site", "trust")),
        *(name for name in ALL if name.startswith("monitoring.console.pages.") and "__" not in name),
    },
    "jinja2": {"monitoring.console.rendering"},
    "uvicorn": {
        *("control.fronts", "serving.connections", "serving.supervision", "monitoring.console.__main__"),
    },
    "prefect": {
        *(f"flows.{name}" for name in ("feedback", "news", "retrain", "rollback", "steps", "watch")),
        *("control.addresses", "control.deployments", "control.fronts"),
        *("control.orchestrator", "control.receivers"),
    },
    # An Arrow driver brings its own copy of SQLite, and two in one process damage the file (ADR 0009).
    "adbc_driver_sqlite": set[str](),
}


def imported(file: Path) -> Iterator[str]:
    """Name each module that a file imports anywhere, inside functions and for types only too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes(file: Path) -> Iterator[str]:
    """Name each `name.attribute` in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_packages_are_those_of_the_architecture() -> None:
    assert {"keepfit", "data", "monitoring", "serving", "tasks", "flows", "control"} == set(PACKAGES)


@pytest.mark.parametrize("package", [*PACKAGES, "examples"])
def test_each_package_resolves_to_this_repository(package: str) -> None:
    assert importlib.import_module(package).__file__ == str(ROOT / package / "__init__.py")


def test_each_package_is_in_the_import_contracts() -> None:
    linter = pyproject()["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    assert sorted(name.strip() for layer in layers for name in layer.split("|")) == PACKAGES
    assert sorted(linter["root_packages"]) == PACKAGES


def test_no_two_modules_share_a_stem() -> None:
    stems = Counter(file.stem for file in ALL.values() if not file.stem.startswith("__"))
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_no_flow_is_called_like_a_package() -> None:
    assert {file.stem for file in modules("flows").values()} & {*PACKAGES, *OUTSIDE} == set()


@pytest.mark.parametrize("library", sorted(DOORWAYS))
def test_each_heavy_library_has_its_doorway(library: str) -> None:
    doors = {name for name, file in ALL.items() if library in {i.split(".")[0] for i in imported(file)}}
    assert doors == DOORWAYS[library]


def test_a_serving_worker_imports_none_of_the_heavy_libraries() -> None:
    names = [name for name in modules("serving") if not name.endswith("__init__")]
    look = f"import sys, {', '.join(names)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert {"serving", "onnxruntime"} <= loaded
    assert loaded & TOO_HEAVY_TO_SERVE == set()


def test_the_console_imports_none_of_the_heavy_libraries() -> None:
    look = "import sys, monitoring.console.__main__; print(*{name.split('.')[0] for name in sys.modules})"
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert {"monitoring", "starlette"} <= loaded
    assert loaded & TOO_HEAVY_TO_LOOK == set()


@pytest.mark.parametrize("package", ["tasks", "flows"])
def test_steps_see_of_serving_only_its_contract_its_client_and_its_predictor(package: str) -> None:
    seen = {i for file in modules(package).values() for i in imported(file) if i.startswith("serving.")}
    assert {name for name in seen if ".".join(name.split(".")[:2]) not in SEEN_OF_SERVING} == set()


def test_an_example_imports_what_any_project_may() -> None:
    ours = {i.split(".")[0] for file in modules("examples").values() for i in imported(file)} & set(PACKAGES)
    assert ours <= {"keepfit"}


def test_only_the_settings_read_the_environment() -> None:
    # Two write it: the switches of libraries that read them when they are imported.
    touching = {name for name, file in ALL.items() if {"os.environ", "os.getenv"} & set(attributes(file))}
    assert touching == {"keepfit.settings", "data.expectations", "control.orchestrator"}


def test_no_judgement_reads_the_clock() -> None:
    readers = {n for n, file in ALL.items() if {"datetime.now", "datetime.utcnow"} & set(attributes(file))}
    assert readers == {"data.records", "control.services", "control.stack"}
    # The console judges nothing: it says how long ago something was.
    monitoring = [file for name, file in modules("monitoring").items() if ".console." not in name]
    judges = [*monitoring, *(ALL[n] for n in ("tasks.decide", "keepfit.gates"))]
    assert [file.name for file in judges if "data.records.now" in set(imported(file))] == []


def test_the_version_is_the_newest_of_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert headings[0] == pyproject()["project"]["version"] == keepfit.VERSION


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_module_is_longer_than_300_lines(name: str) -> None:
    assert len(ALL[name].read_text(encoding="utf-8").splitlines()) <= 300
