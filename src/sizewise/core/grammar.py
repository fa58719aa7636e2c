"""The string form of candidates: one parser, one writer, and they are each other's inverse.

    candidate = "bm25" | embed | fuse | rerank | asym        bm25 alone: a model of that name is quoted
    fuse      = "fuse(" candidate "," candidate { "," candidate } [ "," "w=" ( number | "tuned" ) ] ")"
    rerank    = "rerank(" candidate "," scorer "," integer [ "," when ] [ "," "fresh" ] ")"
    when      = "when=" ( "margin" | "agreement" ) ( "<" number | "," "risk=" number )
    asym      = "asym(" embed "," embed ")"
    scorer    = embed | "cross:" embed                       without rescore; behind cross: without steps
    embed     = name [ prompts ] [ "@" precision [ "/" runtime ] ] { "+" step }
    name      = bare | quoted                      bare: no white space, none of  " ' [ ] ( ) @ + , \\
    prompts   = "[" role "=" quoted { "," role "=" quoted } "]"
    role      = "query" | "document" | "text"
    step      = word [ "=" integer ]
    quoted    = a JSON string                      the apostrophe is written \\u0027, so that a shell's '...' holds it

`docs/grammar.md` is the page of this module.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

from sizewise.core.candidate import (
    Asym,
    Candidate,
    Cross,
    Embed,
    Fuse,
    Lexical,
    Model,
    Part,
    Rerank,
    Role,
    Signal,
    Step,
    When,
)
from sizewise.core.errors import InputError
from sizewise.core.reader import Reader

SHORT = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "int8": "int8", "float8": "fp8"}
PRECISIONS = {name: precision for precision, short in SHORT.items() for name in (precision, short)}
DEFAULT_MODEL = Model("")
RUNTIME_OF = {"int8": "openvino", "float8": "packed"}
"""What runs a precision where the candidate does not say; DEFAULT_MODEL's runtime for all others."""

CROSS = "cross:"
"""Before the name of a cross-encoder."""
WHEN, RISK = "when=", "risk="

_AUTO = re.compile(r'((?:[^"@]|"(?:[^"\\]|\\.)*")*)@auto(?=\+|\s*$)', re.DOTALL)
_BARE = re.compile(r"[^\s\"'\[\]()@+,\\]+")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
_CALL = re.compile(r"(fuse|rerank|asym)\(")
_LEXICAL = re.compile(r"bm25(?=\s*([,)]|$))")
_INTEGER = re.compile(r"[0-9]{1,18}")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse(text: str) -> Candidate:
    """Read a candidate from its string form.

    Raises InputError with the position of the first character that does not fit.
    """
    reader = Reader(text)
    candidate = _candidate(reader)
    if not reader.done:
        raise reader.error("end of the candidate, '@', '+' or '['")
    return candidate


def write(candidate: Part) -> str:
    """The canonical string form: `parse(write(c)) == c`."""
    match candidate:
        case Lexical(method):
            return method
        case Fuse(parts, weight):
            return _called("fuse", *map(write, parts), *([] if weight is None else [f"w={weight}"]))
        case Rerank(first, second, depth, when, fresh):
            only = [] if when is None else [_when_written(when)]
            return _called("rerank", write(first), write(second), str(depth), *only, *(["fresh"] if fresh else []))
        case Asym(queries, documents):
            return _called("asym", write(queries), write(documents))
        case Cross(model):
            return CROSS + write(Embed(model))
        case _:
            return _written(candidate)


def _when_written(when: When) -> str:
    limit = f", {RISK}{when.risk}" if when.below is None else f"<{when.below}"
    return f"{WHEN}{when.signal}{limit}"


def _called(name: str, *given: str) -> str:
    return f"{name}({', '.join(given)})"


def _written(candidate: Embed) -> str:
    model = candidate.model
    text = model.name if _is_bare(model.name) else _quote(model.name)
    if model.prompts:
        text += "[" + ",".join(f"{role}={_quote(prompt)}" for role, prompt in model.prompts) + "]"
    default_runtime = model.runtime == runtime_of(model.precision)
    if model.precision != DEFAULT_MODEL.precision or not default_runtime:
        text += "@" + SHORT.get(model.precision, model.precision) + ("" if default_runtime else f"/{model.runtime}")
    steps = [str(step) for step in candidate.steps]
    if candidate.rescore:
        steps.append(f"rescore={candidate.rescore}")
    return "+".join([text, *steps])


