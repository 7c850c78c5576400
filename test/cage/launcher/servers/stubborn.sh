#!/bin/sh
# Obeys nobody: ignores end of input and every signal that can be ignored, and so does what it starts: a child, a
# grandchild in a session of its own, and one that detached twice. Each of the four says `here`.
trap '' HUP INT QUIT TERM USR1 USR2 PIPE
stay='echo here; while :; do sleep 1000; done'
sh -c "$stay" &
setsid sh -c "$stay" &
setsid sh -c 'setsid sh -c "$0" &' "$stay" &
eval "$stay"
