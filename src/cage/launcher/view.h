// The file system of an isolated server: an empty root, onto which comes what the specification lists, in its order.

#ifndef TOOLCRIB_VIEW_H
#define TOOLCRIB_VIEW_H

#include "mounts.h"
#include "owners.h"

enum { DETACH = 2 };  // MNT_DETACH, which the C library has

// ---- Owners

enum { MOST_OWNERS = 16 };

// Maps for the owners of what is bound, made before there is another root.
struct owners {
  struct {
    unsigned uid, gid;
    long map;  // or the error
  } each[MOST_OWNERS];
  int count;
};

// The map for an owner, or why there is none.
static long map_of(const struct owners *owners, const struct facts_of_file *facts) {
  for (int index = 0; index < owners->count; index++) {
    if (owners->each[index].uid == facts->uid && owners->each[index].gid == facts->gid) return owners->each[index].map;
  }
  return -EUSERS;
}

static int wants_map(const struct spec *spec, const struct mount *mount, const struct facts_of_file *facts) {
  return mount->flags & BIND_MAP_OWNER && spec->identity == OWN_UID &&
         (facts->uid != spec->uid || facts->gid != spec->gid);
}

static void find_owners(const struct spec *spec, int root, struct owners *owners) {
  struct record record;
  struct mount mount;
  struct facts_of_file facts;
  struct cursor cursor = all_records(spec);
  owners->count = 0;
  while (owners->count < MOST_OWNERS && next_of(&cursor, BIND, &record)) {
    if (!read_mount(&record, &mount) || !(mount.flags & BIND_MAP_OWNER)) continue;
    const long source = open_source(root, mount.source);
    const int is_wanted = look_at(source, &facts) == 0 && wants_map(spec, &mount, &facts);
    sys(close, source);
    if (!is_wanted || map_of(owners, &facts) != -EUSERS) continue;
    owners->each[owners->count].uid = facts.uid;
    owners->each[owners->count].gid = facts.gid;
    owners->each[owners->count++].map = owner_map(facts.uid, facts.gid, spec->uid, spec->gid);
  }
}

// ---- One mount each

static void put_bind(const struct view *view, const struct spec *spec, const struct owners *owners,
                     const struct mount *mount) {
  struct facts_of_file facts, place;
  const long source = must(open_source(view->old, mount->source), "cannot open ", mount->source);
  must(look_at(source, &facts), "cannot look at ", mount->source);
  const enum making making = is_directory(&facts) ? MAKE_DIRECTORIES : MAKE_EMPTY_FILE;
  const long target = must(open_target(view, mount->target, making), "cannot make ", mount->target);
  must(look_at(target, &place), "cannot look at ", mount->target);
  if (is_directory(&facts) != is_directory(&place)) {
    refuse("cannot bind ", mount->target, "one of the two is a directory, the other a file");
  }
  const int is_mapped = wants_map(spec, mount, &facts);
  const long map = is_mapped ? map_of(owners, &facts) : -1;
  if (is_mapped && map < 0) note("the owner is not mapped in ", mount->target, reason(map));
  const struct attributes attributes = mount->flags & BIND_WRITE ? WRITABLE : READ_ONLY;
  must(bind(view, source, mount->target, target, attributes, map), "cannot bind ", mount->target);
  sys(close, source);
  sys(close, target);
}

// A new tmpfs. Its descriptor, the tmpfs and not what it hides.
static long put_tmpfs(struct view *view, const char *path, unsigned long flags, const char *options) {
  const long below = must(open_target(view, path, MAKE_DIRECTORIES), "cannot make ", path);
  must(mount_new("tmpfs", below, flags, options), "cannot mount a tmpfs at ", path);
  sys(close, below);
  const long mounted = must(open_target(view, path, MAKE_NOTHING), "cannot open ", path);
  remember_made(view, mounted);
  return mounted;
}

static long put_sized_tmpfs(struct view *view, const struct spec *spec, const char *path, unsigned mode,
                            unsigned long bytes) {
  struct line options;
  begin(&options, "mode=");
  add_in_base(&options, mode, 8);
  add(&options, ",size=");
  add_number(&options, bytes);
  // An empty file costs memory as well, and no byte of the size.
  add(&options, ",nr_inodes=");
  add_number(&options, bytes / 4096 + 1024);
  add(&options, ",uid=");
  add_number(&options, spec->uid);
  add(&options, ",gid=");
  add_number(&options, spec->gid);
  return put_tmpfs(view, path, MS_NOSUID | MS_NODEV, options.text);
}

