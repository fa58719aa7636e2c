"""What an index promises, wherever it is: found as by the pipeline itself, filtered, changed, deleted."""

import threading

import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError
from sizewise.index.where import Where
from sizewise.search.catalog import AT_ONCE
from sizewise.search.open import Searcher

CANDIDATES = [
    "{tiny}",
    "{tiny}+truncate=16+int8",
    "{tiny}+binary",
    "{tiny}+binary-asym",
    "{tiny}+binary+rescore=140",
    "{dot}",
    "rerank({tiny}+int8, {dense}, 20)",
    "rerank(rerank({tiny}+binary+rescore=140, {dense}, 40), {dot}, 20)",
    "rerank({tiny}, {dense}, 20, fresh)",
    "rerank({tiny}, {dense}, 20, when=margin<0.05)",
    "fuse({tiny}+int8, {dense}, w=0.3)",
    "rerank({tiny}, cross:{cross}, 10)",
    "asym(static:{static}, {tiny}+int8)",
    "rerank(asym(static:{static}, {tiny}), {dense}, 20)",
]
QUERIES = ["the moon and the star", "river bank money", "a fish", "loud music in the street"]


@pytest.fixture(scope="module")
def bundles(write_bundle, tiny_model, dense_model, dot_model, cross_model, static_model):
    """A bundle of a candidate, made once."""
    made = {}

    def bundle(text):
        if text not in made:
            named = text.format(
                tiny=tiny_model, dense=dense_model, dot=dot_model, cross=cross_model, static=static_model
            )
            made[text] = write_bundle(named)
        return made[text]

    return bundle


@pytest.fixture
def bundle(bundles):
    return bundles("{tiny}+int8")


def whole(row):
    return f"{row['title']} {row['text']}".strip()


def live(bundle, documents):
    pipeline = load_bundle(bundle)
    pipeline.index([whole(row) for row in documents])
    return pipeline


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_scores_are_those_that_were_measured(place, bundles, candidate, rows):
    """Of what is found; documents with one score may change places."""
    bundle, documents = bundles(candidate), rows(150)
    place.put(bundle, documents)
    ids, scores = live(bundle, documents).search(QUERIES, 10)
    searcher = place.open(bundle)
    found = searcher.search(QUERIES, 10)
    np.testing.assert_allclose([[hit.score for hit in hits] for hits in found], scores, rtol=1e-4, atol=1e-5)
    wanted = [{f"d{at}" for at in row} for row in ids]
    same = [len({hit.id for hit in hits} & want) / 10 for hits, want in zip(found, wanted, strict=True)]
    assert np.mean(same) > 0.75
    assert searcher.documents == 150
    searcher.close()


