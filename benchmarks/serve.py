"""Served, against peers: one box, one model, the same texts, closed and open load.

    python -m venv infinity && infinity/bin/pip install torch==2.13.0 "infinity-emb[server,torch,optimum]==0.0.78"
    python benchmarks/serve.py BUNDLE [--single BUNDLE] [--infinity infinity/bin/infinity_emb] [--json FILE]

BUNDLE is one of all-MiniLM-L6-v2 (`sizewise build all-MiniLM-L6-v2@int8 --out BUNDLE`), `--single` another one that
single texts are asked of (`@int8/onnx`). Peers: sentence-transformers behind plain FastAPI, and infinity-emb on torch,
in an environment of its own. All servers run during the whole benchmark and are asked in turns, so that a machine's
drift hits all alike. The load generator is pinned to one of the processors that the servers use; what it costs is told.

What it prints: the offline engine's texts/s with every processor; for each server and kind of request the latency of
one client alone, the throughput at saturation (the best of several numbers of connections), and the latency at 25, 50,
75 and 90% of it in an open load.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

from contenders.workloads import short_texts, workloads
from rich.console import Console
from rich.table import Table
from serving.process import Server, load, sizewise_server

HERE = Path(__file__).parent
MODEL = "all-MiniLM-L6-v2"
SHARES = (0.25, 0.5, 0.75, 0.9)
KINDS = {"single": 1, "lists of 32": 32}
CONNECTIONS = {"single": (16, 48, 96), "lists of 32": (4, 8, 16)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--single", type=Path, help="The bundle that single texts are asked of (default: the same).")
    parser.add_argument("--model", default=MODEL, help="What the bundles were built of, and what the peers run.")
    parser.add_argument("--device", default="cpu", help="Of the peers: cuda beside bundles that run there.")
    parser.add_argument("--infinity", type=Path, help="infinity_emb in its environment; left out without.")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="Of requests (default: all).")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--mixed", action="store_true", help="Texts of 53 tokens with a long tail, instead of 12.")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    texts = workloads(args.model, ["mixed"], None)[0].texts if args.mixed else short_texts()
    random.Random(0).shuffle(texts)
    processor = max(os.sched_getaffinity(0))
    found = {"offline": {}, "servers": {}}
    servers = contenders(args)
    for server in servers.values():
        server.__enter__()
    try:
        run = Run(args, texts, processor)
        found["offline"] = {"texts_per_s": statistics.median(offline(args.bundle, texts) for _ in range(args.rounds))}
        for kind in args.kind or KINDS:
            found["servers"][kind] = run.kind(kind, servers)
        found["offline"]["again"] = statistics.median(offline(args.bundle, texts) for _ in range(args.rounds))
    finally:
        for server in servers.values():
            server.__exit__()
    show(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def contenders(args):
    """By name; those for single texts or lists alone say so."""
    found = {"sizewise": sizewise_server(args.bundle, 8150)}
    if args.single:
        found["sizewise, single"] = sizewise_server(args.single, 8151)
    plain = [sys.executable, HERE / "serving" / "plain.py", "8152", args.model, args.device]
    found["sentence-transformers + FastAPI"] = Server(
        list(map(str, plain)), "http://127.0.0.1:8152", "http://127.0.0.1:8152/readyz"
    )
    if args.infinity:
        from sizewise.core.candidate import Model
        from sizewise.encode.resolve import resolve

        folder = resolve(Model(args.model)).folder.path
        words = f"v2 --model-id {folder} --served-model-name m --engine torch --no-bettertransformer"
        found["infinity-emb (torch)"] = Server(
            [str(args.infinity), *words.split(), "--device", args.device, "--port", "8153", "--url-prefix", "/v1"],
            "http://127.0.0.1:8153",
            "http://127.0.0.1:8153/health",
            env={"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"},
        )
    return found


class Run:
    """Loads in turns."""

    def __init__(self, args, texts, processor):
        self.args, self.texts, self.processor = args, texts, processor

    def kind(self, kind, servers):
        """By server: alone, saturation, and the open loads."""
        mine = {name: one for name, one in servers.items() if kind == "single" or not name.endswith("single")}
        bodies, seconds = self.bodies(KINDS[kind]), self.args.seconds
        found = {name: {"alone": [], "closed": {}, "open": {}} for name in mine}
        for _ in range(self.args.rounds):
            for name, server in mine.items():
                found[name]["alone"].append(self.ask(server, bodies, "closed", seconds, connections=1))
                for connections in CONNECTIONS[kind]:
                    seen = self.ask(server, bodies, "closed", seconds, connections=connections)
                    found[name]["closed"].setdefault(connections, []).append(seen)
        for name in mine:
            best = max(median(runs, "per_s") for runs in found[name]["closed"].values())
            found[name]["saturation_per_s"] = best
        for turn in range(self.args.rounds):
            for share in SHARES:
                for name, server in mine.items():
                    rate = share * found[name]["saturation_per_s"]
                    seen = self.ask(
                        server, bodies, "open", 2 * seconds, connections=256, rate=rate, seed=turn, patience=30
                    )
                    found[name]["open"].setdefault(share, []).append(seen)
        return found

    def bodies(self, size):
        starts = range(0, min(len(self.texts) - size, 2000 * size), size)
        inputs = [self.texts[at : at + size] for at in starts]
        return [json.dumps({"model": "m", "input": texts}) for texts in inputs]

    def ask(self, server, bodies, mode, seconds, **more):
        before, began = server.cpu_s(), time.monotonic()
        seen = load(f"{server.url}/v1/embeddings", bodies, mode, seconds, self.processor, **more)
        seen["server_cpu"] = (server.cpu_s() - before) / (time.monotonic() - began)
        wrong = {status: count for status, count in seen["statuses"].items() if status != "200"}
        if wrong:
            print(f"{server.url}: answers that are no 200: {wrong}", file=sys.stderr)
        return seen


def offline(bundle, texts):
    """Texts a second of the bundle's engine, in this process, with every processor."""
    from sizewise.bundle.load import load_bundle

    if bundle not in _LOADED:
        _LOADED[bundle] = load_bundle(bundle)
        _LOADED[bundle].encode_documents(texts[:500])
    some = texts[:4000]
    started = time.perf_counter()
    _LOADED[bundle].encode_documents(some)
    return len(some) / (time.perf_counter() - started)