static void put_proc(const struct view *view, const char *path) {
  const long target = must(open_target(view, path, MAKE_DIRECTORIES), "cannot make ", path);
  must(mount_new("proc", target, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "cannot mount /proc at ", path);
  sys(close, target);
}

static void put_file(const struct view *view, const struct mount *mount) {
  const char *name;
  const long parent = must(open_parent(view, mount->target, &name), "cannot make ", mount->target);
  if (!was_made(view, parent)) refuse("cannot make ", mount->target, reason(-EROFS));
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const long file = must(sys(openat, parent, name, flags, 0444), "cannot make ", mount->target);
  for (unsigned long done = 0; done < mount->content_size;) {
    done += (unsigned long)must(sys(write, file, mount->content + done, mount->content_size - done), "cannot write ",
                                mount->target);
  }
  sys(close, file);
  sys(close, parent);
}

static void put_symlink(const struct view *view, const char *target, const char *to) {
  const char *name;
  const long parent = must(open_parent(view, target, &name), "cannot make ", target);
  if (!was_made(view, parent)) refuse("cannot make ", target, reason(-EROFS));
  must(sys(symlinkat, to, parent, name), "cannot make ", target);
  sys(close, parent);
}

// ---- Devices

static void path_in(struct line *path, const char *directory, const char *name) {
  begin(path, directory);
  add(path, "/");
  add(path, name);
}

static void put_device(const struct view *view, const char *directory, const char *name) {
  struct line from, to;
  path_in(&from, "/dev", name);
  path_in(&to, directory, name);
  const long source = must(open_source(view->old, from.text), "cannot open ", from.text);
  const long target = must(open_target(view, to.text, MAKE_EMPTY_FILE), "cannot make ", to.text);
  must(bind(view, source, to.text, target, DEVICE_NODE, -1), "cannot bind ", to.text);
  sys(close, source);
  sys(close, target);
}

static void put_devices(struct view *view, const struct spec *spec, const struct mount *mount) {
  static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
  static const char *const links[][2] = {{"fd", "/proc/self/fd"},
                                         {"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"},
                                         {"stderr", "/proc/self/fd/2"},
                                         {"ptmx", "pts/ptmx"}};
  struct line path;
  const long devices = put_tmpfs(view, mount->target, MS_NOSUID | MS_NOEXEC, "mode=755,size=64k,nr_inodes=64");
  for (unsigned index = 0; index < sizeof nodes / sizeof *nodes; index++) {
    put_device(view, mount->target, nodes[index]);
  }
  for (unsigned index = 0; index < sizeof links / sizeof *links; index++) {
    path_in(&path, mount->target, links[index][0]);
    put_symlink(view, path.text, links[index][1]);
  }
  path_in(&path, mount->target, "pts");
  const long terminals = must(open_target(view, path.text, MAKE_DIRECTORIES), "cannot make ", path.text);
  // A bound of its own: terminals are counted for the whole host.
  must(mount_new("devpts", terminals, MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,max=64"),
       "cannot mount ", path.text);
  path_in(&path, mount->target, "shm");
  sys(close, put_sized_tmpfs(view, spec, path.text, 01777, mount->bytes));
  must(remount(devices, MS_RDONLY), "cannot close ", mount->target);
  sys(close, terminals);
  sys(close, devices);
}

// ---- The whole

static void put(struct view *view, const struct spec *spec, const struct owners *owners, const struct mount *mount) {
  switch (mount->kind) {
    case BIND: return put_bind(view, spec, owners, mount);
    case TMPFS:
      sys(close, put_sized_tmpfs(view, spec, mount->target, mount->mode, mount->bytes));
      return;
    case PROC: return put_proc(view, mount->target);
    case DEVICES: return put_devices(view, spec, mount);
    case SYMLINK: return put_symlink(view, mount->target, mount->source);
    case MAKE_FILE: return put_file(view, mount);
    default:
      sys(close, must(open_target(view, mount->target, MAKE_DIRECTORIES), "cannot make ", mount->target));
  }
}

// An empty root instead of the host's, which is kept at `view->old` for as long as something is taken from it. What is
// hidden by mounting the new root somewhere is there again once it is the root; /proc is on every host that gets here.
static void enter_empty_root(struct view *view) {
  must(sys(mount, "tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "cannot mount a tmpfs", "");
  view->root = (int)must(sys(openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open /", "");
  view->made_count = 0;
  remember_made(view, view->root);
  must(sys(fchdir, view->root), "cannot enter the new root", "");
  must(sys(pivot_root, ".", "."), "cannot change the root", "");
  must(sys(fchdir, view->old), "cannot enter the old root", "");
}

static void forget_old_root(const struct view *view) {
  must(remount(view->root, MS_RDONLY), "cannot close the new root", "");
  must(sys(umount2, ".", DETACH), "cannot give up the old root", "");
  must(sys(chdir, "/"), "cannot enter the new root", "");
  sys(close, view->root);
  sys(close, view->old);
}

// NB: ends with the whole process in the new root, and no descriptor that leads out of it.
static void build_view(const struct spec *spec) {
  struct view view;
  struct owners owners;
  struct record record;
  struct mount mount;
  struct cursor cursor = all_records(spec);
  const long mask = sys(umask, 0);
  must(sys(mount, 0, "/", 0, MS_REC | MS_PRIVATE, 0), "cannot make mounts private", "");
  view.old = (int)must(sys(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open /", "");
  find_owners(spec, view.old, &owners);
  enter_empty_root(&view);
  while (next_record(&cursor, &record)) {
    if (is_mount(record.kind) && read_mount(&record, &mount)) put(&view, spec, &owners, &mount);
  }
  forget_old_root(&view);
  for (int index = 0; index < owners.count; index++) sys(close, owners.each[index].map);
  sys(umask, mask);
}

#endif
