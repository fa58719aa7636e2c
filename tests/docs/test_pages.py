"""What the pages say that the code can check: links, the grammar, the shapes, the layout, what a run writes."""

import re
from pathlib import Path

import pytest

import sizewise
from sizewise.core import grammar
from sizewise.core.grammar import parse
from sizewise.core.registry import TASKS, TRANSFORMS
from sizewise.core.shapes import SHAPES
from sizewise.cost.figures import COSTS
from sizewise.data.settings import KEYS
from sizewise.decide.presets import PRESETS, Preset, aim, limits_in_words

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Without fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(prose(page)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(path), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_plain(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search("[\U0001f300-\U0001faff\u2600-\u27bf]", text), "an emoji"


def test_the_grammar_is_that_of_the_parser():
    def rules(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines() if re.match(r" *\w+ += ", line)]

    assert rules(re.search(r"```ebnf\n(.*?)```", read("grammar.md"), re.DOTALL)[1]) == rules(grammar.__doc__)


def examples() -> list[str]:
    block = re.search(r"<!-- candidates -->\n```text\n(.*?)```", read("grammar.md"), re.DOTALL)[1]
    return [re.split(r" {2,}", line)[0] for line in block.splitlines()]


@pytest.mark.parametrize("text", examples())
def test_examples_parse_and_come_back(text):
    assert parse(str(parse(text))) == parse(text)


def test_every_step_and_shape_is_described():
    page = read("grammar.md")
    for step in TRANSFORMS.names():
        assert re.search(rf"^\| `{step}(=D)?` ", page, re.MULTILINE), step
    for name, shape in SHAPES.items():
        row = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", page, re.MULTILINE)
        assert row is not None, name
        columns = ("family", "layers", "hidden", "heads", "kv_heads", "intermediate", "parameters")
        values = [getattr(shape, column) for column in columns]
        wanted = [one if isinstance(one, str) else f"{one:,}" for one in values]
        assert [cell.strip() for cell in row[1].split("|")] == wanted


def test_every_kind_figure_and_key_is_described():
    page = read("your-data.md")
    for kind in TASKS.names():
        assert kind in page.replace("word sense", "wordsense"), kind
    for name in (*COSTS, *KEYS):
        assert f"`{name}`" in page, name


def test_the_table_of_presets_is_that_of_the_code():
    rows = [line for line in read("presets.md").splitlines() if re.match(r"\| \[[\w-]+\]\(presets/", line)]
    assert rows == [
        f"| [{name}](presets/{name}.md) | {preset.for_whom} | {', '.join(limits_in_words(preset.limits))} "
        f"| {preset.margin:g} | {aim(preset.minimise)} |"
        for name, preset in PRESETS.items()
    ]
    assert {path.stem for path in (DOCS / "presets").iterdir()} == set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_has_a_page_of_why(preset: Preset):
    page = read(f"presets/{preset.name}.md")
    assert page.startswith(f"# {preset.name}\n")
    limits = [f"--limit {name}={limit:g}" for name, limit in preset.limits.items()]
    options = " ".join((*limits, f"--margin {preset.margin:g}", f"--minimise {preset.minimise}"))
    assert f"```text\n{options}\n```" in page
    for words in limits_in_words(preset.limits):
        name, _, limit = words.partition(" ")
        assert re.search(rf"^\| `{name}` \| {limit} \| .{{20,}} \|$", page, re.MULTILINE), words
    assert re.search(rf"^\| margin \| {preset.margin:g} \| .{{10,}} \|$", page, re.MULTILINE)
    assert re.search(
        rf"^\| then \| {re.escape(aim(preset.minimise).replace(' ', ' `'))}` \| .{{10,}} \|$", page, re.MULTILINE
    )
    for heading in ("## The margin", "## When to leave it", "## The same without the preset"):
        assert f"\n{heading}\n" in page, heading


def test_public_names_are_described():
    for name in sizewise.__all__:
        assert name in read("python.md") or name == "__version__"


def test_the_layout_names_every_folder():
    page = read("layout.md")
    folders = [path.name for path in Path(sizewise.__file__).parent.iterdir() if (path / "__init__.py").exists()]
    for folder in folders:
        assert f"  {folder}/ " in page, folder
