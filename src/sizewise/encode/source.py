"""What a runtime runs: a network and its tokenizer, from a model's folder or from a shape.

Runtimes differ in how they run a network. Where it comes from, what it is worth (`identity`) and where it cuts texts
off is the same for all of them, and is told here without loading weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sizewise.core.candidate import Role
from sizewise.core.errors import InputError, RunError
from sizewise.core.memory import available_memory, impractical
from sizewise.core.shapes import Shape, model_arguments, transformers_config
from sizewise.encode.encoder import Similarity, Trust
from sizewise.encode.folder import DEFAULT_MODEL, ModelFolder, locate
from sizewise.encode.tokens import TextTokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from sizewise.encode.network import Network

TOKENIZER = "tokenizer.json"
USUAL_MAX_TOKENS = 512
"""Where the configuration names no limit, as in sentence-transformers for networks with that many positions."""


class Source(ABC):
    """A network that is not loaded yet, and the facts that runtimes need of it."""

    has_quality: bool = True
    """False for random weights."""
    reads_pairs: bool = False
    """True when it reads a query and a document together."""

    @property
    def similarity(self) -> Similarity:
        """What the vectors are compared by."""
        return "cosine"

    @property
    def vocabulary(self) -> int | None:
        """Token ids are folded into so many, where the network has fewer than its tokenizer; None: as they are."""
        return None

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What the vectors depend on, whatever runs the network; as JSON."""

    @property
    @abstractmethod
    def tokenizer(self) -> Path:
        """Its `tokenizer.json`."""

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Texts are cut off here."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of the vectors."""

    @property
    @abstractmethod
    def parameters(self) -> int | None:
        """Number of weights."""

    @property
    @abstractmethod
    def weight_bytes(self) -> int | None:
        """Bytes of the weights on disk, in the precision that they are stored in."""

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        """Prompts that the model itself carries."""
        return {}

    @abstractmethod
    def network(self, attention: str = "eager", precision: str = "float32", device: str = "cpu") -> "Network":
        """The network, loaded. `attention` is a name of transformers' attention interface."""

    def text_tokenizer(self) -> TextTokenizer:
        """What makes its token ids."""
        return TextTokenizer.open(self.tokenizer, self.max_tokens, vocabulary=self.vocabulary)


def check_tokenizer(folder: ModelFolder, name: str) -> None:
    """Raises InputError where it has no fast tokenizer."""
    if not (folder.path / TOKENIZER).is_file():
        raise InputError(
            f"{name} has no {TOKENIZER} (a fast tokenizer), which this runtime needs; save the model with "
            "one, or run it on torch"
        )


@dataclass(frozen=True)
class FolderSource(Source):
    """The first modules of a sentence-transformers model: a transformer, pooling, and what lies behind."""

    folder: ModelFolder
    name: str
    trust: Trust

    def __post_init__(self) -> None:
        if self.folder.routes:
            raise InputError(
                f"{self.name} sends queries and documents through different modules, which runs on torch only; leave "
                "out the runtime"
            )
        check_tokenizer(self.folder, self.name)

    @property
    def similarity(self) -> Similarity:
        return "dot" if self.folder.similarity == "dot" else "cosine"

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {"weights": self.folder.sha256}

    @property
    def tokenizer(self) -> Path:
        return self.folder.path / TOKENIZER

    @property
    def max_tokens(self) -> int:
        return self.folder.max_tokens or USUAL_MAX_TOKENS

    @property
    def dimensions(self) -> int:
        if (found := self.folder.dimensions) is None:
            raise InputError(f"{self.name}: its configuration does not tell the length of its vectors; run it on torch")
        return found

    @property
    def parameters(self) -> int | None:
        return self.folder.parameters

    @property
    def weight_bytes(self) -> int | None:
        return self.folder.weight_bytes

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        return self.folder.stored_prompts

    def network(self, attention: str = "eager", precision: str = "float32", device: str = "cpu") -> "Network":
        from sizewise.encode.network import Network

        return Network.of(load(self.folder, self.name, self.trust, precision, device, attention), self.name)


@dataclass(frozen=True)
class ShapeSource(Source):
    """Random weights with mean pooling. Texts are tokenised by the embedded model's tokenizer, so that all shapes see
    the same tokens."""

    shape: Shape

    has_quality = False

    @property
    def vocabulary(self) -> int:
        return self.shape.vocab

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"shape": str(self.shape)}

    @property
    def tokenizer(self) -> Path:
        return locate(DEFAULT_MODEL, Trust()).path / TOKENIZER

    @property
    def max_tokens(self) -> int:
        return self.shape.max_tokens

    @property
    def dimensions(self) -> int:
        return self.shape.dimensions

    @property
    def parameters(self) -> int | None:
        return self.shape.parameters

    @property
    def weight_bytes(self) -> int | None:
        return self.shape.weight_bytes("float32")

    def network(self, attention: str = "eager", precision: str = "float32", device: str = "cpu") -> "Network":
        if problem := impractical(self.shape, precision, available_memory()):
            raise InputError(problem)
        import torch
        from transformers import AutoModel

        from sizewise.encode.network import Network

        torch.manual_seed(0)
        config, dtype = transformers_config(self.shape), getattr(torch, precision)
        config._attn_implementation = attention
        with torch.device(device):
            make: Any = AutoModel.from_config
            body = make(config, dtype=dtype, **model_arguments(self.shape))
        return Network.with_mean_pooling(body, self.shape.dimensions)


def load(
    folder: ModelFolder, name: str, trust: Trust, precision: str, device: str, attention: str | None = None
) -> "SentenceTransformer":
    """The model in `folder` as sentence-transformers loads it: safe weights and no code, unless `name` is trusted.

    Raises RunError when it does not load, InputError when it is no embedding model.
    """
    import logging

    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    for noisy in ("sentence_transformers", "transformers"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    chosen = {"attn_implementation": attention} if attention else {}
    safe = None if name in trust.pickled else True
    try:
        model = SentenceTransformer(
            str(folder.path),
            device=device,
            trust_remote_code=name in trust.remote_code,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, precision), "use_safetensors": safe, **chosen},
        )
    except Exception as error:
        raise RunError(
            f"{name} does not load from {folder.path}: {error}; check that the folder is whole, or leave the candidate "
            "out"
        ) from error
    if not isinstance(model, SentenceTransformer):
        raise InputError(f"{name} is no embedding model; give one that makes one vector of a text")
    if folder.first is not None:
        for child in [child for child, _ in model.named_children()][folder.first :]:
            delattr(model, child)
    return model.eval()
