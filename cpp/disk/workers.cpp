#include "disk/workers.h"

#include <algorithm>
#include <new>
#include <system_error>

#include <libtorrent/operations.hpp>
#include <pthread.h>

namespace cove::disk {
namespace {

// Waking a thread costs as much as reading this many blocks that the system has in memory.
constexpr std::size_t jobs_per_call = 4;

void fail(Job& job, lt::error_code error)
{
    job.error.ec = error;
    job.error.operation = lt::operation_t::exception;
}

template <typename Work>
lt::error_code guarded(Work work)
{
    try {
        work();
        return {};
    } catch (std::bad_alloc const&) {
        return make_error_code(lt::errors::no_memory);
    } catch (std::exception const&) {
        return make_error_code(boost::system::errc::io_error);
    }
}

void run(Job& job, Scratch& scratch)
{
    if (auto const error = guarded([&] { job.run(scratch); })) fail(job, error);
}

void run(Job& first, Job& second, Scratch& scratch)
{
    auto const error = guarded([&] { first.run_with(second, scratch); });
    if (!error) return;
    fail(first, error);
    fail(second, error);
}

}  // namespace

Workers::Workers(char const* name, Done done) : name_(name), done_(std::move(done)) {}

Workers::~Workers()
{
    {
        std::lock_guard<std::mutex> const lock(mutex_);
        is_ending_ = true;
        while (!sleepers_.empty()) call_one();
    }
    for (auto& thread : threads_) thread.join();
}

void Workers::set_limit(int threads)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    limit_ = std::size_t(std::max(threads, 1));
}

void Workers::add(std::vector<std::shared_ptr<Job>>& jobs)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    std::size_t calls = 0;
    std::size_t quick = 0;
    for (auto& job : jobs) {
        if (job->is_long() || quick++ % jobs_per_call == 0) ++calls;
        jobs_.push_back(std::move(job));
    }
    jobs.clear();
    for (; calls > 0; --calls) call_one();
}

int Workers::queued() const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    return int(jobs_.size());
}

void Workers::call_one()
{
    if (!sleepers_.empty()) {
        sleepers_.back()->is_called = true;
        sleepers_.back()->bell.notify_one();
        sleepers_.pop_back();
    } else if (threads_.size() < limit_ && !is_ending_) {
        start_one();
    }
}

// Where the system has no thread to give, those that are there do.
void Workers::start_one()
{
    try {
        threads_.emplace_back([this] { work(); });
    } catch (std::system_error const&) {
        if (threads_.empty()) throw;
    }
}

Workers::Turn Workers::next(std::unique_lock<std::mutex>& lock)
{
    Sleeper self;
    while (jobs_.empty() && !is_ending_) {
        self.is_called = false;
        sleepers_.push_back(&self);
        self.bell.wait(lock, [&] { return self.is_called; });
    }
    if (is_ending_) return {};
    Turn turn;
    turn.first = take();
    // Where others are idle, two threads are faster than two jobs at once.
    bool const is_alone = sleepers_.empty() && threads_.size() >= limit_;
    if (is_alone && !jobs_.empty() && turn.first->goes_with(*jobs_.front())) turn.second = take();
    // What is behind a long job needs another thread.
    if (turn.first->is_long() && !jobs_.empty()) call_one();
    return turn;
}

std::shared_ptr<Job> Workers::take()
{
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
}

void Workers::work()
{
    pthread_setname_np(pthread_self(), name_);
    Scratch scratch;
    std::unique_lock<std::mutex> lock(mutex_);
    for (auto turn = next(lock); turn.first; turn = next(lock)) {
        lock.unlock();
        if (turn.second) {
            run(*turn.first, *turn.second, scratch);
            done_(std::move(turn.second));
        } else {
            run(*turn.first, scratch);
        }
        done_(std::move(turn.first));
        lock.lock();
    }
}

}  // namespace cove::disk
