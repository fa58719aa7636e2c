"""What tests share: tiny models with random weights in the real file formats, an encoder that counts, a store."""

import json
import os
import random
import shutil
import signal
import string
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as there are processors: a second thread would only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # they ignore it, and would hand that down
os.environ["TOKENIZERS_PARALLELISM"] = "false"

TEXT = """
the a of to in is for on with and river bank money water bridge engine wheel road garden flower tree leaf winter summer
snow rain cloud storm light night star moon planet orbit rocket fuel oil price market trade ship sail wind wave ocean
fish bird wing song music drum dance stage actor story book page letter word name town city street house door window
"""
WORDS = TEXT.split()


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """200 distinct sentences of 1 to 40 words, the same every time."""
    chance = random.Random(7)
    made = {" ".join(chance.choices(WORDS, k=1 + int(39 * chance.random() ** 2))): None for _ in range(400)}
    return list(made)[:200]


@pytest.fixture(scope="session")
def transformer_folder(tmp_path_factory) -> Path:
    """A plain transformers folder: BERT of 2 layers x 32 dimensions with random weights, and a WordPiece tokenizer."""
    return _transformer(tmp_path_factory.mktemp("models") / "plain", seed=0)


@pytest.fixture(scope="session")
def tiny_model(transformer_folder, tmp_path_factory) -> Path:
    """A sentence-transformers folder: mean pooling and normalisation, at most 24 tokens."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modules = [Pooling(32, "mean"), Normalize()]
    return _sentence_model(transformer_folder, modules, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def dense_model(transformer_folder, tmp_path_factory) -> Path:
    """CLS pooling, a projection to 24 dimensions, vectors of any length, prompts of its own."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    torch.manual_seed(1)
    modules = [Pooling(32, "cls"), Dense(32, 24)]
    prompts = {"query": "river: ", "passage": "ocean: "}
    return _sentence_model(transformer_folder, modules, tmp_path_factory.mktemp("models") / "dense", prompts=prompts)


