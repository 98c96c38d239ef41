//! What is answered, made once for each size.

use std::collections::HashMap;
use std::rc::Rc;

use weir_bench_rig::{http1, websocket};

/// An answer's bytes, head and body.
pub type Bytes = Rc<[u8]>;

/// A bound on what paths may ask for.
pub const LONGEST: usize = 64 << 20;

/// Answers by what was asked for.
#[derive(Default)]
pub struct Answers {
    made: HashMap<String, Bytes>,
}

impl Answers {
    /// The answer with as many bytes as the path says.
    pub fn sized(&mut self, path: &str) -> Bytes {
        if let Some(answer) = self.made.get(path) {
            return Rc::clone(answer);
        }
        let Some(size) = http1::size(path).filter(|size| *size <= LONGEST) else {
            return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".as_bytes().into();
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n");
        let answer: Bytes = [head.as_bytes(), &vec![b'x'; size]].concat().into();
        // Paths of a case differ in what follows the size; only so many are worth keeping.
        if self.made.len() < 2048 && size <= 1 << 20 || self.made.len() < 8 {
            self.made.insert(path.to_owned(), Rc::clone(&answer));
        }
        answer
    }
}

/// An answer of a few words.
pub fn text(body: &str) -> Bytes {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes().into()
}

/// The answer that makes a connection a WebSocket.
pub fn upgraded() -> Bytes {
    let accept = websocket::ACCEPT;
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    format!("{head}sec-websocket-accept: {accept}\r\n\r\n").into_bytes().into()
}
