// The tools that view.h builds with: opening what is granted, making what is not there, and putting the one onto the
// other. Paths are walked step by step from a descriptor, and a link is an error wherever it stands: a server that can
// write to a granted directory cannot make a path through it mean something else.

#ifndef TOOLCRIB_MOUNTS_H
#define TOOLCRIB_MOUNTS_H

#include <asm/statfs.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "report.h"
#include "spec.h"

enum { MOST_MADE = MOST_TMPFS + 3 /* root, devices, shm */, MOST_NAME = 256 };

// The file system in the making.
struct view {
  int old;   // root of the host
  int root;  // root of the server
  // The file systems that were made for it. Only in these is anything created: nothing is written to the host's.
  unsigned long made[MOST_MADE];
  int made_count;
};

struct facts_of_file {
  unsigned mode, uid, gid;
  unsigned long device;
};

static int is_directory(const struct facts_of_file *facts) { return (facts->mode & S_IFMT) == S_IFDIR; }

static long look_at(long file, struct facts_of_file *facts) {
  struct statx found;
  const long result = sys(statx, file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found);
  if (result < 0) return result;
  *facts = (struct facts_of_file){
      .mode = found.stx_mode,
      .uid = found.stx_uid,
      .gid = found.stx_gid,
      .device = (unsigned long)found.stx_dev_major << 32 | found.stx_dev_minor,
  };
  return 0;
}

// ---- What was made

static void remember_made(struct view *view, long file) {
  struct facts_of_file facts;
  must(look_at(file, &facts), "cannot look at what was mounted", "");
  if (view->made_count == MOST_MADE) refuse("too many mounts", "", "of those that are made");
  view->made[view->made_count++] = facts.device;
}

static int was_made(const struct view *view, long file) {
  struct facts_of_file facts;
  if (look_at(file, &facts) < 0) return 0;
  for (int index = 0; index < view->made_count; index++) {
    if (view->made[index] == facts.device) return 1;
  }
  return 0;
}

enum making { MAKE_NOTHING, MAKE_DIRECTORIES, MAKE_EMPTY_FILE };

