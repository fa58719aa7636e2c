"""Static models: one vector a token, taken from a teacher, then trained to make its vectors of whole texts.

The start is model2vec's (van Dongen and Tulkens, https://github.com/MinishLab/model2vec, 2024): every token through the
teacher by itself, principal components, and weights by frequency (SIF: Arora et al., "A simple but tough-to-beat
baseline for sentence embeddings", 2017). The library's own `distill` does not install beside transformers 5.4 and
later, so it is written here; the folder is in its format.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from sizewise.core.candidate import ROLES, Model
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress
from sizewise.data.seen import Seen
from sizewise.encode.source import load
from sizewise.encode.static import StaticEncoder
from sizewise.encode.tokens import TextTokenizer, Tokens, read_tokenizer
from sizewise.pipeline.bench import Bench
from sizewise.store.files import to_json
from sizewise.train.card import Provenance, hash_of, seen_by
from sizewise.train.distil import AXES_TEXTS, projected, sampled, teacher_folder
from sizewise.train.look import COSINE, agreement, held_out
from sizewise.train.teacher import Teacher
from sizewise.train.texts import TrainingText
from sizewise.train.work import MODEL, workplace
from sizewise.transform.project import principal_axes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Table = npt.NDArray[np.float32]
SIF = 1e-4
"""How soon frequent tokens lose weight."""
_SPECIAL = re.compile(r"\[[A-Z]+\d*\]|\[unused\d+\]|<[a-z/_]+\d*>|<\|.*\|>")
AT_ONCE = 2048
"""Tokens that go through the teacher together."""
MAX_TOKENS = 512
USUAL = 256
"""Dimensions."""


@dataclass(frozen=True)
class StaticDistillation:
    """What is to be made."""

    teacher: Model
    dimensions: int | None = None
    """None: USUAL, or the teacher's where it has fewer."""
    int8: bool = False
    """Store the table in a byte a number, with a scale for each token."""
    own_vocabulary: bool = False
    """Keep rows only for tokens of the texts; others take the row of the nearest."""
    epochs: float = 0.0
    learning_rate: float = 5e-3
    batch_tokens: int = 16_384
    seed: int = 0

    def width(self, available: int) -> int:
        """Dimensions of the model, from a teacher of so many. Raises InputError for what cannot be."""
        if self.dimensions is not None and not 0 < self.dimensions <= available:
            raise InputError(f"--dimensions {self.dimensions}: give a number up to the teacher's {available}")
        if self.epochs < 0 or self.learning_rate <= 0:
            raise InputError("--epochs must not be below zero, and --learning-rate must be above it")
        return min(self.dimensions or USUAL, available)


