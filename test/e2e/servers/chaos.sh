#!/bin/sh
# A server that goes wrong in the way that $1 names, each time at another moment. The seed $2 and the number of this
# start (kept in the file `starts` of its working directory) decide when: at once, after the handshake, or at the
# first call. Its very first start goes well, so that it can be added. Tool `chaos` answers where it still does. Like
# small.sh it assumes compact JSON with the id before the params. What it leaves behind gives up after ten minutes, so
# that a failed test leaves nothing for ever.

way=$1
starts=0
[ -r starts ] && read -r starts <starts
starts=$((starts + 1))
echo "$starts" >starts
[ "$starts" = 1 ] && way=polite
# Below 2^31 for ever, also where the shell counts in 32 bits.
random=$((($2 * 7919 + starts * 104729) % 32749))

# Two dozen KiB.
junk=0123456789abcdef
for _ in 1 2 3 4 5 6 7 8 9 10 11; do junk=$junk$junk; done

# Never returns, except where the server goes on as if nothing had happened.
go_wrong() {
  case $way in
    polite) ;;
    exits) exit $((random % 5)) ;;
    crashes) kill -SEGV $$ ;;
    deaf) trap '' TERM INT HUP USR1; deaf=1 ;;
    detaches)
      for _ in 1 2 3; do
        (trap '' TERM HUP; setsid sh -c 'sleep 600 & sleep 600' </dev/null >/dev/null 2>&1 &)
      done ;;
    floods) while :; do printf '%s\n' "$junk"; printf '%s\n' "$junk" >&2; done ;;
    half) printf '{"jsonrpc":"2.0","id":1,"resu'; exec sleep 600 ;;
    endless) while :; do printf '%s' "$junk"; done ;;
    blind) exec sleep 600 ;;
    mute) exec >&-; exec sleep 600 ;;
    # A shell that is refused a process ends, and leaves what it has.
    forks) while sleep 600 & do :; done ;;
    eats) while :; do junk=$junk$junk; done ;;
    stops) kill -STOP $$ ;;
    # Its launcher: as PID 1 of its own namespace, or with the rights of another user, not to be ended from here.
    strikes) kill -KILL $PPID; kill -STOP $PPID ;;
  esac
}

[ $((random % 3)) = 0 ] && go_wrong
while IFS= read -r line; do
  id=${line#*\"id\":}
  id=${id%%[,\}]*}
  case $line in
    *'"method":"notifications/initialized"'*)
      [ $((random % 3)) = 1 ] && go_wrong
      continue ;;
    *'"method":"notifications/'*) continue ;;
    *'"method":"initialize"'*)
      result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"chaos","version":"1"}}' ;;
    *'"method":"tools/list"'*) result='{"tools":[{"name":"chaos","inputSchema":{"type":"object"}}]}' ;;
    *'"method":"tools/call"'*)
      [ $((random % 3)) = 2 ] && go_wrong
      result="{\"content\":[{\"type\":\"text\",\"text\":\"$way $starts\"}]}" ;;
    *) result='{}' ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
# Deaf to the end of its input as well.
[ -z "$deaf" ] || exec sleep 600
