//! Messages that readers are known to disagree about, made from parts, and changes to them.

/// Transfer codings.
const CODINGS: &[&str] = &[
    "Transfer-Encoding: chunked",
    "transfer-encoding:chunked",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding:\tchunked\t",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: chunk",
    "Transfer-Encoding: chunked\x0b",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: \x0cchunked",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: chun\r\n ked",
    "Transfer-Encoding:\nchunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\r\r\nTransfer-Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding\0: chunked",
    "Content-Encoding: chunked",
    "TE: chunked",
    "Transfer-Encoding: ch\u{212a}unked",
    "Transfer-Encoding: chunked\r\nX",
    "X:Transfer-Encoding: chunked",
    ": x\r\nTransfer-Encoding: chunked",
];

/// Lengths; a body of five bytes comes.
const LENGTHS: &[&str] = &[
    "Content-Length: 5",
    "content-length:5",
    "Content-Length: 5 ",
    "Content-Length:\t5",
    "Content-Length: 05",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 5,5",
    "Content-Length: 5, 6",
    "Content-Length: 5 5",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: 5",
    "Content-Length: 0x5",
    "Content-Length: 5.0",
    "Content-Length: 5e0",
    "Content-Length:",
    "Content-Length: ",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content-Length: \u{665}",
    "Content-Length: 0",
    "Content-Length: 3",
    "Content-Length: 6",
    "Content-Length: 4294967301",
    "Content-Length: 18446744073709551615",
    "Content-Length: 18446744073709551616",
    "Content-Length: 18446744073709551621",
    "Content-Length: 9223372036854775807",
    "Content-Length: 5\x0b",
    "Content-Length: 5\0",
    "Content-Length:\r\n 5",
    "Content-Length: 5\r\n 6",
    "Content_Length: 5",
    "X: y\nContent-Length: 5",
    "X: y\rContent-Length: 5",
    "Content-Length: 5\r\n5",
    "Content-Length: 5;",
    "Content-Length: \"5\"",
];

/// What comes after a head.
const BODIES: &[&str] = &["hello", "5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n", "0\r\n\r\nhello", ""];

/// Chunks.
const CHUNKS: &[&str] = &[
    "5\r\nhello\r\n0\r\n\r\n",
    "05\r\nhello\r\n00\r\n\r\n",
    "0000000000000005\r\nhello\r\n0\r\n\r\n",
    "00000000000000005\r\nhello\r\n0\r\n\r\n",
    "A\r\n0123456789\r\n0\r\n\r\n",
    "a\r\n0123456789\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\t\r\nhello\r\n0\r\n\r\n",
    "5\x0b\r\nhello\r\n0\r\n\r\n",
    "5\0\r\nhello\r\n0\r\n\r\n",
    "5_\r\nhello\r\n0\r\n\r\n",
    "5h\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "5,5\r\nhello\r\n0\r\n\r\n",
    "5;a\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0;c\r\n\r\n",
    "5 ; a = \"b;c\"\r\nhello\r\n0\r\n\r\n",
    "5;\r\nhello\r\n0\r\n\r\n",
    "5;a=\"\r\nhello\r\n0\r\n\r\n",
    "5;a\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5;\x0b\r\nhello\r\n0\r\n\r\n",
    "5;a\r\r\nhello\r\n0\r\n\r\n",
    "5;\u{e9}\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloo\r\n0\r\n\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\n\r\n",
    "5\r\nhello\r\n0\r\n\n",
    "5\r\nhello\r\n0\n\n",
    "5\r\nhello\r\n0\r\n",
    "5\r\nhello\r\n",
    "5\r\nhel",
    "5",
    "",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "\r\n\r\n",
    "g\r\nhello\r\n0\r\n\r\n",
    ";a\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "7fffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "8000000000000000\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "100000005\r\nhello\r\n0\r\n\r\n",
    "1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "0\r\nA: b\r\nC: d\r\n\r\n",
    "0\r\nA: b\n\r\n",
    "0\r\nA: b\r\n\n",
    "0\r\nA\r\n\r\n",
    "0\r\n A: b\r\n\r\n",
    "0\r\nA : b\r\n\r\n",
    "0\r\nA: b\r\n c\r\n\r\n",
    "0\r\n: b\r\n\r\n",
    "0\r\nA: \0\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nContent-Length: x\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nTransfer-Encoding: gzip\r\n\r\n",
    "0\r\nHost: evil\r\n\r\n",
    "0\r\nA: b\r\n\r\n\r\n",
    "0\r\n\r\n\r\n",
];

