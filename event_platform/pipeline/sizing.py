"""Sizes of tasks and batches.

How objects are unpacked is in `landing.pieces`.
"""

from dataclasses import dataclass
from datetime import timedelta

_MB = 1 << 20


@dataclass(frozen=True)
class Sizing:
    """Sizes of tasks, of their working sets (batches) and of files. They change costs, never rows."""

    # A step with fewer rows is done by the driver: to start the pool takes as long as some 50,000 events.
    small_rows: int = 20_000

    # Loading. Compressed JSON grows about fourfold, its columns as much again. A task loads several batches one after
    # the other, for a file of about 64 MB. For small loads, there are more and smaller tasks.
    compressed_bytes_per_batch: int = 12 * _MB
    plain_bytes_per_batch: int = 48 * _MB
    objects_per_batch: int = 2_000
    batches_per_load_task: int = 6
    min_load_tasks: int = 16
    large_object_bytes: int = 64 * _MB  # a larger object is read range by range
    range_bytes: int = 16 * _MB
    large_load_batches: float = 0.25  # the driver does not do a larger load

    # Deduplication. The file of a task is about 64 MB. A search holds about 40 bytes for each record.
    rows_per_split_task: int = 800_000
    rows_per_split_batch: int = 80_000
    min_split_tasks: int = 16  # if each gets at least a batch
    rows_per_search: int = 25_000_000
    rows_per_spread: int = 5_000_000

    # Typing. With fewer tasks, fewer of them read the same row groups; for small loads, tasks are smaller by up to a
    # half.
    events_per_type_task: int = 200_000
    events_per_type_batch: int = 100_000
    min_type_tasks: int = 20
    events_per_file: int = 1_500_000  # of one type: about 64 MB

    # Compaction. With 16 files, a row is rewritten whenever a file of its size class is full: twice for 16 to the power
    # of two increments a day. Files are not compacted while readers of appended rows may still need them.
    files_per_compaction: int = 16
    full_file_bytes: int = 72 * _MB  # fewer files are compacted if their total size is this
    compaction_size_classes: tuple[int, ...] = (_MB, 16 * _MB, 48 * _MB)  # bytes; larger files stay
    rows_per_compaction: int = 2_000_000
    compaction_age: timedelta = timedelta(hours=1)


DEFAULT_SIZING = Sizing()