def make_static(
    asked: StaticDistillation,
    text: TrainingText | None,
    out: Path,
    bench: Bench,
    *,
    sources: Sequence[str] = (),
    price_per_hour: float | None = None,
) -> Provenance:
    """Make the model and write it to `out`, a new folder in model2vec's format.

    `text` counts tokens, and is what the model is trained on where `epochs` are given; None: by the order of the
    vocabulary. Stopped and called again with the same, it goes on. Raises InputError as `distil` does.
    """
    started = time.perf_counter()
    teacher, trust = Teacher.of(asked.teacher, bench.trust), bench.trust
    width = asked.width(teacher.encoder.dimensions)
    folder, weights = teacher_folder(asked.teacher, trust)
    texts = list(text.texts) if text else []
    if asked.epochs and not texts:
        raise InputError("training needs text: give some with --text, or leave out --epochs")
    recipe = {"made": "static", **asdict(asked), "weights": weights, "texts": hash_of(texts)}
    with workplace(out, recipe, bench.progress) as work:
        tokenizer = read_tokenizer(folder.path / "tokenizer.json")
        tokens = _tokens(read_tokenizer(folder.path / "tokenizer.json"), texts)
        bar = bench.progress.bar("tokens through the teacher", float(tokenizer.get_vocab_size()))
        vectors = token_vectors(load(folder, asked.teacher.name, trust, "float32", "cpu"), tokenizer, bar.advance)
        bar.close()
        wanted = teacher.vectors(texts, bench, work / "teacher.npy") if asked.epochs else None
        ordinary = ordinary_tokens(tokenizer, len(vectors))
        among = vectors[ordinary] if wanted is None else wanted[sampled(np.arange(len(texts)), AXES_TEXTS, asked.seed)]
        axes = principal_axes(among, width)[1].astype(np.float32)
        weights_of = frequency_weights(tokens, ordinary)
        table = (vectors - vectors[ordinary].mean(axis=0)) @ axes * weights_of[:, None]
        training: Mapping[str, Any] | None = None
        found: Mapping[str, Any] = {}
        if wanted is not None:
            model = as_model(table, tokenizer)
            training, found = _trained(
                model, asked, texts, tokens, projected(wanted, axes, work / "narrow.npy"), work, bench.progress
            )
            embedding: Any = model[0]
            table = embedding.embedding.weight.detach().cpu().numpy()
        _write(table, tokens if asked.own_vocabulary else None, asked.int8, tokenizer, work / MODEL)
        about = Provenance(
            kind="static",
            start=asked.teacher.name,
            weights=weights,
            made=f"one vector of {width} numbers for each token"
            + (", trained to match its vectors" if training else ""),
            texts=len(texts),
            text_sha256=hash_of(texts),
            sources=tuple(sources),
            settings={
                "dimensions": width, "int8": asked.int8, "own_vocabulary": asked.own_vocabulary,
                "epochs": asked.epochs, "learning_rate": asked.learning_rate, "batch_tokens": asked.batch_tokens,
                "seed": asked.seed,
            },
            training=training,
            found=found,
            price_per_hour=price_per_hour,
            seconds=time.perf_counter() - started,
        )  # fmt: skip
        about.write(work / MODEL, Seen.of(texts if asked.epochs else ()) | (seen_by(folder.path) or Seen.of(())))
        return about


def token_vectors(model: "SentenceTransformer", tokenizer: Tokenizer, done: Any = lambda _: None) -> Table:
    """float32 [vocabulary, d]: the teacher's vector of each token by itself, between the special tokens of a text, not
    scaled to length one: tokens that say little are shorter."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Normalize

    from sizewise.encode.torch import device

    tokenizer.no_padding()
    tokenizer.no_truncation()
    around = tokenizer.encode("a")
    special = np.array(around.special_tokens_mask, dtype=bool)
    first, last = int(np.argmin(special)), int(np.argmin(special[::-1]))
    before, behind = around.ids[:first], around.ids[len(special) - last :]
    count = max(tokenizer.get_vocab().values()) + 1
    modules = [module.to(device()) for module in model if not isinstance(module, Normalize)]
    parts = []
    with torch.inference_mode():
        for start in range(0, count, AT_ONCE):
            some = np.arange(start, min(start + AT_ONCE, count))
            rows = np.column_stack(
                [*(np.full(len(some), one) for one in before), some, *(np.full(len(some), one) for one in behind)]
            )
            ids = torch.from_numpy(rows.astype(np.int64)).to(device())
            features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            for module in modules:
                features = module(features)
            parts.append(features["sentence_embedding"].float().cpu().numpy())
            done(float(len(some)))
    found: Table = np.concatenate(parts)
    return found


def ordinary_tokens(tokenizer: Tokenizer, count: int) -> npt.NDArray[np.bool_]:
    """bool [count]: which tokens are text, not special ones or places kept free for some."""
    found = np.zeros(count, dtype=bool)
    for token, at in tokenizer.get_vocab().items():
        found[at] = not _SPECIAL.fullmatch(token)
    return found


def frequency_weights(tokens: Tokens, ordinary: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """float32 [vocabulary]: a / (a + p), p being how often a token comes in `tokens`, or where there are none, Zipf's
    law over the order of the `ordinary` ones."""
    if len(tokens.ids):
        chance = np.bincount(tokens.ids, minlength=len(ordinary)) + 1.0
    else:
        chance = 1.0 / (np.cumsum(ordinary) + 1.0)
    weights: npt.NDArray[np.float32] = (SIF / (SIF + chance / chance[ordinary].sum())).astype(np.float32)
    return weights


def as_model(table: Table, tokenizer: Tokenizer) -> "SentenceTransformer":
    """A static model of sentence-transformers, to be trained."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, np.ascontiguousarray(table)), Normalize()], device="cpu"
    )


