// Tries to get out of the cage that it is run in, and tells how each attempt went. It is started instead of a server,
// with exactly that server's plan.
//
//   probe ATTEMPT…       an attempt is one argument: a verb of the table below, then a blank and what the verb takes
//
// Prints a line for each attempt, in order: its text, `ok` or the name or number of the errno (or `killed N`, by signal
// N), and what was found out, with a tab between them. Control characters are shown as `?`. Ends with 0 when all
// lines are written. It does no harm where an attempt succeeds: nothing is written to, nobody is signalled.

#include "child.h"
#include "files.h"
#include "kernel.h"
#include "result.h"
#include "self.h"
#include "sockets.h"
#include "strain.h"

static long signal_process(const char *pid) {
  const long number = only_number(pid);
  return number > 0 ? sys(kill, number, 0) : -EINVAL;
}

// Either kind; one that finds something out writes it down.
struct verb {
  const char *name;
  long (*attempt)(const char *argument);
  long (*finding)(const char *argument, struct text *detail);
};

static const struct verb VERBS[] = {
    {"read", read_file, 0},
    {"write", write_file, 0},
    {"list", 0, list_directory},
    {"kill", signal_process, 0},
    {"connect-tcp", connect_tcp, 0},
    {"listen-tcp", listen_tcp, 0},
    {"send-udp", send_udp, 0},
    {"connect-unix", connect_unix, 0},
    {"unix-abstract", connect_abstract, 0},
    {"raw-socket", raw_socket, 0},
    {"packet-socket", packet_socket, 0},
    {"vsock", vsock, 0},
    {"multipath-socket", multipath_socket, 0},
    {"fast-open", fast_open, 0},
    {"ptrace", trace, 0},
    {"unshare", make_namespace, 0},
    {"setns", enter_namespace, 0},
    {"mount", mount_nothing, 0},
    {"chroot", change_root, 0},
    {"setuid-bit", setuid_bit, 0},
    {"mknod", make_device, 0},
    {"bpf", load_program, 0},
    {"io_uring", make_ring, 0},
    {"keyctl", read_keyring, 0},
    {"perf", watch_performance, 0},
    {"userfaultfd", handle_faults, 0},
    {"open-by-handle", open_by_handle, 0},
    {"clone3", new_clone, 0},
    {"tiocsti", type_into_terminal, 0},
    {"x32", x32_call, 0},
    {"i386", i386_call, 0},
    {"uid", 0, identity},
    {"limits", 0, limits},
    {"landlock", 0, landlock},
    {"namespaces", 0, namespaces},
    {"pids", 0, count_processes},
    {"interfaces", 0, interfaces},
    {"fork", 0, fork_many},
    {"memory", fill_memory, 0},
};

// What stands behind the verb; 0 when the attempt is another verb's.
static const char *argument_of(const char *attempt, const char *verb) {
  while (*verb && *attempt == *verb) attempt++, verb++;
  if (*verb || (*attempt && *attempt != ' ')) return 0;
  return *attempt ? attempt + 1 : attempt;
}

static long try(const char *attempt, struct text *detail) {
  for (unsigned index = 0; index < sizeof VERBS / sizeof *VERBS; index++) {
    const char *argument = argument_of(attempt, VERBS[index].name);
    if (!argument) continue;
    return VERBS[index].attempt ? VERBS[index].attempt(argument) : VERBS[index].finding(argument, detail);
  }
  return -EINVAL;
}

// At once, so that the lines before an attempt that ends the probe are there.
static int print(const struct text *line) {
  for (unsigned long written = 0; written < line->size;) {
    const long result = sys(write, 1, line->bytes + written, line->size - written);
    if (result <= 0) return 0;
    written += (unsigned long)result;
  }
  return 1;
}

// No path is longer; together they leave room for the rest of a line.
enum { LONGEST_ATTEMPT = 8 * 1024, LONGEST_DETAIL = 4 * 1024 };

static void cut(struct text *text, unsigned long size) {
  if (text->size > size) text->size = size;
  text->bytes[text->size] = 0;
}

static int tell(const char *attempt) {
  static struct text line, detail;
  line.size = detail.size = 0;
  const long result = try(attempt, &detail);
  cut(&detail, LONGEST_DETAIL);
  add(&line, attempt);
  cut(&line, LONGEST_ATTEMPT);
  add_separator(&line, '\t');
  add_result(&line, result);
  add_separator(&line, '\t');
  add(&line, detail.bytes);
  add_separator(&line, '\n');
  return print(&line);
}

_Noreturn void start(long *stack) {
  const long count = stack[0];
  char **arguments = (char **)(stack + 1);
  for (long index = 1; index < count; index++) {
    if (!tell(arguments[index])) leave(1);
  }
  leave(0);
}
