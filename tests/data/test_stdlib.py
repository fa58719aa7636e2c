"""The standard library as data."""

import re
import sys

import pytest

from sizewise.data.load import load_task
from sizewise.data.stdlib import entries, write_demo_tasks

SOURCE = '''"""Tools for making tea at home. They cover leaves, water and everything else that is needed for it."""

class Pot(Vessel, metaclass=Meta):
    """A vessel that holds hot tea. It keeps what was poured in until somebody drinks all of that.

    More of it."""

    def pour(self, cup: str = "big") -> None:
        """Pour some tea into a cup. The cup must be empty and stand upright on a table or something flat."""

    def _hidden(self):
        """Pour some tea into a cup. The cup must be empty and stand upright on a table or something flat."""

async def brew(*leaves, hot=True):
    """Too short. But it has a second sentence that is long enough for most of the purposes here."""

def undocumented(): pass
'''


def test_entries_are_read_and_never_imported(write, tmp_path):
    write("lib/tea.py", SOURCE + "raise SystemExit\n")
    for skipped in ("_private.py", "test/test_tea.py", "site-packages/x.py", "bad.py", "not-a-module.py"):
        write(f"lib/{skipped}", "def (" if skipped == "bad.py" else SOURCE)
    found = list(entries(tmp_path / "lib"))
    assert [(e.name, e.module, e.signature) for e in found] == [
        ("tea", "tea", ""),
        ("tea.Pot", "tea", "(Vessel)"),
        ("tea.Pot.pour", "tea", "(self, cup: str='big')"),
    ]
    assert found[1].sentence == "A vessel that holds hot tea."
    assert found[1].rest.endswith("all of that. More of it.")
    assert found[1].paragraph.endswith("drinks all of that.")
    assert "tea" not in sys.modules


@pytest.mark.slow
def test_demo_tasks_are_made_and_repeat(tmp_path):
    tasks = [load_task(path) for path in write_demo_tasks(tmp_path / "demo")]
    again = [load_task(path) for path in write_demo_tasks(tmp_path / "demo")]
    assert [(task.name, task.kind) for task in tasks] == [
        ("stdlib/search", "retrieval"),
        ("stdlib/areas", "clustering"),
        ("stdlib/senses", "wordsense"),
    ]
    assert [task.fingerprint for task in tasks] == [task.fingerprint for task in again]
    search, areas, _ = tasks
    assert 1000 < len(search.units) < 3000
    assert search.units.group_count > 100
    assert all(re.search(r"\w", query) for query in search.queries)
    assert 10 <= len(areas.labels) <= 15
