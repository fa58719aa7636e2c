"""Encoders whose network was exported from torch into a graph of its own, which runs without torch."""

import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import ROLES, Model, Role
from sizewise.core.errors import RunError
from sizewise.encode.batches import Rows, windows
from sizewise.encode.budget import Budget, in_order
from sizewise.encode.calibration import calibration_digest, calibration_texts
from sizewise.encode.encoder import Encoder, Similarity, Trust
from sizewise.encode.layout import NARROWEST, Block, Ids, Vectors, one_row
from sizewise.encode.numeric import instruction_set, int8_bits, threads, versions
from sizewise.encode.pairs import PairTokenizer, pair
from sizewise.encode.reading import Reading
from sizewise.encode.source import TOKENIZER, Source
from sizewise.encode.sources import source
from sizewise.encode.tokens import TextTokenizer, TokenCounter, Tokens
from sizewise.encode.tuned import Tuning, machine, recall
from sizewise.store.prepared import prepared
from sizewise.store.store import Store, default_root

GRAPHS = 3
"""Raised when graphs are made otherwise than before, so that those that were kept are not used again."""

LARGE = 50_000_000
"""Weights."""

Run = Callable[[Ids, Ids], Vectors]
"""Ids and mask to the vectors of every text of every row; for any number of threads."""


@dataclass(frozen=True)
class Facts:
    """What a network's encoder says of itself; as JSON in bundles."""

    identity: Mapping[str, Any]
    dimensions: int
    max_tokens: int
    parameters: int | None
    similarity: Similarity
    stored_prompts: Mapping[Role, str]
    has_quality: bool
    vocabulary: int | None
    reads_pairs: bool = False

    @classmethod
    def of(cls, source: Source) -> Self:
        return cls(
            source.identity,
            source.dimensions,
            source.max_tokens,
            source.parameters,
            source.similarity,
            dict(source.stored_prompts),
            source.has_quality,
            source.vocabulary,
            source.reads_pairs,
        )

    def to_json(self) -> dict[str, Any]:
        """Without what only cross-encoders have, so that earlier versions go on reading what they can serve."""
        found = asdict(self)
        return found if self.reads_pairs else {name: one for name, one in found.items() if name != "reads_pairs"}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Self:
        prompts = {role: about["stored_prompts"][role] for role in ROLES if role in about["stored_prompts"]}
        return cls(**{**about, "stored_prompts": prompts})


