// Attempts that would change the probe itself, or end it, run in a child of it.

#ifndef TOOLCRIB_PROBE_CHILD_H
#define TOOLCRIB_PROBE_CHILD_H

#include "result.h"

_Noreturn static void leave(int code) {
  for (;;) sys(exit_group, code);
}

static long fork_child(void) {
  const long child = sys(clone, SIGCHLD);
  // One that is ended by a signal leaves no core behind, and no report of a crash on the host.
  if (child == 0) sys(prctl, PR_SET_DUMPABLE, 0);
  return child;
}

// The exit code of a child is an errno, positive, or 0.
static long result_of(long child) {
  int status = 0;
  const long waited = sys(wait4, child, &status, __WALL, 0);
  if (waited < 0) return waited;
  const int signal = status & 0x7f;
  return signal ? KILLED_BY(signal) : -(status >> 8 & 0xff);
}

static long in_child(long (*attempt)(const char *), const char *argument) {
  const long child = fork_child();
  if (child < 0) return child;
  if (child > 0) return result_of(child);
  const long result = attempt(argument);
  leave(result < 0 ? (int)-result : 0);
}

#endif
