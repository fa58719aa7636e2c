"""Model shapes: architectures by their numbers, run with random weights to measure cost, their quality never guessed.

A shape is the body of an embedding model: token embeddings and layers, with no pooler and no language-model head
(so whether a language model ties its output matrix to its embeddings makes no difference here).
Pure arithmetic, without torch; only `transformers_config` imports transformers.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

FamilyName = Literal["bert", "distilbert", "roberta", "xlm-roberta", "decoder", "gpt"]

BYTES_PER_WEIGHT: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "float8": 1}

_USUAL_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Family:
    """What all models of a family share: its usual numbers, and how it is wired.

    `reserved_positions`: rows of the position table that no token uses (RoBERTa counts from after its padding id).
    `rotary`: positions are rotations without parameters; layers are gated, without biases, with RMSNorm (also of
    queries and keys) and perhaps fewer key heads than query heads.
    """

    vocab: int
    positions: int
    token_types: int = 0
    reserved_positions: int = 0
    rotary: bool = False
    causal: bool = False


FAMILIES: Mapping[FamilyName, Family] = {
    "bert": Family(vocab=30522, positions=512, token_types=2),
    "distilbert": Family(vocab=30522, positions=512),
    "roberta": Family(vocab=50265, positions=514, token_types=1, reserved_positions=2),
    "xlm-roberta": Family(vocab=250002, positions=514, token_types=1, reserved_positions=2),
    "decoder": Family(vocab=151936, positions=32768, rotary=True, causal=True),
    "gpt": Family(vocab=50257, positions=2048, causal=True),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """An architecture by its numbers; `Shape.of` fills in what a family usually has.

    `hidden` is the width of a token's vector, `intermediate` that of the feed-forward layer, `positions` the rows of
    the position table (or, with rotary positions, the longest text), `max_tokens` where texts are cut.
    Raises InputError when the numbers do not make a model.
    """

    name: str
    family: FamilyName
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    gated: bool
    vocab: int
    positions: int
    token_types: int
    max_tokens: int

    @classmethod
    def of(
        cls,
        layers: int,
        hidden: int,
        heads: int,
        *,
        name: str = "",
        family: FamilyName = "bert",
        kv_heads: int | None = None,
        head_dim: int | None = None,
        intermediate: int | None = None,
        gated: bool | None = None,
        vocab: int | None = None,
        positions: int | None = None,
        token_types: int | None = None,
        max_tokens: int | None = None,
    ) -> Shape:
        """A shape with the family's usual numbers where none is given; without a name it is called by its numbers.

        Feed-forward layers are 4 x hidden wide, 3 x where gated (as in Qwen3); texts are cut at 512 tokens or at the
        last position. Raises InputError when the numbers do not make a model.
        """
        given = {
            "kv_heads": kv_heads,
            "head_dim": head_dim,
            "intermediate": intermediate,
            "vocab": vocab,
            "positions": positions,
            "token_types": token_types,
            "max_tokens": max_tokens,
        }
        numbers = _usual_numbers(_family(family), hidden, heads, positions)
        numbers |= {key: value for key, value in given.items() if value is not None}
        gated = FAMILIES[family].rotary if gated is None else gated
        shape = cls(name=name, family=family, layers=layers, hidden=hidden, heads=heads, gated=gated, **numbers)
        return shape if name else replace(shape, name=_by_numbers(shape))

    def __post_init__(self) -> None:
        _check(self)

    def __str__(self) -> str:
        """The name of a known shape, else the numbers that differ from the family's; `parse_shape` reads both."""
        return self.name if SHAPES.get(self.name) == self else _by_numbers(self)

    @property
    def dimensions(self) -> int:
        """Length of the vectors it makes."""
        return self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Parameters looked up rather than multiplied: tokens, learned positions, token types and their LayerNorm."""
        rotary = FAMILIES[self.family].rotary
        rows = self.vocab + self.token_types + (0 if rotary else self.positions)
        norm = 0 if self.family in ("decoder", "gpt") else 2 * self.hidden
        return rows * self.hidden + norm

    @property
    def matmul_weights(self) -> int:
        """Weights that every token is multiplied by: all layers' projections, without biases and norms."""
        attention = 2 * self.hidden * (self.query_width + self.kv_width)
        feed_forward = (3 if self.gated else 2) * self.hidden * self.intermediate
        return self.layers * (attention + feed_forward)

    @property
    def parameters(self) -> int:
        """Exactly those of transformers' AutoModel for this shape, its pooler left out (add_pooling_layer=False)."""
        if FAMILIES[self.family].rotary:  # a layer: two RMSNorms, and one each for queries and keys
            small = self.layers * (2 * self.hidden + 2 * self.head_dim)
        else:  # a layer: biases of query, key, value, output, up and down, and two LayerNorms
            small = self.layers * (9 * self.hidden + self.intermediate)
        final_norm = {"decoder": self.hidden, "gpt": 2 * self.hidden}.get(self.family, 0)
        return self.embedding_parameters + self.matmul_weights + small + final_norm

    @property
    def query_width(self) -> int:
        """Numbers in one token's queries, all heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Numbers in one token's keys (or values), all heads together."""
        return self.kv_heads * self.head_dim

    def weight_bytes(self, precision: str) -> int:
        """Bytes of all parameters at "float32", "bfloat16" or "int8"; raises InputError for another precision."""
        if precision not in BYTES_PER_WEIGHT:
            raise InputError(f"shape {self}: unknown precision {precision!r}; there are {', '.join(BYTES_PER_WEIGHT)}")
        return self.parameters * BYTES_PER_WEIGHT[precision]

    def flops_per_token(self, length: int) -> int:
        """Floating-point operations per token in a text of `length` tokens, a multiplication and an addition being two.

        2 per weight used in matrix products, plus 4 per layer, query number and token attended to (2 for the scores,
        2 for the weighted values): all `length` of them in a bidirectional model, (length + 1) / 2 on average in a
        causal one. Norms, activations and softmax are left out, as in Kaplan et al. 2020, arXiv:2001.08361, table 1.
        """
        twice_attended = length + 1 if FAMILIES[self.family].causal else 2 * length
        return 2 * self.matmul_weights + 2 * twice_attended * self.layers * self.query_width


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise InputError(f"unknown family {name!r} of a model shape; there are {', '.join(FAMILIES)}")
    return FAMILIES[cast("FamilyName", name)]


