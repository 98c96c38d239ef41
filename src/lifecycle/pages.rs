//! The program's own pages. What only a start needs, the command line, schemas, parsers, is most of what is resident of a
//! program that has just started: it is let go, and what is needed again comes back from the page cache.

use std::ffi::c_void;
use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of all pages of the program's code; those that are in use come back within a few faults.
pub fn let_go() {
    let (Ok(maps), Ok(program)) = (fs::read_to_string("/proc/self/maps"), fs::read_link("/proc/self/exe")) else {
        // Without /proc they stay, which costs some MiB and nothing else.
        return;
    };
    let Some(program) = program.to_str() else { return };
    for range in maps.lines().filter_map(|line| code(line, program)) {
        discard(range);
    }
}

/// The addresses of a line of `/proc/self/maps`, if it is code of the program: private, from the file, never written.
fn code(line: &str, program: &str) -> Option<Range<usize>> {
    let (place, file) = line.split_once('/')?;
    let mut fields = place.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    if rights != "r-xp" || file != program.strip_prefix('/')? {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[expect(unsafe_code, reason = "the kernel has no other way to be told")]
fn discard(pages: Range<usize>) {
    let start = std::ptr::without_provenance_mut::<c_void>(pages.start);
    // SAFETY: these pages hold what the file holds and are mapped without the right to write, so that reading them again
    // gives the same; no Rust object lies in them.
    if let Err(error) = unsafe { madvise(start, pages.len(), Advice::LinuxDontNeed) } {
        tracing::debug!(%error, "pages of the program stay resident");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_program_itself_is_let_go() {
        let line =
            |rights: &str, file: &str| format!("55d0c1e00000-55d0c1e30000 {rights} 00010000 fe:01 1234    {file}");
        let range = Some(0x55d0_c1e0_0000..0x55d0_c1e3_0000);
        assert_eq!(code(&line("r-xp", "/usr/bin/weir"), "/usr/bin/weir"), range);
        for (rights, file) in [
            ("r--p", "/usr/bin/weir"),
            ("rw-p", "/usr/bin/weir"),
            ("rwxp", "/usr/bin/weir"),
            ("r-xs", "/usr/bin/weir"),
            ("r-xp", "/usr/lib/libc.so.6"),
            ("r-xp", "/usr/bin/weir (deleted)"),
            ("r-xp", "[vdso]"),
            ("r-xp", ""),
        ] {
            assert_eq!(code(&line(rights, file), "/usr/bin/weir"), None, "{rights} {file}");
        }
    }

    /// KiB of the program's code that are resident.
    fn resident() -> usize {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let from_code = maps.lines().skip_while(|line| code(line, program.to_str().unwrap()).is_none());
        let line = from_code.into_iter().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn most_of_the_code_is_let_go_and_the_program_goes_on() {
        let before = resident();
        let_go();
        let after = resident();
        assert!(after < before, "{before} KiB, then {after} KiB");
    }
}
