"""The parts of a URI of a folder or a bucket."""

#: Schemes of the object stores that obstore, delta-rs and polars all know: S3, Google Cloud Storage and Azure.
SCHEMES = ("s3", "gs", "az")


def split_uri(uri: str) -> tuple[str, str, str]:
    """Return the scheme, the bucket and the path of <scheme>://<bucket>/<path>, without slashes at the path's ends."""
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    return scheme, bucket, path.strip("/")
