// The network of an isolated server: its own, in which every IPv4 address is local, and the listeners in it, which the
// appliance serves.

#ifndef TOOLCRIB_NETWORK_H
#define TOOLCRIB_NETWORK_H

#include <linux/in.h>
#include <linux/rtnetlink.h>

#include "report.h"
#include "spec.h"

// Left to the C library by the kernel's headers.
enum { AF_UNIX = 1, AF_INET = 2, AF_NETLINK = 16 };
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3 };
enum { SCM_RIGHTS = 1 };
struct part {  // iovec
  const void *at;
  unsigned long size;
};
struct message {  // msghdr
  void *name;
  unsigned name_size;
  struct part *parts;
  unsigned long part_count;
  void *control;
  unsigned long control_size;
  int flags;
};

// ---- Netlink

enum { LOOPBACK = 1 };  // the index that it has in every namespace

// Sends one request and reads what the kernel says to it.
static long request(long socket, const void *message, unsigned long size) {
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
  } answer;
  const long sent = sys(sendto, socket, message, size, 0, 0, 0);
  if (sent < 0) return sent;
  const long got = sys(recvfrom, socket, &answer, sizeof answer, 0, 0, 0);
  if (got < 0) return got;
  // What it refuses it sends back behind the error, and the end of that is cut here.
  if (got < (long)sizeof answer.header + (long)sizeof answer.error.error) return -EIO;
  return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EIO;
}

static long raise_loopback(long socket) {
  const struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } message = {
      {.nlmsg_len = sizeof message, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      {.ifi_index = LOOPBACK, .ifi_flags = 1 /* IFF_UP */, .ifi_change = 1},
  };
  return request(socket, &message, sizeof message);
}

// `ip route add local 0.0.0.0/0 dev lo`
static long make_all_local(long socket) {
  const struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr output;
    int link;
  } message = {
      {.nlmsg_len = sizeof message,
       .nlmsg_type = RTM_NEWROUTE,
       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
      {.rtm_family = AF_INET,
       .rtm_table = RT_TABLE_LOCAL,
       .rtm_protocol = RTPROT_BOOT,
       .rtm_scope = RT_SCOPE_HOST,
       .rtm_type = RTN_LOCAL},
      {.rta_len = sizeof(struct rtattr) + sizeof(int), .rta_type = RTA_OIF},
      LOOPBACK,
  };
  return request(socket, &message, sizeof message);
}

static long set_network_up(void) {
  const long socket = sys(socket, AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_ROUTE);
  if (socket < 0) return socket;
  long result = raise_loopback(socket);
  if (result == 0) result = make_all_local(socket);
  sys(close, socket);
  return result;
}

// ---- Listeners

static long open_listener(const struct listener *order) {
  static const int kinds[PROTOCOLS] = {SOCK_STREAM, SOCK_DGRAM};
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = (unsigned short)(order->port >> 8 | (order->port & 0xff) << 8)};
  memcpy(&address.sin_addr, order->address, sizeof order->address);
  const long socket = sys(socket, AF_INET, kinds[order->protocol] | O_CLOEXEC | O_NONBLOCK, 0);
  if (socket < 0) return socket;
  long result = sys(setsockopt, socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (result == 0) result = sys(bind, socket, &address, sizeof address);
  if (result == 0 && order->protocol == TCP) result = sys(listen, socket, 511);
  if (result == 0) return socket;
  sys(close, socket);
  return result;
}

// All in one message, in their order.
static long hand_out(const int *sockets, unsigned count) {
  struct {
    unsigned long size;  // cmsghdr
    int level, type;
    int descriptors[MOST_LISTENERS];
  } control = {.size = 16 + count * sizeof(int), .level = SOL_SOCKET, .type = SCM_RIGHTS};
  struct part byte = {"", 1};
  struct message message = {
      .parts = &byte, .part_count = 1, .control = &control, .control_size = (control.size + 7) & ~7UL};
  memcpy(control.descriptors, sockets, count * sizeof(int));
  return sys(sendmsg, SPEC, &message, 0);
}

static void open_network(const struct spec *spec) {
  int sockets[MOST_LISTENERS];
  unsigned count = 0;
  struct record record;
  struct listener listener;
  struct cursor cursor = all_records(spec);
  must(set_network_up(), "cannot set up the network", "");
  while (next_of(&cursor, LISTENER, &record)) {
    struct line port;
    read_listener(&record, &listener);
    begin(&port, "");
    add_number(&port, listener.port);
    sockets[count++] = (int)must(open_listener(&listener), "cannot listen on port ", port.text);
  }
  if (count == 0) return;
  must(hand_out(sockets, count), "cannot hand out listeners", "");
  report_number("listeners ", count);
  for (unsigned index = 0; index < count; index++) sys(close, sockets[index]);
}

#endif
