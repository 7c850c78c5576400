// `launcher --facts`: what this kernel lets this user do, each thing tried by a process that ends with its try. One
// line each on stdout, `KEY ok` or `KEY` and the name (or number) of the error, in this order:
//
//   user-namespace       a user namespace, and a user in it. All of the following within one, unless the user is root
//   mount-in-namespace   namespaces of processes, mounts, host name and semaphores; another root
//   proc-mount           /proc of a process namespace (a container that hides parts of /proc refuses it)
//   net-namespace        a network, its loopback up, every IPv4 address local
//   cgroup-namespace
//   idmap                owners of files mapped, on the file system of the working directory (root only)
//   seccomp              a filter of system calls
//   landlock             `ok` and the version of its interface

#ifndef TOOLCRIB_FACTS_H
#define TOOLCRIB_FACTS_H

#include "identity.h"
#include "landlock.h"
#include "network.h"
#include "view.h"

static long try_nothing(void) { return 0; }

static long try_root(void) {
  long result = sys(sethostname, "try", 3);
  if (result == 0) result = sys(mount, 0, "/", 0, MS_REC | MS_PRIVATE, 0);
  if (result == 0) result = sys(mount, "tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
  if (result == 0) result = sys(chdir, "/proc");
  return result == 0 ? sys(pivot_root, ".", ".") : result;
}

static long try_proc(void) {
  const long result = sys(mount, 0, "/", 0, MS_REC | MS_PRIVATE, 0);
  return result == 0 ? sys(mount, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0) : result;
}

static long try_owner_map(void) {
  struct facts_of_file facts;
  const long here = sys(openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (here < 0 || look_at(here, &facts) < 0) return -EIO;
  const long tree = copy_tree(here, MOUNT_ATTR_NODEV, THIS_MOUNT);
  if (tree < 0) return tree;
  const long map = owner_map(facts.uid, facts.gid, facts.uid + 1, facts.gid + 1);
  return map < 0 ? map : map_tree(tree, map, THIS_MOUNT);
}

static long try_filter(void) {
  const struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  const struct sock_fprog program = {1, (void *)&allow};
  return sys(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static const struct attempt {
  const char *key;
  unsigned long namespaces;
  long (*how)(void);
} ATTEMPTS[] = {
    {"user-namespace", CLONE_NEWUSER, try_nothing},
    {"mount-in-namespace", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, try_root},
    {"proc-mount", CLONE_NEWPID | CLONE_NEWNS, try_proc},
    {"net-namespace", CLONE_NEWNET, set_network_up},
    {"cgroup-namespace", CLONE_NEWCGROUP, try_nothing},
    {"idmap", CLONE_NEWNS, try_owner_map},
    {"seccomp", 0, try_filter},
};

// In a process of its own, whose exit code is the error.
static long attempt(const struct attempt *attempt, unsigned uid, unsigned gid) {
  const unsigned long user = uid != 0 && attempt->namespaces ? CLONE_NEWUSER : 0;
  const unsigned long namespaces = attempt->namespaces | user;
  int status = 0;
  const long child = sys(clone, namespaces | SIGCHLD);
  if (child < 0) return child;
  if (child == 0) {
    long result = namespaces & CLONE_NEWUSER ? show_as(1000, 1000, uid, gid) : 0;
    if (result == 0) result = attempt->how();
    leave((int)-result);
  }
  sys(wait4, child, &status, __WALL, 0);
  return status & 0x7f ? -EIO : -(status >> 8 & 0xff);
}

static void print_fact(const char *key, long result) {
  struct line line;
  begin(&line, key);
  add(&line, " ");
  if (result < 0) add_error(&line, result);
  if (result >= 0) add(&line, "ok");
  if (result > 0) {
    add(&line, " ");
    add_number(&line, (unsigned long)result);
  }
  send_line(1, &line);
}

static void print_facts(void) {
  const unsigned uid = (unsigned)sys(geteuid), gid = (unsigned)sys(getegid);
  for (unsigned index = 0; index < sizeof ATTEMPTS / sizeof *ATTEMPTS; index++) {
    print_fact(ATTEMPTS[index].key, attempt(&ATTEMPTS[index], uid, gid));
  }
  print_fact("landlock", landlock_version());
}

#endif
