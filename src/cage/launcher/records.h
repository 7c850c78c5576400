// The records that a specification (spec.h) consists of: what each kind holds, how it is read without going beyond its
// end, and what is accepted in it. launch-spec.ts has the same numbers and bounds.

#ifndef TOOLCRIB_RECORDS_H
#define TOOLCRIB_RECORDS_H

enum {
  MOST_RECORDS = 65536,
  MOST_PATH = 4096,      // with its NUL, as Linux has it
  MOST_HOSTNAME = 65,    // likewise
  MOST_LISTENERS = 253,  // descriptors that fit into one message
  MOST_FILTER = 4096,    // instructions
  MOST_CGROUPS = 32,
  MOST_PORTS = 1024,
  MOST_TMPFS = 32,
  MOST_SHORT_PATH = 256,  // to which names are added
};

enum kind {
  ARGUMENT = 1,  // text: the program, an absolute path, then its arguments
  VARIABLE,      // text: NAME=VALUE
  LEVEL,         // u32: enum level
  DIRECTORY,     // text: absolute
  IDENTITY,      // u32 enum identity, u32 uid, u32 gid
  HOSTNAME,      // text
  TERMINAL,      // nothing
  FILTER,        // struct sock_filter, as many as there are
  LIMIT,         // u32 enum limit, u64 value
  CGROUP,        // text: path of a file
  NETWORK,       // u32: enum network
  LISTENER,      // u32 enum protocol, u32 port, four bytes of address
  PORT,          // u32
  PATH_RULE,     // u32 enum access, text: path
  BIND,          // u32 BIND_…, text: source, text: target
  TMPFS,         // u64 bytes, u32 mode, text: target
  PROC,          // text: target
  DEVICES,       // u64 bytes of shm, text: target
  MAKE_DIRECTORY,  // text: target
  SYMLINK,         // text: target, text: to
  MAKE_FILE,       // text: target, then its content
  KINDS,
};

enum level { OFF, CONFINED, ISOLATED, LEVELS };
enum identity { APPLIANCE, OWN_UID, USER_NAMESPACE, IDENTITIES };
enum network { HOST_NETWORK, OWN_NETWORK, PORTS_ONLY, NETWORKS };
enum protocol { TCP, UDP, PROTOCOLS };
enum access { READ, WRITE, DEVICE, ACCESSES };
enum limit { ADDRESS_SPACE, DATA, PROCESSES, FILES, FILE_SIZE, CORE, LIMITS };
enum { BIND_WRITE = 1, BIND_MAP_OWNER = 2, BIND_FLAGS = 3 };

struct record {
  unsigned kind, size;
  const unsigned char *body;
};

// ---- Numbers and texts, never beyond the end

struct cursor {
  const unsigned char *at, *end;
  int broken;  // something was not there
};

static unsigned take_u32(struct cursor *cursor) {
  if (cursor->end - cursor->at < 4) {
    cursor->broken = 1;
    return 0;
  }
  const unsigned char *at = cursor->at;
  cursor->at += 4;
  return at[0] | (unsigned)at[1] << 8 | (unsigned)at[2] << 16 | (unsigned)at[3] << 24;
}

static unsigned long take_u64(struct cursor *cursor) {
  const unsigned long low = take_u32(cursor);
  return low | (unsigned long)take_u32(cursor) << 32;
}

static const char *take_text(struct cursor *cursor) {
  const unsigned char *text = cursor->at;
  while (cursor->at < cursor->end) {
    if (*cursor->at++ == 0) return (const char *)text;
  }
  cursor->broken = 1;
  return "";
}

static int taken_whole(const struct cursor *cursor) { return !cursor->broken && cursor->at == cursor->end; }

static struct cursor inside(const struct record *record) {
  return (struct cursor){record->body, record->body + record->size, 0};
}

// True and the next record; false at the end, or where a record is cut short (then `cursor` is broken).
static int next_record(struct cursor *cursor, struct record *record) {
  if (cursor->at == cursor->end) return 0;
  record->kind = take_u32(cursor);
  record->size = take_u32(cursor);
  record->body = cursor->at;
  if (cursor->broken || record->size > (unsigned long)(cursor->end - cursor->at)) {
    cursor->broken = 1;
    return 0;
  }
  cursor->at += record->size;
  return 1;
}