def without_auto(text: str) -> Embed | None:
    """Of `MODEL@auto+steps` the candidate `MODEL+steps`; None for a text without `@auto`.

    Raises InputError where what is left is no candidate with an encoder.
    """
    found = _AUTO.match(text)
    if found is None:
        return None
    rest = found[1] + text[found.end() :]
    if rest.startswith(CROSS):
        raise InputError(f"candidate {text!r}: cross-encoders have no @auto; name an engine, as in {rest}@int8")
    if rest.strip() == "bm25":
        raise InputError(f"candidate {text!r}: bm25 has no engines to choose from; write bm25 alone")
    candidate = parse(rest)
    if not isinstance(candidate, Embed):
        raise InputError(
            f"candidate {text!r}: @auto stands for a whole candidate; in a hybrid name an engine, as in @int8"
        )
    return candidate


def parse_part(text: str) -> Part:
    """A candidate, or the cross-encoder that a hybrid ranks again with. Raises InputError as `parse`."""
    return Cross(plain_model(text.removeprefix(CROSS))) if text.startswith(CROSS) else parse(text)


def plain_model(text: str) -> Model:
    """The model that a candidate without transforms names. Raises InputError for any other candidate."""
    candidate = parse(text)
    if not isinstance(candidate, Embed) or candidate.steps or candidate.rescore:
        raise InputError(f"{text} is no model: name one without transforms, as in all-MiniLM-L6-v2")
    return candidate.model


