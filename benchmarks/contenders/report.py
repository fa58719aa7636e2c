"""From raw seconds to figures, and from figures to tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from contenders.field import DEFAULT

Result = dict[str, Any]


def derive(result: Result) -> None:
    """Add `figures` to every contender: throughput, ratios to the default in the same round, shares of the peak."""
    plain = next(one for one in result["contenders"] if one["name"] == DEFAULT)
    for one in result["contenders"]:
        one["figures"] = {"bulk": {}}
        for name, load in one["bulk"].items():
            if load["seconds"]:
                mean = result["workloads"][name]["tokens_mean"]
                one["figures"]["bulk"][name] = _bulk(one, load, plain["bulk"][name], mean, result["peak_gops"])
        if one["single_ms"]:
            one["figures"]["single"] = _single(one["single_ms"], plain["single_ms"])
        if one.get("peak_mb") and plain.get("peak_mb"):
            one["figures"]["memory_of_default"] = round(one["peak_mb"] / plain["peak_mb"], 3)


def _bulk(
    one: Result, load: Result, plain: Result, mean_tokens: float, peaks: dict[str, float]
) -> dict[str, float | list[float] | None]:
    """Throughput goes by tokens, so that a prefix of the texts stands for all of them."""
    rates = [load["tokens"] / seconds for seconds in load["seconds"]]
    slow = [plain["tokens"] / seconds for seconds in plain["seconds"]]
    peak = peaks.get(one["precision"] or "")
    return {
        "texts_per_s": round(float(np.median(rates)) / mean_tokens, 1),
        "tokens_per_s": round(float(np.median(rates))),
        "ratio": _spread([a / b for a, b in zip(rates, slow, strict=False)]),
        "share_of_peak": round(load["flops"] / float(np.median(load["seconds"])) / 1e9 / peak, 4) if peak else None,
    }


def _single(mine: list[list[float]], plain: list[list[float]]) -> dict[str, float | list[float]]:
    found: dict[str, float | list[float]] = {}
    for percentile in (50, 95):
        values = [float(np.percentile(ms, percentile)) for ms in mine]
        ratios = [float(np.percentile(ms, percentile)) / value for ms, value in zip(plain, values, strict=False)]
        found[f"p{percentile}_ms"] = round(float(np.median(values)), 3)
        found[f"p{percentile}_ratio"] = _spread(ratios)
    return found


def _spread(ratios: Sequence[float]) -> list[float]:
    """Median, least and most."""
    return [round(float(value), 3) for value in (np.median(ratios), min(ratios), max(ratios))]


def show(result: Result) -> None:
    """All tables."""
    console = Console(width=150)
    where = result["environment"]
    console.print(
        f"\n{result['model']} on {where['processor']} ({', '.join(where['flags'])}),"
        f" {where['threads']} threads for all; {result['rounds']} rounds, median (least..most); before them, others"
        f" kept {100 * result['busy_while_idle']:.0f}% of the processors busy"
    )
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in result["peak_gops"].items())
    console.print(f"arithmetic peak of {where['threads']} threads, measured, GOP/s: {peaks}")
    for name, about in result["workloads"].items():
        console.print(_throughput(result, name, about))
    if any("single" in one["figures"] for one in result["contenders"]):
        console.print(_latency(result))
    console.print(_memory(result))
    for one in result["contenders"]:
        if one["trouble"]:
            console.print(f"{one['name']}: {one['trouble']}", highlight=False)
    console.print(
        "\nquality: sizewise eval CANDIDATE... --task $SIZEWISE_DATA/stsb/en --task $SIZEWISE_DATA/medquad/liveqa"
    )


def _throughput(result: Result, name: str, about: Result) -> Table:
    tokens = f"{about['texts']:,} texts, {about['tokens_mean']} tokens each ({about['tokens_max']} at most)"
    table = _table(f"{name}: {tokens}", "texts/s", "to the default", "tokens/s", "of peak", "texts done")
    for one in _in_order(result):
        if found := one["figures"]["bulk"].get(name):
            share = found["share_of_peak"]
            table.add_row(
                one["name"],
                f"{found['texts_per_s']:,.0f}",
                _range(found["ratio"]),
                f"{found['tokens_per_s']:,}",
                "-" if share is None else f"{100 * share:.1f}% {one['precision']}",
                f"{one['bulk'][name]['texts']:,}",
            )
    if any(one["bulk"].get(name, {}).get("texts", about["texts"]) < about["texts"] for one in result["contenders"]):
        table.caption = "who is too slow for all does the first ones of the same shuffled order; texts/s are by tokens"
    return table


def _latency(result: Result) -> Table:
    table = _table("single short texts, one at a time", "p50 ms", "default / it", "p95 ms", "default / it")
    for one in _in_order(result):
        if found := one["figures"].get("single"):
            p50, p95 = (f"{found[f'p{percentile}_ms']:.2f}" for percentile in (50, 95))
            table.add_row(one["name"], p50, _range(found["p50_ratio"]), p95, _range(found["p95_ratio"]))
    return table


def _memory(result: Result) -> Table:
    columns = ("load s", "first load s", "peak MB", "of default", "torch", "cosine mean", "worst")
    table = _table("spawn to first vector, peak memory over the run, and vectors beside the default's", *columns)
    for one in _in_order(result):
        if one["load_s"] is not None:
            cosine = one.get("cosine", {})
            first, peak, share = one.get("first_load_s"), one.get("peak_mb"), one["figures"].get("memory_of_default")
            table.add_row(
                one["name"],
                f"{one['load_s']:.2f}",
                "-" if first is None else f"{first:.1f}",
                "-" if peak is None else f"{peak:,.0f}",
                "-" if share is None else f"{100 * share:.0f}%",
                {True: "yes", False: "no"}.get(one.get("torch_loaded"), "-"),
                f"{cosine['mean']:.5f}" if cosine else "-",
                f"{cosine['worst']:.5f}" if cosine else "-",
            )
    table.caption = "static models are other models, of another quality; a server's memory is that of the server"
    return table


def _in_order(result: Result) -> list[Result]:
    """Static models last."""
    return sorted(result["contenders"], key=lambda one: one["precision"] is None)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", caption_justify="left")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _range(ratio: Sequence[float]) -> str:
    middle, least, most = ratio
    return f"{middle:.2f} ({least:.2f}..{most:.2f})"
