// Runs one server and ends with it: nothing that the server started outlives the server, the launcher or the
// appliance, `kill -9` of any one of them included.
//
//   launcher PARENT -- FILE [ARGUMENT…]    run FILE (absolute path); PARENT is the process id of the spawner
//   launcher --self-test                   exit 0 where this host has all that a launch needs
//
// Environment, working directory, stdin, stdout and stderr are the spawner's gift to FILE and pass as they are; every
// other descriptor is closed. FILE cannot gain rights (no_new_privs): sudo and setuid programs do not work in it.
// NB: "parent" is a thread to Linux: the one that spawns has to live as long as the appliance does.
//
//   SIGTERM   SIGTERM to every descendant, once
//   SIGUSR1   SIGKILL to every descendant until none is left, then exit; the same when FILE or the spawner ends
//   any other signal that can be blocked is not heard, a terminal's ^C included
//
// Exit: the status of FILE, or 128 + the signal that ended it; 127 FILE does not exist, 126 it cannot be run,
// 125 trouble of the launcher's own. The last three come with one line on stderr.
//
// There are two launchers in a row, each told by the kernel when the process above it dies:
//
//   appliance ── outer ── inner ── FILE ── whatever FILE starts, however often it forks and detaches
//
// Both are subreapers: who loses its parent becomes a child of inner; were inner killed, of outer. Were outer killed,
// inner is told. NB: a server with the rights to signal its launcher could still SIGKILL or SIGSTOP both at once:
// only a process namespace takes that from it.

#include "linux.h"
#include "proc.h"

enum { EXIT_TROUBLE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

static const signal_set HEARD = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGUSR1);
static const signal_set DEATHS = SIGNAL_BIT(SIGCHLD);

// ---- Text

static unsigned long length(const char *text) {
  unsigned long count = 0;
  while (text[count]) count++;
  return count;
}

static int equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static const char *reason(long error) {
  switch (-error) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case EIO: return "Input/output error";
    case E2BIG: return "Argument list too long";
    case ENOEXEC: return "Exec format error";
    case EAGAIN: return "Resource temporarily unavailable";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case ENOTDIR: return "Not a directory";
    case EINVAL: return "Invalid argument";
    case ENFILE: return "Too many open files in system";
    case ETXTBSY: return "Text file busy";
    case ENAMETOOLONG: return "File name too long";
    case ENOSYS: return "Function not implemented";
    case ELOOP: return "Too many levels of symbolic links";
    default: return "The system refused it";
  }
}

// One line on stderr, in one write so that nothing gets between.
static void complain(const char *what, const char *name, const char *why) {
  const struct text_part line[] = {{"toolcrib-launcher: ", 19}, {what, length(what)}, {name, length(name)},
                                   {": ", 2},                   {why, length(why)},   {"\n", 1}};
  sys(writev, 2, line, 6);
}

_Noreturn static void leave(int code) {
  for (;;) sys(exit_group, code);
}

_Noreturn static void give_up(const char *what, const char *why) {
  complain(what, "", why);
  leave(EXIT_TROUBLE);
}

// ---- Children

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

// Watches over a child and all that descends from it; returns, with the exit code, when all of it is gone.
static int guard(int child, int is_outer) {
  struct ward ward = {child, 0, 0};
  // The server's pipes belong to the server alone: its end has to be their end.
  for (int descriptor = 0; descriptor <= 2; descriptor++) sys(close, descriptor);
  sys(chdir, "/");
  for (;;) {
    const long signal = sys(rt_sigtimedwait, &HEARD, 0, 0, sizeof HEARD);
    // Inner passes it on to all; from here they would get it twice, and many take the second for "at once".
    if (signal == SIGTERM && is_outer) sys(kill, child, SIGTERM);
    if (signal == SIGTERM && !is_outer) signal_descendants(SIGTERM);
    if (signal == SIGCHLD) bury(&ward);
    if (signal == SIGUSR1 || ward.ended) break;
  }
  end_all(&ward);
  const int ended_by = ward.status & 0x7f;
  return ended_by ? EXIT_SIGNAL + ended_by : ward.status >> 8 & 0xff;
}

