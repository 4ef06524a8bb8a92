//! Code that was needed for the start is let go: half of what an idle process seems to hold.
//!
//! Starting runs through the command line, the configuration, the store's opening and the
//! initialisation of five libraries, scattered over all of their files, and Linux maps 64 KiB around
//! each first step. Most is never run again. Unmapped pages stay in the system's page cache, from
//! where those that are needed come back by themselves, in a microsecond each.

#![allow(unsafe_code, reason = "madvise has no safe form; named in docs/ARCHITECTURE.md")]

use std::fs;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

use rustix::mm::Advice;
use rustix::mm::madvise;

/// How long after the last torrent was loaded the start is over for what works in the background.
const AFTER: Duration = Duration::from_secs(1);

/// Waits until the start is over, then unmaps the code that it ran; whatever goes on comes back.
pub(super) async fn let_go() {
    tokio::time::sleep(AFTER).await;
    unmap();
}

fn unmap() {
    // A kernel without the list, or one that keeps the pages, costs nothing but the memory.
    let Ok(mappings) = fs::read_to_string("/proc/self/smaps") else { return };
    for Range { start, end } in unchanged_code(&mappings) {
        // SAFETY: the range is a mapping of a file, executable, not writable and without a page that
        // differs from the file, so that every page reads the same when it is next touched. Nobody
        // unmaps code here: no library is loaded or closed while the process runs.
        let _ = unsafe {
            madvise(ptr::with_exposed_provenance_mut(start), end - start, Advice::LinuxDontNeed)
        };
    }
}

/// The addresses of code that is as its file has it, from the kernel's list (proc(5)).
///
/// Left out is what has private pages: a debugger's break points, and probes, are such.
fn unchanged_code(smaps: &str) -> Vec<Range<usize>> {
    let mut code = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("Anonymous:"), Some(kib)) => {
                code.extend(candidate.take().filter(|_| kib == "0"));
            }
            (Some(addresses), Some("r-xp")) => {
                let is_of_a_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
                candidate = range(addresses).filter(|_| is_of_a_file);
            }
            (Some(addresses), Some(_)) if range(addresses).is_some() => candidate = None,
            _ => {}
        }
    }
    code
}

/// `55d0c000-55d0f000`
fn range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-2000 r--p 00000000 fe:00 42 /usr/bin/cove
Rss:                   4 kB
Anonymous:             0 kB
2000-5000 r-xp 00001000 fe:00 42 /usr/bin/cove
Rss:                  12 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
VmFlags: rd ex mr mw me
5000-6000 rw-p 00004000 fe:00 42 /usr/bin/cove
Anonymous:             4 kB
6000-8000 r-xp 00000000 fe:00 43 /usr/lib/with a break point.so
Anonymous:             4 kB
8000-9000 r-xp 00000000 fe:00 44 /usr/lib/with spaces.so
Anonymous:             0 kB
9000-a000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
a000-b000 r-xp 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_code_that_is_as_its_file_has_it() {
        assert_eq!(unchanged_code(SMAPS), [0x2000..0x5000, 0x8000..0x9000]);
    }

    /// Whether pages go is shown by `tests/restart.rs`; here, that what stays needed comes back.
    #[test]
    fn this_very_process_goes_on_without_its_code() {
        let mappings = fs::read_to_string("/proc/self/smaps").unwrap();
        let here = this_very_process_goes_on_without_its_code as fn() as usize;
        assert!(unchanged_code(&mappings).iter().any(|code| code.contains(&here)));

        unmap();
    }
}
