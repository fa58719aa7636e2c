"""What the system refused, in one sentence that says what to do."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
ELSEWHERE = "name another folder with --out or --store"
RESUMES = "what was finished is kept, and the same command goes on from there"


def sentence(error: OSError | MemoryError) -> str:
    """What went wrong, where, and what to do."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory; choose smaller candidates or fewer texts ({RESUMES})"
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in FULL or _cut_short(error):
        return f"the disk is full{where}; make room, or {ELSEWHERE} ({RESUMES})"
    if error.errno in REFUSED:
        return f"{error.strerror}{where}: the system does not allow it; change that, or {ELSEWHERE}"
    if error.errno == errno.EMFILE:
        return f"too many files are open{where}; allow more of them (ulimit -n) and run again ({RESUMES})"
    return f"{error}; run again, with SIZEWISE_DEBUG=1 to see where it happens ({RESUMES})"


def _cut_short(error: OSError) -> bool:
    """Whether numpy wrote less of an array than it has: it says so without the system's error number."""
    return error.errno is None and " requested and " in str(error)
