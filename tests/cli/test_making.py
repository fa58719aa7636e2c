"""`sizewise distill` and `sizewise finetune`: what they make, what they say, and what they refuse."""

import json

import pytest

from sizewise.train import finetune, teacher


@pytest.fixture(autouse=True)
def plain_vectors(monkeypatch):
    """By torch in float32: no graph is made."""
    for module in (teacher, finetune):
        monkeypatch.setattr(module, "quick", lambda model: model)


@pytest.fixture
def texts(tmp_path, sentences):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(sentences))
    return path


def test_fewer_layers_and_the_verdict(sizewise, tiny_model, texts, retrieval_folder, tmp_path):
    made = tmp_path / "made"
    found = sizewise(
        "distill", tiny_model, "--layers", 1, "--text", texts, "--out", made, "--epochs", 2, "--task", retrieval_folder,
        "--margin", 60, "--price-per-hour", 2, "--json", tmp_path / "made.json",
    )  # fmt: skip
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    assert lines[0].startswith(f"{made}: layers ")
    assert lines[1].startswith("cost: ")
    assert lines[2].startswith(f"{made} against {tiny_model}: ")
    assert "over 20 units" in lines[3]
    about = json.loads((tmp_path / "made.json").read_text())
    assert about["gate"]["tasks"][0]["units"] == 20
    assert about["kind"] == "distilled"
    assert "texts to train on; " in found.err
    again = sizewise("distill", tiny_model, "--layers", 1, "--text", texts, "--out", made)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "is there already" in again.err
    scored = sizewise("eval", made, f"{made}+int8", "--task", retrieval_folder, "--json", "-")
    assert scored.code == 0, scored.err
    built = sizewise("build", made, "--out", tmp_path / "bundle")
    assert built.code == 0, built.err
    for name in ("training.json", "seen.safetensors"):
        assert (tmp_path / "bundle" / name).read_bytes() == (made / name).read_bytes(), "it goes on telling on what"


def test_static_without_text(sizewise, tiny_model, tmp_path):
    found = sizewise("distill", tiny_model, "--static", "--dimensions", 8, "--int8", "--out", tmp_path / "made")
    assert found.code == 0, found.err
    assert "one vector of 8 numbers for each token" in found.out
    assert "not judged" in found.out


def test_labels(sizewise, tiny_model, sentences, tmp_path):
    task = tmp_path / "intents"
    task.mkdir()
    rows = [json.dumps({"text": text, "label": "wet" if "river" in text else "dry"}) for text in sentences]
    (task / "train.jsonl").write_text("\n".join(rows[:120]))
    (task / "test.jsonl").write_text("\n".join(rows[120:]))
    made = tmp_path / "made"
    found = sizewise(
        "finetune", tiny_model, "--labels", task / "train.jsonl", "--task", task, "--out", made, "--epochs", 1
    )
    assert found.code == 0, found.err
    assert "fine-tuned on 120 texts of 2 labels" in found.out
    assert f"{made} against {tiny_model}: " in found.out
    refused = sizewise(
        "finetune", tiny_model, "--labels", task / "test.jsonl", "--out", tmp_path / "other", "--epochs", 1
    )
    assert refused.code == 0
    scored = sizewise("eval", tmp_path / "other", "--task", task)
    assert (scored.code, scored.out) == (2, "")
    assert "was trained on 80 of the 80 texts" in scored.err


