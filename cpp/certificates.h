// When the system's certificates are read.
#pragma once

namespace cove {

// Brings certificates.cpp into the program: from then on a session reads the system's certificates
// when the first HTTPS server has to be judged, instead of when it begins.
void read_certificates_when_needed();

}  // namespace cove
