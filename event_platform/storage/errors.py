"""Translation of object store errors (obstore, boto3, delta-rs and polars), with the object and the remedy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from event_platform.events.errors import StorageError
from event_platform.storage.clients import tries

#: Errors of boto3: its own, and those in S3's answers.
BOTO_ERRORS = (BotoCoreError, ClientError)

_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_RENEW = (
    "renew the credentials: `aws sso login`, or a new session and its AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN; those of a role are renewed without being asked"
)
_FEWER_REQUESTS = (
    "it asks for fewer requests: run fewer workers at once, or spread the objects over more prefixes; it passes"
)
_UNREACHABLE = {
    "az": "check the network and AZURE_STORAGE_ACCOUNT_NAME",
    "gs": "check the network",
    "s3": "check the network (on AWS: the route to S3, security groups) and AWS_ENDPOINT_URL",
}
_NO_BUCKET = "create the bucket, or correct EVENT_PLATFORM_LANDING or EVENT_PLATFORM_LAKE"
_REGION = "set AWS_REGION to the region that the bucket is in"

#: Remedy for each error code of S3. These errors are not transient.
_REMEDIES = {
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": _RENEW,
    "InvalidAccessKeyId": f"the store does not know the access key: {_KEYS}",
    "SignatureDoesNotMatch": f"the secret does not belong to the access key: {_KEYS}",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "NoSuchBucket": _NO_BUCKET,
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "ContainerNotFound": _NO_BUCKET,
    "InvalidObjectState": "the object is archived: restore it",
    "BlobArchived": "the object is archived: restore it",
    "no credentials": f"{_KEYS}, or {_RENEW}",
}
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, SSOError, TokenRetrievalError)
_DENIED_CODES = {
    *("AccessDenied", "AllAccessDisabled", "Forbidden", "403"),
    *("AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthenticationFailed", "NoAuthenticationInformation"),
}
_THROTTLING_CODES = {
    *("SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests", "ServerBusy"),
    *("503", "429"),
}
_MISSING_CODES = {"NoSuchKey", "BlobNotFound", "404"}
_WRONG_REGION = {code for code, remedy in _REMEDIES.items() if remedy is _REGION}

#: Codes of denied access to one object: other objects may be readable.
_OBJECT_DENIED_CODES = _DENIED_CODES | {"InvalidObjectState", "BlobArchived"}

#: Remedy for denied access, by the scheme of a store. The remedy for S3 depends on the request.
_GRANTS = {
    "az": "check AZURE_STORAGE_ACCOUNT_NAME and its key, or give its identity the role Storage Blob Data Contributor",
    "gs": "check GOOGLE_APPLICATION_CREDENTIALS, whose account needs roles/storage.objectUser on the bucket",
}

_PERMISSIONS = {"PUT": "s3:PutObject", "DELETE": "s3:DeleteObject", "POST": "s3:DeleteObject"}


#: The URI of a file in errors of polars, and the URL of a request in errors of obstore, delta-rs and polars.
_PATH_PATTERN, _REQUEST_PATTERN = r"\(path: ((?:s3|gs|az)://[^)]*)\)", r"performing [A-Z]+ https?://[^/]*/(\S+)"


@dataclass(frozen=True)
class _Answer:
    """A parsed error: the object, and the answer of the store (no code if it did not answer)."""

    uri: str
    code: str
    message: str
    permission: str = "s3:GetObject"
    region: str = ""
    tries: int = 1


def storage_error(error: Exception, uri: str = "", kind: type[StorageError] = StorageError) -> StorageError:
    """Translate an error of a library to one with the object, the fault and the remedy.

    `uri` is the URI of the object, for errors that do not contain it.
    """
    answer = _parse_error(error, uri)
    remedy, transient = _remedy(answer)
    text = f"{answer.code}: {answer.message}" if answer.code and answer.message else answer.code or answer.message
    return kind(f"{answer.uri}: {text.rstrip('.')}", transient=transient, remedy=remedy)


def cause(error: Exception) -> Exception | None:
    """Return the error to keep as cause; None if it quotes an answer, which may contain keys and tokens."""
    return None if "<" in str(error) else error


def is_access_denied(error: Exception) -> bool:
    """Return whether access to an object is denied, or the object is archived: others may be readable."""
    return _parse_error(error, "").code in _OBJECT_DENIED_CODES


def is_missing(error: Exception) -> bool:
    """Return whether there is no such object."""
    return _parse_error(error, "").code in _MISSING_CODES


def redirected_to(error: Exception, bucket: str, options: Mapping[str, str]) -> str:
    """Return the actual region of a bucket that S3 looked for in another region; empty for any other error."""
    answer = _parse_error(error, "")
    return (answer.region or _region_of(bucket, options)) if answer.code in _WRONG_REGION else ""


def has_broken_off(error: BaseException) -> bool:
    """Return whether delta-rs or obstore lost the connection during an operation that they do not retry."""
    text = one_line(error)
    retries = re.search(r"after (\d+) retries, max_retries:? (\d+)", text)
    return "HTTP error" in text and (retries is None or int(retries[1]) < int(retries[2]))


def one_line(error: BaseException) -> str:
    """Return an error's message as one line, without the arrows, colours and stack of delta-rs and obstore's dump."""
    text = re.split(r"\n\nDebug source:|\n +0: ", str(error), maxsplit=1)[0]
    return " ".join(re.sub(r"\x1b\[\d*m|↳|->", " ", text).split())


def _parse_error(error: Exception, uri: str) -> _Answer:
    if isinstance(error, ClientError):
        return _read_boto(error, uri)
    if isinstance(error, _NO_CREDENTIALS):
        return _Answer(uri or "S3", "no credentials", str(error))
    text = one_line(error)
    match = re.search(_PATH_PATTERN, text) or re.search(_REQUEST_PATTERN, text)
    path = "" if match is None else match[1].partition("?")[0]
    method = re.search(r"performing (PUT|DELETE|POST) ", text)
    code = re.search(r"<Code>(.*?)</Code>", text)
    message = re.search(r"<Message>(.*?)(?: RequestId:.*?)?</Message>", text)
    region = re.search(r"<Region>(.*?)</Region>", text)
    is_redirect = "Received redirect" in text
    retries = re.search(r"max_retries:? (\d+)", text)
    status = re.search(r"status code:? (403|404|429|503)", text)
    return _Answer(
        uri or (path if "://" in path else f"s3://{path}" if path else "S3"),
        code[1] if code else "PermanentRedirect" if is_redirect else status[1] if status else "",
        message[1] if message else "" if code or is_redirect else re.sub(r"\s*<.*", "", text),
        "s3:ListBucket" if "list-type" in text else _PERMISSIONS.get(method[1] if method else "", "s3:GetObject"),
        region[1] if region else "",
        int(retries[1]) + 1 if retries else tries(),
    )


def _read_boto(error: ClientError, uri: str) -> _Answer:
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", "unknown error"))
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    permission = {"ListObjectsV2": "s3:ListBucket"}.get(error.operation_name, f"s3:{error.operation_name}")
    region = answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "")
    return _Answer(uri or "S3", code, str(answer.get("Error", {}).get("Message", "")), permission, region, tries())


def _remedy(answer: _Answer) -> tuple[str, bool]:
    """Return the remedy, and whether the error is transient."""
    scheme, _, path = answer.uri.rpartition("://")
    bucket, _, key = path.partition("/")
    if answer.code in _DENIED_CODES:
        is_of_bucket = answer.permission == "s3:ListBucket" or not key
        resource = f"arn:aws:s3:::{bucket if is_of_bucket else f'{bucket}/{key}'}"
        grant = f"grant {answer.permission} on {resource}, and kms:Decrypt where a key of KMS encrypts it"
        return _GRANTS.get(scheme, grant), False
    if answer.code in _WRONG_REGION:
        region = answer.region or _region_of(bucket, {})
        return f"the bucket is in {region}: set AWS_REGION={region}" if region else _REGION, False
    if answer.code in _REMEDIES:
        return _REMEDIES[answer.code], False
    if answer.code in _MISSING_CODES:
        return "the listing shows it, and it is gone: what is left is loaded by the next run", True
    attempts = f"tried {answer.tries} times; "
    if answer.code in _THROTTLING_CODES:
        remedy = attempts + _FEWER_REQUESTS
    elif answer.code:
        remedy = "run again; whatever was committed stays"
    else:
        remedy = attempts + _UNREACHABLE.get(scheme, _UNREACHABLE["s3"])
    return remedy, True


def _region_of(bucket: str, options: Mapping[str, str]) -> str:
    from event_platform.storage.s3 import bucket_region  # noqa: PLC0415 - boto3 is not needed but for this

    return bucket_region(bucket, options)
