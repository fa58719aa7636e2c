"""How the tokens of texts lie in rows of one width, several texts in a row, so that little is padding."""

from bisect import bisect_left, insort
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sizewise.encode.batches import Rows, plan
from sizewise.encode.tokens import Tokens

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

NARROWEST = 64
"""Rows are so wide or twice, four times and so on; shorter texts share one. Few shapes: each costs time to prepare."""
FEW = 2 * NARROWEST
"""Tokens that are one row of its own width: the padding of a wide one would take longer than they do."""
WIDTHS = 8
"""All widths are multiples."""
BROKEN = 32
"""No row is so wide: bfloat16 beside int8 (on AMX, openvino 2026.4) gives wrong vectors where heads are so wide too."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one width that are run together."""

    texts: Rows
    """int64 [m]: positions of its texts."""
    row: Rows
    """int64 [m]: the row of each."""
    start: Rows
    """int64 [m]: where in the row it begins."""
    number: Rows
    """int64 [m]: which text of its row it is, from 1."""
    width: int

    def of(self, positions: Rows) -> "Block":
        """The same where the texts are those at `positions` of a longer list."""
        return replace(self, texts=positions[self.texts])

    def fill(self, tokens: Tokens) -> tuple[Ids, Ids]:
        """Ids and mask int64 [rows, width] of `tokens`, those of the block's own texts; the mask numbers the texts of a
        row and is 0 behind the last."""
        shape = (int(self.row.max()) + 1, self.width)
        ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        lengths = tokens.lengths
        first = self.row * self.width + self.start - tokens.starts[:-1]
        where = np.arange(len(tokens.ids)) + np.repeat(first, lengths)
        ids.reshape(-1)[where] = tokens.ids
        mask.reshape(-1)[where] = np.repeat(self.number, lengths)
        return ids, mask

    def vectors(self, found: Vectors) -> Vectors:
        """Those of its texts [m, d] among all that a run makes [rows x largest number, d]."""
        chosen: Vectors = found[self.row * int(self.number.max()) + self.number - 1]
        return chosen


def shared_rows(lengths: npt.ArrayLike, budget: int, longest: int) -> list[Block]:
    """Blocks of at most `budget` tokens (or one row) for texts of `lengths` int [n], none over `longest`, each in the
    row where it leaves the least room, longest first (best fit decreasing). Few tokens are one row."""
    sizes = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    if (total := int(sizes.sum())) <= min(FEW, budget, longest):
        starts = np.cumsum(sizes) - sizes
        return [_block([[(at, start, at + 1) for at, start in enumerate(starts.tolist())]], fitting(total))]
    widths = _widths(longest)
    rows: list[list[tuple[int, int, int]]] = []
    """Text, start and number."""
    width_of: list[int] = []
    free: list[tuple[int, int]] = []
    """Room left and row, sorted."""
    for text in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[text])
        at = bisect_left(free, (size, 0))
        if at < len(free):
            room, row = free.pop(at)
        else:
            room, row = widths[bisect_left(widths, size)], len(rows)
            rows.append([])
            width_of.append(room)
        rows[row].append((text, width_of[row] - room, len(rows[row]) + 1))
        if room > size:
            insort(free, (room - size, row))
    found = []
    for width in sorted(set(width_of), reverse=True):
        same = [row for row, own in enumerate(width_of) if own == width]
        while same:
            now = _rows_at_once(len(same), max(1, budget // width))
            found.append(_block([rows[row] for row in same[:now]], width))
            del same[:now]
    return found


def own_rows(lengths: npt.ArrayLike, budget: int, step: int) -> list[Block]:
    """Blocks of at most `budget` tokens (or one text) in which each text has a row of its own, its width a multiple of
    `step`."""
    widths = -(-np.maximum(np.asarray(lengths, dtype=np.int64), 1) // step) * step
    return [
        _block([[(text, 0, 1)] for text in texts.tolist()], int(widths[texts].max())) for texts in plan(widths, budget)
    ]


def fitting(tokens: int) -> int:
    """The width of a row for so many: at most 7 or a quarter more, so that there are few shapes of any length."""
    step = max(WIDTHS, 1 << max(0, (tokens - 1).bit_length() - 3))
    width = -(-tokens // step) * step
    return width + WIDTHS if width == BROKEN else width


def one_row(ids: npt.NDArray[np.integer], width: int) -> tuple[Ids, Ids]:
    """Ids and mask int64 [1, width] of one text with the token ids `ids`."""
    shape = (1, width)
    row, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    row[0, : len(ids)], mask[0, : len(ids)] = ids, 1
    return row, mask


def _block(rows: list[list[tuple[int, int, int]]], width: int) -> Block:
    row = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    texts, start, number = np.array([text for own in rows for text in own], dtype=np.int64).T
    return Block(texts, row, start, number, width)


def _rows_at_once(left: int, most: int) -> int:
    """As many as may be; what is left by powers of two, since every number of rows is a shape that is kept ready."""
    return most if left >= most else 1 << (left.bit_length() - 1)


def _widths(longest: int) -> list[int]:
    """NARROWEST times 1, 2, 4 and so on, up to what holds `longest` tokens."""
    found = [NARROWEST]
    while found[-1] < longest:
        found.append(min(2 * found[-1], -(-longest // WIDTHS) * WIDTHS))
    return found
