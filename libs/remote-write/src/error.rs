//! Why a request cannot be decoded. All of these are the sender's fault and final.

/// A request that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a snappy block, or one that is cut off or damaged.
    #[error("{0}")]
    Snappy(String),
    /// The snappy block declares more than is accepted.
    #[error("decompressed request of {size} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Declared size in bytes.
        size: u64,
        /// Accepted size in bytes.
        limit: usize,
    },
    /// More samples than one request may hold.
    #[error("request exceeds the limit of {limit} samples")]
    TooManySamples {
        /// Accepted number.
        limit: usize,
    },
    /// Not the protobuf encoding of a write request.
    #[error("malformed write request at byte {at}: {what}")]
    Wire {
        /// Place in the decompressed body.
        at: usize,
        /// What is wrong there.
        what: WireError,
    },
}

/// What is wrong with the protobuf encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message ends inside a field.
    #[error("unexpected end of message")]
    Truncated,
    /// A varint of more than ten bytes or 64 bits.
    #[error("varint overflows 64 bits")]
    VarintOverflow,
    /// A length that reaches beyond the message around it.
    #[error("field of {length} bytes in a message with {left} bytes left")]
    LengthBeyondEnd {
        /// Stated length.
        length: u64,
        /// Bytes left.
        left: usize,
    },
    /// Field number 0 or above 2^29.
    #[error("invalid field number {0}")]
    FieldNumber(u64),
    /// A wire type that does not exist, or a group (which no version of remote write has).
    #[error("unsupported wire type {0}")]
    WireType(u8),
    /// A known field in another encoding than the schema's.
    #[error("field {field} of {message} has wire type {found}")]
    FieldType {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
        /// The wire type found.
        found: u8,
    },
    /// A packed list of fixed-width numbers whose length is no multiple of the width.
    #[error("packed field of {0} bytes is no list of 8-byte numbers")]
    PackedLength(usize),
    /// A number that does not fit the field's type.
    #[error("number out of range for field {field} of {message}")]
    OutOfRange {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u32,
    },
}
