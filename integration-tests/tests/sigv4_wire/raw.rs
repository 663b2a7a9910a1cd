//! Requests as bytes, and the HMACs of a signature by hand: what no HTTP client and no signer changes or refuses to send.

use anyhow::{Context, Result};
use ring::{digest, hmac};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A reply to bytes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Name of the error, of either protocol; empty where there is none.
    pub(super) error: String,
    pub(super) text: String,
}

/// Sends bytes on a connection of their own, which they must ask to be closed, and reads to its end.
pub(super) async fn send(base: &str, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no HTTP reply: {text:?}"))?;
    let header = text.lines().find(|line| line.to_lowercase().starts_with("x-amzn-errortype:"));
    let in_header = header.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    let in_body = || Some(text.split_once("<Code>")?.1.split_once("</")?.0.to_owned());
    let error = in_body().or(in_header).unwrap_or_default();
    Ok(Answer { status, error, text })
}

/// Signs for a day, a region and a service.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) access_key_id: String,
    pub(super) secret: String,
    /// `yyyymmddThhmmssZ`.
    pub(super) at: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    fn name(&self) -> String {
        format!("{}/{}/{}/aws4_request", &self.at[..8], self.region, self.service)
    }

    pub(super) fn credential(&self) -> String {
        format!("{}/{}", self.access_key_id, self.name())
    }

    /// The signature of a canonical request.
    pub(super) fn sign(&self, canonical: &str) -> String {
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        self.sign_text(&format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.at, self.name()))
    }

    /// The signature of a string to sign.
    pub(super) fn sign_text(&self, text: &str) -> String {
        let start = format!("AWS4{}", self.secret).into_bytes();
        let parts = [&self.at[..8], self.region.as_str(), self.service.as_str(), "aws4_request", text];
        hex(&parts.iter().fold(start, |key, part| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
        }))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Milliseconds as `yyyymmddThhmmssZ`.
pub(super) fn amz_date(at: i64) -> String {
    let (days, second) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000) / 1_000);
    // Days to a date, in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * from_march + 2) / 5 + 1, (from_march + 2) % 12 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(amz_date(1_795_435_200_000), "20261123T120000Z");
    assert_eq!(amz_date(951_782_399_000), "20000228T235959Z");
    assert_eq!(amz_date(951_782_400_000), "20000229T000000Z");
}
