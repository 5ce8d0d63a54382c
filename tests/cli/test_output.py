"""Results in each format, to standard output and to files."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from novaql.cli.output import Format, chosen_format, destination, write_result
from tests.support.generators.results import matrix, vector

RESULT = replace(vector([({"zone": "a"}, 1), ({"zone": "b"}, 2)]), warnings=("careful",))


@pytest.mark.parametrize(
    ("given", "output", "chosen"),
    [
        (None, None, Format.TABLE),
        ("csv", None, Format.CSV),
        (None, "x.CSV", Format.CSV),
        (None, "x.arrows", Format.ARROW),
        (None, "x.json", Format.JSON),
        (None, "x", Format.TABLE),
        ("json", "x.csv", Format.JSON),
        ("json", "x.data", Format.JSON),
        (None, "x.parquet", Format.PARQUET),
    ],
)
def test_the_suffix_chooses_unless_told(
    given: str | None, output: str | None, chosen: Format
) -> None:
    assert chosen_format(given, output) is chosen


def test_a_suffix_of_no_format_is_refused() -> None:
    with pytest.raises(click.UsageError, match=r"\.xlsx is no format; use one of \.txt, \.csv"):
        chosen_format(None, "x.xlsx")


def test_a_table_carries_its_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    write_result(RESULT, Format.TABLE, None, rows=None)

    out, err = capfd.readouterr()
    assert out == repr(RESULT) + "\n"
    assert err == ""


def test_other_formats_warn_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    write_result(RESULT, Format.CSV, None, rows=None)

    out, err = capfd.readouterr()
    assert out.splitlines() == RESULT.csv().splitlines()
    assert err == "warning: careful\n"


@pytest.mark.slow
def test_parquet_reads_back_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    write_result(RESULT, Format.PARQUET, str(target), rows=None)
    program = "from novaql.cli import main; main()"
    command = [sys.executable, "-c", program, "query", "vector(1)", "--format", "parquet"]
    writer = subprocess.run(command, capture_output=True, timeout=60, check=True)

    assert pq.read_table(target).equals(RESULT.arrow())
    assert pq.read_table(pa.BufferReader(writer.stdout))["value"].to_pylist() == [1.0]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    target = str(tmp_path / "nowhere" / "x.csv")

    with pytest.raises(FileNotFoundError) as problem, destination(target):
        pass

    assert problem.value.filename == target


def test_arrow_is_a_stream_that_reads_back(tmp_path: Path) -> None:
    target = tmp_path / "out.arrow"

    write_result(RESULT, Format.ARROW, str(target), rows=None)

    with pa.ipc.open_stream(target.read_bytes()) as stream:
        assert stream.read_all().equals(RESULT.arrow())


def test_arrow_refuses_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    with pytest.raises(click.UsageError, match="terminal"):
        write_result(RESULT, Format.ARROW, None, rows=None)


def test_everything_is_shown_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    many = vector([({"n": str(n)}, n) for n in range(150)])

    write_result(many, Format.TABLE, None, rows=None)
    assert len(capfd.readouterr().out.splitlines()) == 153
    write_result(many, Format.TABLE, None, rows=5)
    assert capfd.readouterr().out.splitlines()[-1] == "… 145 more series"


def test_a_terminal_sees_a_screenful_that_fits(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    many = matrix([({"n": str(n), "long": "x" * 39 + str(n)}, [n, 1.0]) for n in range(150)])

    write_result(many, Format.TABLE, None, rows=None)

    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "… 50 more series"
    assert max(map(len, lines[1:])) <= 70


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("before")

    def half() -> None:
        with destination(str(target)) as out:
            out.write(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        half()
    assert target.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.csv"]

    write_result(RESULT, Format.CSV, str(target), rows=None)
    assert target.read_text().startswith("time,value,zone")
    assert os.listdir(tmp_path) == ["out.csv"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_device_is_written_in_place() -> None:
    write_result(RESULT, Format.CSV, "/dev/null", rows=None)

    assert Path("/dev/null").is_char_device()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
