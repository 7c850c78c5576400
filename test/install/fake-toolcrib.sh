#!/bin/sh
# Stands in for the executable where install.sh itself is tested: the verbs that the script uses, with their exit
# codes and output. Its state is files in $FAKE_STATE. FAKE_BROKEN makes `serve` fail with that sentence.
set -eu

running() {
    [ -f "$FAKE_STATE/pid" ] && kill -0 "$(cat "$FAKE_STATE/pid")" 2>/dev/null
}

# Asked as Bun: `-e PROGRAM SOCKET FIELD`.
if [ "${BUN_BE_BUN-}" = 1 ]; then
    running || exit 1
    case $4 in pid) cat "$FAKE_STATE/pid" ;; url) echo http://127.0.0.1:7700 ;; *) exit 1 ;; esac
    exit
fi
echo "$*" >>"$FAKE_STATE/calls"
case "$*" in
serve)
    if [ -n "${FAKE_BROKEN-}" ]; then
        echo "a first line"
        echo "$FAKE_BROKEN"
        exit 1
    fi
    echo $$ >"$FAKE_STATE/pid.new"
    mv "$FAKE_STATE/pid.new" "$FAKE_STATE/pid"
    sleep 300 &
    sleeper=$!
    trap 'kill "$sleeper"; rm -f "$FAKE_STATE/pid"; exit 0' TERM
    wait "$sleeper"
    ;;
"show everything") running && [ -f "$FAKE_STATE/everything" ] ;;
"add --yes npx -y @modelcontextprotocol/server-everything@"*) running && : >"$FAKE_STATE/everything" ;;
"token create demo")
    running || exit 3
    [ ! -f "$FAKE_STATE/demo" ] || exit 5
    : >"$FAKE_STATE/demo"
    echo tc_demo
    ;;
*) exit 2 ;;
esac
