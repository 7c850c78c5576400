#!/bin/sh
# Builds Toolcrib from this clone and installs it: as root as a service of the system, else for the user who calls.
# May be run again at any time: it brings things up to date and repeats nothing. `./install.sh --help` tells the rest.
set -eu

demo_name=everything
demo_package=@modelcontextprotocol/server-everything@2026.8.31

usage() {
    cat <<'END'
usage: ./install.sh [options]

Builds the executable from this clone and installs it. As root: /usr/local/bin/toolcrib, a system user, and a
systemd unit where systemd runs. As another user: ~/.local/bin/toolcrib and the XDG directories.

  --start        then start it, add a demo server, create a token, and say what to do next
  --prefix DIR   install into DIR/bin instead
  --dry-run      print every step and change nothing
  --uninstall    stop it and take away what was installed; data and configuration stay
  --purge        the same, and take away data and configuration as well
  --help         this
END
}

main() {
    action=install start=no dry_run=no prefix='' doing=''
    trap at_exit EXIT
    while [ $# -gt 0 ]; do
        case $1 in
        --start) start=yes ;;
        --dry-run) dry_run=yes ;;
        --uninstall) [ "$action" = purge ] || action=uninstall ;;
        --purge) action=purge ;;
        --prefix=/*) prefix=${1#--prefix=} ;;
        --prefix)
            case ${2-} in /*) ;; *) wrong_usage "--prefix needs a directory, from / on" ;; esac
            prefix=$2
            shift
            ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) wrong_usage "unknown option: $1" ;;
        esac
        shift
    done
    [ "$action" = install ] || [ "$start" = no ] || wrong_usage "--start does not go with --$action"

    cd "$(dirname "$0")"
    umask 022
    # Each of these would make the executable something else than Toolcrib.
    unset BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS
    check_system
    choose_layout
    if [ "$action" = install ]; then install_all; else uninstall_all; fi
    [ "$dry_run" = no ] || say "This was a dry run: nothing has changed."
}

# ---- where things go

choose_layout() {
    if [ "$(id -u)" = 0 ]; then
        layout=service
        # The places of the service are fixed: see src/paths.ts.
        unset TOOLCRIB_HOME
        data=/var/lib/toolcrib cache=/var/cache/toolcrib config=/etc/toolcrib run=/run/toolcrib
        unit=/etc/systemd/system/toolcrib.service
        prefix=${prefix:-/usr/local}
    else
        layout=user
        [ -n "${HOME-}" ] || fail "HOME is not set: set it to your home directory, then try again."
        choose_user_directories
        prefix=${prefix:-$HOME/.local}
    fi
    program=$prefix/bin/toolcrib
    case :$PATH: in *":$prefix/bin:"*) typed=toolcrib ;; *) typed=$program ;; esac
    log=$data/appliance.log
}

choose_user_directories() {
    if [ -n "${TOOLCRIB_HOME-}" ]; then
        case $TOOLCRIB_HOME in /*) ;; *) fail "TOOLCRIB_HOME has to be a path from / on, and is $TOOLCRIB_HOME." ;; esac
        data=$TOOLCRIB_HOME/data cache=$TOOLCRIB_HOME/cache config=$TOOLCRIB_HOME/toolcrib.toml run=$TOOLCRIB_HOME/run
        return
    fi
    data=$(absolute "${XDG_DATA_HOME-}" "$HOME/.local/share")/toolcrib
    cache=$(absolute "${XDG_CACHE_HOME-}" "$HOME/.cache")/toolcrib
    config=$(absolute "${XDG_CONFIG_HOME-}" "$HOME/.config")/toolcrib
    run=$(absolute "${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/toolcrib}" "$data/run")
}

# absolute PATH FALLBACK: the XDG rule, by which a path that is not absolute does not count.
absolute() {
    case $1 in /*) echo "$1" ;; *) echo "$2" ;; esac
}

# ---- what must be there

check_system() {
    [ "$(uname -s)" = Linux ] || fail "Toolcrib runs on Linux, and this is $(uname -s)."
    case $(uname -m) in
    x86_64 | amd64 | aarch64 | arm64) ;;
    *) fail "There is no Bun for the processor $(uname -m): x86_64 or aarch64 is needed." ;;
    esac
}

check_tools() {
    [ -f src/main.ts ] || fail "src/main.ts is not beside install.sh: clone the repository and run it in the clone."
    command -v npm >/dev/null || fail "npm is missing, which brings Bun: install it (Debian: apt-get install npm), then try again."
    if [ "$layout" = service ] && ! has_user; then
        command -v useradd >/dev/null || command -v adduser >/dev/null ||
            fail "There is neither useradd nor adduser: add a system user toolcrib, then try again."
    fi
    if [ -d node_modules ]; then check_space . 300; else check_space . 900; fi
    check_space "$prefix" 150
}

# check_space DIRECTORY MEGABYTES
check_space() {
    place=$1
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    free=$(df -Pk "$place" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "${free:-$2}" -ge "$2" ] || fail "There are $free MB free for $1 and $2 MB are needed: make room, then try again."
}

systemd_runs() {
    [ "$layout" = service ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

# ---- install

install_all() {
    check_tools
    say "Installing Toolcrib for $(whom): $program"
    step "Get the pinned Bun and the libraries (npm ci, where they are missing or old)" sh scripts/bun.sh --version
    step "Build the executable dist/toolcrib" npm run --silent build
    install_program
    if [ "$layout" = service ]; then install_service; fi
    [ "$typed" = toolcrib ] || say "NB: $prefix/bin is not in PATH; until it is, write $program."
    if [ "$start" = yes ]; then
        start_all
    elif is_running; then
        say "$(what_runs)"
    else
        say "Start it with: $(start_command)"
    fi
}

whom() {
    if [ "$layout" = service ]; then echo "this machine"; else echo "$(id -un) alone"; fi
}

what_runs() {
    if ! is_outdated; then echo "It is running already."; return; fi
    echo "The build from before is still running; ./install.sh --start puts the new one in its place."
}

start_command() {
    if systemd_runs; then echo "systemctl enable --now toolcrib"; return; fi
    if [ "$layout" = service ]; then echo "./install.sh --start"; else echo "$typed serve"; fi
}

# The executable may be running: a copy beside it takes its place in one step.
install_program() {
    changed=no
    if [ "$dry_run" = no ] && cmp -s dist/toolcrib "$program"; then return; fi
    changed=yes
    step "Make the directory $prefix/bin" mkdir -p "$prefix/bin"
    step "Copy the executable" cp dist/toolcrib "$program.new"
    step "Let everybody run it" chmod 0755 "$program.new"
    step "Put it into its place" mv -f "$program.new" "$program"
}

install_service() {
    has_user || add_user
    for directory in "$data" "$cache" "$run"; do
        step "Make $directory, for user toolcrib alone" install -d -m 0700 -o toolcrib -g toolcrib "$directory"
    done
    step "Make $config" install -d -m 0755 "$config"
    if systemd_runs; then
        step "Write the unit $unit" write_unit
        step "Let systemd read it" systemctl daemon-reload
    else
        say "NB: systemd does not run here, so nothing starts Toolcrib at boot."
    fi
}

has_user() {
    id toolcrib >/dev/null 2>&1
}

add_user() {
    if command -v useradd >/dev/null; then
        step "Add the system user toolcrib" useradd --system --user-group --no-create-home \
            --home-dir "$data" --shell /usr/sbin/nologin toolcrib
        return
    fi
    step "Add the system group toolcrib" addgroup -S toolcrib
    step "Add the system user toolcrib" adduser -S -D -H -h "$data" -s /sbin/nologin -G toolcrib toolcrib
}

write_unit() {
    sed "s|@EXECUTABLE@|$program|; s|@CERTIFICATES@|$(certificates)|" packaging/toolcrib.service >"$unit.new"
    mv -f "$unit.new" "$unit"
}

# The certificates that this host trusts: Debian, Fedora and SUSE each have their own place for them.
certificates() {
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        [ ! -f "$file" ] || break
    done
    echo "$file"
}

# ---- start

start_all() {
    if is_running && ! is_outdated; then
        say "Toolcrib is running already."
    else
        stop
        if systemd_runs; then
            step "Start the service, now and at boot" systemctl enable --now toolcrib
        else
            start_in_background
        fi
        step "Wait until it answers" wait_until_running
    fi
    add_demo_server
    create_demo_token
    [ "$dry_run" = yes ] || say_what_next
}

is_running() {
    [ -n "$(status_of pid)" ]
}

# True where the executable was replaced since it was started, in this run or in one before.
is_outdated() {
    [ "$changed" = no ] || return 0
    case $(readlink "/proc/$(status_of pid)/exe") in *' (deleted)') return 0 ;; *) return 1 ;; esac
}

# What the appliance itself says at its admin socket: `status_of pid`, `status_of url`; nothing where none answers. The
# executable, which can act as Bun, asks: there need not be another program that can.
status_of() {
    [ -x "$program" ] || return 0
    BUN_BE_BUN=1 "$program" -e '
        const [socket, field] = process.argv.slice(1);
        const answer = await fetch("http://toolcrib/api/v1/status", { unix: socket });
        console.log((await answer.json())[field]);
    ' "$run/admin.sock" "$1" 2>/dev/null || :
}

# Without systemd: the appliance as the leader of a session of its own, so that it outlives this script and its
# terminal; of a service as its own user, with a clean environment.
start_in_background() {
    set -- "$program" serve
    if [ "$layout" = service ]; then
        set -- env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$data" LANG=C.UTF-8 TOOLCRIB_SERVICE=1 \
            NODE_EXTRA_CA_CERTS="$(certificates)" "$@"
        if setpriv --help 2>/dev/null | grep -q -e --reuid; then
            set -- setpriv --reuid=toolcrib --regid=toolcrib --init-groups --inh-caps=-all "$@"
        elif command -v runuser >/dev/null; then
            set -- runuser -u toolcrib -- "$@"
        else
            # shellcheck disable=SC2016 # The inner shell is to expand it.
            set -- su -s /bin/sh -c 'exec "$0" "$@"' toolcrib "$@"
        fi
    fi
    if command -v setsid >/dev/null; then set -- setsid "$@"; fi
    step "Start it in the background, with its log in $log" in_background "$@"
}

in_background() {
    mkdir -p "$data"
    [ ! -f "$log" ] || mv -f "$log" "$log.1"
    (umask 077 && : >"$log")
    [ "$layout" = user ] || chown toolcrib:toolcrib "$log"
    (trap '' HUP && cd / && umask 077 && exec "$@" </dev/null >>"$log" 2>&1) &
    background=$!
}

# At most a minute; less where the process that was started is gone.
wait_until_running() {
    tries=0
    until is_running; do
        tries=$((tries + 1))
        if [ "$tries" -gt 240 ] || ! is_starting; then
            fail "Toolcrib did not start: $(last_words)"
        fi
        sleep 0.25 2>/dev/null || sleep 1
    done
}

is_starting() {
    if systemd_runs; then
        systemctl is-active --quiet toolcrib
    else
        is_alive "$background"
    fi
}

last_words() {
    if systemd_runs; then
        echo "journalctl -u toolcrib says why."
        return
    fi
    tail -n 1 "$log"
}

add_demo_server() {
    if "$program" show "$demo_name" >/dev/null 2>&1; then
        say "The demo server is there already: $demo_name."
        return
    fi
    step "Add the demo server $demo_name" "$program" add --yes npx -y "$demo_package"
}

# A token is shown once, so a second run has none to show: it makes no other.
create_demo_token() {
    token=
    if [ "$dry_run" = yes ]; then
        step "Create the token demo" "$program" token create demo
        return
    fi
    status=0
    token=$("$program" token create demo 2>/dev/null) || status=$?
    case $status in
    0 | 5) ;;
    *) "$program" token create demo >/dev/null || fail "The demo token could not be created." ;;
    esac
}

say_what_next() {
    url=$(status_of url)
    say ""
    say "Toolcrib is running."
    say "  MCP URL  $url/mcp"
    if [ -n "$token" ]; then
        say "  token    $token   (shown only now)"
    else
        say "  token    demo, made before and shown only then; another: $typed token create NAME"
    fi
    say ""
    say "Next, connect an agent. Claude Code:"
    say "  claude mcp add --transport http toolcrib $url/mcp --header \"Authorization: Bearer ${token:-TOKEN}\""
    say "or call a tool from here:"
    say "  $typed call ${demo_name}__echo '{\"message\":\"hello\"}'"
}

# ---- stop, uninstall

stop() {
    if systemd_runs; then
        if systemctl is-active --quiet toolcrib; then step "Stop the service" systemctl stop toolcrib; fi
        return
    fi
    pid=$(status_of pid)
    [ -n "$pid" ] || return 0
    step "Stop the appliance, process $pid" stop_process "$pid"
}

# NB: in a container often nobody collects a process that has ended, and `kill -0` calls it alive for ever.
is_alive() {
    [ -e "/proc/$1" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# It stops its servers first; that takes at most some seconds.
stop_process() {
    kill -TERM "$1"
    tries=0
    while is_alive "$1"; do
        tries=$((tries + 1))
        [ "$tries" -le 120 ] || fail "Process $1 does not stop: look at it, end it, then try again."
        sleep 0.25 2>/dev/null || sleep 1
    done
}

uninstall_all() {
    say "Uninstalling Toolcrib for $(whom): $program"
    if systemd_runs && [ -e "$unit" ]; then
        step "Stop the service, now and at boot" systemctl disable --now toolcrib
        step "Remove the unit" rm -f "$unit"
        step "Let systemd see it" systemctl daemon-reload
    else
        stop
    fi
    if [ -e "$program" ]; then step "Remove $program" rm -f "$program"; fi
    if [ "$action" = uninstall ]; then
        say "Data stays in $data and configuration in $config; --purge takes both away."
        return
    fi
    for place in "$run" "$cache" "$data" "$config"; do
        if [ -e "$place" ]; then step "Remove $place" rm -rf "$place"; fi
    done
    if [ "$layout" = service ] && has_user; then
        step "Remove the system user toolcrib" remove_user
    fi
}

remove_user() {
    if command -v userdel >/dev/null; then userdel toolcrib; else deluser toolcrib; fi
}

# ---- talk

# step WORDS COMMAND...: says what it does and does it; in a dry run only says it.
step() {
    words=$1
    shift
    if [ "$dry_run" = yes ]; then
        say "would: $words: $*"
        return
    fi
    say "- $words"
    doing=$words
    # NB: not "$@" || fail …: that would switch `set -e` off inside of it.
    "$@"
    doing=
}

at_exit() {
    [ -z "$doing" ] || printf 'install.sh: This did not work: %s.\n' "$doing" >&2
}

say() {
    printf '%s\n' "$*"
}

fail() {
    doing=
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

wrong_usage() {
    printf 'install.sh: %s\n\n' "$*" >&2
    usage >&2
    exit 2
}

main "$@"
