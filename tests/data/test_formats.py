"""Tables: the same rows from every format, and errors that name file and line."""

import gzip
import re
from pathlib import Path

import pytest

from sizewise.core.errors import InputError
from sizewise.data.formats import SUFFIXES, column_names, find_table, rows

ROWS = [
    {"text": "plain", "label": "a"},
    {"text": 'quoted "text", with a comma', "label": "b"},
    {"text": "two\nlines\tand a tab", "label": "c"},
    {"text": "हिन्दी 你好 العربية 🍵 e\u0301", "label": "d"},
    {"text": "a line separator\u2028is no line end", "label": "e"},
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_rows(write, suffix):
    path = write(f"table{suffix}", ROWS)
    assert [row for _, row in rows(path)] == ROWS
    assert column_names(path) == {"text", "label"}


def test_lines_are_those_of_the_file(write):
    assert [line for line, _ in rows(write("a.jsonl", '{"a": 1}\n\n  \n{"a": 2}\n'))] == [1, 4]
    assert [line for line, _ in rows(write("a.csv", 'a,b\n1,"two\nlines"\n\n3,4\n'))] == [2, 5]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("file", "lines"), [("a.csv", ["a,b", "é,2"]), ("a.jsonl", ['{"a":"é","b":"2"}'])])
def test_byte_order_mark_and_line_ends_are_tolerated(write, file, lines, mark, end):
    assert [row for _, row in rows(write(file, (mark + end.join(lines)).encode()))] == [{"a": "é", "b": "2"}]


BAD = {
    "not JSON": ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl:2: invalid JSON at column"),
    "half a surrogate": ("a.jsonl", b'{"a": "\\ud800"}\n', "a.jsonl:1: invalid JSON at column"),
    "no object": ("a.jsonl", b'{"a": 1}\n[1, 2]\n', "a.jsonl:2: the line is no JSON object"),
    "JSON that is not UTF-8": ("a.jsonl", b'{"a": 1}\n\n{"a": "\xff"}\n', "a.jsonl:3: byte 8 of the line is not UTF-8"),
    "UTF-16": ("a.jsonl", '{"a": 1}'.encode("utf-16"), "a.jsonl:1: byte 1 of the line is not UTF-8"),
    "CSV that is not UTF-8": ("a.csv", b"a,b\n1,2\n\xe9,4\n", "a.csv:3: byte 1 of the line is not UTF-8"),
    "empty": ("a.jsonl", b"", "a.jsonl:1: the file has no rows"),
    "blank": ("a.jsonl", b"\n \n", "a.jsonl:1: the file has no rows"),
    "header alone": ("a.csv", b"a,b\n", "a.csv:1: the file has no rows"),
    "too many fields": ("a.csv", b"a,b\n1,2\n1,2,3\n", "a.csv:3: 3 fields where the header has 2"),
    "too few fields": ("a.tsv", b"a\tb\n1\n", "a.tsv:2: 1 fields where the header has 2"),
    "open quote": ("a.csv", b'a,b\n1,2\n"3,4\n', "a.csv:3: broken quoting"),
    "a column twice": ("a.csv", b"a,b,a\n1,2,3\n", "a.csv:1: the header names 'a' twice"),
    "no Parquet": ("a.parquet", b"PAR1 not really", "a.parquet: this is no readable Parquet file"),
    "no gzip": ("a.jsonl.gz", b'{"a": 1}\n', "a.jsonl.gz: this is no complete gzip file"),
    "half a gzip": ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 999)[:-9], "a.jsonl.gz: this is no complete gzip"),
    "broken gzip": ("a.jsonl.gz", gzip.compress(b"x" * 99)[:12] + b"\0" * 9, "a.jsonl.gz: this is no complete gzip"),
    "another format": ("a.xlsx", b"PK", "a.xlsx: unknown format; use one of .jsonl"),
}


@pytest.mark.parametrize(("file", "content", "message"), BAD.values(), ids=BAD)
def test_bad_tables_name_file_and_line(write, tmp_path, file, content, message):
    path = write(file, content)
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/{message}")):
        list(rows(path))


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        list(rows(tmp_path / "none.jsonl"))


def test_parquet_text_that_is_not_utf8_names_its_row(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = pa.array([b"fine"] * 5000 + [b"\xff"], pa.binary())
    texts = pa.StringArray.from_buffers(len(values), values.buffers()[1], values.buffers()[2])
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=re.escape("a.parquet:5001: a text is not UTF-8")):
        list(rows(tmp_path / "a.parquet"))


def test_two_files_of_one_table_are_ambiguous(write, tmp_path):
    write("corpus.csv", ROWS)
    assert find_table(tmp_path, "corpus") == tmp_path / "corpus.csv"
    write("corpus.jsonl.gz", ROWS)
    with pytest.raises(InputError, match=re.escape("corpus.jsonl.gz and corpus.csv")):
        find_table(tmp_path, "corpus")
    assert find_table(Path(tmp_path), "queries") is None


def test_a_field_may_be_long(write):
    path = write("a.csv", [{"text": "x" * 300_000}])
    assert next(rows(path))[1]["text"] == "x" * 300_000
