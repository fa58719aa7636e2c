"""What would leave this machine: counted, and said, before anything does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sizewise.encode.remote.endpoints import BYTES_A_TOKEN, Endpoint

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Sending:
    """Texts on their way to one endpoint."""

    endpoint: Endpoint
    texts: int = 0
    tokens: float = 0.0
    """Estimated: BYTES_A_TOKEN bytes of UTF-8 each, behind the cut."""
    cut: int = 0
    """Texts that are cut off."""

    @classmethod
    def of(cls, endpoint: Endpoint, texts: Sequence[str], prompt: str) -> Self:
        """All of `texts` with `prompt` before each."""
        limit = endpoint.cut_bytes
        sizes = [len((prompt + text).encode("utf-8", "surrogatepass")) for text in texts]
        kept = sizes if limit is None else [min(size, limit) for size in sizes]
        cut = 0 if limit is None else sum(size > limit for size in sizes)
        return cls(endpoint, len(sizes), sum(map(estimated, kept)), cut)

    def plus(self, other: "Sending") -> "Sending":
        """Both together."""
        return Sending(self.endpoint, self.texts + other.texts, self.tokens + other.tokens, self.cut + other.cut)

    def times(self, factor: float) -> "Sending":
        """As many texts of the same kind."""
        return Sending(self.endpoint, round(self.texts * factor), self.tokens * factor, round(self.cut * factor))

    @property
    def cost(self) -> float | None:
        """What the endpoint's price makes of it; None without a price."""
        return self.endpoint.cost(self.tokens)

    @property
    def too_dear(self) -> bool:
        """Whether it would go beyond `max_spend`."""
        return self.cost is not None and self.endpoint.max_spend is not None and self.cost > self.endpoint.max_spend

    def __str__(self) -> str:
        price = self.endpoint.price_per_million_tokens
        money = (
            "which has no price in your configuration"
            if self.cost is None
            else f"for {in_money(self.cost)} (at {price:,g} a million tokens)"
        )
        texts = "1 text" if self.texts == 1 else f"{self.texts:,} texts"
        tokens = f"about {self.tokens:,.0f} tokens, estimated at {BYTES_A_TOKEN} bytes each"
        cut = f"; {self.cut:,} of them cut off at {self.endpoint.cut_bytes:,} bytes" if self.cut else ""
        return f"{texts} ({tokens}{cut}) to {self.endpoint.host} (remote:{self.endpoint.name}), {money}"


def in_money(cost: float) -> str:
    """`about 1.23`, in no particular currency."""
    return "less than 0.01" if 0 < cost < 0.01 else f"about {cost:,.2f}"


def estimated(size: int) -> float:
    """Tokens of a text of `size` bytes, about: one at least."""
    return max(1.0, size / BYTES_A_TOKEN)


def sendable(text: str, limit: int | None) -> str:
    """`text` as it is sent: cut after at most `limit` bytes of UTF-8, between characters.

    Half surrogate pairs, which UTF-8 cannot hold, become U+FFFD, and an empty text a space: endpoints refuse both.
    """
    whole = _HALF.sub("\ufffd", text)
    if limit is not None and len(whole) * 4 > limit:
        whole = whole.encode("utf-8")[:limit].decode("utf-8", "ignore")
    return whole or " "
