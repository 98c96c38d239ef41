use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use tempfile::TempDir;

use super::wire::{Label, Message};
use super::*;

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn traffic(socket: &TcpListener) -> (Purpose, TcpListener) {
    let key = SocketKey::new(socket.local_addr().unwrap(), None);
    (Purpose::Traffic(key), socket.try_clone().unwrap())
}

/// A process that serves on these sockets, and can be found at `path`.
async fn serving(path: &Path, sockets: Vec<TcpListener>) -> Place {
    let (taking, inherited) = take(path).await.unwrap();
    assert!(inherited.is_empty(), "nobody was there");
    let giver = taking.finish().await.unwrap();
    giver.give(move || Ok(sockets.iter().map(traffic).collect()))
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("upgrade.sock")
}

#[tokio::test]
async fn every_socket_passes_with_what_it_is_for() {
    let folder = TempDir::new().unwrap();
    // More than fit one message.
    let sockets: Vec<TcpListener> = (0..100).map(|_| listener()).collect();
    let addresses: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let mut place = serving(&path(&folder), sockets).await;
    let (taking, inherited) = take(&path(&folder)).await.unwrap();
    let found: Vec<SocketAddr> = inherited.iter().map(|(_, socket)| socket.local_addr().unwrap()).collect();
    assert_eq!(found, addresses);
    for ((purpose, _), address) in inherited.iter().zip(&addresses) {
        assert_eq!(*purpose, Purpose::Traffic(SocketKey::new(*address, None)));
    }
    taking.finish().await.unwrap();
    assert_eq!(place.taken().await, std::process::id());
}

#[tokio::test]
async fn a_connection_that_waits_is_accepted_by_whoever_comes_first() {
    let folder = TempDir::new().unwrap();
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let place = serving(&path(&folder), vec![socket]).await;
    let mut client = TcpStream::connect(address).unwrap();
    let (_taking, inherited) = take(&path(&folder)).await.unwrap();
    // The running process goes away with all that it has.
    drop(place);
    let (mut served, _) = inherited[0].1.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    served.set_nonblocking(false).unwrap();
    served.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone_and_goes_with_the_process() {
    let folder = TempDir::new().unwrap();
    let place = serving(&path(&folder), Vec::new()).await;
    assert_eq!(fs::metadata(path(&folder)).unwrap().permissions().mode() & 0o777, MODE);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no other file is left");
    drop(place);
    assert!(!path(&folder).exists());
}

#[tokio::test]
async fn the_file_of_the_new_process_outlives_the_old_one() {
    let folder = TempDir::new().unwrap();
    let old = serving(&path(&folder), Vec::new()).await;
    let new = take(&path(&folder)).await.unwrap().0.finish().await.unwrap().give(|| Ok(Vec::new()));
    drop(old);
    assert!(UnixStream::connect(path(&folder)).await.is_ok());
    drop(new);
    assert!(!path(&folder).exists());
}

#[tokio::test]
async fn a_file_that_a_killed_process_left_is_in_nobodys_way() {
    let folder = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(path(&folder)).unwrap());
    assert!(path(&folder).exists());
    let place = serving(&path(&folder), Vec::new()).await;
    assert!(UnixStream::connect(path(&folder)).await.is_ok());
    drop(place);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(path(&folder), "precious").unwrap();
    let error = take(&path(&folder)).await.err().unwrap().to_string();
    assert!(error.contains("is no socket") && error.contains("give another path"), "{error}");
    assert_eq!(fs::read_to_string(path(&folder)).unwrap(), "precious");
}

#[tokio::test]
async fn a_folder_that_is_missing_is_told() {
    let folder = TempDir::new().unwrap();
    let error = take(&folder.path().join("none/upgrade.sock")).await.err().unwrap().to_string();
    assert!(error.contains("none/upgrade.sock") && error.contains("its folder must exist"), "{error}");
}

#[tokio::test]
async fn of_two_new_processes_one_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut place = serving(&path(&folder), vec![listener()]).await;
    let (first, _) = take(&path(&folder)).await.unwrap();
    let error = take(&path(&folder)).await.err().unwrap().to_string();
    assert!(error.contains("is about to take over: try again"), "{error}");
    first.finish().await.unwrap();
    place.taken().await;
}

