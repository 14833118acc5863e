"""Errors that a user can mend; each message names the thing, what was expected and what to do."""


class EventPlatformError(Exception):
    """The base of every error that this project raises on purpose."""


class CatalogError(EventPlatformError):
    """The catalog cannot be used. One line for each fault, each naming file and key."""


class LandingError(EventPlatformError):
    """A landed object could not be listed or read, for a reason that its content does not explain."""


class TableError(EventPlatformError):
    """A table of the lake cannot take what is to be written."""


class SettingError(EventPlatformError):
    """A setting is missing or has a value that cannot be used."""
