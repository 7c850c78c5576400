#!/bin/sh
# Ends in good order, with 3, at the end of its input, and leaves a detached process that holds its stdout open.
setsid sh -c 'trap "" HUP TERM; echo here; while :; do sleep 1000; done' &
echo here
while read -r _; do :; done
exit 3
