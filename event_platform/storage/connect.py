"""Open obstore's client for a bucket of S3 or Google Cloud Storage, or a container of Azure.

The options are those of delta-rs and polars: for S3, see storage.s3. The other stores have none, because obstore,
delta-rs and polars all read the standard variables of Google and Azure.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from event_platform.events.errors import SettingError
from event_platform.storage.clients import Patience, client_options, retry_config
from event_platform.storage.errors import one_line
from event_platform.storage.uris import split_uri

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: Errors of obstore: ValueError for a name that it cannot address, OSError for a missing object.
OBSTORE_ERRORS = (BaseError, OSError, ValueError)

#: Settings to check if a store cannot be opened.
_VARIABLES = {
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account's key",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and, unless an identity of this machine has access, its key",
}


def open_object_store(uri: str, options: Mapping[str, str], patience: Patience) -> "ObjectStore":
    """Open a client for the objects below a URI. Raises SettingError if a variable of Google or Azure is missing."""
    scheme, bucket, prefix = split_uri(uri)
    common: dict[str, Any] = {"prefix": prefix or None, "retry_config": retry_config(patience)}
    client: Any = client_options(patience)
    if scheme == "s3":
        return _open_s3(bucket, options, {**common, "client_options": client})
    kind: Any = {"gs": GCSStore, "az": AzureStore}[scheme]
    client["allow_http"] = True  # for emulators: the address is https unless a variable has another one
    try:
        store: ObjectStore = kind(bucket, client_options=client, **common)
    except OBSTORE_ERRORS as error:
        raise SettingError(f"{uri}: {one_line(error)}; {_VARIABLES[scheme]}") from None
    return store


def _open_s3(bucket: str, options: Mapping[str, str], common: Mapping[str, Any]) -> S3Store:
    from event_platform.storage import s3  # noqa: PLC0415 - imports boto3, which other stores have no need of

    # Set under this name because the variable AWS_ENDPOINT_URL_S3 would otherwise take precedence.
    names = {"region": "region", "endpoint": "aws_endpoint_url_s3"}
    config: Any = {name: options[option] for option, name in names.items() if option in options}
    client = {**common["client_options"], **s3.client_options(options)}
    provider: Any = s3.obstore_credential_provider(options)
    return S3Store(bucket, config=config, credential_provider=provider, **{**common, "client_options": client})
