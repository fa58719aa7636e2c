"""Tables of rows, whatever the file: JSON lines (also gzipped), CSV, TSV, Parquet. Every row knows its line.

Readers are iterators: a corpus of any size is read in constant memory, one pass. Bytes are split at line ends before
they are decoded or parsed, so an error always knows the line it is on.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson

from sizewise.core.errors import InputError

Row = dict[str, Any]
"""Column name to value. Values of CSV and TSV are strings; those of the other formats keep their type."""

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet")
"""Formats that are read, in the order in which messages list them."""

_BOM = b"\xef\xbb\xbf"
_BATCH_ROWS = 4096
_LONGEST_FIELD = 2**31 - 1


def find_table(folder: Path, stem: str) -> Path | None:
    """The file `stem` of `folder` in any known format, or None. Raises InputError when there are two."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        raise InputError(f"{folder}: {' and '.join(path.name for path in found)} say the same thing; keep one of them")
    return found[0] if found else None


def rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Each row of `path` with its line (Parquet: its row), counted from 1.

    Raises InputError naming file and line: unreadable, not UTF-8, not a table, or without any row.
    """
    reader = _reader(path)
    first = next(reader, None)
    if first is None:
        raise InputError(f"{path}:1: the file has no rows; fill it or remove it")
    yield first
    yield from reader


def column_names(path: Path) -> frozenset[str]:
    """The columns of the first row of `path`. Raises InputError as `rows` does."""
    return frozenset(next(rows(path))[1])


def _reader(path: Path) -> Iterator[tuple[int, Row]]:
    name = path.name.lower()
    if name.endswith((".jsonl", ".jsonl.gz")):
        return _json_rows(path)
    if name.endswith((".csv", ".tsv")):
        return _delimited_rows(path, "\t" if name.endswith(".tsv") else ",")
    if name.endswith(".parquet"):
        return _parquet_rows(path)
    raise InputError(f"{path}: unknown format; use one of {', '.join(SUFFIXES)}")


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines as bytes with their numbers, without a byte order mark. Raises InputError when the file cannot be read."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                yield line, raw.removeprefix(_BOM) if line == 1 else raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: this is no complete gzip file ({error}); compress it again") from error
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error.strerror or error}; check it") from error


def _not_utf8(path: Path, line: int, error: UnicodeDecodeError) -> InputError:
    return InputError(f"{path}:{line}: byte {error.start + 1} of the line is not UTF-8; save the file as UTF-8")


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    for line, raw in raw_lines(path):
        try:
            row = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            if raw.isspace():
                continue
            raise _json_error(path, line, raw, error) from error
        if type(row) is not dict:
            raise InputError(f"{path}:{line}: the line is no JSON object; write one object {{...}} a line")
        yield line, row


def _json_error(path: Path, line: int, raw: bytes, error: orjson.JSONDecodeError) -> InputError:
    try:
        raw.decode()
    except UnicodeDecodeError as not_utf8:
        return _not_utf8(path, line, not_utf8)
    return InputError(f"{path}:{line}: invalid JSON at column {error.colno} ({error.msg}); write one object a line")


def _delimited_rows(path: Path, delimiter: str) -> Iterator[tuple[int, Row]]:
    # Documents may be longer than the csv module's default limit, which is global and only guards old programs.
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(_decoded(path), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}:{line}: broken quoting ({error}); quote fields as RFC 4180 says") from error
        if values is None:
            return
        if not values:
            continue
        if header is None:
            header = _header(path, values)
        elif len(values) != len(header):
            raise InputError(
                f"{path}:{line}: {len(values)} fields where the header has {len(header)}; "
                "quote fields that contain the separator"
            )
        else:
            yield line, dict(zip(header, values, strict=True))


def _decoded(path: Path) -> Iterator[str]:
    for line, raw in raw_lines(path):
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(path, line, error) from error


def _header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"{path}:1: the header names {', '.join(sorted(twice))!r} twice; rename one column")
    return names


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in _values(path, batch, row):
                    row += 1
                    yield row, values
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: this is no readable Parquet file ({error}); write it again") from error


def _values(path: Path, batch: Any, rows_before: int) -> list[Row]:
    """The rows of a record batch. Raises InputError naming the first row with bytes that are no text."""
    try:
        return cast("list[Row]", batch.to_pylist())
    except UnicodeDecodeError:
        for at in range(batch.num_rows):
            try:
                batch.slice(at, 1).to_pylist()
            except UnicodeDecodeError as error:
                raise InputError(f"{path}:{rows_before + at + 1}: a text is not UTF-8; write the file again") from error
        raise
