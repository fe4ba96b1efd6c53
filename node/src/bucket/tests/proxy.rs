//! A proxy in front of a server, with moods: requests go through, are answered with an error, or are answered with a success
//! that never happened.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// What becomes of a connection's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Passes,
    /// 503 to everything.
    Fails,
    /// 200 to what writes; the rest goes through.
    Lies,
    /// 403 to what deletes; the rest goes through.
    ForbidsDeleting,
    /// Everything goes through, with a header that moto asks for where S3 is content with the checksum itself.
    NamesChecksum,
}

#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) port: u16,
    mood: Arc<Mutex<Between>>,
}

impl Proxy {
    pub(super) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Between::Passes));
        let moods = Arc::clone(&mood);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, port, Arc::clone(&moods)));
            }
        });
        Self { port: here, mood }
    }

    pub(super) fn mood(&self, mood: Between) {
        *self.mood.lock().unwrap() = mood;
    }
}

async fn serve(mut client: TcpStream, port: u16, mood: Arc<Mutex<Between>>) {
    let mut head = Vec::new();
    // The mood is looked at for the first request of a connection, and the connection then closed unless it passes.
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        match client.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&chunk[..read]),
        }
    }
    let mood = *mood.lock().unwrap();
    let writes = head.starts_with(b"PUT") || head.starts_with(b"POST");
    let answer = match mood {
        Between::Fails => Some("503 Service Unavailable"),
        Between::Lies if writes => Some("200 OK\r\nETag: \"0\""),
        Between::ForbidsDeleting if head.starts_with(b"DELETE") => Some("403 Forbidden"),
        Between::Passes | Between::Lies | Between::ForbidsDeleting | Between::NamesChecksum => None,
    };
    if let Some(answer) = answer {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        drop(client.write_all(answer.as_bytes()).await);
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // One request a connection, so that the next is looked at again.
    let more = match mood {
        Between::NamesChecksum => "x-amz-sdk-checksum-algorithm: SHA256\r\nConnection: close",
        Between::Passes | Between::Fails | Between::Lies | Between::ForbidsDeleting => {
            "Connection: close"
        }
    };
    let head = String::from_utf8_lossy(&head).replacen("\r\n", &format!("\r\n{more}\r\n"), 1);
    if server.write_all(head.as_bytes()).await.is_ok() {
        drop(copy_bidirectional(&mut client, &mut server).await);
    }
}
