"""Fine-tuning: a model specialised to pairs that belong together, or to labels."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.data.seen import Seen
from sizewise.encode.cross import load_cross
from sizewise.encode.folder import ModelFolder
from sizewise.encode.source import FolderSource
from sizewise.encode.stored import stored_vectors
from sizewise.encode.tokens import TextTokenizer
from sizewise.pipeline.bench import Bench
from sizewise.train.adapter import Adapter
from sizewise.train.card import Provenance, hash_of, seen_by
from sizewise.train.distil import teacher_folder, to_train
from sizewise.train.examples import LabelledTexts, Pairs
from sizewise.train.negatives import mined
from sizewise.train.teacher import Vectors, quick
from sizewise.train.work import MODEL, workplace
from sizewise.transform.chain import unit

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from sizewise.train.trainer import Settings, Trained

LORA_RANK = 16
PAIR_EPOCHS, LABEL_EPOCHS = 1.0, 5.0
PAIR_RATE, LABEL_RATE, CROSS_RATE = 1e-5, 1e-4, 5e-5
LEAST_STEPS = 100
LABEL = "fine-tune"


@dataclass(frozen=True)
class FineTuning:
    """How a model is specialised."""

    model: Model
    epochs: float | None = None
    """None: PAIR_EPOCHS or LABEL_EPOCHS, and of few examples so many that there are about LEAST_STEPS."""
    learning_rate: float | None = None
    """None: PAIR_RATE, LABEL_RATE or CROSS_RATE."""
    batch: int = 64
    """Texts, or pairs."""
    negatives: int = 1
    """Mined for each pair."""
    widths: Sequence[int] = ()
    """Matryoshka, for pairs."""
    lora: bool = False
    reranker: bool = False
    """A cross-encoder, which reads both sides of a pair together."""
    seed: int = 0

    def epochs_on(self, examples: Pairs | LabelledTexts) -> float:
        """Times that every one of them is seen."""
        usual = PAIR_EPOCHS if isinstance(examples, Pairs) else LABEL_EPOCHS
        return max(usual, LEAST_STEPS * self.batch / len(examples)) if self.epochs is None else self.epochs

    def rate_on(self, examples: Pairs | LabelledTexts) -> float:
        """The learning rate at its highest."""
        of_pairs = CROSS_RATE if self.reranker else PAIR_RATE
        usual = of_pairs if isinstance(examples, Pairs) else LABEL_RATE
        return usual if self.learning_rate is None else self.learning_rate

    def check(self) -> None:
        """Raises InputError for settings that cannot be."""
        if any(value is not None and value <= 0 for value in (self.epochs, self.learning_rate)):
            raise InputError("--epochs and --learning-rate must be above zero")
        if self.reranker and not self.negatives:
            raise InputError("--negatives 0: a reranker learns from what does not belong together; give 1 or more")
        if self.reranker and (self.lora or self.widths):
            raise InputError(f"--{'lora' if self.lora else 'matryoshka'} is for encoders, not for --reranker")
        if self.batch < 4 or self.batch % 2:
            raise InputError(f"--batch {self.batch}: give an even number of 4 or more")


def finetune(
    asked: FineTuning,
    examples: Pairs | LabelledTexts,
    out: Path,
    bench: Bench,
    *,
    sources: Sequence[str] = (),
    price_per_hour: float | None = None,
) -> Provenance:
    """Make the model and write it to `out`, a new folder. Stopped and called again with the same, it goes on.

    Pairs: multiple-negatives ranking (Henderson et al., 2017) with mined hard negatives. Labels: a proxy of each is
    learned beside the model (`losses.ClassProxies`). Raises InputError for a model or a place that will not do, before
    work begins.
    """
    started = time.perf_counter()
    asked.check()
    folder, weights = teacher_folder(asked.model, bench.trust)
    texts = examples.texts if isinstance(examples, Pairs) else list(examples.texts)
    of = "pairs" if isinstance(examples, Pairs) else f"texts of {len(examples.labels):,} labels"
    with workplace(out, recipe(asked, examples, weights), bench.progress) as work:
        found: Mapping[str, Any] = {}
        if isinstance(examples, Pairs) and asked.reranker:
            result, found = _of_both(folder, asked, examples, bench, work)
        else:
            model = to_train(folder, asked.model.name, bench.trust)
            merge = _low_rank(model, asked.seed) if asked.lora else None
            if isinstance(examples, Pairs):
                result, found = _on_pairs(model, asked, examples, bench, work)
            else:
                tokenizer = FolderSource(folder, asked.model.name, bench.trust).text_tokenizer()
                result = _on_labels(model, asked, examples, tokenizer, bench, work)
            if merge is not None:
                merge()
            model.save_pretrained(str(work / MODEL), create_model_card=False)
        about = Provenance(
            kind="fine-tuned",
            start=asked.model.name,
            weights=weights,
            made=f"{'a reranker ' if asked.reranker else ''}fine-tuned on {len(examples):,} {of}",
            texts=len(texts),
            text_sha256=hash_of(texts),
            sources=tuple(sources),
            settings={
                "epochs": asked.epochs_on(examples), "learning_rate": asked.rate_on(examples), "batch": asked.batch,
                "seed": asked.seed, "lora": asked.lora, "reranker": asked.reranker, "matryoshka": list(asked.widths),
                "negatives": asked.negatives if isinstance(examples, Pairs) else 0,
            },
            training=asdict(result),
            found=found,
            price_per_hour=price_per_hour,
            seconds=time.perf_counter() - started,
        )  # fmt: skip
        about.write(work / MODEL, Seen.of(texts) | (seen_by(folder.path) or Seen.of(())))
        return about


def recipe(asked: FineTuning, examples: Pairs | LabelledTexts, weights: str) -> dict[str, Any]:
    """All that a fine-tuned model depends on; `weights` are those that it starts from, by their sha256."""
    given = replace(asked, epochs=asked.epochs_on(examples), learning_rate=asked.rate_on(examples))
    return {"made": "fine-tuned", **asdict(given), "weights": weights, "examples": examples.fingerprint}


def query_adapter(model: Model, pairs: Pairs, bench: Bench) -> Adapter:
    """The linear baseline, fitted on the same pairs."""
    return Adapter.fit(*_sides(model, pairs, bench))


def _on_labels(
    model: "SentenceTransformer",
    asked: FineTuning,
    examples: LabelledTexts,
    tokenizer: TextTokenizer,
    bench: Bench,
    work: Path,
) -> "Trained":
    from sizewise.train.batches import Padded, ShuffledSampler, rows
    from sizewise.train.losses import ClassProxies
    from sizewise.train.trainer import Material, train

    tokens = tokenizer(examples.texts, bench.encoder(asked.model).prompt("text"))
    vectors = _vectors(asked.model, examples.texts, "text", bench)
    sums = np.zeros((len(examples.labels), vectors.shape[1]), np.float32)
    np.add.at(sums, examples.codes, vectors)
    material = Material(
        rows(len(examples)),
        ShuffledSampler(len(examples), asked.batch, asked.seed),
        Padded(tokens, int(model.tokenizer.pad_token_id or 0)),
    )
    loss = ClassProxies(model, examples.codes, unit(sums))
    return train(model, loss, material, _settings(asked, examples), work, bench.progress, label=LABEL)


def _on_pairs(
    model: "SentenceTransformer",
    asked: FineTuning,
    pairs: Pairs,
    bench: Bench,
    work: Path,
) -> tuple["Trained", Mapping[str, Any]]:
    import torch
    from datasets import Dataset
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss

    from sizewise.train.trainer import Material, train

    encoder = bench.encoder(asked.model)
    ask, answer = encoder.prompt("query"), encoder.prompt("document")
    columns = {"anchor": [ask + one for one in pairs.anchors], "positive": [answer + one for one in pairs.positives]}
    found: dict[str, Any] = {}
    if asked.negatives or pairs.negatives:
        asked = replace(asked, negatives=max(1, asked.negatives))  # those that are given are always used
        negatives, found = _negatives(asked, pairs, bench)
        for at, texts in enumerate(negatives):
            columns[f"negative_{at + 1}"] = [answer + one for one in texts]
    data = Dataset.from_dict(columns)
    batches = NoDuplicatesBatchSampler(
        data, min(asked.batch, len(pairs)), drop_last=False, valid_label_columns=["label"],
        generator=torch.Generator(), seed=asked.seed,
    )  # fmt: skip
    loss: torch.nn.Module = MultipleNegativesRankingLoss(model)
    if asked.widths:
        width = model.get_embedding_dimension()
        loss = MatryoshkaLoss(model, loss, [*([width] if width else []), *asked.widths])
    result = train(model, loss, Material(data, batches), _settings(asked, pairs), work, bench.progress, label=LABEL)
    return result, found


def _of_both(
    folder: ModelFolder, asked: FineTuning, pairs: Pairs, bench: Bench, work: Path
) -> tuple["Trained", Mapping[str, Any]]:
    """A cross-encoder that begins as the encoder in `folder`: told what belongs together from what nearly does, by
    binary cross-entropy (Nogueira and Cho, "Passage re-ranking with BERT", 2019)."""
    from datasets import Dataset
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
    from transformers import set_seed

    from sizewise.train.batches import ShuffledSampler
    from sizewise.train.trainer import Material, train

    negatives, found = _negatives(asked, pairs, bench)
    anchors = [*pairs.anchors, *(one for column in negatives for one in pairs.anchors[: len(column)])]
    documents = [*pairs.positives, *(one for column in negatives for one in column)]
    labels = [1.0] * len(pairs) + [0.0] * (len(documents) - len(pairs))
    data = Dataset.from_dict({"query": anchors, "document": documents, "label": labels})
    set_seed(asked.seed)  # its head is new
    model = load_cross(folder, asked.model.name, bench.trust, "cpu")
    material = Material(data, ShuffledSampler(len(data), asked.batch, asked.seed))
    settings = _settings(asked, pairs)
    result = train(model, BinaryCrossEntropyLoss(model), material, settings, work, bench.progress, label=LABEL)
    model.save_pretrained(str(work / MODEL), create_model_card=False)
    return result, found


def _negatives(asked: FineTuning, pairs: Pairs, bench: Bench) -> tuple[list[list[str]], dict[str, Any]]:
    """For each pair so many texts that do not belong to it: those given first, then mined ones; where none is sure,
    the positive of another pair at random."""
    queries, documents = _sides(asked.model, pairs, bench)
    texts, at = np.unique(np.array(pairs.positives, dtype=object), return_inverse=True)
    first = np.unique(at, return_index=True)[1]
    same = np.unique(np.array(pairs.anchors, dtype=object), return_inverse=True)[1]
    near = mined(queries, documents[first], at, same, asked.negatives)
    chance = np.random.default_rng(asked.seed)
    spare = chance.integers(0, len(texts), near.shape)
    own: dict[int, set[int]] = {}
    for anchor, document in zip(same.tolist(), at.tolist(), strict=True):
        own.setdefault(anchor, set()).add(document)
    for row, column in np.argwhere(near < 0):
        others = own[int(same[row])]
        while int(spare[row, column]) in others and len(others) < len(texts):
            spare[row, column] = chance.integers(0, len(texts))
    missing = near < 0
    near = np.where(missing, spare, near)
    columns = [[str(texts[row]) for row in column] for column in near.T]
    if pairs.negatives:
        columns[0] = [given or other for given, other in zip(pairs.negatives, columns[0], strict=True)]
    return columns, {"mined_negatives": int((~missing).sum()), "random_negatives": int(missing.sum())}


def _sides(model: Model, pairs: Pairs, bench: Bench) -> tuple[Vectors, Vectors]:
    """Unit vectors of anchors and positives."""
    return _vectors(model, pairs.anchors, "query", bench), _vectors(model, pairs.positives, "document", bench)


def _vectors(model: Model, texts: Sequence[str], role: Role, bench: Bench) -> Vectors:
    """Of unit length, float32 [n, d], from the store."""
    encoder = bench.encoder(quick(model))
    found = stored_vectors(bench.store, encoder, texts, role, encoder.prompt(role), bench.progress)
    encoder.unload()
    return unit(found.block(0, len(found)))


def _settings(asked: FineTuning, examples: Pairs | LabelledTexts) -> "Settings":
    from sizewise.train.trainer import Settings

    return Settings(asked.epochs_on(examples), asked.rate_on(examples), asked.seed)


def _low_rank(model: "SentenceTransformer", seed: int) -> Callable[[], None]:
    """Train low-rank updates of all linear layers (Hu et al., "LoRA", 2021) in the place of the weights.

    Returns what adds them to the weights in the end: the model is then again one that everybody loads.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    body: Any = model[0]
    config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", lora_dropout=0.05)
    updated: Any = get_peft_model(body.auto_model, config)

    def merge() -> None:
        body.auto_model = updated.merge_and_unload()

    return merge
