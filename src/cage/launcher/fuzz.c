// Tries spec.h with bytes that nobody would write. fuzz COUNT [SEED] builds COUNT inputs, most of them from something
// valid with some bytes changed, cut or repeated, and prints how many were taken. Made for the sanitizers of a
// compiler: each input ends where its memory ends, and all that the launcher would read of an accepted one is read.
//
//   gcc -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-unused-function -o fuzz fuzz.c

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"

enum { LONGEST = 2048 };

static unsigned long state;

// xorshift64*
static unsigned long any(unsigned long below) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return below ? (state * 0x2545F4914F6CDD1DUL >> 16) % below : 0;
}

struct input {
  unsigned char bytes[LONGEST];
  unsigned long size;
};

static void put(struct input *input, const void *bytes, unsigned long size) {
  if (input->size + size > LONGEST) return;
  memcpy(input->bytes + input->size, bytes, size);
  input->size += size;
}

static void put_u32(struct input *input, unsigned value) { put(input, &value, 4); }

// One record of a kind, mostly as it should be.
static void put_record(struct input *input, unsigned kind, unsigned level) {
  static const unsigned networks[LEVELS] = {HOST_NETWORK, PORTS_ONLY, OWN_NETWORK};
  static const char *const paths[] = {"/usr", "/a/b", "/", "/a//b", "/../x", "x", "/a/.", "/dev", ""};
  const char *path = paths[any(4) ? any(2) : any(9)];
  struct input body = {.size = 0};
  switch (kind) {
    case LEVEL: put_u32(&body, level); break;
    case NETWORK: put_u32(&body, networks[level]); break;
    case IDENTITY:
      put_u32(&body, level == OFF ? APPLIANCE : OWN_UID);
      put_u32(&body, (unsigned)any(3));
      put_u32(&body, (unsigned)any(70000));
      break;
    case VARIABLE: put(&body, "NAME=value", 11); break;
    case TERMINAL: break;
    case FILTER:
      for (unsigned long count = 1 + any(3); count > 0; count--) put(&body, "\6\0\0\0\0\0\377\177", 8);
      break;
    case LIMIT:
      put_u32(&body, (unsigned)any(7));
      put_u32(&body, 1);
      put_u32(&body, 0);
      break;
    case PORT: put_u32(&body, (unsigned)any(70000)); break;
    case LISTENER:
      put_u32(&body, (unsigned)any(3));
      put_u32(&body, (unsigned)any(70000));
      put_u32(&body, 0);
      break;
    case PATH_RULE: put_u32(&body, (unsigned)any(4)); break;
    case BIND:
      put_u32(&body, (unsigned)any(5));
      put(&body, path, strlen(path) + 1);
      break;
    case DEVICES:
    case TMPFS:
      put_u32(&body, 4096);
      put_u32(&body, 0);
      if (kind == TMPFS) put_u32(&body, 01777);
      break;
    default: break;
  }
  if (kind == ARGUMENT || kind == DIRECTORY || kind == HOSTNAME || kind == CGROUP || kind >= PATH_RULE) {
    put(&body, path, strlen(path) + 1);
  }
  if (kind == SYMLINK || kind == MAKE_FILE) put(&body, "to", 3);
  put_u32(input, kind);
  put_u32(input, (unsigned)body.size);
  put(input, body.bytes, body.size);
}

static void compose(struct input *input) {
  static const unsigned needed[] = {LEVEL, ARGUMENT, DIRECTORY, IDENTITY, NETWORK};
  const unsigned level = (unsigned)any(LEVELS);
  input->size = 0;
  for (unsigned index = 0; index < 5; index++) put_record(input, needed[index], level);
  if (level == CONFINED) put_record(input, PATH_RULE, level);
  if (level == ISOLATED) put_record(input, BIND, level);
  for (unsigned long count = any(8); count > 0; count--) put_record(input, 1 + (unsigned)any(KINDS), level);
}

static void spoil(struct input *input) {
  for (unsigned long count = any(4); count > 0 && input->size > 0; count--) {
    const unsigned long at = any(input->size), rest = input->size - at;
    const int byte = any(2) ? 0xff : 0;
    switch (any(5)) {
      case 0: input->bytes[at] = (unsigned char)any(256); break;
      case 1: input->bytes[at] ^= (unsigned char)(1 << any(8)); break;
      case 2: input->size = at; break;
      case 3: put(input, input->bytes + at, any(rest)); break;
      default: memset(input->bytes + at, byte, any(rest < 8 ? rest : 8)); break;
    }
  }
}

static void invent(struct input *input) {
  input->size = any(256);
  for (unsigned long index = 0; index < input->size; index++) {
    input->bytes[index] = (unsigned char)any(any(2) ? 256 : 24);
  }
}

// Reads what the launcher reads. The sum keeps the compiler from leaving it out.
static unsigned long use(const struct spec *spec) {
  unsigned long sum = strlen(spec->directory) + (spec->hostname ? strlen(spec->hostname) : 0);
  struct record record;
  struct mount mount;
  struct listener listener;
  struct path_rule rule;
  struct limit_order limit;
  struct cursor cursor = all_records(spec);
  for (unsigned index = 0; index < spec->filter_length * 8; index++) sum += spec->filter[index];
  while (next_record(&cursor, &record)) {
    if (record.kind == ARGUMENT || record.kind == VARIABLE || record.kind == CGROUP) sum += strlen(text_of(&record));
    if (record.kind == PORT) sum += number_of(&record);
    if (record.kind == LISTENER && read_listener(&record, &listener)) sum += listener.port + listener.address[3];
    if (record.kind == PATH_RULE && read_path_rule(&record, &rule)) sum += strlen(rule.path);
    if (record.kind == LIMIT && read_limit(&record, &limit)) sum += limit.value;
    if (!is_mount(record.kind) || !read_mount(&record, &mount)) continue;
    sum += strlen(mount.target) + strlen(mount.source);
    for (unsigned long index = 0; index < mount.content_size; index++) sum += mount.content[index];
  }
  return sum;
}

int main(int argc, char **argv) {
  const unsigned long count = argc > 1 ? strtoul(argv[1], 0, 10) : 100000;
  unsigned long taken = 0, sum = 0;
  state = argc > 2 ? strtoul(argv[2], 0, 10) | 1 : 1;
  for (unsigned long round = 0; round < count; round++) {
    struct input input;
    struct spec spec;
    if (any(8)) {
      compose(&input);
    } else {
      invent(&input);
    }
    if (any(2)) spoil(&input);
    unsigned char *exact = malloc(input.size);
    if (!exact && input.size) return 1;
    memcpy(exact, input.bytes, input.size);
    if (!read_spec(exact, input.size, &spec)) {
      taken++;
      sum += use(&spec);
    }
    if (input.size >= SPEC_HEADER) sum += (unsigned long)spec_size(exact);
    free(exact);
  }
  printf("%lu inputs, %lu taken (%lu)\n", count, taken, sum);
  return 0;
}
