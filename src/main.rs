//! The `weir` program: parses its command line and calls the library.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::lifecycle::collect_with(collect);
    weir::cli::Cli::parse().run()
}

/// Gives back what the calling thread has freed a second ago and not needed since.
fn collect() {
    // SAFETY: it may be called at any time; what is in use stays.
    #[expect(unsafe_code, reason = "the allocator's crate has no other way to be told")]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}
