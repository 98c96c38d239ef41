//! A server that fails in a different way each time, as its seed says, and notes what it has worked on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{Connection, Mock};

/// What was worked on, by the path of the request.
pub type Executed = Arc<Mutex<HashMap<String, usize>>>;

pub async fn start(seed: u64, share: f64, executed: &Executed) -> Mock {
    let (rng, executed) = (Mutex::new(fastrand::Rng::with_seed(seed)), Arc::clone(executed));
    Mock::start(move |connection, head| {
        let draw = {
            let mut rng = rng.lock().unwrap();
            (rng.f64() < share).then(|| rng.u8(..8))
        };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let execute = {
            let (executed, path) = (Arc::clone(&executed), path.clone());
            move || *executed.lock().unwrap().entry(path).or_default() += 1
        };
        Box::pin(async move { fail(connection, head, &path, draw, execute).await })
    })
    .await
}

async fn fail(connection: &mut Connection, head: &str, path: &str, draw: Option<u8>, execute: impl FnOnce()) -> bool {
    if draw == Some(0) {
        // It has seen no more than the head.
        return connection.reset();
    }
    if !connection.body_of(head).await {
        return false;
    }
    match draw {
        Some(1) => {
            connection
                .write("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await;
            return false;
        }
        Some(2) => return false,
        _ => execute(),
    }
    match draw {
        Some(3) => return connection.reset(),
        Some(4) => return false,
        Some(5) => {
            let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(3);
            connection.write(&early).await;
        }
        Some(6) => {
            connection.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len())).await;
            return false;
        }
        _ => {}
    }
    connection.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len())).await;
    true
}
