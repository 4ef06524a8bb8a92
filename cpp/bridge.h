// The C++ side of the bridge as Rust's generated code sees it. Includes no libtorrent header, so
// that generated code compiles in a second; what the types really hold is in impl.h.
//
// The bridge translates and decides nothing. Every function may throw std::exception; cxx turns
// that into Rust's Err.
#pragma once

#include <cstdint>
#include <memory>

#include "rust/cxx.h"

namespace cove {

struct Setting;
struct SessionOptions;
struct Description;
struct FileSeal;
struct ParseLimits;
struct AddOptions;
struct TorrentLimits;
struct TrackerEntry;
struct PeerEntry;
struct TrackerReport;
struct Properties;
struct SessionState;
struct StatName;
struct Batch;
struct AuthorRequest;
struct Waker;
struct Progress;
struct Gate;
enum class Flag : std::uint8_t;
enum class QueueMove : std::uint8_t;
enum class MoveMode : std::uint8_t;
enum class Verdict : std::uint8_t;

// Parsed add parameters.
class AddParams {
public:
    struct Impl;
    explicit AddParams(std::unique_ptr<Impl> impl);
    ~AddParams();

    Description describe() const;
    void set_options(AddOptions const& options);
    void set_running(bool is_paused, bool is_auto_managed);
    void set_max_connections(std::int32_t count);
    void set_save_path(rust::Str path);
    void replace_trackers(rust::Slice<rust::String const> urls);
    void replace_web_seeds(rust::Slice<rust::String const> urls);
    void replace_http_seeds(rust::Slice<rust::String const> urls);
    void forget_pieces();
    void claim_all_pieces();
    void seal(rust::Slice<FileSeal const> files);
    void set_flags(std::uint64_t flags, std::uint64_t mask);
    rust::Vec<std::uint8_t> resume_bytes() const;
    rust::Vec<std::uint8_t> metadata_bytes() const;
    rust::String magnet_link() const;

    std::unique_ptr<Impl> impl;
};

std::unique_ptr<AddParams> parse_torrent(rust::Slice<std::uint8_t const> bytes,
                                         ParseLimits const& limits);
std::unique_ptr<AddParams> parse_magnet(rust::Str uri);
std::unique_ptr<AddParams> parse_resume(rust::Slice<std::uint8_t const> resume,
                                        rust::Slice<std::uint8_t const> metadata);
std::unique_ptr<AddParams> author(AuthorRequest const& request, Progress const& progress);

// A running session. Its destructor waits until libtorrent's network thread has ended, which
// waits for `stopped` announces as long as `stop_tracker_timeout` says.
class Session {
public:
    struct Impl;
    explicit Session(std::unique_ptr<Impl> impl);
    ~Session();

    void apply_settings(rust::Slice<Setting const> settings);
    rust::Vec<Setting> settings() const;
    void add(std::unique_ptr<AddParams> params, std::uint64_t token);
    void remove(std::uint64_t token);
    bool pause(std::uint64_t token);
    void resume(std::uint64_t token);
    void recheck(std::uint64_t token);
    void clear_error(std::uint64_t token);
    void reannounce(std::uint64_t token, rust::Str url);
    void move_storage(std::uint64_t token, rust::Str path, MoveMode mode);
    void rename_file(std::uint64_t token, std::uint32_t file, rust::Str name);
    void prioritize_files(std::uint64_t token, rust::Slice<std::uint8_t const> priorities);
    void prioritize_pieces(std::uint64_t token, std::uint32_t first,
                           rust::Slice<std::uint8_t const> priorities);
    void set_piece_deadline(std::uint64_t token, std::uint32_t piece, std::uint32_t deadline_ms);
    void clear_piece_deadlines(std::uint64_t token);
    void set_limits(std::uint64_t token, TorrentLimits const& limits);
    void set_flag(std::uint64_t token, Flag flag, bool on);
    void move_in_queue(std::uint64_t token, QueueMove direction);
    void replace_trackers(std::uint64_t token, rust::Slice<TrackerEntry const> trackers);
    void add_tracker(std::uint64_t token, TrackerEntry const& tracker);
    void add_web_seed(std::uint64_t token, rust::Str url);
    void remove_web_seed(std::uint64_t token, rust::Str url);
    void connect_peer(std::uint64_t token, rust::Str ip, std::uint16_t port);
    void judge_again(std::uint64_t token);
    void renew_seal(std::uint64_t token, rust::Slice<FileSeal const> files);
    void save_resume(std::uint64_t token, bool with_metadata, bool only_if_modified);
    void pause_session();
    void resume_session();
    void post_updates();
    void post_all();
    void post_stats();
    void drain(Batch& batch);
    std::uint16_t listen_port() const;
    Description description(std::uint64_t token) const;
    rust::Vec<PeerEntry> peers(std::uint64_t token) const;
    rust::Vec<TrackerEntry> trackers(std::uint64_t token) const;
    rust::Vec<rust::String> web_seeds(std::uint64_t token) const;
    void set_flags(std::uint64_t token, std::uint64_t flags, std::uint64_t mask);
    void set_queue_position(std::uint64_t token, std::int32_t position);
    rust::Vec<TrackerReport> tracker_reports(std::uint64_t token) const;
    Properties properties(std::uint64_t token) const;
    rust::Vec<std::uint8_t> file_flags(std::uint64_t token) const;
    SessionState session_state() const;
    rust::Vec<std::uint32_t> piece_availability(std::uint64_t token) const;
    void abort();

    std::unique_ptr<Impl> impl;
};

std::unique_ptr<Session> new_session(rust::Slice<Setting const> settings,
                                     SessionOptions const& options, rust::Box<Waker> waker,
                                     rust::Box<Gate> gate);
rust::String libtorrent_version();
rust::String libtorrent_revision();
rust::String boost_version();
void release_free_memory();
rust::Vec<Setting> known_settings();
rust::Vec<StatName> stat_names();

}  // namespace cove