static long make_in(const struct view *view, long parent, const char *name, enum making making) {
  if (!was_made(view, parent)) return -EROFS;
  if (making == MAKE_DIRECTORIES) return sys(mkdirat, parent, name, 0755);
  const long file = sys(openat, parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
  if (file < 0) return file;
  return sys(close, file);
}

// ---- Walking. `view` is only needed where something may be made.

static long open_entry(long parent, const char *name) {
  struct facts_of_file facts;
  const long file = sys(openat, parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return file;
  const long looked = look_at(file, &facts);
  if (looked == 0 && (facts.mode & S_IFMT) != S_IFLNK) return file;
  sys(close, file);
  return looked < 0 ? looked : -ELOOP;
}

// One name in a directory, made where it is missing.
static long step(const struct view *view, long parent, const char *name, enum making making) {
  const long found = open_entry(parent, name);
  if (found != -ENOENT || making == MAKE_NOTHING) return found;
  const long made = make_in(view, parent, name, making);
  return made < 0 ? made : open_entry(parent, name);
}

// The directory in which the last name of a path stands; `*name` is that last name.
static long walk_to_parent(const struct view *view, int root, const char *path, enum making making,
                           const char **name) {
  char part[MOST_NAME];
  long directory = sys(openat, root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (;;) {
    unsigned long size = 0;
    for (path++; path[size] && path[size] != '/'; size++) continue;
    *name = path;
    if (!path[size] || directory < 0) return directory;
    long next = -ENAMETOOLONG;
    if (size < sizeof part) {
      memcpy(part, path, size);
      part[size] = 0;
      next = step(view, directory, part, making);
    }
    sys(close, directory);
    directory = next;
    path += size;
  }
}

static long open_source(int root, const char *path) {
  const char *name;
  const long parent = walk_to_parent(0, root, path, MAKE_NOTHING, &name);
  if (parent < 0) return parent;
  const long source = open_entry(parent, name);
  sys(close, parent);
  return source;
}

// Made with all above it where it is missing.
static long open_parent(const struct view *view, const char *path, const char **name) {
  return walk_to_parent(view, view->root, path, MAKE_DIRECTORIES, name);
}

static long open_target(const struct view *view, const char *path, enum making making) {
  const char *name;
  const long parent = open_parent(view, path, &name);
  if (parent < 0) return parent;
  const long target = step(view, parent, name, making);
  sys(close, parent);
  return target;
}

// ---- Mounting

// What mount(2) takes for a descriptor. The working directory is the root of the host while a view is built.
static const char *path_of(struct line *line, long file) {
  begin(line, "proc/self/fd/");
  add_number(line, (unsigned long)file);
  return line->text;
}

static long mount_new(const char *type, long target, unsigned long flags, const char *data) {
  struct line path;
  return sys(mount, type, path_of(&path, target), type, flags, data);
}

// Changes one mount, the one at `file`. A flag that it has already stays: a user namespace may not take it away.
static long remount(long file, unsigned long flags) {
  static const struct {
    long statfs;
    unsigned long mount;
  } kept[] = {
      {1, MS_RDONLY}, {2, MS_NOSUID}, {4, MS_NODEV}, {8, MS_NOEXEC},
      {1024, MS_NOATIME}, {2048, MS_NODIRATIME}, {4096, MS_RELATIME},
  };
  struct statfs now;
  struct line path;
  const long result = sys(fstatfs, file, &now);
  if (result < 0) return result;
  for (unsigned index = 0; index < sizeof kept / sizeof *kept; index++) {
    if (now.f_flags & kept[index].statfs) flags |= kept[index].mount;
  }
  return sys(mount, 0, path_of(&path, file), 0, MS_REMOUNT | MS_BIND | flags, 0);
}

// Attributes of a bind, in both of the kernel's languages.
struct attributes {
  unsigned long mount, tree;
};
static const struct attributes READ_ONLY = {MS_RDONLY | MS_NOSUID | MS_NODEV,
                                            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
static const struct attributes WRITABLE = {MS_NOSUID | MS_NODEV, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
static const struct attributes DEVICE_NODE = {MS_NOSUID | MS_NOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};

enum depth { THIS_MOUNT = 0, ALL_BELOW = AT_RECURSIVE };

// A copy of what is mounted at `source`, with the attributes before anybody sees it.
static long copy_tree(long source, unsigned long attributes, enum depth depth) {
  const struct mount_attr set = {.attr_set = attributes};
  const long tree = sys(open_tree, source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | depth);
  if (tree < 0) return tree;
  const long result = sys(mount_setattr, tree, "", AT_EMPTY_PATH | depth, &set, sizeof set);
  if (result == 0) return tree;
  sys(close, tree);
  return result;
}

// Lets the owners of a tree's files go through the map of a user namespace.
static long map_tree(long tree, long map, enum depth depth) {
  const struct mount_attr set = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned long long)map};
  return sys(mount_setattr, tree, "", AT_EMPTY_PATH | depth, &set, sizeof set);
}

static long put_tree(long tree, long target) {
  return sys(move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

// Before Linux 5.12. Without what is mounted below: attributes could not be set there.
static long bind_the_old_way(const struct view *view, long source, const char *path, long target,
                             struct attributes attributes) {
  struct line from, to;
  long result = sys(mount, path_of(&from, source), path_of(&to, target), 0, MS_BIND, 0);
  if (result < 0) return result;
  const long mounted = open_target(view, path, MAKE_NOTHING);
  if (mounted < 0) return mounted;
  result = remount(mounted, attributes.mount);
  sys(close, mounted);
  return result;
}

// `map` is a user namespace whose map the owners of files go through; -1 for none, and where it cannot be.
static long bind(const struct view *view, long source, const char *path, long target, struct attributes attributes,
                 long map) {
  const long tree = copy_tree(source, attributes.tree, ALL_BELOW);
  if (tree == -ENOSYS) return bind_the_old_way(view, source, path, target, attributes);
  if (tree < 0) return tree;
  if (map >= 0) {
    const long mapped = map_tree(tree, map, ALL_BELOW);
    if (mapped < 0) note("the owner is not mapped in ", path, reason(mapped));
  }
  const long result = put_tree(tree, target);
  sys(close, tree);
  return result;
}

#endif
