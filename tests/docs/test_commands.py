"""The pages' commands and Python examples run, page by page, in a folder of its own.

What a page may hold, in the order in which it is followed:

- a block after `<!-- file: PATH -->` is written to PATH;
- lines that begin with `$ ` in a `console` or `bash` block are run, with what follows a backslash at a line's end.
  They must succeed, unless the first line shown under one begins with `sizewise: `: then it must fail, saying that;
- after `<!-- checked -->` every line shown under a command must be printed by it (`...` stands for any lines);
- `python` blocks run at the end of their page, all in one process;
- after `<!-- not run: REASON -->` a block is only read.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMENT = re.compile(r"<!-- (not run|file|checked)(?:: (.*?))? ?-->")
FENCE = re.compile(r"( *)```(\w*)$")


@dataclass
class Block:
    """A fenced block with the comment before it."""

    language: str
    line: int
    role: str = ""
    about: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def runs(self) -> bool:
        return self.role not in ("not run", "file")


@dataclass
class Command:
    """What stands behind `$ `, and the lines shown under it."""

    text: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    current: Block | None = None
    comment = ("", "")
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.fullmatch(line)
        if current is not None:
            if line.strip() == "```":
                current = None
            else:
                current.lines.append(line)
        elif fence:
            current = Block(fence[2], number, *comment)
            found.append(current)
            comment = ("", "")
        elif line.strip():
            match = COMMENT.fullmatch(line.strip())
            comment = (match[1], match[2] or "") if match else ("", "")
    return found


def commands(block: Block) -> list[Command]:
    found: list[Command] = []
    continued = False
    for line in block.lines:
        if line.startswith("$ "):
            found.append(Command(line[2:]))
        elif continued:
            found[-1].text += f"\n{line}"
        elif found:
            found[-1].shown.append(line)
        continued = line.endswith("\\") and (line.startswith("$ ") or continued)
    return found


def shell(block: Block) -> bool:
    return block.language in ("console", "bash") and block.runs


def steps(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.role == "file" or shell(block)]


def script(page: Path) -> str:
    return "\n".join(block.text for block in blocks(page) if block.language == "python" and block.runs)


def runs(page: Path) -> bool:
    return bool(script(page)) or any(commands(block) for block in steps(page) if block.role != "file")


def cases() -> list:
    found = []
    for page in filter(runs, PAGES):
        model = "all-MiniLM" in script(page) + "".join(block.text for block in steps(page) if block.role != "file")
        found.append(pytest.param(page, id=page.name, marks=[pytest.mark.slow] if model else []))
    return found


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    store = str(tmp_path_factory.mktemp("store") / "vectors")
    path = os.pathsep.join([folder, os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "SIZEWISE_STORE": store, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


@pytest.mark.parametrize("page", cases())
def test_page(page, environment, tmp_path):
    for block in steps(page):
        if block.role == "file":
            path = tmp_path / block.about
            assert path.resolve().is_relative_to(tmp_path.resolve()), block.about
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            continue
        for command in commands(block):
            where = f"{page.name}:{block.line}: {command.text}"
            done = run(["bash", "-c", command.text], tmp_path, environment)
            check(command, done, where, exact=block.role == "checked")
    if code := script(page):
        done = run([sys.executable, "-c", code], tmp_path, environment)
        assert done.returncode == 0, f"{page.name}: {done.stderr}"


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def check(command: Command, done: subprocess.CompletedProcess[str], where: str, *, exact: bool) -> None:
    printed = done.stdout + done.stderr
    if command.shown and command.shown[0].startswith("sizewise: "):
        assert done.returncode != 0, f"{where} should fail"
        assert command.shown[0] in printed, f"{where} printed {printed}"
        return
    assert done.returncode == 0, f"{where} failed: {printed}"
    if exact:
        left = [line.rstrip() for line in printed.splitlines()]
        for line in filter(None, (one.rstrip() for one in command.shown if one.strip() != "...")):
            assert line in left, f"{where} did not print {line!r} in its place, but:\n{printed}"
            left = left[left.index(line) + 1 :]


def test_quoted_code_is_that_of_its_file():
    for page in PAGES:
        for block in blocks(page):
            if block.role == "not run" and block.about.startswith("part of "):
                quoted = ROOT / block.about.removeprefix("part of ")
                assert block.text in quoted.read_text(encoding="utf-8"), f"{page.name}:{block.line}"


def test_blocks_that_are_not_run_say_why():
    for page in PAGES:
        for block in blocks(page):
            assert block.role != "not run" or block.about, f"{page.name}:{block.line}"
            shown = block.language in ("console", "bash") and not commands(block)
            assert not shown, f"{page.name}:{block.line}: a command begins with '$ '"