#[tokio::test]
async fn who_fails_before_it_is_ready_leaves_the_place_to_others() {
    let folder = TempDir::new().unwrap();
    let mut place = serving(&path(&folder), vec![listener()]).await;
    drop(take(&path(&folder)).await.unwrap());
    let (second, sockets) = loop {
        // The running process needs a moment to see that the first has gone.
        match take(&path(&folder)).await {
            Ok(taken) => break taken,
            Err(HandoverError::Refused { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(sockets.len(), 1);
    second.finish().await.unwrap();
    place.taken().await;
}

#[tokio::test]
async fn who_is_ready_and_dies_leaves_the_place_to_who_has_it() {
    let folder = TempDir::new().unwrap();
    let mut place = serving(&path(&folder), Vec::new()).await;
    let mut first = UnixStream::connect(path(&folder)).await.unwrap();
    assert!(matches!(wire::hear(&mut first).await.unwrap(), Message::Offer { .. }));
    wire::say(&mut first, &Message::Ready).await.unwrap();
    drop(first);
    let next = async {
        loop {
            match take(&path(&folder)).await {
                Ok((taking, _)) => break taking,
                Err(HandoverError::Refused { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let next = tokio::select! {
        biased;
        pid = place.taken() => panic!("{pid} has it"),
        next = next => next,
    };
    next.finish().await.unwrap();
    place.taken().await;
}

/// As another user, in a thread of its own: what it read of the offer, and what its own side says.
fn as_somebody_else(path: PathBuf) -> (Vec<u8>, String) {
    let visit = move || {
        let nobody = Uid::from_raw(65_534);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut offered = Vec::new();
        std::os::unix::net::UnixStream::connect(&path).unwrap().read_to_end(&mut offered).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(take(&path)).err().unwrap().to_string();
        (offered, error)
    };
    std::thread::spawn(visit).join().unwrap()
}

/// Only root can be somebody else; for anybody else the file's mode is all that is tested.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_user_gets_nothing_even_where_the_file_lets_it() {
    if !rustix::process::geteuid().is_root() {
        return the_other_users_are_kept_out_by_the_mode().await;
    }
    let folder = TempDir::new().unwrap();
    let mut place = serving(&path(&folder), vec![listener()]).await;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path(&folder), fs::Permissions::from_mode(0o666)).unwrap();
    let (offered, error) = as_somebody_else(path(&folder));
    assert_eq!(offered, b"");
    assert!(error.contains("runs as user 0, this one as 65534"), "{error}");
    // The place is still to be had.
    let (taking, inherited) = take(&path(&folder)).await.unwrap();
    assert_eq!(inherited.len(), 1);
    taking.finish().await.unwrap();
    place.taken().await;
}

async fn the_other_users_are_kept_out_by_the_mode() {
    let folder = TempDir::new().unwrap();
    let _place = serving(&path(&folder), Vec::new()).await;
    assert_eq!(fs::metadata(path(&folder)).unwrap().permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error() {
    let (mut one, mut other) = UnixStream::pair().unwrap();
    wire::say(&mut one, &Message::Ready).await.unwrap();
    assert_eq!(wire::hear(&mut other).await.unwrap(), Message::Ready);
    tokio::io::AsyncWriteExt::write_all(&mut one, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(wire::hear(&mut other).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    drop(one);
    let label = Label::from(&Purpose::Admin(SocketAddr::from(([127, 0, 0, 1], 1))));
    assert!(wire::receive(&other, vec![label]).await.is_err(), "no socket ever came");
}

#[tokio::test]
async fn a_descriptor_that_is_no_listener_is_refused() {
    let (one, other) = UnixStream::pair().unwrap();
    let server = listener();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let purpose = Purpose::Ops(server.local_addr().unwrap());
    let label = Label::from(&purpose);
    let connected = TcpListener::from(std::os::fd::OwnedFd::from(client));
    wire::send(&one, &vec![(purpose, connected)]).await.unwrap();
    let error = wire::receive(&other, vec![label]).await.unwrap_err();
    assert!(error.to_string().contains("no listening socket"), "{error}");
}
