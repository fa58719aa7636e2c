"""The pictures of docs/report.md and docs/gallery.md, taken of a run's report in headless Chromium.

python benchmarks/pictures.py RUN --to docs/pictures --prefix demo
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HEIGHT = 620
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
SHOTS = {
    "answer": (1100, "light", "#answer"),
    "frontier": (1100, "light", "#frontier"),
    "knobs": (1100, "dark", "aside"),
    "scores": (1100, "light", "#scores"),
    "breaks": (1100, "light", "#breaks .case[open]"),
    "phone": (390, "dark", None),
}
"""Name: width, colours, and the part that is shown (None: what a screen shows first)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--prefix", default="report")
    parser.add_argument("--axis", help="the cost on the axis (default: what is minimised)")
    parser.add_argument("--task", help="the task of the unit that breaks (default: the first)")
    parser.add_argument("--only", nargs="*", default=list(SHOTS), choices=list(SHOTS))
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    given.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name in given.only:
            width, scheme, part = SHOTS[name]
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.goto((given.run / "report.html").resolve().as_uri())
            page.evaluate("async () => { await window.sizewise; }")
            page.wait_for_selector("#chart svg")
            if name == "frontier" and given.axis:
                page.get_by_label("Cost axis").select_option(given.axis)
                page.wait_for_timeout(500)
            if name == "breaks":
                if given.task:
                    page.locator("#breaks select").select_option(given.task)
                page.click("#breaks .case summary")
                page.wait_for_selector("#breaks .case[open] .sides h3")
            target = page.locator(part).first if part else page
            path = given.to / f"{given.prefix}-{name}.png"
            page.evaluate("scrollTo(0, 0)")
            box = target.bounding_box() if part else {"x": 0, "y": 0, "width": width, "height": HEIGHT}
            page.screenshot(path=path, full_page=True, clip=box | {"height": min(box["height"], HEIGHT)})
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
