//! Names of clients, by the two letters in their peer ids (BEP 20; UDPT section 9).

/// Letters and names, spelled as UDPT and Torrust spell them.
const NAMES: [(&[u8; 2], &str); 65] = [
    (b"AG", "Ares"),
    (b"A~", "Ares"),
    (b"AR", "Arctic"),
    (b"AV", "Avicora"),
    (b"AX", "BitPump"),
    (b"AZ", "Azureus"),
    (b"BB", "BitBuddy"),
    (b"BC", "BitComet"),
    (b"BF", "Bitflu"),
    (b"BG", "BTG (uses Rasterbar libtorrent)"),
    (b"BR", "BitRocket"),
    (b"BS", "BTSlave"),
    (b"BX", "~Bittorrent X"),
    (b"CD", "Enhanced CTorrent"),
    (b"CT", "CTorrent"),
    (b"CV", "Cove"),
    (b"DE", "DelugeTorrent"),
    (b"DP", "Propagate Data Client"),
    (b"EB", "EBit"),
    (b"ES", "electric sheep"),
    (b"FT", "FoxTorrent"),
    (b"FW", "FrostWire"),
    (b"FX", "Freebox BitTorrent"),
    (b"GS", "GSTorrent"),
    (b"HL", "Halite"),
    (b"HN", "Hydranode"),
    (b"KG", "KGet"),
    (b"KT", "KTorrent"),
    (b"LH", "LH-ABC"),
    (b"LP", "Lphant"),
    (b"LT", "libtorrent"),
    (b"lt", "libTorrent"),
    (b"LW", "LimeWire"),
    (b"MO", "MonoTorrent"),
    (b"MP", "MooPolice"),
    (b"MR", "Miro"),
    (b"MT", "MoonlightTorrent"),
    (b"NX", "Net Transport"),
    (b"PD", "Pando"),
    (b"qB", "qBittorrent"),
    (b"QD", "QQDownload"),
    (b"QT", "Qt 4 Torrent example"),
    (b"RT", "Retriever"),
    (b"S~", "Shareaza alpha/beta"),
    (b"SB", "~Swiftbit"),
    (b"SS", "SwarmScope"),
    (b"ST", "SymTorrent"),
    (b"st", "sharktorrent"),
    (b"SZ", "Shareaza"),
    (b"TN", "TorrentDotNET"),
    (b"TR", "Transmission"),
    (b"TS", "Torrentstorm"),
    (b"TT", "TuoTu"),
    (b"UL", "uLeecher!"),
    (b"UT", "\u{b5}Torrent"),
    (b"UW", "\u{b5}Torrent Web"),
    (b"VG", "Vagaa"),
    (b"WD", "WebTorrent Desktop"),
    (b"WT", "BitLet"),
    (b"WW", "WebTorrent"),
    (b"WY", "FireTorrent"),
    (b"XL", "Xunlei"),
    (b"XT", "XanTorrent"),
    (b"XX", "Xtorrent"),
    (b"ZT", "ZipTorrent"),
];

/// The client that made a peer id; `None` when the table does not know it.
pub fn client_name(peer_id: &[u8; 20]) -> Option<&'static str> {
    match peer_id {
        [b'M', ..] => Some("BitTorrent"),
        [b'-', first, second, ..] => {
            let letters = [*first, *second];
            NAMES.iter().find(|(known, _)| **known == letters).map(|(_, name)| *name)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_letters() {
        assert_eq!(client_name(b"-qB4630-mnopqrstuvwx"), Some("qBittorrent"));
        assert_eq!(client_name(b"-lt0D80-mnopqrstuvwx"), Some("libTorrent"));
        assert_eq!(client_name(b"M7-9-2--mnopqrstuvwx"), Some("BitTorrent"));
        assert_eq!(client_name(b"-ZZ4630-mnopqrstuvwx"), None);
        assert_eq!(client_name(b"mnopqrstuvwxmnopqrst"), None);
    }
}
