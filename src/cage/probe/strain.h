// Attempts to use up what others need. All that was taken is given back at once.

#ifndef TOOLCRIB_PROBE_STRAIN_H
#define TOOLCRIB_PROBE_STRAIN_H

#include "child.h"

enum { MOST_CHILDREN = 32768, PAGE = 4096 };

// As many processes at once; `detail` tells how many there were.
static long fork_many(const char *argument, struct text *detail) {
  static int children[MOST_CHILDREN];
  const long wanted = only_number(argument);
  if (wanted < 0 || wanted > MOST_CHILDREN) return -EINVAL;
  long started = 0, result = 0;
  while (started < wanted) {
    result = fork_child();
    if (result == 0) {
      // Not even an orphan stays.
      sys(prctl, PR_SET_PDEATHSIG, SIGKILL);
      for (;;) sys(ppoll, 0, 0, 0, 0);
    }
    if (result < 0) break;
    children[started++] = (int)result;
  }
  for (long index = 0; index < started; index++) sys(kill, children[index], SIGKILL);
  for (long index = 0; index < started; index++) result_of(children[index]);
  add_number(detail, (unsigned long)started);
  return result < 0 ? result : 0;
}

// By its data segment, which needs no call with six arguments.
static long fill_in_child(const char *bytes) {
  const long size = only_number(bytes);
  const long at = sys(brk, 0);
  if (size < 0) return -EINVAL;
  if (sys(brk, at + size) != at + size) return -ENOMEM;
  for (long offset = 0; offset < size; offset += PAGE) *(volatile char *)(at + offset) = 1;
  return 0;
}

// A process of so many bytes, each page written to.
static long fill_memory(const char *bytes) { return in_child(fill_in_child, bytes); }

#endif
