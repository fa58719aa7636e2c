"""Similarity, word sense, classification and clustering score as scipy and scikit-learn do."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, v_measure_score

from sizewise.data import probe
from sizewise.data.load import load_task


@pytest.fixture
def vectors():
    """Unit vectors around a random centre per label."""

    def make(labels, seed, spread=1.0):
        rng, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(10, 16))
        found = centres[labels] + spread * rng.normal(size=(len(labels), 16))
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    return make


def test_spearman_is_that_of_scipy(write, tmp_path):
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 6, 200) / 2
    write(
        "t/test.csv", [{"sentence1": f"a {i}", "sentence2": f"b {i}", "score": g} for i, g in enumerate(gold.tolist())]
    )
    write("t/dev.csv", [{"sentence1": "same", "sentence2": "other", "score": 1}] * 2)
    task = load_task(tmp_path / "t")
    raws = [task.records({"scores": rng.normal(size=200).astype(np.float32)}) for _ in range(3)]
    expected = [spearmanr(raw["scores"], gold).statistic for raw in raws]
    np.testing.assert_allclose(task.statistic(raws).point(), expected, atol=1e-6)
    assert task.unit_values(raws[0]) is None
    assert task.columns(raws[0])["score"].to_pylist() == raws[0]["scores"].tolist()
    assert [list(s.texts) for s in task.fit_texts()] == [["same", "other"]]
    with pytest.raises(ValueError, match="for 200 pairs"):
        task.records({"scores": np.zeros(3)})


def test_average_precision_and_threshold(write, tmp_path):
    rng = np.random.default_rng(0)
    same = rng.random(150) < 0.4
    rows = [
        {"word": f"w{i % 9}", "sentence1": f"a {i}", "sentence2": "b", "label": bool(s)} for i, s in enumerate(same)
    ]
    write("t/test.jsonl", rows)
    write("t/train.jsonl", rows[:50])
    task = load_task(tmp_path / "t")
    scores = np.round(same + rng.normal(size=150), 1)
    raw = task.records({"scores": scores, "train_scores": scores[:50]})
    np.testing.assert_allclose(task.statistic([raw]).point(), [average_precision_score(same, scores)], atol=1e-6)
    best = max(np.mean((scores[:50] >= t) == same[:50]) for t in np.unique(scores))
    assert task.accuracy({"scores": scores[:150], "train_scores": scores[:50]}) <= 1
    (tmp_path / "t" / "test.jsonl").rename(tmp_path / "t" / "all.jsonl")
    write("t/test.jsonl", rows[:50])
    assert load_task(tmp_path / "t").accuracy({"scores": scores[:50], "train_scores": scores[:50]}) == pytest.approx(
        best
    )
    (tmp_path / "t" / "train.jsonl").unlink()
    alone = load_task(tmp_path / "t")
    assert [s.name for s in alone.text_sets()] == ["first", "second"]
    assert alone.fit_texts() == ()
    assert alone.accuracy(alone.records({"scores": scores[:50]})) is None


@pytest.fixture
def topics(write, tmp_path):
    """A classification folder of 5 labels, one of which only test has."""
    train, test = np.arange(120) % 4, np.arange(50) % 5
    write("t/train.jsonl", [{"text": f"train {i}", "label": f"l{c}"} for i, c in enumerate(train)])
    rows = [{"text": f"test {i}", "label": f"l{c}"} for i, c in enumerate(test)]
    write("t/test.jsonl", [{**rows[0], "text": "train 0"}, *rows[1:]])
    return tmp_path / "t", train, test


def test_full_is_plain_logistic_regression(topics, vectors):
    folder, train, test = topics
    task = load_task(folder, protocol="full")
    x, y = vectors(train, 1), vectors(test, 2)
    raw = task.records({"train": x, "test": y})
    expected = LogisticRegression(C=1, max_iter=300).fit(x, train).predict(y)
    assert raw["predictions"].dtype == np.int32
    assert raw["predictions"][:, 0].tolist() == expected.tolist()
    assert task.statistic([raw]).point() == pytest.approx(np.mean(expected == test), abs=1e-6)
    assert task.unit_values(raw).tolist() == (expected == test).tolist()
    assert task.columns(raw)["labels"][0].as_py() == [task.labels[expected[0]]]


def test_a_label_without_training_texts_is_noted_and_wrong(topics, vectors):
    folder, train, test = topics
    task = load_task(folder)
    raw = task.records({"train": vectors(train, 1), "test": vectors(test, 2)})
    assert not task.unit_values(raw)[test == 4].any()
    assert task.notes == (
        "1 of 50 test texts are also training texts",
        "10 test texts have a label without training texts and count as wrong: l4",
    )


def test_mteb_takes_eight_texts_a_label_ten_times(topics, vectors):
    folder, train, test = topics
    task = load_task(folder, protocol="mteb")
    sets = {"train": vectors(train, 1), "test": vectors(test, 2)}
    raw, again = task.records(sets), task.records(sets)
    assert raw["predictions"].shape == (50, 10)
    assert raw["predictions"].tolist() == again["predictions"].tolist()
    assert task.statistic([raw, raw]).draws == 10
    chosen = probe.few_of_each(np.array([0] * 30 + [1] * 3), 8, np.random.default_rng(0))
    assert np.bincount(np.array([0] * 30 + [1] * 3)[chosen]).tolist() == [8, 3]
    assert len(set(chosen.tolist())) == 11


def test_tuned_finds_what_regularisation_hides(vectors):
    labels = np.arange(400) % 10
    x, y = vectors(labels, 1, 0.8) * 0.05, vectors(labels, 2, 0.8) * 0.05
    accuracy = {name: np.mean(probe.PROTOCOLS[name](x, labels, y)[:, 0] == labels) for name in ("full", "tuned")}
    assert probe.best_c(x, labels) > 1
    assert accuracy["tuned"] >= accuracy["full"]


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [0, 1, 2, 3], [0] * 20 + [1], list(range(30)) * 2])
def test_tuned_survives_rare_labels(vectors, labels):
    labels = np.array(labels)
    x = vectors(labels % 10, 1)
    assert probe.tuned(x, labels, x).shape == (len(labels), 1)


def test_tuning_texts_keep_every_label():
    labels = np.concatenate([np.zeros(9000, np.int64), np.arange(1, 301)])
    chosen = probe._subset(labels)
    assert set(labels[chosen]) == set(range(301))
    assert len(chosen) < probe.TUNING_TEXTS + 301


def test_clusters_score_as_sklearn_and_repeat(write, tmp_path, vectors):
    labels = np.arange(200) % 5
    write("t/clusters.jsonl", [{"text": f"t {i}", "label": int(c)} for i, c in enumerate(labels)])
    task = load_task(tmp_path / "t")
    x = vectors(labels, 1)
    raw, again = task.records({"texts": x}), task.records({"texts": x})
    assert raw["clusters"].shape == (200, 3)
    assert raw["clusters"].tolist() == again["clusters"].tolist()
    expected = np.mean([v_measure_score(labels, raw["clusters"][:, s]) for s in range(3)])
    np.testing.assert_allclose(task.statistic([raw]).point(), [expected], atol=1e-6)
    assert task.unit_values(raw) is None
    assert task.columns(raw)["clusters"][3].as_py() == raw["clusters"][3].tolist()
    assert [list(s.texts) for s in task.fit_texts()] == [list(task.texts)]
