"""Money by hand, and nothing where a figure or a price is missing."""

from dataclasses import replace

import pytest

from sizewise.core.errors import InputError
from sizewise.cost.figures import COSTS, MORE_IS_BETTER, Figures
from sizewise.cost.price import Prices, priced

PRICES = Prices(price_per_hour=0.36, queries_per_month=1_000_000, reembeddings_per_year=3, storage_per_gb_month=0.5)
FIGURES = Figures(mean_ms=18.0, texts_per_s=50.0, bytes_per_vector=1536.0)


def test_by_hand():
    found = priced(FIGURES, PRICES, documents=2_000_000)
    assert found.serving_cost == pytest.approx(1_000_000 * 0.018 / 3600 * 0.36)  # 5 busy hours
    assert found.bulk_cost == pytest.approx(2_000_000 * 3 / 12 / 50 / 3600 * 0.36)  # 2.78 hours a month
    assert found.storage_cost == pytest.approx(2e6 * 1536 / 1e9 * 0.5)
    assert found.monthly_cost == pytest.approx(1.8 + 1.0 + 1.536)
    assert (found.mean_ms, found.texts_per_s) == (18.0, 50.0)


def test_the_users_own_number_of_documents_comes_first():
    prices = Prices(price_per_hour=0.36, documents=0, storage_per_gb_month=1)
    found = priced(FIGURES, prices, documents=2_000_000)
    assert (found.bulk_cost, found.storage_cost, found.serving_cost, found.monthly_cost) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("missing", "part"),
    [("mean_ms", "serving_cost"), ("texts_per_s", "bulk_cost"), ("bytes_per_vector", "storage_cost")],
)
def test_what_was_not_measured_costs_nobody_knows_what(missing, part):
    found = priced(replace(FIGURES, **{missing: None}), PRICES, documents=1000)
    assert getattr(found, part) is None
    assert found.monthly_cost is None
    for other in {"serving_cost", "bulk_cost", "storage_cost"} - {part}:
        assert getattr(found, other) > 0


ENDPOINT = Figures(
    mean_ms=250.0, machine_ms=18.0, texts_per_s=50.0, bytes_per_vector=1536.0, query_tokens=12.0, document_tokens=100.0,
    price_per_million_tokens=0.5,
)  # fmt: skip


def test_an_endpoint_by_hand():
    """Tokens at its price, and this machine only while it searches."""
    found = priced(ENDPOINT, PRICES, documents=2_000_000)
    assert found.serving_cost == pytest.approx(1_000_000 * 12 / 1e6 * 0.5 + 1_000_000 * 0.018 / 3600 * 0.36)
    assert found.bulk_cost == pytest.approx(2_000_000 * 3 / 12 * 100 / 1e6 * 0.5)
    assert found.monthly_cost == pytest.approx((6.0 + 1.8) + 25.0 + 1.536)


@pytest.mark.parametrize("missing", ["query_tokens", "document_tokens", "price_per_million_tokens"])
def test_an_endpoint_without_a_price_or_a_count_is_never_priced_by_the_hour(missing):
    found = priced(replace(ENDPOINT, **{missing: None}), PRICES, documents=1000)
    assert found.monthly_cost is None
    assert found.storage_cost > 0


def test_without_a_price_nothing_has_one():
    assert priced(FIGURES, Prices(queries_per_month=1e6), documents=1000) == FIGURES


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["price_per_hour", "queries_per_month", "documents", "storage_per_gb_month"])
def test_prices_that_are_none(name, value):
    with pytest.raises(InputError, match=rf"prices.{name} is {value}; it must be a number, zero or more"):
        Prices(**{name: value})


def test_figures_and_their_json():
    figures = Figures().with_latencies([4.0, 1.0, 2.0, 3.0])
    assert (figures.mean_ms, figures.p50_ms, figures.latency_samples) == (2.5, 2.5, 4)
    assert figures.p95_ms == pytest.approx(3.85)
    assert Figures().with_latencies([]) == Figures()
    assert Figures.from_json(figures.to_json()) == figures
    assert figures.value("memory_mb") is None
    assert isinstance(Figures(parameters=3).value("parameters"), float)
    assert set(MORE_IS_BETTER) < set(COSTS)
    assert not {"source", "note", "latency_samples"} & set(COSTS)
