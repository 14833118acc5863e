"""What the checks found of the days of a lake, in a file for each month: a cache of judging the history.

To judge a day of a hundred types takes a tenth of a second, and pages and `status` show many days. A day is judged with
its report; again if its report has other files since, if limits are others, or if it was not over. Files can be deleted
at any time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

import msgspec
from isal import igzip, isal_zlib

from event_platform.checks import volume
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.errors import MissingError
from event_platform.lake.derived import contents
from event_platform.lake.names import PAGES_FOLDER
from event_platform.lake.snapshot import Snapshot
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads

#: By the first day of each month, and by day.
Months = Mapping[date, Mapping[date, "Judged"]]


class Judged(msgspec.Struct, frozen=True):
    """What the checks found of a day, passed ones included."""

    files: int  # fingerprint of the day's files of quality_report
    thresholds: Thresholds
    judged_on: date
    findings: list[Finding]

    def is_current(self, day: date, files: Mapping[date, int], thresholds: Thresholds, today: date) -> bool:
        """Return whether the day has the same files and limits, and was over when it was judged or still is not."""
        same = self.files == files.get(day) and self.thresholds == thresholds
        return same and not self.judged_on <= day < today


def read_judged(storage: Storage, days: Iterable[date]) -> Months:
    """Return the months of some days."""
    months = sorted({day.replace(day=1) for day in days})
    return dict(zip(months, map_threads(lambda month: _read(storage, month), months), strict=True))


def current_findings(
    months: Months, report: Snapshot, thresholds: Thresholds, today: date
) -> dict[date, list[Finding]]:
    """Return the findings of the days of months that need not be judged again."""
    files = contents(report)
    return {
        day: judged.findings
        for month in months.values()
        for day, judged in month.items()
        if judged.is_current(day, files, thresholds, today)
    }


def store_judged(storage: Storage, months: Months, judged: Mapping[date, Judged]) -> None:
    """Write the files of months in which days were judged."""
    for first in sorted({day.replace(day=1) for day in judged}):
        new = {day: _without_details(each) for day, each in judged.items() if day.replace(day=1) == first}
        stored = dict(sorted({**months.get(first, {}), **new}.items()))
        storage.write_whole(_address(storage, first), igzip.compress(msgspec.json.encode(stored), mtime=0))


def _without_details(judged: Judged) -> Judged:
    """Leave out what pages do not show of checks that passed: of volume they show the band."""
    findings = [_passed(each) if each.result.passed and each.check != volume.NAME else each for each in judged.findings]
    return msgspec.structs.replace(judged, findings=findings)


def _passed(finding: Finding) -> Finding:
    return replace(finding, result=replace(finding.result, metadata={}, bands={}))


def _read(storage: Storage, first: date) -> dict[date, Judged]:
    """Return the days of a month as its file has them; none where it cannot be used."""
    try:
        data = igzip.decompress(storage.read(_address(storage, first)))
        return msgspec.json.decode(data, type=dict[date, Judged])
    except (MissingError, msgspec.MsgspecError, OSError, EOFError, isal_zlib.error):  # type: ignore[misc] # see its stub
        return {}


def _address(storage: Storage, first: date) -> str:
    return storage.uri(PAGES_FOLDER, "quality", "findings", f"{first:%Y-%m}.json.gz")
