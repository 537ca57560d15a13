"""Every type of value, from every library, in every format: the same value, or an error."""

import csv
import datetime as dt
import io
import json
import uuid
from decimal import Decimal
from importlib.metadata import version

import numpy as np
import pytest

from evenly.errors import EvenlyError
from evenly.samples import open_samples

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pytest.importorskip("datasets")

REFUSED = object()
NAN, INF = float("nan"), float("inf")
UTC = dt.timezone.utc
DAY, NOON = dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 12)
NANO = pd.Timestamp("2024-01-02T12:00:00.000000001")
ID = uuid.UUID(int=7)


class Thing:
    """An object of a user's own class."""


def arrow(value, kind=None):
    return lambda: pa.table({"x": pa.array([value], kind)})


def extension(value, kind):
    return lambda: pa.table({"x": pa.array([value], kind.storage_type).cast(kind)})


def frame(values, **options):
    def make():
        series = pd.Series(values, **options)
        return pd.DataFrame({"x": series}).set_axis(range(5, 5 + len(series)))

    return make


def polars(value, kind):
    return lambda: pl.DataFrame({"x": pl.Series([value], dtype=kind)})


def rows(*values):
    return lambda: [{"x": value} for value in values]


SAME = "same"
# name: the data, and what JSON, CSV and parquet hold of the first row.
CASES = {
    "int8": (arrow(1, pa.int8()), 1, "1", SAME),
    "int64": (arrow(2**63 - 1), 2**63 - 1, str(2**63 - 1), SAME),
    "uint64": (arrow(2**64 - 1, pa.uint64()), 2**64 - 1, str(2**64 - 1), SAME),
    "float16": (arrow(0.5, pa.float16()), 0.5, "0.5", SAME),
    "float32": (arrow(0.1, pa.float32()), float(np.float32(0.1)), "0.10000000149011612", SAME),
    "nan": (arrow(NAN), None, "NaN", SAME),
    "infinity": (arrow(-INF), None, "-Infinity", SAME),
    "nan in a list": (arrow([1.0, NAN, INF]), [1.0, None, None], "[1.0, null, null]", SAME),
    "bool": (arrow(True), True, "true", SAME),
    "null": (arrow(None), None, "", SAME),
    "decimal": (arrow(Decimal("1.50")), REFUSED, "1.50", SAME),
    "decimal in a list": (arrow([Decimal("1.50")]), REFUSED, REFUSED, SAME),
    "date32": (arrow(DAY), "2024-01-02", "2024-01-02", SAME),
    "date64": (arrow(DAY, pa.date64()), "2024-01-02", "2024-01-02", SAME),
    "time": (arrow(dt.time(1), pa.time32("s")), "01:00:00", "01:00:00", SAME),
    "time in ns": (arrow(1, pa.time64("ns")), "00:00:00.000000001", "00:00:00.000000001", SAME),
    "timestamp": (arrow(NOON), "2024-01-02T12:00:00", "2024-01-02T12:00:00", SAME),
    "timestamp in ns": (arrow(NANO, pa.timestamp("ns")), NANO.isoformat(), NANO.isoformat(), SAME),
    "timestamp with zone": (
        arrow(NOON, pa.timestamp("us", "Asia/Tokyo")),
        "2024-01-02T21:00:00+09:00",
        "2024-01-02T21:00:00+09:00",
        SAME,
    ),
    "date beyond Python's": (arrow(10**8, pa.date32()), REFUSED, REFUSED, None),
    "duration": (arrow(dt.timedelta(1)), REFUSED, REFUSED, SAME),
    "months and days": (arrow((1, 2, 3), pa.month_day_nano_interval()), REFUSED, REFUSED, REFUSED),
    "binary": (arrow(b"\xff"), REFUSED, REFUSED, SAME),
    "binary in a list": (arrow([b"a"]), REFUSED, REFUSED, SAME),
    "string": (arrow('a,\r\n"é"'), 'a,\r\n"é"', 'a,\r\n"é"', SAME),
    "large_string": (arrow("a", pa.large_string()), "a", "a", SAME),
    "string_view": (arrow("a", pa.string_view()), "a", "a", SAME),
    "dictionary": (lambda: pa.table({"x": pa.array(["a"]).dictionary_encode()}), "a", "a", SAME),
    "list": (arrow([1, None]), [1, None], "[1, null]", SAME),
    "fixed size list": (arrow([1], pa.list_(pa.int8(), 1)), [1], "[1]", SAME),
    "struct": (arrow({"a": [DAY]}), {"a": ["2024-01-02"]}, '{"a": ["2024-01-02"]}', SAME),
    "struct without fields": (arrow({}), {}, "{}", REFUSED),
    "map": (arrow([("a", 1)], pa.map_("string", "int8")), [["a", 1]], '[["a", 1]]', SAME),
    "run-end encoded": (
        lambda: pa.table({"x": pa.RunEndEncodedArray.from_arrays([1], [7])}),
        7,
        "7",
        REFUSED,
    ),
    "json": (extension('{"a": 1}', pa.json_()), {"a": 1}, '{"a": 1}', SAME),
    "uuid": (extension(ID.bytes, pa.uuid()), str(ID), str(ID), SAME),
    "tensor": (extension([1, 2], pa.fixed_shape_tensor(pa.int8(), [2])), REFUSED, REFUSED, None),
    "pandas Int8": (frame([1, None], dtype="Int8"), 1, "1", SAME),
    "pandas missing": (frame([None, 1], dtype="Int8"), None, "", SAME),
    "pandas float": (frame([NAN, INF]), None, "", SAME),
    "pandas boolean": (frame([True, None], dtype="boolean"), True, "true", SAME),
    "pandas string": (frame(["a"], dtype="string"), "a", "a", SAME),
    "pandas category": (frame(["a"], dtype="category"), "a", "a", SAME),
    "pandas datetime": (frame([NANO]), NANO.isoformat(), NANO.isoformat(), SAME),
    "pandas timedelta": (frame(pd.to_timedelta([1], "ns")), REFUSED, REFUSED, SAME),
    "pandas period": (frame(pd.period_range("2024", periods=1, freq="M")), REFUSED, REFUSED, None),
    "pandas interval": (frame(pd.interval_range(0, 1)), REFUSED, REFUSED, None),
    "pandas complex": (frame([1j]), REFUSED, REFUSED, REFUSED),
    "pandas sparse": (frame(pd.arrays.SparseArray([0.5])), 0.5, "0.5", REFUSED),
    "pandas object": (frame([Thing()]), REFUSED, REFUSED, REFUSED),
    "pandas mixed": (frame([1, "a", [2]]), 1, "1", REFUSED),
    "pandas nested": (
        frame([{"a": np.array([1, NAN]), "b": pd.NaT, "c": np.array([NANO.to_datetime64()])}]),
        {"a": [1, None], "b": None, "c": [NANO.isoformat()]},
        json.dumps({"a": [1.0, None], "b": None, "c": [NANO.isoformat()]}),
        None,
    ),
    "polars Object": (polars(Thing(), pl.Object), REFUSED, REFUSED, REFUSED),
    "polars Int128": (polars(2**100, pl.Int128), 2**100, str(2**100), REFUSED),
    "polars Enum": (polars("a", pl.Enum(["a"])), "a", "a", SAME),
    "polars Categorical": (polars("a", pl.Categorical), "a", "a", SAME),
    "polars Decimal": (polars(Decimal("1.5"), pl.Decimal(9, 1)), REFUSED, "1.5", SAME),
    "polars Datetime in ns": (
        polars(1, pl.Datetime("ns")),
        "1970-01-01T00:00:00.000000001",
        "1970-01-01T00:00:00.000000001",
        SAME,
    ),
    "polars Duration": (polars(1, pl.Duration("ns")), REFUSED, REFUSED, SAME),
    "polars Binary": (polars(b"a", pl.Binary), REFUSED, REFUSED, SAME),
    "polars Array": (polars([1], pl.Array(pl.Int8, 1)), [1], "[1]", SAME),
    "polars Struct": (polars({"a": [1]}, None), {"a": [1]}, '{"a": [1]}', SAME),
    "polars date beyond Python's": (
        lambda: pl.DataFrame({"x": pl.Series([10**8], dtype=pl.Int32).cast(pl.Date)}),
        REFUSED,
        REFUSED,
        None,
    ),
    "strings and bytes": (rows("a", b"b"), REFUSED, REFUSED, REFUSED),
    "dates and times": (rows(DAY, NOON), "2024-01-02", "2024-01-02", REFUSED),
    "zones and none": (rows(NOON, NOON.replace(tzinfo=UTC)), *[NOON.isoformat()] * 2, REFUSED),
    "whole numbers and others": (rows(1, 0.5), 1, "1", SAME),
    "numbers and strings": (rows(1, "a"), 1, "1", REFUSED),
    "a large integer": (rows(2**70), 2**70, str(2**70), REFUSED),
    "a set": (rows({1}), REFUSED, REFUSED, REFUSED),
    "an object": (rows([Thing()]), REFUSED, REFUSED, REFUSED),
    "half a character": (rows("\ud800"), "\ud800", REFUSED, REFUSED),
    "dicts": (rows({"a": 1}, {"b": [2]}), {"a": 1}, '{"a": 1}', None),
    "a date of NumPy": (rows(NANO.to_datetime64()), NANO.isoformat(), NANO.isoformat(), None),
    "no date of NumPy": (rows(np.datetime64("NaT", "ns")), None, "", None),
    "a number of NumPy": (rows(np.float32(INF)), None, "Infinity", SAME),
    "a 2-D array": (rows(np.zeros((1, 2))), [[0, 0]], "[[0.0, 0.0]]", REFUSED),
    "a UUID": (rows(ID), str(ID), str(ID), SAME),
    "a cycle": (lambda: [{"x": cycle()}], REFUSED, REFUSED, None),
}


