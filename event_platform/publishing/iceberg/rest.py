"""A REST catalog with timeouts: runs publish after each step, and must not hang if it does not answer."""

from functools import partial

from pyiceberg.catalog.rest import RestCatalog
from requests import Session

#: Seconds to connect, and to wait for each part of an answer. pyiceberg itself waits for ever.
PATIENCE = 5.0, 30.0


class ImpatientRestCatalog(RestCatalog):
    """pyiceberg's REST catalog, with a limit to each request."""

    def _config_headers(self, session: Session) -> None:
        """Prepare a session, before its first request."""
        super()._config_headers(session)
        session.request = partial(session.request, timeout=PATIENCE)  # type: ignore[method-assign]