// ---- What a text has to be

static unsigned long text_size(const char *text) {
  unsigned long size = 1;
  while (text[size - 1]) size++;
  return size;
}

static int is_absolute(const char *path) { return path[0] == '/' && text_size(path) <= MOST_PATH; }

// Below the root, and the one way to write it: no part of it is empty, `.` or `..`.
static int is_path(const char *path) {
  if (!is_absolute(path)) return 0;
  for (const char *at = path; *at;) {
    const char *part = ++at;
    while (*at && *at != '/') at++;
    if (at == part || (part[0] == '.' && (at - part == 1 || (at - part == 2 && part[1] == '.')))) return 0;
  }
  return 1;
}

static int is_variable(const char *text) {
  if (*text == '=') return 0;
  while (*text && *text != '=') text++;
  return *text == '=';
}

static int is_id(unsigned id) { return id != 0 && id != ~0U; }
static int is_port(unsigned port) { return port >= 1 && port <= 65535; }

// ---- Records of several parts. False when a record is not what its kind asks for.

struct mount {
  enum kind kind;
  const char *target;
  const char *source;  // of a bind; what a symlink points to
  unsigned flags, mode;
  unsigned long bytes;
  const unsigned char *content;
  unsigned long content_size;
};

static int is_mount(unsigned kind) { return kind >= BIND && kind <= MAKE_FILE; }

static int read_mount(const struct record *record, struct mount *mount) {
  struct cursor in = inside(record);
  *mount = (struct mount){.kind = (enum kind)record->kind, .source = ""};
  if (record->kind == BIND) {
    mount->flags = take_u32(&in);
    mount->source = take_text(&in);
    if (mount->flags & ~(unsigned)BIND_FLAGS || !is_path(mount->source)) return 0;
  }
  if (record->kind == TMPFS || record->kind == DEVICES) {
    mount->bytes = take_u64(&in);
    if (mount->bytes == 0 || mount->bytes >> 50) return 0;  // 0 would be without a bound
  }
  if (record->kind == TMPFS) {
    mount->mode = take_u32(&in);
    if (mount->mode > 01777) return 0;
  }
  mount->target = take_text(&in);
  if (!is_path(mount->target)) return 0;
  if (record->kind == DEVICES && text_size(mount->target) > MOST_SHORT_PATH) return 0;
  if (record->kind == SYMLINK) {
    mount->source = take_text(&in);
    if (!*mount->source || text_size(mount->source) > MOST_PATH) return 0;
  }
  if (record->kind == MAKE_FILE) {
    mount->content = in.at;
    mount->content_size = (unsigned long)(in.end - in.at);
    in.at = in.end;
  }
  return taken_whole(&in);
}

struct listener {
  unsigned protocol, port;
  unsigned char address[4];
};

static int read_listener(const struct record *record, struct listener *listener) {
  struct cursor in = inside(record);
  listener->protocol = take_u32(&in);
  listener->port = take_u32(&in);
  if (in.broken || in.end - in.at != 4) return 0;
  for (int index = 0; index < 4; index++) listener->address[index] = in.at[index];
  return listener->protocol < PROTOCOLS && is_port(listener->port);
}

struct path_rule {
  unsigned access;
  const char *path;
};

static int read_path_rule(const struct record *record, struct path_rule *rule) {
  struct cursor in = inside(record);
  rule->access = take_u32(&in);
  rule->path = take_text(&in);
  return taken_whole(&in) && rule->access < ACCESSES && is_path(rule->path);
}

struct limit_order {
  unsigned resource;
  unsigned long value;
};

static int read_limit(const struct record *record, struct limit_order *order) {
  struct cursor in = inside(record);
  order->resource = take_u32(&in);
  order->value = take_u64(&in);
  return taken_whole(&in) && order->resource < LIMITS;
}

// The only text of a record.
static const char *text_of(const struct record *record) {
  struct cursor in = inside(record);
  return take_text(&in);
}

static unsigned number_of(const struct record *record) {
  struct cursor in = inside(record);
  return take_u32(&in);
}

#endif
