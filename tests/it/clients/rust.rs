//! The scenario by tokio-postgres, in this process.

use countersign_tests::{
    agent::{Agent, Login, detail, sqlstate},
    cluster::Cluster,
};
use futures::{SinkExt as _, TryStreamExt as _};
use std::{path::Path, pin::pin, time::Duration};
use tokio::{net::TcpStream, time::sleep};
use tokio_postgres::{CancelToken, Client, tls::MakeTlsConnect};

pub(super) const NAME: &str = "tokio-postgres";
const READ: &str = "SELECT note FROM orders WHERE id = $1";
const LONG: &str =
    "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f";
const PARKS: &str = "INSERT INTO parked (id) VALUES ('tokio-postgres')";
/// Between two cancels, and between two attempts at what is parked.
const REST: Duration = Duration::from_millis(500);

fn writes(what: &str) -> String {
    format!("INSERT INTO written (id) VALUES ('{NAME} {what}')")
}

async fn note(client: &Client, id: i64) -> String {
    client.query_one(READ, &[&id]).await.unwrap().get(0)
}

/// The steps that went as they should.
pub(super) async fn goes(cluster: &Cluster, certificate: &Path) -> Vec<String> {
    let login = cluster.login(1).unwrap();
    let Agent { client, notices: _notices } = login.connect().await.unwrap();
    let certified = cluster.login(2).unwrap().certified(certificate).connect().await.unwrap();
    let other = cluster.login(3).unwrap();
    let steps = [
        ("token", note(&client, 5).await == "order 5"),
        ("certificate", note(&certified.client, 5).await == "order 5"),
        ("prepared", prepared(&client).await),
        ("transaction", transaction(&client).await),
        ("copy-out", copy_out(&client).await),
        ("copy-in", copy_in(&client).await),
        ("masked", masked(&client).await),
        ("approved", client.execute(&writes("approve"), &[]).await.unwrap() == 1),
        ("rejected", ends_with(&client, &writes("reject"), "42501").await),
        ("parked", parked(&client).await && repeated(&other).await),
        ("cancelled-held", cancelled(&client, &writes("cancel"), &other).await),
        ("cancelled-running", cancelled(&client, LONG, &other).await),
    ];
    steps.iter().filter(|(_, done)| *done).map(|(name, _)| (*name).to_owned()).collect()
}

async fn prepared(client: &Client) -> bool {
    let statement = client.prepare(READ).await.unwrap();
    let mut all = true;
    for id in [5_i64, 6] {
        let row = client.query_one(&statement, &[&id]).await.unwrap();
        all &= row.get::<_, String>(0) == format!("order {id}");
    }
    all
}

async fn transaction(client: &Client) -> bool {
    client.batch_execute("BEGIN").await.unwrap();
    let inside = note(client, 6).await;
    client.batch_execute("COMMIT").await.unwrap();
    inside == "order 6"
}

async fn copy_out(client: &Client) -> bool {
    let copy = format!("COPY (SELECT id, '{NAME}' FROM orders WHERE id = 3) TO STDOUT");
    let chunks: Vec<_> = client.copy_out(&copy).await.unwrap().try_collect().await.unwrap();
    chunks.concat() == format!("3\t{NAME}\n").into_bytes()
}

async fn copy_in(client: &Client) -> bool {
    let copy = format!("COPY written (id) FROM STDIN /* {NAME} */");
    let mut sink = pin!(client.copy_in(&copy).await.unwrap());
    sink.send(bytes::Bytes::from(format!("{NAME} copied\n"))).await.unwrap();
    sink.finish().await.unwrap() == 1
}

async fn masked(client: &Client) -> bool {
    let row = client.query_one("SELECT owner FROM accounts WHERE id = $1", &[&3_i64]).await;
    row.unwrap().get::<_, String>(0) == "[redacted]"
}

async fn ends_with(client: &Client, text: &str, code: &str) -> bool {
    client.execute(text, &[]).await.is_err_and(|error| sqlstate(&error) == code)
}

async fn parked(client: &Client) -> bool {
    let error = client.execute(PARKS, &[]).await.unwrap_err();
    sqlstate(&error) == "57014" && detail(&error).contains("hold_")
}

/// At another node, until it was approved.
async fn repeated(other: &Login) -> bool {
    let client = other.connect().await.unwrap().client;
    loop {
        match client.execute(PARKS, &[]).await {
            Ok(written) => return written == 1,
            Err(error) if sqlstate(&error) == "57014" => sleep(REST).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Cancels through another node until the statement ends: a cancel that comes before it is not about it.
async fn cancelled(client: &Client, text: &str, through: &Login) -> bool {
    let key = client.cancel_token();
    let cancelling = async {
        loop {
            sleep(REST).await;
            cancel(&key, through).await;
        }
    };
    tokio::select! {
        ended = ends_with(client, text, "57014") => ended,
        () = cancelling => unreachable!("it has no end"),
    }
}

async fn cancel(key: &CancelToken, through: &Login) {
    let stream = TcpStream::connect((through.host.as_str(), through.port)).await.unwrap();
    let mut tls = through.tls().unwrap();
    let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &through.host).unwrap();
    key.cancel_query_raw(stream, tls).await.unwrap();
}
