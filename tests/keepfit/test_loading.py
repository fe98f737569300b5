import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepfit.errors import ProjectError, ProjectNotFound, ProjectRefused
from keepfit.loading import absolute, load_project
from keepfit.settings import ROOT

SOURCE = """
from keepfit import Column, Gate, Project, Target

project = Project(
    name="{name}", features={{"wind": Column.number()}}, target=Target.binary("late"), build=object,
    metrics=["roc_auc"], gates=[Gate("roc_auc", at_least=0.5)],
)
other = project
"""


@pytest.fixture(autouse=True)
def _fresh_imports() -> Iterator[None]:
    """Leave no project of a test to the next one."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, source: str | None = None, name: str = "churn") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE.format(name=name) if source is None else source)
    return path


def refusal(where: str, error: type[ProjectError]) -> str:
    with pytest.raises(error) as caught:
        load_project(where)
    told = str(caught.value)
    assert "\n" not in told
    assert "Traceback" not in told
    return told


def test_a_project_is_found_by_its_file(folder: Path) -> None:
    assert load_project(str(write(folder / "churn.py"))).name == "churn"


def test_a_project_is_found_by_its_folder(folder: Path) -> None:
    write(folder / "examples" / "churn" / "project.py")
    assert load_project("examples/churn").name == "churn"


def test_a_project_is_found_by_its_import_path(folder: Path) -> None:
    write(folder / "of_mine" / "churn.py")
    assert load_project("of_mine.churn").name == "churn"


@pytest.mark.parametrize("where", ["churn.py:other", "churn:other"])
def test_a_project_of_another_name_is_found_behind_a_colon(folder: Path, where: str) -> None:
    write(folder / "churn.py")
    assert load_project(where).name == "churn"


def test_two_projects_may_both_be_called_project_py(folder: Path) -> None:
    write(folder / "a" / "project.py", name="first")
    write(folder / "b" / "project.py", name="second")
    assert [load_project(where).name for where in "ab"] == ["first", "second"]


def test_a_project_file_may_import_its_neighbour(folder: Path) -> None:
    write(folder / "far" / "its_neighbour.py")
    write(folder / "far" / "churn.py", "from its_neighbour import project")
    assert load_project("far/churn.py").name == "churn"


def test_the_example_is_the_default() -> None:
    assert load_project().name == "flights"


@pytest.mark.parametrize("where", ["nowhere.py", "no/where", "no_where_at_all", "no_where.at_all"])
@pytest.mark.usefixtures("folder")
def test_where_nothing_stands_the_three_ways_to_name_a_project_are_told(where: str) -> None:
    told = refusal(where, ProjectNotFound)
    assert told.startswith(f"{where}: there is no such file, folder or module; -p takes a file, a folder")


def test_a_module_that_its_package_lacks_is_not_found(folder: Path) -> None:
    write(folder / "of_mine_too" / "__init__.py", "")
    told = refusal("of_mine_too.churn", ProjectNotFound)
    assert told.startswith("of_mine_too.churn: there is no such file, folder or module")


def test_a_folder_without_a_project_says_what_it_lacks(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert refusal("empty", ProjectNotFound).startswith("empty: the folder has no project.py; put the")


def test_a_file_without_a_project_says_how_to_write_one(folder: Path) -> None:
    path = write(folder / "churn.py", "x = 1")
    told = refusal("churn.py", ProjectNotFound)
    assert told == (
        f"churn.py: no Project is called 'project' in {path}; "
        "write `project = Project(...)` there, or name yours as churn.py:NAME"
    )


def test_a_file_that_is_no_python_is_not_a_project(folder: Path) -> None:
    write(folder / "notes.txt", "hello")
    assert "not a Python file" in refusal("notes.txt", ProjectNotFound)


def test_a_package_that_is_not_installed_is_named(folder: Path) -> None:
    write(folder / "churn.py", "import no_such_library.part")
    told = refusal("churn.py", ProjectError)
    assert told == (
        "churn.py: it imports 'no_such_library', which is not installed; `uv add` what provides it"
    )


def test_a_slip_in_python_is_told_with_its_line(folder: Path) -> None:
    write(folder / "churn.py", "a = 1\nb = = 2\n")
    assert refusal("churn.py", ProjectError).startswith(
        "churn.py: importing it failed at line 2: SyntaxError:"
    )


def test_what_the_file_raises_is_told_with_its_line(folder: Path) -> None:
    write(folder / "churn.py", "a = 1\n\nb = a / 0\n")
    told = refusal("churn.py", ProjectError)
    assert told == "churn.py: importing it failed at line 3: ZeroDivisionError: division by zero"


def test_a_gate_without_a_promise_is_told_with_its_line(folder: Path) -> None:
    write(folder / "churn.py", "from keepfit import Gate\n\ngate = Gate('roc_auc')\n")
    assert "at line 3: ValueError: Gate('roc_auc') promises nothing" in refusal("churn.py", ProjectError)


def test_a_project_that_is_refused_says_its_own_reason(folder: Path) -> None:
    write(folder / "churn.py", name="Churn")
    assert refusal("churn.py", ProjectRefused).startswith("project 'Churn': name: use 1 to 63 lower-case")


def test_a_file_that_failed_can_be_corrected_and_loaded(folder: Path) -> None:
    path = write(folder / "churn.py", "1 / 0")
    refusal("churn.py", ProjectError)
    write(path)
    os.utime(path, (1, 1))
    assert load_project("churn.py").name == "churn"


def test_a_file_is_named_so_that_it_is_found_from_any_folder(folder: Path) -> None:
    write(folder / "churn.py")
    assert absolute("churn.py:other") == f"{folder / 'churn.py'}:other"


@pytest.mark.usefixtures("folder")
def test_the_examples_are_found_from_any_folder() -> None:
    assert absolute("examples/flights") == str(ROOT / "examples/flights")


def test_an_import_path_stays_as_it_is() -> None:
    assert absolute("churn:project") == "churn:project"


KINDS = "there are Column.number, Column.category, Column.flag"
GATES = "gates=[Gate('roc_auc', at_least=0.5)],"
SLIPS = [
    (2, GATES, "", 'Project lacks gates; write gates=[Gate("roc_auc", at_least=0.6)]'),
    (2, "build", "built", "Project takes no 'built'; did you mean 'build'?"),
    (3, "at_least", "atleast", "Gate takes no 'atleast'; did you mean 'at_least'?"),
    (3, "Column.number", "Column.text", f"there is no Column.text; did you mean 'category'? {KINDS}"),
    (3, "Column.number", "Column.numeric", f"there is no Column.numeric; did you mean 'number'? {KINDS}"),
    (3, "Column.number", "Column.date", f"there is no Column.date; {KINDS}"),
    (3, "number()", "number(betwen=(0, 1))", "Column.number takes no 'betwen'; did you mean 'between'?"),
    (3, "number()", "number((0, 1))", "Column.number takes its arguments by name: between, optional"),
    (2, "binary(", "multiclass(", "Target.multiclass lacks classes; write Target.multiclass("),
    (2, "binary", "classification", "there is no Target.classification; did you mean 'multiclass'? there"),
    (1, "import Column", "import Columns", "keepfit has no 'Columns'; did you mean 'Column'?"),
]
WRITTEN = """from keepfit import Column, Gate, Project, Target
project = Project(name="churn", build=object, metrics=["roc_auc"], target=Target.binary('late'),
    features={"wind": Column.number()}, gates=[Gate('roc_auc', at_least=0.5)],
)
"""


@pytest.mark.parametrize(("line", "right", "wrong", "said"), SLIPS)
def test_a_slip_in_our_words_ends_in_its_line_and_the_word_that_was_meant(
    folder: Path, line: int, right: str, wrong: str, said: str
) -> None:
    assert right in WRITTEN
    write(folder / "churn.py", WRITTEN.replace(right, wrong, 1))
    assert refusal("churn.py", ProjectRefused).startswith(f"churn.py: at line {line}: {said}")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            '["roc_auc"]',
            '"roc_auc"',
            'metrics: write a list such as ["neg_log_loss", "roc_auc"], got \'roc_auc\'',
        ),
        ("Column.number()", "'number'", "features.wind: write such as Column.number(), got 'number'"),
        ("Column.number()", "Column.number", "features.wind: write such as Column.number(), got <bound"),
        ("number()", "number(between=5)", "features.wind: write between=(lowest, highest) in numbers, got 5"),
        ("Target.binary('late')", "'late'", "target: write such as Target.binary(\"left\"), got 'late'"),
        ("build=object", "build=5", "build: write a function that returns an estimator, got 5"),
        ("build=object", "build=object, holdout=14", "holdout: write timedelta(days=14), got 14"),
        ("[Gate('roc_auc', at_least=0.5)]", "Gate('roc_auc', at_least=0.5)", "gates: write a list such as"),
    ],
)
def test_an_argument_of_another_type_is_refused_with_what_to_write(
    folder: Path, right: str, wrong: str, said: str
) -> None:
    write(folder / "churn.py", WRITTEN.replace(right, wrong))
    assert refusal("churn.py", ProjectRefused).startswith(f"project 'churn': {said}")


@pytest.mark.parametrize("leaving", ["import sys\nsys.exit(0)", "import sys\nsys.exit('done')", "\nexit()"])
def test_a_file_that_ends_the_program_is_told_with_its_line(folder: Path, leaving: str) -> None:
    write(folder / "churn.py", leaving)
    told = refusal("churn.py", ProjectRefused)
    assert told.startswith(
        "churn.py: it ends the program at line 2 (sys.exit) when it is imported; take that"
    )
