// What the launcher says: lines on the report (descriptor 4), and the last words of one that gives up, which go to
// the server's stderr as well.

#ifndef TOOLCRIB_REPORT_H
#define TOOLCRIB_REPORT_H

#include "text.h"

enum { STDERR = 2, SPEC = 3, REPORT = 4 };
enum { EXIT_TROUBLE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

// Descriptor 4 is not ours before `launcher PARENT` knows that it was asked for a report.
static int is_reporting;

_Noreturn static void leave(int code) {
  for (;;) sys(exit_group, code);
}

// In one write, so that nothing gets between.
static void send_line(int descriptor, struct line *line) {
  line->text[line->size] = '\n';
  sys(write, descriptor, line->text, line->size + 1);
  line->text[line->size] = 0;
}

static void say(int descriptor, const char *who, const char *what, const char *name, const char *why) {
  struct line line;
  begin(&line, who);
  add(&line, what);
  add(&line, name);
  add(&line, ": ");
  add(&line, why);
  send_line(descriptor, &line);
}

static void report(const char *kind, const char *what, const char *name, const char *why) {
  if (is_reporting) say(REPORT, kind, what, name, why);
}

static void complain(const char *what, const char *name, const char *why) {
  say(STDERR, "toolcrib-launcher: ", what, name, why);
}

static void report_number(const char *what, long number) {
  struct line line;
  begin(&line, what);
  add_number(&line, (unsigned long)number);
  if (is_reporting) send_line(REPORT, &line);
}

// Something was asked for that cannot be, and may be done without.
static void note(const char *what, const char *name, const char *why) { report("note ", what, name, why); }

_Noreturn static void refuse(const char *what, const char *name, const char *why) {
  complain(what, name, why);
  report("refused ", what, name, why);
  leave(EXIT_TROUBLE);
}

// Hands a result on that is no error.
static long must(long result, const char *what, const char *name) {
  if (result < 0) refuse(what, name, reason(result));
  return result;
}

#endif