def _tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokens:
    """Those of each text that a static model adds up: no special tokens, none for what is unknown."""
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
    found = TextTokenizer(tokenizer, MAX_TOKENS, special=False)(texts)
    return found if unknown is None else found.keep(found.ids != unknown)


def _trained(
    model: "SentenceTransformer",
    asked: StaticDistillation,
    texts: Sequence[str],
    tokens: Tokens,
    wanted: Table,
    work: Path,
    progress: Progress,
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Train the table in place. Returns what the training was, and how near to the teacher it came."""
    from sizewise.train.batches import BudgetSampler, Flat, rows
    from sizewise.train.losses import Agreement
    from sizewise.train.trainer import Material, Settings, train

    there = np.flatnonzero(tokens.lengths > 0)
    unseen = there[held_out(len(there), asked.seed)]
    mine = np.setdiff1d(there, unseen)
    look = agreement(model, [texts[at] for at in unseen], np.array(wanted[unseen]))
    before = look()
    some = tokens.take(mine)
    result = train(
        model,
        Agreement(model, wanted[mine]),
        Material(rows(len(mine)), BudgetSampler(some.lengths, asked.batch_tokens, asked.seed), Flat(some)),
        Settings(asked.epochs, asked.learning_rate, asked.seed, weight_decay=0.0),
        work,
        progress,
        look,
        COSINE,
        label="train the table",
    )
    after = look()
    return asdict(result), {
        "held_out_texts": len(unseen),
        "cosine_with_the_teacher_before": before[COSINE],
        "cosine_with_the_teacher": after[COSINE],
    }


def _write(table: Table, used: Tokens | None, int8: bool, tokenizer: Tokenizer, folder: Path) -> None:
    """The folder that model2vec, sentence-transformers and `static:` load alike."""
    lengths = np.maximum(np.linalg.norm(table, axis=1), 1e-12).astype(np.float32)
    arrays: dict[str, npt.NDArray[Any]] = {"embeddings": table}
    if used is not None:
        kept = np.unique(used.ids)
        nearest = np.empty(len(table), dtype=np.int64)
        unit = table / lengths[:, None]
        for start in range(0, len(table), AT_ONCE):
            nearest[start : start + AT_ONCE] = (unit[start : start + AT_ONCE] @ unit[kept].T).argmax(axis=1)
        nearest[kept] = np.arange(len(kept))
        arrays = {"embeddings": unit[kept], "mapping": nearest, "weights": lengths}
    if int8:
        rows = arrays["embeddings"]
        scales = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
        arrays["embeddings"] = np.round(rows / scales[:, None]).astype(np.int8)
        of_tokens = scales if used is None else scales[arrays["mapping"]]
        arrays["weights"] = arrays.get("weights", np.float32(1)) * of_tokens
    raw = folder.parent / "raw"
    raw.mkdir(exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, raw / "model.safetensors")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(raw / "tokenizer.json"), pretty=False)
    settings = {"model_type": "model2vec", "normalize": True, "max_length": MAX_TOKENS}
    (raw / "config.json").write_bytes(to_json(settings))
    StaticEncoder(Model(f"static:{raw}")).export(folder, dict.fromkeys(ROLES, ""))
