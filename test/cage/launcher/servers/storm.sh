#!/bin/sh
# A storm with a bound: each process starts two, in sessions of their own, DEPTH generations. Each says `here`.
# storm.sh DEPTH
echo here
if [ "$1" -gt 1 ]; then
  setsid sh "$0" $(($1 - 1)) &
  setsid sh "$0" $(($1 - 1)) &
fi
while :; do sleep 1000; done
