"""How much more do several processes of one server answer?

    python benchmarks/workers.py BUNDLE [--workers 1 4 8] [--seconds 3] [--json FILE]

On a GPU one process is bound by HTTP and Python long before the GPU is busy, and several share it. Single texts and
lists of 32, as JSON floats and in base64, from a load generator that is pinned to the last processor.
"""

import argparse
import json
import os
import random
import time
from pathlib import Path

from contenders.workloads import short_texts
from rich.console import Console
from rich.table import Table
from serving.process import load, sizewise_server

CONNECTIONS = {1: (64, 256), 32: (16, 64)}
"""By texts of a request."""
REQUESTS = 2000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    texts = short_texts()
    random.Random(0).shuffle(texts)
    found = []
    for workers in args.workers:
        with sizewise_server(args.bundle, 8150, "--workers", str(workers)) as server:
            for form in ("float", "base64"):
                for size in CONNECTIONS:
                    found += [
                        {"workers": workers, "format": form, "size": size, "connections": connections}
                        | asked(server, bodies(texts, size, form), size, connections, args.seconds)
                        for connections in CONNECTIONS[size]
                    ]
    show(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def bodies(texts, size, form):
    starts = range(0, min(len(texts) - size, REQUESTS * size), size)
    inputs = [texts[at : at + size] if size > 1 else texts[at] for at in starts]
    return [json.dumps({"model": "m", "input": some, "encoding_format": form}) for some in inputs]


def asked(server, requests, size, connections, seconds):
    before, began, processor = server.cpu_s(), time.monotonic(), max(os.sched_getaffinity(0))
    seen = load(f"{server.url}/v1/embeddings", requests, "closed", seconds, processor, connections=connections)
    return {
        "texts_per_s": round(seen["per_s"] * size),
        "p50": seen["p50_ms"],
        "p99": seen["p99_ms"],
        "generator": seen["generator_cpu"],
        "cpu": (server.cpu_s() - before) / (time.monotonic() - began),
        "statuses": seen["statuses"],
    }


def show(found):
    table = Table()
    for title in ("workers", "format", "texts a request", "connections", "texts/s", "p50 / p99 ms", "server cpu"):
        table.add_column(title, justify="right")
    for row in found:
        times = f"{row['p50']:.1f} / {row['p99']:.1f}"
        first = (row["workers"], row["format"], row["size"], row["connections"], f"{row['texts_per_s']:,}")
        table.add_row(*map(str, first), times, f"{row['cpu']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
