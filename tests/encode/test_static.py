"""Static models: model2vec's vectors on numpy alone, from folders written by hand as its format says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.resolve import resolve
from sizewise.encode.static import StaticEncoder


def encoder_of(folder, **settings) -> StaticEncoder:
    return StaticEncoder(Model(f"static:{folder}", **settings))


def by_the_book(folder, texts):
    """What model2vec's documentation and source say, one text and one token at a time, in float64."""
    config = json.loads((folder / "config.json").read_text())
    arrays = load_file(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown = {"[UNK]", "<unk>"}
    limit = config.get("max_length", 512)
    characters = limit and limit * int(np.median([len(token) for token in tokenizer.get_vocab()]))
    found = np.zeros((len(texts), arrays["embeddings"].shape[1]))
    for at, text in enumerate(texts):
        encoding = tokenizer.encode(text[:characters], add_special_tokens=False)
        rows = []
        for token, name in list(zip(encoding.ids, encoding.tokens, strict=True))[:limit]:
            if token == 0 and name not in unknown and "<unk>" in tokenizer.get_vocab():
                name = "<unk>"  # Unigram keeps the text of what it does not know
            if name not in unknown:
                row = arrays["mapping"][token] if "mapping" in arrays else token
                rows.append(arrays["embeddings"][row].astype(np.float64) * arrays.get("weights", np.ones(10**4))[token])
        if rows:
            found[at] = np.mean(rows, axis=0)
        if config.get("normalize"):
            found[at] /= np.linalg.norm(found[at]) + 1e-32
    return found


@pytest.fixture
def texts(sentences):
    long = "the river and the bank of money " * 40
    hard = [
        "",
        " ",
        "a",
        "中",
        "中文 river 中",
        "😀 river\n\tthe É",
        "x" * 5000,
        long,
        "q" * 300 + " river",
        " " * 900 + "sea",
    ]
    return [*sentences, *hard]


MODELS = [
    {"normalize": True},
    {"normalize": False, "max_length": 24},
    {"kind": "unigram", "normalize": True, "max_length": 24},
    {"dtype": "float64", "max_length": None},
    {"dtype": "float16", "normalize": True},
    {"dtype": "int8", "normalize": True},
    {"dtype": "int8", "clusters": 40, "normalize": True, "max_length": 7},
    {"clusters": 30, "normalize": False},
]


@pytest.fixture(params=MODELS, ids=lambda made: ",".join(f"{key}={value}" for key, value in made.items()))
def folder(request, make_static):
    return make_static(**request.param)


def test_vectors_are_those_that_the_format_promises(folder, texts):
    found, wanted = encoder_of(folder).encode(texts, "text", ""), by_the_book(folder, texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * max(1, np.abs(wanted).max()))
    assert len(np.unique(wanted.round(6), axis=0)) > 150, "or the comparison would show nothing"


def test_vectors_are_those_of_model2vec(folder, texts):
    model2vec = pytest.importorskip("model2vec", reason="pip install model2vec")
    peer = model2vec.StaticModel.from_pretrained(folder)
    texts = [text + end for text in texts for end in ("", " of the moon 中 zq", "!")][:600]
    found, wanted = encoder_of(folder).encode(texts, "text", ""), peer.encode(texts, use_multiprocessing=False)
    if wanted.dtype == np.float16:
        found = found.astype(np.float16)
        np.testing.assert_allclose(found, wanted, rtol=2**-9, atol=2**-20)
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_a_vector_is_the_same_to_the_last_bit_alone_and_in_any_company(folder, texts):
    encoder = encoder_of(folder)
    together = encoder.encode(texts, "text", "")
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(encoder.encode([texts[at] for at in order], "text", ""), together[order])
    for at in range(0, len(texts), 17):
        np.testing.assert_array_equal(encoder.encode([texts[at]], "text", "")[0], together[at])


def test_prompts_stand_before_each_text(static_model, sentences):
    encoder = StaticEncoder(Model(f"static:{static_model}", prompts=(("query", "river: "),)))
    wanted = encoder.encode(["river: " + text for text in sentences], "text", "")
    np.testing.assert_array_equal(encoder.encode(sentences, "query", encoder.prompt("query")), wanted)
    assert encoder.prompt("document") == ""


def test_texts_without_a_known_token_are_zeros(static_model):
    found = encoder_of(static_model).encode(["", "  ", "中文", "[UNK]", "river"], "text", "")
    assert np.abs(found).sum(axis=1).astype(bool).tolist() == [False, False, False, False, True]
    assert encoder_of(static_model).encode([], "text", "").shape == (0, 16)


def test_tokens_are_counted_before_they_are_cut(static_model):
    encoder = encoder_of(static_model)
    texts = ["the river", "", "the river " * 100, "中 river", "the" + " " * 5000, "the"]
    assert encoder.count_tokens(texts, "").tolist() == [2, 0, 200, 2, 25, 1], "cut for its characters: over the limit"
    assert encoder.count_tokens(["the"], "of the ").tolist() == [3]
    assert encoder.max_tokens == 24
    two = encoder.encode(["the" + " " * 5000 + "moon", "the"], "text", "")
    np.testing.assert_array_equal(two[0], two[1])


def test_facts_are_read_without_loading_weights(make_static, monkeypatch):
    folder = make_static(clusters=30, max_length=None)
    monkeypatch.setattr("sizewise.encode.static_folder.StaticFolder._arrays", lambda _: pytest.fail("weights loaded"))
    encoder = encoder_of(folder)
    tokens = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    assert (encoder.dimensions, encoder.max_tokens, encoder.parameters) == (16, None, 30 * 16 + tokens)
    assert encoder.disk_bytes == (folder / "model.safetensors").stat().st_size
    assert len(encoder.key("")) == 64


def test_resolving_by_its_scheme(static_model):
    assert isinstance(resolve(Model(f"static:{static_model}")), StaticEncoder)
    for settings in ({"precision": "bfloat16"}, {"runtime": "openvino"}):
        with pytest.raises(InputError, match="runs in the precision that it is stored in, on numpy; leave out @"):
            encoder_of(static_model, **settings)


def test_the_key_changes_with_all_that_matters_and_with_nothing_else(static_model, tmp_path, monkeypatch):
    def key():
        return encoder_of(tmp_path / "copy").key("")

    shutil.copytree(static_model, tmp_path / "copy")
    keys = [encoder_of(static_model).key("")]
    (tmp_path / "copy" / "README.md").write_text("about")
    assert key() == keys[0]
    for change in ({"normalize": False}, {"max_length": 25}):
        path = tmp_path / "copy" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        keys.append(key())
    arrays = load_file(tmp_path / "copy" / "model.safetensors")
    save_file({"embeddings": arrays["embeddings"] + 1}, tmp_path / "copy" / "model.safetensors")
    keys.append(key())
    path = tmp_path / "copy" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    keys.append(key())
    monkeypatch.setattr("sizewise.encode.static.versions", lambda *_: {"numpy": "99"})
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_it_works_where_there_is_no_torch(static_model):
    code = f"""
import sys
for name in ("torch", "transformers", "sentence_transformers", "scipy", "sklearn"):
    sys.modules[name] = None
from sizewise.core.grammar import parse
from sizewise.encode.resolve import resolve
encoder = resolve(parse("static:{static_model}").model)
print(encoder.encode(["the river", "the bank"], "text", "").shape)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(2, 16)"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to read the peak of memory")
def test_memory_stays_flat_however_many_texts_stream_through(static_model):
    code = f"""
from pathlib import Path
from sizewise.core.grammar import parse
from sizewise.encode.resolve import resolve

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])

