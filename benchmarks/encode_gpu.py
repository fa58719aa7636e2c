"""The packed runtime on a GPU against sentence-transformers, side by side.

    python benchmarks/encode_gpu.py --out FILE

Contenders take turns on the same texts in every round, tokenisation counted; ratios are those of one round, reported as
their median and range. `--texts FILE` reads a JSON list of texts (.json.gz); without it they are drawn from the public
sets. MiniLM has its real weights, the others random ones.
"""

import argparse
import csv
import gc
import gzip
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data import data_folder
from sizewise.core.candidate import Model
from sizewise.core.shapes import parse_shape
from sizewise.encode.encoder import Trust
from sizewise.encode.folder import DEFAULT_MODEL, locate
from sizewise.encode.packed import PackedEncoder
from sizewise.encode.resolve import resolve
from sizewise.encode.source import ShapeSource

TEXTS, LARGE_TEXTS, CANARIES = 20_000, 6_000, 2_500
LONG_SHARE = 0.287
"""Of paragraphs among titles, questions and sentences: 63 tokens on average."""
ROUNDS, DEFAULT_ROUNDS = 5, 2
SEARCH = [(dtype, batch) for dtype in ("float16", "bfloat16") for batch in (128, 256, 512)]
SHAPES = {"minilm-l6": "minilm-l6", "bert-base": "bert-base", "bert-large": "bert-large"}
SINGLES = 300
STARTED = time.perf_counter()


def say(*words: object) -> None:
    print(f"[{time.perf_counter() - STARTED:6.1f} s]", *words, flush=True)


def drawn_texts(data: Path) -> list[str]:
    """TEXTS texts, their mean length about 63 tokens: sentences, questions and titles, and LONG_SHARE of paragraphs."""

    def lines(name: str) -> Iterator[dict[str, Any]]:
        path = data / name
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            yield from map(json.loads, file)

    pairs = list(lines("arxiv/pairs.jsonl.gz"))
    short = {pair["anchor"] for pair in pairs}
    short |= {row["text"] for part in ("train", "test") for row in lines(f"banking77/{part}.jsonl")}
    for part in ("train", "dev", "test"):
        with (data / f"stsb/en/{part}.csv").open() as file:
            short |= {row[field] for row in csv.DictReader(file) for field in ("sentence1", "sentence2")}
    long = {pair["positive"] for pair in pairs}
    long |= {row["text"] for name in ("pubmedqa", "medquad/liveqa") for row in lines(f"{name}/corpus.jsonl")}
    chance, count = random.Random(0), round(TEXTS * LONG_SHARE)
    found = chance.sample(sorted(long), count) + chance.sample(sorted(short), TEXTS - count)
    chance.shuffle(found)
    return found


def folder_of(shape: str, to: Path) -> Path:
    """A sentence-transformers folder of a shape, so that every contender has the same weights and tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    source = ShapeSource(parse_shape(shape))
    source.network("sdpa").body.save_pretrained(to / "body")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(locate(DEFAULT_MODEL, Trust()).path / name, to / "body")
    body = Transformer(str(to / "body"))
    body.max_seq_length = source.max_tokens
    model = SentenceTransformer(modules=[body, Pooling(source.dimensions, "mean"), Normalize()], device="cpu")
    model.save_pretrained(str(to / "model"), create_model_card=False)
    return to / "model"


def usual(folder: Path, dtype: str) -> Any:
    """As sentence-transformers loads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cuda", model_kwargs={"dtype": getattr(torch, dtype)})


def packed(name: str, precision: str) -> PackedEncoder:
    encoder = resolve(Model(name, precision, runtime="packed"))
    assert isinstance(encoder, PackedEncoder)
    encoder.say = say
    encoder.load()
    return encoder


def seconds(run: Callable[[], Any]) -> float:
    gc.collect()  # not at a moment of its own choice, of what another contender left
    torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def middle(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "low": min(values), "high": max(values)}


