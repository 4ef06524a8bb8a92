// When the ports of outgoing connections are chosen.
#pragma once

namespace cove {

// Brings outgoing_ports.cpp into the program: from then on a connection that is bound to an address
// alone gets its port when it connects.
void choose_ports_when_connecting();

}  // namespace cove
