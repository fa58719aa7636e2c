"""Exit codes, and one sentence on standard error for everything that can be wrong."""

import os
import signal
import subprocess
import sys
import time

import pytest


def one_sentence(found, code, words):
    assert found.code == code
    assert found.out == ""
    assert found.err.startswith("sizewise: ")
    assert words in found.err
    assert found.err.count("\n") == 1, found.err
    assert "Traceback" not in found.err


WRONG = [
    (["evall"], "No such command 'evall'"),
    (["--nope"], "No such option: --nope"),
    (["eval"], "Missing argument 'candidate'; see sizewise eval --help"),
    (["eval", "m"], "Missing option '--task'"),
    (["cost", "shape:bert-base", "--rounds", "many"], "Invalid value for '--rounds'"),
    (["cost", "shape:bert-base", "--rounds", "0"], "Invalid value for '--rounds'"),
    (["eval", "m[", "--task", "T"], "candidate 'm[': expected query, document or text at character 3, found the end"),
    (["eval", "nope:x", "--task", "T"], "unknown kind of encoder 'nope'"),
    (["eval", "fake:words", "--task", "/none"], "/none is no folder; check the path"),
    (["eval", "fake:words", "--task", "L", "--protocol", "nope"], "unknown protocol 'nope'; there are tuned, full"),
    (["eval", "fake:words", "--task", "T", "--protocol", "nope"], "unknown protocol 'nope'"),
    (["eval", "fake:words", "shape:bert-base", "--task", "T"], "shape:bert-base has random weights"),
    (["eval", "bm25", "--task", "L", "-q"], "none of the candidates applies to"),
    (["eval", "fake:words", "--task", "T", "--json", "/none/x.json"], "--json /none/x.json cannot be written"),
    (["eval", "fake:words", "--task", "T", "--json", "/"], "--json / cannot be written: it is a folder"),
    (["cost", "fake:words+int8"], "cost measures encoders (fake:words)"),
    (["cost", "bm25"], "bm25 has no encoder: its cost is that of a search, so give a --task with documents"),
    (["cost", "shape:nope"], "nope"),
    (["study", "fake:words"], "a study needs at least one task"),
    (["study", "none.toml"], "there is no study file none.toml"),
    (["study", "none.toml", "--task", "T"], "give a study file or --task with candidates, not both"),
    (["study", "fake:words", "--task", "T", "--limit", "p95_ms"], "--limit 'p95_ms' is not FIGURE=NUMBER"),
    (["study", "fake:words", "--task", "T", "--limit", "p95_ms=fast"], "--limit 'p95_ms=fast' is not FIGURE=NUMBER"),
    (["study", "fake:words", "--task", "T", "--limit", "p95=3"], "did you mean p95_ms?"),
    (["study", "fake:words", "--task", "T", "--limit", "p95=3", "--dry-run"], "did you mean p95_ms?"),
    (["study", "fake:words", "--task", "T", "--limit", "margin=2"], "there is no cost called 'margin'"),
    (["study", "fake:words", "--task", "T", "--limit", "p95_ms=inf"], "to have none, leave it out"),
    (["build", "x" * 300, "--out", "B"], "is not a folder here"),
    (
        ["study", "fake:words", "--task", "T", "--out", "/dev/null/run"],
        "the run folder /dev/null/run cannot be written",
    ),
    (["study", "fake:words", "--task", "T", "--price-per-hour", "-1"], "Invalid value for '--price-per-hour'"),
    (["recommend", "/none"], "/none holds no finished run"),
    (["task", "/none.jsonl", "--out", "X"], "/none.jsonl: there is no such file or folder"),
    (["store", "prune"], "Missing option '--unused-days'"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_input_and_commands(sizewise, retrieval_folder, labels, tmp_path, words, message):
    places = {"T": retrieval_folder, "L": labels, "X": tmp_path / "x"}
    one_sentence(sizewise(*(places.get(word, word) for word in words)), 2, message)


def test_what_fails_while_running(sizewise, retrieval_folder):
    one_sentence(sizewise("cost", "fake:unloadable", "-q"), 1, "measuring fake:unloadable: RuntimeError: the weights")


def test_a_store_that_cannot_be_written(sizewise, retrieval_folder):
    found = sizewise("eval", "fake:words", "--task", retrieval_folder, "--store", "/dev/null/store")
    one_sentence(found, 2, "the store /dev/null/store cannot be written")


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_a_read_only_output_folder(fakes, tmp_path, labels):
    """As another user: root may write everywhere."""
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o755)
    lines = [
        "import os, pathlib, sys",
        "from sizewise.core.errors import InputError",
        "from sizewise.study.run import RunFolder",
        "os.setuid(65534)",
        "try: RunFolder(pathlib.Path(sys.argv[1], 'run')).locked().__enter__()",
        "except InputError as error: print(error)",
    ]
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    run = subprocess.run([sys.executable, "-c", "\n".join(lines), folder], capture_output=True, text=True, check=False)
    if "Error" in run.stderr:
        pytest.skip("nobody may not read the packages here")
    assert (
        run.stdout == f"the run folder {folder / 'run'} cannot be written (Permission denied); choose another --out\n"
    )


def test_nothing_typed_is_answered_with_the_help(sizewise):
    for words in ([], ["store"]):
        found = sizewise(*words)
        assert found.code == 2
        assert found.err.startswith(f"Usage: sizewise {' '.join(words)}".rstrip())
        assert "Traceback" not in found.err


def test_debugging_shows_where(sizewise, monkeypatch):
    from sizewise.core.errors import InputError

    monkeypatch.setenv("SIZEWISE_DEBUG", "1")
    from sizewise.cli.main import run

    monkeypatch.setattr(sys, "argv", ["sizewise", "recommend", "/none"])
    with pytest.raises(InputError):
        run()


# --- stopped by Ctrl-C


def test_interrupted_it_says_so_leaves_nothing_and_goes_on(process, sizewise, retrieval_folder, tmp_path):
    words = ["study", "fake:slow", "--task", retrieval_folder, "--out", tmp_path / "run", "--threads", 1]
    one = process(*words, start_new_session=True)
    children = f"/proc/{one.pid}/task/{one.pid}/children"
    workers, until = [], time.time() + 60
    while not workers and time.time() < until and one.poll() is None:
        time.sleep(0.05)
        workers = open(children).read().split() if os.path.exists(children) else []  # noqa: SIM115, PTH110, PTH123
    time.sleep(0.2)
    os.killpg(one.pid, signal.SIGINT)  # as a terminal does: to the study and to what it started
    out, err = one.communicate(timeout=30)
    assert one.returncode == 130, err
    assert out == ""
    last = err.splitlines()[-1]
    assert last == "sizewise: stopped; what was finished is kept, and the same command goes on from there"
    assert "Traceback" not in err
    for worker in workers:
        assert not os.path.exists(f"/proc/{worker}"), "a process stayed behind"  # noqa: PTH110
    assert not (tmp_path / "run" / "run.json").exists()
    again = sizewise(*words, "--quiet")
    assert again.code == 0, again.err
    assert (tmp_path / "run" / "run.json").exists()


def test_interrupted_at_once(process):
    one = process("cost", "fake:slow", start_new_session=True)
    time.sleep(1.0)
    os.killpg(one.pid, signal.SIGINT)
    err = one.communicate(timeout=30)[1]
    if "KeyboardInterrupt" not in err:  # not even imported yet: that is Python's own
        assert one.returncode == 130
        assert err.splitlines()[-1].startswith("sizewise: stopped")
