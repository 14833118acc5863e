"""Rows of a file of rows → pieces of bounded size."""

from collections.abc import Iterable, Iterator

from event_platform.events.corruption import MAX_RECORD_BYTES, CorruptionReason
from event_platform.landing.pieces import RECORDS_PER_PIECE, BrokenError, Piece, too_large


def gather_pieces(rows: Iterable[bytes], piece_bytes: int) -> Iterator[Piece]:
    """Yield rows in pieces of about `piece_bytes`, and too large rows as corrupt records.

    If the rows end early, the last piece has the reason.
    """
    batch, size = list[bytes](), 0
    try:
        for row in rows:
            if len(row) > MAX_RECORD_BYTES or size >= piece_bytes or len(batch) >= RECORDS_PER_PIECE:
                if batch:
                    yield Piece(b"\n".join(batch))
                batch, size = [], 0
            if len(row) > MAX_RECORD_BYTES:
                yield too_large(row)
            else:
                batch.append(row)
                size += len(row)
    except BrokenError as error:
        yield Piece(b"\n".join(batch), CorruptionReason.UNREADABLE_OBJECT, str(error))
        return
    if batch:
        yield Piece(b"\n".join(batch))