_LOADED = {}


def median(runs, name):
    values = [run[name] for run in runs if run[name] is not None]
    return statistics.median(values) if values else float("nan")


def show(found):
    console = Console(width=170)
    offline = statistics.mean([found["offline"]["texts_per_s"], found["offline"]["again"]])
    console.print(f"offline engine: {offline:,.0f} texts/s")
    for kind, servers in found["servers"].items():
        table = Table(title=kind)
        for title in ("server", "alone p50 / p99", "texts/s", "of offline", "times", "generator", "server cpu"):
            table.add_column(title, justify="left" if title == "server" else "right")
        for share in SHARES:
            table.add_column(f"{share:.0%}: p50 / p95 / p99 ms", justify="right")
        ours = [one["saturation_per_s"] for name, one in servers.items() if name.startswith("sizewise")]
        for name, one in servers.items():
            busiest = max(one["closed"].values(), key=lambda runs: median(runs, "per_s"))
            per_s = one["saturation_per_s"] * KINDS[kind]
            table.add_row(
                name,
                f"{median(one['alone'], 'p50_ms'):.1f} / {median(one['alone'], 'p99_ms'):.1f}",
                f"{per_s:,.0f}",
                f"{per_s / offline:.0%}",
                f"{max(ours) / one['saturation_per_s']:.1f}",
                f"{median(busiest, 'generator_cpu'):.0%}",
                f"{median(busiest, 'server_cpu'):.2f}",
                *(
                    " / ".join(f"{median(one['open'][share], name):.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
                    for share in SHARES
                ),
            )
        console.print(table)


if __name__ == "__main__":
    main()
