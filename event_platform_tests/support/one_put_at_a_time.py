"""A server of moto in which, as in S3, of two who write the same object on a condition one is refused.

    python one_put_at_a_time.py -H 127.0.0.1 -p <port>

moto looks whether the condition holds, and then writes, while others do the same. So it does with messages of SQS: of
two that are deleted at once, one would come back.
"""

import threading
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main
from moto.sqs.models import Queue, SQSBackend

_PUTS = threading.RLock()
_put_object, _receive, _delete = S3Response.put_object, SQSBackend.receive_message, Queue.delete_message


def _put_alone(self: S3Response) -> Any:
    with _PUTS:
        return _put_object(self)


def _receive_alone(self: SQSBackend, queue_name: str, *arguments: Any) -> Any:
    with self.get_queue(queue_name)._messages_lock:  # which it leaves while it waits for messages
        return _receive(self, queue_name, *arguments)


def _delete_alone(self: Queue, receipt_handle: str) -> None:
    with self._messages_lock:
        _delete(self, receipt_handle)


if __name__ == "__main__":
    S3Response.put_object = _put_alone  # type: ignore[method-assign]
    SQSBackend.receive_message = _receive_alone  # type: ignore[method-assign,assignment]
    Queue.delete_message = _delete_alone  # type: ignore[method-assign]
    main()
