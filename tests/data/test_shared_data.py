"""The public sets beside the repository load, with the sizes that their sources name."""

import os
from pathlib import Path

import pytest

from sizewise.data.load import load_task

FOLDER = Path(os.environ.get("SIZEWISE_DATA", Path(__file__).parents[3] / "shared" / "data"))

SETS = {
    "arxiv": ("clustering", 3000),
    "arxiv/search": ("retrieval", 3000),
    "banking77": ("classification", 3080),
    "cuad": ("classification", 1331),
    "medquad/liveqa": ("retrieval", 78),
    "pubmedqa": ("retrieval", 1000),
    "senses": ("wordsense", 2490),
    "stsb/en": ("similarity", 1379),
    "stsb/zh": ("similarity", 1379),
    "tatoeba/hi-en": ("retrieval", 1000),
    "xquad/zh-en": ("retrieval", 1190),
}


@pytest.mark.parametrize("name", SETS)
def test_public_sets_load(name):
    if not (FOLDER / name).is_dir():
        pytest.skip(f"{FOLDER / name} is not here; set SIZEWISE_DATA to the folder of public data sets")
    task = load_task(FOLDER / name)
    assert (task.name, (task.kind, len(task.units))) == (name, SETS[name])
    assert len(task.fingerprint) == 64
