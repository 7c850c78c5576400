// Attempts to reach somebody, and to get kinds of sockets that reach below what a cage watches.

#ifndef TOOLCRIB_PROBE_SOCKETS_H
#define TOOLCRIB_PROBE_SOCKETS_H

#include <linux/in.h>
#include <linux/netlink.h>
#include <linux/poll.h>
#include <linux/rtnetlink.h>
#include <linux/un.h>

#include "files.h"

// No header of the kernel's has them.
enum { STREAM = 1, DATAGRAM = 2, RAW = 3, WITHOUT_WAITING = 0x80800 };
enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_NETLINK = 16, FAMILY_PACKET = 17, FAMILY_VSOCK = 40 };
enum { MULTIPATH_TCP = 262, FAST_OPEN = 0x20000000 };

// What is on this host or in this namespace answers at once; who does not is far away.
static const struct __kernel_timespec PATIENCE = {0, 100 * 1000 * 1000};

static long get_socket(int family, int type, int protocol) {
  return closed(sys(socket, family, type | WITHOUT_WAITING, protocol));
}

static long connect_socket(long socket, const void *address, unsigned long size) {
  long result = sys(connect, socket, address, size);
  if (result == -EINPROGRESS) {
    struct pollfd wait = {(int)socket, POLLOUT, 0};
    struct __kernel_timespec patience = PATIENCE;
    int error = 0;
    unsigned size_of_error = sizeof error;
    // Still on its way: it was not refused.
    if (sys(ppoll, &wait, 1, &patience, 0) != 1) return -EINPROGRESS;
    sys(getsockopt, socket, SOL_SOCKET, SO_ERROR, &error, &size_of_error);
    result = -error;
  }
  return result;
}

// "127.0.0.1 7700"
static int take_address(const char *text, struct sockaddr_in *address) {
  unsigned char *bytes = (unsigned char *)&address->sin_addr, *port_bytes = (unsigned char *)&address->sin_port;
  for (int index = 0; index < 4; index++) {
    const long byte = take_number(&text, index < 3 ? '.' : ' ');
    if (byte < 0 || byte > 255) return 0;
    bytes[index] = (unsigned char)byte;
  }
  const long port = only_number(text);
  if (port < 1 || port > 65535) return 0;
  port_bytes[0] = (unsigned char)(port >> 8);
  port_bytes[1] = (unsigned char)port;
  address->sin_family = FAMILY_INET;
  return 1;
}

static long connect_tcp(const char *where) {
  struct sockaddr_in address = {0};
  if (!take_address(where, &address)) return -EINVAL;
  const long socket = sys(socket, FAMILY_INET, STREAM | WITHOUT_WAITING, 0);
  if (socket < 0) return socket;
  const long result = connect_socket(socket, &address, sizeof address);
  sys(close, socket);
  return result;
}

// Without bind(2): the kernel chooses a port, and Landlock knows nothing of it.
static long listen_tcp(const char *) {
  const long socket = sys(socket, FAMILY_INET, STREAM | WITHOUT_WAITING, 0);
  if (socket < 0) return socket;
  const long result = sys(listen, socket, 0);
  sys(close, socket);
  return result;
}

static long send_udp(const char *where) {
  struct sockaddr_in address = {0};
  if (!take_address(where, &address)) return -EINVAL;
  const long socket = sys(socket, FAMILY_INET, DATAGRAM | WITHOUT_WAITING, 0);
  if (socket < 0) return socket;
  const long result = connect_socket(socket, &address, sizeof address);
  const long sent = result < 0 ? result : sys(write, socket, "?", 1);
  sys(close, socket);
  return sent;
}

// A name without a file begins with NUL, which counts; one with a file ends with it.
static long connect_unix_at(const char *name, int is_abstract) {
  struct sockaddr_un address;
  unsigned long size = 0;
  address.sun_family = FAMILY_UNIX;
  if (is_abstract) address.sun_path[size++] = 0;
  for (; *name && size < sizeof address.sun_path - 1; name++) address.sun_path[size++] = *name;
  if (*name) return -ENAMETOOLONG;
  if (!is_abstract) address.sun_path[size++] = 0;

  const long socket = sys(socket, FAMILY_UNIX, STREAM | WITHOUT_WAITING, 0);
  if (socket < 0) return socket;
  const unsigned long head = __builtin_offsetof(struct sockaddr_un, sun_path);
  const long result = connect_socket(socket, &address, head + size);
  sys(close, socket);
  return result;
}

static long connect_unix(const char *path) {
  return connect_unix_at(path, 0);
}

static long connect_abstract(const char *name) {
  return connect_unix_at(name, 1);
}

static long raw_socket(const char *) { return get_socket(FAMILY_INET, RAW, 1); }
static long packet_socket(const char *) { return get_socket(FAMILY_PACKET, RAW, 0); }
static long vsock(const char *) { return get_socket(FAMILY_VSOCK, STREAM, 0); }
static long multipath_socket(const char *) { return get_socket(FAMILY_INET, STREAM, MULTIPATH_TCP); }

// Without a socket: a filter answers before the kernel sees that there is none.
static long fast_open(const char *) { return sys(sendto, -1, "", 0, FAST_OPEN, 0); }

// ---- Interfaces

static void add_interface(const struct nlmsghdr *message, struct text *detail) {
  const struct ifinfomsg *link = NLMSG_DATA(message);
  const struct rtattr *attribute = IFLA_RTA(link);
  int left = (int)IFLA_PAYLOAD(message);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != IFLA_IFNAME) continue;
    if (detail->size > 0) add(detail, " ");
    add(detail, RTA_DATA(attribute));
  }
}

// Names of the network interfaces, from the kernel itself: /sys and /proc may not be there.
static long interfaces(const char *, struct text *detail) {
  static char answer[32 * 1024] __attribute__((aligned(8)));
  const struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } question = {.header = {sizeof question, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, 0}};
  const long socket = sys(socket, FAMILY_NETLINK, RAW | WITHOUT_WAITING, NETLINK_ROUTE);
  if (socket < 0) return socket;

  long result = sys(write, socket, &question, sizeof question);
  for (int more = result >= 0; more;) {
    result = sys(read, socket, answer, sizeof answer);
    if (result <= 0) break;
    const struct nlmsghdr *message = (const void *)answer;
    int left = (int)result;
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) more = 0;
      if (message->nlmsg_type == NLMSG_ERROR) result = ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
      if (message->nlmsg_type == RTM_NEWLINK) add_interface(message, detail);
    }
  }
  sys(close, socket);
  return result;
}

#endif
