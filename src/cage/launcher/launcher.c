// Runs one server, in the cage that it is given, and ends with it: nothing that the server started outlives the
// server, the launcher or the appliance, `kill -9` of any one of them included.
//
//   launcher PARENT        run what a specification (spec.h) on descriptor 3 says; PARENT is the process id of the
//                          spawner, and descriptors 3 and 4 are Unix stream sockets
//   launcher PARENT -- FILE [ARGUMENT…]
//                          run FILE (absolute path) without a cage, with environment and directory as they are
//   launcher --self-test   exit 0 where this host has all that every launch needs
//   launcher --facts       what this kernel lets this user do, a line each (facts.h)
//
// A specification holds arguments, environment and directory as well, so that no secret stands in the argument list or
// in /proc for one moment. Stdin, stdout and stderr are the spawner's gift to FILE and pass as they are; every other
// descriptor is closed. FILE cannot gain rights (no_new_privs): sudo and setuid programs do not work in it.
// NB: "parent" is a thread to Linux: the one that spawns has to live as long as the appliance does.
//
// With a specification, descriptor 4 is the report, in lines:
//   inner PID               of the process above the server, as the host counts
//   listeners COUNT         so many descriptors came back on 3, with one byte, in the order of the specification
//   note WHAT: WHY          something was asked for that cannot be, and is done without
//   refused WHAT: WHY       nothing runs; exit 125
// and its end, without `refused`, says that the server runs (or that FILE could not be executed, see Exit).
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
// `off` and `confined`: both are subreapers; who loses its parent becomes a child of inner; were inner killed, of
// outer. Were outer killed, inner is told. NB: a server with the rights to signal its launcher could still SIGKILL or
// SIGSTOP both at once: only a process namespace takes that from it.
// `isolated`: inner is process 1 of a namespace, and its end is the end of all in it. No server can signal or trace it.

#include "facts.h"
#include "family.h"
#include "order.h"
#include "server.h"

// ---- What the spawner left behind

