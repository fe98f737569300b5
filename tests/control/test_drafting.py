"""A drafted project: what each column is taken for, what is left out and why, and that it loads as it is."""

import csv
import importlib.util
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from control.drafting.beginning import Place, new
from control.drafting.draft import draft, project_name
from control.drafting.facts import look
from control.drafting.roles import Asked
from control.drafting.template import quoted, written
from data.files import read_file
from data.intake import Origin, kind_of_file, take_rows
from keepfit import Column, Project, Target
from keepfit.errors import FileUnreadable, KeepfitError, ProjectRefused
from keepfit.loading import load_project
from tasks.check import check_project

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 400
Table = dict[str, Sequence[Any]]


def spread(*values: Any, of: int = ROWS) -> list[Any]:
    """Repeat values in an order that has nothing to do with any other column's."""
    return [values[(i * 7919 % 1009) % len(values)] for i in range(of)]


def table(**columns: Sequence[Any] | None) -> Table:
    """Make rows that can be drafted from; a column given as None is taken away."""
    hours = [START + timedelta(hours=i) for i in range(ROWS)]
    rows: dict[str, Sequence[Any] | None] = {
        "predicted_at": [hour.isoformat() for hour in hours],
        "months": [(i * 31) % 47 + 0.5 for i in range(ROWS)],
        "left": [(i * 17 % 101) % 2 for i in range(ROWS)],
        "observed_at": [(hour + timedelta(days=1)).isoformat() for hour in hours],
    }
    ordered = columns | {name: values for name, values in rows.items() if name not in columns}
    return {name: values for name, values in ordered.items() if values is not None}


def write(folder: Path, rows: Table, name: str = "churn.csv") -> Path:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(rows)
    lines.writerows(zip(*rows.values(), strict=True))
    path = folder / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def drafted(folder: Path, rows: Table, **asked: str) -> tuple[Project, str]:
    """Draft a project, load it as it was written, and give its text as well."""
    text = written(draft(look(write(folder, rows)), Asked(**asked), "churn"))
    return loaded(folder, text), text


def loaded(folder: Path, text: str) -> Project:
    path = folder / "drafted.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("drafted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.project


def refusal(folder: Path, rows: Table, **asked: str) -> str:
    with pytest.raises(FileUnreadable) as caught:
        draft(look(write(folder, rows)), Asked(**asked), "churn")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def about(text: str, name: str) -> str:
    """Find what the file says of a column: its line, and the comment that goes before it."""
    lines = [line.strip() for line in text.splitlines()]
    place = next(i for i, line in enumerate(lines) if line.removeprefix("# ").startswith(quoted(name)))
    first = place
    while lines[first - 1].startswith("# guessed"):
        first -= 1
    last = place + 1
    while lines[place].startswith("#") and lines[last].startswith("# ") and '"' not in lines[last][:4]:
        last += 1
    return " ".join(lines[first:last]).replace(" # ", " ")


def test_numbers_get_a_range_far_wider_than_what_was_seen(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(weight=spread(985.5, 990.25, 1042.0)))
    assert project.features["weight"] == Column.number(between=(920, 1100))
    assert "guessed: seen 985.5 to 1042" in about(text, "weight")


def test_amounts_do_not_go_below_zero(tmp_path: Path) -> None:
    project, _ = drafted(tmp_path, table(price=spread(3, 40, 99)))
    assert project.features["price"] == Column.number(between=(0, 200))


def test_numbers_that_are_negative_get_room_below(tmp_path: Path) -> None:
    project, _ = drafted(tmp_path, table(temp=spread(-9, 12, 31)))
    assert project.features["temp"] == Column.number(between=(-50, 80))


def test_numbers_beyond_float32_get_no_range(tmp_path: Path) -> None:
    project, _ = drafted(tmp_path, table(huge=spread(1e37, 2e37, 3e38)))
    assert project.features["huge"] == Column.number()


def test_a_gap_makes_a_column_optional_and_says_how_often(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(gust=spread(3.5, "", 40, 11.5)))
    assert project.features["gust"].optional
    assert "of the rows have none" in about(text, "gust")


@pytest.mark.parametrize("absent", ["NA", "nan", "null", "N/A"])
def test_a_number_that_is_not_available_is_a_gap_to_the_draft_and_to_intake(
    tmp_path: Path, absent: str
) -> None:
    rows = table(gust=spread(3.5, absent, 40, 11.5))
    project, _ = drafted(tmp_path, rows)
    assert project.features["gust"] == Column.number(between=(0, 80), optional=True)
    assert taken(tmp_path, project) == (ROWS, ROWS)


