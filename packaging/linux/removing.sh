#!/bin/sh
# Before the files go: `remove` from dpkg, 0 from rpm. An upgrade (`upgrade`, 1) leaves the service running.
set -e
case "${1:-}" in
remove | 0)
    if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now yumen.service || true
    fi
    ;;
esac
