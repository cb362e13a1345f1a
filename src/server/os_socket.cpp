#include "server/os_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace quern::server {
namespace {

// A quiet peer is asked after 30 s, three times with 10 s between: gone after a minute.
[[maybe_unused]] constexpr int kQuietS = 30;
[[maybe_unused]] constexpr int kBetweenProbesS = 10;
[[maybe_unused]] constexpr int kNProbes = 3;

struct Option {
  int level;
  int name;
  int value;
};

void set(int socket, const Option& option) {
  // Without it a vanished peer is only noticed later, so a failure is none of ours.
  (void)setsockopt(socket, option.level, option.name, &option.value, sizeof option.value);
}

}  // namespace

void watch_for_vanished_peer(int socket, [[maybe_unused]] uint32_t write_timeout_s) {
  set(socket, {SOL_SOCKET, SO_KEEPALIVE, 1});
#ifdef TCP_KEEPIDLE
  set(socket, {IPPROTO_TCP, TCP_KEEPIDLE, kQuietS});
#endif
#ifdef TCP_KEEPINTVL
  set(socket, {IPPROTO_TCP, TCP_KEEPINTVL, kBetweenProbesS});
#endif
#ifdef TCP_KEEPCNT
  set(socket, {IPPROTO_TCP, TCP_KEEPCNT, kNProbes});
#endif
#ifdef TCP_USER_TIMEOUT
  set(socket, {IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(write_timeout_s * 1000)});
#endif
}

}  // namespace quern::server
