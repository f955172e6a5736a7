#!/bin/sh
# After the files are gone. Only a purge, which dpkg alone knows, takes the state and the logs as well.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
if [ "${1:-}" = purge ]; then
    rm -rf "${DPKG_ROOT:-}/var/lib/private/yumen" "${DPKG_ROOT:-}/var/log/private/yumen"
    rm -rf "${DPKG_ROOT:-}/var/lib/yumen" "${DPKG_ROOT:-}/var/log/yumen"
    rmdir "${DPKG_ROOT:-}/etc/yumen" 2>/dev/null || true
fi
