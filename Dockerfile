# syntax=docker/dockerfile:1
# One image for the webserver, the daemon, the code location and the runs: docs/how-to/images.md.
FROM python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3 AS base

FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Dependencies first: they change less often than the code, and stay in the cache. They are what was tested, to the byte,
# and wheels alone: nothing is compiled, and nothing runs at installation.
COPY deploy/image/build.lock requirements-image.lock /locks/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: --no-deps -r /locks/requirements-image.lock \
    && pip install --require-hashes --only-binary :all: --no-deps -r /locks/build.lock
COPY pyproject.toml README.md LICENSE /source/
COPY event_platform /source/event_platform
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels /source \
    && pip --python /opt/venv/bin/python install --no-deps --no-index /wheels/event_platform-*.whl

FROM base
LABEL org.opencontainers.image.title="event_platform" \
      org.opencontainers.image.description="An event lakehouse: Dagster's webserver, daemon, code location and runs" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nobody can log in as this user, and it owns nothing but the folder of logs.
RUN groupadd --gid 10001 dagster \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin dagster \
    && install --directory --owner=dagster --group=dagster /opt/dagster/storage
COPY --from=build /opt/venv /opt/venv
COPY --chmod=755 deploy/image/bin/ /usr/local/bin/
COPY event_platform/sample/catalog /opt/event_platform/catalog
COPY deploy/aws/dagster.yaml deploy/aws/workspace.yaml /opt/dagster/
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DAGSTER_HOME=/opt/dagster \
    DAGSTER_DISABLE_TELEMETRY=yes \
    EVENT_PLATFORM_CATALOG=/opt/event_platform/catalog
WORKDIR /opt/event_platform
# What is written to, where the rest is mounted read-only. Fargate gives a volume the owner and mode of the folder here.
VOLUME ["/tmp", "/opt/dagster/storage"]
USER 10001:10001
EXPOSE 3000 4000
# No entrypoint: a run is `dagster api execute_run …` in the place of the command.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=3 CMD ["healthy", "webserver"]
CMD ["webserver"]