def cycle():
    inner = {}
    inner["again"] = inner
    return inner


def written(data, suffix, folder):
    """Return the file, or REFUSED if an error named the column."""
    samples = open_samples(data)
    path = folder / f"o.{suffix}"
    try:
        samples.write(path, range(len(samples)))
    except EvenlyError as error:
        message = str(error)
        named = "cannot hold the column 'x'" in message or "in the column 'x'" in message
        return REFUSED if named and not path.exists() else error
    return path


def no_constant(word):
    raise AssertionError(f"{word} is not JSON")


@pytest.mark.parametrize("name", CASES)
def test_json_keeps_the_value_or_names_the_column(name, tmp_path):
    make, expected, _, _ = CASES[name]
    for suffix in ("jsonl", "json"):
        path = written(make(), suffix, tmp_path)
        if expected is REFUSED:
            assert path is REFUSED
            continue
        text = path.read_text()
        text = text.splitlines()[0] if suffix == "jsonl" else text
        found = json.loads(text, parse_constant=no_constant)
        found = found if suffix == "jsonl" else found[0]
        assert found == {"x": expected}


@pytest.mark.parametrize("name", CASES)
def test_csv_keeps_the_value_or_names_the_column(name, tmp_path):
    make, _, expected, _ = CASES[name]
    path = written(make(), "csv", tmp_path)
    if expected is REFUSED:
        assert path is REFUSED
    else:
        content = io.StringIO(path.read_bytes().decode(), newline="")
        assert next(csv.DictReader(content)) == {"x": expected}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3] is not None])
