"""Timeouts and retries of the clients of object stores, as options of obstore, delta-rs and polars."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

#: Number of attempts of a request. With pauses that grow to 20 seconds, they outlast a minute of throttling.
_TRIES = 10

#: Seconds to wait for a connection, and for more of an answer.
_CONNECT_SECONDS, _READ_SECONDS = 10, 30

#: Seconds after which a request is no longer retried.
_GIVE_UP = 120

#: First and longest pause between tries in seconds, and the growth factor.
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.2, 20.0, 3


@dataclass(frozen=True)
class Patience:
    """How long a client waits, in seconds, and how often it tries."""

    connect: int
    read: int
    tries: int


#: For checks that must not take long.
IMPATIENT = Patience(connect=3, read=5, tries=2)


def patience() -> Patience:
    """Return the timeouts for reading and writing data."""
    return Patience(_CONNECT_SECONDS, _READ_SECONDS, tries())


def tries() -> int:
    """Return the limit of tries: AWS_MAX_ATTEMPTS, or ten."""
    value = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return int(value) if value.isascii() and value.isdecimal() and int(value) else _TRIES


def client_options(chosen: Patience) -> "ClientConfig":
    """Return the options of obstore's HTTP client."""
    return {
        "connect_timeout": f"{chosen.connect}s",
        "read_timeout": f"{chosen.read}s",
        "timeout": "1h",  # for a whole answer, which may be large; a stalled one hits the read timeout
    }


def retry_config(chosen: Patience) -> "RetryConfig":
    """Return how obstore retries."""
    return {
        "max_retries": chosen.tries - 1,
        "retry_timeout": timedelta(seconds=_GIVE_UP),
        "backoff": {
            "init_backoff": timedelta(seconds=FIRST_PAUSE),
            "max_backoff": timedelta(seconds=LONGEST_PAUSE),
            "base": GROWTH,
        },
    }


def delta_options() -> dict[str, str]:
    """Return the storage options of delta-rs that are about timeouts and retries."""
    return {
        "max_retries": f"{tries() - 1}",
        "retry_timeout": f"{_GIVE_UP}s",
        "backoff_config.init_backoff": "200ms",
        "backoff_config.max_backoff": "20s",
        "backoff_config.base": "3",
        "connect_timeout": f"{_CONNECT_SECONDS}s",
        "timeout": f"{_READ_SECONDS}s",  # for a whole answer: those of a log are small
    }


def polars_options() -> dict[str, Any]:
    """Return the storage options of polars that are about timeouts and retries."""
    return {
        "max_retries": tries() - 1,
        "retry_timeout_ms": 1000 * _GIVE_UP,
        "retry_init_backoff_ms": 200,
        "retry_max_backoff_ms": 20_000,
        "retry_base_multiplier": 3,
        "connect_timeout": f"{_CONNECT_SECONDS}s",
        "read_timeout": f"{_READ_SECONDS}s",
    }
