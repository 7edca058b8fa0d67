#!/usr/bin/env bash
# The browser tests drive Debian's Chromium: find it, or install it where that is allowed.
set -euo pipefail
if [ -x /usr/bin/chromium ]; then exit 0; fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if command -v apt-get >/dev/null 2>&1; then
    echo "installing Chromium for the browser tests"
    log=$(mktemp)
    if $sudo apt-get update -qq >"$log" 2>&1 && \
       DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium >>"$log" 2>&1; then
        exit 0
    fi
    tail -n 5 "$log" >&2
fi
echo "The browser tests need Chromium and it could not be installed here." >&2
echo "Install it (Debian: apt-get install chromium) and run make test again." >&2
exit 1
