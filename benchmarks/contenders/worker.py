"""A process that runs one contender in an environment of its own: only that environment's packages are imported.

Requests and answers are JSON lines on standard input and output; the rest of what is printed goes to standard error.
The first request says what to open (`kind` and what it needs), how many threads there are, and when it was sent.
"""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "sizewise",
    "sentence-transformers",
    "transformers",
    "tokenizers",
    "torch",
    "openvino",
    "nncf",
    "onnxruntime",
    "optimum",
    "optimum-onnx",
    "optimum-intel",
    "infinity-emb",
    "fastembed",
    "model2vec",
    "numpy",
)
SERVER_SECONDS = 180
REQUEST_TEXTS = 256


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(found):
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    start = json.loads(sys.stdin.readline())
    try:
        contender = KINDS[start["kind"]](start)
    except Exception as error:
        answer({"error": one_line(error)})
        raise
    try:
        contender.encode([start["first"]])
        loaded = time.time() - start["sent"]
        answer({"load_s": loaded, "pid": contender.pid, "versions": versions()})
        for line in sys.stdin:
            answer(do(contender, json.loads(line)))
    except Exception as error:
        answer({"error": one_line(error)})
        raise
    finally:
        contender.close()


def do(contender, request):
    texts, batch = request["texts"], request.get("batch")
    if request["do"] == "bulk":
        started = time.perf_counter()
        contender.encode(texts, batch)
        return {"seconds": time.perf_counter() - started}
    if request["do"] == "single":
        found = []
        for text in texts:
            started = time.perf_counter()
            contender.encode([text])
            found.append(1e3 * (time.perf_counter() - started))
        return {"ms": found}
    loaded = "torch" in sys.modules if contender.pid == os.getpid() else None  # of a server it is not known
    return {"vectors": [[float(x) for x in row] for row in contender.encode(texts)], "torch": loaded}


def one_line(error):
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def versions():
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Contender:
    pid = os.getpid()
    """Of the process whose memory counts, its children's counting too."""

    def encode(self, texts, batch=None):
        """Something [n, d], one row a text. `batch`: texts at a time, where there is such a setting."""
        raise NotImplementedError

    def close(self):
        pass


class SentenceTransformers(Contender):
    def __init__(self, start):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(start["threads"])
        settings = {"device": "cpu", "local_files_only": True, "backend": start.get("backend", "torch")}
        if settings["backend"] == "torch" and start["precision"] != "fp32":
            settings["model_kwargs"] = {"dtype": {"bf16": torch.bfloat16}[start["precision"]]}
        self.model = SentenceTransformer(start["folder"], **settings)

    def encode(self, texts, batch=None):
        found = self.model.encode(texts, batch_size=batch or 32, show_progress_bar=False)
        return found.astype("float32", copy=False)


class Sizewise(Contender):
    def __init__(self, start):
        from sizewise.core.grammar import parse
        from sizewise.encode.resolve import resolve

        self.encoder = resolve(parse(start["candidate"]).model)
        self.encoder.say = lambda message: print(message, file=sys.stderr)
        self.encoder.load()

    def encode(self, texts, batch=None):
        return self.encoder.encode(texts, "text", "")


class FastEmbed(Contender):
    def __init__(self, start):
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        TextEmbedding.add_custom_model(
            model="local/exported",
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="local/none"),
            dim=start["dimensions"],
            model_file="onnx/model.onnx",
        )
        self.model = TextEmbedding("local/exported", specific_model_path=start["folder"], threads=start["threads"])

    def encode(self, texts, batch=None):
        return list(self.model.embed(texts))


class Model2Vec(Contender):
    def __init__(self, start):
        from model2vec import StaticModel

        self.model = StaticModel.from_pretrained(start["folder"])

    def encode(self, texts, batch=None):
        return self.model.encode(texts)


class Infinity(Contender):
    """Its own server on a free port of this machine; two connections keep it busy."""

    def __init__(self, start):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = ["--engine", start["engine"], "--device", "cpu", "--no-bettertransformer", "--host", "127.0.0.1"]
        if start["engine"] == "optimum":
            settings += ["--pooling-method", "mean"]
        model = ["--model-id", "." if start["engine"] == "optimum" else start["folder"], "--served-model-name", "m"]
        self.server = subprocess.Popen(
            [Path(sys.executable).with_name("infinity_emb"), "v2", *model, *settings, "--port", str(self.port)],
            cwd=start["folder"],
            stdin=subprocess.DEVNULL,
        )
        self.pid = self.server.pid
        self.pool = ThreadPoolExecutor(2)
        try:
            self.wait()
        except BaseException:
            self.close()
            raise

    def wait(self):
        until = time.time() + SERVER_SECONDS
        while time.time() < until:
            if self.server.poll() is not None:
                raise RuntimeError(f"infinity_emb ended with {self.server.returncode}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"infinity_emb did not answer in {SERVER_SECONDS} s")

    def encode(self, texts, batch=None):
        parts = [texts[at : at + REQUEST_TEXTS] for at in range(0, len(texts), REQUEST_TEXTS)]
        found = map(self.ask, parts) if len(parts) == 1 else self.pool.map(self.ask, parts)
        return [row for part in found for row in part]

    def ask(self, texts):
        import numpy as np

        body = json.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        connection.request("POST", "/embeddings", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"infinity_emb answered {answer.status}: {content[:300]!r}")
        rows = sorted(json.loads(content)["data"], key=lambda row: row["index"])
        return [np.frombuffer(base64.b64decode(row["embedding"]), dtype="float32") for row in rows]

    def close(self):
        self.server.terminate()
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()


KINDS = {
    "sentence-transformers": SentenceTransformers,
    "sizewise": Sizewise,
    "fastembed": FastEmbed,
    "model2vec": Model2Vec,
    "infinity": Infinity,
}

if __name__ == "__main__":
    main()
