#include "receive_window.h"

#include <cstdint>
#include <fstream>

#include <sys/socket.h>
#include <unistd.h>

namespace cove {
namespace {

constexpr int window_bytes = 4 * 1024 * 1024;
// What is usual; it needs no limit.
constexpr std::int64_t usual_bytes = 8 * 1024 * 1024;

// What the system lets a connection's window grow to; 0 if it does not say.
std::int64_t largest_window()
{
    std::ifstream limits("/proc/sys/net/ipv4/tcp_rmem");
    std::int64_t smallest = 0;
    std::int64_t usual = 0;
    std::int64_t largest = 0;
    return limits >> smallest >> usual >> largest ? largest : 0;
}

// Whether a socket gets the window if it asks; the system may cut it down to far too little.
bool is_granted()
{
    int const probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    int size = window_bytes;
    socklen_t length = sizeof size;
    bool const is_set = ::setsockopt(probe, SOL_SOCKET, SO_RCVBUF, &size, length) == 0
        && ::getsockopt(probe, SOL_SOCKET, SO_RCVBUF, &size, &length) == 0;
    ::close(probe);
    return is_set && size >= window_bytes;
}

}  // namespace

void limit_receive_window(lt::settings_pack& pack)
{
    bool const is_chosen = pack.has_val(lt::settings_pack::recv_socket_buffer_size);
    if (is_chosen || largest_window() <= usual_bytes || !is_granted()) return;
    pack.set_int(lt::settings_pack::recv_socket_buffer_size, window_bytes);
}

}  // namespace cove