CONDITIONS = {
    "lang=en": lambda row: row["lang"] == "en",
    'lang=["en", "fr"]': lambda row: row["lang"] in ("en", "fr"),
    "year>=2010": lambda row: row["year"] >= 2010,
    "year<=2003": lambda row: row["year"] <= 2003,
    "year=2011": lambda row: row["year"] == 2011,
    "open=true": lambda row: row["open"],
    "tags=water": lambda row: "water" in row["tags"],
    "there is none=1": lambda row: False,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_filters_lose_nothing(place, bundle, condition, rows):
    documents = rows(150)
    place.put(bundle, documents)
    wanted = [row for row in documents if CONDITIONS[condition](row)]
    found = place.open(bundle).search(QUERIES, 10, Where.parse([condition]))
    if not wanted:
        assert found == [[]] * len(QUERIES)
        return
    _, scores = live(bundle, wanted).search(QUERIES, min(10, len(wanted)))
    np.testing.assert_allclose([[hit.score for hit in hits] for hits in found], scores, rtol=1e-5)
    names = {row["_id"] for row in wanted}
    assert all(hit.id in names for hits in found for hit in hits)


def test_several_conditions(place, bundle, rows):
    place.put(bundle, rows(150))
    where = Where.from_json({"lang": "de", "year": {">=": 2005, "<=": 2015}, "open": False})
    (hits,) = place.open(bundle).search(["moon"], 150, where)
    assert hits
    assert all(
        hit.fields["lang"] == "de" and 2005 <= hit.fields["year"] <= 2015 and not hit.fields["open"] for hit in hits
    )
    assert len(hits) == sum(
        row["lang"] == "de" and 2005 <= row["year"] <= 2015 and not row["open"] for row in rows(150)
    )


def test_any_of_many_values(place, bundle, rows):
    """More than one statement of the catalog asks for, of every kind."""
    place.put(bundle, rows(30))
    many = ["en", 7.5, True, *(f"no {at}" for at in range(2 * AT_ONCE)), *range(-2 * AT_ONCE, 0), "fr"]
    (hits,) = place.open(bundle).search(["moon"], 30, Where.from_json({"lang": many, "year": [*many, 2003, 2004]}))
    assert {hit.id for hit in hits} == {"d3", "d29"}


@pytest.mark.parametrize("candidate", ["rerank({tiny}+int8, {dense}, 20)", "fuse({tiny}+int8, {dense}, w=0.3)"])
def test_filters_reach_every_stage(place, bundles, candidate, rows):
    bundle = bundles(candidate)
    place.put(bundle, rows(150))
    for hits in place.open(bundle).search(QUERIES, 10, Where.parse(["lang=fr"])):
        assert len(hits) == 10
        assert {hit.fields["lang"] for hit in hits} == {"fr"}


def test_changed_added_deleted(place, bundle, rows):
    documents = rows(60)
    first = place.put(bundle, documents)
    assert (first.documents, first.added, first.unchanged) == (60, 60, 0)
    again = place.put(bundle, documents)
    assert (again.documents, again.added, again.unchanged) == (60, 0, 60)
    documents[5] |= {"title": "", "text": "rocket rocket rocket", "lang": "it"}
    documents.append({"_id": "new", "title": "", "text": "rocket rocket"})
    changed = place.put(bundle, documents)
    assert (changed.documents, changed.added, changed.unchanged) == (61, 2, 59)
    searcher = place.open(bundle)
    (hits,) = searcher.search(["rocket rocket rocket"], 61)
    assert len(hits) == len({hit.id for hit in hits}) == 61
    assert hits[0].id == "d5"
    assert [hit.fields["lang"] for hit in hits if hit.id == "d5"] == ["it"]
    searcher.close()
    assert place.put(bundle, delete=["d5", "nobody"]).removed == 1
    searcher = place.open(bundle)
    assert searcher.documents == 60
    assert "d5" not in {hit.id for hit in searcher.search(["rocket rocket rocket"], 100)[0]}
    assert searcher.search(["moon"], 5, Where.parse(["lang=it"])) == [[]]
    searcher.close()
    pruned = place.put(bundle, documents[:10], prune=True)
    assert (pruned.documents, pruned.removed, pruned.added) == (10, 51, 1)
    assert {hit.id for hit in place.open(bundle).search(["moon"], 100)[0]} == {f"d{at}" for at in range(10)}


def test_odd_documents(place, bundle):
    documents = [
        {"_id": "ünï 中文 🚀", "text": "moon", "year": 1.5},
        {"_id": "a'b\"c", "text": "moon river", "year": None},
        {"_id": "x" * 300, "text": "star", "year": "1.5"},
        {"_id": "blank", "text": " "},
        {"_id": "7", "text": "7", "deep": {"er": 1}, "year": 2**60},
    ]
    made = place.put(bundle, documents)
    assert (made.documents, made.left_out) == (4, 1)
    searcher = place.open(bundle)
    found = searcher.search(["moon"], 10)[0]
    assert {hit.id for hit in found} == {row["_id"] for row in documents} - {"blank"}
    assert {hit.id for hit in searcher.search(["moon"], 10, Where.parse(["year=1.5"]))[0]} == {"ünï 中文 🚀", "x" * 300}
    assert [hit.id for hit in searcher.search(["m"], 10, Where.from_json({"year": 1.5}))[0]] == ["ünï 中文 🚀"]
    assert searcher.search([], 5) == []
    searcher.close()
    documents[0]["text"] = ""  # it has no text any more, so it is not found any more
    assert place.put(bundle, documents).removed == 1


def test_one_document(place, bundle):
    place.put(bundle, [{"_id": "only", "text": "the moon"}])
    (hits,) = place.open(bundle).search(["moon"], 5)
    assert [(hit.rank, hit.id) for hit in hits] == [(1, "only")]


def test_nothing_is_left(place, bundle, rows):
    place.put(bundle, rows(5))
    assert place.put(bundle, delete=[f"d{at}" for at in range(5)]).documents == 0
    searcher = place.open(bundle)
    assert (searcher.documents, searcher.search(["moon"], 5)) == (0, [[]])


def test_an_id_twice(place, bundle, rows):
    documents = [*rows(700), {"_id": "d3", "text": "again"}]
    with pytest.raises(InputError, match=r"corpus.jsonl:701: the id 'd3' was used before"):
        place.put(bundle, documents)
    place.put(bundle, rows(700))
    assert place.open(bundle).documents == 700


def test_another_bundle(place, bundle, bundles, rows):
    place.put(bundle, rows(5))
    other = bundles("{tiny}")
    with pytest.raises(InputError, match=r"is an index of another bundle; name .* or replace it with --force"):
        place.put(other, rows(5))
    with pytest.raises(InputError, match="bundle"):
        place.open(other)
    assert place.put(other, rows(4), force=True).documents == 4


def test_vectors_that_are_no_numbers(place, bundle, monkeypatch, rows):
    from sizewise.core.errors import RunError
    from sizewise.pipeline.live import EmbedPipeline

    place.put(bundle, rows(5))
    broken = lambda part, given: np.full((len(given.texts), part.chain.incoming), np.nan, np.float32)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(EmbedPipeline, "document_vectors", broken)
        with pytest.raises(RunError, match="holds what is not a number"):
            place.put(bundle, rows(6))
    assert place.open(bundle).documents == 5


def test_threads_share_it(place, bundle, rows):
    documents = rows(150)
    place.put(bundle, documents)
    searcher = place.open(bundle)
    wanted = {query: [hit.id for hit in searcher.search([query], 10)[0]] for query in QUERIES}
    english = [hit.id for hit in searcher.search(["moon"], 10, Where.parse(["lang=en"]))[0]]
    wrong = []

    def ask(query):
        for _ in range(10):
            if [hit.id for hit in searcher.search([query], 10)[0]] != wanted[query]:
                wrong.append(query)
            if [hit.id for hit in searcher.search(["moon"], 10, Where.parse(["lang=en"]))[0]] != english:
                wrong.append("moon")

    threads = [threading.Thread(target=ask, args=(query,)) for query in QUERIES * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    searcher.close()


def test_a_pipeline_that_is_there(place, bundle, rows):
    place.put(bundle, rows(20))
    pipeline = load_bundle(bundle)
    searcher = Searcher.open(place.out, bundle, pipeline=pipeline)
    assert searcher.search(["moon"], 3)[0]
