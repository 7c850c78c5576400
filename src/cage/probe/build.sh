#!/bin/sh
# Builds the program of this directory, which has the directory's name, for both machines: NAME-x64, NAME-arm64 and
# SHA256SUMS, all three committed.
#   build.sh           needs, on Debian: gcc, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross (for kernel headers)
#   build.sh --check   builds aside and compares with what is committed, byte by byte; a machine whose compiler is
#                      missing, or is not the one that made the committed bytes, is skipped and the reason told
# Ends with 1 when something differs. The bytes depend on the compiler alone: there is no C library in them.
set -eu

FLAGS='-std=gnu11 -Os -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror
  -ffreestanding -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie
  -nostdlib -static -no-pie -s -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,noexecstack'
MACHINES='x64 arm64'

compiler() {
  case "$1" in
    x64) echo x86_64-linux-gnu-gcc ;;
    arm64) echo aarch64-linux-gnu-gcc ;;
  esac
}

# Marks for the processor's own control-flow checks: distributions differ in whether they are on by default.
machine_flags() {
  case "$1" in
    x64) echo -fcf-protection=none ;;
    arm64) echo -mbranch-protection=none ;;
  esac
}

build() { # MACHINE OUTPUT
  # shellcheck disable=SC2046,SC2086 # flags are words
  "$(compiler "$1")" $FLAGS $(machine_flags "$1") -o "$2" "$NAME.c"
}

# What the compiler wrote about itself.
made_by() { # BINARY
  readelf -p .comment "$1" | sed -n 's/^ *\[ *[0-9a-f]*\] *//p'
}

build_all() {
  for machine in $MACHINES; do
    build "$machine" "$NAME-$machine"
  done
  sha256sum "$NAME-x64" "$NAME-arm64" >SHA256SUMS
  cat SHA256SUMS
}

check() { # MACHINE DIRECTORY
  if ! command -v "$(compiler "$1")" >/dev/null; then
    echo "$NAME-$1: skipped, $(compiler "$1") is not installed"
    return 0
  fi
  if ! echo '#include <asm/unistd.h>' | "$(compiler "$1")" -E - >/dev/null 2>&1; then
    echo "$NAME-$1: skipped, $(compiler "$1") has no kernel headers (Debian: libc6-dev)"
    return 0
  fi
  build "$1" "$2/$NAME-$1"
  if cmp -s "$2/$NAME-$1" "$NAME-$1"; then
    echo "$NAME-$1: rebuilt, the same bytes"
    return 0
  fi
  if [ "$(made_by "$2/$NAME-$1")" != "$(made_by "$NAME-$1")" ]; then
    echo "$NAME-$1: skipped, made by $(made_by "$NAME-$1"), here is $(made_by "$2/$NAME-$1")"
    return 0
  fi
  echo "$NAME-$1: DIFFERS from its source: run src/cage/$NAME/build.sh and commit the result" >&2
  return 1
}

check_all() {
  sha256sum --check --quiet SHA256SUMS
  directory=$(mktemp -d)
  trap 'rm -rf "$directory"' EXIT
  for machine in $MACHINES; do
    check "$machine" "$directory"
  done
}

main() {
  cd "$(dirname "$0")"
  NAME=$(basename "$PWD")
  case "${1-}" in
    '') build_all ;;
    --check) check_all ;;
    *)
      echo 'usage: build.sh [--check]' >&2
      exit 2
      ;;
  esac
}
main "$@"