def peak() -> dict[str, float]:
    """TFLOP/s of an 8192^3 product of bfloat16: ten after three, as a clock that is cool gives it, and held for 2 s."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out, flops = torch.empty_like(a), 2 * 8192**3

    def many(count: int) -> float:
        return count * flops / seconds(lambda: [torch.mm(a, b, out=out) for _ in range(count)]) / 1e12

    many(3)
    time.sleep(1)
    return {"ten": many(10), "held": many(1500)}


def work(shape: str, lengths: np.ndarray) -> float:
    """Floating-point operations of the matrix products and of attention for texts of so many tokens."""
    found = parse_shape(shape)
    attention = 4 * found.layers * found.query_width * float((lengths.astype(float) ** 2).sum())
    return 2.0 * found.matmul_weights * float(lengths.sum()) + attention


def race(name: str, texts: list[str], report: dict[str, Any]) -> None:
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as temporary:
        real = name == "minilm-l6"
        folder = locate(DEFAULT_MODEL, Trust()).path if real else folder_of(shape, Path(temporary))
        models = {dtype: usual(folder, dtype) for dtype in ("float32", "float16", "bfloat16")}
        ours = {precision: packed(str(folder), precision) for precision in PackedEncoder.precisions}
        some = texts[:3000]

        def st(dtype: str, batch: int, given: list[str]) -> Callable[[], Any]:
            return lambda: models[dtype].encode(given, batch_size=batch, show_progress_bar=False)

        searched = {}
        for dtype, batch in SEARCH:
            st(dtype, batch, texts[:600])()
            searched[dtype, batch] = seconds(st(dtype, batch, some))
        best = min(searched, key=lambda setting: searched[setting])
        say(name, "best padded setting", best, {f"{d} {b}": round(s, 3) for (d, b), s in searched.items()})
        contenders: dict[str, Callable[[], Any]] = {
            "sentence-transformers default": st("float32", 32, texts),
            "sentence-transformers best padded": st(*best, texts),
        }
        for precision, encoder in ours.items():
            contenders[f"packed {precision}"] = lambda encoder=encoder: encoder.encode(texts, "text", "")  # type: ignore[misc]
        st("float32", 32, some[:320])()
        for encoder in ours.values():
            encoder.encode(texts, "text", "")
        taken: dict[str, list[float]] = {contender: [] for contender in contenders}
        for at in range(ROUNDS):
            order = list(contenders)[at % len(contenders) :] + list(contenders)[: at % len(contenders)]
            for contender in order:
                if not contender.endswith("default") or at < DEFAULT_ROUNDS:
                    taken[contender].append(seconds(contenders[contender]))
            say(name, {contender: round(times[-1], 3) for contender, times in taken.items() if times})
        tokens = ours["bfloat16"]._tokenizer(texts).lengths
        flops = work(shape, tokens)
        found: dict[str, Any] = {
            "texts": len(texts), "tokens": int(tokens.sum()), "mean_tokens": float(tokens.mean()),
            "best_padded": {"dtype": best[0], "batch": best[1]},
            "searched": {f"{dtype} {batch}": value for (dtype, batch), value in searched.items()},
            "seconds": {contender: {**middle(times), "all": times} for contender, times in taken.items()},
            "ratios": {},
        }  # fmt: skip
        for precision in ours:
            mine = taken[f"packed {precision}"]
            for other in ("default", "best padded"):
                theirs = taken[f"sentence-transformers {other}"]
                ratios = [a / b for a, b in zip(theirs, mine, strict=False)]
                found["ratios"][f"packed {precision} / {other}"] = middle(ratios)
            reached = flops / np.median(mine) / 1e12
            found[f"tflops packed {precision}"] = reached
            found[f"share_of_peak packed {precision}"] = {k: reached / v for k, v in report["peak_tflops"].items()}
        gains = [a / b for a, b in zip(taken["packed bfloat16"], taken["packed float8"], strict=True)]
        found["ratios"]["packed float8 / packed bfloat16"] = middle(gains)
        report["race"][name] = found
        for key, value in found["ratios"].items():
            say(name, key, {k: round(v, 2) for k, v in value.items()})
        shares = {k: {n: round(s, 3) for n, s in v.items()} for k, v in found.items() if k.startswith("share")}
        say(name, "tokens", found["tokens"], "share of peak", shares)
        report["certificate"][name] = certificate(models["float32"], ours, texts[:CANARIES])
        if real:
            report["stsb"] = stsb(models, ours)
        report["single"][name] = single(models["float16"], ours, [text for text in texts if len(text) < 80][:SINGLES])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def certificate(reference: Any, ours: dict[str, PackedEncoder], texts: list[str]) -> dict[str, Any]:
    """Cosines against float32, and of texts alone against the same in a batch."""
    wanted, found = unit(reference.encode(texts, batch_size=32, show_progress_bar=False)), {}
    for precision, encoder in ours.items():
        together = unit(encoder.encode(texts, "text", ""))
        alone = unit(np.concatenate([encoder.encode([text], "text", "") for text in texts[:500]]))
        order = np.random.default_rng(0).permutation(len(texts))
        mixed = unit(encoder.encode([texts[at] for at in order], "text", ""))
        cosines = (together * wanted).sum(axis=1)
        found[precision] = {
            "mean": float(cosines.mean()), "percentile_1": float(np.percentile(cosines, 1)),
            "worst": float(cosines.min()), "texts": len(texts),
            "alone": float((alone * together[:500]).sum(axis=1).min()),
            "other_batches": float((mixed * together[order]).sum(axis=1).min()),
        }  # fmt: skip
        say("cosines", precision, {key: round(value, 6) for key, value in found[precision].items()})
    return found


def stsb(models: dict[str, Any], ours: dict[str, PackedEncoder]) -> dict[str, float]:
    """Spearman of the cosine, x100, on the test set."""
    from scipy.stats import spearmanr

    with (data_folder() / "stsb/en/test.csv").open() as file:
        rows = list(csv.DictReader(file))
    gold = [float(row["score"]) for row in rows]

    def score(encode: Callable[[list[str]], np.ndarray]) -> float:
        left, right = (unit(encode([row[field] for row in rows])) for field in ("sentence1", "sentence2"))
        return 100 * float(spearmanr((left * right).sum(axis=1), gold).statistic)

    found = {"sentence-transformers float32": score(lambda texts: models["float32"].encode(texts))}
    for precision, encoder in ours.items():
        found[f"packed {precision}"] = score(lambda texts, encoder=encoder: encoder.encode(texts, "text", ""))  # type: ignore[misc]
    say("STS-B", {key: round(value, 2) for key, value in found.items()})
    return found


def single(fp16: Any, ours: dict[str, PackedEncoder], texts: list[str]) -> dict[str, Any]:
    """Milliseconds of one short text, all contenders on one text after the other."""
    contenders: dict[str, Callable[[str], Any]] = {
        "sentence-transformers float16": lambda text: fp16.encode([text], show_progress_bar=False)
    }
    for precision, encoder in ours.items():
        contenders[f"packed {precision}"] = lambda text, encoder=encoder: encoder.encode([text], "text", "")  # type: ignore[misc]
    taken: dict[str, list[float]] = {contender: [] for contender in contenders}
    for at, text in enumerate([*texts[:30], *texts]):
        for contender, run in contenders.items():
            started = time.perf_counter()
            run(text)  # its vector is on the host when it returns
            passed = 1e3 * (time.perf_counter() - started)
            if at >= 30:
                taken[contender].append(passed)
    found = {
        contender: {f"p{part}_ms": float(np.percentile(times, part)) for part in (50, 95)}
        for contender, times in taken.items()
    }
    say("single text", {contender: {k: round(v, 3) for k, v in times.items()} for contender, times in found.items()})
    return found


def linear(report: dict[str, Any]) -> None:
    """The linear layers of one layer of bert-large for 65,536 tokens: products, and the rounding of what they read."""
    from torch import nn

    from sizewise.encode.cuda.fp8 import Fp8Linear, Shared, rounded

    def median_ms(run: Callable[[], Any]) -> float:
        run()
        events = []
        for _ in range(30):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            run()
            end.record()
            events.append((start, end))
        torch.cuda.synchronize()
        return float(np.median([start.elapsed_time(end) for start, end in events]))

    found: dict[str, Any] = {}
    totals = {"bf16": 0.0, "fp8": 0.0, "fp8 with rounding": 0.0}
    for label, k, n, count, roundings in (
        ("query, key, value, output", 1024, 1024, 4, 2),
        ("up", 1024, 4096, 1, 1),
        ("down", 4096, 1024, 1, 1),
    ):
        plain = nn.Linear(k, n, device="cuda", dtype=torch.bfloat16)
        layer, x = Fp8Linear(plain, Shared()), torch.randn(65_536, k, device="cuda", dtype=torch.bfloat16)
        with torch.inference_mode():
            layer(x)
            bf16 = median_ms(lambda plain=plain, x=x: plain(x))  # type: ignore[misc]
            fp8 = median_ms(lambda layer=layer, x=x: layer(x))  # type: ignore[misc]
            rounding = median_ms(lambda x=x: rounded(x))  # type: ignore[misc]
        found[label] = {"bf16_ms": bf16, "fp8_ms": fp8, "rounding_ms": rounding, "ratio": bf16 / fp8}
        totals["bf16"] += count * bf16
        totals["fp8"] += count * fp8
        totals["fp8 with rounding"] += count * fp8 + roundings * rounding
    found["layer_ms"] = totals
    found["ratio"] = totals["bf16"] / totals["fp8"]
    found["ratio_with_rounding"] = totals["bf16"] / totals["fp8 with rounding"]
    report["linear"] = found
    say("linear layers", json.dumps(found))


def decoder(texts: list[str], report: dict[str, Any]) -> None:
    """A 7B decoder: it runs, and its share of peak."""
    report["decoder-7b"] = {}
    for precision in ("bfloat16", "float8"):
        encoder = packed("shape:decoder-7b", precision)
        encoder.encode(texts[:200], "text", "")
        times = [seconds(lambda encoder=encoder: encoder.encode(texts, "text", "")) for _ in range(3)]  # type: ignore[misc]
        lengths = encoder._tokenizer(texts).lengths
        reached = work("decoder-7b", lengths) / float(np.median(times)) / 1e12
        found = {"seconds": middle(times), "texts": len(texts), "tokens": int(lengths.sum()), "tflops": reached}
        found["share_of_peak"] = {key: reached / value for key, value in report["peak_tflops"].items()}
        report["decoder-7b"][precision] = found
        say("decoder-7b", precision, json.dumps(found))
        encoder.unload()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--texts", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--only", nargs="*", default=["linear", *SHAPES, "decoder"])
    given = asked.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this needs a GPU, and torch sees none")
    texts = json.loads(gzip.decompress(given.texts.read_bytes())) if given.texts else drawn_texts(data_folder())
    import tokenizers
    import transformers

    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(), "torch": torch.__version__, "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__, "peak_tflops": peak(), "race": {}, "certificate": {}, "single": {},
    }  # fmt: skip
    say({key: value for key, value in report.items() if value})
    for part in given.only:
        try:
            if part == "linear":
                linear(report)
            elif part == "decoder":
                decoder(texts[:2000], report)
            else:
                race(part, texts[: LARGE_TEXTS if part == "bert-large" else TEXTS], report)
        except Exception:  # one part that fails must not cost the others
            report.setdefault("failed", {})[part] = traceback.format_exc()
            traceback.print_exc()
        given.out.write_text(json.dumps(report, indent=1))
        torch.cuda.empty_cache()
    if "failed" in report:
        sys.exit(f"failed: {', '.join(report['failed'])}")


if __name__ == "__main__":
    main()
