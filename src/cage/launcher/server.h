// The last steps of the process that becomes the server, in the order in which they are still possible.

#ifndef TOOLCRIB_SERVER_H
#define TOOLCRIB_SERVER_H

#include <asm/ioctls.h>

#include "family.h"
#include "identity.h"
#include "landlock.h"
#include "order.h"

static void enter_session(const struct spec *spec) {
  sys(setsid);
  if (spec->terminal) must(sys(ioctl, 0, TIOCSCTTY, 0), "cannot take the terminal", "");
}

_Noreturn static void run(char **argv, char **environment) {
  const long error = sys(execve, argv[0], argv, environment);
  // A script whose interpreter is missing gives the same error as a missing script.
  const int there = error == -ENOENT && sys(faccessat, AT_FDCWD, argv[0], 0) == 0;
  complain("cannot run ", argv[0], there ? "The interpreter that it asks for does not exist" : reason(error));
  leave(error == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

_Noreturn static void become_server(const struct order *order, long parent) {
  const struct spec *spec = &order->spec;
  enter_session(spec);
  limit_resources(spec);
  // Rules are made by who may see every path, and enforced on who may not.
  const long rules = spec->level == CONFINED ? make_rules(spec) : -1;
  become(spec);
  // Another user is not tied any more.
  if (spec->level != ISOLATED && !tie_to(parent, SIGKILL)) leave(EXIT_TROUBLE);
  if (rules >= 0) enforce_rules(rules);
  must(sys(chdir, spec->directory), "cannot enter ", spec->directory);
  // The report ends with the execution, whose error is told on stderr.
  if (is_reporting) {
    sys(fcntl, REPORT, F_SETFD, FD_CLOEXEC);
    sys(close, SPEC);
  }
  const signal_set none = 0;
  sys(rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
  filter_calls(spec);
  run(order->arguments, order->variables);
}

#endif
