"""The certificate: what was measured, and hashes of every file, so that a bundle can be checked to be what was written.

It is written in one form only (sorted keys, indented by two), and the form is checked too, so that no byte of it can
change unnoticed.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from sizewise.bundle.layout import CERTIFICATE
from sizewise.encode.folder import file_sha256
from sizewise.store.files import atomic

SCHEMA = 1
WHAT = (
    "This certificate serves to check integrity: that the files of this bundle are those that were written, and that "
    "the pipeline answers now as it did then. It does not show who wrote them: whoever changes a bundle can write a "
    "certificate for what they changed."
)

NEEDED = {"candidate": str, "created": str, "measured": list, "canaries": dict, "files": dict}
"""What every certificate of this schema has."""

Certificate = dict[str, Any]


class Damaged(Exception):  # noqa: N818 - it is the finding, not an accident
    """What is wrong with a certificate, in words."""


def canonical(value: Any) -> bytes:
    """The one form in which `value` is written."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(value, option=options)


def write(folder: Path, about: Mapping[str, Any]) -> None:
    """Certify every file that is in `folder` now, and `about`."""
    found: Certificate = {"schema": SCHEMA, "what": WHAT, **about, "files": dict(_files(folder))}
    with atomic(folder / CERTIFICATE) as file:
        file.write(canonical(found | {"digest": _digest(found)}))


def read(folder: Path) -> Certificate:
    """Raises Damaged when it is missing, or not as it was written."""
    path = folder / CERTIFICATE
    if path.is_symlink():
        raise Damaged(f"{CERTIFICATE} is a link; a bundle holds files only")
    try:
        content = path.read_bytes()
        found = orjson.loads(content)
    except FileNotFoundError:
        raise Damaged(f"{CERTIFICATE} is missing") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise Damaged(f"{CERTIFICATE} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise Damaged(f"{CERTIFICATE} is no certificate")
    if found.get("schema") != SCHEMA:
        raise Damaged(f"{CERTIFICATE} has schema {found.get('schema')}, and this version reads {SCHEMA}")
    if missing := [name for name, kind in NEEDED.items() if not isinstance(found.get(name), kind)]:
        raise Damaged(f"{CERTIFICATE} is no certificate: it has no {missing[0]}")
    try:
        digest = _digest({name: value for name, value in found.items() if name != "digest"})
        written = canonical(found)
    except orjson.JSONEncodeError as error:  # it reads what it does not write: lists 300 deep
        raise Damaged(f"{CERTIFICATE} was changed: no certificate is like that ({error})") from None
    if found.get("digest") != digest:
        raise Damaged(f"{CERTIFICATE} was changed: its digest is not that of its content")
    if written != content:
        raise Damaged(f"{CERTIFICATE} was changed: it is not in the form in which certificates are written")
    return found


def damage(folder: Path, certificate: Certificate) -> Iterator[str]:
    """What is wrong with the files, a clause for each that is not as certified; names that begin with a dot are left
    alone."""
    listed = certificate["files"]
    for name, about in listed.items():
        yield from _file_damage(folder, name, about)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _hidden(name) or name == CERTIFICATE or name in listed:
            continue
        if path.is_symlink():
            yield f"{name} is a link; a bundle holds files only"
        elif not path.is_dir():
            yield f"{name} is not in the certificate"


def _file_damage(folder: Path, name: str, about: Any) -> Iterator[str]:
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or pure.as_posix() != name or _hidden(name):
        yield f"{name!r} in the certificate is no path inside a bundle"
        return
    path = folder / name
    if any(part.is_symlink() for part in (path, *path.parents) if part != folder and part.is_relative_to(folder)):
        yield f"{name} is a link; a bundle holds files only"
    elif not path.is_file():
        yield f"{name} is missing"
    elif about != _fingerprint(path):
        yield f"{name} was changed: it is not the file that was certified"


def _files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CERTIFICATE and not _hidden(name):
            yield name, _fingerprint(path)


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _digest(value: Mapping[str, Any]) -> str:
    return sha256(canonical(value)).hexdigest()
