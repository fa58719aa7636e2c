"""The study that `sizewise demo` runs."""

from pathlib import Path

from sizewise.core.progress import Progress
from sizewise.cost.price import Prices
from sizewise.data.stdlib import write_demo_tasks
from sizewise.study.space import Space
from sizewise.study.study import Study

EXAMPLE_PRICES = Prices(
    price_per_hour=0.20,
    queries_per_month=3_000_000,
    documents=1_000_000,
    reembeddings_per_year=2,
    storage_per_gb_month=0.25,
)
"""Of a small rented machine, in no particular currency: an example to be replaced by the user's own."""


def demo_study(tasks: Path, *, threads: int | None, store: Path | None, progress: Progress) -> Study:
    """Write the demo's tasks to the folder `tasks` and return the study over them."""
    return Study(
        tasks=[*write_demo_tasks(tasks)],
        candidates=[
            "all-MiniLM-L6-v2",
            "all-MiniLM-L6-v2@int8",
            "shape:minilm-l12",
            "shape:bert-base",
            "shape:bert-large",
        ],
        name="demo",
        space=Space(dimensions=(256, 128, 64), pca=(128, 64), vectors=("int8", "binary", "binary-asym+rescore=100")),
        prices=EXAMPLE_PRICES,
        threads=threads,
        store=store,
        progress=progress,
    )
