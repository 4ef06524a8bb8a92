//! Statistics over time: rows of figures, whose meaning is the service's.

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::store::failure::Failure;
use crate::store::record::Columns;
use crate::store::record::Damage;
use crate::store::record::Seal;
use crate::store::record::VERSION;

/// The figures of one span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// How long the span is, in seconds.
    pub span_s: u32,
    /// When it began, in Unix seconds.
    pub begin_at: i64,
    /// The figures, in an order that only ever grows.
    pub figures: Vec<u64>,
}

/// Keeps a row, and forgets the rows of the same span that began before `oldest_at`.
pub(super) fn put(conn: &Connection, row: &HistoryRow, oldest_at: i64) -> Result<(), Failure> {
    let figures = encode(&row.figures);
    let seal = seal(row.span_s, row.begin_at, &figures).finish();
    conn.prepare_cached("INSERT OR REPLACE INTO history VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![row.span_s, row.begin_at, figures, VERSION, seal])?;
    conn.prepare_cached("DELETE FROM history WHERE span_s = ?1 AND begin_at < ?2")?
        .execute(params![row.span_s, oldest_at])?;
    Ok(())
}

/// The whole rows of a span that began at `since` or later, oldest first. Damaged ones are left
/// out: a gap in a curve does no harm.
pub(super) fn since(
    conn: &Connection,
    span_s: u32,
    since: i64,
) -> Result<Vec<HistoryRow>, Failure> {
    let mut query = conn.prepare_cached(
        "SELECT span_s, begin_at, figures, version, checksum FROM history
         WHERE span_s = ?1 AND begin_at >= ?2 ORDER BY begin_at",
    )?;
    let mut rows = query.query(params![span_s, since])?;
    let mut whole = Vec::new();
    while let Some(row) = rows.next()? {
        whole.extend(read(row).ok());
    }
    Ok(whole)
}

fn read(row: &Row) -> Result<HistoryRow, Damage> {
    let mut columns = Columns::from(row, 0);
    let (span_s, begin_at, figures) = (columns.count()?, columns.int()?, columns.bytes()?);
    columns.check(seal(span_s, begin_at, figures))?;
    Ok(HistoryRow { span_s, begin_at, figures: decode(figures) })
}

fn seal(span_s: u32, begin_at: i64, figures: &[u8]) -> Seal {
    Seal::of("history").int(span_s.into()).int(begin_at).bytes(figures)
}

fn encode(figures: &[u64]) -> Vec<u8> {
    figures.iter().flat_map(|figure| figure.to_le_bytes()).collect()
}

fn decode(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|figure| u64::from_le_bytes(*figure)).collect()
}
