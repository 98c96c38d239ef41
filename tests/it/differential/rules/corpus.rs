//! Messages that readers are known to disagree about, made from parts, and changes to them.

mod parts;

use parts::{BODIES, CHUNKS, CODINGS, FIELDS, LENGTHS, METHODS, NEXT, TARGETS, VERSIONS, WORDS};

/// Messages of clients.
pub fn requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut add = |text: String| all.push(text.into_bytes());
    for coding in CODINGS {
        for version in ["HTTP/1.1", "HTTP/1.0\r\nConnection: keep-alive"] {
            for body in BODIES {
                add(format!("POST / {version}\r\nHost: a\r\n{coding}\r\n\r\n{body}{NEXT}"));
            }
        }
        for length in LENGTHS {
            let body = BODIES[(coding.len() + length.len()) % BODIES.len()];
            add(format!("POST / HTTP/1.1\r\nHost: a\r\n{coding}\r\n{length}\r\n\r\n{body}{NEXT}"));
            add(format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n{coding}\r\n\r\n{body}{NEXT}"));
        }
    }
    for length in LENGTHS {
        for method in ["POST", "GET", "HEAD"] {
            for body in BODIES {
                add(format!("{method} / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n{body}{NEXT}"));
            }
        }
    }
    for chunks in CHUNKS {
        for field in ["", "Connection: close\r\n", "Trailer: a\r\n", "TE: trailers\r\n"] {
            add(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}Transfer-Encoding: chunked\r\n\r\n{chunks}{NEXT}"));
        }
    }
    for target in TARGETS {
        for method in METHODS {
            add(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"));
        }
        add(format!("GET {target} HTTP/1.0\r\n\r\n{NEXT}"));
    }
    for version in VERSIONS {
        for (one, two) in [(" ", " "), ("  ", " "), (" ", "  "), ("\t", " "), (" ", "\t"), ("", " "), (" ", "")] {
            for after in ["", " ", "\t", "\x0b", "\r"] {
                add(format!("GET{one}/{two}{version}{after}\r\nHost: a\r\n\r\n{NEXT}"));
            }
        }
    }
    for field in FIELDS {
        for (before, after) in
            [("", ""), ("Host: a\r\n", ""), ("", "Host: a\r\n"), ("X: y\r\n", "Content-Length: 5\r\n")]
        {
            for version in ["1.1", "1.0"] {
                add(format!("GET / HTTP/{version}\r\n{before}{field}\r\n{after}\r\nhello{NEXT}"));
            }
        }
    }
    let ends = ["\r\n", "\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n\r\n", "\r \n", "\0\r\n", ""];
    for first in ends {
        for second in ends {
            for third in ends {
                add(format!("POST / HTTP/1.1{first}Content-Length: 5{second}X: y{second}{third}hello{NEXT}"));
            }
            add(format!("{first}{second}{NEXT}{first}{second}{NEXT}"));
            add(format!(
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5{first}hello{second}0{first}{second}{NEXT}"
            ));
        }
    }
    for count in [99, 100, 101] {
        add(format!("GET / HTTP/1.1\r\n{}\r\n{NEXT}", "X: y\r\n".repeat(count)));
    }
    all
}

/// Messages of endpoints.
pub fn responses() -> Vec<Vec<u8>> {
    const NEXT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let statuses = [
        "200 OK",
        "204 No Content",
        "304 Not Modified",
        "100 Continue",
        "103 Early Hints",
        "205 Reset Content",
        "404 x",
        "101 x",
    ];
    let mut all = Vec::new();
    let mut add = |text: String| all.push(text.into_bytes());
    for line in statuses {
        for field in CODINGS.iter().chain(LENGTHS).chain(FIELDS).chain(&["X: y"]) {
            for body in ["hello", "5\r\nhello\r\n0\r\n\r\n", ""] {
                add(format!("HTTP/1.1 {line}\r\n{field}\r\n\r\n{body}{NEXT}"));
            }
            add(format!("HTTP/1.0 {line}\r\n{field}\r\n\r\nhello{NEXT}"));
        }
    }
    for coding in CODINGS {
        for length in LENGTHS {
            add(format!("HTTP/1.1 200 OK\r\n{length}\r\n{coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n{NEXT}"));
        }
    }
    for chunks in CHUNKS {
        add(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        add(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{NEXT}"));
    }
    for version in VERSIONS {
        for status in [
            "200",
            "200 ",
            "200 OK",
            "20",
            "2000",
            "099",
            "000",
            "100",
            "600",
            "999",
            "2x0",
            "-20",
            " 200",
            "200\tOK",
            "200 a\tb",
            "200 \u{e9}",
            "200 a\0",
            "200 a\rb",
            "",
        ] {
            for before in [
                "",
                "\r\n",
                "\n",
                " ",
                "HTTP/1.1 100 Continue\r\n\r\n",
                "HTTP/1.1 103 x\r\nLink: a\r\nContent-Length: 5\r\n\r\n",
            ] {
                add(format!("{before}{version} {status}\r\nContent-Length: 5\r\n\r\nhello{NEXT}"));
            }
        }
    }
    let ends = ["\r\n", "\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n\r\n", ""];
    for first in ends {
        for second in ends {
            add(format!("HTTP/1.1 200 OK{first}Content-Length: 5{second}X: y{second}{first}hello"));
        }
    }
    all
}

/// Bodies in chunks.
pub fn chunks() -> Vec<Vec<u8>> {
    CHUNKS.iter().map(|chunks| chunks.as_bytes().to_vec()).collect()
}

/// Changes `message`, at most `most` times; `other` gives parts.
pub fn change(message: &mut Vec<u8>, other: &[u8], most: usize, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..=most) {
        let at = random.usize(0..=message.len());
        let end = message.len().min(at + random.usize(1..=12));
        match random.u8(0..8) {
            0 => drop(message.drain(at..end)),
            1 if at < message.len() => message[at] = random.u8(..),
            2 if at < message.len() => message[at] ^= 1 << random.u8(0..8),
            3 => {
                let twice = message[at..end].to_vec();
                message.splice(at..at, twice);
            }
            4 if !other.is_empty() => {
                let from = random.usize(0..other.len());
                let to = other.len().min(from + random.usize(1..=24));
                message.splice(at..end, other[from..to].iter().copied());
            }
            5 => {
                // One line's end for another.
                let ends: Vec<usize> = (0..message.len()).filter(|at| message[*at..].starts_with(b"\r\n")).collect();
                if let Some(at) = random.choice(ends) {
                    let end =
                        random.choice(["\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n\r\n", ""]).unwrap_or_default();
                    message.splice(at..at + 2, end.bytes());
                }
            }
            _ => {
                let word = random.choice(WORDS).copied().unwrap_or_default();
                message.splice(at..at, word.bytes());
            }
        }
    }
}
