//! libtorrent's flags of a torrent: a set of bits, each with its name.

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TorrentFlags(pub u64);

/// The flags that have a name, by bit; the bits between them were given up by libtorrent.
const NAMES: [(&str, u32); 20] = [
    ("seed_mode", 0),
    ("upload_mode", 1),
    ("share_mode", 2),
    ("apply_ip_filter", 3),
    ("paused", 4),
    ("auto_managed", 5),
    ("duplicate_is_error", 6),
    ("update_subscribe", 7),
    ("super_seeding", 8),
    ("sequential_download", 9),
    ("stop_when_ready", 10),
    ("override_trackers", 11),
    ("override_web_seeds", 12),
    ("need_save_resume", 13),
    ("disable_dht", 19),
    ("disable_lsd", 20),
    ("disable_pex", 21),
    ("no_verify_files", 22),
    ("default_dont_download", 23),
    ("i2p_torrent", 24),
];

impl TorrentFlags {
    /// Stopped: neither asks nor serves.
    pub const PAUSED: Self = Self(1 << 4);
    /// The queue decides when it runs.
    pub const AUTO_MANAGED: Self = Self(1 << 5);
    /// Ways to find peers that a private torrent does without (rule F10).
    pub const NO_OTHER_SOURCES: Self = Self(0b111 << 19);
    /// What users set for good on a torrent that is complete: who may connect, how it is sent.
    pub const LASTING: Self = Self((1 << 3) | (1 << 8) | (1 << 9));
    /// What may be set on a running torrent without the program losing track of it.
    pub const FREE: Self =
        Self((1 << 1) | (1 << 2) | (1 << 3) | (1 << 8) | (1 << 9) | (1 << 10) | (0b111 << 19));

    /// The flag of this name; `None` when there is none.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| Self(1 << bit))
    }

    /// Every name with whether its flag is set, by bit.
    pub fn each(self) -> impl Iterator<Item = (&'static str, bool)> {
        NAMES.iter().map(move |(name, bit)| (*name, self.0 & (1 << bit) != 0))
    }

    /// Whether all of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the flags of `other` set, or not.
    #[must_use]
    pub fn with(self, other: Self, is_set: bool) -> Self {
        if is_set { Self(self.0 | other.0) } else { Self(self.0 & !other.0) }
    }

    /// Those that `other` has too.
    #[must_use]
    pub fn of(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_known_by_its_name_and_its_bit() {
        assert_eq!(TorrentFlags::named("paused"), Some(TorrentFlags::PAUSED));
        assert_eq!(TorrentFlags::named("nonsense"), None);
        let set: Vec<&str> = TorrentFlags(1 << 3 | 1 << 14 | 1 << 21)
            .each()
            .filter_map(|(name, is_set)| is_set.then_some(name))
            .collect();
        assert_eq!(set, ["apply_ip_filter", "disable_pex"]);
        let flags = TorrentFlags::default().with(TorrentFlags::PAUSED, true);
        assert!(flags.has(TorrentFlags::PAUSED) && !flags.has(TorrentFlags::AUTO_MANAGED));
        assert_eq!(flags.with(TorrentFlags::PAUSED, false), TorrentFlags::default());
    }
}
