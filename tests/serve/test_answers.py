"""Long lists of vectors as JSON."""

import asyncio

import numpy as np
import orjson
import pytest

from sizewise.serve import answers

MATRIX = np.random.default_rng(0).normal(size=(200, 600)).astype(np.float32)


def openai(rows):
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    return {"object": "list", "data": data, "model": "m"}


@pytest.mark.parametrize("count", [1, answers.ROWS, 200])
def test_slices_are_the_same_bytes_as_one_piece(count):
    def whole(value):
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)

    rows = MATRIX[:count]
    assert asyncio.run(answers.vectors(rows, {})).body == whole(rows)
    for given in (list(rows), ["AAAA"] * count):
        assert asyncio.run(answers.embeddings(given, {"model": "m"}, {})).body == whole(openai(given))


def test_no_call_keeps_the_lock_for_a_long_list(monkeypatch):
    """The event loop has its turn between the slices."""
    longest = []
    plain = orjson.dumps

    def watched(value, **options):
        rows = value["data"] if isinstance(value, dict) else value
        longest.append(0 if isinstance(rows, orjson.Fragment) else len(rows))
        return plain(value, **options)

    monkeypatch.setattr(orjson, "dumps", watched)
    asyncio.run(answers.vectors(MATRIX, {}))
    asyncio.run(answers.embeddings(list(MATRIX), {"model": "m"}, {}))
    assert max(longest) == answers.ROWS
