"""The check of a bundle in a process of its own, which knows nothing of how it was built.

`python -m sizewise.bundle.fresh` reads a request as JSON from standard input and writes the report to standard output;
whatever else is printed goes to standard error. Only `verify` here talks to it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from sizewise.bundle.verify import Report
from sizewise.bundle.verify import verify as verify_here
from sizewise.core.environment import THREAD_VARIABLES
from sizewise.core.errors import InputError, RunError, SizewiseError

LAST_WORDS = 300


def verify(path: Path | str, tasks: Sequence[Path | str] = (), threads: int | None = None) -> Report:
    """Check the bundle in the folder `path` in a fresh process: files, canary answers, and on `tasks` (folders) its
    measured scores.

    Raises InputError when `path` is no bundle at all, a task cannot be read or a package is missing; RunError when
    the process dies.
    """
    request = {"bundle": str(path), "tasks": [str(task) for task in tasks]}
    environment = dict(os.environ) | (dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "sizewise.bundle.fresh"],  # -P: nothing from the current folder is imported
        input=orjson.dumps(request),
        capture_output=True,
        env=environment,
        check=False,
    )
    try:
        answer = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        words = done.stderr.decode(errors="replace").strip()[-LAST_WORDS:]
        raise RunError(f"the process that checks {path} ended with code {done.returncode}: {words}") from None
    if "error" in answer:
        raise (InputError if answer["exit_code"] == InputError.exit_code else RunError)(answer["error"])
    return Report.from_json(answer)


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print to standard output; the answer must not be mixed with that
    request = orjson.loads(sys.stdin.buffer.read())
    try:
        found = verify_here(request["bundle"], request["tasks"]).to_json()
    except SizewiseError as error:
        found = {"error": str(error), "exit_code": error.exit_code}
    with answers:
        answers.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