def _usual_numbers(family: Family, hidden: int, heads: int, positions: int | None) -> dict[str, int]:
    """The optional numbers where none is given; head_dim is 0, which no shape may have, if hidden does not divide."""
    positions = family.positions if positions is None else positions
    return {
        "kv_heads": heads,
        "head_dim": hidden // heads if heads > 0 and hidden % heads == 0 else 0,
        "intermediate": (3 if family.rotary else 4) * hidden,
        "vocab": family.vocab,
        "positions": positions,
        "token_types": family.token_types,
        "max_tokens": min(_USUAL_MAX_TOKENS, positions - family.reserved_positions),
    }


def _check(shape: Shape) -> None:
    """Raise InputError for the first number that does not fit the others."""
    wrong = _non_positive(shape) or _misfit(shape, _family(shape.family))
    if wrong:
        raise InputError(f"a {shape.family} shape {wrong}")


def _non_positive(shape: Shape) -> str | None:
    for key in ("layers", "hidden", "heads", "kv_heads", "intermediate", "vocab", "positions"):
        if getattr(shape, key) < 1:
            return f"has {key}={getattr(shape, key)}; give 1 or more"
    if shape.head_dim < 1:
        return f"cannot split hidden={shape.hidden} over heads={shape.heads}; choose heads that divide hidden"
    return None


