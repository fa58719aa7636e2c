"""Endpoints on the command line: asked first, told how much, paid once; cost over a real wire and in money."""

import json
import os
import re
import sys
from types import SimpleNamespace

import pytest

from sizewise.cost import measure
from sizewise.study import costing

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """`command("eval", ...)` -> code, out and err; processes of their own see this very package."""
    import sizewise
    from sizewise.cli.main import run

    beside = os.path.dirname(os.path.dirname(sizewise.__file__))  # noqa: PTH120
    monkeypatch.setenv("PYTHONPATH", beside)
    monkeypatch.setenv("SIZEWISE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EXAMPLE_API_KEY", KEY)
    for name, value in {"SINGLE_SECONDS": 5.0, "SINGLES": 5, "BULK_SECONDS": 0.01}.items():
        monkeypatch.setattr(measure, name, value)
    monkeypatch.setattr(costing, "FINALISTS", 1)

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["sizewise", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err)

    return typed


@pytest.fixture
def large(server, configure):
    """The server as the endpoint `large`, at a price of 1 for a token."""
    own = {"url": server.url, "key_env": "EXAMPLE_API_KEY", "price_per_million_tokens": 1_000_000.0}
    configure(large=own)
    return own


def sent(server):
    return [text for texts in server.asked for text in texts]


def test_eval_asks_first_and_pays_once(command, server, large, retrieval_folder, tmp_path):
    words = ("eval", "remote:large", "remote:large+int8", "--task", retrieval_folder)
    refused = command(*words)
    assert refused.code == 2
    assert re.fullmatch(
        r"sizewise: this would send 80 texts \(about [\d,]+ tokens, estimated at 4 bytes each\) to 127.0.0.1:\d+ "
        r"\(remote:large\), for about [\d,.]+ \(at 1e\+06 a million tokens\); nothing was sent: allow it with "
        r"--allow-remote\n",
        refused.err,
    ), refused.err
    assert server.asked == []
    file = tmp_path / "out.json"
    done = command(*words, "--allow-remote", "--json", file)
    assert done.code == 0, done.err
    assert len(sent(server)) == len(set(sent(server))) == 80
    assert "sending 80 texts" in done.err
    assert f"remote:large: 80 texts in 2 requests, {server.tokens(sent(server)):,} tokens" in done.err
    results = json.loads(file.read_bytes())["results"]
    assert [one["candidate"] for one in results] == ["remote:large", "remote:large+int8"]
    assert all(one["truncated_texts"] is None for one in results), "it cannot be told"
    assert command(*words).code == 0, "all is in the store: nothing to allow"
    assert len(server.asked) == 2
    assert KEY not in done.out + done.err + refused.err + file.read_text()


def test_what_was_spent_is_said_whatever_happens(command, server, large, configure, retrieval_folder):
    configure(large=large | {"batch_texts": 10})
    server.script = ["ok", "ok", "wrong dimension"]
    found = command("eval", "remote:large", "--task", retrieval_folder, "--allow-remote")
    assert found.code == 1
    assert "vectors of 7 dimensions, and its configuration says 8" in found.err
    assert "remote:large: 20 texts in 2 requests" in found.err
    assert "; 1 request was not answered as it should be and counts as paid" in found.err
    assert command("eval", "remote:large", "--task", retrieval_folder, "--allow-remote").code == 0
    twice = [text for text in set(sent(server)) if sent(server).count(text) > 1]
    assert sorted(twice) == sorted(server.asked[2])


def test_too_dear_is_refused_before_anything_is_sent(command, server, large, configure, retrieval_folder):
    configure(large=large | {"max_spend": 3.0})
    found = command("eval", "remote:large", "--task", retrieval_folder, "--allow-remote")
    assert found.code == 2
    assert "which is more than its max_spend = 3; nothing was sent: raise that in" in found.err
    assert server.asked == []


def test_a_missing_key_is_said_before_anything_is_sent(command, server, large, retrieval_folder, monkeypatch):
    monkeypatch.delenv("EXAMPLE_API_KEY")
    found = command("eval", "remote:large", "--task", retrieval_folder, "--allow-remote")
    assert (found.code, server.asked) == (2, [])
    assert "EXAMPLE_API_KEY, which is not set" in found.err


def test_a_task_cannot_send_texts_by_naming_a_reference(command, server, large, retrieval_folder, tmp_path):
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).write_text((retrieval_folder / name).read_text())
    (folder / "task.toml").write_text('reference = "remote:large"\n')
    found = command("eval", "bm25", "--task", folder)
    assert (found.code, server.asked) == (2, [])
    assert "this would send 80 texts" in found.err


def test_a_study_file_cannot_allow_it_or_say_where(command, server, large, retrieval_folder, tmp_path):
    study = tmp_path / "study.toml"
    start = f'tasks = ["{retrieval_folder}"]\ncandidates = ["remote:large"]\n'
    for more, said in {
        "[trust]\nremote = true\n": "trust.remote is not known",
        f'[endpoints.large]\nurl = "{server.url}"\n': "endpoints is not known",
    }.items():
        study.write_text(start + more)
        found = command("study", study)
        assert (found.code, server.asked) == (2, [])
        assert said in found.err