encoder = resolve(parse("static:{static_model}").model)
peaks, texts = [], (f"the river {{number}} and the bank" for number in range(120_000))
for block in encoder.stream(texts, "text", ""):
    peaks.append(peak())
print(len(peaks), peaks[2], peaks[-1])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    blocks, early, late = map(int, run.stdout.split())
    assert blocks == 15
    assert late - early < 4_000, "kB; the vectors alone are 7,680"


# --- damaged folders


def spoil_arrays(folder, change):
    arrays = load_file(folder / "model.safetensors")
    change(arrays)
    save_file(arrays, folder / "model.safetensors")


def set_config(folder, text):
    (folder / "config.json").write_text(text)


def cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def bfloat16(folder):
    path = folder / "model.safetensors"
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header, rest = path.read_bytes()[8 : 8 + size], path.read_bytes()[8 + size :]
    header = header.replace(b'"F16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + rest)


DAMAGE = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"there is no .*model.safetensors; give the folder"),
    "half of them": (cut_off, r"model.safetensors cannot be read \(.*\); save or download the model again"),
    "no config": (
        lambda f: (f / "config.json").write_text("[]"),
        r"is no model2vec folder: it has no config.json with",
    ),
    "no JSON": (lambda f: set_config(f, "{"), r"config.json: .*; save or download"),
    "normalize": (lambda f: set_config(f, '{"normalize": "yes"}'), "normalize is 'yes', not true or false"),
    "max_length": (lambda f: set_config(f, '{"max_length": 0}'), "max_length is 0, not a number of tokens or null"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), r"there is no .*tokenizer.json; give the folder"),
    "tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read as a tokenizer"),
    "names": (
        lambda f: spoil_arrays(f, lambda a: a.update({"x": a.pop("embeddings")})),
        r"holds no embeddings, so .*/model is none of model2vec's; name it without static: in front",
    ),
    "another's": (
        lambda f: spoil_arrays(f, lambda a: a.update({"embedding.weight": a.pop("embeddings")})),
        "holds no embeddings, so .*/model is a model of sentence-transformers; name it without static: in front",
    ),
    "rows": (
        lambda f: spoil_arrays(f, lambda a: a.update({"embeddings": a["embeddings"][:-1]})),
        r"holds [\d,]+ embeddings for the [\d,]+ tokens of its tokenizer; save or download",
    ),
    "shape": (
        lambda f: spoil_arrays(f, lambda a: a.update({"embeddings": a["embeddings"][0]})),
        r"holds embeddings of shape \[16\] in F32, not a table in F64, F32, F16, I8",
    ),
    "NaN": (
        lambda f: spoil_arrays(f, lambda a: a["embeddings"].__setitem__((3, 3), np.nan)),
        "holds embeddings that are no finite numbers",
    ),
    "weights": (
        lambda f: spoil_arrays(f, lambda a: a.update({"weights": np.ones(9, np.float32)})),
        r"holds 9 weights for the [\d,]+ tokens",
    ),
    "weights' shape": (
        lambda f: spoil_arrays(f, lambda a: a.update({"weights": np.ones((9, 1), np.float32)})),
        r"holds weights of shape \[9, 1\], not one for each token",
    ),
    "mapping": (
        lambda f: spoil_arrays(f, lambda a: a.update({"mapping": np.full(400, 10**6)})),
        r"holds a mapping that leads beyond its [\d,]+ embeddings",
    ),
    "mapping's length": (
        lambda f: spoil_arrays(f, lambda a: a.update({"mapping": np.zeros(5, np.int64)})),
        r"holds a mapping of 5 tokens for the [\d,]+ of its tokenizer",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_folders_say_what_is_wrong(static_model, tmp_path, kind):
    damage, message = DAMAGE[kind]
    folder = shutil.copytree(static_model, tmp_path / "model")
    damage(folder)
    with pytest.raises(InputError, match=message) as raised:
        encoder_of(folder).load()
    assert "\n" not in str(raised.value)


def test_what_stands_behind_the_embeddings_is_not_left_out(static_model, tmp_path):
    folder = shutil.copytree(static_model, tmp_path / "model")
    kinds = ["StaticEmbedding", "Normalize", "Dense"]
    modules = [{"idx": at, "name": str(at), "path": "", "type": f"sentence_transformers.models.{kind}"}
               for at, kind in enumerate(kinds)]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match=r"has a module Dense in its modules.json, which static: would leave out"):
        encoder_of(folder)
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    assert encoder_of(folder).dimensions == 16


def test_a_type_that_numpy_does_not_have_is_refused(make_static, tmp_path):
    folder = shutil.copytree(make_static(dtype="float16"), tmp_path / "model")
    bfloat16(folder)
    with pytest.raises(InputError, match="in BF16, not a table in F64, F32, F16, I8"):
        encoder_of(folder)


def test_other_folders_are_no_static_models(tmp_path):
    with pytest.raises(InputError, match=r"there is no model folder ./none"):
        StaticEncoder(Model("static:./none"))
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(InputError, match=r"is no model2vec folder: it has no config.json with settings"):
        encoder_of(tmp_path)
