"""A server of moto that, like S3, refuses one of two concurrent conditional writes of the same object.

    python one_put_at_a_time.py -H 127.0.0.1 -p <port>

moto checks the condition and then writes, without a lock between. It deletes messages of SQS in the same way: if two
are deleted at once, one may return.
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
