"""`event-platform catalog accept`: write the changes that `catalog diff` proposes into the files of the schemas."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from event_platform.cli.catalog.arrivals import as_json, open_lake_with_events
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
    as_new: bool = False  # names among `types` are new events, even if they are similar to known ones

    @property
    def choice(self) -> Choice:
        """The user's choice among types and names."""
        names = frozenset(self.types)
        return Choice(new_names=names) if self.as_new else Choice(alias_names=names)

    def accepts(self, proposal: Proposal) -> bool:
        """Return whether a difference is accepted.

        Differences that need a person's judgement require `--field` or TYPE.
        """
        is_selected = self.has_field(proposal) if self.fields else not proposal.is_judgement or self.has_name(proposal)
        return self.has_type(proposal) and is_selected

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
    alias = {proposal.path} if proposal.finding is Finding.LIKE_KNOWN else set()
    return {proposal.event_type, key_of(proposal.event_type), *alias, *proposal.names}


def accept_differences(
    environment: Environment, selection: Selection, broken_percent: float, *, dry_run: bool, as_object: bool
) -> int:
    """Write the changes of the selected differences, unless `dry_run`; return the exit code."""
    folder = environment.catalog
    files = read_catalog_files(folder)
    lake = open_lake_with_events(environment)
    proposals = find_differences(lake, files, broken_percent / 100, selection.choice)
    _require_known(selection, proposals, files)
    accepted_proposals = [each for each in proposals if each.edits and selection.accepts(each)]
    remaining = [each for each in proposals if each.finding.needs_user and each not in accepted_proposals]
    schemas = edit_schemas(folder, files, accepted_proposals)
    require_sound(lake, folder, schemas)
    if not dry_run:
        write_schemas(schemas)
    if as_object:
        _print_json(accepted_proposals, remaining, schemas, is_written=not dry_run)
    elif dry_run:
        print("".join(_patch(folder, schemas)), end="")  # noqa: T201 - rich would wrap it
    else:
        _print_written(accepted_proposals, remaining, schemas)
    return 1 if dry_run and schemas else 0


def _require_known(selection: Selection, proposals: Sequence[Proposal], files: CatalogFiles) -> None:
    """Raise CatalogError for an unknown type, and for a field without a difference."""
    names = {*files.catalog.names, *files.catalog.by_key}.union(*map(names_of, proposals))
    if unknown_names := sorted(set(selection.types) - names):
        raise CatalogError(f"{', '.join(unknown_names)}: neither in the catalog nor the name of an arriving event")
    type_proposals = [each for each in proposals if selection.has_type(each)]
    for path in selection.fields:
        if not any(map(Selection(fields=[path]).has_field, type_proposals)):
            raise CatalogError(f"{path}: no difference at this field; event-platform catalog diff shows them")


def _patch(folder: Path, schemas: Sequence[EditedSchema]) -> Iterator[str]:
    for each in schemas:
        before, after = ((text or "").splitlines(keepends=True) for text in (each.before, each.after))
        name = _name(folder / each.path.name)
        yield from map(_line, unified_diff(before, after, name if each.before is not None else "/dev/null", name))


def _name(path: Path) -> str:
    """Return the path of a file for `git apply -p0`: relative to the current folder."""
    current_folder = Path.cwd()
    return str(path.relative_to(current_folder) if path.is_relative_to(current_folder) else path)


def _line(line: str) -> str:
    """Return a line of a patch with terminal commands escaped."""
    text = line.rstrip("\r\n")
    patch_line = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return patch_line if text.replace("\t", " ").isprintable() else visible(patch_line)


def _print_json(
    accepted_proposals: Sequence[Proposal],
    remaining: Sequence[Proposal],
    schemas: Sequence[EditedSchema],
    *,
    is_written: bool,
) -> None:
    files = [
        {
            "event_type": each.event_type,
            "file": str(each.path),
            "is_new": each.before is None,
            "version": str(each.version),
        }
        for each in schemas
    ]
    proposals = {"accepted": list(map(as_json, accepted_proposals)), "remaining": list(map(as_json, remaining))}
    print(json.dumps({"written": is_written, "files": files, **proposals}, default=str))  # noqa: T201 - rich would wrap it


def _print_written(
    accepted_proposals: Sequence[Proposal], remaining: Sequence[Proposal], schemas: Sequence[EditedSchema]
) -> None:
    for each in schemas:
        prefix = "new, " if each.before is None else ""
        OUT.print(f"{each.path}: {prefix}version {each.version}", soft_wrap=True)
        for proposal in accepted_proposals:
            if proposal.event_type == each.event_type:
                text = f"{proposal.path}: {proposal.after}: {proposal.action}" if proposal.path else proposal.after
                OUT.print(f"  {shown(text, 2 * CHARACTERS)}", soft_wrap=True)
    OUT.print(
        f"{counted(len(accepted_proposals), 'difference')} accepted in {counted(len(schemas), 'file')}", soft_wrap=True
    )
    if remaining:
        count = counted(len(remaining), "difference")
        OUT.print(f"{count} left: event-platform catalog diff shows them", soft_wrap=True)
