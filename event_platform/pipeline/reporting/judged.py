"""The findings of checks on the days of a lake, in a file per month: a cache of judging the history.

Judging a day of a hundred types takes a tenth of a second, and pages and `status` show many days. A day is judged with
its report, and again if its report has other files, if limits changed, or if the day was not over. The files can be
deleted at any time.
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
Months = Mapping[date, Mapping[date, "DayFindings"]]


class DayFindings(msgspec.Struct, frozen=True):
    """The findings of the checks on a day, passed ones included."""

    files: int  # fingerprint of the day's files of quality_report
    thresholds: Thresholds
    judged_on: date
    findings: list[Finding]

    def is_current(self, day: date, files: Mapping[date, int], thresholds: Thresholds, today: date) -> bool:
        """Return whether the day has the same files and limits, and was over when it was judged or still is not."""
        is_same = self.files == files.get(day) and self.thresholds == thresholds
        return is_same and not self.judged_on <= day < today


def read_findings(storage: Storage, days: Iterable[date]) -> Months:
    """Return the months of some days."""
    months = sorted({day.replace(day=1) for day in days})
    return dict(zip(months, map_threads(lambda month: _read_month(storage, month), months), strict=True))


def current_findings(
    months: Months, report: Snapshot, thresholds: Thresholds, today: date
) -> dict[date, list[Finding]]:
    """Return the findings of the days of months that need not be judged again."""
    files = contents(report)
    return {
        day: day_findings.findings
        for month in months.values()
        for day, day_findings in month.items()
        if day_findings.is_current(day, files, thresholds, today)
    }


def store_findings(storage: Storage, months: Months, new_findings: Mapping[date, DayFindings]) -> None:
    """Write the files of months in which days were judged."""
    for month in sorted({day.replace(day=1) for day in new_findings}):
        month_findings = {
            day: _without_details(each) for day, each in new_findings.items() if day.replace(day=1) == month
        }
        all_findings = dict(sorted({**months.get(month, {}), **month_findings}.items()))
        storage.write_whole(_address(storage, month), igzip.compress(msgspec.json.encode(all_findings), mtime=0))


def _without_details(day_findings: DayFindings) -> DayFindings:
    """Drop the details of passed checks that pages do not show; the band of the volume is kept."""
    findings = [
        _without_metadata(each) if each.result.passed and each.check != volume.NAME else each
        for each in day_findings.findings
    ]
    return msgspec.structs.replace(day_findings, findings=findings)


def _without_metadata(finding: Finding) -> Finding:
    return replace(finding, result=replace(finding.result, metadata={}, bands={}))


def _read_month(storage: Storage, first: date) -> dict[date, DayFindings]:
    """Return the days in a month's file; empty if it is unusable."""
    try:
        data = igzip.decompress(storage.read(_address(storage, first)))
        return msgspec.json.decode(data, type=dict[date, DayFindings])
    except (MissingError, msgspec.MsgspecError, OSError, EOFError, isal_zlib.error):  # type: ignore[misc] # see its stub
        return {}


def _address(storage: Storage, first: date) -> str:
    return storage.uri(PAGES_FOLDER, "quality", "findings", f"{first:%Y-%m}.json.gz")
