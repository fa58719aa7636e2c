"""What a static model is written as: sentence-transformers and model2vec make the same vectors of it."""

import numpy as np
import pytest

from sizewise.bundle.canary import TEXTS
from sizewise.bundle.verify import distance
from sizewise.core.candidate import Model
from sizewise.encode.static import StaticEncoder

MODELS = [
    {"normalize": True},
    {"normalize": False, "max_length": 24},
    {"normalize": True, "max_length": 3, "dtype": "float16"},
    {"kind": "unigram", "normalize": True, "max_length": 24},
    {"dtype": "float64", "max_length": None},
    {"dtype": "int8", "normalize": True, "max_length": 50},
    {"dtype": "int8", "clusters": 40, "normalize": True, "max_length": 7},
    {"clusters": 30, "normalize": False},
]
HARD = ["", "中", "river 中 中 中 moon", "the" + " " * 900 + "sea", "x" * 3000 + " river", "the " * 5000]


@pytest.fixture(params=MODELS, ids=lambda made: ",".join(f"{key}={value}" for key, value in made.items()))
def exported(request, make_static, tmp_path):
    """An encoder, and the folder that it was written to."""
    encoder = StaticEncoder(Model(f"static:{make_static(**request.param)}"))
    encoder.export(tmp_path, {"query": "moon ", "document": "", "text": ""})
    return encoder, tmp_path


def test_sentence_transformers_makes_the_same_vectors(exported, sentences):
    from sentence_transformers import SentenceTransformer

    encoder, folder = exported
    peer = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    texts = [*sentences, *HARD, *TEXTS]
    if encoder.max_tokens != 3:  # else it is cut within the special token, which the tokenizer looks for before that
        texts.append("[UNK] river")
    for role, encode in (("query", peer.encode_query), ("document", peer.encode_document), ("text", peer.encode)):
        wanted = encoder.encode(texts, role, "moon " if role == "query" else "")
        found = np.asarray(encode(texts), dtype=np.float32)
        assert distance(found, wanted)[0] > 0.999999, role
        if encoder.folder.normalize:
            np.testing.assert_allclose(found, wanted, atol=2e-6, err_msg=role)


def test_as_the_folder_was_it_would_not(make_static, sentences):
    """Else the export would be no more than a copy."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    folder = make_static(normalize=True, max_length=24)
    peer = SentenceTransformer(modules=[StaticEmbedding.load(str(folder))], device="cpu")
    found = np.asarray(peer.encode(HARD), dtype=np.float32)
    wanted = StaticEncoder(Model(f"static:{folder}")).encode(HARD, "text", "")
    worst = [distance(found[at : at + 1], wanted[at : at + 1])[0] for at in range(len(HARD))]
    assert sum(one < 0.99 for one in worst) >= 3


def test_model2vec_reads_it_too(exported, sentences):
    model2vec = pytest.importorskip("model2vec", reason="pip install model2vec")
    encoder, folder = exported
    found = model2vec.StaticModel.from_pretrained(folder).encode([*sentences, *HARD], use_multiprocessing=False)
    wanted = encoder.encode([*sentences, *HARD], "text", "")
    assert distance(found.astype(np.float32), wanted)[0] > (0.9999 if found.dtype == np.float16 else 0.999999)
