"""The settings in words, for help and documentation."""

from dataclasses import dataclass, fields

from event_platform.environment import Environment, settings_by_field
from event_platform.setting_values import Setting


@dataclass(frozen=True)
class SettingRow:
    """A setting in words, as help and documentation show it."""

    name: str
    type: str
    default: str  # in the local environment
    default_elsewhere: str  # in dev, staging and prod
    meaning: str


def settings_table() -> list[SettingRow]:
    """Return a row for each setting, in the order of `Environment`."""
    return [_row(name, setting) for name, setting in settings_by_field().items()]


def _row(name: str, setting: Setting) -> SettingRow:
    (default,) = (declared.default for declared in fields(Environment) if declared.name == name)
    shown = setting.shown_default or setting.local or (str(default) if default else "none")
    elsewhere = shown if setting.local is None else "required"
    return SettingRow(setting.variable, setting.type, shown, elsewhere, setting.meaning)
