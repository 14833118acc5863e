#!/bin/sh
# Runs once, as root, on the machine that becomes the image: what the Dockerfile does, for Debian 12.
set -eu
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

cloud-init status --wait >/dev/null
apt-get -qq update
apt-get -qq -y upgrade
apt-get -qq -y install --no-install-recommends python3.11-venv unattended-upgrades

useradd --uid 10001 --user-group --home-dir /var/lib/event_platform --create-home --shell /usr/sbin/nologin dagster
install -d /opt/event_platform /opt/dagster /etc/event_platform
tar -xzf /tmp/event_platform.tar.gz -C /opt/event_platform

# Beside the environment there is one for pip and setuptools, which nothing needs afterwards.
python3.11 -m venv --without-pip /opt/venv
python3.11 -m venv /opt/build
/opt/build/bin/pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: --no-deps -q \
  -r /opt/event_platform/requirements-image.lock
/opt/build/bin/pip install --require-hashes --only-binary :all: --no-deps -q -r /opt/event_platform/deploy/image/build.lock
/opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index -q --wheel-dir /opt/build/wheels /opt/event_platform
/opt/build/bin/pip --python /opt/venv/bin/python install --no-deps --no-index -q /opt/build/wheels/event_platform-*.whl
cp -r /opt/event_platform/event_platform/sample/catalog /opt/catalog
cp /opt/event_platform/deploy/postgres/dagster.yaml /opt/event_platform/deploy/aws/workspace.yaml /opt/dagster/
rm -rf /opt/build /opt/event_platform

# What steps print is the only thing that Dagster writes below its home.
install -d -o dagster -g dagster /var/lib/event_platform/storage
ln -s /var/lib/event_platform/storage /opt/dagster/storage

# Settings and secrets come when an instance starts: /etc/event_platform/environment, for root and the services alone.
install -m 600 /dev/null /etc/event_platform/environment
install -m 644 /tmp/systemd/*.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable event-platform-code-location event-platform-webserver event-platform-daemon

# An instance has keys and an identity of its own, and keeps nothing of this machine.
rm -rf /tmp/systemd /tmp/event_platform.tar.gz /var/lib/apt/lists/* /etc/ssh/ssh_host_* /root/.ssh
cloud-init clean --logs --machine-id
