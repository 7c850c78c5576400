// Text of the launcher: lines that are put together, and what the errors of the kernel are called.

#ifndef TOOLCRIB_TEXT_H
#define TOOLCRIB_TEXT_H

#include "linux.h"

// The compiler calls these by itself for large structures.
void *memset(void *at, int byte, unsigned long size) {
  for (unsigned long index = 0; index < size; index++) ((char *)at)[index] = (char)byte;
  return at;
}
void *memcpy(void *to, const void *from, unsigned long size) {
  for (unsigned long index = 0; index < size; index++) ((char *)to)[index] = ((const char *)from)[index];
  return to;
}

static unsigned long length(const char *text) {
  unsigned long count = 0;
  while (text[count]) count++;
  return count;
}

static int equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

// A text in the making: a message, an option of a mount, a path below /proc. What does not fit is cut.
struct line {
  unsigned long size;
  char text[1024];  // ends with NUL
};

// NB: names come from the outside, and a line break in one must not look like the next message.
static void add(struct line *line, const char *text) {
  for (; *text && line->size < sizeof line->text - 2; text++) {
    const unsigned char byte = (unsigned char)*text;
    line->text[line->size++] = byte < ' ' || byte == 0x7f ? '?' : *text;
  }
  line->text[line->size] = 0;
}

static void add_in_base(struct line *line, unsigned long value, unsigned base) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + value % base);
  while (value /= base);
  add(line, digits + at);
}

static void add_number(struct line *line, unsigned long value) { add_in_base(line, value, 10); }

static void begin(struct line *line, const char *text) {
  line->size = 0;
  add(line, text);
}

static const struct {
  int error;
  const char *name, *words;
} ERRORS[] = {
    {EPERM, "EPERM", "Operation not permitted"},
    {ENOENT, "ENOENT", "No such file or directory"},
    {ESRCH, "ESRCH", "No such process"},
    {EIO, "EIO", "Input/output error"},
    {E2BIG, "E2BIG", "Argument list too long"},
    {ENOEXEC, "ENOEXEC", "Exec format error"},
    {EBADF, "EBADF", "Bad file descriptor"},
    {EAGAIN, "EAGAIN", "Resource temporarily unavailable"},
    {ENOMEM, "ENOMEM", "Cannot allocate memory"},
    {EACCES, "EACCES", "Permission denied"},
    {EFAULT, "EFAULT", "Bad address"},
    {EBUSY, "EBUSY", "Device or resource busy"},
    {EEXIST, "EEXIST", "File exists"},
    {ENODEV, "ENODEV", "No such device"},
    {ENOTDIR, "ENOTDIR", "Not a directory"},
    {EISDIR, "EISDIR", "Is a directory"},
    {EINVAL, "EINVAL", "Invalid argument"},
    {ENFILE, "ENFILE", "Too many open files in system"},
    {EMFILE, "EMFILE", "Too many open files"},
    {ENOTTY, "ENOTTY", "Not a terminal"},
    {ETXTBSY, "ETXTBSY", "Text file busy"},
    {ENOSPC, "ENOSPC", "No space left on device"},
    {EROFS, "EROFS", "Read-only file system"},
    {ENAMETOOLONG, "ENAMETOOLONG", "File name too long"},
    {ENOSYS, "ENOSYS", "Function not implemented"},
    {ELOOP, "ELOOP", "A part of it is a link"},
    {EUSERS, "EUSERS", "Too many namespaces"},
    {ENOTSOCK, "ENOTSOCK", "Not a socket"},
    {EOPNOTSUPP, "EOPNOTSUPP", "Operation not supported"},
    {EADDRINUSE, "EADDRINUSE", "Address already in use"},
};

static const char *reason(long error) {
  for (unsigned index = 0; index < sizeof ERRORS / sizeof *ERRORS; index++) {
    if (ERRORS[index].error == -error) return ERRORS[index].words;
  }
  return "The system refused it";
}

// By its name, or by its number.
static void add_error(struct line *line, long error) {
  for (unsigned index = 0; index < sizeof ERRORS / sizeof *ERRORS; index++) {
    if (ERRORS[index].error == -error) return add(line, ERRORS[index].name);
  }
  add_number(line, (unsigned long)-error);
}

#endif
