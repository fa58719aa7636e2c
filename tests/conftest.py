"""What tests share: tiny models with random weights in the real file formats, an encoder that counts, a store."""

import json
import os
import random
import string
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

TEXT = """
the a of to in is for on with and river bank money water bridge engine wheel road garden flower tree leaf winter summer
snow rain cloud storm light night star moon planet orbit rocket fuel oil price market trade ship sail wind wave ocean
fish bird wing song music drum dance stage actor story book page letter word name town city street house door window
"""
WORDS = TEXT.split()


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """200 distinct sentences of 1 to 40 words, the same every time."""
    chance = random.Random(7)
    made = {" ".join(chance.choices(WORDS, k=1 + int(39 * chance.random() ** 2))): None for _ in range(400)}
    return list(made)[:200]


@pytest.fixture(scope="session")
def transformer_folder(tmp_path_factory) -> Path:
    """A plain transformers folder: BERT of 2 layers x 32 dimensions with random weights, and a WordPiece tokenizer."""
    return _transformer(tmp_path_factory.mktemp("models") / "plain", seed=0)


@pytest.fixture(scope="session")
def tiny_model(transformer_folder, tmp_path_factory) -> Path:
    """A sentence-transformers folder: mean pooling and normalisation, at most 24 tokens."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modules = [Pooling(32, "mean"), Normalize()]
    return _sentence_model(transformer_folder, modules, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def dense_model(transformer_folder, tmp_path_factory) -> Path:
    """CLS pooling, a projection to 24 dimensions, vectors of any length, prompts of its own."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    torch.manual_seed(1)
    modules = [Pooling(32, "cls"), Dense(32, 24)]
    prompts = {"query": "river: ", "passage": "ocean: "}
    return _sentence_model(transformer_folder, modules, tmp_path_factory.mktemp("models") / "dense", prompts=prompts)


@pytest.fixture(scope="session")
def dot_model(transformer_folder, tmp_path_factory) -> Path:
    """Made for dot products: vectors whose lengths matter."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    torch.manual_seed(2)
    modules = [Pooling(32, "mean"), Dense(32, 16, activation_function=torch.nn.Identity())]
    folder = tmp_path_factory.mktemp("models") / "dot"
    return _sentence_model(transformer_folder, modules, folder, similarity_fn_name="dot")


@pytest.fixture
def store(tmp_path):
    from sizewise.store.store import Store

    with Store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def make_encoder():
    """The class of an encoder whose vectors depend on prompt and text alone, which remembers what it was given."""
    from sizewise.core.candidate import Model
    from sizewise.encode.encoder import Encoder

    class Counting(Encoder):
        def __init__(self, name="counting", fail_after=None, dimensions=6):
            super().__init__(Model(name))
            self.batches, self.fail_after, self._dimensions = [], fail_after, dimensions

        @property
        def identity(self):
            return {"made of": "sha256", "dimensions": self._dimensions}

        @property
        def dimensions(self):
            return self._dimensions

        @property
        def encoded(self):
            return [text for batch in self.batches for text in batch]

        def vector(self, text):
            seed = int.from_bytes(sha256(text.encode()).digest()[:8], "little")
            return np.random.default_rng(seed).standard_normal(self._dimensions).astype(np.float32)

        def encode(self, texts, role, prompt):
            if self.fail_after is not None and len(self.batches) >= self.fail_after:
                raise KeyboardInterrupt
            self.batches.append(list(texts))
            return np.stack([self.vector(prompt + text) for text in texts])

    return Counting


@pytest.fixture(scope="session")
def retrieval_folder(tmp_path_factory, sentences) -> Path:
    """A BEIR folder of 60 documents and 20 queries, each made of words of its document."""
    folder = tmp_path_factory.mktemp("tasks") / "search"
    (folder / "qrels").mkdir(parents=True)
    chance = random.Random(3)
    long = [text for text in sentences if len(text.split()) > 5][:60]
    documents = [{"_id": f"d{at:02}", "title": "", "text": text} for at, text in enumerate(long)]
    queries = [{"_id": f"q{at}", "text": " ".join(chance.sample(long[at].split(), 4))} for at in range(20)]
    _write_lines(folder / "corpus.jsonl", documents)
    _write_lines(folder / "queries.jsonl", queries)
    lines = ["query-id\tcorpus-id\tscore", *(f"q{at}\td{at:02}\t1" for at in range(20))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def similarity_folder(tmp_path_factory, sentences) -> Path:
    """40 pairs with scores, and training sentences."""
    folder = tmp_path_factory.mktemp("tasks") / "pairs"
    folder.mkdir()
    chance = random.Random(4)
    for file, start in (("test.csv", 0), ("train.csv", 100)):
        rows = [
            f"{sentences[start + at]},{sentences[start + at + 40]},{chance.randint(0, 50) / 10}" for at in range(40)
        ]
        (folder / file).write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n")
    return folder


def _write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _transformer(folder: Path, seed: int) -> Path:
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    BertModel(config, add_pooling_layer=False).eval().save_pretrained(folder)
    return folder


def _sentence_model(transformer: Path, modules: list, folder: Path, **settings) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

    first = Transformer(str(transformer), max_seq_length=24)
    SentenceTransformer(modules=[first, *modules], device="cpu", **settings).save_pretrained(str(folder))
    return folder
