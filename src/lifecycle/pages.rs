//! The program's own pages. What only a start needs, the command line, schemas, parsers, is most of what is resident of a
//! program that has just started: it is let go, and what is needed again comes back from the page cache.

use std::ffi::c_void;
use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of all pages of the program's code and constants; those that are in use come back within a few faults.
pub fn let_go() {
    let (Ok(maps), Ok(program)) = (fs::read_to_string("/proc/self/smaps"), fs::read_link("/proc/self/exe")) else {
        // Without /proc they stay, which costs some MiB and nothing else.
        return;
    };
    let Some(program) = program.to_str() else { return };
    as_in_the_file(&maps, program).into_iter().for_each(discard);
}

/// The addresses in `/proc/self/smaps` that hold what the program's file holds: private, from the file, not to be written,
/// and no page has ever been: relocated constants have, before they were protected.
fn as_in_the_file(maps: &str, program: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in maps.lines() {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            found.extend(current.take().filter(|_| anonymous.trim() == "0 kB"));
        } else if !line.split_whitespace().next().is_some_and(|word| word.ends_with(':')) {
            current = of_the_program(line, program);
        }
    }
    found
}

/// The addresses of a mapping, if it is of the program's file, private, and not to be written.
fn of_the_program(line: &str, program: &str) -> Option<Range<usize>> {
    let (place, file) = line.split_once('/')?;
    let mut fields = place.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    if !matches!(rights, "r-xp" | "r--p") || file != program.strip_prefix('/')? {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[expect(unsafe_code, reason = "the kernel has no other way to be told")]
fn discard(pages: Range<usize>) {
    let start = std::ptr::without_provenance_mut::<c_void>(pages.start);
    // SAFETY: these pages hold what the file holds, were never written and cannot be, so that reading them again gives the
    // same.
    if let Err(error) = unsafe { madvise(start, pages.len(), Advice::LinuxDontNeed) } {
        tracing::debug!(%error, "pages of the program stay resident");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range<usize> = 0x55d0_c1e0_0000..0x55d0_c1e3_0000;

    fn told(rights: &str, file: &str, anonymous: &str) -> Vec<Range<usize>> {
        let map = format!(
            "55d0c1e00000-55d0c1e30000 {rights} 00010000 fe:01 1234    {file}\nSize: 192 kB\nAnonymous:    {anonymous}\nVmFlags: rd\n"
        );
        as_in_the_file(&map, "/usr/bin/weir")
    }

    #[test]
    fn code_and_constants_of_the_program_itself_are_let_go() {
        assert_eq!(told("r-xp", "/usr/bin/weir", "0 kB"), [RANGE]);
        assert_eq!(told("r--p", "/usr/bin/weir", "0 kB"), [RANGE]);
    }

    #[test]
    fn what_may_be_written_or_is_another_file_stays() {
        for (rights, file) in [
            ("rw-p", "/usr/bin/weir"),
            ("rwxp", "/usr/bin/weir"),
            ("r-xs", "/usr/bin/weir"),
            ("r-xp", "/usr/lib/libc.so.6"),
            ("r-xp", "/usr/bin/weir (deleted)"),
            ("r-xp", "[vdso]"),
            ("r-xp", ""),
        ] {
            assert!(told(rights, file, "0 kB").is_empty(), "{rights} {file}");
        }
    }

    #[test]
    fn what_was_written_before_it_was_protected_stays() {
        assert!(told("r--p", "/usr/bin/weir", "420 kB").is_empty());
    }

    /// KiB of the program's file that are resident.
    fn resident() -> usize {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut of_it = false;
        let mut sum = 0;
        for line in maps.lines() {
            if let Some(resident) = line.strip_prefix("Rss:") {
                let resident: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
                sum += if of_it { resident } else { 0 };
            } else if line.contains('-') {
                of_it = of_the_program(line, program.to_str().unwrap()).is_some();
            }
        }
        sum
    }

    #[test]
    fn most_pages_are_let_go_and_the_program_goes_on() {
        let before = resident();
        let_go();
        let after = resident();
        assert!(after < before, "{before} KiB, then {after} KiB");
    }
}