def test_pairs_beside_an_adapter(sizewise, tiny_model, retrieval_folder, tmp_path):
    documents = [json.loads(line) for line in (retrieval_folder / "corpus.jsonl").read_text().splitlines()][30:]
    rows = [json.dumps({"anchor": one["text"][:20], "positive": one["text"]}) for one in documents]
    (tmp_path / "pairs.jsonl").write_text("\n".join(rows))
    found = sizewise(
        "finetune", tiny_model, "--pairs", tmp_path / "pairs.jsonl", "--task", retrieval_folder, "--epochs", 1,
        "--out", tmp_path / "made", "--batch", 8,
    )  # fmt: skip
    assert found.code == 0, found.err
    assert "with a linear adapter of its queries" in found.out
    reranker = tmp_path / "reranker"
    found = sizewise(
        "finetune", tiny_model, "--pairs", tmp_path / "pairs.jsonl", "--task", retrieval_folder, "--epochs", 1,
        "--out", reranker, "--batch", 8, "--reranker",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert f"rerank({tiny_model}, cross:{reranker}, 50) against {tiny_model}: " in found.out
    scored = sizewise("eval", f"rerank(bm25, cross:{reranker}, 5)", "--task", retrieval_folder, "--json", "-")
    assert json.loads(scored.out)["results"][0]["value"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["distill", "M", "--text", "T"], "--layers N for a model of N layers, --static"),
        (
            ["distill", "M", "--layers", "1", "--static", "--text", "T"],
            "--static is made from its teacher alone, without --layers or --into",
        ),
        (["distill", "M", "--layers", "1"], "give --text to train on"),
        (["finetune", "M", "--labels", "T", "--reranker"], "--reranker is for --pairs"),
        (["distill", "M", "--layers", "1", "--int8", "--text", "T"], "--int8 is for --static models"),
        (["distill", "M", "--layers", "1", "--text", "none.jsonl"], "none.jsonl"),
        (["distill", "M", "--layers", "5", "--text", "T"], "has 2 layers; keep fewer than that"),
        (["distill", "M+int8", "--layers", "1", "--text", "T"], "is no model: name one without transforms"),
        (["distill", "bm25", "--layers", "1", "--text", "T"], "is no model"),
        (["distill", "M", "--layers", "1", "--text", "EMPTY"], "nothing to train on"),
        (["distill", "M", "--layers", "1", "--text", "SAME"], "nothing to train on: 1 different text"),
        (["distill", "M", "--layers", "1", "--text", "T", "--task", "nowhere"], "nowhere is no folder"),
        (["finetune", "M"], "say what to train on"),
        (["finetune", "M", "--pairs", "P", "--labels", "P"], "say what to train on"),
        (["finetune", "M", "--labels", "P", "--negatives", "1"], "--negatives is for --pairs"),
        (["finetune", "M", "--labels", "ONES"], "none has two texts or more"),
        (["finetune", "M", "--pairs", "T"], "unknown format"),
        (["finetune", "static:x", "--labels", "TWO"], "is no transformer in a folder"),
    ],
)
def test_bad_input(sizewise, tiny_model, texts, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "same.txt").write_text("again\n" * 50)
    for name, labels in (("ones", "abcd"), ("two", "aabb")):
        rows = [json.dumps({"text": f"text {at}", "label": label}) for at, label in enumerate(labels)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    names = {"T": str(texts), "EMPTY": "empty.txt", "SAME": "same.txt", "ONES": "ones.jsonl", "TWO": "two.jsonl",
             "P": "two.jsonl", "M": str(tiny_model), "M+int8": f"{tiny_model}+int8"}  # fmt: skip
    found = sizewise(*(names.get(word, word) for word in words), "--out", tmp_path / "made")
    assert (found.code, found.out) == (2, "")
    said = [line for line in found.err.splitlines() if line.startswith("sizewise: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not (tmp_path / "made").exists()


def test_a_full_disk(sizewise, tiny_model, texts, tmp_path, monkeypatch):
    import errno

    from sizewise.train import distil

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))

    monkeypatch.setattr(distil.Provenance, "write", full)
    found = sizewise("distill", tiny_model, "--layers", 1, "--text", texts, "--out", tmp_path / "made", "--epochs", 1)
    assert found.code == 1
    assert found.err.splitlines()[-1].startswith("sizewise: the disk is full")
    assert not (tmp_path / "made").exists()
    monkeypatch.undo()


def test_a_place_that_may_not_be_written(sizewise, tiny_model, texts, tmp_path, monkeypatch):
    from pathlib import Path

    made = Path.mkdir

    def refuse(self, *given, **named):
        if self.name.endswith(".training"):
            raise PermissionError(13, "Permission denied", str(self))
        return made(self, *given, **named)

    monkeypatch.setattr(Path, "mkdir", refuse)
    found = sizewise("distill", tiny_model, "--layers", 1, "--text", texts, "--out", tmp_path / "made")
    assert found.code == 2
    assert "name a folder where you may write" in found.err
