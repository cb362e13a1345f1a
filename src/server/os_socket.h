// What the operating system is told about sockets beyond what Asio offers.
#pragma once

#include <cstdint>

namespace quern::server {

// A peer that vanished without a word is noticed: probes after a quiet time, and an end to waiting
// for acknowledgements of what was sent. Does nothing where the system has no such options.
void watch_for_vanished_peer(int socket, uint32_t write_timeout_s);

}  // namespace quern::server
