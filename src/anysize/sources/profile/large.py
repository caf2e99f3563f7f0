"""Facts of the columns of a large delimited table, at about the speed of memory.

The first rows are parsed cell by cell and show what each column holds. Of all others every cell is
checked for what would contradict that: a number or date must begin like one, one of few values must
be a known one. What does not pass, and a sample of what does, is parsed. So empty
cells, words among numbers and new values are found wherever they are, while ranges, quantiles and
the share of each way to write a number come from the sample.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.readers.values import is_missing
from anysize.sources.profile.cells import Block, Places, cells_of
from anysize.sources.profile.facts import MOST_HASHES, Facts
from anysize.sources.profile.kinds import column_of
from anysize.sources.rows import RowError, split_cells
from anysize.sources.tables.dialect import Dialect

Way: TypeAlias = Literal["like a number", "known", "any"]

FIRST_ROWS = 2048
_SAMPLED, _LEAST_SAMPLED, _MOST_SAMPLED = 2000, 3, 400
_PARSED = 256
_FEW = 300
_SLOTS = 14
_OFTEN = 8
_EXAMPLES = 5
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1], np.uint64)


def _begins() -> NDArray[np.bool_]:
    """For each two bytes, the first one low, whether a number or date may begin with them."""
    found = np.zeros((256, 256), bool)  # [second, first]
    digits, signs = [*b"0123456789"], [*b"+-.$"]
    found[:, digits] = True
    for sign in signs:
        # A sign alone is a word for a missing value.
        found[[*digits, *signs], sign] = True
    return found.reshape(-1)


_BEGINS = _begins()


class LargeFacts:
    """Counts over blocks of rows, in their order.

    Args:
        columns: how many the table has.
        dialect: how rows are cut into cells.
        encoding: of the table.
        blocks: how many there will be, about; the fewer, the more of each is parsed.
    """

    def __init__(self, columns: int, dialect: Dialect, encoding: str, blocks: int) -> None:
        self.rows = 0
        self.unread = 0
        self._dialect, self._encoding = dialect, encoding
        sampled = min(max(_SAMPLED // max(blocks, 1), _LEAST_SAMPLED), _MOST_SAMPLED)
        self._columns = [_Column(encoding, sampled) for _ in range(columns)]

    def fork(self) -> LargeFacts:
        """For other rows of the same table: knows what the columns hold, and has counted none."""
        other = LargeFacts(0, self._dialect, self._encoding, 1)
        other._columns = [column.fork() for column in self._columns]
        return other

    def add(self, data: NDArray[np.uint8], starts: Places, row: int) -> None:
        """Counts rows.

        Args:
            data: the rows' bytes, and ``PADDING`` behind them; not kept.
            starts: of the rows in ``data``, and the end of the last one.
            row: the number of the first.
        """
        count = len(starts) - 1
        if count < 1:
            return
        block = cells_of(data, starts, len(self._columns), self._dialect)
        for row in block.others[:_PARSED]:
            self._odd_row(data[starts[row] : starts[row + 1]].tobytes())
        self.unread += max(len(block.others) - _PARSED, 0)
        rows = block.rows + row
        for place, column in enumerate(self._columns):
            column.add(block, place, rows)
        self.rows += count

    def facts(self) -> list[Facts]:
        """Of each column."""
        return [column.finished() for column in self._columns]

    def _odd_row(self, raw: bytes) -> None:
        try:
            cells = split_cells(raw.decode(self._encoding), self._dialect)
        except (RowError, UnicodeDecodeError):
            cells = []
        if len(cells) != len(self._columns):
            self.unread += 1
            return
        for cell, column in zip(cells, self._columns, strict=True):
            column.facts.count(cell, 1)


class _Column:
    """One column's counts.

    Args:
        encoding: of the table.
        sampled: cells of a block that are parsed.
    """

    def __init__(self, encoding: str, sampled: int) -> None:
        self.facts = Facts()
        self._sampled = sampled
        self._encoding = encoding
        self._way: Way | None = None
        self._decimals = False
        self._blocks = 0
        self._passed = 0
        self._characters = 0
        self._keys = np.zeros(1 << _SLOTS, np.uint64)
        self._held: list[str] = []
        self._slots = np.zeros(1 << _SLOTS, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._least = np.zeros(0, np.uint64)

    def fork(self) -> _Column:
        """The same knowledge, and no counts."""
        other = _Column(self._encoding, self._sampled)
        other._way = self._way or self._choose()
        other._keys, other._slots = self._keys.copy(), self._slots.copy()
        other._held, other._counts = list(self._held), np.zeros_like(self._counts)
        other._decimals = self._fractions()
        return other

    def add(self, block: Block, place: int, rows: Places) -> None:
        starts, stops = block.starts[place], block.stops[place]
        if self._way is None:
            first = max(FIRST_ROWS - self.facts.rows, 0)
            self._parse(block, starts[:first], stops[:first], rows[:first])
            starts, stops, rows = starts[first:], stops[first:], rows[first:]
            if len(rows) or self.facts.rows >= FIRST_ROWS:
                self._way, self._decimals = self._choose(), self._fractions()
                # No more of the first rows than of any others.
                self.facts.sample = self.facts.sample[:: max(FIRST_ROWS // self._sampled, 1)]
        if not len(rows):
            return
        if block.empty:
            there = starts < stops
            gaps = len(there) - int(np.count_nonzero(there))
            if gaps:
                self.facts.rows += gaps
                self.facts.missing += gaps
                starts, stops, rows = starts[there], stops[there], rows[there]
        if self._way == "known":
            self._look_up(block, starts, stops)
        elif self._way == "like a number":
            self._check(block, starts, stops, rows)
        else:
            self._pass(block, starts, stops, rows)

    def finished(self) -> Facts:
        """The facts, with what passed in proportion to what was parsed."""
        facts = self.facts
        for text, times in zip(self._held, self._counts.tolist(), strict=True):
            if times:
                facts.count(text, times)
        seen = facts.present
        if not self._passed:
            return facts
        facts.keep_hashes(self._least.tolist())
        forms = {
            form: times
            for form, times in facts.forms.items()
            if self._way != "like a number" or form not in ("word", "list", "boolean")
        }
        total = max(sum(forms.values()), 1)
        left = self._passed
        for form, times in sorted(forms.items(), key=lambda pair: -pair[1]):
            more = min(-(-self._passed * times // total), left)
            facts.forms[form] += more
            left -= more
        scale = self._passed / max(seen, 1)
        for name in ("whole", "zeros", "signed", "blanks"):
            value = getattr(facts, name)
            setattr(facts, name, value + (self._passed if value == seen else int(value * scale)))
        facts.rows += self._passed
        facts.characters += self._characters if self._way == "any" else 0
        return facts

    def _choose(self) -> Way:
        facts = self.facts
        kind = column_of("", facts).kind
        if not facts.many and facts.distinct <= min(_FEW, facts.rows / 4):
            return "known"
        return "like a number" if facts.low is not None and kind != "text" else "any"

    def _fractions(self) -> bool:
        """Whether most are numbers with decimals."""
        return self.facts.low is not None and self.facts.whole < self.facts.present / 2

    def _parse(self, block: Block, starts: Places, stops: Places, rows: Places) -> None:
        """Counts cells one by one."""
        if len(rows):
            self.facts.add(self._texts(block, starts, stops), int(rows[0]))

    def _texts(self, block: Block, starts: Places, stops: Places) -> list[str]:
        data = block.data
        return [
            data[start:stop].tobytes().decode(self._encoding, "replace").replace('""', '"')
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]

    def _check(self, block: Block, starts: Places, stops: Places, rows: Places) -> None:
        pairs = np.ndarray(len(block.data) - 1, "<u2", block.data, 0, (1,))
        right = _BEGINS[pairs[starts]]
        if not right.all():
            wrong = np.flatnonzero(~right)
            self._others(block, starts[wrong], stops[wrong])
            starts, stops, rows = starts[right], stops[right], rows[right]
        self._pass(block, starts, stops, rows)

    def _pass(self, block: Block, starts: Places, stops: Places, rows: Places) -> None:
        """Counts cells that are what they should be, and parses a few of them."""
        if not len(rows):
            return
        step = max(len(rows) // self._sampled, 1)
        some = slice(0, None, step)
        texts = self._texts(block, starts[some], stops[some])
        self.facts.sample_numbers(
            [self.facts.count(text, 1) for text in texts], rows[some].tolist()
        )
        self._passed += len(rows) - len(texts)
        if self._decimals:
            return  # how many different decimals there are decides nothing
        if self._way == "any":
            self._characters += int(stops.sum() - starts.sum())
        self._blocks += 1
        if len(self._least) < MOST_HASHES and self._blocks > _OFTEN and self._blocks % _OFTEN:
            return  # few values, which are seen again and again
        hashes = _hashes(block.data, starts, stops)
        if len(self._least) == MOST_HASHES:
            hashes = hashes[hashes < self._least[-1]]
        if len(hashes):
            self._least = np.unique(np.concatenate([self._least, hashes]))[:MOST_HASHES]

    def _look_up(self, block: Block, starts: Places, stops: Places) -> None:
        keys = _hashes(block.data, starts, stops)
        slots = (keys >> np.uint64(64 - _SLOTS)).astype(np.intp)
        known = self._keys[slots] == keys
        if len(self._counts):
            found = self._slots[slots[known]]
            self._counts += np.bincount(found, minlength=len(self._counts))
        if known.all():
            return
        new = np.flatnonzero(~known)
        values, first, times = np.unique(keys[new], return_index=True, return_counts=True)
        places = new[first]
        texts = self._texts(block, starts[places[:_PARSED]], stops[places[:_PARSED]])
        for key, text, count in zip(values.tolist(), texts, times.tolist(), strict=False):
            self._learn(key, text, count)
        if len(values) > _PARSED or len(self._held) > _FEW:
            self._passed += int(times[_PARSED:].sum())
            self._way = "any"

    def _learn(self, key: int, text: str, times: int) -> None:
        slot = key >> (64 - _SLOTS)
        if self._keys[slot] or len(self._held) > _FEW:
            self.facts.count(text, times)
            return
        self._keys[slot], self._slots[slot] = key, len(self._held)
        self._held.append(text)
        self._counts = np.append(self._counts, times)

    def _others(self, block: Block, starts: Places, stops: Places) -> None:
        """Parses cells that contradict what the column holds; of very many, each value once."""
        hashes = _hashes(block.data, starts, stops)
        _, first, times = np.unique(hashes, return_index=True, return_counts=True)
        places = first[:_PARSED]
        texts = self._texts(block, starts[places], stops[places])
        for text, count in zip(texts, times.tolist(), strict=False):
            value = self.facts.count(text, count)
            if value is None and not is_missing(text) and len(self.facts.examples) < _EXAMPLES:
                self.facts.examples.append(text[:60])
        more = int(times[_PARSED:].sum())
        if more:
            self.facts.rows += more
            self.facts.forms["word"] = self.facts.forms.get("word", 0) + more


def _hashes(data: NDArray[np.uint8], starts: Places, stops: Places) -> NDArray[np.uint64]:
    """A hash of each cell by its length, its first 16 bytes and its last 8."""
    words = np.ndarray(len(data) - 7, "<u8", data, 0, (1,))
    sizes = stops - starts
    long = bool(len(sizes)) and int(sizes.max()) > 8
    keys: NDArray[np.uint64] = words[starts]
    keys &= _MASKS[np.minimum(sizes, 8) if long else sizes]
    keys *= _MIX
    if long:
        rest = _MASKS[np.clip(sizes - 8, 0, 8)]
        more = words[np.minimum(starts + 8, len(words) - 1)] & rest
        more ^= (words[np.maximum(stops - 8, 0)] & rest) << np.uint64(1)
        more += sizes.view(np.uint64) << np.uint64(56)
        more *= np.uint64(0xBF58476D1CE4E5B9)
        keys ^= keys >> np.uint64(32)
        keys += more
        keys *= _MIX
    keys ^= keys >> np.uint64(29)
    keys *= np.uint64(0x94D049BB133111EB)
    return keys
