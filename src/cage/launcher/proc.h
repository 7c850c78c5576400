// What the launcher reads from /proc: who descends from it, and which descriptors are open. The second half sends
// signals to those that descend. No memory is allocated; everything has a bound.

#ifndef TOOLCRIB_PROC_H
#define TOOLCRIB_PROC_H

#include "linux.h"

// Reads a process id (or descriptor) and moves `*text` behind it; -1 when there is none.
static int read_number(const char **text) {
  const char *at = *text;
  int value = 0;
  while (*at >= '0' && *at <= '9' && at - *text < 9) value = value * 10 + (*at++ - '0');
  if (at == *text) return -1;
  *text = at;
  return value;
}

// ---- Directories whose names are numbers

struct listing {
  long directory, filled, position;
  char entries[2048] __attribute__((aligned(8)));
};

static int open_listing(struct listing *listing, const char *path) {
  listing->directory = sys(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  listing->filled = listing->position = 0;
  return listing->directory >= 0;
}

// The next number, ascending; -1 at the end.
static int next_number(struct listing *listing) {
  for (;;) {
    if (listing->position >= listing->filled) {
      listing->filled = sys(getdents64, listing->directory, listing->entries, sizeof listing->entries);
      listing->position = 0;
      if (listing->filled <= 0) return -1;
    }
    const struct directory_entry *entry = (const void *)(listing->entries + listing->position);
    listing->position += entry->size;
    const char *name = entry->name;
    const int number = read_number(&name);
    if (number >= 0) return number;
  }
}

// ---- The family: this process and all that descend from it

// One bit for each process id that Linux can give. Only touched pages take memory, and forgetting gives them back.
#define MOST_PROCESSES (4 * 1024 * 1024)
static unsigned char family[MOST_PROCESSES / 8] __attribute__((aligned(65536)));

static void forget_family(void) { sys(madvise, family, sizeof family, MADV_DONTNEED); }
static void add_to_family(int pid) { family[pid / 8] |= (unsigned char)(1 << pid % 8); }
static int in_family(int pid) { return pid > 0 && pid < MOST_PROCESSES && (family[pid / 8] >> pid % 8 & 1); }

struct relations {
  int parent, group;
};

// From /proc/PID/stat, "PID (NAME) STATE PARENT GROUP …". False when the process is gone.
static int read_relations(long proc, int pid, struct relations *relations) {
  char path[] = "0000000/stat", stat[256];
  char *name = path + 7;
  for (int rest = pid; rest > 0; rest /= 10) *--name = (char)('0' + rest % 10);

  const long file = sys(openat, proc, name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const long size = sys(read, file, stat, sizeof stat - 1);
  sys(close, file);
  if (size <= 0) return 0;
  stat[size] = 0;

  // NB: a process names itself, brackets and blanks included: what counts comes after the last bracket.
  const char *at = stat + size;
  while (at > stat && *at != ')') at--;
  if (at + 4 >= stat + size) return 0;
  at += 4;
  relations->parent = read_number(&at);
  at++;
  relations->group = read_number(&at);
  return relations->parent >= 0 && relations->group >= 0;
}

// One pass over all processes of the host, parents before children (ids ascend, and a process that is born while
// this runs gets a higher one). True when it found a descendant that was not in the family before.
static int signal_newly_found(int signal, int own_group) {
  struct listing all;
  struct relations its;
  int found = 0;
  if (!open_listing(&all, "/proc")) return 0;
  for (int pid; (pid = next_number(&all)) >= 0;) {
    if (pid >= MOST_PROCESSES || in_family(pid)) continue;
    if (!read_relations(all.directory, pid, &its) || !in_family(its.parent)) continue;
    add_to_family(pid);
    found = 1;
    // Linux kills a group in one step that no fork gets around. Groups do not reach across sessions, and FILE was
    // given a session of its own: whoever is in the group of a descendant is one too, ours excepted.
    if (signal == SIGKILL && its.group > 1 && its.group != own_group) sys(kill, -its.group, SIGKILL);
    sys(kill, pid, signal);
  }
  sys(close, all.directory);
  return found;
}

// To every descendant that can be seen, wherever it fled: once, or, for SIGKILL, at least once.
static void signal_descendants(int signal) {
  const int own_group = (int)sys(getpgid, 0);
  forget_family();
  add_to_family((int)sys(getpid));
  // Ids start again at the bottom some day, and a child may then be below its parent: look until nobody is new. Not
  // so for SIGKILL: its caller comes back until all are gone, and a long look risks an id that was given anew.
  while (signal_newly_found(signal, own_group) && signal != SIGKILL) continue;
}

#endif
