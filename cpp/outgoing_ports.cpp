// Ports of connections to trackers, chosen when the other end is known.
//
// libtorrent binds every connection to an HTTP tracker to an address with port 0, so that the system
// must find a port that nobody uses for anything. With thousands of announces behind it that takes it
// milliseconds each, since a closed connection keeps its port for a minute; and after 28,000 there is
// none. Left to connect(), a port may serve a connection for each tracker. libtorrent has no setting
// for this and does not show these sockets, so its call of bind() is answered here: the program's own
// definition comes before a shared library's. See docs/decisions/0012-ports-of-announces.md.
#include "outgoing_ports.h"

#ifdef __linux__

#include <cerrno>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bool leaves_port_open(sockaddr const* address, socklen_t size)
{
    if (address == nullptr || size < socklen_t(sizeof(sockaddr_in))) return false;
    switch (address->sa_family) {
        case AF_INET: return reinterpret_cast<sockaddr_in const*>(address)->sin_port == 0;
        case AF_INET6: return reinterpret_cast<sockaddr_in6 const*>(address)->sin6_port == 0;
        default: return false;
    }
}

int option(int socket, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// Those that will listen have SO_REUSEADDR, here and in Rust's library, and are asked for their port
// before they do.
bool will_connect(int socket)
{
    return option(socket, SO_TYPE) == SOCK_STREAM && option(socket, SO_REUSEADDR) == 0;
}

}  // namespace

// What everybody in the process calls, under the C library's own name.
extern "C" int bind(int socket, sockaddr const* address, socklen_t size) noexcept
{
    if (leaves_port_open(address, size) && will_connect(socket)) {
        int const later = 1;
        // A kernel before 4.2 does not know this: then the port is chosen here, as ever.
        int const before = errno;
        if (setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &later, sizeof(later)) != 0) {
            errno = before;
        }
    }
    return int(syscall(SYS_bind, socket, address, size));
}

#endif

// A linker leaves out a file of which nothing is asked.
void cove::choose_ports_when_connecting() {}
