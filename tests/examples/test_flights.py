from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.parquet as pq
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from examples.flights import history
from examples.flights.project import project

LEARN_UNTIL = datetime(2013, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return history.read_history(date(2013, 1, 1), date(2013, 1, 15)).to_pandas()


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    """The package's own rows of those days, by the id that we give them."""
    rows = pd.read_csv(history._file("flights.csv.zip"), nrows=20_000)
    departs = pd.to_datetime(rows["time_hour"], utc=True) + pd.to_timedelta(rows["minute"], unit="min")
    number = rows["carrier"] + rows["flight"].astype(str) + "-" + rows["origin"]
    return rows.set_index(number + "-" + departs.dt.strftime("%Y%m%dT%H%MZ"))


@pytest.fixture(scope="module")
def model(flights: pd.DataFrame) -> Any:
    learned = flights[flights["late"].notna() & (flights["predicted_at"] < LEARN_UNTIL)]
    return project.build().fit(as_seen(learned), learned["late"].astype(int))  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(scope="module")
def session(model: Any) -> onnxruntime.InferenceSession:
    inputs = [
        (name, StringTensorType([None, 1]) if column.kind == "category" else FloatTensorType([None, 1]))
        for name, column in project.features.items()
    ]
    onnx = convert_sklearn(model, initial_types=inputs, options={"zipmap": False})
    return onnxruntime.InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])


def as_seen(flights: pd.DataFrame) -> pd.DataFrame:
    """The features as a model sees them: text, "" for missing, and float32."""
    return pd.DataFrame(
        {
            name: flights[name].fillna("") if column.kind == "category" else flights[name].astype(np.float32)
            for name, column in project.features.items()
        }
    )


def by_estimator(model: Any, rows: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(rows)[:, 1]


def by_onnx(session: onnxruntime.InferenceSession, rows: pd.DataFrame) -> np.ndarray:
    kinds = {n: object if c.kind == "category" else np.float32 for n, c in project.features.items()}
    outputs: list[Any] = session.run(None, {n: rows[[n]].to_numpy(dtype=kinds[n]) for n in rows})
    return outputs[1][:, 1]


def test_every_flight_has_its_own_id(flights: pd.DataFrame) -> None:
    assert len(flights) > 10_000
    assert flights["flight_id"].is_unique


def test_the_table_has_what_the_project_names(flights: pd.DataFrame) -> None:
    named = {*project.features, project.reference, project.time, project.label_time, project.target.name}
    assert set(flights.columns) == named


def test_every_value_is_one_that_the_project_takes(flights: pd.DataFrame) -> None:
    for name, column in project.features.items():
        values = flights[name].astype(object).where(flights[name].notna(), None)
        assert {column.objection(value) for value in values.unique()} == {None}, name


def test_the_features_stay_the_same_whatever_becomes_of_the_flight(
    flights: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pd.read_csv

    def with_other_outcomes(path: Path) -> pd.DataFrame:
        table = read(path)
        outcomes = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]
        return table.assign(**dict.fromkeys(outcomes, np.nan)) if "arr_delay" in table else table

    monkeypatch.setattr(pd, "read_csv", with_other_outcomes)
    others = history.read_history(date(2013, 1, 1), date(2013, 1, 15)).to_pandas()
    assert others["late"].isna().all()
    known = ["flight_id", "predicted_at", *project.features]
    pd.testing.assert_frame_equal(others[known], flights[known])


def test_the_weather_was_observed_before_the_scheduled_departure(flights: pd.DataFrame) -> None:
    weather = pd.read_csv(history._file("weather.csv"))
    # The package's own script keeps what was observed up to minute 51 of each hour.
    observed = pd.to_datetime(weather["time_hour"], utc=True).dt.floor("h") + timedelta(minutes=51)
    then = dict(zip(zip(weather["origin"], observed, strict=True), weather["temp"].round(), strict=True))
    newest = flights["predicted_at"].dt.floor("h") - timedelta(minutes=9)
    expected = [then.get(key, np.nan) for key in zip(flights["origin"], newest, strict=True)]
    np.testing.assert_array_equal(flights["temp"], np.float32(expected))


def test_the_label_is_known_when_the_flight_has_landed(flights: pd.DataFrame, source: pd.DataFrame) -> None:
    landed = flights[flights["late"].notna()].set_index("flight_id")
    rows = source.loc[landed.index]
    in_the_air = pd.to_timedelta(rows["dep_delay"] + rows["air_time"], unit="min")
    assert str(flights["landed_at"].dt.tz) == str(flights["predicted_at"].dt.tz) == "UTC"
    assert (landed["landed_at"] > landed["predicted_at"] + in_the_air).all()
    assert (landed["late"] == (rows["arr_delay"] > 15)).all()


def test_a_flight_that_never_arrived_has_no_label(flights: pd.DataFrame, source: pd.DataFrame) -> None:
    lost = source.index[source["arr_delay"].isna()]
    rows = flights[flights["flight_id"].isin(lost)]
    assert len(rows) > 50
    assert rows[["late", "landed_at"]].isna().all(axis=None)
    assert flights.drop(rows.index)[["late", "landed_at"]].notna().all(axis=None)


def test_the_plan_counts_the_zones_that_a_flight_crosses(flights: pd.DataFrame) -> None:
    typical = flights.groupby("dest")["planned_minutes"].median()
    assert 600 < typical["HNL"] < 720
    assert 330 < typical["LAX"] < 420
    assert 200 < typical["SJU"] < 260


def test_a_part_of_the_year_is_written_in_the_order_of_departure(tmp_path: Path) -> None:
    out = tmp_path / "flights.parquet"
    rows = history.write_history(out, since=date(2013, 3, 10), until=date(2013, 3, 12))
    table = pq.read_table(out)
    departs = table["predicted_at"].to_pandas()
    assert table.num_rows == rows > 1000
    assert table.schema.equals(history.SCHEMA)
    assert departs.is_monotonic_increasing
    assert departs.iloc[0] >= datetime(2013, 3, 10, tzinfo=UTC)
    assert departs.iloc[-1] < datetime(2013, 3, 12, tzinfo=UTC)
    assert [p.name for p in tmp_path.iterdir()] == ["flights.parquet"]


# protobuf's own announcement; skl2onnx writes True and False where an int belongs.
@pytest.mark.filterwarnings("ignore:.*Expected an int, got a boolean:DeprecationWarning")
class TestTheModelAsONNX:
    def test_agrees_with_the_estimator(self, model: Any, session: Any, flights: pd.DataFrame) -> None:
        rows = as_seen(flights[flights["predicted_at"] >= LEARN_UNTIL]).head(5000)
        assert rows.isna().any(axis=None)  # weather that was not observed
        gap = np.abs(by_estimator(model, rows) - by_onnx(session, rows))
        assert np.mean(gap <= 1e-4) >= 0.999

    def test_answers_for_categories_that_it_never_saw(
        self, model: Any, session: Any, flights: pd.DataFrame
    ) -> None:
        rows = as_seen(flights.head(100)).assign(carrier="ZZ", dest="")
        answers = by_onnx(session, rows)
        assert ((answers > 0) & (answers < 1)).all()
        np.testing.assert_allclose(answers, by_estimator(model, rows), atol=1e-4)
