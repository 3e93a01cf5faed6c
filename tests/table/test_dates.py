"""Date columns know when they are: instants for differences, the clock for parts of a date, hours for times of day."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from glmfit.errors import DataError
from glmfit.table import Table, complete_rows, from_frame
from glmfit.table.delimited import DelimitedSource


def table(*values: str) -> Table:
    text = "i,d\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values))
    return DelimitedSource("data.csv", text.encode()).read(["d"])


def test_a_date_is_midnight_of_its_day() -> None:
    dates = table("2024-03-01", "NA", "2023-12-31", "2024/02/29", "2024.03.01 06:30", '"2024-03-01T06:30:00,25"')
    with np.errstate(all="raise"):
        days = (dates.instants("d") - np.datetime64("2024-03-01")) / np.timedelta64(1, "D")
    np.testing.assert_array_equal(days[[0, 2, 3]], [0, -61, -1])
    assert np.isnan(days[1])
    np.testing.assert_allclose(days[4:], [6.5 / 24, (6.5 + 0.25 / 3600) / 24], rtol=1e-15)
    np.testing.assert_array_equal(dates.clock("d"), dates.instants("d"))


def test_zones_count_for_instants_and_not_for_the_clock() -> None:
    dates = table("2024-03-01T23:30+02:00", "2024-03-01 21:30Z", "2024-03-02 03:00:00+0530")
    assert (dates.instants("d") == np.datetime64("2024-03-01T21:30")).all()
    assert [str(time)[:16] for time in dates.clock("d")] == ["2024-03-01T23:30", "2024-03-01T21:30", "2024-03-02T03:00"]
    np.testing.assert_array_equal(dates.hours("d"), [23.5, 21.5, 3.0])


def test_a_time_of_day_has_hours_alone() -> None:
    np.testing.assert_array_equal(table("9:15", "23:30:36", "NA").hours("d"), [9.25, 23.51, np.nan])


def test_dates_of_typed_sources_and_after_rows_have_gone() -> None:
    berlin = [datetime.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")), None]
    typed = from_frame(
        {
            "y": [1.0, None, 3.0],
            "day": [datetime.date(2024, 7, 1), datetime.date(1999, 1, 1), None],
            "at": pa.array([*berlin, berlin[0]], pa.timestamp("ns", tz="Europe/Berlin")),
        }
    ).read(["y", "day", "at"])
    kept = complete_rows(typed, ["y"])
    assert str(kept.instants("day")[0])[:10] == "2024-07-01"
    assert np.isnat(kept.instants("day")[1])
    assert (kept.instants("at") == np.datetime64("2024-07-01T10:00")).all()
    np.testing.assert_array_equal(kept.hours("at"), [12, 12])


@pytest.mark.parametrize(
    ("values", "what", "words"),
    [
        (("2024-02-28", "NA", "2024-02-30", "2024-02-31"), "clock", ["'2024-02-30' in row 3 (and 1 more)", "calendar"]),
        (("2024-02-28 25:00", "2024-02-28 24:30"), "instants", ["'2024-02-28 25:00' in row 1 (and 1 more)"]),
        (("2024-02-28 10:00Z", "2024-02-28 11:00"), "instants", ["'2024-02-28 11:00' in row 2 has no time zone"]),
        (("2024-02-28", "12:30"), "clock", ["'12:30' in row 2 is a time of day", "hour(d)"]),
        (("2024-02-28", "2024-02-29"), "hours", ["'2024-02-28' in row 1 (and 1 more) has no time of day"]),
        (("NA", "03/01/2024"), "instants", ["column 'd' holds no dates: '03/01/2024' in row 2", "2024-05-31"]),
        (("NA", "17"), "hours", ["column 'd' holds no dates: '17' in row 2"]),
    ],
)
def test_what_is_no_date_is_named(values: tuple[str, ...], what: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        getattr(table(*values), what)("d")
    assert caught.value.code == "not_a_date"
    for word in words:
        assert word in f"{caught.value.message}; {caught.value.hint}"
