//! Connection ids of the UDP tracker: proof that an address can receive, without any memory.
//!
//! An id is a keyed hash of the asker's address and the time slot it was made in, and carries the
//! slot's lowest bits so that checking it takes one hash. The port is no part of it: some clients
//! ask from a new port each time. (BEP 15; rules T1, T2; vectors U13 to U17.)

use std::hash::Hasher;
use std::io;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use subtle::ConstantTimeEq;

/// Seconds of a slot.
const SLOT_S: u32 = 30;
/// Slots after its own in which an id is accepted: for 120 to 150 seconds in all.
const SLOTS_VALID: u32 = 4;
/// Bits that carry the slot.
const SLOT_MASK: u64 = 7;

/// Makes and checks ids.
pub struct ConnectionIds {
    key: [u8; 16],
}

impl ConnectionIds {
    /// With a key of the operating system's, which lives as long as the process.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new() -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { key })
    }

    /// The id of `ip` at second `clock_s`.
    pub fn make(&self, ip: IpAddr, clock_s: u32) -> u64 {
        self.of_slot(ip, clock_s / SLOT_S)
    }

    /// Whether `id` was made for `ip` lately. Ids of the future are wrong, too.
    pub fn check(&self, id: u64, ip: IpAddr, clock_s: u32) -> bool {
        let slot = clock_s / SLOT_S;
        let age = slot.wrapping_sub((id & SLOT_MASK) as u32) & SLOT_MASK as u32;
        let made = self.of_slot(ip, slot.wrapping_sub(age));
        age <= SLOTS_VALID && bool::from(made.ct_eq(&id))
    }

    fn of_slot(&self, ip: IpAddr, slot: u32) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        match ip {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write_u32(slot);
        hasher.finish() & !SLOT_MASK | u64::from(slot) & SLOT_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const BEGIN_S: u32 = 1 << 24;

    #[test]
    fn u13_u14_an_id_is_good_for_its_address_alone() {
        let ids = ConnectionIds::new().unwrap();
        let id = ids.make(HERE, BEGIN_S);
        assert!(ids.check(id, HERE, BEGIN_S));
        assert!(!ids.check(id, THERE, BEGIN_S));
        for bit in 0..64 {
            assert!(!ids.check(id ^ 1 << bit, HERE, BEGIN_S), "bit {bit}");
        }
        assert!(!ids.check(0, HERE, BEGIN_S));
        assert!(!ids.check(0x0417_2710_1980, HERE, BEGIN_S));
    }

    #[test]
    fn u16_an_id_lives_two_minutes_and_none_lives_three() {
        let ids = ConnectionIds::new().unwrap();
        for begin in BEGIN_S..BEGIN_S + SLOT_S {
            let id = ids.make(HERE, begin);
            for age in [0, 60, 110, 120] {
                assert!(ids.check(id, HERE, begin + age), "{age} s");
            }
            for age in [151, 180, 240, 271, 3600] {
                assert!(!ids.check(id, HERE, begin + age), "{age} s");
            }
            assert!(!ids.check(id, HERE, begin - SLOT_S), "from the future");
        }
    }

    #[test]
    fn u17_ids_share_nothing_between_slots_addresses_or_starts() {
        let (ids, others) = (ConnectionIds::new().unwrap(), ConnectionIds::new().unwrap());
        let mut seen = HashSet::new();
        for slot in 0..10 {
            for last in 0..=255 {
                let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
                for key in [&ids, &others] {
                    assert!(seen.insert(key.make(ip, BEGIN_S + slot * SLOT_S)));
                }
            }
        }
        // Neither are they a counter: about half of the bits differ between neighbours.
        let near = ids.make(HERE, BEGIN_S) ^ ids.make(THERE, BEGIN_S);
        assert!((12..=52).contains(&near.count_ones()), "{near:x}");
    }
}
