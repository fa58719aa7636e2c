"""BM25 gives bm25s' own scores, in trec_eval's order, and leaves out what shares no word."""

import os
import subprocess
import sys

import bm25s
import numpy as np
import pytest

from sizewise.index.lexical import BM25, WORD


def peer(documents, queries, depth):
    """bm25s' own way: its vocabulary, its retrieval."""
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(documents, stopwords="en", token_pattern=WORD, show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(queries, stopwords="en", token_pattern=WORD, show_progress=False, return_ids=False)
    return index.retrieve(tokens, k=depth, show_progress=False, n_threads=0)


def test_scores_are_those_of_bm25s(sentences):
    documents, queries = sentences[:120], [*sentences[120:150], "river river moon", "RIVER, Moon!"]
    ids, scores = BM25(documents).search(queries, 120)
    wanted_ids, wanted_scores = peer(documents, queries, 120)
    for row in range(len(queries)):
        found = {int(at): score for at, score in zip(ids[row], scores[row], strict=True) if at >= 0}
        wanted = {int(at): score for at, score in zip(wanted_ids[row], wanted_scores[row], strict=True) if score > 0}
        assert found == pytest.approx(wanted, rel=1e-6)
        assert (np.diff(scores[row][: len(found)]) <= 0).all()
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)


def test_what_shares_no_word_is_not_ranked():
    documents = ["red apple", "green apple", "blue sky"]
    ids, scores = BM25(documents).search(["apple", "red", "unheard", "", "the of and", "red unheard", "?!"], 3)
    assert ids.tolist()[0] == [0, 1, -1]
    assert ids.tolist()[1] == [0, -1, -1]
    assert ids.tolist()[2:5] == [[-1] * 3] * 3
    assert ids.tolist()[5] == [0, -1, -1]
    assert scores[5, 0] == scores[1, 0]
    assert (scores[ids < 0] == -np.inf).all()
    assert (scores[ids >= 0] > 0).all()


def test_ties_go_by_tie_rank():
    documents = ["apple pie"] * 5 + ["pear pie"] * 3
    tie_rank = np.array([4, 2, 7, 0, 5, 1, 6, 3])
    ids, _ = BM25(documents).search(["apple", "pie"], 8, tie_rank)
    assert ids[0].tolist() == [3, 1, 0, 4, 2, -1, -1, -1]
    assert ids[1].tolist() == np.argsort(tie_rank).tolist()
    assert BM25(documents).search(["pie"], 2, tie_rank)[0].tolist() == [[3, 5]]
    assert BM25(documents).search(["pie"], 2)[0].tolist() == [[0, 1]]


@pytest.mark.parametrize("depth", [1, 2, 3, 10])
def test_any_depth(depth):
    ids, scores = BM25(["a cat", "a dog", "cat dog"]).search(["cat dog"], depth)
    assert ids.shape == scores.shape == (1, depth)
    assert ids[0].tolist() == [2, 0, 1, *[-1] * 7][:depth]


def test_words_of_other_languages():
    documents = ["Élève à l'école", "Straße und Brücke", "москва река", "東京", "naïve café", "x1 y2 q"]
    found = BM25(documents).search(["ÉCOLE", "brücke", "МОСКВА", "東京", "cafe", "q"], 1)[0][:, 0]
    assert found.tolist() == [0, 1, 2, 3, -1, 5]


@pytest.mark.parametrize("documents", [["the of"], ["", " "], ["?!", "..."]])
def test_documents_without_a_word(documents):
    ids, scores = BM25(documents).search(["the", "apple"], 4)
    assert ids.tolist() == [[-1] * 4] * 2
    assert (scores == -np.inf).all()


def test_no_documents_and_no_queries():
    assert BM25([]).search(["a"], 2)[0].tolist() == [[-1, -1]]
    assert BM25(["apple"]).search([], 2)[0].shape == (0, 2)


def test_some_documents_without_a_word(sentences):
    documents = ["", *sentences[:20], "the", ""]
    ids, _ = BM25(documents).search([sentences[7]], 5)
    assert ids[0, 0] == 8
    assert not {0, 21, 22} & set(ids[0].tolist())


def test_no_jax_for_bm25(tmp_path):
    """jax takes most of a GPU's memory as soon as bm25s has it select."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("")
    (tmp_path / "jax" / "lax.py").write_text("def top_k(scores, k):\n    raise SystemExit('jax was used')\n")
    code = "import sizewise.index.lexical as one, sys; assert 'jax' not in sys.modules; import jax.lax; print('done')"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert ran.stdout == "done\n", ran.stderr