def test_cost_over_the_wire(command, server, large, retrieval_folder, tmp_path):
    file = tmp_path / "cost.json"
    words = ("cost", "remote:large", "--task", retrieval_folder, "--rounds", "2", "--json", file)
    refused = command(*words)
    assert (refused.code, server.asked) == (2, [])
    assert "this would send 141 texts" in refused.err, "1 + 2 * 10 one by one, and 2 * 60 in bulk"
    server.delay = 0.02
    done = command(*words, "--allow-remote")
    assert done.code == 0, done.err
    assert len(sent(server)) == 141
    assert f"remote:large: 141 texts in 23 requests, {server.tokens(sent(server)):,} tokens" in done.err
    single, offline = json.loads(file.read_bytes())["results"]
    assert 20 <= single["p50_ms"] < 500
    assert single["bytes_per_vector"] == 32
    assert (single["parameters"], single["disk_mb"], single["note"]) == (None, None, "")
    assert offline["texts_per_s"] > 10
    assert offline["tokens_per_s"] > offline["texts_per_s"]


def test_cost_says_where_tokens_are_estimated_and_keeps_to_max_spend(
    command, server, large, configure, retrieval_folder, tmp_path
):
    server.usage = False
    words = ("cost", "remote:large", "--task", retrieval_folder, "--rounds", "1", "--allow-remote")
    found = command(*words)
    assert "its endpoint counts no tokens: they are estimated from bytes" in found.out
    estimate = float(re.search(r"for about ([\d.,]+) ", found.err)[1].replace(",", ""))
    server.usage, server.asked[:] = True, []
    server.tokens = lambda texts: 100 * len(texts)
    configure(large=large | {"max_spend": estimate + 1})
    found = command(*words)
    assert found.code == 1
    assert "the next request would bring it above max_spend" in found.err
    assert 100 * len(sent(server)) < estimate + 1 + 100 * 64, "processes of their own count too"


@pytest.fixture
def no_word_in_common(tmp_path, server):
    """A search that only the endpoint can do: what belongs together ends in the same number, behind another letter."""
    folder = tmp_path / "numbers"
    (folder / "qrels").mkdir(parents=True)
    rows = {
        "corpus": [f"a document about x{at:02}" for at in range(40)],
        "queries": [f"who knows y{at:02}" for at in range(40)],
    }
    for name, texts in rows.items():
        lines = [json.dumps({"_id": str(at), "text": text}) for at, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "qrels" / "test.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *(f"{at}\t{at}\t1" for at in range(40))])
    )
    really = server.vector
    server.vector = lambda text: really(text[-2:])
    return folder


def test_a_study_with_an_endpoint(command, server, large, no_word_in_common, tmp_path):
    words = ["study", "remote:large", "remote:large+int8", "--task", no_word_in_common, "--out", tmp_path / "run",
             "--price-per-hour", "0.36", "--queries-per-month", "1000"]  # fmt: skip
    plan = command(*words, "--dry-run")
    assert plan.code == 0, plan.err
    assert "remote:large: 80 texts to encode (0 in the store), over the network: not timed" in plan.out
    would = 80 + (1 + 3 * 10 + 3 * 40) + (1 + 3 * 10)
    assert f"with --allow-remote it would send {would} texts" in plan.out, "to score, to time, to time end to end"
    refused = command(*words)
    assert (refused.code, server.asked) == (2, [])
    done = command(*words, "--allow-remote")
    assert done.code == 0, done.err
    assert len(sent(server)) == would
    run = json.loads((tmp_path / "run" / "run.json").read_bytes())
    found = run["evidence"]["figures"]["remote:large"]
    assert (found["price_per_million_tokens"], found["parameters"], found["disk_mb"]) == (1e6, None, None)
    assert found["monthly_cost"] == pytest.approx(sum(found[f"{part}_cost"] for part in ("serving", "bulk", "storage")))
    tokens = 1000 * found["query_tokens"]
    assert found["serving_cost"] == pytest.approx(tokens + 1000 * found["machine_ms"] / 3.6e6 * 0.36)
    assert found["bulk_cost"] == pytest.approx(40 / 12 * found["document_tokens"])
    assert 0 < found["machine_ms"] < found["mean_ms"]
    (chosen, whole), *others = run["evidence"]["end_to_end"].items()
    assert (chosen[:12], others) == ("remote:large", [])
    assert whole["serving_cost"] == run["evidence"]["figures"][chosen]["serving_cost"], "this machine waits for free"
    about = run["remote"][0]
    assert (about["name"], about["model"], about["dimensions"]) == ("remote:large", "m", 8)
    assert (about["sent"]["texts"], about["sent"]["tokens"]) == (would, server.tokens(sent(server)))
    assert found["query_tokens"] == pytest.approx(5, rel=0.2)
    assert KEY not in "".join(file.read_text(errors="ignore") for file in (tmp_path / "run").iterdir())
    requests = len(server.asked)
    assert command(*words).code == 0, "nothing is left to send"
    assert len(server.asked) == requests


def test_a_bundle_holds_no_endpoint(command, server, large, tmp_path):
    found = command("build", "remote:large", "--out", tmp_path / "bundle")
    assert (found.code, server.asked) == (2, [])
    assert "nothing of it can be put into a bundle" in found.err
