//! Which of Tribler's status names a torrent has.

use crate::dialects::tribler::Generation;
use crate::domain::torrent::Stage;
use crate::domain::torrent::Status;

/// A status by name, with the number that both generations send beside it.
pub(super) type Code = (&'static str, u8);

const ALLOCATING: Code = ("ALLOCATING_DISKSPACE", 0);
const WAITING: Code = ("WAITING_FOR_HASHCHECK", 1);
const CHECKING: Code = ("HASHCHECKING", 2);
const DOWNLOADING: Code = ("DOWNLOADING", 3);
const SEEDING: Code = ("SEEDING", 4);
const STOPPED: Code = ("STOPPED", 5);
const STOPPED_ON_ERROR: Code = ("STOPPED_ON_ERROR", 6);
const METADATA: Code = ("METADATA", 7);
/// What every torrent is at first in 8.x.
pub(super) const LOADING: Code = ("LOADING", 8);
const MOVING: Code = ("MOVING", 10);
const QUEUED: Code = ("QUEUED", 11);

/// The status of a torrent.
///
/// 7.x says STOPPED of everything paused, even in error, and knows no moving; 8.x looks at the
/// error first and tells a torrent that waits in the queue from one that the user stopped.
pub(super) fn of(status: &Status, generation: Generation) -> Code {
    match generation {
        Generation::Seven if status.is_paused => STOPPED,
        Generation::Seven if !status.error.is_empty() => STOPPED_ON_ERROR,
        Generation::Seven if status.is_moving => ALLOCATING,
        Generation::Seven => match status.stage {
            Stage::Loading => WAITING,
            stage => of_stage(stage),
        },
        Generation::Eight if !status.error.is_empty() => STOPPED_ON_ERROR,
        Generation::Eight if status.is_moving => MOVING,
        Generation::Eight if status.is_paused && status.is_auto_managed => QUEUED,
        Generation::Eight if status.is_paused => STOPPED,
        Generation::Eight => of_stage(status.stage),
    }
}

/// Whether a torrent in this status has rates and known peers; the original shows 0 in all others.
pub(super) fn is_active(code: Code) -> bool {
    code == DOWNLOADING || code == SEEDING
}

fn of_stage(stage: Stage) -> Code {
    match stage {
        Stage::Loading => LOADING,
        Stage::CheckingResume | Stage::Checking => CHECKING,
        Stage::Metadata => METADATA,
        Stage::Downloading => DOWNLOADING,
        Stage::Finished | Stage::Seeding => SEEDING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [(Stage, Code, Code); 7] = [
        (Stage::Loading, WAITING, LOADING),
        (Stage::CheckingResume, CHECKING, CHECKING),
        (Stage::Checking, CHECKING, CHECKING),
        (Stage::Metadata, METADATA, METADATA),
        (Stage::Downloading, DOWNLOADING, DOWNLOADING),
        (Stage::Finished, SEEDING, SEEDING),
        (Stage::Seeding, SEEDING, SEEDING),
    ];

    /// Every stage with every pause, queue, error and move, in both generations.
    #[test]
    fn every_combination_has_the_status_of_the_contract() {
        for (stage, seven, eight) in STAGES {
            for bits in 0..16_u8 {
                let bit = |place: u8| bits & (1 << place) != 0;
                let status = Status {
                    stage,
                    is_paused: bit(0),
                    is_auto_managed: bit(1),
                    error: if bit(2) { "disk full".into() } else { String::new() },
                    is_moving: bit(3),
                    ..Status::default()
                };
                let expected_seven = match (bit(0), bit(2), bit(3)) {
                    (true, _, _) => STOPPED,
                    (_, true, _) => STOPPED_ON_ERROR,
                    (_, _, true) => ALLOCATING,
                    _ => seven,
                };
                let expected_eight = match (bit(2), bit(3), bit(0), bit(1)) {
                    (true, ..) => STOPPED_ON_ERROR,
                    (_, true, ..) => MOVING,
                    (_, _, true, true) => QUEUED,
                    (_, _, true, false) => STOPPED,
                    _ => eight,
                };
                assert_eq!(of(&status, Generation::Seven), expected_seven, "{status:?}");
                assert_eq!(of(&status, Generation::Eight), expected_eight, "{status:?}");
            }
        }
    }

    #[test]
    fn the_codes_are_those_of_the_contract() {
        let codes = [
            ALLOCATING,
            WAITING,
            CHECKING,
            DOWNLOADING,
            SEEDING,
            STOPPED,
            STOPPED_ON_ERROR,
            METADATA,
            LOADING,
        ];
        for (code, number) in codes.iter().zip(0..) {
            assert_eq!(code.1, number);
        }
        assert_eq!((MOVING.1, QUEUED.1), (10, 11));
    }
}
