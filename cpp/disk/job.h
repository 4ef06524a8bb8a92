// One piece of work for the disk.
#pragma once

#include <memory>
#include <vector>

#include <libtorrent/error_code.hpp>

namespace cove::disk {

// What a thread keeps from job to job.
struct Scratch {
    std::vector<char> bytes;
};

// Made, told and destroyed on the network thread; between that, run once by some other thread.
class Job {
public:
    virtual ~Job() = default;

    // Does the work, and leaves in `error` what went wrong.
    virtual void run(Scratch& scratch) = 0;

    // Hands the result to whoever waits for it.
    virtual void tell() = 0;

    // Whether it may keep a thread for long, so that others should not wait behind it.
    virtual bool is_long() const { return true; }

    lt::storage_error error;
};

}  // namespace cove::disk
