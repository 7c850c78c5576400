// The order for one start, as launch-spec.ts writes it and the launcher reads it: bytes that are believed nothing.
// No system call and no header of a system: fuzz.c builds it by itself.
//
//   "TCL1", u32 size of the rest, then records (records.h): u32 kind, u32 size, as many bytes. All numbers are
//   little-endian; texts end with one NUL, which counts.
//
// What is unknown, cut short, too much, there twice or not fit for its level is refused: nothing is skipped.

#ifndef TOOLCRIB_SPEC_H
#define TOOLCRIB_SPEC_H

#include "records.h"

enum { SPEC_HEADER = 8, MOST_SPEC_BYTES = 4 * 1024 * 1024 };

// Of each kind, how many there have to be and may be.
static const struct {
  unsigned least, most;
} TIMES[KINDS] = {
    [ARGUMENT] = {1, MOST_RECORDS},
    [VARIABLE] = {0, MOST_RECORDS},
    [LEVEL] = {1, 1},
    [DIRECTORY] = {1, 1},
    [IDENTITY] = {1, 1},
    [HOSTNAME] = {0, 1},
    [TERMINAL] = {0, 1},
    [FILTER] = {0, 1},
    [LIMIT] = {0, LIMITS},
    [CGROUP] = {0, MOST_CGROUPS},
    [NETWORK] = {1, 1},
    [LISTENER] = {0, MOST_LISTENERS},
    [PORT] = {0, MOST_PORTS},
    [PATH_RULE] = {0, MOST_RECORDS},
    [BIND] = {0, MOST_RECORDS},
    [TMPFS] = {0, MOST_TMPFS},
    [PROC] = {0, 1},
    [DEVICES] = {0, 1},
    [MAKE_DIRECTORY] = {0, MOST_RECORDS},
    [SYMLINK] = {0, MOST_RECORDS},
    [MAKE_FILE] = {0, MOST_RECORDS},
};

struct spec {
  unsigned level, identity, uid, gid, network;
  const char *directory, *hostname;  // hostname: 0 for none
  const unsigned char *filter;
  unsigned filter_length;  // instructions; 0 for no filter
  int terminal;
  unsigned count[KINDS];
  const unsigned char *records, *end;
};

static struct cursor all_records(const struct spec *spec) {
  return (struct cursor){spec->records, spec->end, 0};
}

// The next record of one kind, of a specification that was read.
static int next_of(struct cursor *cursor, enum kind kind, struct record *record) {
  while (next_record(cursor, record)) {
    if (record->kind == kind) return 1;
  }
  return 0;
}

static int read_identity(const struct record *record, struct spec *spec) {
  struct cursor in = inside(record);
  spec->identity = take_u32(&in);
  spec->uid = take_u32(&in);
  spec->gid = take_u32(&in);
  if (!taken_whole(&in) || spec->identity >= IDENTITIES) return 0;
  return spec->identity == APPLIANCE || (is_id(spec->uid) && is_id(spec->gid));
}

static int read_record(const struct record *record, struct spec *spec) {
  struct cursor in = inside(record);
  struct mount mount;
  struct listener listener;
  struct path_rule rule;
  struct limit_order limit;
  const char *text;
  if (is_mount(record->kind)) return read_mount(record, &mount);
  switch (record->kind) {
    case ARGUMENT:
      text = take_text(&in);
      return taken_whole(&in) && (spec->count[ARGUMENT] > 1 || is_absolute(text));
    case VARIABLE:
      text = take_text(&in);
      return taken_whole(&in) && is_variable(text);
    case LEVEL:
      spec->level = take_u32(&in);
      return taken_whole(&in) && spec->level < LEVELS;
    case DIRECTORY:
      spec->directory = take_text(&in);
      return taken_whole(&in) && is_absolute(spec->directory);
    case IDENTITY:
      return read_identity(record, spec);
    case HOSTNAME:
      spec->hostname = take_text(&in);
      return taken_whole(&in) && *spec->hostname && record->size <= MOST_HOSTNAME;
    case TERMINAL:
      spec->terminal = 1;
      return record->size == 0;
    case FILTER:
      spec->filter = record->body;
      spec->filter_length = record->size / 8;
      return record->size % 8 == 0 && spec->filter_length > 0 && spec->filter_length <= MOST_FILTER;
    case LIMIT:
      return read_limit(record, &limit);
    case CGROUP:
      text = take_text(&in);
      return taken_whole(&in) && is_path(text);
    case NETWORK:
      spec->network = take_u32(&in);
      return taken_whole(&in) && spec->network < NETWORKS;
    case LISTENER:
      return read_listener(record, &listener);
    case PORT:
      return is_port(take_u32(&in)) && taken_whole(&in);
    case PATH_RULE:
      return read_path_rule(record, &rule);
    default:
      return 0;
  }
}

// What may stand together. A level that lacks a part of what makes it is none.
static const char *unfit(const struct spec *spec) {
  static const unsigned network_of[LEVELS] = {HOST_NETWORK, PORTS_ONLY, OWN_NETWORK};
  unsigned mounts = 0;
  for (unsigned kind = 0; kind < KINDS; kind++) mounts += is_mount(kind) ? spec->count[kind] : 0;
  const int isolated = spec->level == ISOLATED;
  if (spec->network != network_of[spec->level]) return "the network is not that of the level";
  if (isolated && spec->identity == APPLIANCE) return "isolated, with the identity of the appliance";
  if (!isolated && spec->identity == USER_NAMESPACE) return "a user namespace outside of isolated";
  if (spec->level == OFF && spec->identity != APPLIANCE) return "an identity without a cage";
  if (isolated != (mounts > 0)) return "mounts belong to isolated, and to nothing else";
  if (!isolated && spec->hostname) return "a host name outside of isolated";
  if ((spec->level == CONFINED) != (spec->count[PATH_RULE] > 0))
    return "path rules belong to confined, and to nothing else";
  if (!isolated && spec->count[LISTENER]) return "listeners outside of isolated";
  if (spec->level != CONFINED && spec->count[PORT]) return "ports outside of confined";
  return 0;
}

// How many bytes follow the header; -1 when it is none of ours.
static long spec_size(const unsigned char header[SPEC_HEADER]) {
  struct cursor in = {header, header + SPEC_HEADER, 0};
  const unsigned magic = 'T' | 'C' << 8 | 'L' << 16 | '1' << 24;
  if (take_u32(&in) != magic) return -1;
  const unsigned size = take_u32(&in);
  return size <= MOST_SPEC_BYTES ? (long)size : -1;
}

// Reads what follows the header. 0, or why not. `spec` points into `bytes`, which have to stay.
static const char *read_spec(const unsigned char *bytes, unsigned long size, struct spec *spec) {
  struct record record;
  unsigned records = 0;
  *spec = (struct spec){.records = bytes, .end = bytes + size};
  struct cursor cursor = all_records(spec);
  while (next_record(&cursor, &record)) {
    if (++records > MOST_RECORDS) return "too many records";
    if (record.kind == 0 || record.kind >= KINDS) return "a record of an unknown kind";
    if (++spec->count[record.kind] > TIMES[record.kind].most) return "too many records of one kind";
    if (!read_record(&record, spec)) return "a record that is not what its kind asks for";
  }
  if (cursor.broken) return "a record that is cut short";
  for (unsigned kind = 1; kind < KINDS; kind++) {
    if (spec->count[kind] < TIMES[kind].least) return "a record is missing";
  }
  return unfit(spec);
}

#endif
