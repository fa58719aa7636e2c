"""From figures to money, in the user's own prices."""

from dataclasses import asdict, dataclass, replace
from math import isfinite

from sizewise.core.errors import InputError
from sizewise.cost.figures import Figures

HOUR_MS = 3_600_000.0


@dataclass(frozen=True, slots=True)
class Prices:
    """What the user pays, in any currency; nothing has a default price.

    Serving is paid by the busy machine hour: queries one after the other at the measured mean latency. Bulk is the
    encoding of `documents` (default: those of the largest corpus) `reembeddings_per_year` times. An endpoint's texts
    are paid by the token, at its own price, and the machine only for the search.
    Raises InputError for a negative number, or none at all.
    """

    price_per_hour: float | None = None
    queries_per_month: float = 0.0
    documents: int | None = None
    reembeddings_per_year: float = 1.0
    storage_per_gb_month: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not (value >= 0 and isfinite(value)):
                raise InputError(f"prices.{name} is {value}; it must be a number, zero or more")


def priced(figures: Figures, prices: Prices, documents: int) -> Figures:
    """`figures` with money: None where there is no price, or where a figure that it needs was not measured."""
    if prices.price_per_hour is None:
        return figures
    count = prices.documents if prices.documents is not None else documents
    serving = bulk = storage = None
    remote = figures.machine_ms is not None
    busy_ms = figures.machine_ms if remote else figures.mean_ms
    if busy_ms is not None:
        serving = prices.queries_per_month * busy_ms / HOUR_MS * prices.price_per_hour
    if remote:
        serving = _plus(serving, _by_token(prices.queries_per_month, figures.query_tokens, figures))
        bulk = _by_token(count * prices.reembeddings_per_year / 12, figures.document_tokens, figures)
    elif figures.texts_per_s:
        hours = count * prices.reembeddings_per_year / 12 / figures.texts_per_s / 3600
        bulk = hours * prices.price_per_hour
    if figures.bytes_per_vector is not None:
        storage = count * figures.bytes_per_vector / 1e9 * prices.storage_per_gb_month
    parts = (serving, bulk, storage)
    total = None if any(part is None for part in parts) else sum(part for part in parts if part is not None)
    return replace(figures, monthly_cost=total, serving_cost=serving, bulk_cost=bulk, storage_cost=storage)


def _by_token(texts: float, tokens: float | None, figures: Figures) -> float | None:
    """What an endpoint takes for so many texts; None without its price, or without the tokens of a text."""
    price = figures.price_per_million_tokens
    return None if tokens is None or price is None else texts * tokens / 1e6 * price


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
