//! A hint to the processor: this is going to be read soon.

/// Bytes of a line of the processor's cache.
const LINE_BYTES: usize = 64;

/// Has `value` brought near while other work goes on. Waits for nothing and changes nothing; a
/// large value is brought as far as its first two lines. Where the compiler has no such
/// instruction, it does nothing.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    fetch_line(start);
    if size_of_val(value) > LINE_BYTES {
        fetch_line(start.wrapping_add(LINE_BYTES));
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the instruction has no safe form")]
fn fetch_line(start: *const u8) {
    use std::arch::x86_64::_MM_HINT_T0;
    use std::arch::x86_64::_mm_prefetch;

    // SAFETY: a prefetch is a hint: it reads nothing that the program sees and faults at no
    // address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch_line(_: *const u8) {}