def taken(folder: Path, project: Project) -> tuple[int, int]:
    """Import the file that a project was drafted from: how many rows and labels are taken."""
    columns, rows = read_file(folder / "churn.csv")
    assert kind_of_file(project, columns, "churn.csv") == "rows"
    records = take_rows(project, rows, Origin("churn.csv"))
    for prediction in records.predictions:
        for name, column in project.features.items():
            assert column.objection(prediction.features[name]) is None
    return len(records.predictions), len(records.row_labels)


def test_a_few_categories_that_come_early_and_late_are_a_closed_set(tmp_path: Path) -> None:
    project, _ = drafted(tmp_path, table(plan=spread("basic", "family", "pro")))
    assert project.features["plan"] == Column.category(among=["basic", "family", "pro"])


def test_categories_of_which_one_is_new_stay_open(tmp_path: Path) -> None:
    plans = [*spread("basic", "family", of=ROWS - 50), *spread("basic", "family", "pro", of=50)]
    project, text = drafted(tmp_path, table(plan=plans))
    assert project.features["plan"] == Column.category()
    assert "3 different seen, new ones are taken" in about(text, "plan")


def test_true_and_false_or_nothing_but_0_and_1_is_a_flag(tmp_path: Path) -> None:
    project, _ = drafted(tmp_path, table(old=spread("True", "False", "True"), new=spread(0, 1, 1)))
    assert {project.features["old"], project.features["new"]} == {Column.flag()}
    assert taken(tmp_path, project) == (ROWS, ROWS)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["EUR"] * ROWS, "it is always 'EUR'"),
        ([""] * ROWS, "it is empty"),
        ([f"{i:x}" for i in range(7, ROWS + 7)], "an id: nearly every row has its own"),
        (list(range(5, ROWS + 5)), "an id: nearly every row has its own"),
        ([f"said {i * 2 // 3}" for i in range(ROWS)], "text that nearly every row has for itself"),
        ([f"2025-0{i % 9 + 1}-01" for i in range(ROWS)], "a time: say it as a number"),
        ([f"2027-0{i % 9 + 1}-01" for i in range(ROWS)], "later than 'predicted_at' in 100 % of the rows"),
    ],
)
def test_what_a_model_cannot_learn_from_is_left_out_with_the_reason(
    tmp_path: Path, values: list[Any], why: str
) -> None:
    rows = table(reference_id=[f"r{i}" for i in range(ROWS)], odd=values)
    project, text = drafted(tmp_path, rows)
    assert list(project.features) == ["months"]
    assert why in about(text, "odd")


LEFT = table()["left"]
LEAKS: dict[str, list[Any]] = {
    "its own words": ["gone" if left else "here" for left in LEFT],
    "a number with a threshold": [i % 37 + (100 if left else 0) for i, left in enumerate(LEFT)],
    "a gap": [f"{i % 3}" if left else "" for i, left in enumerate(LEFT)],
}


@pytest.mark.parametrize("how", LEAKS)
def test_what_tells_the_outcome_by_itself_is_left_out_with_the_reason(tmp_path: Path, how: str) -> None:
    project, text = drafted(tmp_path, table(reason=LEAKS[how]))
    assert list(project.features) == ["months"]
    assert "it tells 'left' by itself" in about(text, "reason")


def test_what_is_empty_only_where_the_outcome_is_unknown_is_left_out(tmp_path: Path) -> None:
    known = [i < ROWS - 60 for i in range(ROWS)]
    left = [value if there else "" for value, there in zip(LEFT, known, strict=True)]
    closed = [i * 31 % 53 if there else "" for i, there in enumerate(known)]
    project, text = drafted(tmp_path, table(left=left, closed_by=closed), target="left")
    assert list(project.features) == ["months"]
    assert "seems to come with the outcome" in about(text, "closed_by")


def test_what_tells_something_but_not_all_is_kept(tmp_path: Path) -> None:
    hint = [left if i % 10 else 1 - left for i, left in enumerate(LEFT)]
    project, _ = drafted(tmp_path, table(hint=hint), target="left")
    assert set(project.features) == {"months", "hint"}


def test_a_number_in_the_order_of_a_regressions_target_is_left_out(tmp_path: Path) -> None:
    paid = [(i * 37 % 211) + 0.25 for i in range(ROWS)]
    rows = table(left=None, gross=[2 * value**2 for value in paid], paid=paid)
    project, text = drafted(tmp_path, rows, target="paid")
    assert project.target == Target.regression("paid")
    assert list(project.features) == ["months"]
    assert "it tells 'paid' by itself" in about(text, "gross")