// Asks for `signal` when `parent` dies. False when it is dead already.
static int tie_to(long parent, int signal) {
  sys(prctl, PR_SET_PDEATHSIG, signal);
  return sys(getppid) == parent;
}

// A new process that gets `signal` when this one dies. Returns twice, as fork does: 0 in the new one.
static int fork_tied(int signal) {
  const long parent = sys(getpid);
  const long child = sys(clone, SIGCHLD);
  if (child < 0) give_up("cannot start a process", reason(child));
  if (child == 0 && !tie_to(parent, signal)) leave(EXIT_TROUBLE);
  return (int)child;
}

_Noreturn static void run(char **argv, char **environment) {
  const signal_set none = 0;
  sys(setsid);
  sys(rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
  const long error = sys(execve, argv[0], argv, environment);
  // A script whose interpreter is missing gives the same error as a missing script.
  const int there = error == -ENOENT && sys(faccessat, AT_FDCWD, argv[0], 0) == 0;
  complain("cannot run ", argv[0], there ? "The interpreter that it asks for does not exist" : reason(error));
  leave(error == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

// ---- What the spawner left behind

static void close_others(void) {
  if (sys(close_range, 3, ~0U, 0) == 0) return;
  // Linux before 5.9, or a filter that does not know the call.
  struct listing open;
  if (!open_listing(&open, "/proc/self/fd")) return;
  for (int descriptor; (descriptor = next_number(&open)) >= 0;) {
    if (descriptor > 2 && descriptor != open.directory) sys(close, descriptor);
  }
  sys(close, open.directory);
}

// From here on signals are waited for, never handled in between; FILE gets them back as they are by default.
static void take_signals(void) {
  const signal_set all = ~0UL;
  const unsigned long by_default[4] = {0};  // struct sigaction: SIG_DFL, no flags, no restorer, empty mask
  sys(rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
  for (int signal = 1; signal <= SIGNAL_COUNT; signal++) {
    sys(rt_sigaction, signal, by_default, 0, sizeof all);
  }
}

// Bun hands out socket pairs. What a server writes at once is bounded by its end's buffer, and a wider one made
// answers of 1 MiB twice as fast (the kernel caps it at net.core.wmem_max). Any other kind of stdout refuses: fine.
static void widen_stdout(void) {
  const int bytes = 1024 * 1024;
  sys(setsockopt, 1, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static void require(long result, const char *what) {
  if (result < 0) give_up(what, reason(result));
}

static void prepare(void) {
  struct listing all;
  take_signals();
  close_others();
  sys(setsid);  // fails where the spawner has done it
  require(sys(prctl, PR_SET_NO_NEW_PRIVS, 1), "cannot give up new privileges");
  require(sys(prctl, PR_SET_CHILD_SUBREAPER, 1), "cannot adopt orphans");
  require(open_listing(&all, "/proc") ? 0 : all.directory, "cannot read /proc, which has to be mounted");
  sys(close, all.directory);
}

static int launch(int argc, char **argv, char **environment) {
  if (argc == 2 && equal(argv[1], "--self-test")) {
    prepare();
    return 0;
  }
  const char *rest = argc > 1 ? argv[1] : "";
  const int parent = read_number(&rest);
  if (argc < 4 || parent < 0 || *rest || !equal(argv[2], "--") || argv[3][0] != '/') {
    give_up("usage", "toolcrib-launcher PARENT -- FILE [ARGUMENT…], FILE being an absolute path");
  }
  prepare();
  // Nobody is left to read a complaint.
  if (!tie_to(parent, SIGUSR1)) leave(EXIT_TROUBLE);
  widen_stdout();

  const int inner = fork_tied(SIGUSR1);
  if (inner > 0) return guard(inner, 1);
  sys(prctl, PR_SET_CHILD_SUBREAPER, 1);  // does not pass to a child by itself

  const int server = fork_tied(SIGKILL);
  if (server > 0) return guard(server, 0);
  run(argv + 3, environment);
}

_Noreturn void start(long *stack) {
  const int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  leave(launch(argc, argv, argv + argc + 1));
}