@pytest.fixture(scope="session")
def dot_model(transformer_folder, tmp_path_factory) -> Path:
    """Made for dot products: vectors whose lengths matter."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    torch.manual_seed(2)
    modules = [Pooling(32, "mean"), Dense(32, 16, activation_function=torch.nn.Identity())]
    folder = tmp_path_factory.mktemp("models") / "dot"
    return _sentence_model(transformer_folder, modules, folder, similarity_fn_name="dot")


@pytest.fixture(scope="session")
def cross_model(tiny_model, tmp_path_factory) -> Path:
    """A cross-encoder of one layer with random weights, at most 64 tokens of both texts."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "cross"
    tokenizer = BertTokenizerFast.from_pretrained(tiny_model)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        num_labels=1, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_static(tmp_path_factory):
    """`make_static(...)`: a model2vec folder of 16 random dimensions, written by hand as the format says."""

    def make(kind="wordpiece", dtype="float32", clusters=None, seed=0, **config) -> Path:
        from safetensors.numpy import save_file

        folder = tmp_path_factory.mktemp("static") / "model"
        folder.mkdir()
        tokenizer = _word_pieces() if kind == "wordpiece" else _unigram()
        tokenizer.add_special_tokens(["<unk>"] if kind == "unigram" else ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        tokenizer.save(str(folder / "tokenizer.json"))
        chance, tokens = np.random.default_rng(seed), tokenizer.get_vocab_size()
        table = chance.standard_normal((clusters or tokens, 16))
        if dtype == "int8":
            table = np.round(table / np.abs(table).max() * 127)
        arrays = {"embeddings": table.astype(dtype)}
        if clusters:
            arrays["mapping"] = chance.integers(0, clusters, tokens)
            arrays["weights"] = chance.random(tokens).astype(np.float32)
        save_file(arrays, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", **config}))
        return folder

    return make


@pytest.fixture(scope="session")
def static_model(make_static) -> Path:
    """Such a folder with vectors of length one, texts being cut at 24 tokens."""
    return make_static(normalize=True, max_length=24)


class Heard:
    """A progress that keeps what it is told. `stop_at`: at so many steps of a bar, whoever waits for Ctrl-C hears it.

    No signal is sent: a process of tests is shared, and real ones are stopped in processes of their own.
    """

    def __init__(self, stop_at=None):
        self.said, self.stop_at, self.steps = [], stop_at, 0.0

    def say(self, message):
        self.said.append(message)

    def bar(self, label, total):
        heard = self

        class Bar:
            def advance(self, amount):
                if label.startswith(("distil", "fine-tune", "train")):
                    heard.steps += amount
                    if heard.stop_at is not None and heard.steps >= heard.stop_at:
                        heard.stop_at = None
                        signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

            def close(self): ...

        return Bar()


@pytest.fixture
def heard():
    return Heard


@pytest.fixture
def store(tmp_path):
    from sizewise.store.store import Store

    with Store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def make_encoder():
    """The class of an encoder whose vectors depend on prompt and text alone, which remembers what it was given."""
    from sizewise.core.candidate import Model
    from sizewise.encode.encoder import Encoder

    class Counting(Encoder):
        def __init__(self, name="counting", fail_after=None, dimensions=6):
            super().__init__(Model(name))
            self.batches, self.fail_after, self._dimensions = [], fail_after, dimensions

        @property
        def identity(self):
            return {"made of": "sha256", "dimensions": self._dimensions}

        @property
        def dimensions(self):
            return self._dimensions

        @property
        def encoded(self):
            return [text for batch in self.batches for text in batch]

        def vector(self, text):
            seed = int.from_bytes(sha256(text.encode()).digest()[:8], "little")
            return np.random.default_rng(seed).standard_normal(self._dimensions).astype(np.float32)

        def encode(self, texts, role, prompt):
            if self.fail_after is not None and len(self.batches) >= self.fail_after:
                raise KeyboardInterrupt
            self.batches.append(list(texts))
            return np.stack([self.vector(prompt + text) for text in texts])

    return Counting


@pytest.fixture(scope="session")
def retrieval_folder(tmp_path_factory, sentences) -> Path:
    """A BEIR folder of 60 documents and 20 queries, each made of words of its document."""
    folder = tmp_path_factory.mktemp("tasks") / "search"
    (folder / "qrels").mkdir(parents=True)
    chance = random.Random(3)
    long = [text for text in sentences if len(text.split()) > 5][:60]
    documents = [{"_id": f"d{at:02}", "title": "", "text": text} for at, text in enumerate(long)]
    queries = [{"_id": f"q{at}", "text": " ".join(chance.sample(long[at].split(), 4))} for at in range(20)]
    _write_lines(folder / "corpus.jsonl", documents)
    _write_lines(folder / "queries.jsonl", queries)
    lines = ["query-id\tcorpus-id\tscore", *(f"q{at}\td{at:02}\t1" for at in range(20))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tuned_folder(retrieval_folder, tmp_path_factory, sentences) -> Path:
    """The same with 40 more queries, to tune on."""
    folder = shutil.copytree(retrieval_folder, tmp_path_factory.mktemp("tasks") / "tuned")
    chance = random.Random(5)
    documents = [json.loads(line)["text"].split() for line in (folder / "corpus.jsonl").read_text().splitlines()]
    with (folder / "queries.jsonl").open("a") as file:
        for at, words in enumerate(documents[20:]):
            file.write(json.dumps({"_id": f"t{at}", "text": " ".join(chance.sample(words, 3))}) + "\n")
    lines = ["query-id\tcorpus-id\tscore", *(f"t{at}\td{at + 20:02}\t1" for at in range(len(documents) - 20))]
    (folder / "qrels" / "train.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def similarity_folder(tmp_path_factory, sentences) -> Path:
    """40 pairs with scores, and training sentences."""
    folder = tmp_path_factory.mktemp("tasks") / "pairs"
    folder.mkdir()
    chance = random.Random(4)
    for file, start in (("test.csv", 0), ("train.csv", 100)):
        rows = [
            f"{sentences[start + at]},{sentences[start + at + 40]},{chance.randint(0, 50) / 10}" for at in range(40)
        ]
        (folder / file).write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n")
    return folder


FAKE_ENCODER = '''
"""An encoder that starts at once: vectors of words, added up. What comes behind the colon is what goes wrong."""

import os
import signal
import sys
import time
from functools import cache
from hashlib import sha256

import numpy as np

from sizewise.encode.encoder import Encoder


@cache
def vector(word):
    seed = int.from_bytes(sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(32).astype(np.float32)


class Fake(Encoder):
    dimensions = 32
    parameters = 1000

    @property
    def identity(self):
        return {"made of": "words", "argument": self.argument}

    @property
    def max_tokens(self):
        return 6 if self.argument == "short" else None

    def count_tokens(self, texts, prompt):
        return np.array([len((prompt + text).split()) for text in texts])

    def load(self):
        if self.argument == "unloadable":
            raise RuntimeError("the weights are not there")

    def encode(self, texts, role, prompt):
        if log := os.environ.get("FAKE_LOG"):
            spec = sys.modules["__main__"].__spec__
            who = "worker" if spec and "worker" in spec.name else "study"
            with open(log, "a") as file:
                file.write(f"{who} {self.argument} {len(texts)}\\n")
        if self.argument == "dies":
            print("no kernel for this processor", file=sys.stderr, flush=True)
            os._exit(3)
        if self.argument == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.argument == "noisy":
            print("x" * 1_000_000, file=sys.stderr, flush=True)
            print("y" * 1_000_000, flush=True)
        if self.argument == "slow":
            time.sleep(0.002 * len(texts))
        size = {"letters": 2, "short": 3}.get(self.argument, 99)
        words = [[word[:size] for word in (prompt + text).split()] for text in texts]
        return np.stack([sum(map(vector, found), vector("")) for found in words])
'''


@pytest.fixture(scope="session")
def fake_encoders(tmp_path_factory) -> Path:
    """A folder for PYTHONPATH with a distribution whose encoders start at once: `fake:words`, `fake:letters` (poorer),
    `fake:short` (cuts texts off), `fake:slow`, and `fake:dies`, `fake:killed`, `fake:unloadable`, `fake:noisy`."""
    folder = tmp_path_factory.mktemp("fakes")
    (folder / "fake_encoders.py").write_text(FAKE_ENCODER)
    about = folder / "fake_encoders-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-encoders\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sizewise.encoders]\nfake = fake_encoders:Fake\n")
    return folder


@pytest.fixture
def fakes(fake_encoders, monkeypatch) -> Iterator[Path]:
    """The same, in this process and in those that it starts."""
    from sizewise.core.registry import ENCODERS

    monkeypatch.setenv("PYTHONPATH", str(fake_encoders))
    monkeypatch.syspath_prepend(str(fake_encoders))
    vars(ENCODERS).pop("_plugins", None)
    yield fake_encoders
    vars(ENCODERS).pop("_plugins", None)


@pytest.fixture(scope="session")
def cheap_costs():
    """`with cheap_costs():` studies do not measure cost: longer names cost less."""
    from sizewise.cost.figures import Figures
    from sizewise.cost.measure import Measured
    from sizewise.study import study

    def measured(subjects, plan, path, progress):
        times = {one: 1.0 + 100.0 / len(str(one)) for one in subjects}
        figures = {
            one: Figures(mean_ms=ms, p50_ms=ms, p95_ms=ms, p99_ms=ms, texts_per_s=10.0, peak_memory_mb=50.0, load_s=1.0)
            for one, ms in times.items()
        }
        return Measured(figures, 0.0, 0.0)

    def patched():
        patch = pytest.MonkeyPatch()
        patch.setattr(study, "measured", measured)
        patch.setattr(study, "finalists", lambda evidence, *rest: evidence)
        return patch

    return patched


class EmbeddingServer:
    """A real server that speaks OpenAI's `/v1/embeddings`, on a free port of this machine, with faults in a script.

    Each request takes the first word of `script` (none: it is answered). `asked` are the texts of every request that
    arrived, `answered` those of the requests whose answer was sent whole, `headers` and `bodies` what came with them.
    """

    def __init__(self, dimensions=8, port=0):
        self.dimensions, self.script, self.delay, self.form, self.usage = dimensions, [], 0.0, "base64", True
        self.asked, self.answered, self.headers, self.bodies, self.at = [], [], [], [], []
        self.redirect_to = ""
        self.httpd = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.httpd.daemon_threads = True
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.httpd.server_port}/v1"

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def vector(self, text):
        seed = int.from_bytes(sha256(text.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).standard_normal(self.dimensions).astype(np.float32)

    def tokens(self, texts):
        return sum(len(text.split()) + 2 for text in texts)

    def body(self, texts, fault):
        rows = []
        for at, text in enumerate(texts):
            vector = self.vector(text)
            vector = vector[:-1] if fault == "wrong dimension" else vector
            numbers = [None if fault == "nan" else float(number) for number in vector]
            whole = fault not in ("nan",) and self.form == "base64"
            written = b64encode(vector.tobytes()).decode() if whole else numbers
            rows.append({"object": "embedding", "index": 0 if fault == "same index" else at, "embedding": written})
        if fault == "shuffled":
            random.Random(0).shuffle(rows)
        rows = rows[:-1] if fault == "short" else rows
        tokens = self.tokens(texts)
        usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if self.usage else {}
        return json.dumps({"object": "list", "data": rows, "model": "m", **usage}).encode()

    def _handler(server):  # noqa: N805 - self is the handler
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append(asked["input"])
                server.bodies.append(asked)
                server.headers.append(dict(self.headers))
                server.at.append(time.monotonic())
                fault = server.script.pop(0) if server.script else "ok"
                time.sleep(server.delay)
                if fault[0].isdigit():
                    status, _, wait = fault.partition(" after ")
                    status, _, message = status.partition(" ")
                    return self.answer(int(status), json.dumps(json.loads(message or "{}")).encode(), wait)
                if fault == "late":
                    time.sleep(0.5)
                if fault == "closed":
                    self.close_connection = True
                    return None
                if fault == "redirect":
                    self.send_response(307)
                    self.send_header("location", server.redirect_to)
                    self.send_header("content-length", "0")
                    return self.end_headers()
                body = b"<html>" if fault == "not json" else server.body(asked["input"], fault)
                body = b" " * 5_000_000 + body if fault == "huge" else body
                if fault == "cut":
                    return self.answer(200, body, half=True)
                if fault == "ok":
                    server.answered.append(asked["input"])
                return self.answer(200, body)

            def answer(self, status, body, wait="", half=False):
                self.send_response(status)
                if wait:
                    self.send_header("retry-after", wait)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if half else body)
                self.close_connection = half

        return Handler


@pytest.fixture
def server():
    running = EmbeddingServer()
    yield running
    running.close()


@pytest.fixture
def second_server():
    running = EmbeddingServer()
    yield running
    running.close()


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """`configure(large={...})` writes the endpoints' configuration; `url`, `model` and `dimensions` have defaults."""
    path = tmp_path / "endpoints.toml"
    monkeypatch.setenv("SIZEWISE_CONFIG", str(path))

    def write(**endpoints):
        lines = []
        for name, own in endpoints.items():
            table = {"url": "https://api.example.com/v1", "model": "m", "dimensions": 8} | own
            lines += [f"[endpoints.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def _write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _word_pieces():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _unigram():
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = string.ascii_lowercase + "▁"
    pieces = [("<unk>", 0.0), *((f"▁{word}", -5.0) for word in WORDS), *((letter, -9.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(pieces, 0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    return tokenizer


def _transformer(folder: Path, seed: int) -> Path:
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = _word_pieces()
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    BertModel(config, add_pooling_layer=False).eval().save_pretrained(folder)
    return folder


def _sentence_model(transformer: Path, modules: list, folder: Path, **settings) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

    first = Transformer(str(transformer), max_seq_length=24)
    SentenceTransformer(modules=[first, *modules], device="cpu", **settings).save_pretrained(str(folder))
    return folder


@dataclass
class Writer:
    """Writes bundles of candidates that are fitted on one task, without their check in a fresh process: it takes
    seconds."""

    bench: object
    task: object
    root: Path

    def __call__(self, text: str, **about) -> Path:
        from sizewise.bundle.write import write
        from sizewise.core.grammar import parse
        from sizewise.pipeline.build import build

        candidate = parse(text)
        folder = self.root / f"bundle-{len(list(self.root.iterdir()))}"
        folder.mkdir()
        about = {"fitted_on": None, "measured": [], "run": None, "cost": None, "decided": [], "decision": None} | about
        write(folder, candidate, build(self.bench, candidate, self.task), about)
        return folder


@pytest.fixture(scope="session")
def task(retrieval_folder):
    from sizewise.data.load import load_task

    return load_task(retrieval_folder)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """One for all: vectors are encoded once."""
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store

    with Store(tmp_path_factory.mktemp("bundle-store")) as store:
        yield Bench(store)


@pytest.fixture(scope="session")
def write_bundle(bench, task, tmp_path_factory) -> Writer:
    return Writer(bench, task, tmp_path_factory.mktemp("bundles"))


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# Of a module, not of the session: while it is open its event loop counts as running in this thread, and no other may.
@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """`opened(path, width)`: the page, drawn; what it complained of and asked for is in `page.complaints`."""
    pages = []

    def open_page(path, width=1440, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda one: page.complaints.append(one.url) if one.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.evaluate("async () => { await window.sizewise; }")
        page.wait_for_selector("#chart svg")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