def test_who_a_row_is_about_is_left_out_and_proposed_as_subject_in_a_comment(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(customer_id=spread(*(f"c{i}" for i in range(90)))))
    assert list(project.features) == ["months"]
    assert project.subject is None
    assert '    # subject="customer_id",  # guessed' in text


def test_what_names_each_row_becomes_its_reference(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(order=[f"o-{i}" for i in range(ROWS)]))
    assert project.reference == "order"
    assert 'reference="order",  # guessed, each row has its own' in text


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ([i % 2 for i in range(ROWS)], Target.binary("result")),
        (spread("true", "false"), Target.binary("result")),
        (spread("small", "large", "middle"), Target.multiclass("result", ["large", "middle", "small"])),
        (spread("yes", "no"), Target.multiclass("result", ["no", "yes"])),
        (spread(3, 1, 2), Target.multiclass("result", [1, 2, 3])),
        (spread(*range(60)), Target.regression("result")),
        (spread(0.5, 1.5, 7.25), Target.regression("result")),
    ],
)
def test_the_kind_of_a_target_is_that_of_its_values_and_all_its_labels_are_taken(
    tmp_path: Path, values: list[Any], target: Target
) -> None:
    project, _ = drafted(tmp_path, table(left=None, result=values), target="result")
    assert project.target == target
    assert taken(tmp_path, project) == (ROWS, ROWS)


def test_a_target_is_guessed_by_its_name_before_its_place(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(left=None, Churn=LEFT, zip=spread(1, 2.5, 3)))
    assert project.target == Target.binary("Churn")
    assert "guessed, by its name" in text


def test_a_target_is_otherwise_the_last_column_that_can_be_one(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table())
    assert project.target.name == "left"
    assert "guessed, the last column that can be one" in text


def test_what_was_asked_for_is_no_guess(tmp_path: Path) -> None:
    columns = {"target": "left", "time": "predicted_at", "label_time": "observed_at"}
    _, text = drafted(tmp_path, table(), **columns)
    for name in ("time", "label_time", "target"):
        (line,) = [x for x in text.splitlines() if x.startswith(f"    {name}=")]
        assert "guessed" not in line


def test_the_earliest_time_is_the_predictions_and_a_later_one_the_labels(tmp_path: Path) -> None:
    rows = table(predicted_at=None, observed_at=None)
    days = [START + timedelta(hours=i) for i in range(ROWS)]
    rows["closed"] = [str(day + timedelta(days=40)) for day in days]
    rows["planned"] = [str(day + timedelta(days=20)) for day in days]
    rows["booked"] = [str(day) for day in days]
    project, _ = drafted(tmp_path, rows)
    assert (project.time, project.label_time) == ("booked", "closed")


def test_without_a_time_of_the_label_it_is_taken_as_known_at_once_and_that_is_said(tmp_path: Path) -> None:
    project, text = drafted(tmp_path, table(observed_at=None))
    assert project.label_time is None
    assert "flatters a" in text


def test_times_without_an_offset_get_a_zone_that_is_marked_as_guessed(tmp_path: Path) -> None:
    plain = [time.removesuffix("+00:00") for time in table()["predicted_at"]]
    project, text = drafted(tmp_path, table(predicted_at=plain))
    assert project.timezone == "UTC"
    assert 'timezone="UTC",  # guessed' in text
    assert drafted(tmp_path, table())[0].timezone is None


def test_a_small_file_gets_windows_and_a_least_number_of_rows_that_it_can_fill(tmp_path: Path) -> None:
    days = [START + timedelta(days=i) for i in range(ROWS)]
    rows = table(predicted_at=[str(d) for d in days], observed_at=[str(d + timedelta(days=1)) for d in days])
    project, _ = drafted(tmp_path, rows)
    assert project.min_rows < 200
    assert project.holdout.days >= project.min_rows


@pytest.mark.parametrize("target", ["left", "months", "plan"])
def test_what_is_drafted_passes_its_check_as_it_is(tmp_path: Path, target: str) -> None:
    rows = table(plan=spread("basic", "family", "pro"), gust=spread(3.5, "", 40, 11.5), new=spread(0, 1, 1))
    project, _ = drafted(tmp_path, rows, target=target)
    assert [trial for trial in check_project(project) if trial.objection] == []


