"""What sentence-transformers makes of a bundle, by itself: no code of ours runs between the text and the vector."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.core.candidate import Role
from sizewise.core.errors import RunError
from sizewise.core.extras import require
from sizewise.transform.transform import Vectors


def vectors(folder: Path, texts: Sequence[str]) -> dict[Role, Vectors]:
    """float32 [n, d] by role, as a user gets them from `SentenceTransformer(folder)` without any option.

    Raises RunError when it does not load, MissingExtra when sentence-transformers is not installed.
    """
    require("sentence_transformers", "this check")
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    for noisy in ("sentence_transformers", "transformers"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        model = SentenceTransformer(str(folder), local_files_only=True)
        by_role: dict[Role, Callable[[list[str]], Any]]
        by_role = {"query": model.encode_query, "document": model.encode_document, "text": model.encode}
        return {role: np.asarray(encode(list(texts)), dtype=np.float32) for role, encode in by_role.items()}
    except Exception as error:
        raise RunError(f"sentence-transformers does not load {folder}: {error}") from error
