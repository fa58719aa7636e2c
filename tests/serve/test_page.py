"""The page at / in a real browser: what it shows is what the server answers, and it asks nobody else."""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from sizewise.core.text import printable
from sizewise.serve.routes import page as routes
from sizewise.ship.build import build

KEY = "sw-page-0123456789abcdef"
QUERY = "river moon water"
HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"> \x1b[2J"
TURNED = "river \u202etpircs\u202c \u2066moon\u2069 مرحبا بالعالم"
COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, sentences):
    """Sixty documents, among them such as nobody wishes for."""
    odd = [
        {"_id": "markup", "title": f"river {HOSTILE}", "text": f"moon water {HOSTILE}"},
        {"_id": "turned\u202e", "title": TURNED, "text": TURNED * 3},
        {"_id": "long", "title": "", "text": "river moon water " * 3334, "pages": 900, "tags": ["x" * 300, "y"]},
        {"_id": "unbroken", "title": "river", "text": "w" * 3000, "kind": "noise"},
    ]
    plain = [
        {"_id": f"d{at}", "title": f"About {text.split()[0]}", "text": text, "number": at}
        for at, text in enumerate(sentences[:56])
    ]
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in odd + plain))
    return path


@pytest.fixture(scope="module")
def bundles(tiny_model, static_model, retrieval_folder, corpus, cheap_costs, tmp_path_factory):
    """Two bundles of one run, with indexes of the corpus, and one of no run, without an index."""
    from sizewise.bundle.verify import verify
    from sizewise.ship import build as module
    from sizewise.study.study import Study

    folder = tmp_path_factory.mktemp("page")
    candidates = ["bm25", f"static:{static_model}", f"static:{static_model}+int8", f"{tiny_model}@fp32/onnx"]
    patch = cheap_costs()
    patch.setattr(module.fresh, "verify", lambda place, threads=None: verify(place))
    try:
        run = Study([retrieval_folder], candidates, store=folder / "store", threads=1, name="support").run(
            folder / "run"
        )
        built = {"words": candidates[0], "vectors": candidates[3]}
        for name, candidate in built.items():
            build(run, folder / name, candidate=candidate, store=folder / "store")
            subprocess.run([*COMMAND, "index", folder / name, corpus, "--quiet"], check=True)
        build(f"static:{static_model}", folder / "bare", tasks=[retrieval_folder], store=folder / "store")
    finally:
        patch.undo()
    return folder


@pytest.fixture(scope="module")
def arguments(bundles):
    return [f"{name}={bundles / name}" for name in ("words", "vectors", "bare")]


