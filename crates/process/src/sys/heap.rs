//! The process's own heap.

/// Gives free memory back to the system. Without it the C library keeps what lies between two pieces that are in use, for good.
///
/// It visits the whole heap and locks a part of it at a time, for milliseconds if much is free: not for a thread that serves,
/// and not often. Where the C library is not glibc it does nothing.
pub fn release_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, may be called at any time, and from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
