"""Makes a smaller model from public text and judges it by STS-B, LiveQA-Med, Banking77, word senses and
search for abstracts.

    python benchmarks/distil.py general --out DIR --layers 3 --epochs 8
    python benchmarks/distil.py mixed --out DIR --static --epochs 20

`general`, `mixed` and `all` are growing sets of text; what follows goes to `sizewise distill` as it is. Texts that the
tasks test are left out.
"""

import argparse
import subprocess
import sys

from data import data_folder

GENERAL = (
    "stsb/en/train.csv", "stsb/en/dev.csv", "senses/train.jsonl", "banking77/train.jsonl", "xquad/en-en",
    *(f"tatoeba/{language}-en" for language in ("de", "es", "fr", "hi", "zh")),
)  # fmt: skip
DOMAIN = ("medquad/liveqa", "pubmedqa", "cuad/train.jsonl", "arxiv/search")
REST = ("arxiv/pairs.jsonl.gz", "medquad/train.jsonl")
TEXTS = {"general": GENERAL, "mixed": GENERAL + DOMAIN, "all": GENERAL + DOMAIN + REST}
TASKS = ("stsb/en", "medquad/liveqa", "banking77", "senses", "arxiv/search")
TEACHER = "all-MiniLM-L6-v2"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("texts", choices=TEXTS)
    asked.add_argument("--out", required=True)
    given, rest = asked.parse_known_args()
    data = data_folder()
    sources = [word for name in TEXTS[given.texts] for word in ("--text", str(data / name))]
    tasks = [word for name in TASKS for word in ("--task", str(data / name))]
    command = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "distill", TEACHER, "--out", given.out]
    sys.exit(subprocess.run([*command, *sources, *tasks, *rest]).returncode)


if __name__ == "__main__":
    main()
