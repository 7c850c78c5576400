// What an attempt brings: a result as the kernel gives it (negative: an errno), words about it, and the line that both
// become. Also words and numbers out of the text of an attempt.

#ifndef TOOLCRIB_PROBE_RESULT_H
#define TOOLCRIB_PROBE_RESULT_H

#include "../launcher/linux.h"

// Below every errno: a child of the probe was ended by a signal.
#define KILLED_BY(signal) (-10000L - (signal))

struct text {
  unsigned long size;
  char bytes[16 * 1024];
};

// What does not fit is cut. Paths are hostile: none of them makes a line or a column of its own.
static void add(struct text *text, const char *words) {
  for (; *words && text->size < sizeof text->bytes - 1; words++) {
    const unsigned char byte = (unsigned char)*words;
    text->bytes[text->size++] = byte < ' ' || byte == 0x7f ? '?' : *words;
  }
}

static void add_separator(struct text *text, char separator) {
  if (text->size < sizeof text->bytes) text->bytes[text->size++] = separator;
}

static void add_in_base(struct text *text, unsigned long value, unsigned base) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = "0123456789abcdef"[value % base];
  while (value /= base);
  add(text, digits + at);
}

static void add_number(struct text *text, unsigned long value) { add_in_base(text, value, 10); }

static void add_fact(struct text *text, const char *name, unsigned long value, unsigned base) {
  if (text->size > 0) add(text, " ");
  add(text, name);
  add(text, "=");
  add_in_base(text, value, base);
}

static const struct {
  int error;
  const char *name;
} ERRORS[] = {
#define NAMED(error) {error, #error}
    NAMED(EPERM),      NAMED(ENOENT),       NAMED(ESRCH),         NAMED(EINTR),           NAMED(EIO),
    NAMED(ENXIO),      NAMED(E2BIG),        NAMED(ENOEXEC),       NAMED(EBADF),           NAMED(ECHILD),
    NAMED(EAGAIN),     NAMED(ENOMEM),       NAMED(EACCES),        NAMED(EFAULT),          NAMED(EBUSY),
    NAMED(EEXIST),     NAMED(EXDEV),        NAMED(ENODEV),        NAMED(ENOTDIR),         NAMED(EISDIR),
    NAMED(EINVAL),     NAMED(ENFILE),       NAMED(EMFILE),        NAMED(ENOTTY),          NAMED(ETXTBSY),
    NAMED(ENOSPC),     NAMED(EDQUOT),       NAMED(EROFS),         NAMED(EPIPE),           NAMED(ENAMETOOLONG),
    NAMED(ENOSYS),     NAMED(ELOOP),        NAMED(EUSERS),        NAMED(EOVERFLOW),       NAMED(EPROTOTYPE),
    NAMED(ENOTSOCK),   NAMED(EMSGSIZE),     NAMED(ENOPROTOOPT),   NAMED(EPROTONOSUPPORT), NAMED(ESOCKTNOSUPPORT),
    NAMED(EOPNOTSUPP), NAMED(EAFNOSUPPORT), NAMED(EADDRNOTAVAIL), NAMED(ENETDOWN),        NAMED(ENETUNREACH),
    NAMED(ECONNRESET), NAMED(ETIMEDOUT),    NAMED(ECONNREFUSED),  NAMED(EHOSTUNREACH),    NAMED(EINPROGRESS),
    NAMED(ENOKEY),     NAMED(EKEYEXPIRED),  NAMED(EKEYREVOKED),   NAMED(EHOSTDOWN),
};

static void add_result(struct text *text, long result) {
  if (result >= 0) return add(text, "ok");
  if (result < KILLED_BY(0)) {
    add(text, "killed ");
    return add_number(text, (unsigned long)(KILLED_BY(0) - result));
  }
  for (unsigned index = 0; index < sizeof ERRORS / sizeof *ERRORS; index++) {
    if (ERRORS[index].error == -result) return add(text, ERRORS[index].name);
  }
  add_number(text, (unsigned long)-result);
}

// ---- Words

static int equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

// A decimal number, which ends with `end`; moves `*text` behind that. -1 for what is none or has over 18 digits.
static long take_number(const char **text, char end) {
  const char *at = *text;
  long value = 0;
  while (*at >= '0' && *at <= '9' && at - *text < 18) value = value * 10 + (*at++ - '0');
  if (at == *text || *at != end) return -1;
  *text = at + (end != 0);
  return value;
}

static long only_number(const char *text) { return take_number(&text, 0); }

#endif
