// Attempts on files. Nothing is changed: what is opened for writing is not written, what is made is removed.

#ifndef TOOLCRIB_PROBE_FILES_H
#define TOOLCRIB_PROBE_FILES_H

#include "result.h"

// Never waits for the other end of a pipe, never gets a terminal.
enum { QUIETLY = O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static long closed(long descriptor) {
  if (descriptor >= 0) sys(close, descriptor);
  return descriptor;
}

static long read_file(const char *path) {
  char byte;
  const long file = sys(openat, AT_FDCWD, path, O_RDONLY | QUIETLY);
  if (file < 0) return file;
  const long result = sys(read, file, &byte, 1);
  sys(close, file);
  // A directory that opens can be read.
  return result == -EISDIR ? 0 : result;
}

static long make_and_remove(long directory, const char *name) {
  const long file = closed(sys(openat, directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | QUIETLY, 0600));
  return file < 0 ? file : sys(unlinkat, directory, name, 0);
}

// A name that nobody has put there before.
static long write_into(const char *path) {
  static struct text name;
  unsigned long random = 0;
  sys(getrandom, &random, sizeof random, 0);
  name.size = 0;
  add(&name, ".toolcrib-probe-");
  add_in_base(&name, random, 16);
  name.bytes[name.size] = 0;

  const long directory = sys(openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return directory;
  const long result = make_and_remove(directory, name.bytes);
  sys(close, directory);
  return result;
}

// A file, one that is not there yet, or a directory, in which one is made.
static long write_file(const char *path) {
  const long result = closed(sys(openat, AT_FDCWD, path, O_WRONLY | QUIETLY));
  if (result == -EISDIR) return write_into(path);
  if (result == -ENOENT) return make_and_remove(AT_FDCWD, path);
  return result;
}

// ---- Directories

struct listing {
  long directory, filled, position;
  char entries[4096] __attribute__((aligned(8)));
};

static long open_listing(struct listing *listing, const char *path) {
  listing->filled = listing->position = 0;
  return listing->directory = sys(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// 0 at the end.
static const char *next_name(struct listing *listing) {
  if (listing->position >= listing->filled) {
    listing->filled = sys(getdents64, listing->directory, listing->entries, sizeof listing->entries);
    listing->position = 0;
    if (listing->filled <= 0) return 0;
  }
  const struct directory_entry *entry = (const void *)(listing->entries + listing->position);
  listing->position += entry->size;
  return entry->name;
}

enum { MOST_ENTRIES = 100000 };

// How many names are in a directory: `counts` tells which.
static long count_names(const char *path, int (*counts)(const char *), struct text *detail) {
  struct listing listing;
  unsigned long count = 0;
  if (open_listing(&listing, path) < 0) return listing.directory;
  for (const char *name; count < MOST_ENTRIES && (name = next_name(&listing));) count += counts(name) != 0;
  sys(close, listing.directory);
  add_number(detail, count);
  return listing.filled < 0 ? listing.filled : 0;
}

static int is_entry(const char *name) { return !equal(name, ".") && !equal(name, ".."); }
static int is_process(const char *name) { return only_number(name) > 0; }

static long list_directory(const char *path, struct text *detail) { return count_names(path, is_entry, detail); }

// How many processes there are to be seen.
static long count_processes(const char *, struct text *detail) { return count_names("/proc", is_process, detail); }

#endif
