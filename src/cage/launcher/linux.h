// The floor under the launcher and the probe: how a program without a C library starts and calls Linux, on x86-64 and
// arm64.
//
// There is no C library on purpose: the bytes of the launcher then depend on nothing but the compiler, one source
// serves both machines, and the resident memory of one launcher is that of a few pages. Numbers and structures
// come from the kernel's own headers, which are an interface that never changes; what the headers of Linux 6.1 do not
// have yet, or leave to a C library, is written down where it is used.

#ifndef TOOLCRIB_LINUX_H
#define TOOLCRIB_LINUX_H

#include <asm/socket.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

// The kernel enters at _start with the argument vector on the stack; `start` gets its address and does not return.
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b start\n");
#else
#error "the launcher knows x86-64 and arm64"
#endif

// One system call. A result in -4095 … -1 is an errno, negated.
static long linux_call(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#endif
}

// sys(name, …): the call by its kernel name, with up to five arguments; those left out are 0.
#define sys(name, ...) sys_with(name, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define sys_with(name, a, b, c, d, e, ...) \
  linux_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

// Laid out by the kernel; its headers do not export it.
struct directory_entry {  // linux_dirent64
  unsigned long long inode;
  long long offset;
  unsigned short size;
  unsigned char kind;
  char name[];
};

// The kernel's own set of signals: bit n - 1 for signal n.
typedef unsigned long signal_set;
#define SIGNAL_BIT(signal) (1UL << ((signal) - 1))
#define SIGNAL_COUNT 64

#endif
