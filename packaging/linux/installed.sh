#!/bin/sh
# After the files are in place. The service is not enabled here: the configuration that comes with it serves nothing yet.
# Where it runs already, a restart drains it first, so that the new program takes over.
# With DPKG_ROOT the files are those of an image, and the service manager of this system is none of its business.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    systemctl try-restart yumen.service || true
fi
