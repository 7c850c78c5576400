#!/bin/sh
# Flees: every process starts its successor in a new session and ends at once. LOG gets a line per hop: those left.
# fugitive.sh HOPS LOG
echo "$1" >>"$2"
if [ "$1" -gt 0 ]; then setsid sh "$0" $(($1 - 1)) "$2" & fi
