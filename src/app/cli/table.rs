//! Numbers and tables as people read them.

use std::io;
use std::io::Write;

/// Bytes in binary units, such as `1.5 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(6);
    // Tenths in integers: exact, and never rounded up to 1024.0 of a unit.
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

/// A share from 0 to 1 as percent, cut and not rounded: only what is complete shows 100.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

/// Seconds in the two largest units; `-` for none, and for more than a year, which is how the
/// server says "never".
pub(super) fn duration(seconds: f64) -> String {
    const YEAR_S: f64 = 365.0 * 86_400.0;
    if !(seconds > 0.0 && seconds < YEAR_S) {
        return "-".into();
    }
    let whole = std::time::Duration::from_secs_f64(seconds.ceil()).as_secs();
    match (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// The all-time ratio; `∞` when nothing was downloaded.
pub(super) fn ratio(ratio: f64, downloaded: u64) -> String {
    if downloaded == 0 { "∞".into() } else { format!("{ratio:.2}") }
}

/// Bytes/s; `-` for none.
pub(super) fn rate(bytes: u64) -> String {
    if bytes == 0 { "-".into() } else { format!("{}/s", size(bytes)) }
}

/// Writes rows in columns; the first column is text and set left, the others right.
pub(super) fn write<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            line += &match column {
                0 => format!("{cell}{padding}"),
                _ => format!("  {padding}{cell}"),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_unit_up_to_its_end() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn nothing_but_complete_shows_a_hundred() {
        assert_eq!(percent(0.99999), "99.9 %");
        assert_eq!(percent(1.0), "100.0 %");
    }

    #[test]
    fn the_enormous_number_of_a_stalled_torrent_is_no_duration() {
        assert_eq!(duration(1e15), "-");
        assert_eq!(duration(0.0), "-");
        assert_eq!(duration(f64::NAN), "-");
        assert_eq!(duration(59.2), "1 min 0 s");
        assert_eq!(duration(90_000.0), "1 d 1 h");
    }

    #[test]
    fn columns_line_up_by_characters() {
        let mut out = Vec::new();
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        write(&mut out, &[row("name", "size"), row("Über", "1 B"), row("x", "")]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name  size\nÜber   1 B\nx\n");
    }
}