def test_parquet_keeps_the_value_or_names_the_column(name, tmp_path):
    make, _, _, expected = CASES[name]
    if name == "a UUID" and int(version("pyarrow").split(".")[0]) < 24:
        expected = REFUSED  # before, pyarrow does not know the type
    path = written(make(), "parquet", tmp_path)
    if expected is REFUSED:
        assert path is REFUSED
        return
    back, given = open_samples(path), open_samples(make())
    assert back.columns == ("x",)
    np.testing.assert_equal(back.column("x"), [plain(value) for value in given.column("x")])


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


def test_numbers_that_become_null_are_named(tmp_path, caplog):
    data = [{"x": NAN, "y": [INF], "z": 1.5}]
    open_samples(data).write(tmp_path / "o.jsonl", [0])
    assert caplog.messages == [
        "JSON has no NaN and no infinite numbers: written as null in the columns x, y"
    ]


def test_words_that_are_not_json_are_replaced_in_copied_lines(tmp_path):
    lines = [b'{"x": NaN,  "t": "a"}\n', b'{"x":  1, "t": "NaN"}\n', b'{"x": [-Infinity]}\n']
    folder = tmp_path / "in"
    folder.mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number}.jsonl").write_bytes(line)
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    for source in (tmp_path / "a.jsonl", folder):
        open_samples(source).write(tmp_path / "o.jsonl", [0, 1, 2], force=True)
        first, second, third = (tmp_path / "o.jsonl").read_bytes().splitlines(keepends=True)
        assert json.loads(first, parse_constant=no_constant) == {"x": None, "t": "a"}
        assert second == lines[1]
        assert json.loads(third, parse_constant=no_constant) == {"x": [None]}
