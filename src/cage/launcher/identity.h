// What the server is on its host and what it may do there: limits, groups, user, capabilities, system calls. All of it
// is given up in the server's own process, shortly before it becomes the server.

#ifndef TOOLCRIB_IDENTITY_H
#define TOOLCRIB_IDENTITY_H

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>

#include "report.h"
#include "spec.h"

// ---- Limits

// Soft and hard. A limit that is there already and lower stays: none is ever raised.
static void limit_resources(const struct spec *spec) {
  static const int numbers[LIMITS] = {[ADDRESS_SPACE] = RLIMIT_AS, [DATA] = RLIMIT_DATA, [PROCESSES] = RLIMIT_NPROC,
                                      [FILES] = RLIMIT_NOFILE,     [FILE_SIZE] = RLIMIT_FSIZE, [CORE] = RLIMIT_CORE};
  struct record record;
  struct limit_order order;
  struct rlimit64 now;
  struct cursor cursor = all_records(spec);
  while (next_of(&cursor, LIMIT, &record)) {
    if (!read_limit(&record, &order)) continue;
    must(sys(prlimit64, 0, numbers[order.resource], 0, &now), "cannot read a limit", "");
    const unsigned long long value = order.value < now.rlim_max ? order.value : now.rlim_max;
    const struct rlimit64 wanted = {value, value};
    must(sys(prlimit64, 0, numbers[order.resource], &wanted, 0), "cannot set a limit", "");
  }
}

// ---- Capabilities

#define CAPABILITY_BIT(capability) (1U << (capability))  // of the first 32

static long keep_capabilities(unsigned low) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const struct __user_cap_data_struct sets[2] = {{.effective = low, .permitted = low}};
  return sys(capset, &header, sets);
}

// What a program that is started later could gain. Takes CAP_SETPCAP: without it there is nothing to gain either, for
// nobody gains anything after no_new_privs.
static void close_bounding_set(void) {
  const unsigned all = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                       SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  for (int capability = 0; capability < 64; capability++) sys(prctl, PR_CAPBSET_DROP, capability);
  sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  sys(prctl, PR_SET_SECUREBITS, all);
}

// ---- Who it is

static void become(const struct spec *spec) {
  if (spec->level == OFF) return;
  // Keys of the appliance's session are not for it, should the filter ever let it ask. No harm where there are none.
  sys(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  close_bounding_set();
  if (spec->identity == OWN_UID) {
    must(sys(setgroups, 0, 0), "cannot give up groups", "");
    must(sys(setresgid, spec->gid, spec->gid, spec->gid), "cannot take the group of the server", "");
    must(sys(setresuid, spec->uid, spec->uid, spec->uid), "cannot take the user of the server", "");
  }
  must(keep_capabilities(0), "cannot give up capabilities", "");
}

// ---- System calls. NB: last of all, since what comes after it is filtered.

static void filter_calls(const struct spec *spec) {
  if (spec->filter_length == 0) return;
  const struct sock_fprog program = {(unsigned short)spec->filter_length, (void *)spec->filter};
  must(sys(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "cannot filter system calls", "");
}

#endif
