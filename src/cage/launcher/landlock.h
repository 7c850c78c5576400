// What a confined server may touch: a Landlock ruleset of all that this kernel's Landlock knows to refuse, and
// exceptions for the paths and ports of the specification.

#ifndef TOOLCRIB_LANDLOCK_H
#define TOOLCRIB_LANDLOCK_H

#include <linux/landlock.h>

#include "mounts.h"

// Younger than Linux 6.1; the values are the kernel's interface.
enum { FS_TRUNCATE = 1 << 14, FS_IOCTL_DEV = 1 << 15 };
enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1, RULE_NET_PORT = 2 };
enum { SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
struct ruleset {  // landlock_ruleset_attr
  unsigned long long files, network, scopes;
};
struct port_rule {  // landlock_net_port_attr
  unsigned long long allowed, port;
};

enum {
  FS_READ = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
  FS_CHANGE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
              LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
              LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE,
  FS_FIRST = (1 << 13) - 1,  // all that the first version knew
  // What can be allowed for a file; the rest is for directories.
  FS_OF_FILE = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
               FS_TRUNCATE | FS_IOCTL_DEV,
};

static const unsigned long long ALLOWED[ACCESSES] = {
    [READ] = FS_READ,
    [WRITE] = FS_READ | FS_CHANGE,
    [DEVICE] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
               FS_TRUNCATE | FS_IOCTL_DEV,
};

// The version of the interface, or an error where there is none.
static long landlock_version(void) {
  return sys(landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

// All that a version can refuse. A younger kernel takes the structure of an older one, not the other way around.
static struct ruleset all_of(long version, unsigned long *size) {
  struct ruleset all = {.files = FS_FIRST};
  if (version >= 2) all.files |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) all.files |= FS_TRUNCATE;
  if (version >= 5) all.files |= FS_IOCTL_DEV;
  if (version >= 4) all.network = NET_BIND_TCP | NET_CONNECT_TCP;
  if (version >= 6) all.scopes = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
  *size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  return all;
}

static void allow_path(int root, long ruleset, const struct ruleset *all, const struct path_rule *rule) {
  struct facts_of_file facts;
  const long file = must(open_source(root, rule->path), "cannot open ", rule->path);
  must(look_at(file, &facts), "cannot look at ", rule->path);
  const struct landlock_path_beneath_attr allowed = {
      .allowed_access = ALLOWED[rule->access] & all->files & (is_directory(&facts) ? ~0ULL : FS_OF_FILE),
      .parent_fd = (int)file,
  };
  must(sys(landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &allowed), "cannot allow ", rule->path);
  sys(close, file);
}

static void allow_port(long ruleset, unsigned port) {
  const struct port_rule rule = {NET_CONNECT_TCP, port};
  must(sys(landlock_add_rule, ruleset, RULE_NET_PORT, &rule), "cannot allow a port", "");
}

// The ruleset of a specification; its descriptor.
static long make_rules(const struct spec *spec) {
  struct record record;
  struct path_rule rule;
  unsigned long size;
  const long version = must(landlock_version(), "Landlock cannot be used", "");
  // Without it every port of every host would be open.
  if (version < 4 && spec->count[PORT]) refuse("Landlock here cannot refuse connections", "", "Linux 6.7 can");
  const struct ruleset all = all_of(version, &size);
  const long ruleset = must(sys(landlock_create_ruleset, &all, size), "cannot make Landlock rules", "");
  const int root = (int)must(sys(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open /", "");
  struct cursor paths = all_records(spec);
  while (next_of(&paths, PATH_RULE, &record)) {
    if (read_path_rule(&record, &rule)) allow_path(root, ruleset, &all, &rule);
  }
  struct cursor ports = all_records(spec);
  while (next_of(&ports, PORT, &record)) allow_port(ruleset, number_of(&record));
  sys(close, root);
  return ruleset;
}

// Holds for the calling process and all that come of it. It has to have given up new privileges.
static void enforce_rules(long ruleset) {
  must(sys(landlock_restrict_self, ruleset), "cannot enforce Landlock rules", "");
  sys(close, ruleset);
}

#endif
