#!/bin/sh
# small.sh as a server that does not want to end: deaf to signals and to the end of stdin, with a grandchild in a
# session of its own, without environment and directory of ours: `sleep 600`. Both give up after ten minutes, so that
# a failed test leaves nothing for ever.
trap '' TERM INT HUP
(cd / && exec env -i /bin/sh -c 'setsid sleep 600 </dev/null >/dev/null 2>&1 &')
. "${0%/*}/small.sh"
exec sleep 600
