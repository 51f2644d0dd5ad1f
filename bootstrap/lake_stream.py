"""The lake as a stream of blocks, in bounded memory: each impression once, with its final label.

A negative whose correction the lake has is left out, and the correction stands for both. To know,
only the keys of corrections within the attribution window are held: no more lies between.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.layout import Layout
from stores.lake.folders import Hour, LakeError, compacted, hours, landing
from stores.lake.parquet_files import each_once, read_file

T = TypeVar("T")
Keys = NDArray[np.uint64]
_NO_KEYS: Keys = np.empty(0, np.uint64)
BLOCK_ROWS = 65_536
COLUMNS = (
    "kind",
    "request_id",
    "ad_id",
    "position",
    "feature_fingerprint",
    "inputs",
    "label",
    "label_ts",
    "sample_weight",
)
KEYS = ("kind", "request_id", "ad_id")


@dataclass(frozen=True, slots=True)
class Block:
    """Impressions [n] in order of the time at which their label became known.

    ``samples`` have the positions at which ads were shown; ``weights`` are those of the stream.
    ``read`` rows of the lake were read for them, ``late`` of their ``clicks`` were corrections.
    """

    samples: NDArray[np.void]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    label_ms: NDArray[np.int64]
    read: int
    clicks: int
    late: int

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class LakeStream:
    """Samples of one declaration; of the negatives the share ``keep`` stays, chosen by a hash of
    the impression, so that it is always the same. Corrections may come ``window_hours`` later."""

    lake: Path
    spec: FeatureSpec
    keep: float = 1.0
    window_hours: int = 24

    def hours(self) -> list[Hour]:
        """Hours up to the last that is complete, in order: nothing comes to them any more.

        Raises LakeError if there are none.
        """
        if not self.lake.is_dir():
            raise LakeError(f"lake {self.lake}: no such folder")
        found = hours(self.lake, SAMPLES)
        complete = [
            place
            for place, hour in enumerate(found)
            if any(folder(self.lake, SAMPLES, hour).is_complete for folder in (landing, compacted))
        ]
        if not complete:
            raise LakeError(f"lake {self.lake}: no complete hour of {SAMPLES.name}")
        return found[: complete[-1] + 1]

    def rows(self, chosen: Sequence[Hour]) -> int:
        """How many rows some hours have, by the files' own word. Raises LakeError."""
        return sum(self._listed(hour, _counted) for hour in chosen)

    def blocks(
        self, chosen: Sequence[Hour], part: int = 0, parts: int = 1
    ) -> Iterator[tuple[int, int, Block]]:
        """Place of the hour in ``chosen``, number of the block in its hour, and the block; of each
        block one of so many parts of equal length.

        Raises LakeError if a file cannot be read.
        """
        everywhere = self.hours()
        window: deque[tuple[Hour, Keys]] = deque()
        for place, hour in enumerate(chosen):
            last = everywhere.index(hour) + self.window_hours
            while window and window[0][0] < hour:
                window.popleft()
            known = {corrected for corrected, _ in window}
            for later in everywhere[everywhere.index(hour) : last + 1]:
                if later not in known:
                    window.append((later, self._corrections(later)))
            corrections = np.unique(np.concatenate([keys for _, keys in window]))
            for number, table in enumerate(self._tables(hour, COLUMNS)):
                begin, end = (table.num_rows * at // parts for at in (part, part + 1))
                yield place, number, self._block(table.slice(begin, end - begin), corrections)

    def first_block(self, hour: Hour, rows: int) -> Block | None:
        """Of the first so many rows of an hour, without regard to corrections. Raises LakeError."""
        table = next(self._tables(hour, COLUMNS), None)
        return None if table is None else self._block(table.slice(0, rows), _NO_KEYS)

    def _files(self, hour: Hour) -> list[Path]:
        """In the order that compaction leaves rows in: also for several processes that read an hour
        before and after it. Landed ones are looked for first, they are not to be missed."""
        landed = landing(self.lake, SAMPLES, hour).files()
        return [*compacted(self.lake, SAMPLES, hour).files(), *landed]

    def _tables(self, hour: Hour, columns: Sequence[str]) -> Iterator[Any]:
        """A compacted hour is read piece by piece; one that has still landed files, as a whole:
        its rows may be repeated there."""
        needed = list(dict.fromkeys([*SAMPLES.identity, *columns]))
        whole_hour = compacted(self.lake, SAMPLES, hour).path

        def opened(files: Sequence[Path]) -> Any:
            if len(files) == 1 and files[0].parent == whole_hour:
                return pq.ParquetFile(files[0])
            parts = [read_file(SAMPLES, file, needed) for file in files]
            return each_once(SAMPLES, pa.concat_tables(parts)).select(list(columns))

        found = self._listed(hour, opened)
        if isinstance(found, pa.Table):
            for start in range(0, found.num_rows, BLOCK_ROWS):
                yield found.slice(start, BLOCK_ROWS)
            return
        try:
            with found:
                for batch in found.iter_batches(BLOCK_ROWS, columns=list(columns)):
                    yield pa.Table.from_batches([batch])
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"lake {self.lake}, hour {hour}: {error}") from None

    def _listed(self, hour: Hour, read: Callable[[Sequence[Path]], T]) -> T:
        """What ``read`` makes of an hour's files; they are listed again if they were compacted
        between the listing and the reading. Raises LakeError."""
        try:
            try:
                return read(self._files(hour))
            except FileNotFoundError:
                return read(self._files(hour))
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"lake {self.lake}, hour {hour}: {error}") from None

    def _corrections(self, hour: Hour) -> Keys:
        keys = [
            _keys(table.filter(pc.equal(table["kind"], "CORRECTION")))
            for table in self._tables(hour, KEYS)
        ]
        return np.concatenate([_NO_KEYS, *keys])

    def _block(self, table: Any, corrections: Keys) -> Block:
        """Without the negatives among ``corrections``, which ascend, and those not to keep."""
        read, layout = table.num_rows, Layout.of(self.spec)
        table = table.filter(
            pc.and_(
                pc.and_(
                    pc.equal(table["feature_fingerprint"], self.spec.fingerprint),
                    pc.equal(pc.binary_length(table["inputs"]), layout.dtype.itemsize),
                ),
                pc.and_(
                    pc.not_equal(table["kind"], "MATURE"), pc.greater(table["sample_weight"], 0.0)
                ),
            )
        )
        labels = table["label"].to_numpy().astype(np.float32)
        negative = np.flatnonzero(labels < 0.5)
        use = np.ones(len(labels), bool)
        keys = _keys(table.take(pa.array(negative)))
        use[negative] = _stay(keys, self.keep) & ~_are_among(corrections, keys)
        table = table.filter(pa.array(use))
        samples = layout.unpack(_joined(table["inputs"]))
        positions = table["position"].to_numpy().astype(np.int64)
        return Block(
            samples=Encoder(self.spec).with_positions(samples, positions),
            labels=labels[use],
            weights=table["sample_weight"].to_numpy().astype(np.float32),
            label_ms=table["label_ts"].cast(pa.int64()).to_numpy(),
            read=read,
            clicks=int(labels[use].sum()),
            late=int(pc.sum(pc.equal(table["kind"], "CORRECTION")).as_py() or 0),
        )


def _counted(files: Sequence[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)


def _keys(table: Any) -> Keys:
    """64-bit hashes of impressions."""
    texts = pc.binary_join_element_wise(table["request_id"], table["ad_id"], "\x1f")
    found = map(xxhash.xxh3_64_intdigest, texts.cast(pa.binary()).to_pylist())
    return np.fromiter(found, np.uint64, len(texts))


def _stay(keys: Keys, share: float) -> NDArray[np.bool_]:
    return keys <= np.uint64(math.ceil(share * 2.0**64) - 1)


def _are_among(ascending: Keys, keys: Keys) -> NDArray[np.bool_]:
    """As np.isin, which would sort both each time."""
    if not len(ascending):
        return np.zeros(len(keys), np.bool_)
    places = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[places] == keys
    return found


def _joined(column: Any) -> bytes | memoryview:
    """The bytes of all values of a column of binary ones, without making an object of each."""
    values = column.combine_chunks()
    if not len(values):
        return b""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset :]
    return memoryview(values.buffers()[2])[offsets[0] : offsets[len(values)]]
