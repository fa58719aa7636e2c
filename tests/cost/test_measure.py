"""Real processes, timed: what they answer, how they die, and that none stays behind."""

import subprocess
import sys
from dataclasses import replace

import pytest

from sizewise.core.errors import RunError
from sizewise.core.grammar import parse, parse_part
from sizewise.cost import measure as module
from sizewise.cost.measure import Plan, Worker, measure, predicted, spread
from sizewise.cost.sample import Sample
from sizewise.data.load import load_task
from sizewise.encode.encoder import Trust
from sizewise.store.store import Store


@pytest.fixture
def plan(sentences, monkeypatch):
    monkeypatch.setattr(module, "BULK_SECONDS", 0.05)
    return Plan(Sample(sentences[:20], sentences, "query", "document", "sentences"), threads=1, rounds=2)


@pytest.fixture
def started(monkeypatch):
    """Every process that is started."""
    processes = []
    real = subprocess.Popen

    def popen(*arguments, **options):
        processes.append(real(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    return processes


def all_gone(processes):
    return bool(processes) and all(one.poll() is not None for one in processes)


# --- the protocol


def test_what_a_worker_answers(plan, fakes, sentences, started):
    with Worker(parse("fake:words"), plan) as worker:
        assert worker.about["dimensions"] == 32
        assert worker.about["parameters"] == 1000
        assert worker.about["disk_bytes"] is None
        assert 0 < worker.about["load_s"] < 60
        ms = worker.ask({"do": "single", "texts": sentences[:7], "seconds": 60.0})["ms"]
        assert len(ms) == 7
        assert all(0 < one < 1000 for one in ms)
        assert len(worker.ask({"do": "single", "texts": sentences, "seconds": 0.0})["ms"]) == 1, "the time is up"
        assert 0 < worker.ask({"do": "bulk", "texts": sentences})["seconds"] < 10
        assert worker.ask({"do": "memory"})["peak_bytes"] > 0
        assert started[0].poll() is None
    assert all_gone(started)


def test_a_worker_has_the_threads_and_no_network(plan, fakes, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with Worker(parse("fake:words"), plan) as worker:
        environment = open(f"/proc/{worker._process.pid}/environ").read() if sys.platform == "linux" else ""  # noqa: SIM115, PTH123
    if environment:
        assert {"OMP_NUM_THREADS=1", "RAYON_NUM_THREADS=1", "HF_HUB_OFFLINE=1"} <= set(environment.split("\0"))


def test_nothing_in_the_current_folder_is_imported(plan, fakes, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    with Worker(parse("fake:words"), plan) as worker:
        assert worker.about["dimensions"] == 32


def test_what_libraries_print_disturbs_nothing(plan, fakes, sentences):
    """A megabyte on either stream would fill a pipe, and the process would wait for ever."""
    with Worker(parse("fake:noisy"), plan) as worker:
        assert worker.ask({"do": "bulk", "texts": sentences[:3]})["seconds"] > 0


# --- how they die


def test_a_dying_process_is_quoted(plan, fakes, started):
    with pytest.raises(RunError, match=r"^measuring fake:dies: the process ended \(no kernel for this processor\); "):
        measure([parse("fake:dies")], plan)
    assert all_gone(started)


def test_a_killed_process(plan, fakes, started):
    with pytest.raises(RunError, match=r"^measuring fake:killed: .*killed, perhaps for want of memory"):
        measure([parse("fake:killed")], plan)
    assert all_gone(started)


def test_a_model_that_does_not_load(plan, fakes, started):
    with pytest.raises(
        RunError, match=r"^measuring fake:unloadable: RuntimeError: the weights are not there; mend that, or leave"
    ):
        measure([parse("fake:words"), parse("fake:unloadable")], plan)
    assert len(started) == 2
    assert all_gone(started)


def test_a_worker_killed_between_requests(plan, fakes, started):
    with Worker(parse("fake:words"), plan) as worker:
        started[0].kill()
        started[0].wait()
        with pytest.raises(RunError, match="the process ended"):
            worker.ask({"do": "memory"})
    assert all_gone(started)


@pytest.mark.parametrize("when", ["start", "round", "figures"])
def test_interrupted_none_stays_behind(plan, fakes, started, monkeypatch, when):
    def interrupt(*_):
        raise KeyboardInterrupt

    if when == "start":
        monkeypatch.setattr(Worker, "ask", interrupt)
    else:
        monkeypatch.setattr(module._Timed, when, interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure([parse("fake:words"), parse("fake:letters")], plan)
    assert len(started) == (1 if when == "start" else 2)
    assert all_gone(started)


# --- what is measured


def test_rounds_are_interleaved_over_all(plan, fakes, started, monkeypatch):
    order, alive = [], []
    real = module._Timed.round

    def recorded(timed):
        order.append(str(timed.subject))
        alive.append(sum(one.poll() is None for one in started))
        real(timed)

    monkeypatch.setattr(module._Timed, "round", recorded)
    subjects = [parse(name) for name in ("fake:words", "fake:letters", "fake:slow")]
    found = measure(subjects, plan)
    assert order == ["fake:words", "fake:letters", "fake:slow"] * 2
    assert set(alive) == {3}
    assert all_gone(started)
    assert list(found.figures) == subjects
    fast, slow = found.figures[subjects[0]], found.figures[subjects[2]]
    assert fast.source == "measured"
    assert fast.p50_ms < 2.0 < slow.p50_ms < 50
    assert fast.p50_ms <= fast.p95_ms <= fast.p99_ms
    assert slow.texts_per_s < 500 < fast.texts_per_s
    assert slow.tokens_per_s > slow.texts_per_s, "several words a text"
    assert (fast.bytes_per_vector, fast.parameters, fast.disk_mb) == (128.0, 1000, None)
    assert fast.memory_mb is None, "there is no index yet"
    assert fast.latency_samples == 40
    assert found.latency_drift >= 0
    assert found.throughput_drift >= 0


def test_processes_that_do_not_fit_together_follow_each_other(plan, fakes, started, monkeypatch):
    monkeypatch.setattr(module, "available_memory", lambda: 1.0)
    alive = []
    real = module._Timed.round
    monkeypatch.setattr(
        module._Timed, "round", lambda timed: (alive.append(sum(one.poll() is None for one in started)), real(timed))
    )
    measure([parse("fake:words"), parse("fake:letters")], plan)
    assert set(alive) == {1}


@pytest.mark.parametrize(("free", "most"), [(10**9, 1), (10**12, 2), (None, 2)])
def test_nor_do_those_that_do_not_fit_a_gpu(free, most, monkeypatch):
    monkeypatch.setattr(module, "free_device_memory", lambda: free)
    monkeypatch.setattr(module, "available_memory", lambda: 10**12)
    shapes = [parse("shape:bert-base"), parse("shape:bert-large")]
    assert max(map(len, module._groups(shapes, Trust()))) == most


def test_a_slow_encoder_sees_few_texts_and_its_throughput_is_still_that_of_all(plan, fakes, sentences, monkeypatch):
    """20 ms a text: of 200 texts it sees some 8 in 0.05 s."""
    found = measure([parse("fake:slow")], plan).figures[parse("fake:slow")]
    mean_words = sum(len(text.split()) for text in sentences) / len(sentences)
    assert found.tokens_per_s == pytest.approx(found.texts_per_s * mean_words, rel=1e-6)


def test_pipelines_and_bm25_on_a_task(plan, fakes, retrieval_folder, tmp_path):
    from dataclasses import replace

    task = load_task(retrieval_folder)
    with Store(tmp_path / "store"):
        pass
    whole = replace(plan, pipelines=True, task={"path": task.path, "protocol": None}, store=tmp_path / "store")
    both = [parse("bm25"), parse("fake:words+int8")]
    found = measure(both, whole).figures
    assert found[both[1]].bytes_per_vector == 32
    assert found[both[1]].texts_per_s is None, "indexing is not timed end to end"
    assert found[both[0]].texts_per_s > 0
    assert found[both[0]].bytes_per_vector is None
    for figures in found.values():
        assert 0 < figures.p50_ms < 500
    without = replace(plan, task=whole.task, store=whole.store)
    assert measure([parse("bm25")], without).figures[parse("bm25")].p50_ms > 0, "bm25 is always a pipeline"


@pytest.mark.parametrize(("values", "ratio"), [([], 0.0), ([3.0], 0.0), ([2.0, 3.0, 4.0], 2 / 3), ([5.0, 5.0], 0.0)])
def test_spread(values, ratio):
    assert spread(values) == pytest.approx(ratio)


# --- the real thing


def test_a_sentence_transformers_folder(plan, tiny_model):
    subject = parse(str(tiny_model))
    found = measure([subject], plan).figures[subject]
    assert found.bytes_per_vector == 128
    assert found.parameters > 10_000
    assert found.disk_mb == pytest.approx(4e-6 * found.parameters, rel=0.3)
    assert found.peak_memory_mb > 50, "torch is counted"
    assert found.load_s > 0.5
    assert 0 < found.p50_ms < 100
    assert found.tokens_per_s > found.texts_per_s


@pytest.mark.slow
def test_the_embedded_model():
    """Figures of the right size; timings are those of a machine that runs other tests beside this one."""
    from sizewise.cost.sample import packaged

    subject = parse("all-MiniLM-L6-v2")
    found = measure([subject], Plan(packaged(), threads=1, rounds=1)).figures[subject]
    assert found.parameters == 22_713_216
    assert found.disk_mb == pytest.approx(90.9, abs=0.5)
    assert found.bytes_per_vector == 1536
    assert 2 < found.p50_ms < 1000
    assert 3 < found.texts_per_s < 5000
    assert 200 < found.peak_memory_mb < 2000


# --- what needs no measuring


def test_a_shape_that_cannot_fit_is_answered_at_once():
    """In milliseconds, and without the libraries that would run it."""
    lines = [
        "import sys, time",
        "from sizewise.core.grammar import parse",
        "from sizewise.cost.measure import predicted",
        "started = time.perf_counter()",
        "found = predicted(parse('shape:gpt3-175b'))",
        "print(time.perf_counter() - started, found.parameters, found.source, found.note, sep='|')",
        "print(*sorted({'torch', 'transformers', 'sklearn', 'sentence_transformers'} & set(sys.modules)))",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    seconds, parameters, source, note = run.stdout.splitlines()[0].split("|")
    assert float(seconds) < 0.1
    assert 174e9 < int(parameters) < 176e9
    assert source == "predicted"
    assert note
    assert run.stdout.splitlines()[1] == ""


def test_what_fits_is_not_predicted(fakes):
    assert predicted(parse("shape:minilm-l6")) is None
    assert predicted(parse("fake:words")) is None
    assert predicted(parse("bm25")) is None


def test_too_large_shapes_start_no_process(plan, started):
    found = measure([parse("shape:gpt3-175b")], plan)
    assert started == []
    (figures,) = found.figures.values()
    assert figures.source == "predicted"
    assert (figures.p50_ms, figures.texts_per_s, figures.load_s) == (None, None, None)
    assert figures.peak_memory_mb == pytest.approx(4e-6 * figures.parameters)
    assert found.latency_drift == found.throughput_drift == 0.0


def test_a_cross_encoder_is_given_pairs(plan, cross_model, store):
    reader = parse_part(f"cross:{cross_model}@fp32/onnx")
    found = measure([reader], replace(plan, store=store.root)).figures[reader]
    assert found.source == "measured"
    assert found.texts_per_s > 0 < found.p95_ms
    assert found.load_s > 0 < found.peak_memory_mb
    assert found.parameters > 1000
    assert found.disk_mb > 0
    assert found.bytes_per_vector == 0, "it stores nothing"
    assert found.tokens_per_s > found.texts_per_s
