//! Where a bucket is: `s3://name/prefix`, `gs://name/prefix`, `azure://container/prefix`, `file:///directory`, `memory:`.

use std::{fmt, path::PathBuf, str::FromStr};

use object_store::path::Path;

/// A bucket's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketUrl {
    /// Amazon S3, or a server that speaks its protocol.
    S3(Remote),
    /// Google Cloud Storage.
    Gcs(Remote),
    /// Azure Blob Storage.
    Azure(Remote),
    /// A directory of this machine, synced to its disk.
    Directory(PathBuf),
    /// This process's memory: gone with it.
    Memory,
}

/// A bucket of a provider, and where in it our keys begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Bucket or container.
    pub name: String,
    /// Before every key; empty for none.
    pub prefix: Path,
}

/// A text that is no place of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketUrlError {
    /// No `scheme:` at the start.
    #[error(
        "{0:?} has no scheme; expected s3://NAME, gs://NAME, azure://CONTAINER, file:///DIRECTORY or memory:"
    )]
    NoScheme(String),
    /// Not one of ours.
    #[error("unknown scheme {0:?}; expected s3, gs, azure, file or memory")]
    UnknownScheme(String),
    /// Nothing between the scheme and the first slash.
    #[error("no bucket name: expected {0}://NAME or {0}://NAME/PREFIX")]
    NoName(&'static str),
    /// The name holds what no bucket's may.
    #[error(
        "the bucket name {0:?} may hold only letters, digits, '.', '-' and '_'; addresses and keys have settings of their own"
    )]
    Name(String),
    /// The prefix is no path of plain segments.
    #[error(
        "the prefix {0:?} must be segments separated by single slashes, without '.', '..' or control characters"
    )]
    Prefix(String),
    /// Not an absolute directory.
    #[error("the directory {0:?} must be absolute: file:///DIRECTORY")]
    Directory(String),
    /// `memory:` with more behind it.
    #[error("nothing may follow memory:, found {0:?}")]
    Memory(String),
}

impl FromStr for BucketUrl {
    type Err = BucketUrlError;

    fn from_str(text: &str) -> Result<Self, BucketUrlError> {
        let shown = |text: &str| text.chars().take(200).collect::<String>();
        let (scheme, rest) = text.split_once(':').ok_or_else(|| BucketUrlError::NoScheme(shown(text)))?;
        match scheme {
            "s3" => remote("s3", rest).map(Self::S3),
            "gs" => remote("gs", rest).map(Self::Gcs),
            "azure" => remote("azure", rest).map(Self::Azure),
            "file" => match rest.strip_prefix("//") {
                Some(path) if path.starts_with('/') => Ok(Self::Directory(path.into())),
                _ => Err(BucketUrlError::Directory(shown(rest))),
            },
            "memory" if rest.trim_matches('/').is_empty() => Ok(Self::Memory),
            "memory" => Err(BucketUrlError::Memory(shown(rest))),
            other => Err(BucketUrlError::UnknownScheme(shown(other))),
        }
    }
}

fn remote(scheme: &'static str, rest: &str) -> Result<Remote, BucketUrlError> {
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if name.is_empty() {
        return Err(BucketUrlError::NoName(scheme));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return Err(BucketUrlError::Name(name.chars().take(200).collect()));
    }
    let trimmed = prefix.strip_suffix('/').unwrap_or(prefix);
    let wrong = || BucketUrlError::Prefix(prefix.chars().take(200).collect());
    // The store's own check knows encodings; what it would have to encode is refused, so that keys look as they are typed.
    let parsed = Path::parse(trimmed).map_err(|_| wrong())?;
    if parsed.as_ref() == trimmed && (prefix.is_empty() || !trimmed.is_empty()) {
        Ok(Remote { name: name.to_owned(), prefix: parsed })
    } else {
        Err(wrong())
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut remote = |scheme: &str, Remote { name, prefix }: &Remote| match prefix.as_ref() {
            "" => write!(f, "{scheme}://{name}"),
            prefix => write!(f, "{scheme}://{name}/{prefix}"),
        };
        match self {
            Self::S3(place) => remote("s3", place),
            Self::Gcs(place) => remote("gs", place),
            Self::Azure(place) => remote("azure", place),
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, prefix: &str) -> Remote {
        Remote { name: name.into(), prefix: Path::from(prefix) }
    }

    #[test]
    fn places_read_back() {
        for (text, url) in [
            ("s3://metrics", BucketUrl::S3(place("metrics", ""))),
            ("s3://metrics/prod/eu", BucketUrl::S3(place("metrics", "prod/eu"))),
            ("gs://my.metrics-1", BucketUrl::Gcs(place("my.metrics-1", ""))),
            ("azure://box/narthex", BucketUrl::Azure(place("box", "narthex"))),
            ("file:///var/lib/narthex", BucketUrl::Directory("/var/lib/narthex".into())),
            ("memory:", BucketUrl::Memory),
        ] {
            assert_eq!(text.parse(), Ok(url.clone()), "{text}");
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("s3://metrics/prod/".parse(), Ok(BucketUrl::S3(place("metrics", "prod"))));
        assert_eq!("s3://metrics/".parse(), Ok(BucketUrl::S3(place("metrics", ""))));
        assert_eq!("memory://".parse(), Ok(BucketUrl::Memory));
    }

    #[test]
    fn a_wrong_place_is_told_by_its_wrong_part() {
        for (text, part) in [
            ("", "no scheme"),
            ("/var/lib", "no scheme"),
            ("ftp://x", "unknown scheme \"ftp\""),
            ("s3:", "no bucket name: expected s3://NAME"),
            ("s3://", "no bucket name"),
            ("gs:///prefix", "no bucket name: expected gs://NAME"),
            ("s3://key:secret@metrics", "bucket name \"key:secret@metrics\""),
            ("s3://metrics?region=x", "bucket name \"metrics?region=x\""),
            ("s3://metrics/a//b", "prefix \"a//b\""),
            ("s3://metrics/../b", "prefix \"../b\""),
            ("s3://metrics//", "prefix \"/\""),
            ("file://var/lib", "must be absolute"),
            ("file:relative", "must be absolute"),
            ("memory:x", "nothing may follow"),
        ] {
            let error = text.parse::<BucketUrl>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
