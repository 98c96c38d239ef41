//! The PROXY protocol, versions 1 and 2 (HAProxy's specification): who the client is, said by a load balancer in front.
//!
//! A listener that asks for it refuses connections without it: otherwise anybody could claim to be anyone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE_2: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, its line end included.
const LONGEST_1: usize = 107;
/// Longest header of version 2 that is read; addresses take 36 bytes, the rest is ignored.
const LONGEST_2: usize = 4096;

/// The two ends of the connection as the client made it.
#[derive(Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// Reads the header, and not a byte more. None: the load balancer speaks for itself (health checks).
///
/// # Errors
///
/// The connection does not begin with such a header.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Addresses>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE_2 {
        return read_2(stream).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_1 {
            return Err(invalid("the header has no end"));
        }
        line.push(stream.read_u8().await?);
    }
    parse_1(&line).ok_or_else(|| invalid("no PROXY header, though the listener asks for one"))?
}

/// Outer none: no header of version 1. Inner none: `UNKNOWN`.
fn parse_1(line: &[u8]) -> Option<io::Result<Option<Addresses>>> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
    let mut words = text.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Ok(None));
    }
    let addresses = || {
        let source: IpAddr = words.next()?.parse().ok()?;
        let destination: IpAddr = words.next()?.parse().ok()?;
        let source = SocketAddr::new(source, words.next()?.parse().ok()?);
        let destination = SocketAddr::new(destination, words.next()?.parse().ok()?);
        let right = match family {
            "TCP4" => source.is_ipv4() && destination.is_ipv4(),
            "TCP6" => source.is_ipv6() && destination.is_ipv6(),
            _ => false,
        };
        (right && words.next().is_none()).then_some(Addresses { source, destination })
    };
    let mut addresses = addresses;
    Some(addresses().map(Some).ok_or_else(|| invalid("addresses are malformed")))
}

async fn read_2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Addresses>> {
    let version_and_command = stream.read_u8().await?;
    let family = stream.read_u8().await?;
    let length = usize::from(stream.read_u16().await?);
    if length > LONGEST_2 {
        return Err(invalid("the header is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    match version_and_command {
        0x20 => Ok(None),
        0x21 => parse_2(family, &body),
        _ => Err(invalid("the version or command is unknown")),
    }
}

fn parse_2(family: u8, body: &[u8]) -> io::Result<Option<Addresses>> {
    let short = || invalid("the header is too short");
    let port = |at: usize| body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or_else(short);
    match family {
        0x11 => {
            let ip = |at: usize| {
                body.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(Ipv4Addr::from).ok_or_else(short)
            };
            let source = SocketAddr::new(ip(0)?.into(), port(8)?);
            Ok(Some(Addresses { source, destination: SocketAddr::new(ip(4)?.into(), port(10)?) }))
        }
        0x21 => {
            let ip = |at: usize| {
                body.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(Ipv6Addr::from).ok_or_else(short)
            };
            let source = SocketAddr::new(ip(0)?.into(), port(32)?);
            Ok(Some(Addresses { source, destination: SocketAddr::new(ip(16)?.into(), port(34)?) }))
        }
        // Other families say nothing that could be used; the connection's own addresses stand.
        _ => Ok(None),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY protocol: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(a: [u8; 4], port: u16) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(a).into(), port)
    }

    async fn parse(bytes: &[u8]) -> io::Result<(Option<Addresses>, Vec<u8>)> {
        let mut rest = bytes;
        let addresses = read(&mut rest).await?;
        Ok((addresses, rest.to_vec()))
    }

    #[tokio::test]
    async fn version_1_names_both_ends_and_leaves_what_follows() {
        let (addresses, rest) = parse(b"PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\nGET /").await.unwrap();
        let expected = Addresses { source: v4([192, 0, 2, 1], 1234), destination: v4([198, 51, 100, 2], 80) };
        assert_eq!(addresses, Some(expected));
        assert_eq!(rest, b"GET /");
        let (addresses, _) = parse(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n").await.unwrap();
        assert_eq!(addresses.unwrap().source.to_string(), "[2001:db8::1]:1");
    }

    #[tokio::test]
    async fn version_1_unknown_keeps_the_connections_own_addresses() {
        assert_eq!(parse(b"PROXY UNKNOWN ffff::1 x\r\n").await.unwrap().0, None);
    }

    #[tokio::test]
    async fn version_2_names_both_ends() {
        let mut header = SIGNATURE_2.to_vec();
        header.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0x04, 0xd2, 0, 80]);
        header.extend(b"GET");
        let (addresses, rest) = parse(&header).await.unwrap();
        let expected = Addresses { source: v4([192, 0, 2, 1], 1234), destination: v4([198, 51, 100, 2], 80) };
        assert_eq!(addresses, Some(expected));
        assert_eq!(rest, b"GET");
    }

    #[tokio::test]
    async fn version_2_local_is_the_load_balancer_itself() {
        let mut header = SIGNATURE_2.to_vec();
        header.extend([0x20, 0, 0, 0]);
        assert_eq!(parse(&header).await.unwrap().0, None);
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            b"PROXY TCP4",
            &[&SIGNATURE_2[..], &[0x21, 0x11, 0, 3, 1, 2, 3]].concat(),
            &[&SIGNATURE_2[..], &[0x31, 0x11, 0, 0]].concat(),
            &[b'A'; 200],
        ] {
            assert!(parse(bytes).await.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