class ExportedEncoder(Encoder):
    """What runtimes share: where the graph comes from, texts to rows of tokens, vectors back in order.

    A runtime makes a graph (`make`, needs the study extra) and opens it (`open`, does not).
    """

    runtime: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """What runs the graph."""
    makers: ClassVar[tuple[str, ...]]
    """What makes it: their versions belong to the identity."""
    budget_tokens: ClassVar[int] = 512
    """Of a block, where `@auto` found no better number here: small ones stay in the processor's cache."""

    def __init__(self, model: Model, trust: Trust | None = None, facts: Facts | None = None) -> None:
        """`facts`: those of a graph that is there already, and whose network need not be."""
        super().__init__(model, trust)
        self.facts = facts or Facts.of(self.source)
        self._loading = Lock()
        self._root = default_root()
        self._own: tuple[str, ...] = ()
        self._folder: Path | None = None
        self._made: Mapping[str, Any] | None = None
        self._run: Run | None = None
        self.has_quality = self.facts.has_quality
        self.similarity = self.facts.similarity

    @abstractmethod
    def make(self, folder: Path, texts: Sequence[str]) -> None:
        """Put the graph of `self.source` into the empty `folder`; `texts` are those to calibrate int8 with."""

    @abstractmethod
    def open(self, folder: Path, threads: int) -> Run:
        """The graph in `folder`, ready to run."""

    @abstractmethod
    def blocks(self, lengths: npt.NDArray[np.int64], tokens: int) -> list[Block]:
        """How texts of `lengths` are run together, `tokens` at most at a time."""

    def width(self, tokens: int) -> int:
        """Of the row of a text alone."""
        return tokens

    @abstractmethod
    def graph_files(self, folder: Path) -> list[str]:
        """The graph's files in `folder`, relative."""

    @cached_property
    def source(self) -> Source:
        """Where the network comes from. Raises InputError when there is none."""
        return source(self.model, self.trust)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            **self.facts.identity,
            "precision": self.model.precision,
            "runtime": self.runtime,
            "made": dict(self._how),
            "versions": versions(*self.packages, "tokenizers"),
            "numeric": ["cpu", instruction_set()],
        }

    @property
    def _how(self) -> Mapping[str, Any]:
        """What the graph was made with, or will be."""
        return self._made if self._made is not None else self._making

    @property
    def weight_bits(self) -> int:
        """Of an int8 graph: 7 or 8. Before there were those of 7, all had 8."""
        return int(self._how.get("weight_bits", 8))

    @cached_property
    def _making(self) -> Mapping[str, Any]:
        """What the graph is made with."""
        found: dict[str, Any] = {"graphs": GRAPHS, "versions": versions(*self.makers)}
        if self.model.precision == "int8":
            found |= {"calibration": calibration_digest(self._calibration), "weight_bits": int8_bits()}
        return found

    def calibrate(self, texts: Sequence[str]) -> None:
        self._own = tuple(texts)

    @cached_property
    def _calibration(self) -> list[str]:
        texts = calibration_texts(self._own)
        return [pair(*two) for two in pairwise(texts)] if self.facts.reads_pairs else texts

    def attach(self, store: Store) -> None:
        self._root = store.root

    @property
    def dimensions(self) -> int:
        return self.facts.dimensions

    @property
    def max_tokens(self) -> int:
        return self.facts.max_tokens

    @property
    def parameters(self) -> int | None:
        return self.facts.parameters

    @property
    def is_large(self) -> bool:
        """Whether the layers of one text are worth sharing between threads."""
        return (self.parameters or 0) >= LARGE

    @property
    def streams(self) -> int:
        return 1 if self.is_large else self.tuning.threads

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        return self.facts.stored_prompts

    @property
    def disk_bytes(self) -> int | None:
        """Of the graph; before it is made, as many as its weights will take."""
        if self._folder is None:
            each = {"float32": 4, "int8": 1}.get(self.model.precision, 2)
            return None if self.facts.parameters is None else each * self.facts.parameters
        return sum((self._folder / file).stat().st_size for file in self.graph_files(self._folder))

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64]:
        if self.facts.reads_pairs:
            return self._tokenizer(texts).lengths
        return self._counter.count(texts, prompt)

    def load(self) -> None:
        with self._loading:
            if self._run is None:
                if self._folder is None:
                    weights = "int8" if self.model.precision == "int8" else "float32"  # 16 bits are chosen as it loads
                    about = {**self.facts.identity, "precision": weights, "runtime": self.runtime}
                    self._folder = prepared(
                        self._root, about | {"made": dict(self._making)}, lambda to: self.make(to, self._calibration)
                    )
                self._check_bits()
                self._run = self.open(self._folder, self.tuning.threads)

    def _check_bits(self) -> None:
        """Raises RunError where the graph's weights are finer than this processor adds up right."""
        if self.model.precision == "int8" and self.weight_bits > int8_bits():
            raise RunError(
                f"{self.model.name}@int8 was made on a processor with VNNI, and sums of its products overflow on this "
                "one, which has none; build it here (that runs on both)"
            )

    def unload(self) -> None:
        self._run = None

    @cached_property
    def tuning(self) -> Tuning:
        """What `@auto` found for this network on this machine, else the default. No part of the identity: as with any
        other batch, vectors may differ by it in their last digits."""
        found = recall(self._root, self.tuned_for(threads()), self.say)
        return Tuning(**found) if found else self.untuned

    @property
    def untuned(self) -> Tuning:
        return Tuning(self.budget_tokens, threads())

    def tuned_for(self, threads: int) -> Mapping[str, Any]:
        """What a tuning holds for, as JSON: this network on this machine, where it may use so many threads."""
        about = {"network": dict(self.facts.identity), "precision": self.model.precision, "runtime": self.runtime}
        return {"tuning": about, "machine": machine(threads, *self.packages)}

    def tune(self, tuning: Tuning) -> None:
        """Run so from now on; not while another thread encodes."""
        self.load()
        assert self._folder is not None
        if tuning.threads != self.tuning.threads:
            self._run = self.open(self._folder, tuning.threads)
        self.tuning, self._budget = tuning, Budget(tuning.tokens)

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        self.load()
        found = np.empty((len(texts), self.dimensions), dtype=np.float32)
        start = 0
        for some in windows(texts):
            tokens = self._tokenizer(some, prompt)
            self._fill(found[start : start + len(tokens)], tokens, self.tuning.threads)
            start += len(tokens)
        return found

    def read(self, texts: Sequence[str], role: Role, prompt: str) -> Reading:
        return Reading.of(self._tokenizer, texts, role, prompt)

    def run(self, reading: Reading) -> npt.NDArray[np.float32]:
        self.load()
        assert reading.tokens is not None
        found = np.empty((len(reading), self.dimensions), dtype=np.float32)
        self._fill(found, reading.tokens, 1 if self.streams > 1 else self.tuning.threads)
        return found

    def _fill(self, out: Vectors, tokens: Tokens, threads: int) -> None:
        assert self._run is not None
        filled = np.flatnonzero(tokens.lengths)
        if len(filled) < len(tokens):  # of an empty text where there are no special tokens: nothing to run
            some = np.empty((len(filled), self.dimensions), dtype=np.float32)
            self._fill(some, tokens.take(filled), threads)
            out[:], out[filled] = 0.0, some
        elif len(tokens) <= threads:  # all that is done for many would take longer than the network
            texts = [tokens.ids[start:end] for start, end in pairwise(tokens.starts.tolist())]
            rows = [one_row(ids, self.width(len(ids))) for ids in texts]
            for at, found in enumerate(in_order(lambda row: self._run(*row), rows, threads)):  # type: ignore[misc]
                out[at] = found
        elif len(tokens):
            self._budget.say = self.say
            self._budget.fill_planned(
                partial(self._planned, tokens.lengths, threads),
                lambda block: block.texts,
                out,
                tokens.lengths,
                partial(_vectors, self._run, tokens),
                threads,
            )

    def _planned(self, lengths: npt.NDArray[np.int64], threads: int, left: Rows, tokens: int) -> list[Block]:
        """Blocks of at most `tokens`, of about one size, as many for each thread."""
        total = int(lengths[left].sum())
        each = -(-total // (threads * -(-total // (threads * tokens))))
        tokens = min(tokens, -(-each // NARROWEST) * NARROWEST)
        return [block.of(left) for block in self.blocks(lengths[left], tokens)]

    @cached_property
    def _budget(self) -> Budget:
        return Budget(self.tuning.tokens)

    @property
    def tokenizer_file(self) -> Path:
        return self.source.tokenizer if self._made is None else cast("Path", self._folder) / TOKENIZER

    @cached_property
    def _tokenizer(self) -> TextTokenizer | PairTokenizer:
        if self.facts.reads_pairs:
            return PairTokenizer.open(self.tokenizer_file, self.max_tokens, self.model.name)
        return TextTokenizer.open(self.tokenizer_file, self.max_tokens, vocabulary=self.facts.vocabulary)

    @cached_property
    def _counter(self) -> TokenCounter:
        found = TokenCounter.open(self.tokenizer_file.parent)
        assert found is not None
        return found

    def check_export(self) -> None:
        """Any graph can be written: it holds no code."""

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        self.load()
        assert self._folder is not None
        for file in self.graph_files(self._folder):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder / file, folder / file)
        shutil.copyfile(self.tokenizer_file, folder / TOKENIZER)
        return {"facts": self.facts.to_json(), "made": dict(self.identity["made"])}

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        restored = cls(model, trust, Facts.from_json(about["facts"]))
        restored._folder, restored._made = folder, about["made"]
        return restored


def _vectors(run: Run, tokens: Tokens, block: Block) -> Vectors:
    """Of one block's texts."""
    return block.vectors(run(*block.fill(tokens.take(block.texts))))
