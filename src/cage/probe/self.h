// What the probe finds out about itself: who it is, what it may, how much of everything it gets.

#ifndef TOOLCRIB_PROBE_SELF_H
#define TOOLCRIB_PROBE_SELF_H

#include <linux/capability.h>

#include "result.h"

enum { MOST_CAPABILITIES = 64, LANDLOCK_VERSION = 1 };

static unsigned long capabilities_of(int option, int question) {
  unsigned long set = 0;
  for (int capability = 0; capability < MOST_CAPABILITIES; capability++) {
    const long answer = question ? sys(prctl, option, question, capability) : sys(prctl, option, capability);
    if (answer == 1) set |= 1UL << capability;
  }
  return set;
}

static unsigned long whole(unsigned low, unsigned high) { return (unsigned long)high << 32 | low; }

static long identity(const char *, struct text *detail) {
  unsigned user[3] = {0}, group[3] = {0};
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2] = {{0}};
  sys(getresuid, &user[0], &user[1], &user[2]);
  sys(getresgid, &group[0], &group[1], &group[2]);
  sys(capget, &header, sets);
  add_fact(detail, "uid", user[0], 10);
  add_fact(detail, "effective-uid", user[1], 10);
  add_fact(detail, "saved-uid", user[2], 10);
  add_fact(detail, "gid", group[0], 10);
  add_fact(detail, "effective-gid", group[1], 10);
  add_fact(detail, "saved-gid", group[2], 10);
  add_fact(detail, "groups", (unsigned long)sys(getgroups, 0, 0), 10);
  add_fact(detail, "effective", whole(sets[0].effective, sets[1].effective), 16);
  add_fact(detail, "permitted", whole(sets[0].permitted, sets[1].permitted), 16);
  add_fact(detail, "inheritable", whole(sets[0].inheritable, sets[1].inheritable), 16);
  add_fact(detail, "bounding", capabilities_of(PR_CAPBSET_READ, 0), 16);
  add_fact(detail, "ambient", capabilities_of(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET), 16);
  add_fact(detail, "no-new-privileges", (unsigned long)sys(prctl, PR_GET_NO_NEW_PRIVS), 10);
  add_fact(detail, "seccomp", (unsigned long)sys(prctl, PR_GET_SECCOMP), 10);
  return 0;
}

// Soft limits by the names of launch-plan.ts; none at all shows as 18446744073709551615.
static long limits(const char *, struct text *detail) {
  static const struct {
    const char *name;
    int resource;
  } KNOWN[] = {{"address-space", RLIMIT_AS}, {"data", RLIMIT_DATA},       {"processes", RLIMIT_NPROC},
               {"files", RLIMIT_NOFILE},     {"file-size", RLIMIT_FSIZE}, {"core", RLIMIT_CORE}};
  for (unsigned index = 0; index < sizeof KNOWN / sizeof *KNOWN; index++) {
    struct rlimit64 limit = {0, 0};
    const long result = sys(prlimit64, 0, KNOWN[index].resource, 0, &limit);
    if (result < 0) return result;
    add_fact(detail, KNOWN[index].name, limit.rlim_cur, 10);
  }
  return 0;
}

// The version of Landlock that the kernel has; whether it confines this process cannot be asked for.
static long landlock(const char *, struct text *detail) {
  const long version = sys(landlock_create_ruleset, 0, 0, LANDLOCK_VERSION);
  if (version >= 0) add_number(detail, (unsigned long)version);
  return version;
}

// "mnt:[4026531840] pid:[…] …"; those that the kernel was built without are missing.
static long namespaces(const char *, struct text *detail) {
  static const char *const PATHS[] = {"/proc/self/ns/mnt",   "/proc/self/ns/pid", "/proc/self/ns/net",
                                      "/proc/self/ns/ipc",   "/proc/self/ns/uts", "/proc/self/ns/user",
                                      "/proc/self/ns/cgroup"};
  long result = 0;
  for (unsigned index = 0; index < sizeof PATHS / sizeof *PATHS; index++) {
    char link[64];
    const long size = sys(readlinkat, AT_FDCWD, PATHS[index], link, sizeof link - 1);
    if (size < 0) {
      result = size;
      continue;
    }
    link[size] = 0;
    if (detail->size > 0) add(detail, " ");
    add(detail, link);
  }
  return detail->size > 0 ? 0 : result;
}

#endif
