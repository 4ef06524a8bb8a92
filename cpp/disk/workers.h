// The threads that wait for the disk.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "disk/job.h"

namespace cove::disk {

// One queue and its threads. A thread is started when a job finds none idle, and stays; the one
// that became idle last is the next to work, so that few threads are kept warm.
class Workers {
public:
    using Done = std::function<void(std::shared_ptr<Job>)>;

    // `done` gets every job that was run, on the thread that ran it. `name` is for `ps`.
    Workers(char const* name, Done done);
    Workers(Workers const&) = delete;
    Workers& operator=(Workers const&) = delete;
    // Ends the threads; jobs that wait are not run.
    ~Workers();

    void set_limit(int threads);

    // Takes what is in `jobs`.
    void add(std::vector<std::shared_ptr<Job>>& jobs);

    int queued() const;

private:
    // A thread that sleeps, on its own stack.
    struct Sleeper {
        std::condition_variable bell;
        bool is_called = false;
    };

    void work();
    // What one thread does at once; no `first`: it is over.
    struct Turn {
        std::shared_ptr<Job> first;
        std::shared_ptr<Job> second;
    };

    Turn next(std::unique_lock<std::mutex>& lock);
    std::shared_ptr<Job> take();
    void call_one();
    void start_one();

    char const* const name_;
    Done const done_;
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<Job>> jobs_;
    std::vector<Sleeper*> sleepers_;
    std::vector<std::thread> threads_;
    std::size_t limit_ = 1;
    bool is_ending_ = false;
};

}  // namespace cove::disk
