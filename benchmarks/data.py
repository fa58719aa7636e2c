"""Where benchmarks find public evaluation sets: $SIZEWISE_DATA, or ../shared/data beside the repository."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder with the sets; ends the program with what to do when there is none."""
    folder = Path(os.environ.get("SIZEWISE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        sys.exit(f"{folder} is not there; set SIZEWISE_DATA to a folder with stsb/en, medquad/liveqa, pubmedqa, ...")
    return folder