static void close_from(unsigned first) {
  if (sys(close_range, first, ~0U, 0) == 0) return;
  // Linux before 5.9, or a filter that does not know the call.
  struct listing open;
  if (!open_listing(&open, "/proc/self/fd")) return;
  for (int descriptor; (descriptor = next_number(&open)) >= 0;) {
    if (descriptor >= (int)first && descriptor != open.directory) sys(close, descriptor);
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

static void prepare(unsigned first_to_close) {
  struct listing all;
  take_signals();
  close_from(first_to_close);
  sys(setsid);  // fails where the spawner has done it
  must(sys(prctl, PR_SET_NO_NEW_PRIVS, 1), "cannot give up new privileges", "");
  must(sys(prctl, PR_SET_CHILD_SUBREAPER, 1), "cannot adopt orphans", "");
  must(open_listing(&all, "/proc") ? 0 : all.directory, "cannot read /proc, which has to be mounted", "");
  sys(close, all.directory);
}

// ---- Inner

static void join_cgroups(const struct spec *spec) {
  struct record record;
  struct cursor cursor = all_records(spec);
  while (next_of(&cursor, CGROUP, &record)) {
    must(write_file(AT_FDCWD, text_of(&record), "0"), "cannot join the group ", text_of(&record));
  }
}

static void isolate(const struct spec *spec, unsigned uid_outside, unsigned gid_outside) {
  if (spec->identity == USER_NAMESPACE) {
    must(show_as(spec->uid, spec->gid, uid_outside, gid_outside), "cannot map users", "");
  }
  // After it has joined: what it is in becomes the root of what it sees.
  const long unshared = sys(unshare, CLONE_NEWCGROUP);
  if (unshared < 0) note("no cgroup namespace", "", reason(unshared));
  if (spec->hostname) {
    must(sys(sethostname, spec->hostname, length(spec->hostname)), "cannot set the host name", "");
  }
  open_network(spec);
  build_view(spec);
}

// Nobody but root looks into a launcher, or traces it. Without a cage a server has all rights of its user anyway.
static void close_to_others(const struct spec *spec) {
  if (spec->level != OFF) sys(prctl, PR_SET_DUMPABLE, 0);
}

// What of the launcher a server can see in its /proc: not where it lies, nor who started it.
static void hide_arguments(char **arguments) {
  for (; *arguments; arguments++) memset(*arguments, 0, length(*arguments));
  sys(prctl, PR_SET_NAME, "launcher");
}

static int be_inner(struct order *order, unsigned uid_outside, unsigned gid_outside) {
  const struct spec *spec = &order->spec;
  const int isolated = spec->level == ISOLATED;
  struct tether tether;
  sys(prctl, PR_SET_CHILD_SUBREAPER, 1);  // does not pass to a child by itself
  join_cgroups(spec);
  if (isolated) {
    hide_arguments(order->own_arguments);
    isolate(spec, uid_outside, gid_outside);
  }
  close_to_others(spec);

  const long self = sys(getpid);
  const int server = fork_tied(&tether, 0, SIGKILL);
  if (server == 0) become_server(order, self);
  let_go(&tether);
  forget_order();
  // To end what is in the namespace, of whatever user, is all that is left to do.
  if (isolated) must(keep_capabilities(CAPABILITY_BIT(CAP_KILL)), "cannot give up capabilities", "");
  return guard(server, isolated ? INNER_AS_ONE : INNER);
}

// ---- Outer

static unsigned long namespaces_of(const struct spec *spec) {
  if (spec->level != ISOLATED) return 0;
  const unsigned long all = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  return spec->identity == USER_NAMESPACE ? all | CLONE_NEWUSER : all;
}

// Root here may be a plain user for the host: that of a user namespace, which has no other ids to give.
static int is_root_of_host(void) {
  char map[64] = "";
  const long file = sys(openat, AT_FDCWD, "/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 1;
  const long size = sys(read, file, map, sizeof map - 1);
  sys(close, file);
  // `INSIDE OUTSIDE COUNT`, with blanks before each.
  const char *at = map;
  while (*at == ' ') at++;
  const int inside = read_number(&at);
  while (*at == ' ') at++;
  return size <= 0 || inside != 0 || read_number(&at) == 0;
}

static int launch(struct order *order) {
  const struct spec *spec = &order->spec;
  struct tether tether;
  const unsigned uid = (unsigned)sys(geteuid), gid = (unsigned)sys(getegid);
  // Whatever number shows inside, the host would see root.
  if (spec->identity == USER_NAMESPACE && uid == 0 && is_root_of_host()) refuse("a user namespace for root", "", "it would stay root");
  if (spec->identity == OWN_UID && uid != 0) refuse("a user of the server's own", "", "only root can give it one");
  widen_stdout();
  if (spec->terminal) sys(ioctl, 0, TIOCNOTTY);

  const int inner = fork_tied(&tether, namespaces_of(spec), spec->level == ISOLATED ? SIGKILL : SIGUSR1);
  if (inner == 0) return be_inner(order, uid, gid);
  report_number("inner ", inner);
  forget_order();
  close_to_others(spec);
  let_go(&tether);
  return guard(inner, OUTER);
}

static int launch_as_specified(int parent, char **own_arguments) {
  struct order order = {.own_arguments = own_arguments};
  prepare(REPORT + 1);
  // Nobody is left to read a complaint.
  if (!tie_to(parent, SIGUSR1)) leave(EXIT_TROUBLE);
  is_reporting = 1;
  // Bun's sockets do not wait; here there is nothing else to do.
  sys(fcntl, SPEC, F_SETFL, 0);
  sys(fcntl, REPORT, F_SETFL, 0);
  read_order(&order);
  return launch(&order);
}

static int launch_as_it_is(int parent, char **arguments, char **variables) {
  struct order order = {.spec = {.directory = "."}, .arguments = arguments, .variables = variables};
  prepare(STDERR + 1);
  if (!tie_to(parent, SIGUSR1)) leave(EXIT_TROUBLE);
  return launch(&order);
}

// ---- The ways to be called

static int self_test(void) {
  prepare(STDERR + 1);
  return 0;
}

static int facts(void) {
  prepare(STDERR + 1);
  print_facts();
  return 0;
}

static int choose(int argc, char **argv) {
  const char *first = argc > 1 ? argv[1] : "";
  if (argc == 2 && equal(first, "--self-test")) return self_test();
  if (argc == 2 && equal(first, "--facts")) return facts();
  const int parent = read_number(&first);
  if (parent >= 0 && !*first) {
    if (argc == 2) return launch_as_specified(parent, argv);
    const int has_file = argc > 3 && equal(argv[2], "--") && argv[3][0] == '/';
    if (has_file) return launch_as_it_is(parent, argv + 3, argv + argc + 1);
  }
  complain("usage", "", "toolcrib-launcher PARENT [-- FILE [ARGUMENT…]], FILE being an absolute path");
  return EXIT_TROUBLE;
}

_Noreturn void start(long *stack) { leave(choose((int)stack[0], (char **)(stack + 1))); }
