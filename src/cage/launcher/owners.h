// User namespaces and their maps: one that the server lives in, and ones that are only a map, for the owners of files.

#ifndef TOOLCRIB_OWNERS_H
#define TOOLCRIB_OWNERS_H

#include <linux/sched.h>

#include "report.h"

static long write_file(long directory, const char *path, const char *text) {
  const long file = sys(openat, directory, path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return file;
  const unsigned long size = length(text);
  const long written = sys(write, file, text, size);
  sys(close, file);
  return written < 0 ? written : 0;
}

// `inside` of the namespace of the process in `directory` is `outside` of it.
static long write_map(long directory, const char *path, unsigned inside, unsigned outside) {
  struct line line;
  begin(&line, "");
  add_number(&line, inside);
  add(&line, " ");
  add_number(&line, outside);
  add(&line, " 1");
  return write_file(directory, path, line.text);
}

// In a new user namespace: the user that made it, `uid` and `gid` outside, shows as these.
static long show_as(unsigned uid, unsigned gid, unsigned uid_outside, unsigned gid_outside) {
  const long proc = sys(openat, AT_FDCWD, "/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return proc;
  // Without it an ordinary user could leave groups that are there to keep somebody out; before 3.19 it is missing.
  long result = write_file(proc, "setgroups", "deny");
  if (result == 0 || result == -ENOENT) result = write_map(proc, "uid_map", uid, uid_outside);
  if (result == 0) result = write_map(proc, "gid_map", gid, gid_outside);
  sys(close, proc);
  return result;
}

static void leave_at(int descriptor, const char *path, int flags) {
  const long file = sys(openat, AT_FDCWD, path, flags);
  sys(dup3, file, descriptor, O_CLOEXEC);
  sys(close, file);
}

// A user namespace that is only a map: what `owner` owns on disk shows as the server's. Its descriptor.
//
// A namespace begins with a process, and its map is written by one that stands outside. The process shares our
// descriptors, leaves two of them behind and is dead when its map is written: its entry in /proc stays until it is
// buried. (It could not be found there by its number: /proc counts in another process namespace than we do.)
// NB: not in a process whose root is not that of its mounts: Linux refuses it a user namespace.
static long owner_map(unsigned uid_on_disk, unsigned gid_on_disk, unsigned uid, unsigned gid) {
  enum { PROC = 60, NAMESPACE = 61 };
  const long child = sys(clone, CLONE_NEWUSER | CLONE_FILES | SIGCHLD);
  if (child < 0) return child;
  if (child == 0) {
    leave_at(PROC, "/proc/self", O_PATH | O_DIRECTORY);
    leave_at(NAMESPACE, "/proc/self/ns/user", O_RDONLY);
    leave(0);
  }
  sys(waitid, 1 /* P_PID */, child, 0, WEXITED | WNOWAIT | __WALL, 0);
  long result = write_map(PROC, "uid_map", uid_on_disk, uid);
  if (result == 0) result = write_map(PROC, "gid_map", gid_on_disk, gid);
  sys(wait4, child, 0, __WALL, 0);
  if (result == 0) result = sys(fcntl, NAMESPACE, F_DUPFD_CLOEXEC, 0);
  sys(close, PROC);
  sys(close, NAMESPACE);
  return result;
}

#endif
