"""The report of a run of 500 candidates: how large it is, how soon it is drawn, and how soon it decides again.

    python benchmarks/report.py --work DIR

A wide space over two precisions of one model: 63 projections, each in four vector precisions. Needs Chromium and
playwright; data: see benchmarks/data.py. A store that has the vectors already can be given with --store.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from data import data_folder

TASKS = ("stsb/en", "medquad/liveqa", "pubmedqa")
STUDY = """
name = "wide"
tasks = [{tasks}]
candidates = ["all-MiniLM-L6-v2", "all-MiniLM-L6-v2@bf16"]
[space]
dimensions = {dimensions}
pca = {pca}
vectors = ["float32", "int8", "binary", "binary-asym+rescore=100"]
"""
DIMENSIONS = list(range(376, 8, -8))
PCA = list(range(256, 0, -16))
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
TURNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the run")
    parser.add_argument("--store", type=Path, help="where vectors are kept (default: in --work)")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    study = given.work / "study.toml"
    tasks = ", ".join(f'"{data_folder() / task}"' for task in TASKS)
    study.write_text(STUDY.format(tasks=tasks, dimensions=DIMENSIONS, pca=PCA))
    run = given.work / "run"
    store = given.store or given.work / "store"
    sizewise = [sys.executable, "-c", "from sizewise.cli.main import run; run()"]
    subprocess.run([*sizewise, "study", study, "--out", run, "--store", store, "--quiet"], check=True)
    started = time.perf_counter()
    subprocess.run([*sizewise, "report", run], check=True)
    written = time.perf_counter() - started
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        opened = open_report(page, run / "report.html")
        again = page.evaluate(TURN, TURNS)
        browser.close()
    about = json.loads((run / "run.json").read_bytes())
    found = {
        "candidates": len(about["evidence"]["candidates"]),
        "tasks": len(about["evidence"]["tasks"]),
        "megabytes": round((run / "report.html").stat().st_size / 1e6, 2),
        "seconds to write": round(written, 2),
        "seconds until it is drawn": round(opened, 2),
        "seconds to decide again": round(again, 3),
        "seconds of the study": about["seconds"],
    }
    print(json.dumps(found, indent=2))


def open_report(page: Page, path: Path) -> float:
    """Seconds from asking for the page until its chart is drawn."""
    started = time.perf_counter()
    page.goto(path.resolve().as_uri())
    page.evaluate("async () => { await window.sizewise; }")
    page.wait_for_selector("#chart svg")
    return time.perf_counter() - started


TURN = """async (turns) => {
  const it = await window.sizewise, started = performance.now();
  for (let at = 0; at < turns; at++) it.decide({ ...it.run.terms, margin: 0.5 + at / 4 });
  return (performance.now() - started) / 1000 / turns;
}"""

if __name__ == "__main__":
    main()
