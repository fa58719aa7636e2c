"""Where a long text may be cut before it is tokenised, so that the tokens that a model keeps are the same.

Tokenizers work through the whole text before they drop what is beyond the limit. A text is cut here only at a place p
that is a *wall*: the tokens of the text are those of the part before p, followed by others. So when the part before p
has as many tokens as the model takes, they are the first ones of the whole text: that is checked for every text that
was cut (`TextTokenizer`), and where there are fewer, more of the text is taken.

A wall is one space between two plain letters. Why nothing reaches over it, by the parts of a tokenizer (the sources of
`tokenizers` 0.23; the tests try every letter with every normaliser):

- added tokens are found by their own text: none may hold white space or such letters around a wall;
- normalisers that are known here work character by character, or on clusters and combining sequences of characters,
  and a plain letter, a space and a plain letter are three of those in every one;
- pre-tokenizers that are known here end a word at the space at the latest;
- models see one word at a time.

Between two Chinese characters there is a wall too where BERT's normaliser puts spaces around each of them. A tokenizer
with a part that is not known here is never given a cut text.
"""

import re
from typing import Any

import orjson
from tokenizers import Tokenizer

HAN = "\u4e00-\u9fa5"
LETTERS = (
    "0-9A-Za-z"
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e"  # Latin
    "\u0388-\u038a\u038e-\u03a1\u03a3-\u03ce\u0401-\u044f\u0451-\u045c"  # Greek, Cyrillic
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0905-\u0939"  # Hebrew, Arabic, Devanagari
    f"\u3041-\u3093\u30a1-\u30fa{HAN}\uac00-\ud7a3"  # Hiragana, Katakana, Chinese, Korean
)
"""Plain letters and digits, all in Unicode since 2.0: what libraries with older and newer tables agree on."""

SPACE = rf"(?<=[{LETTERS}]) (?=[{LETTERS}])"
BETWEEN_HAN = rf"(?<=[{HAN}])(?=[{HAN}])"
NEAR = 256
"""Characters before a bound in which a wall is looked for first."""

_CHARACTERWISE = {"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Nmt",
                  "Precompiled", "Prepend"}  # fmt: skip
_RUNS_OF_SPACES = {" {2,}", r"\s{2,}", r" +(?= )"}
_WORDS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_WITHIN_WORDS = {"Digits", "Punctuation"}
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
_PATTERNS = {_GPT2, _GPT4.replace("DIGITS", ""), _GPT4.replace("DIGITS", "{1,3}")}
"""What byte-level tokenizers split words by (GPT-2; Qwen 2 and 3; Llama 3): letters end at a space."""
_MARK = "\u2581"
"""What stands for a space in the words of SentencePiece models."""


class Cuts:
    """Where texts may be cut for one tokenizer."""

    def __init__(self, walls: str) -> None:
        self._walls = re.compile(walls)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Cuts | None":
        """None when a part of the tokenizer is not one of those for which cutting is proven."""
        normalizer, splitter = _about(tokenizer.normalizer), _about(tokenizer.pre_tokenizer)
        if normalizer is None or splitter is None:
            return None
        normalizers, splitters = _parts(normalizer, "normalizers"), _parts(splitter, "pretokenizers")
        marked = any(part["type"] == "Replace" and part["pattern"] == {"String": " "} for part in normalizers)
        known = all(map(_works_characterwise, normalizers)) and _splits_at_spaces(splitters, marked=marked)
        if not known or not _model_is_certain(tokenizer):
            return None
        han = _sets_han_apart(normalizers, splitters)
        walls = re.compile(f"{SPACE}|{BETWEEN_HAN}" if han else SPACE)
        for token in tokenizer.get_added_tokens_decoder().values():
            written = [token.content]
            if token.normalized and tokenizer.normalizer is not None:
                written.append(tokenizer.normalizer.normalize_str(token.content))
            if any(walls.search(text) or re.search(rf"\S[\s{_MARK}]", text) for text in written):
                return None
        return cls(walls.pattern)

    def last(self, text: str, bound: int) -> int | None:
        """The last wall of `text` at `bound` or before, in its second half; None when there is none."""
        for start in (max(bound - NEAR, bound // 2), bound // 2):
            walls = [found.start() for found in self._walls.finditer(text, start, bound + 1)]
            if walls and walls[-1] > 0:
                return walls[-1]
        return None


def _about(part: Any) -> dict[str, Any] | None:
    """A part of a tokenizer as the JSON of its file, {} where there is none; None for one written in Python."""
    if part is None:
        return {}
    try:
        found = orjson.loads(part.__getstate__())
    except Exception:  # tokenizers raises a bare Exception
        return None
    return found if isinstance(found, dict) else None


def _parts(about: dict[str, Any], name: str) -> list[dict[str, Any]]:
    if about.get("type") == "Sequence":
        return [part for inner in about[name] for part in _parts(inner, name)]
    return [about] if about else []


def _works_characterwise(part: dict[str, Any]) -> bool:
    if part["type"] != "Replace":
        return part["type"] in _CHARACTERWISE
    pattern, content = part["pattern"], part["content"]
    if "Regex" in pattern:
        return pattern["Regex"] in _RUNS_OF_SPACES and content in (" ", _MARK)
    if pattern["String"] == " ":
        return bool(content == _MARK)
    return not re.search(rf"[\s{_MARK}{LETTERS}]", pattern["String"])


def _splits_at_spaces(parts: list[dict[str, Any]], *, marked: bool) -> bool:
    """Whether one of the parts ends every word at a space, or at the mark that took its place; all must be known."""
    splits = False
    for part in parts:
        kind = part["type"]
        if kind == "Metaspace":
            here = bool(part.get("split", True))
        elif kind == "ByteLevel":
            here = bool(part.get("use_regex", True)) and not marked
        elif kind == "Split":
            here = part["pattern"].get("Regex") in _PATTERNS and part["behavior"] == "Isolated" and not part["invert"]
            if not here:
                return False
        elif kind in _WORDS:
            here = not marked
        elif kind in _WITHIN_WORDS:
            continue
        else:
            return False
        if not (splits or here):
            return False  # it writes something else for spaces, and what comes behind it does not see them
        splits = True
    return splits


def _model_is_certain(tokenizer: Tokenizer) -> bool:
    """Whether the same word always has the same tokens: BPE may be told to drop merges at random."""
    kind = type(tokenizer.model).__name__
    return kind in ("WordPiece", "WordLevel", "Unigram") or (kind == "BPE" and not tokenizer.model.dropout)


def _sets_han_apart(normalizers: list[dict[str, Any]], splitters: list[dict[str, Any]]) -> bool:
    bert = len(normalizers) == 1 and normalizers[0].get("handle_chinese_chars") is True
    return bert and [part["type"] for part in splitters] == ["BertPreTokenizer"]
