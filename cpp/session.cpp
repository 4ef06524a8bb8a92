// Start, settings, statistics and end of a session.
#include <clocale>
#include <stdexcept>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/extensions/smart_ban.hpp>
#include <libtorrent/extensions/ut_metadata.hpp>
#include <libtorrent/extensions/ut_pex.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/session_stats.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/version.hpp>
#include <malloc.h>

#include "certificates.h"
#include "compat.h"
#include "convert.h"
#include "impl.h"
#include "disk/disk.h"
#include "outgoing_ports.h"
#include "receive_window.h"
#include "utp_policy.h"

namespace cove {
namespace {

// The ranges in which libtorrent numbers its settings.
struct Range {
    int base;
    int count;
};
constexpr Range ranges[] = {
    {lt::settings_pack::string_type_base, lt::settings_pack::num_string_settings},
    {lt::settings_pack::int_type_base, lt::settings_pack::num_int_settings},
    {lt::settings_pack::bool_type_base, lt::settings_pack::num_bool_settings},
};

SettingKind kind_of(int setting)
{
    switch (setting & lt::settings_pack::type_mask) {
        case lt::settings_pack::string_type_base: return SettingKind::Text;
        case lt::settings_pack::int_type_base: return SettingKind::Int;
        default: return SettingKind::Bool;
    }
}

Setting read_setting(lt::settings_pack const& from, int name)
{
    Setting to{};
    to.name = lt::name_for_setting(name);
    to.kind = kind_of(name);
    switch (to.kind) {
        case SettingKind::Text: to.text = lossy(from.get_str(name)); break;
        case SettingKind::Int: to.number = from.get_int(name); break;
        default: to.number = from.get_bool(name) ? 1 : 0; break;
    }
    return to;
}

// Deprecated settings have no name and are left out.
rust::Vec<Setting> read_settings(lt::settings_pack const& from)
{
    rust::Vec<Setting> to;
    for (auto const& range : ranges) {
        for (int name = range.base; name < range.base + range.count; ++name) {
            auto const* text = lt::name_for_setting(name);
            if (text != nullptr && *text != '\0' && from.has_val(name)) {
                to.push_back(read_setting(from, name));
            }
        }
    }
    return to;
}

lt::settings_pack pack_of(rust::Slice<Setting const> settings)
{
    lt::settings_pack pack;
    for (auto const& setting : settings) {
        auto const text = plain(setting.name);
        int const name = lt::setting_by_name(text);
        if (name < 0) throw std::runtime_error("libtorrent has no setting `" + text + "`");
        if (kind_of(name) != setting.kind) {
            throw std::runtime_error("setting `" + text + "` is of another type");
        }
        if (name == lt::settings_pack::alert_mask) {
            throw std::runtime_error("setting `" + text + "` belongs to the program");
        }
        if (setting.number != int(setting.number)) {
            throw std::runtime_error("setting `" + text + "` is out of range");
        }
        switch (setting.kind) {
            case SettingKind::Text: pack.set_str(name, plain(setting.text)); break;
            case SettingKind::Int: pack.set_int(name, int(setting.number)); break;
            default: pack.set_bool(name, setting.number != 0); break;
        }
    }
    return pack;
}

lt::session_params params_of(rust::Slice<Setting const> settings, SessionOptions const& options,
                             Session::Impl const& impl)
{
    auto pack = pack_of(settings);
    limit_receive_window(pack);
    pack.set_int(lt::settings_pack::alert_mask, int(std::uint32_t(wanted_alerts())));
    std::vector<std::shared_ptr<lt::plugin>> plugins;
    plugins.push_back(make_guard(impl.refusals, options.limits));
    plugins.push_back(make_gate(**impl.gate, impl.doors));
    if (!options.utp_to_lan) plugins.push_back(make_utp_policy());
    lt::session_params params(std::move(pack), {});
    params.extensions = std::move(plugins);
    if (options.cove_disk) {
        std::vector<std::string> roots;
        for (auto const& root : options.roots) roots.emplace_back(root);
        params.disk_io_constructor = disk::disk_below(std::move(roots), impl.seals);
    }
    return params;
}

void add_peer_extensions(lt::session& session)
{
    session.add_extension(&lt::create_ut_metadata_plugin);
    session.add_extension(&lt::create_ut_pex_plugin);
    session.add_extension(&lt::create_smart_ban_plugin);
}

// libtorrent turns file names into the locale's encoding, and a program begins in the locale "C",
// which has no `ü`: the names in the API must be the names on disk (rule F2). Once, since whoever
// reads the locale meanwhile would read freed memory.
void name_files_in_utf8()
{
    static char const* const locale = std::setlocale(LC_CTYPE, "C.UTF-8");
    static_cast<void>(locale);
}

// Every thread would get a heap of its own, and a seeding NAS has many threads and little to
// allocate at once. Left alone, the allocator also learns to keep big blocks, such as the receive
// buffer of a fast peer, on the heap, where they leave holes that stay.
void share_heaps()
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

}  // namespace

void release_free_memory() { malloc_trim(0); }

lt::alert_category_t wanted_alerts()
{
    return lt::alert_category::error | lt::alert_category::status | lt::alert_category::storage
        | lt::alert_category::tracker | lt::alert_category::piece_progress
        | lt::alert_category::port_mapping;
}

Session::Session(std::unique_ptr<Impl> from) : impl(std::move(from)) {}
Session::~Session() = default;

lt::session& Session::Impl::live() const
{
    if (!session) throw std::runtime_error("the session is stopping");
    return *session;
}

std::unique_ptr<Session> new_session(rust::Slice<Setting const> settings,
                                     SessionOptions const& options, rust::Box<Waker> waker,
                                     rust::Box<Gate> gate)
{
    name_files_in_utf8();
    share_heaps();
    auto impl = std::make_unique<Session::Impl>();
    impl->waker.emplace(std::move(waker));
    impl->gate.emplace(std::move(gate));
    impl->refusals = std::make_shared<Refusals>();
    impl->doors = std::make_shared<Doors>();
    impl->seals = std::make_shared<disk::Seals>();
    read_certificates_when_needed();
    choose_ports_when_connecting();
    impl->session = std::make_unique<lt::session>(params_of(settings, options, *impl));
    add_peer_extensions(*impl->session);
    Waker const* const bell = &**impl->waker;
    impl->session->set_alert_notify([bell] { bell->wake(); });
    bell->wake();
    return std::make_unique<Session>(std::move(impl));
}

rust::String libtorrent_version() { return lossy(lt::version()); }

rust::Vec<Setting> known_settings() { return read_settings(lt::default_settings()); }

rust::Vec<StatName> stat_names()
{
    rust::Vec<StatName> to;
    for (auto const& metric : lt::session_stats_metrics()) {
        to.push_back(StatName{lossy(metric.name), std::uint32_t(metric.value_index),
                              metric.type == lt::metric_type_t::counter});
    }
    return to;
}

void Session::apply_settings(rust::Slice<Setting const> settings)
{
    impl->live().apply_settings(pack_of(settings));
}

rust::Vec<Setting> Session::settings() const { return read_settings(impl->live().get_settings()); }

void Session::pause_session() { impl->live().pause(); }

void Session::resume_session() { impl->live().resume(); }

void Session::post_stats() { impl->live().post_session_stats(); }

std::uint16_t Session::listen_port() const { return impl->live().listen_port(); }

void Session::abort()
{
    if (!impl->session) return;
    impl->session->set_alert_notify([] {});
    impl->ending = impl->session->abort();
    impl->handles.clear();
    impl->session.reset();
}

}  // namespace cove
