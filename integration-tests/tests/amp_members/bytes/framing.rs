//! Requests whose own words on where they end are wrong, byte by byte on a connection.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_service::timeout;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{super::stock::Target, LIMIT};

/// What a request gets.
#[derive(Clone, Copy)]
enum Wanted {
    /// These statuses, in turn, on the connection.
    Statuses(&'static [u16]),
    /// A refusal with 4xx, or the end of the connection without a word.
    Refused,
    /// The same, when the client has said that no more comes.
    CutShort,
}
use Wanted::{CutShort, Refused, Statuses};

pub(crate) async fn check(target: &Target<'_>) -> Result<()> {
    let create = |headers: &str, body: &str| target.head("POST", "/workspaces", body, headers);
    let many = "x".repeat(1 << 20);
    let endless = format!("100000\r\n{}\r\n", " ".repeat(1 << 20)).repeat(9);
    let cases = [
        ("as it should be", create("content-length: 2", "{}")? + "{}", Statuses(&[202])),
        (
            "in pieces",
            create("transfer-encoding: chunked", "{}")? + "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            Statuses(&[202]),
        ),
        (
            "more than declared",
            create("content-length: 2", "{}")? + "{}nonsense\r\n\r\n",
            Statuses(&[202, 400]),
        ),
        ("less than declared", create("content-length: 3", "{}")? + "{}", CutShort),
        ("two lengths", create("content-length: 2\r\ncontent-length: 3", "{}")? + "{}", Statuses(&[400])),
        ("a negative length", create("content-length: -2", "{}")? + "{}", Statuses(&[400])),
        ("a length that is no number", create("content-length: two", "{}")? + "{}", Statuses(&[400])),
        ("a huge length", create("content-length: 100000000000", "{}")?, Statuses(&[413])),
        (
            "a length beyond numbers",
            create("content-length: 100000000000000000000000", "{}")?,
            Statuses(&[400]),
        ),
        ("pieces without end", create("transfer-encoding: chunked", "{}")? + &endless, Statuses(&[413])),
        ("a piece of no size", create("transfer-encoding: chunked", "{}")? + "xyz\r\n{}\r\n", Refused),
        ("an unknown coding", create("transfer-encoding: gzip", "{}")? + "{}", Refused),
        ("a header of a megabyte", create(&format!("x-long: {many}"), "")?, Refused),
        ("no request line", "nonsense\r\n\r\n".to_owned(), Statuses(&[400])),
        ("another protocol", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".to_owned(), Refused),
    ];
    for (what, bytes, wanted) in cases {
        let statuses = exchange(target, bytes.as_bytes(), wanted).await.context(what)?;
        let fits = match wanted {
            Statuses(wanted) => statuses == wanted,
            Refused | CutShort => statuses.iter().all(|status| (400..500).contains(status)),
        };
        ensure!(fits, "{what} was answered with {statuses:?}");
    }
    Ok(())
}

impl Target<'_> {
    /// The head of a request that is signed for `body`, with further headers that are not.
    fn head(&self, method: &str, path: &str, body: &str, headers: &str) -> Result<String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.plane.base))
            .body(Bytes::from(body.to_owned()))?;
        let signer = self.plane.api.signer.as_ref().context("the client signs")?;
        signer.sign(&mut request, &*self.sandbox.clock)?;
        let host = request.uri().authority().context("an address")?.to_string();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
        for (name, value) in request.headers() {
            head += &format!("{name}: {}\r\n", value.to_str()?);
        }
        Ok(head + "\r\n")
    }
}

/// Sends; the statuses of the answers, which have to be there soon, up to as many as are wanted or until the other side closes.
async fn exchange(target: &Target<'_>, bytes: &[u8], wanted: Wanted) -> Result<Vec<u16>> {
    let address = target.plane.base.trim_start_matches("http://");
    let count = if let Statuses(statuses) = wanted { statuses.len() } else { 1 };
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        let (mut reading, mut writing) = stream.split();
        let send = async {
            // The other side may have had enough before all is sent.
            let _ = writing.write_all(bytes).await;
            if matches!(wanted, CutShort) {
                let _ = writing.shutdown().await;
            }
            std::future::pending().await
        };
        let mut answer = Vec::new();
        let receive = async {
            let mut piece = vec![0; 64 << 10];
            while let Ok(length @ 1..) = reading.read(&mut piece).await {
                answer.extend_from_slice(&piece[..length]);
                if statuses(&answer)?.len() >= count {
                    break;
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        tokio::select! {
            done = receive => done?,
            () = send => {}
        }
        statuses(&answer)
    };
    timeout(&*target.sandbox.clock, LIMIT, talk).await?
}

fn statuses(answer: &[u8]) -> Result<Vec<u16>> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3));
    lines.map(|status| status.parse().context("a status")).collect()
}
