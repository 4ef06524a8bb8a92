// Whose turn it is at the files of a torrent.
//
// Reads, writes and hashes go side by side. What moves, renames or closes files goes alone: it
// waits for all before it, and all after it waits. Network thread only.
#pragma once

#include <deque>
#include <functional>

namespace cove::disk {

class Line {
public:
    using Start = std::function<void()>;

    // Whether a job that goes side by side may begin without standing in line.
    bool is_open() const { return waiting_.empty() && !is_alone_; }
    bool is_idle() const { return is_open() && under_way_ == 0; }

    // Such a job begins.
    void begin() { ++under_way_; }

    // Calls `start` when its turn comes, perhaps at once. `leave` ends it.
    void enter(bool alone, Start start)
    {
        waiting_.push_back({alone, std::move(start)});
        advance();
    }

    // `jobs` are at their end.
    void leave(int jobs)
    {
        under_way_ -= jobs;
        if (under_way_ == 0) is_alone_ = false;
        advance();
    }

private:
    struct Waiting {
        bool alone;
        Start start;
    };

    void advance()
    {
        while (!waiting_.empty() && !is_alone_ && !(waiting_.front().alone && under_way_ > 0)) {
            auto next = std::move(waiting_.front());
            waiting_.pop_front();
            is_alone_ = next.alone;
            ++under_way_;
            next.start();
        }
    }

    std::deque<Waiting> waiting_;
    int under_way_ = 0;
    bool is_alone_ = false;
};

}  // namespace cove::disk
