"""The document of a benchmark → printed tables."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

_NOTHING = "-"


def tables(document: dict[str, Any]) -> list[Table]:
    """Return tables of the costs and the differences in the JSON of `bench.__main__`."""
    return [_costs(document), _steps(document), _differences(document), _versions(document)]


def _costs(document: dict[str, Any]) -> Table:
    machine = document["machine"]
    table = Table(
        "",
        title=f"{document['events']:,} events, {document['landing_bytes'] / 1e6:,.0f} MB landed, "
        f"{machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['processor']}, "
        f"load {machine['load_before']:.1f} at the start",
        caption="CPU and memory are those of all processes. Ratios are to this platform: 2 is twice as much.",
    )
    for name in ("wall s", "events/s", "CPU µs/event", "peak MB", "written MB", "files", "wall ratio", "CPU ratio"):
        table.add_column(name, justify="right")
    ours = next((row for row in document["rows"] if row["key"] == "platform" and "missing" not in row), None)
    for row in document["rows"]:
        if "missing" in row:
            table.add_row(f"{row['label']}\n  {row['missing']}", *[_NOTHING] * 8)
        else:
            table.add_row(row["label"], *_figures(row, document["events"]), *_ratios(row, ours))
    return table


def _figures(row: dict[str, Any], events: int) -> Iterator[str]:
    yield f"{row['wall_seconds']:.1f}"
    yield f"{events / row['wall_seconds']:,.0f}"
    yield f"{row['cpu_seconds'] / events * 1e6:.1f}"
    yield f"{row['peak_bytes'] / 1e6:,.0f}"
    yield f"{row['written_bytes'] / 1e6:,.0f}"
    yield f"{row['files']:,}"


def _ratios(row: dict[str, Any], ours: dict[str, Any] | None) -> Iterator[str]:
    for figure in ("wall_seconds", "cpu_seconds"):
        yield f"{row[figure] / ours[figure]:.2f}" if ours else _NOTHING


def _versions(document: dict[str, Any]) -> Table:
    table = Table("", "versions", title="With")
    own = ", ".join(f"{name} {version}" for name, version in document["machine"]["versions"].items())
    for row in document["rows"]:
        if "versions" in row:
            table.add_row(row["label"], row["versions"] or own)
    return table


def _steps(document: dict[str, Any]) -> Table:
    table = Table("this platform by step", title="Steps alone, in the same pool, in a process without Dagster")
    for name in ("wall s", "CPU µs/event"):
        table.add_column(name, justify="right")
    for step in document["steps"]:
        table.add_row(
            step["step"], f"{step['wall_seconds']:.2f}", f"{step['cpu_seconds'] / document['events'] * 1e6:.2f}"
        )
    return table


def _differences(document: dict[str, Any]) -> Table:
    table = Table("typed events, compared with this platform's", title="What they wrote")
    for name in ("rows", "missing", "extra", "repeated", "values", "different", "reshaped columns", "rescued by us"):
        table.add_column(name, justify="right")
    for row in document["rows"]:
        if found := row.get("differences"):
            figures = ("rows", "missing_rows", "extra_rows", "repeated_rows", "values", "different_values")
            table.add_row(
                row["label"],
                *(f"{found[figure]:,}" for figure in (*figures, "reshaped_columns", "rescued_rows")),
            )
    return table