def _misfit(shape: Shape, family: Family) -> str | None:
    usable = shape.positions - family.reserved_positions
    if not 1 <= shape.max_tokens <= usable:
        wrong = f"has max_tokens={shape.max_tokens} but {usable} usable positions"
        return f"{wrong}; give one token or more, and as many positions"
    if shape.gated != family.rotary:
        remedy = "write family=gpt for a decoder without gates" if family.rotary else "write family=decoder for gates"
        return f"cannot have gated={'yes' if shape.gated else 'no'}; {remedy}"
    if min(shape.token_types, 1) != min(family.token_types, 1):
        return f"cannot have token_types={shape.token_types}; leave it out for the usual {family.token_types}"
    if family.rotary and shape.head_dim % 2:
        return f"has head_dim={shape.head_dim}; rotary positions need an even one"
    if family.rotary and shape.heads % shape.kv_heads:
        return f"has kv_heads={shape.kv_heads}; choose a divisor of heads={shape.heads}"
    if not family.rotary and (shape.kv_heads != shape.heads or shape.query_width != shape.hidden):
        return (
            f"has kv_heads={shape.kv_heads} and head_dim={shape.head_dim}; leave both out"
            f" (heads={shape.heads} over hidden={shape.hidden}), or write family=decoder"
        )
    return None


_REQUIRED_KEYS = ("layers", "hidden", "heads")
_OPTIONAL_NUMBER_KEYS = ("kv_heads", "head_dim", "intermediate", "vocab", "positions", "token_types", "max_tokens")
_NUMBER_KEYS = _REQUIRED_KEYS + _OPTIONAL_NUMBER_KEYS
_KEYS = (*_NUMBER_KEYS, "gated", "family")


def _named() -> dict[str, Shape]:
    shapes = [
        Shape.of(6, 384, 12, name="minilm-l6", max_tokens=256),
        Shape.of(12, 384, 12, name="minilm-l12", max_tokens=256),
        Shape.of(6, 768, 12, name="distilbert", family="distilbert"),
        Shape.of(8, 512, 8, name="roberta-medium", family="roberta"),
        Shape.of(12, 768, 12, name="bert-base"),
        Shape.of(12, 768, 12, name="roberta-base", family="roberta"),
        Shape.of(24, 1024, 16, name="bert-large"),
        Shape.of(12, 768, 12, name="xlm-roberta-base", family="xlm-roberta"),
        Shape.of(28, 1024, 16, name="decoder-0.6b", family="decoder", kv_heads=8, head_dim=128),
        Shape.of(32, 4096, 32, name="decoder-7b", family="decoder", kv_heads=8, intermediate=14336, vocab=32000),
        Shape.of(96, 12288, 96, name="gpt3-175b", family="gpt"),
    ]
    return {shape.name: shape for shape in shapes}


SHAPES: Mapping[str, Shape] = _named()
"""Shapes by name, with the published numbers of the models they are called after. All cut texts at 512 tokens (MiniLM
at 256, as all-MiniLM-L6-v2 does), whatever more they could read, so that long texts weigh on them alike.
decoder-0.6b is Qwen3-0.6B; decoder-7b has Mistral-7B's numbers and Qwen3's query and key norms (8,192 parameters);
gpt3-175b is GPT-3 of Brown et al. 2020, arXiv:2005.14165, table 2.1, built as a GPT-2."""


def parse_shape(text: str) -> Shape:
    """The shape called `text`, or given by its numbers as in `layers=12:hidden=768:heads=12:family=bert`.

    Optional: kv_heads, head_dim, intermediate, gated (yes or no), vocab, positions, token_types, max_tokens, family.
    Without a family it is a bert, or a decoder where `gated=yes` or kv_heads differs from heads.
    Raises InputError for an unknown name or key, a missing number, or numbers that do not make a model.
    """
    text = text.strip()
    if "=" not in text:
        return _shape_called(text)
    values = _key_values(text)
    missing = [key for key in _REQUIRED_KEYS if key not in values]
    if missing:
        raise InputError(f"shape {text!r}: missing {' and '.join(missing)}; add, for example, {missing[0]}=12")
    numbers = {key: _number(text, key, values[key]) for key in _NUMBER_KEYS if key in values}
    gated = _truth(text, values["gated"]) if "gated" in values else None
    grouped = numbers.get("kv_heads", numbers["heads"]) != numbers["heads"]
    family: Any = values.get("family", "decoder" if gated or grouped else "bert")
    layers, hidden, heads = (numbers.pop(key) for key in _REQUIRED_KEYS)
    try:
        return Shape.of(layers, hidden, heads, family=family, gated=gated, **numbers)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"shape {text!r}: {error}") from None


