// Processes of the launcher: how one is started that cannot outlive its parent, and how a parent watches over its
// child and all that descends from it.

#ifndef TOOLCRIB_FAMILY_H
#define TOOLCRIB_FAMILY_H

#include <linux/sched.h>

#include "proc.h"
#include "report.h"

static const signal_set HEARD = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGUSR1);
static const signal_set DEATHS = SIGNAL_BIT(SIGCHLD);

enum role {
  OUTER,         // its only child is inner
  INNER,         // adopts what loses its parent, and finds all of it in /proc
  INNER_AS_ONE,  // process 1 of a namespace: the kernel adopts and kills for it
};

// ---- Ties

// Asks for `signal` when `parent` dies. False when it is dead already.
// NB: Linux forgets it when the process changes its user or gains capabilities.
static int tie_to(long parent, int signal) {
  sys(prctl, PR_SET_PDEATHSIG, signal);
  return sys(getppid) == parent;
}

// A new process that gets `signal` when this one dies, also one in a process namespace, which does not see its parent:
// it does nothing before its parent has let it go by a byte, and nothing at all when that byte cannot come any more.
struct tether {
  int ends[2];
};

// Returns twice, as fork does: 0 in the new process, when it was let go.
static int fork_tied(struct tether *tether, unsigned long namespaces, int signal) {
  char byte;
  must(sys(pipe2, tether->ends, O_CLOEXEC), "cannot make a pipe", "");
  const char *const what = namespaces ? "cannot make namespaces" : "cannot start a process";
  const long child = must(sys(clone, namespaces | SIGCHLD), what, "");
  if (child > 0) return (int)child;
  sys(prctl, PR_SET_PDEATHSIG, signal);
  sys(close, tether->ends[1]);
  if (sys(read, tether->ends[0], &byte, 1) != 1) leave(EXIT_TROUBLE);
  sys(close, tether->ends[0]);
  return 0;
}

static void let_go(const struct tether *tether) {
  sys(write, tether->ends[1], "", 1);
  sys(close, tether->ends[0]);
  sys(close, tether->ends[1]);
}

// ---- The end

struct ward {
  int pid;     // the child whose end is the end of all
  int status;  // as wait4 tells it
  int ended;
};

// Buries all that are dead. False when no child is left, dead or alive.
static int bury(struct ward *ward) {
  for (;;) {
    int status = 0;
    const long pid = sys(wait4, -1, &status, WNOHANG | __WALL, 0);
    if (pid == 0) return 1;
    if (pid < 0) return 0;  // ECHILD is all that can be
    if (pid != ward->pid) continue;
    ward->status = status;
    ward->ended = 1;
  }
}

// SIGKILL to every descendant until none is left. A pass reaches all that live when it begins, and of those that are
// born meanwhile the ones that it has not gone past; who is hit never forks again, so what is left shrinks from pass
// to pass. It ends only when the kernel says that there is no child any more; for one that hangs in the kernel it
// waits, in growing steps.
static void end_all(struct ward *ward) {
  struct __kernel_timespec pause = {0, 5 * 1000 * 1000};
  const long longest = 640 * 1000 * 1000;
  // To be heard above a fork bomb; for root only, and then with an effect.
  sys(setpriority, PRIO_PROCESS, 0, -20);
  while (bury(ward)) {
    signal_descendants(SIGKILL);
    const long heard = sys(rt_sigtimedwait, &DEATHS, 0, &pause, sizeof DEATHS);
    if (heard < 0 && pause.tv_nsec < longest) pause.tv_nsec *= 2;
  }
}

// Whether a signal is to be obeyed. Process 1 of a namespace is where the server can reach it, and the kernel writes
// who sent it: 0 is somebody outside, which is outer. (A sender can forge that, but not together with SI_USER.)
static int is_order(enum role role, const siginfo_t *signal) {
  return role != INNER_AS_ONE || (signal->si_code == SI_USER && signal->si_pid == 0);
}

static void pass_on_termination(enum role role, int child) {
  // Inner passes it on to all; from outer they would get it twice, and many take the second for "at once".
  if (role == OUTER) sys(kill, child, SIGTERM);
  if (role == INNER) signal_descendants(SIGTERM);
  if (role == INNER_AS_ONE) sys(kill, -1, SIGTERM);
}

// Watches over a child and all that descends from it; returns, with the exit code, when all of it is gone.
static int guard(int child, enum role role) {
  struct ward ward = {child, 0, 0};
  siginfo_t info;
  // The server's pipes belong to the server alone: its end has to be their end.
  for (int descriptor = 0; descriptor <= REPORT; descriptor++) sys(close, descriptor);
  sys(chdir, "/");
  for (;;) {
    const long signal = sys(rt_sigtimedwait, &HEARD, &info, 0, sizeof HEARD);
    if (signal == SIGCHLD) bury(&ward);
    if (ward.ended) break;
    if (signal < 0 || signal == SIGCHLD || !is_order(role, &info)) continue;
    if (signal == SIGUSR1) break;
    pass_on_termination(role, child);
  }
  // The end of process 1 is SIGKILL for all of its namespace, and its parent does not hear of it before all are gone.
  if (role != INNER_AS_ONE) end_all(&ward);
  const int ended_by = ward.status & 0x7f;
  return ended_by ? EXIT_SIGNAL + ended_by : ward.status >> 8 & 0xff;
}

#endif
