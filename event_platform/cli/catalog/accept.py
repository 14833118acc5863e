"""`event-platform catalog accept`: write the changes that `catalog diff` proposes into the files of the schemas."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from event_platform.cli.catalog.arrivals import as_json, open_arrived
from event_platform.cli.catalog.editing import EditedSchema, edit_schemas, require_sound, write_schemas
from event_platform.cli.catalog.listing import CHARACTERS
from event_platform.cli.output import OUT, visible
from event_platform.environment import Environment
from event_platform.events.catalog import key_of
from event_platform.events.differences.name_proposals import Choice
from event_platform.events.differences.proposal import Finding, Proposal
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.catalogs import CatalogFiles, read_catalog_files
from event_platform.events.wording import counted
from event_platform.pipeline.differences.find import find_differences
from event_platform.quality.text import shown


@dataclass(frozen=True)
class Selection:
    """Which differences to accept, by event type and by field (including nested fields). Empty means all."""

    types: Collection[str] = ()
    fields: Collection[str] = ()
    as_new: bool = False  # names among the types are events of their own, whatever they are like

    @property
    def choice(self) -> Choice:
        """The user's choice among types and names."""
        names = frozenset(self.types)
        return Choice(new=names) if self.as_new else Choice(same=names)

    def takes(self, proposal: Proposal) -> bool:
        """Return whether a difference is accepted.

        Differences that need a person's judgement require `--field` or TYPE.
        """
        is_chosen = self.has_field(proposal) if self.fields else not proposal.is_judgement or self.has_name(proposal)
        return self.has_type(proposal) and is_chosen

    def has_name(self, proposal: Proposal) -> bool:
        """Return whether a difference is the rename of a selected name to a similar one."""
        return proposal.finding is Finding.LIKE_KNOWN and proposal.path in self.types

    def has_type(self, proposal: Proposal) -> bool:
        """Return whether a difference belongs to a selected event type."""
        return not self.types or not names_of(proposal).isdisjoint(self.types)

    def has_field(self, proposal: Proposal) -> bool:
        """Return whether a difference is at, or below, a selected field."""
        return any(proposal.path == each or proposal.path.startswith(f"{each}.") for each in self.fields)


def names_of(proposal: Proposal) -> set[str]:
    """Return the names by which the type of a difference is selected."""
    other = {proposal.path} if proposal.finding is Finding.LIKE_KNOWN else set()
    return {proposal.event_type, key_of(proposal.event_type), *other, *proposal.names}


def accept_differences(
    environment: Environment, selection: Selection, broken_percent: float, *, dry_run: bool, as_object: bool
) -> int:
    """Write the changes of the selected differences, unless `dry_run`; return the exit code."""
    folder = environment.catalog
    files = read_catalog_files(folder)
    lake = open_arrived(environment)
    found = find_differences(lake, files, broken_percent / 100, selection.choice)
    _require_known(selection, found, files)
    accepted = [each for each in found if each.edits and selection.takes(each)]
    remaining = [each for each in found if each.finding.needs_user and each not in accepted]
    edited = edit_schemas(folder, files, accepted)
    require_sound(lake, folder, edited)
    if not dry_run:
        write_schemas(edited)
    if as_object:
        _print_json(accepted, remaining, edited, written=not dry_run)
    elif dry_run:
        print("".join(_patch(folder, edited)), end="")  # noqa: T201 - rich would wrap it
    else:
        _print_written(accepted, remaining, edited)
    return 1 if dry_run and edited else 0


def _require_known(selection: Selection, found: Sequence[Proposal], files: CatalogFiles) -> None:
    """Raise CatalogError for a type that there is not, and for a field without a difference."""
    names = {*files.catalog.names, *files.catalog.by_key}.union(*map(names_of, found))
    if unknown := sorted(set(selection.types) - names):
        raise CatalogError(f"{', '.join(unknown)}: neither in the catalog nor among the names that arrive")
    of_types = [each for each in found if selection.has_type(each)]
    for path in selection.fields:
        if not any(map(Selection(fields=[path]).has_field, of_types)):
            raise CatalogError(f"{path}: no difference at this field; event-platform catalog diff shows them")


def _patch(folder: Path, edited: Sequence[EditedSchema]) -> Iterator[str]:
    for each in edited:
        before, after = ((text or "").splitlines(keepends=True) for text in (each.before, each.after))
        name = _name(folder / each.path.name)
        yield from map(_line, unified_diff(before, after, name if each.before is not None else "/dev/null", name))


def _name(path: Path) -> str:
    """Return the name of a file as `git apply -p0` takes it: below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _line(line: str) -> str:
    """Return a line of a patch with terminal commands escaped."""
    text = line.rstrip("\r\n")
    whole = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return whole if text.replace("\t", " ").isprintable() else visible(whole)


def _print_json(
    accepted: Sequence[Proposal], remaining: Sequence[Proposal], edited: Sequence[EditedSchema], *, written: bool
) -> None:
    files = [
        {
            "event_type": each.event_type,
            "file": str(each.path),
            "is_new": each.before is None,
            "version": str(each.version),
        }
        for each in edited
    ]
    sides = {"accepted": list(map(as_json, accepted)), "remaining": list(map(as_json, remaining))}
    print(json.dumps({"written": written, "files": files, **sides}, default=str))  # noqa: T201 - rich would wrap it


def _print_written(accepted: Sequence[Proposal], remaining: Sequence[Proposal], edited: Sequence[EditedSchema]) -> None:
    for each in edited:
        what = "new, " if each.before is None else ""
        OUT.print(f"{each.path}: {what}version {each.version}", soft_wrap=True)
        for proposal in accepted:
            if proposal.event_type == each.event_type:
                sides = f"{proposal.path}: {proposal.after}: {proposal.action}" if proposal.path else proposal.after
                OUT.print(f"  {shown(sides, 2 * CHARACTERS)}", soft_wrap=True)
    OUT.print(f"{counted(len(accepted), 'difference')} accepted in {counted(len(edited), 'file')}", soft_wrap=True)
    if remaining:
        count = counted(len(remaining), "difference")
        OUT.print(f"{count} left: event-platform catalog diff shows them", soft_wrap=True)