def _shape_called(name: str) -> Shape:
    if name in SHAPES:
        return SHAPES[name]
    close = difflib.get_close_matches(name.lower(), SHAPES, n=3, cutoff=0.6)
    known = f"did you mean {' or '.join(close)}" if close else f"there are {', '.join(SHAPES)}"
    raise InputError(f"unknown shape {name!r}; {known}, or give numbers as in layers=12:hidden=768:heads=12")


def _key_values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split(":"):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"shape {text!r}: {part!r} is not of the form key=number; write, for example, layers=12")
        if key not in _KEYS:
            raise InputError(f"shape {text!r}: unknown key {key!r}; there are {', '.join(_KEYS)}")
        if key in values:
            raise InputError(f"shape {text!r}: {key} is given twice; keep one")
        values[key] = value
    return values


def _number(text: str, key: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise InputError(f"shape {text!r}: {key}={value} is not a whole number; write digits only, at most 12")
    return int(value)


def _truth(text: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise InputError(f"shape {text!r}: gated={value} is unclear; write gated=yes or gated=no")
    return value == "yes"


def _by_numbers(shape: Shape) -> str:
    """The shortest text from which `parse_shape` makes the same numbers."""
    family = FAMILIES[shape.family]
    usual = _usual_numbers(family, shape.hidden, shape.heads, shape.positions) | {"positions": family.positions}
    keys = _REQUIRED_KEYS + tuple(key for key in usual if getattr(shape, key) != usual[key])
    parts = [f"{key}={getattr(shape, key)}" for key in keys]
    return ":".join(parts if shape.family == "bert" else [*parts, f"family={shape.family}"])


def transformers_config(shape: Shape) -> PreTrainedConfig:
    """The configuration from which `AutoModel.from_config(config, **model_arguments(shape))` builds the shape.

    All decoders are Qwen3 (query and key norms included). Imports transformers; its defaults fill in the rest.
    """
    import transformers

    match shape.family:
        case "bert":
            return transformers.BertConfig(**_encoder_arguments(shape))
        case "roberta":
            return transformers.RobertaConfig(**_encoder_arguments(shape))
        case "xlm-roberta":
            return transformers.XLMRobertaConfig(**_encoder_arguments(shape))
        case "distilbert":
            return transformers.DistilBertConfig(
                vocab_size=shape.vocab,
                max_position_embeddings=shape.positions,
                n_layers=shape.layers,
                n_heads=shape.heads,
                dim=shape.hidden,
                hidden_dim=shape.intermediate,
            )
        case "decoder":
            return transformers.Qwen3Config(
                vocab_size=shape.vocab,
                hidden_size=shape.hidden,
                intermediate_size=shape.intermediate,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.kv_heads,
                head_dim=shape.head_dim,
                max_position_embeddings=shape.positions,
                use_cache=False,
            )
        case "gpt":
            return transformers.GPT2Config(
                vocab_size=shape.vocab,
                n_positions=shape.positions,
                n_embd=shape.hidden,
                n_layer=shape.layers,
                n_head=shape.heads,
                n_inner=shape.intermediate,
                bos_token_id=shape.vocab - 1,
                eos_token_id=shape.vocab - 1,
                use_cache=False,
            )


def model_arguments(shape: Shape) -> dict[str, bool]:
    """What AutoModel.from_config needs beside the configuration to leave the pooler out, where the family has one."""
    return {"add_pooling_layer": False} if shape.family in ("bert", "roberta", "xlm-roberta") else {}


def _encoder_arguments(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.token_types,
    }