def local(folder: Path) -> str:
    """A folder as candidates name it: a relative path begins with a dot."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


def with_engine(candidate: Embed, engine: str) -> Embed:
    """`candidate` with another precision and runtime, such as `@int8/onnx`."""
    found = cast("Embed", parse(f"m{engine}")).model
    return replace(candidate, model=replace(candidate.model, precision=found.precision, runtime=found.runtime))


def runtime_of(precision: str) -> str:
    """What runs `precision` where the candidate names no runtime."""
    return RUNTIME_OF.get(precision, DEFAULT_MODEL.runtime)


def _is_bare(name: str) -> bool:
    plain = _BARE.fullmatch(name) is not None and name.isprintable()
    plain = plain and not name.startswith((CROSS, "w="))
    return plain and name != "bm25" and not name.startswith("-")  # a shell command would take it for an option


def _quote(text: str) -> str:
    return json.dumps(text).replace("'", "\\u0027")


def _candidate(reader: Reader) -> Candidate:
    if reader.take(_LEXICAL):
        return Lexical("bm25")
    name = reader.take(_CALL)
    if name is None:
        return _embed(reader)
    calls: Mapping[str, Callable[[Reader], Candidate]] = {"fuse(": _fuse, "rerank(": _rerank, "asym(": _asym}
    made = calls[name](reader)
    reader.close()
    return made


def _fuse(reader: Reader) -> Fuse:
    parts: list[Candidate] = [_inside(reader)]
    weight: float | Literal["tuned"] | None = None
    while reader.comma():
        if reader.skip("w="):
            weight = "tuned" if reader.skip("tuned") else _number(reader, "a weight from 0 to 1, or tuned,")
            break
        parts.append(_inside(reader))
    if len(parts) < 2 or len(set(parts)) < len(parts):
        raise InputError(f"candidate {reader.text!r}: fuse takes two or more different candidates")
    if weight is not None and (len(parts) > 2 or (weight != "tuned" and not 0 < weight < 1)):
        raise InputError(f"candidate {reader.text!r}: w is the share of the first of two, between 0 and 1")
    return Fuse(tuple(parts), weight)


def _rerank(reader: Reader) -> Rerank:
    first = _inside(reader)
    reader.expect_comma()
    cross = reader.skip(CROSS)
    second = _embed(reader)
    if second.rescore or (cross and second.steps):
        raise InputError(f"candidate {reader.text!r}: {second} scores what was found; name it without rescore")
    reader.expect_comma()
    depth = int(reader.need(_INTEGER, "how many to rank again"))
    when, fresh = None, False
    if depth < 1:
        raise InputError(f"candidate {reader.text!r}: rerank takes a depth of 1 or more")
    while reader.comma():
        if when is None and reader.skip(WHEN):
            when = _when(reader, first)
        elif not (fresh or cross) and reader.skip("fresh"):
            fresh = True
        else:
            left = [f"{WHEN}margin<NUMBER"] * (when is None) + ["fresh"] * (not fresh and not cross)
            raise reader.error(" or ".join(left) or "')'")
    return Rerank(first, Cross(second.model) if cross else second, depth, when, fresh)


def _when(reader: Reader, first: Candidate) -> When:
    signal = reader.need(_WORD, "margin or agreement")
    if signal not in get_args(Signal):
        raise InputError(f"candidate {reader.text!r}: when={signal} is not known; there are margin and agreement")
    if signal == "agreement" and not isinstance(first, Fuse):
        raise InputError(
            f"candidate {reader.text!r}: agreement is that of the first two rankings of a fuse; {first} is none"
        )
    if reader.skip("<"):
        return When(cast("Signal", signal), _number(reader, f"a limit of the {signal}"))
    if not (reader.comma() and reader.skip(RISK)):
        raise reader.error(f"'<' and a number, or ', {RISK}' and points that may be lost")
    risk = _number(reader, "points that may be lost")
    if not 0 < risk < 100:
        raise InputError(f"candidate {reader.text!r}: risk is points (x100) that may be lost, above 0 and below 100")
    return When(cast("Signal", signal), None, risk)


def _asym(reader: Reader) -> Asym:
    queries = _encoder(reader)
    reader.expect_comma()
    documents = _encoder(reader)
    if queries.steps or queries.rescore:
        raise InputError(
            f"candidate {reader.text!r}: steps belong to the documents of asym; name {queries.model.name} alone"
        )
    return Asym(queries, documents)


def _encoder(reader: Reader) -> Embed:
    found = _inside(reader)
    if not isinstance(found, Embed):
        raise InputError(f"candidate {reader.text!r}: asym takes two encoders, not {found}")
    return found


def _inside(reader: Reader) -> Candidate:
    reader.blank()
    return _candidate(reader)


def _number(reader: Reader, what: str) -> float:
    found = float(reader.need(_NUMBER, what))
    if found == float("inf"):
        raise reader.error(f"{what} that is finite")
    return found


def _embed(reader: Reader) -> Embed:
    if reader.text.startswith(CROSS, reader.at):
        raise InputError(
            f"candidate {reader.text!r}: a cross-encoder ranks again what was found; write rerank(bm25, cross:NAME, 50)"
        )
    quoted = _string(reader)
    name = quoted or reader.need(_BARE, "a model name, a folder or bm25")
    if name == "bm25" and quoted is None:
        raise InputError(
            f"candidate {reader.text!r}: bm25 has no vectors, so it takes no prompts, precision or transforms; "
            "write bm25 alone"
        )
    if reader.text.startswith("(", reader.at):
        raise InputError(
            f"candidate {reader.text!r}: there is no pipeline {name}(...); there are fuse, rerank and asym"
        )
    prompts = _prompts(reader) if reader.skip("[") else ()
    precision, runtime = _precision(reader) if reader.skip("@") else (DEFAULT_MODEL.precision, DEFAULT_MODEL.runtime)
    steps: list[Step] = []
    rescore = 0
    while reader.skip("+"):
        if rescore:
            raise InputError(f"candidate {reader.text!r}: rescore comes last; put it at the end")
        step = _step(reader)
        if step.name != "rescore":
            steps.append(step)
        elif not step.value or not steps:
            raise InputError(
                f"candidate {reader.text!r}: rescore takes a number of results and follows a transform, "
                "as in MODEL+binary+rescore=100"
            )
        else:
            rescore = step.value
    return Embed(Model(name, precision, runtime, prompts), tuple(steps), rescore)


def _string(reader: Reader) -> str | None:
    literal = reader.take(_QUOTED)
    if literal is None:
        return None
    try:
        return cast("str", json.loads(literal))
    except ValueError as error:
        raise InputError(
            f"candidate {reader.text!r}: {literal} is not a JSON string ({error}); escape it as JSON does"
        ) from None


def _prompts(reader: Reader) -> tuple[tuple[Role, str], ...]:
    prompts: dict[Role, str] = {}
    while True:
        role = reader.need(_WORD, "query, document or text")
        if role not in get_args(Role):
            raise InputError(
                f"candidate {reader.text!r}: a prompt is for query, document or text, not {role!r}; write one of them"
            )
        if not reader.skip("="):
            raise reader.error("'='")
        prompt = _string(reader)
        if prompt is None:
            raise reader.error("a prompt in double quotes")
        if role in prompts:
            raise InputError(f"candidate {reader.text!r}: two prompts for {role}; give one")
        prompts[cast("Role", role)] = prompt
        if reader.skip("]"):
            return tuple(sorted(prompts.items()))
        if not reader.skip(","):
            raise reader.error("',' or ']'")


def _precision(reader: Reader) -> tuple[str, str]:
    word = reader.need(_WORD, "a precision such as bf16")
    if word == "auto":
        raise InputError(
            f"candidate {reader.text!r}: @auto takes no runtime, and gives way to measured engines before a "
            "candidate is read; name a precision here, as in @int8"
        )
    if word not in PRECISIONS:
        known = ", ".join(SHORT.values())
        raise InputError(f"candidate {reader.text!r}: unknown precision {word!r}; there are {known}")
    precision = PRECISIONS[word]
    return precision, reader.need(_WORD, "a runtime such as torch") if reader.skip("/") else runtime_of(precision)


def _step(reader: Reader) -> Step:
    name = reader.need(_WORD, "a transform such as truncate=128 or int8")
    value = int(reader.need(_INTEGER, "a whole number")) if reader.skip("=") else None
    return Step(name, value)
