// One piece of work for the disk.
#pragma once

#include <cstddef>

#include <libtorrent/error_code.hpp>

#include "page_buffer.h"

namespace cove::disk {

// What a thread keeps from job to job: room to read into, for two pieces at once.
struct Scratch {
    // Few calls, and it stays in the processor's cache until it is hashed.
    static constexpr std::ptrdiff_t bytes = 128 * 1024;

    PageBuffer first{bytes};
    PageBuffer second{bytes};
};

// Made, told and destroyed on the network thread; between that, run once by some other thread.
class Job {
public:
    virtual ~Job() = default;

    // Does the work, and leaves in `error` what went wrong.
    virtual void run(Scratch& scratch) = 0;

    // Hands the result to whoever waits for it.
    virtual void tell() = 0;

    // Whether `run_with` does both in less time than one after the other.
    virtual bool goes_with(Job const&) const { return false; }

    // Does the work of both; each has its own error.
    virtual void run_with(Job& other, Scratch& scratch)
    {
        run(scratch);
        other.run(scratch);
    }

    // Whether it may keep a thread for long, so that others should not wait behind it.
    virtual bool is_long() const { return true; }

    lt::storage_error error;
};

}  // namespace cove::disk
