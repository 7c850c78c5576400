// What one call of the launcher is to start: the specification in memory, and the lists that execve takes.

#ifndef TOOLCRIB_ORDER_H
#define TOOLCRIB_ORDER_H

#include "report.h"
#include "spec.h"

struct order {
  struct spec spec;
  char **arguments, **variables;  // each ends with 0
  char **own_arguments;           // of the launcher
};

// Only touched pages take memory, and forgetting gives them back.
static unsigned char order_bytes[MOST_SPEC_BYTES] __attribute__((aligned(65536)));
static char *order_texts[MOST_RECORDS + 2] __attribute__((aligned(65536)));

// NB: secrets are in it.
static void forget_order(void) {
  sys(madvise, order_bytes, sizeof order_bytes, MADV_DONTNEED);
  sys(madvise, order_texts, sizeof order_texts, MADV_DONTNEED);
}

static void read_all(unsigned char *bytes, unsigned long size) {
  for (unsigned long done = 0; done < size;) {
    const long got = must(sys(read, SPEC, bytes + done, size - done), "cannot read the specification", "");
    if (got == 0) refuse("cannot read the specification", "", "it ends too early");
    done += (unsigned long)got;
  }
}

// Behind what is in `list`, which they end.
static char **list_texts(const struct spec *spec, enum kind kind, char **list) {
  struct record record;
  struct cursor cursor = all_records(spec);
  while (next_of(&cursor, kind, &record)) *list++ = (char *)text_of(&record);
  *list = 0;
  return list + 1;
}

static void read_order(struct order *order) {
  unsigned char header[SPEC_HEADER];
  read_all(header, sizeof header);
  const long size = spec_size(header);
  if (size < 0) refuse("cannot read the specification", "", "it is none, or too long");
  read_all(order_bytes, (unsigned long)size);
  const char *problem = read_spec(order_bytes, (unsigned long)size, &order->spec);
  if (problem) refuse("cannot read the specification", "", problem);
  order->arguments = order_texts;
  order->variables = list_texts(&order->spec, ARGUMENT, order->arguments);
  list_texts(&order->spec, VARIABLE, order->variables);
}

#endif
