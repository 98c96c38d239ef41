//! The rig's servers live as long as the program that started them: nothing is left behind when that one dies.

use std::io::Read;

/// Ends the process once standard input does.
pub fn ends_with_stdin() {
    std::thread::spawn(|| {
        let mut rest = [0; 64];
        while std::io::stdin().read(&mut rest).is_ok_and(|read| read > 0) {}
        std::process::exit(0);
    });
}
