"""`python -m event_platform` is `event-platform`."""

from event_platform.cli.main import main

if __name__ == "__main__":
    main()