const TARGETS: &[&str] = &[
    "/",
    "/a/b",
    "/a?b",
    "/a?b?c",
    "/?",
    "?",
    "?a",
    "",
    "*",
    "*a",
    "/*",
    "a",
    "a/b",
    "a:80",
    ":80",
    "//a/b",
    "///",
    "/a//b",
    "/a/../b",
    "/%2e%2e/",
    "/%",
    "/%zz",
    "/%00",
    "/a#b",
    "/#",
    "/a\\b",
    "\\a",
    "/a?b\\c",
    "/a`b",
    "/a\"b",
    "/a<b>",
    "/a{b}|^[c]",
    "/a?\"{}|^[]`'",
    "/a\tb",
    "/a b",
    "/a\0b",
    "/a\x7fb",
    "/\u{e9}",
    "/a;b",
    "/a@b:c",
    "http://a",
    "http://a/",
    "http://a/b?c",
    "http://a?b",
    "http://a:80/",
    "http://a:/",
    "http://a:x/",
    "http://a:99999/",
    "http://u@a/",
    "http://u:p@a/",
    "http://a@b@c/",
    "http://[::1]/",
    "http://[::1/",
    "http://]/",
    "http://a,b/",
    "http://a%20b/",
    "http://a\\b/",
    "http://a^b/",
    "http://a|b/",
    "http:///",
    "http:///a",
    "http://",
    "http://?a",
    "http:/a",
    "http:a",
    "HTTP://a/",
    "https://a/",
    "ftp://a/",
    "ws://a/",
    "javascript:alert(1)",
    "http://a#b",
    "/HTTP/1.1",
];

const METHODS: &[&str] = &["GET", "OPTIONS", "HEAD", "POST", "CONNECT", "get", "G\u{e9}T", "G(T", "", "TRACE"];

const VERSIONS: &[&str] = &[
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.",
    "HTTP/1.10",
    "http/1.1",
    "HTTP/ 1.1",
    "HTTP/1,1",
    "",
];

/// Fields that are none of framing, some of none.
const FIELDS: &[&str] = &[
    "X: y",
    "X:y",
    "X:",
    "X: \t y \t ",
    "X : y",
    "X\t: y",
    " X: y",
    "\tX: y",
    ": y",
    "X",
    "X\r\n y: z",
    "X: a\r\n\tb",
    "X: a\rb",
    "X: a\nb",
    "X: a\0b",
    "X: a\x07b",
    "X: a\x7fb",
    "X: \u{e9}",
    "X\u{e9}: y",
    "X(y): z",
    "X\"y: z",
    "X/y: z",
    "X[y]: z",
    "X@y: z",
    "X: a: b",
    "X: y\r\nX: z",
    "Host: b",
    "Host:",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: close, keep-alive",
    "Connection: keep-alive\r\nConnection: close",
    "Connection: Close\t,x",
    "Connection: closed",
    "Connection: close\u{e9}, close",
    "Expect: 100-continue",
    "Expect: x",
    "Upgrade: websocket\r\nConnection: upgrade",
    "Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "Trailer: x",
];

/// What a hidden request looks like where one reader believes that a message has ended.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

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

/// What is put into messages.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0",
    " ",
    "\t",
    "\x0b",
    ":",
    ";",
    ",",
    "\u{e9}",
    "\x7f",
    "0",
    "5",
    "a",
    "#",
    "\\",
    "?",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "Host: b\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "chunked",
    "GET / HTTP/1.1\r\n",
    "http://b",
    "CONNECT",
    "HEAD",
    "OPTIONS",
    "100 ",
    "204 ",
    "304 ",
    "X: y\r\n",
    "\r\n ",
    "\r\n\t",
    "18446744073709551615",
    "ffffffffffffffff",
];

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
