"""STUDY.toml: what it may say, and one sentence for everything that it may not."""

from pathlib import Path

import pytest

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.cost.price import Prices
from sizewise.decide.holdout import Holdout
from sizewise.study.config import TaskRef, read_config
from sizewise.study.ladder import LADDER
from sizewise.study.space import Space
from sizewise.study.study import Study

WHOLE = """
name = "support search"
tasks = ["./data/support", { path = "./data/intents", margin = 0.5, protocol = "full", name = "intents" }]
candidates = ["all-MiniLM-L6-v2", "bm25"]
threads = 2
[space]
dimensions = [384, 128]
pca = [64]
vectors = ["float32", "binary+rescore=100"]
[limits]
p95_ms = 30
memory_mb = 2000
[decide]
margin = 1.5
minimise = "monthly_cost"
confirm = 0.2
[prices]
price_per_hour = 0.20
queries_per_month = 3_000_000
[trust]
remote_code = ["some/model"]
"""


def read(tmp_path, text):
    path = tmp_path / "STUDY.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(path)


def test_all_that_a_study_may_say(tmp_path):
    found = read(tmp_path, WHOLE)
    assert found.name == "support search"
    assert found.tasks == (
        TaskRef(tmp_path / "data/support"),
        TaskRef(tmp_path / "data/intents", 0.5, "full", "intents"),
    )
    assert found.candidates == ("all-MiniLM-L6-v2", "bm25")
    assert found.space == Space((384, 128), (64,), ("float32", "binary+rescore=100"))
    assert found.limits == {"p95_ms": 30, "memory_mb": 2000}
    assert (found.margin, found.minimise, found.confirm) == (1.5, "monthly_cost", Holdout(0.2))
    assert found.prices == Prices(price_per_hour=0.20, queries_per_month=3_000_000)
    assert found.trust.remote_code == {"some/model"}
    assert found.threads == 2


def test_all_that_it_need_not_say(tmp_path):
    found = read(tmp_path, 'candidates = "ladder"')
    assert (found.name, found.candidates, found.tasks) == ("STUDY", ("ladder",), ())
    assert (found.margin, found.minimise, found.limits, found.threads) == (None, None, {}, None)
    assert not found.confirm
    assert read(tmp_path, '[decide]\nconfirm = "tune"').confirm == Holdout(tune=True)
    assert read(tmp_path, '[decide]\nconfirm = "held.txt"').confirm == Holdout(file=tmp_path / "held.txt")
    assert read(tmp_path, b'\xef\xbb\xbfname = "saved by Notepad"').name == "saved by Notepad"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("candidate = []", "candidate is not known; did you mean candidates?"),
        ("zzz = 1", "zzz is not known; there are: name, tasks, candidates"),
        ("[decide]\nmargins = 2", "decide.margins is not known; did you mean margin?"),
        ("[space]\ndimension = [1]", "space.dimension is not known; did you mean dimensions?"),
        ("[limits]\np95 = 3", "limits.p95 is not known; did you mean p95_ms?"),
        ("[prices]\nprice = 3", "prices.price is not known; there are: price_per_hour"),
        ("[trust]\nremote = []", "trust.remote is not known; did you mean remote_code?"),
        ("name = 3", "name must be a text, not 3"),
        ("threads = '2'", "threads must be a whole number, not '2'"),
        ("threads = true", "threads must be a whole number, not True"),
        ("threads = 0", "threads must be 1 or more, not 0"),
        ("tasks = 'data'", "tasks must be a list, not 'data'"),
        ("tasks = [3]", "tasks each task is a path or a table"),
        ("tasks = [{ margin = 3 }]", "tasks each task is a path or a table"),
        ("tasks = [{ path = 'x', margn = 3 }]", "tasks.margn is not known; did you mean margin?"),
        ("tasks = [{ path = 'x', margin = 'a' }]", "tasks.margin must be a number, not 'a'"),
        ("tasks = [{ path = 'x', margin = 0 }]", "tasks.margin must be above zero, not 0"),
        ("tasks = [{ path = 'x', margin = -1 }]", "tasks.margin must be above zero, not -1"),
        ("candidates = [1]", "candidates must be a list of texts"),
        ("space = 3", "space must be a table"),
        ("[space]\ndimensions = [0]", "space.dimensions must be a list of whole numbers above zero"),
        ("[space]\ndimensions = [1.5]", "space.dimensions must be a list of whole numbers above zero"),
        ("[space]\nvectors = 'int8'", "space.vectors must be a list, not 'int8'"),
        ("limits = 3", "limits must be a table"),
        ("[limits]\np95_ms = '3'", "limits.p95_ms must be a number, not '3'"),
        ("[decide]\nmargin = 0", "decide.margin must be above zero, not 0"),
        ("[decide]\nmargin = nan", "decide.margin must be above zero, not nan"),
        ("[decide]\nminimise = 'p95'", "decide.minimise is no cost: 'p95'; did you mean p95_ms?"),
        (
            "[decide]\nconfirm = 1.0",
            'decide.confirm must be a share (0 to below 1), a file of unit ids, or "tune", not 1.0',
        ),
        ("[decide]\nconfirm = true", "decide.confirm must be a share"),
        ("[prices]\nprice_per_hour = '1'", "prices.price_per_hour must be a number, not '1'"),
        ("[prices]\nprice_per_hour = -1", "prices.price_per_hour is -1; it must be a number, zero or more"),
        ("name = ", "Invalid value (at end of document)"),
        ('name = "a"\n= 3', "Invalid statement (at line 2, column 1)"),
        (b'name = "\xff"', "not UTF-8 (byte 8)"),
    ],
)
def test_what_it_may_not_say(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'STUDY.toml'}: {message}")


OUTSIDE = [
    "..",
    ".",
    "",
    "../x",
    "a/b",
    "/tmp/x",
    "a\\\\b",
    "C:",
    "C:x",
    "a/..",
    "a\\nb",
    "a\\u0000b",
    "a\\u0085b",
    "x/",
]
"""As a TOML string has them."""


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_run_folder(tmp_path, name):
    with pytest.raises(InputError) as error:
        read(tmp_path, f'name = "{name}"\ncandidates = ["m"]')
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'STUDY.toml'}: name ")
    assert "cannot name the run folder runs/NAME" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["support search", "v1..v2", "..x", "näme", "faq: b", "-x", ".hidden"])
def test_a_name_that_is_one_folder(tmp_path, name):
    assert read(tmp_path, f'name = "{name}"').name == name


def test_a_study_from_python_keeps_to_its_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot name the run folder"):
        Study([], [], name="../outside").run()
    assert not list(tmp_path.iterdir())


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"^there is no study file .*none.toml; check the path"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"is a folder; give a STUDY.toml, or a task with --task"):
        read_config(tmp_path)


@pytest.mark.parametrize("text", LADDER)
def test_the_ladder_can_be_read(text):
    assert str(parse(text)) == str(parse(str(parse(text))))


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "STUDY.toml").write_text('tasks = ["data"]')
    monkeypatch.chdir(tmp_path)
    assert read_config(Path("there/STUDY.toml")).tasks == (TaskRef(Path("there/data")),)
