#!/bin/sh
# Generations of processes, each in a session of its own; each says `here`, and `asked` for every SIGTERM it gets.
# polite.sh GENERATIONS
trap 'echo asked' TERM
if [ "$1" -gt 1 ]; then setsid sh "$0" $(($1 - 1)) & fi
echo here
while :; do
  sleep 1000 &
  wait $!
done