@pytest.fixture
def visit(browser):
    """`visit(url, width)`: the page, drawn. It may complain of nothing, but for what `allowed` is in."""
    pages = []

    def open_page(url, width=1440, wait=True, allowed=None, before=None, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.complaints, page.allowed = [], allowed
        host = urlsplit(url).netloc
        page.on("console", lambda message: page.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda one: page.complaints.append(one.url) if urlsplit(one.url).netloc != host else None)
        if before:
            before(page)
        page.goto(url)
        if wait:
            page.evaluate("async () => { await window.sizewise; }")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert [one for one in page.complaints if not (page.allowed and page.allowed in one)] == []
        page.close()


def until(page, condition, seconds=10):
    """Playwright's own way of waiting evaluates text inside the page, which its policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def asking(served, query=QUERY, a="words", b="vectors", depth=10):
    return f"{served.url}/#q={quote(query)}&a={a}&b={b}&k={depth}"


def answer(served, model, query=QUERY, depth=10):
    found = httpx2.post(f"{served.url}/search", json={"model": model, "query": query, "top_k": depth}).json()
    return found["results"]


def texts(page, selector):
    return page.eval_on_selector_all(selector, "all => all.map((one) => one.textContent)")


# --- what is shown


def test_both_lists_are_those_of_the_server_and_marked(visit, served):
    page = visit(asking(served))
    lists = {"A": answer(served, "words"), "B": answer(served, "vectors")}
    ranks = {letter: {one["id"]: one["rank"] for one in found} for letter, found in lists.items()}
    kinds = set()
    for letter, other in (("A", "B"), ("B", "A")):
        shown = page.locator(f"section[aria-labelledby='list-{letter}'] ol > li")
        assert shown.count() == len(lists[letter]) == 10
        for at, one in enumerate(lists[letter]):
            item = shown.nth(at)
            assert item.locator(".rank").inner_text() == str(one["rank"])
            assert item.locator("h4").inner_text() == printable(one["title"] or one["id"]).rstrip()
            assert float(item.locator(".score").inner_text().split()[1].replace(",", "")) == pytest.approx(
                one["score"], rel=1e-3
            )
            there = ranks[other].get(one["id"])
            mark = item.locator(".mark").inner_text()
            assert ("only" in (item.get_attribute("class") or "")) == (there is None)
            if there is None:
                assert mark.endswith("only here")
            elif there == one["rank"]:
                assert mark == f"= same place in {other}"
            else:
                assert mark == f"{there - one['rank']:+d} ({there} in {other})".replace("-", "−")
            kinds.add(mark.split()[0])
    assert len(kinds) > 2, "marks of several kinds"


def test_the_summary_is_right(visit, served):
    from scipy.stats import kendalltau

    for query in (QUERY, "engine road wheel the of", "song"):
        page = visit(asking(served, query, depth=50))
        a, b = ([one["id"] for one in answer(served, name, query, 50)] for name in ("words", "vectors"))
        common = [one for one in a if one in b]
        said = page.inner_text("#said")
        assert said.startswith(f"{len(common)} of {max(len(a), len(b))} in common")
        tau = kendalltau([a.index(one) for one in common], [b.index(one) for one in common]).statistic
        assert len(common) > 2
        assert f"rank correlation of these {tau:.2f}".replace("-", "−") in said
        assert said.endswith(f"first result {'the same' if a[0] == b[0] else 'different'}.")


def test_one_list_has_each_document_once(visit, served):
    page = visit(asking(served))
    page.get_by_label("one list").check()
    a, b = ({one["id"]: one["rank"] for one in answer(served, name)} for name in ("words", "vectors"))
    shown = page.locator("ol.merged > li")
    assert shown.count() == len(a | b)
    places = [
        [one.strip() for one in texts(page, f"ol.merged > li:nth-child({at + 1}) .place")] for at in range(len(a | b))
    ]
    assert sorted(places) == sorted([f"A {a.get(one, '–')}", f"B {b.get(one, '–')}"] for one in a | b)
    best = [min(int(one[2:]) for one in row if not one.endswith("–")) for row in places]
    assert best == sorted(best)


def test_latency_and_timing_again(visit, served):
    page = visit(asking(served))
    assert page.locator(".latency").count() == 2
    assert "in the server" in page.inner_text("#latency-A")
    asked = []
    page.on("request", lambda one: asked.append(json.loads(one.post_data)["model"]) if one.method == "POST" else None)
    page.get_by_role("button", name="Time it again").click()
    until(page, "document.getElementById('timing').textContent === 'Timed 10 times.'")
    assert "medians of 10" in page.inner_text("#latency-B")
    assert asked[:4] == ["words", "vectors", "vectors", "words"], "in turn, each first as often"
    assert len(asked) == 20


def test_what_was_measured(visit, served):
    page = visit(served.url)
    rows = {
        row.split("\t")[0]: row.split("\t")[1:] for row in page.inner_text("#facts tbody").split("\n") if "\t" in row
    }
    about = {one["id"]: one["sizewise"] for one in httpx2.get(f"{served.url}/v1/models").json()["data"]}
    assert rows["Documents in its index"] == ["60", "60"]
    assert rows["Dimensions"] == ["–", "32"]
    row = about["vectors"]["measured"][0]
    low, high = row["ci95"]
    assert next(cells for name, cells in rows.items() if "(ndcg@10)" in name)[1].replace("~", "") == (
        f"{row['value']:.1f} ({low:.1f} to {high:.1f})"
    )
    assert rows["95th-percentile latency in the study"][0] == f"{about['words']['cost']['p95_ms']:.4g} ms"


def test_the_frontier(visit, served, bundles):
    study = httpx2.get(f"{served.url}/study").json()
    certified = json.loads((bundles / "words" / "certificate.json").read_bytes())["study"]
    assert (study["name"], study["minimise"], study["unit"]) == ("support", certified["minimise"], certified["unit"])
    assert {row["candidate"]: row["served_as"] for row in study["rows"] if row["served_as"]} == {
        "bm25": ["words"],
        next(row["candidate"] for row in study["rows"] if row["candidate"].endswith("onnx")): ["vectors"],
    }
    page = visit(served.url)
    points = page.locator("#frontier svg .point[role=img]")
    assert points.count() == len(study["rows"]) == 4
    names = [one.get_attribute("aria-label") for one in points.all()]
    assert sum(name.startswith(("A: bm25", "B: ")) for name in names) == 2
    page.click("summary")
    table = page.locator("#frontier tbody tr")
    assert table.count() == 4
    for at, row in enumerate(study["rows"]):
        assert f"{row['quality']:.1f}" in table.nth(at).inner_text()
    page.get_by_label("Pipeline B").select_option("words")
    assert [one for one in texts(page, "#frontier .name") if one] == ["A B"]


# --- how it is used


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.getAttribute('class') || ''")


def test_by_keyboard_alone(visit, served):
    page = visit(served.url)
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    page.keyboard.press("Tab")
    assert focused(page) == "query"
    page.keyboard.type(QUERY)
    page.keyboard.press("Enter")
    page.wait_for_selector("ol li")
    assert focused(page) == "query", "focus stays where one types"
    order = []
    for _ in range(5):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == ["depth", "main", "a", "b", "two"]
    page.keyboard.press("ArrowDown")  # of two radio buttons the other
    page.wait_for_selector("ol.merged")
    assert focused(page) == "one"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowUp")
    until(page, "location.hash.includes('b=words')")
    until(page, "document.getElementById('said').textContent.startsWith('10 of 10')")
    assert focused(page) == "b"
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page) == "more":
            break
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="Show less").first.get_attribute("aria-expanded") == "true"
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page).startswith("point"):
            break
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert first != second
    assert page.inner_text(".told") == second
    assert page.locator("#frontier svg [tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#frontier details").get_attribute("open") is not None


def test_the_skip_link_leaves_the_address_alone(visit, served):
    page = visit(asking(served))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "results"
    assert "q=river" in page.evaluate("location.hash")


def test_the_address_keeps_what_is_asked(visit, served):
    page = visit(served.url)
    page.get_by_label("Query").fill("moon & b = c#d")
    page.get_by_label("How many").select_option("5")
    page.get_by_label("Query").press("Enter")
    page.wait_for_selector("ol li")
    there = page.evaluate("location.href")
    page.get_by_label("Query").fill("river")
    page.get_by_label("Query").press("Enter")
    until(page, "location.hash.includes('river')")
    page.go_back()
    until(page, "document.getElementById('query').value === 'moon & b = c#d'")
    other = visit(there)
    assert other.get_by_label("Query").input_value() == "moon & b = c#d"
    assert other.locator("section.list").first.locator("li").count() == 5
    unknown = visit(asking(served, a="gone", depth=7))
    assert unknown.get_by_label("Pipeline A").input_value() == "words"
    assert unknown.locator("section.list").first.locator("li").count() == 10


def test_an_empty_query_asks_nothing(visit, served):
    page = visit(served.url)
    page.on("request", lambda one: page.complaints.append(one.url))
    page.get_by_label("Query").fill("   ")
    page.get_by_label("Query").press("Enter")
    assert "Type a query" in page.inner_text("#said")


@pytest.mark.parametrize("button", ["Search", "Time it again"])
def test_an_address_without_a_query_ends_the_search(visit, served, button):
    page, held = visit(asking(served)), []
    page.route("**/search", lambda route: route.continue_() if held else held.append(route))
    page.get_by_role("button", name=button).click()
    while not held:
        page.wait_for_timeout(20)
    page.evaluate("location.hash = ''")
    until(page, "document.getElementById('said').textContent.startsWith('Type a query')")
    held[0].continue_()
    page.wait_for_timeout(500)
    assert page.get_by_label("Query").input_value() == ""
    assert "Type a query" in page.inner_text("#said")
    assert page.locator("#shown li").count() == 0


# --- what may be in documents


def test_hostile_documents_are_inert(visit, served):
    page = visit(asking(served, depth=50))
    shown = page.inner_text("#shown")
    assert "<script>document.title='broken'</script>" in shown
    assert "\\x1b[2J" in shown
    assert "\\u202e" in shown
    assert not set("\x1b\u202e\u2066") & set(page.content())
    assert page.title() == "Sizewise: two pipelines side by side"
    assert page.eval_on_selector_all("img", "all => all.length") == 0
    assert page.eval_on_selector_all("script", "all => all.length") == 1


def test_long_texts_are_cut_and_can_be_opened(visit, served):
    page = visit(asking(served, depth=50))
    button = page.get_by_role("button", name="Show all 10,002 words").first
    text = button.locator("xpath=preceding-sibling::p[1]").element_handle()
    assert len(text.inner_text()) < 400
    button.click()
    assert len(text.inner_text()) > 50_000
    assert "pages: 900" in page.inner_text("#shown")


def test_the_same_marks_are_written_out_as_in_python(visit, served):
    page = visit(served.url)
    letters = [chr(one) for one in (*range(0x10000), 0x1F680, 0x10FFFF)]
    escaped = [f"a{one}b" for one in letters]
    found = page.evaluate(
        "async (all) => { const it = await import('/page/text.js'); return JSON.parse(all).map(it.printable); }",
        json.dumps(escaped),
    )
    assert found == [printable(one) for one in escaped]


# --- when the server will not


def test_a_key(visit, serving, arguments):
    served = serving(*arguments[:2], env={"SIZEWISE_API_KEY": KEY})
    page = visit(asking(served), wait=False, allowed="401")
    field = page.get_by_label("API key")
    field.wait_for()
    assert field.get_attribute("type") == "password"
    assert page.evaluate("document.activeElement.type") == "password"
    for wrong in ("wrong-key-0123456789", "schlüssel ☃"):
        page.get_by_label("API key").fill(wrong)
        page.keyboard.press("Enter")
    assert "plain ASCII" in page.inner_text("#key-why")
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("ol li")
    assert focused(page) == "results"
    assert page.locator("#key form").count() == 0
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    assert KEY not in page.evaluate("location.href")
    page.reload()
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("Keep it").check()
    page.get_by_role("button", name="Use this key").click()
    page.wait_for_selector("ol li")
    page.reload()
    page.wait_for_selector("ol li")
    assert page.locator("#key form").count() == 0


def refusing(status, headers, times=1, path="**/search"):
    """For `visit`: the first requests to `path` are refused."""
    left = [times]

    def handle(route):
        if left[0]:
            left[0] -= 1
            route.fulfill(status=status, headers=headers, json={"error": "not so fast", "error_type": "Overloaded"})
        else:
            route.continue_()

    return lambda page: page.route(path, handle)


@pytest.mark.parametrize("status", [429, 503])
def test_busy_servers_are_given_the_time_they_ask_for(visit, served, status):
    before = refusing(status, {"retry-after": "2"})
    page = visit(asking(served), wait=False, allowed=str(status), before=before)
    button = page.get_by_role("button", name="Try again")
    button.wait_for()
    assert button.is_disabled()
    assert "Not so fast" in page.get_by_role("alert").inner_text()
    assert page.inner_text("#retry").endswith("in 2 s")
    until(page, "document.querySelector('#retry button').ariaDisabled === 'false'")
    button.click()
    page.wait_for_selector("ol li")
    assert page.get_by_role("alert").inner_text() == ""
    assert focused(page) == "results", "and not nowhere"


def test_trouble_is_read_out_once(visit, served):
    """The countdown is outside of what is read out, and what is said already is not drawn again; so the focus stays."""
    asked, ready = [], []

    def answered(route):
        asked.append(route)
        if ready:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"retry-after": "1"}, json={"error": "not yet"})

    page = visit(served.url, wait=False, allowed="503", before=lambda page: page.route("**/v1/models", answered))
    page.get_by_role("button", name="Try again").focus()
    page.evaluate(
        "() => { window.changes = 0; new MutationObserver((all) => { window.changes += all.length; }).observe("
        "document.getElementById('trouble'), { childList: true, subtree: true, characterData: true }); }"
    )
    enough = len(asked) + 3
    while len(asked) < enough:
        page.wait_for_timeout(20)
    assert page.evaluate("document.activeElement.textContent") == "Try again"
    assert page.evaluate("window.changes") == 0
    ready.append(True)
    page.evaluate("async () => { await window.sizewise; }")
    assert focused(page) == "query"


def test_a_server_that_is_loading_is_waited_for(visit, served):
    page = visit(asking(served), allowed="503", before=refusing(503, {"retry-after": "1"}, 2, "**/v1/models"))
    assert page.locator("ol li").count() == 20


def test_a_server_that_is_gone(visit, serving, arguments):
    served = serving(*arguments[:2])
    page = visit(asking(served), allowed="ERR_CONNECTION_REFUSED")
    served.end()
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Try again").wait_for()
    assert "does not answer" in page.get_by_role("alert").inner_text()


def test_a_new_query_takes_the_place_of_one_in_trouble(visit, served):
    page = visit(asking(served), wait=False, allowed="429", before=refusing(429, {"retry-after": "60"}))
    page.get_by_role("button", name="Try again").wait_for()
    page.get_by_label("Query").fill("moon")
    page.get_by_label("Query").press("Enter")
    page.wait_for_selector("ol li")
    assert page.get_by_role("alert").inner_text() == ""


# --- what there is


def test_one_pipeline_alone(visit, serving, arguments):
    served = serving(arguments[0], arguments[2])
    page = visit(asking(served))
    assert page.locator("section.list").count() == 1
    assert page.locator("p.mark").count() == 0
    assert page.inner_text("#said") == "10 results."
    assert "sizewise serve BUNDLE ANOTHER" in page.inner_text("#ask")
    assert page.get_by_label("one list").is_hidden()


def test_nothing_to_search(visit, serving, arguments):
    page = visit(serving(arguments[2]).url)
    assert "sizewise index BUNDLE CORPUS" in page.inner_text("#trouble")
    assert page.locator("#ask").is_hidden()
    assert "static:" in page.inner_text("#facts")
    assert "No bundle here was built from a study" in page.inner_text("#frontier")


def test_without_the_page(serving, arguments):
    served = serving(arguments[0], "--no-page")
    assert httpx2.get(served.url).status_code == 405  # TEI's clients post there
    assert [httpx2.get(served.url + path).status_code for path in ("/page/main.js", "/study")] == [404] * 2


# --- how it looks, and what it is made of


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_scrolls_sideways(visit, served, width):
    page = visit(asking(served, depth=50), width=width)
    page.click("summary")
    while (button := page.get_by_role("button", name="Show all")).count():
        button.first.click()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.get_by_label("one list").is_checked() == (width < 768), "two lists are no use where one sees one"
    page.get_by_label("two lists").check()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


CONTRAST = """() => {
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), one = walker.currentNode.parentElement;
    if (!text || !one.checkVisibility() || one.closest("noscript, title, :disabled")) continue;
    const style = getComputedStyle(one), ink = light(one instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [ink, light(ground(one))].sort((x, y) => x - y);
    looked += 1;
    if ((high + 0.05) / (low + 0.05) < 4.5) found.push([text.slice(0, 40), (high + 0.05) / (low + 0.05)]);
  }
  return [looked > 100, found];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(visit, served, scheme):
    page = visit(asking(served), color_scheme=scheme, reduced_motion="reduce")
    page.click("summary")
    assert page.evaluate(CONTRAST) == [True, []]


def test_everything_has_a_name(visit, served):
    page = visit(asking(served))
    names = "button, input, select, summary, [role=img], [role=region], [tabindex='0']"
    for one in page.locator(names).all():
        if one.is_visible():
            assert page.evaluate(
                "(one) => (one.labels?.[0] ?? one).textContent.trim() || one.getAttribute('aria-label')",
                one.element_handle(),
            )
    tree = page.locator("body").aria_snapshot()
    for landmark in ("banner", "main", "search", "status", "alert"):
        assert f"- {landmark}" in tree
    assert page.locator("html").get_attribute("lang") == "en"


def test_it_is_made_of_fixed_files_under_a_strict_policy(served):
    folder = Path(routes.__file__).parents[1] / "page"
    assert {path.name for path in folder.iterdir()} == {routes.INDEX, *routes.KINDS}
    for path in ("/", *(f"/page/{name}" for name in routes.KINDS)):
        found = httpx2.get(served.url + path)
        assert found.status_code == 200
        assert found.headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'"
        )
        assert "unsafe" not in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff"
        kind = {"": "text/html", ".css": "text/css", ".js": "text/javascript"}[Path(path).suffix]
        assert found.headers["content-type"] == f"{kind}; charset=utf-8"
        assert "http://" not in found.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in found.text
    for path in (
        "index.html",
        "nothing.js",
        "..%2fapp.py",
        "%2e%2e%2fapp.py",
        "....//app.py",
        "",
        "main.js/",
        "main.js%00",
    ):
        assert httpx2.get(f"{served.url}/page/{path}").status_code in (404, 307), path
    raw = "page/../../app.py"
    assert "import" not in httpx2.get(f"{served.url}/{raw}").text
