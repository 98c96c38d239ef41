//! As much of WebSocket (RFC 6455) as an echo of small messages needs: frames of one message, up to 125 bytes.

/// The key and its answer that RFC 6455 section 1.3 has as its example. The client always sends this key, so that the
/// backend needs no hash to answer as a server must.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server answers to `KEY`.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The longest message here.
pub const LONGEST: usize = 125;

const FINAL_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame with this message.
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![FINAL_BINARY, MASKED | message.len().min(LONGEST) as u8];
    frame.extend(MASK);
    frame.extend(message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A server's frame with this message.
pub fn plain(message: &[u8]) -> Vec<u8> {
    [&[FINAL_BINARY, message.len().min(LONGEST) as u8], message].concat()
}

/// What a frame begins with.
pub enum Frame {
    /// More bytes are needed.
    Partial,
    /// A message of a client, unmasked, and the bytes of its frame.
    Message(Vec<u8>, usize),
    /// Something else: the connection ends.
    End,
}

/// Reads a client's frame.
pub fn read(bytes: &[u8]) -> Frame {
    let [kind, length, rest @ ..] = bytes else { return Frame::Partial };
    let length = usize::from(length & !MASKED);
    if *kind != FINAL_BINARY || length > LONGEST {
        return Frame::End;
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Frame::Partial };
    let Some(message) = rest.get(..length) else { return Frame::Partial };
    Frame::Message(message.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect(), 6 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_is_read() {
        let frame = masked(b"message");
        assert!(matches!(read(&frame), Frame::Message(message, 13) if message == b"message"));
        assert!(matches!(read(&frame[..12]), Frame::Partial));
        assert!(matches!(read(&[0x88, 0x80]), Frame::End));
    }
}