def test_a_column_that_is_misspelt_is_refused_with_the_nearest_and_with_all(tmp_path: Path) -> None:
    assert refusal(tmp_path, table(), target="lefft") == (
        "churn.csv: no column is called 'lefft'; did you mean 'left'? "
        "it has predicted_at, months, left, observed_at"
    )


def test_a_file_without_a_time_says_how_one_is_written(tmp_path: Path) -> None:
    rows = table(predicted_at=None, observed_at=None, date=["1/2/2026"] * ROWS)
    told = refusal(tmp_path, rows)
    assert "no column can be the time of a prediction; 'date' holds '1/2/2026': write it as 2013-02-" in told


def test_a_time_that_is_none_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    assert "'months' given as --time holds no times (such as 0.5)" in refusal(
        tmp_path, table(), time="months"
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1] * ROWS, "'left' is always 1.0"),
        ([""] * ROWS, "'left' is empty"),
        ([f"text {i}" for i in range(ROWS)], "'left' holds 400 different texts"),
    ],
)
def test_a_target_that_can_be_none_is_refused_with_the_reason(
    tmp_path: Path, values: list[Any], why: str
) -> None:
    told = refusal(tmp_path, table(left=values), target="left")
    assert why in told
    assert "name another with --target" in told


def test_a_file_with_nothing_left_to_learn_from_says_so(tmp_path: Path) -> None:
    told = refusal(tmp_path, table(months=["EUR"] * ROWS))
    assert "nothing is left to predict 'left' from ('months': it is always 'EUR')" in told


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "has no rows to draft from" in refusal(tmp_path, {"a": [], "b": []})


def test_a_draft_is_written_beside_the_person_and_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, table(), "Churn of 2026.csv")
    monkeypatch.chdir(tmp_path)
    told = new(Path("Churn of 2026.csv"), Asked(), Place())
    assert load_project("churn_of_2026.py").name == "churn_of_2026"
    assert "bin/keepfit check -p churn_of_2026.py" in told.text()
    assert json.loads(json.dumps(told.json()))["target"] == {"name": "left", "kind": "binary"}


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    out = tmp_path / "mine.py"
    out.write_text("mine")
    with pytest.raises(ProjectRefused, match="is there already and is not written over"):
        new(write(tmp_path, table()), Asked(), Place("mine", out))
    assert out.read_text() == "mine"


@given(st.text())
def test_any_files_name_makes_a_projects_name(stem: str) -> None:
    name = project_name(stem)
    assert name.isascii()
    assert name[0].isalpha()
    assert len(name) <= 63


NAMES = st.text(min_size=1, max_size=30).filter(lambda name: name.strip() and "\0" not in name)


@given(
    names=st.lists(NAMES, min_size=3, max_size=5, unique=True),
    values=st.lists(st.text(max_size=20), min_size=1, max_size=4),
)
@hypothesis(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_columns_are_called_the_draft_loads_and_their_names_survive(
    tmp_path: Path, names: list[str], values: list[str]
) -> None:
    time, target, *features = names
    rows = [
        {
            time: str(START + timedelta(hours=i)),
            target: i % 2,
            **{name: values[(i * 7919 % 1009) % len(values)] or i * 31 % 53 for name in features},
        }
        for i in range(120)
    ]
    path = tmp_path / "any.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    try:
        made = draft(look(path), Asked(target=target, time=time), "any")
    except KeepfitError:
        return  # what cannot be drafted was said; that it is said is tested above
    project = loaded(tmp_path, written(made))
    assert (project.time, project.target.name) == (time, target)
    assert {*project.features, project.reference} - {None} <= set(features)
    assert set(project.features) == {guess.name for guess in made.features}


def test_a_name_with_quotes_newlines_and_other_letters_stays_itself(tmp_path: Path) -> None:
    odd = "a 'c' {d} żółw"
    project, _ = drafted(tmp_path, {**table(), odd: spread(1.5, 2.5)}, target="left")
    assert odd in project.features
    _, text = drafted(tmp_path, {**table(), 'wind "gust"': spread(1.5, 2.5)}, target="left")
    assert "without double quotes and backslashes" in about(text, 'wind "gust"')
    rows = {**table(left=None), "one\ntwo": LEFT, "x\ny": spread(1, 2.5)}
    project, text = drafted(tmp_path, rows, target="one\ntwo")
    assert project.target.name == "one\ntwo"
    assert "a feature's name is printable text" in about(text, "x\ny")
