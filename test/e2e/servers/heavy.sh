#!/bin/sh
# small.sh with a weight: it holds $1 MiB of memory from its start on.
mib=0123456789abcdef
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do mib=$mib$mib; done
held=0
while [ $((held += 1)) -le "$1" ]; do eval "held_$held=\$mib"; done
unset mib
. "${0%/*}/small.sh"
