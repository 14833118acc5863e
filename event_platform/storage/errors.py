"""What errors of S3 mean: of boto3, delta-rs and polars, in our words, with what to do."""

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
from botocore.parsers import ResponseParserError

from event_platform.events.errors import StorageError
from event_platform.storage.aws import code_of
from event_platform.storage.s3 import client, tries

#: What boto3 raises of S3: its own errors, those that S3 answers, and that of an answer which breaks off.
S3_ERRORS = (BotoCoreError, ClientError, ResponseParserError)

_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_RENEW = (
    "renew the credentials: `aws sso login`, or a new session and its AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN; those of a role are renewed without being asked"
)
_FEWER = "it asks for fewer requests: run fewer workers at once, or spread the objects over more prefixes; it passes"
_UNREACHABLE = "check the network (on AWS: the route to S3, security groups) and AWS_ENDPOINT_URL"
_NO_BUCKET = "create the bucket, or mend EVENT_PLATFORM_LANDING or EVENT_PLATFORM_LAKE"
_REGION = "set AWS_REGION to the region that the bucket is in"

#: What to do about a code of S3. Where there is one, to try again does not help.
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
    "InvalidObjectState": "the object is archived: restore it",
    "no credentials": f"{_KEYS}, or {_RENEW}",
}
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, SSOError, TokenRetrievalError)
_DENIED = {"AccessDenied", "AllAccessDisabled", "Forbidden", "403"}
_THROTTLED = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests", "503", "429"}
_MISSING = {"NoSuchKey", "404"}
_WRONG_REGION = {code for code, remedy in _REMEDIES.items() if remedy is _REGION}

#: Answers that are about one object alone: the others can be read.
_OF_ONE_OBJECT = _DENIED | _MISSING | {"InvalidObjectState"}

_PERMISSIONS = {"PUT": "s3:PutObject", "DELETE": "s3:DeleteObject", "POST": "s3:DeleteObject"}


@dataclass(frozen=True)
class _Told:
    """What an error says: of which object, and what the store answered (no code where it did not)."""

    where: str
    code: str
    message: str
    permission: str = "s3:GetObject"
    region: str = ""


def storage_error(error: Exception, where: str = "", kind: type[StorageError] = StorageError) -> StorageError:
    """Return an error of boto3, delta-rs or polars in our words: the object, what happened, and what to do.

    `where` is s3://bucket/key, for those that do not say it themselves.
    """
    told = _read(error, where)
    remedy, transient = _remedy(told)
    answer = f"{told.code}: {told.message}" if told.code and told.message else told.code or told.message
    return kind(f"{told.where}: {answer.rstrip('.')}. {_upper(remedy)}.", transient=transient)


def cause(error: Exception) -> Exception | None:
    """Return what may stand beside our words: answers of S3 repeat keys and tokens, and what is kept shows them."""
    return None if "<" in str(error) else error


def is_of_one_object(error: Exception) -> bool:
    """Say whether a failed read tells of the object, not of the store: others may well be read."""
    return code_of(error) in _OF_ONE_OBJECT


def is_missing(error: Exception) -> bool:
    """Say whether there is no such object."""
    return code_of(error) in _MISSING


def has_broken_off(error: Exception) -> bool:
    """Say whether delta-rs lost the connection in the middle of something that it does not try again by itself."""
    text = one_line(error)
    tried = re.search(r"after (\d+) retries, max_retries:? (\d+)", text)
    return "HTTP error" in text and (tried is None or int(tried[1]) < int(tried[2]))


def _read(error: Exception, where: str) -> _Told:
    if isinstance(error, ClientError):
        return _read_answer(error, where)
    if isinstance(error, _NO_CREDENTIALS):
        return _Told(where or "S3", "no credentials", str(error))
    text = one_line(error)
    place = re.search(r"\(path: (s3://[^)]*)\)", text) or re.search(r"performing [A-Z]+ https?://[^/]*/(\S+)", text)
    found = "" if place is None else place[1].partition("?")[0]
    method = re.search(r"performing (PUT|DELETE|POST) ", text)
    code = re.search(r"<Code>(.*?)</Code>", text)
    message = re.search(r"<Message>(.*?)</Message>", text)
    region = re.search(r"<Region>(.*?)</Region>", text)
    redirected = "Received redirect" in text
    status = re.search(r"status code:? (403|404|429|503)", text)
    return _Told(
        where or (f"s3://{found.removeprefix('s3://')}" if found else "S3"),
        code[1] if code else "PermanentRedirect" if redirected else status[1] if status else "",
        message[1] if message else "" if code or redirected else re.sub(r"\s*<.*", "", text),
        "s3:ListBucket" if "list-type" in text else _PERMISSIONS.get(method[1] if method else "", "s3:GetObject"),
        region[1] if region else "",
    )


def _read_answer(error: ClientError, where: str) -> _Told:
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", "unknown error"))
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    permission = {"ListObjectsV2": "s3:ListBucket", "DeleteObjects": "s3:DeleteObject"}.get(
        error.operation_name, f"s3:{error.operation_name}"
    )
    region = answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region", "")
    return _Told(where or "S3", code, str(answer.get("Error", {}).get("Message", "")), permission, region)


def _remedy(told: _Told) -> tuple[str, bool]:
    """Return what to do, and whether it may pass by itself."""
    bucket, _, key = told.where.removeprefix("s3://").partition("/")
    if told.code in _DENIED:
        of_bucket = told.permission == "s3:ListBucket" or not key
        resource = f"arn:aws:s3:::{bucket if of_bucket else f'{bucket}/{key}'}"
        return f"grant {told.permission} on {resource}, and kms:Decrypt where a key of KMS encrypts it", False
    if told.code in _WRONG_REGION:
        region = told.region or _region_of(bucket)
        return f"the bucket is in {region}: set AWS_REGION={region}" if region else _REGION, False
    if told.code in _REMEDIES:
        return _REMEDIES[told.code], False
    if told.code in _MISSING:
        return "the listing shows it, and it is gone: what is left is loaded by the next run", True
    tried = f"tried {tries()} times; "
    if told.code in _THROTTLED:
        return tried + _FEWER, True
    return ("run again; whatever was committed stays" if told.code else tried + _UNREACHABLE), True


def _region_of(bucket: str) -> str:
    """Ask where a bucket is; whoever may not read it is told as well. Nothing where that fails."""
    try:
        answer: Mapping[str, Any] = client({}).head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return ""
    return str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", ""))


def one_line(error: Exception) -> str:
    """Return what an error says in one line, without the arrows and colours that delta-rs draws."""
    return " ".join(re.sub(r"\x1b\[\d*m|↳|->", " ", str(error)).split())


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
