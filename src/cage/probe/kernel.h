// Attempts on the kernel: calls that escapes are made of. Each is made so that nothing happens where it is not
// refused: with a descriptor, a path or a pointer that is none, or in a child. Whoever reads the results has to know
// that EINVAL, EFAULT, EBADF and the like are answers of a kernel that was reached.

#ifndef TOOLCRIB_PROBE_KERNEL_H
#define TOOLCRIB_PROBE_KERNEL_H

#include <linux/sched.h>
#include <linux/stat.h>

#include "child.h"

// Not in the headers of Linux 6.1, or left to a C library.
enum { PEEK_USER = 3, TYPE_INTO_TERMINAL = 0x5412 };

// The first answer but EPERM, which is what a filter gives.
static long first_let_through(long a, long b) { return a == -EPERM ? b : a; }

static long trace(const char *pid) { return sys(ptrace, PEEK_USER, only_number(pid), 0, 0); }

static long unshare_in_child(const char *kind) {
  const long flags = equal(kind, "user")    ? CLONE_NEWUSER
                     : equal(kind, "mount") ? CLONE_NEWNS
                     : equal(kind, "net")   ? CLONE_NEWNET
                                            : -EINVAL;
  return flags < 0 ? flags : sys(unshare, flags);
}
static long make_namespace(const char *kind) { return in_child(unshare_in_child, kind); }

static long enter_in_child(const char *path) {
  const long file = sys(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  return sys(setns, file < 0 ? -1 : file, 0);
}
static long enter_namespace(const char *path) { return in_child(enter_in_child, path); }

// Who may mount hears that there is no kind of file system without a name.
static long mount_nothing(const char *) { return sys(mount, "none", "/", 0, 0, 0); }

static long change_root_in_child(const char *) { return sys(chroot, "/"); }
static long change_root(const char *argument) { return in_child(change_root_in_child, argument); }

static long setuid_bit(const char *) {
  const long made = sys(openat, AT_FDCWD, "", O_WRONLY | O_CREAT | O_CLOEXEC, 04755);
  return first_let_through(sys(fchmod, -1, 04755), made);
}

// The device of /dev/null, without a name.
static long make_device(const char *) { return sys(mknodat, AT_FDCWD, "", S_IFCHR | 0600, 0x103); }

static long load_program(const char *) { return sys(bpf, 0, 0, 0); }
static long make_ring(const char *) { return sys(io_uring_setup, 0, 0); }
static long read_keyring(const char *) { return sys(keyctl, 0, -3, 0); }
static long watch_performance(const char *) { return sys(perf_event_open, 0, 0, -1, -1, 0); }
static long handle_faults(const char *) { return sys(userfaultfd, -1); }
static long open_by_handle(const char *) { return sys(open_by_handle_at, -1, 0, 0); }
static long new_clone(const char *) { return sys(clone3, 0, 0); }

// The kernel looks at the low half of the number alone, and so has a filter to.
static long type_into_terminal(const char *) {
  const long disguised = TYPE_INTO_TERMINAL | 1L << 32;
  return first_let_through(sys(ioctl, -1, TYPE_INTO_TERMINAL, "\n"), sys(ioctl, -1, disguised, "\n"));
}

// ---- Calls of other architectures, which a filter for this one does not know

#if defined(__x86_64__)
static long x32_call(const char *) { return linux_call(0x40000000 | __NR_getpid, 0, 0, 0, 0, 0); }
static long i386_in_child(const char *) {
  long result = 20;  // getpid
  __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
  return result;
}
static long i386_call(const char *argument) { return in_child(i386_in_child, argument); }
#else
static long x32_call(const char *) { return -ENOSYS; }
static long i386_call(const char *argument) { return x32_call(argument); }
#endif

#endif
