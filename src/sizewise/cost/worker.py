"""A fresh process that runs one encoder, cross-encoder or pipeline and times it: `python -m sizewise.cost.worker`.

Requests and answers are JSON lines on standard input and output; everything else that is printed goes to standard
error. Only the parent (`cost.measure`) talks to it.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import orjson

Request = dict[str, Any]
Timed = Callable[[Sequence[str]], Any]


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print to standard output; answers must not be mixed with that
    baseline = peak_memory()
    start = orjson.loads(sys.stdin.buffer.readline())
    try:
        subject = _pipeline(start) if start["mode"] == "pipeline" else _encoder(start)
        first = start["single"][0]
        subject["single"]([first])
        _answer(answers, {"load_s": time.time() - start["spawned"], **subject["about"], **_account(subject)})
        for line in sys.stdin.buffer:
            request = orjson.loads(line)
            if subject["allowance"] is not None:
                subject["allowance"].add(request["remote"])
            _answer(answers, {**_do(request, subject, baseline), **_account(subject)})
    except Exception as error:
        _answer(answers, {"error": f"{type(error).__name__}: {error}"})
        raise


def _do(request: Request, subject: dict[str, Any], baseline: int) -> dict[str, Any]:
    if request["do"] == "single":
        spent = subject.get("encoding", [])
        spent.clear()
        milliseconds = _single(subject["single"], request["texts"], request["seconds"], spent)
        return {"ms": milliseconds, "encode_ms": spent}
    if request["do"] == "bulk":
        started = time.perf_counter()
        subject["bulk"](request["texts"])
        return {"seconds": time.perf_counter() - started}
    if request["do"] == "tune":
        subject["tune"](request["tokens"], request["threads"])
        return {}
    return {"peak_bytes": peak_memory() - baseline, "device_bytes": device_memory()}


def _single(run: Timed, texts: Sequence[str], seconds: float, spent: list[float]) -> list[float]:
    """Milliseconds of each text alone, for at most `seconds`. What encoders take of it is added to the last of `spent`,
    one for each text."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    for text in texts:
        spent.append(0.0)
        started = time.perf_counter()
        run([text])
        found.append((time.perf_counter() - started) * 1e3)
        if time.perf_counter() > until:
            break
    return found


def _encoder(start: Request) -> dict[str, Any]:
    from sizewise.core.candidate import Cross, Embed, model_of
    from sizewise.core.grammar import parse_part
    from sizewise.encode.resolve import resolve
    from sizewise.store.store import Store

    subject = parse_part(start["candidate"])
    assert isinstance(subject, Embed | Cross)
    trust = _trust(start)
    encoder = resolve(model_of(subject), trust)
    encoder.calibrate(start["calibration"])
    if start["store"]:
        encoder.attach(Store(start["store"]))
    encoder.load()
    single, bulk = start["roles"]
    return {
        "single": lambda texts: encoder.encode(texts, single, encoder.prompt(single)),
        "bulk": lambda texts: encoder.encode(texts, bulk, encoder.prompt(bulk)),
        "tune": partial(_tune, encoder),
        "about": {
            "dimensions": 0 if isinstance(subject, Cross) else encoder.dimensions,
            "parameters": encoder.parameters,
            "disk_bytes": encoder.disk_bytes,
        },
        "allowance": trust.remote,
    }


def _tune(encoder: Any, tokens: int, threads: int) -> None:
    from sizewise.encode.tuned import Tuning

    encoder.tune(Tuning(tokens, threads))


def _pipeline(start: Request) -> dict[str, Any]:
    from sizewise.core.grammar import parse
    from sizewise.data.load import load_task
    from sizewise.pipeline.bench import Bench
    from sizewise.pipeline.build import build, index_from_store
    from sizewise.pipeline.parts import encoded
    from sizewise.store.store import Store

    task = load_task(start["task"]["path"], protocol=start["task"].get("protocol"))
    store = Store(start["store"])
    store.__enter__()
    bench = Bench(store, _trust(start), calibration=start["calibration"])
    candidate = parse(start["candidate"])
    pipeline = build(bench, candidate, task)
    index_from_store(bench, pipeline, task)
    encoding: list[float] = []
    for encoder in {id(one): one for one, _, _ in encoded(pipeline)}.values():
        _listen(encoder, encoding)
    return {
        "encoding": encoding,
        "single": lambda texts: pipeline.search(texts, 10),
        "bulk": lambda texts: build(bench, candidate, task).index(texts),
        "about": {"bytes_per_vector": pipeline.bytes_per_vector},
        "allowance": bench.trust.remote,
    }


def _listen(encoder: Any, spent: list[float]) -> None:
    """Add what `encoder` takes, in milliseconds, to the last of `spent`."""
    encode = encoder.encode

    def timed(*given: Any) -> Any:
        started = time.perf_counter()
        found = encode(*given)
        if spent:
            spent[-1] += (time.perf_counter() - started) * 1e3
        return found

    encoder.encode = timed


def _trust(start: Request) -> Any:
    from sizewise.encode.encoder import Trust
    from sizewise.encode.remote.allowance import Allowance

    remote = Allowance.from_json(start["remote"]) if "remote" in start else None
    return Trust(frozenset(start["trust"]["remote_code"]), frozenset(start["trust"]["pickled"]), remote)


def _account(subject: dict[str, Any]) -> dict[str, Any]:
    """What was sent to endpoints so far, for the parent, which passes it on."""
    return {} if subject["allowance"] is None else {"remote": subject["allowance"].to_json()}


def peak_memory() -> int:
    """Bytes: the largest resident size of this process so far."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # ru_maxrss would count the parent's size before exec
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def device_memory() -> int | None:
    """Bytes allocated on the accelerator at the peak; None without one."""
    torch = sys.modules.get("torch")
    return int(torch.cuda.max_memory_allocated()) if torch is not None and torch.cuda.is_available() else None


def _answer(file: IO[bytes], value: dict[str, Any]) -> None:
    file.write(orjson.dumps(value) + b"\n")
    file.flush()


if __name__ == "__main__":
    main()
