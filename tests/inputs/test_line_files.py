"""Files of JSON lines, line protocol and Arrow: found by name and content, read block by block."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from novaql.errors import InputError
from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.file_formats import format_of
from novaql.inputs.files import read_paths
from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import FileKind, FileOptions, ReadOptions
from novaql.inputs.text import exposition
from tests.support.store.batches import bits, plain

EXPORT = b'{"metric":{"__name__":"up","job":"a"},"values":[1,2],"timestamps":[1000,2000]}\n'
WANTED = {(("__name__", "up"), ("job", "a")): {1000: bits(1.0), 2000: bits(2.0)}}


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson.gz", "x", "x.data"])
def test_json_lines_are_recognised(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(EXPORT) if name.endswith(".gz") else EXPORT)
    assert format_of(path).kind is FileKind.JSON_LINES
    assert plain(concat_batches(open_stream(path).batches)) == WANTED


@pytest.mark.parametrize("name", ["x.influx", "x.lp", "x"])
def test_line_protocol_has_a_name_or_is_asked_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"up,job=a v=1 1\nup,job=a v=2 2\n")
    options = FileOptions(FileKind.INFLUX if name == "x" else None, precision="s")
    found = plain(concat_batches(open_stream(path, ReadOptions(files=options)).batches))
    assert found == {(("__name__", "up_v"), ("job", "a")): {1000: bits(1.0), 2000: bits(2.0)}}


def arrow_table() -> pa.Table:
    return pa.table(
        {
            "time": pa.array([1000, 2000], pa.timestamp("ms")),
            "name": ["up", "up"],
            "job": ["a", "a"],
            "value": [1.0, 2.0],
        }
    )


@pytest.mark.parametrize("name", ["x.arrow", "x.arrows", "x.feather", "x"])
@pytest.mark.parametrize("form", ["file", "stream"])
def test_arrow_of_both_kinds(tmp_path: Path, name: str, form: str) -> None:
    path, table = tmp_path / name, arrow_table()
    opened = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with opened(str(path), table.schema) as out:
        out.write_table(table)
    assert format_of(path).kind is FileKind.ARROW
    assert plain(concat_batches(open_stream(path).batches)) == WANTED
    path.write_bytes(path.read_bytes()[:-150])
    with pytest.raises(InputError, match="no readable Arrow file"):
        list(open_stream(path).batches)


def test_lines_are_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "BLOCK_BYTES", 100)
    path = tmp_path / "x.jsonl"
    path.write_bytes(EXPORT * 5 + b"{}\n")
    with pytest.raises(InputError, match=r"x\.jsonl:6: the series has no labels"):
        list(open_stream(path).batches)
    path = tmp_path / "x.influx"
    path.write_bytes(b"up,job=a v=1 1\n" * 20 + b"oops\n")
    with pytest.raises(InputError, match=r"x\.influx:21: "):
        list(open_stream(path).batches)


def test_a_folder_of_many_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(EXPORT)
    (tmp_path / "b.influx").write_bytes(b"down v=1 1\n")
    (tmp_path / "c.prom").write_bytes(b"text 1 5\n")
    source = read_paths([tmp_path]).collect()
    assert source.label_values("__name__", [], 0, 10_000) == ["down_v", "text", "up"]
