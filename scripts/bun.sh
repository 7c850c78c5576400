#!/bin/sh
# Runs the Bun that package.json pins: `sh scripts/bun.sh FILE …`. Called by every script of package.json and by
# install.sh. It installs the dependencies first where they are missing or older than package-lock.json.
#
# NB: npm may block install scripts (npm 11) or run them (npm 9). Without them node_modules/bun holds a placeholder,
# and the program stays in a package of its own, so each candidate is asked for its version before it is believed.
set -eu

main() {
    cd "$(dirname "$0")/.."
    if stale; then
        command -v npm >/dev/null || fail "npm is missing: install it (Debian: apt-get install npm), then try again."
        npm ci --no-audit --no-fund --loglevel=error >&2 || fail "npm ci failed: its message stands above."
    fi
    find_bun
    # NB: npm leaves out optional packages that do not name the Node of this host as theirs, and the linter's program is
    # one of them on Debian 12. It runs under Bun, so Bun adds what is missing from the same lockfile.
    [ -n "$(find node_modules/@oxlint -name '*.node' 2>/dev/null)" ] ||
        "$bun" install --no-save --ignore-scripts --silent >&2 || fail "bun install failed: its message stands above."
    exec "$bun" "$@"
}

# Sets `bun`. Variables that would change what Bun does are not for the build.
find_bun() {
    unset BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS NODE_ENV
    wanted=$(sed -n 's/^ *"bun": "\([0-9.]*\)",*$/\1/p' package.json)
    for bun in "$PWD"/node_modules/bun/bin/bun.exe "$PWD"/node_modules/@oven/bun-linux-*/bin/bun; do
        [ "$("$bun" --version 2>/dev/null || :)" != "$wanted" ] || return 0
    done
    fail "Bun $wanted does not run here: it needs Linux on x64 or arm64; delete node_modules and try again."
}

stale() {
    [ ! -e node_modules/.package-lock.json ] ||
        [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]
}

fail() {
    echo "toolcrib: $*" >&2
    exit 1
}

main "$@"
