"""On a terminal: colour, quiet, completion, Ctrl-C while something loads, and what the system refuses."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COLOUR = re.compile("\x1b\\[[0-9;]*(3[0-9]|4[0-9]|9[0-7]|10[0-7])[0-9;]*m")
COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()"]


@pytest.fixture
def on_terminal(fakes, tmp_path):
    """`on_terminal("eval", ..., NO_COLOR="1")` -> all that the command writes to a terminal of its own."""
    pty = pytest.importorskip("pty")

    def command(*words, **variables):
        environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        environment |= {"TERM": "xterm-256color", "SIZEWISE_STORE": str(tmp_path / "store"), "COLUMNS": "120"}
        ours, theirs = pty.openpty()
        one = subprocess.Popen(
            [*COMMAND, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment | variables
        )
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                part = b""
            if not part:
                break
            written += part
        os.close(ours)
        assert one.wait() == 0, written.decode()
        return written.decode()

    return command


def test_colour_on_a_terminal_unless_it_is_not_wanted(on_terminal, retrieval_folder):
    words = ["study", "fake:words", "--task", retrieval_folder, "--dry-run"]
    assert "in all about" in on_terminal(*words)
    words = ["eval", "fake:slow", "--task", retrieval_folder]
    coloured = on_terminal(*words)
    plain = on_terminal(*words, NO_COLOR="1", SIZEWISE_STORE=str(retrieval_folder.parent / "another"))
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)
    for text in (coloured, plain):
        assert "encode fake:slow" in text
        assert "left" in text


@pytest.mark.parametrize(
    "words", [["eval", "fake:slow"], ["cost", "fake:words", "--rounds", "1"], ["study", "fake:slow", "--threads", "1"]]
)
def test_quiet_shows_no_progress(sizewise, retrieval_folder, tmp_path, words):
    out = ["--out", tmp_path / "run"] if words[0] == "study" else []
    found = sizewise(*words, "--task", retrieval_folder, *out, "--quiet")
    assert (found.code, found.err) == (0, "")
    assert found.out


def test_the_demo_can_be_quiet_and_write_json(sizewise, monkeypatch, tmp_path, retrieval_folder):
    """On another task: the real one takes minutes."""
    from sizewise.study import demo
    from sizewise.study.study import Study

    def small(tasks, **options):
        return Study(tasks=[retrieval_folder], candidates=["fake:words"], name="demo", **options)

    monkeypatch.setattr(demo, "demo_study", small)
    words = ["demo", "--out", tmp_path / "run", "--threads", 1]
    found = sizewise(*words, "--quiet", "--json", "-")
    assert (found.code, found.err) == (0, "")
    assert json.loads(found.out)["choice"]["candidate"]
    assert "Three tasks from this interpreter's own standard library" in sizewise(*words).err


def test_task_and_prune_write_json(sizewise, sentences, tmp_path):
    long = [text for text in sentences if len(text.split()) > 12][:24]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"title": f"{t[:30]} title", "text": t}) + "\n" for t in [*long, "short"]))
    found = sizewise("task", corpus, "--out", tmp_path / "made", "--json", "-")
    assert (found.code, found.err) == (0, "")
    document = json.loads(found.out)
    assert (document["schema"], document["task"]) == (1, str(tmp_path / "made"))
    assert (document["documents"], document["queries"]) == (24, 24)
    assert document["dropped_documents"] == {"shorter than 8 words": 1}
    assert 0 < document["overlap"]["mean"] < 1
    assert len(document["overlap"]["quartiles"]) == 3

    store = tmp_path / "store"
    (store / "records" / "aa").mkdir(parents=True)
    (store / "records" / "aa" / "old.npz").write_bytes(b"x" * 1000)
    found = sizewise("store", "prune", "--unused-days", 0, "--json", "-")
    assert json.loads(found.out) == {"schema": 1, "store": str(store), "freed_bytes": 1000}
    written = tmp_path / "freed.json"
    assert "freed 0.0 MB" in sizewise("store", "prune", "--unused-days", 0, "--json", written).out
    assert json.loads(written.read_bytes())["freed_bytes"] == 0


# --- completion


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_what_was_installed(tmp_path):
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    program = programs / "sizewise"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sizewise.cli.main import run; run()" "$@"\n')
    program.chmod(0o755)
    environment = dict(os.environ) | {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}

    def bash(script):
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert "complete -o default -F" in bash("sizewise --show-completion; true")
    assert "completion installed" in bash("sizewise --install-completion; true")
    lines = [
        "source ~/.bashrc",
        "COMP_WORDS=(sizewise st); COMP_CWORD=1; _sizewise_completion sizewise; echo ${COMPREPLY[@]}",
        "COMP_WORDS=(sizewise study --dry); COMP_CWORD=2; _sizewise_completion sizewise; echo ${COMPREPLY[@]}",
    ]
    commands, options = bash("\n".join(lines)).splitlines()
    assert set(commands.split()) == {"study", "store"}
    assert options == "--dry-run"


# --- what is loaded at the start


def test_help_and_completion_load_no_module_of_the_work():
    """That keeps the start under half a second: the command line itself is typer and little more."""
    for variables in ({}, {"_SIZEWISE_COMPLETE": "complete_bash", "COMP_WORDS": "sizewise st", "COMP_CWORD": "1"}):
        lines = [
            "import sys",
            "sys.argv = ['sizewise', '--help']",
            "from sizewise.cli.main import run",
            "try: run()",
            "except SystemExit: pass",
            "print('loaded', *sorted(name for name in sys.modules if name.startswith('sizewise.')))",
        ]
        environment = dict(os.environ) | variables
        run = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True, env=environment
        )
        loaded = run.stdout.splitlines()[-1].split()[1:]
        assert {name.split(".")[1] for name in loaded} == {"cli", "core"}


def test_python_m_sizewise_is_the_same_command():
    run = subprocess.run([sys.executable, "-m", "sizewise", "nothing"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "nothing" in run.stderr


# --- Ctrl-C


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ImportError, RuntimeError])
def test_ctrl_c_while_a_library_loads_is_one_line(sizewise, monkeypatch, retrieval_folder, raised):
    """A library may turn the interrupt into an error of its own. The handler is called, not a signal sent: one to this
    process now and then ends the whole worker of pytest-xdist."""
    from sizewise.data import load

    def interrupted(*_, **__):
        try:
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
        except KeyboardInterrupt:
            raise raised("half loaded") from None

    monkeypatch.setattr(load, "load_task", interrupted)
    found = sizewise("eval", "fake:words", "--task", retrieval_folder)
    assert found.code == 130
    assert found.err == "sizewise: stopped; what was finished is kept, and the same command goes on from there\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_errors_of_our_own_making_are_not_hidden(sizewise, monkeypatch, retrieval_folder):
    from sizewise.cli.main import run
    from sizewise.data import load

    def wrong(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(load, "load_task", wrong)
    monkeypatch.setattr(sys, "argv", ["sizewise", "eval", "fake:words", "--task", str(retrieval_folder)])
    with pytest.raises(ZeroDivisionError):
        run()


# --- what the system refuses


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_in_one_sentence(sizewise, monkeypatch, retrieval_folder, tmp_path):
    words = ["study", "fake:words", "--task", retrieval_folder, "--out", tmp_path / "run", "--threads", 1, "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr("sizewise.store.files.os.fsync", full)
        found = sizewise(*words)
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("sizewise: the disk is full")
    assert "make room, or name another folder with --out or --store" in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.tmp")), "what could not be written whole is gone"
    assert sizewise(*words).code == 0, "and the same command goes on"


def test_a_disk_that_is_full_at_the_end(sizewise, monkeypatch, retrieval_folder, tmp_path):
    """While the run folder is written: all that was measured before is kept."""
    from sizewise.study import run

    words = ["study", "fake:words", "--task", retrieval_folder, "--out", tmp_path / "run", "--threads", 1, "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_records", full)
        found = sizewise(*words)
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert "the disk is full" in found.err
    assert (tmp_path / "run" / "cost.json").exists()
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_numpy_says_it_in_its_own_words():
    import numpy as np

    from sizewise.cli.failure import sentence

    with pytest.raises(OSError, match="requested and") as caught, open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123
        np.zeros(1_000_000).tofile(file)
    assert sentence(caught.value).startswith("the disk is full; make room")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "Permission denied (/a): the system does not allow"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), "Read-only file system (/a): the system does not allow"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/a"), "the disk is full (/a); make room"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open; allow more of them (ulimit -n)"),
        (MemoryError(), "there is not enough memory; choose smaller candidates"),
        (OSError(errno.EIO, "Input/output error", "/a"), "Input/output error: '/a'; run again, with SIZEWISE_DEBUG=1"),
    ],
)
def test_every_refusal_says_what_to_do(sizewise, monkeypatch, retrieval_folder, error, words):
    from sizewise.data import load

    def refused(*_, **__):
        raise error

    monkeypatch.setattr(load, "load_task", refused)
    found = sizewise("eval", "fake:words", "--task", retrieval_folder)
    assert (found.code, found.out, found.err.count("\n")) == (1, "", 1)
    assert words in found.err
