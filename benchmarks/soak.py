"""Does a server last? Minutes of mixed load, and a minute at several times what it can do.

    python benchmarks/soak.py BUNDLE [--index INDEX] [--minutes 30] [--overload 60] [--times 5] [--json FILE]

Mixed load: single texts, lists, rerank, search (with an index), texts cut for their length, and requests that are
wrong, together at about half of what it can do. Overload: an open load of single texts at `--times` of the measured
saturation.
"""

import argparse
import json
import random
import time
import urllib.request
from pathlib import Path

from contenders.workloads import short_texts
from serving.process import load, seen, sizewise_server, start_load

SAMPLE_S = 5
WARM_SHARE = 0.1
"""Of the minutes, at the beginning: caches and arenas fill."""


def mixed(url, texts, minutes, share, with_search):
    """Load generators that run together, with their names."""
    long = [" ".join(texts[at : at + 60]) for at in range(0, 600, 60)]
    bodies = {
        "single": ("/v1/embeddings", [{"model": "m", "input": text} for text in texts[:500]], 0.45),
        "base64": (
            "/v1/embeddings",
            [{"model": "m", "input": t, "encoding_format": "base64"} for t in texts[:99]],
            0.1,
        ),
        "lists": (
            "/v1/embeddings",
            [{"model": "m", "input": texts[at : at + random.randint(2, 64)]} for at in range(0, 3000, 64)],
            0.01,
        ),
        "long": ("/embed", [{"inputs": text} for text in long], 0.02),
        "rerank": (
            "/v1/rerank",
            [{"query": t, "documents": texts[at : at + 9]} for at, t in enumerate(texts[:99])],
            0.02,
        ),
        "wrong": ("/v1/embeddings", [{"model": "x", "input": "a"}, {"input": []}, {"model": "m", "input": ""}], 0.1),
    }
    if with_search:
        bodies["search"] = ("/search", [{"query": text} for text in texts[:200]], 0.1)
    return {
        name: start_load(
            url + path,
            [json.dumps(body) for body in some],
            "open",
            60 * minutes,
            connections=64,
            rate=max(0.2, part * share),
            seed=at,
        )
        for at, (name, (path, some, part)) in enumerate(bodies.items())
    }


def last(server, texts, args, capacity):
    """Memory over minutes of mixed load."""
    running = mixed(server.url, texts, args.minutes, capacity / 2, bool(args.index))
    samples, begin = [], time.monotonic()
    while any(one.poll() is None for one in running.values()):
        time.sleep(SAMPLE_S)
        samples.append((round(time.monotonic() - begin, 1), round(server.resident_mb(), 2)))
        if time.monotonic() - begin > 60 * args.minutes:
            break
    results = {name: seen(process) for name, process in running.items()}
    warm = [memory for at, memory in samples if at >= WARM_SHARE * 60 * args.minutes]
    tenth = max(1, len(warm) // 10)
    before, after = sum(warm[:tenth]) / tenth, sum(warm[-tenth:]) / tenth
    statuses = {name: result["statuses"] for name, result in results.items()}
    print(f"{args.minutes} minutes, {sum(result['sent'] for result in results.values()):,} requests: {statuses}")
    print(f"memory {before:.1f} -> {after:.1f} MB ({100 * (after / before - 1):+.2f}%)")
    return {"results": results, "memory_mb": samples, "growth": after / before - 1}


def overloaded(server, texts, args, capacity):
    """Single texts at several times the capacity, then the latency right after."""
    bodies = [json.dumps({"model": "m", "input": text, "encoding_format": "base64"}) for text in texts[:2000]]
    url, before = f"{server.url}/v1/embeddings", server.resident_mb()
    calm = load(url, bodies, "closed", 3, connections=1)
    running = start_load(url, bodies, "open", args.overload, connections=1000, rate=args.times * capacity, patience=120)
    memory = []
    while running.poll() is None:
        time.sleep(1)
        memory.append(round(server.resident_mb(), 1))
    result, ended = seen(running), time.monotonic()
    after = []
    for _ in range(10):
        probe = load(url, bodies, "closed", 0.9, connections=1)
        after.append((round(time.monotonic() - ended, 1), probe["p50_ms"]))
    back = next((at for at, p50 in after if p50 and p50 < 2 * calm["p50_ms"]), None)
    print(
        f"{args.times:g} x {capacity:,.0f}/s for {args.overload} s: {result['statuses']}, "
        f"unanswered {result['unanswered']}"
    )
    print(
        f"served: p50 {result['p50_ms']:,.0f} ms and p99 {result['p99_ms']:,.0f} from when they were due, at most "
        f"{result['max_since_sent_ms']:,.0f} from when they were sent (the generator ran out of connections)"
    )
    print(f"memory {before:.0f} MB before, {max(memory):.0f} at most, {memory[-1]:.0f} at the end")
    print(f"latency back to below twice {calm['p50_ms']:.1f} ms after {back} s")
    return {"calm_ms": calm["p50_ms"], "result": result, "memory_mb": memory, "before_mb": before, "after": after}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("--index")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--overload", type=float, default=60)
    parser.add_argument("--times", type=float, default=5)
    parser.add_argument("--port", type=int, default=8140)
    parser.add_argument("--capacity", type=float, help="Single texts a second; measured if left out.")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    texts = short_texts()
    random.Random(0).shuffle(texts)
    options = ["--index", f"m={args.index}"] if args.index else []
    with sizewise_server(args.bundle, args.port, *options) as server:
        bodies = [json.dumps({"model": "m", "input": text, "encoding_format": "base64"}) for text in texts[:1000]]
        capacity = args.capacity or load(f"{server.url}/v1/embeddings", bodies, "closed", 8, connections=64)["per_s"]
        print(f"capacity: {capacity:,.0f} single texts a second")
        found = {"capacity": capacity}
        if args.overload:
            found["overload"] = overloaded(server, texts, args, capacity)
        if args.minutes:
            found["mixed"] = last(server, texts, args, capacity)
        assert urllib.request.urlopen(f"{server.url}/readyz").status == 200
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
