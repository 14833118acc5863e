"""A server of moto in which, as in S3, of two who write the same object on a condition one is refused.

    python one_put_at_a_time.py -H 127.0.0.1 -p <port>

moto looks whether the condition holds, and then writes, while others do the same.
"""

import threading
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main

_PUTS = threading.RLock()
_put_object = S3Response.put_object


def _put_alone(self: S3Response) -> Any:
    with _PUTS:
        return _put_object(self)


if __name__ == "__main__":
    S3Response.put_object = _put_alone  # type: ignore[method-assign]
    main()
