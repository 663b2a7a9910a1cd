//! Remote write 1.0 as bytes, written by hand: what no encoder of ours would produce must be sendable too.

use bytes::Bytes;

/// A `prometheus.WriteRequest` under construction.
#[derive(Debug, Clone, Default)]
pub struct WriteRequest {
    bytes: Vec<u8>,
}

impl WriteRequest {
    /// A request with one series.
    pub fn one<N: AsRef<[u8]>, V: AsRef<[u8]>>(labels: &[(N, V)], samples: &[(i64, f64)]) -> Self {
        let mut request = Self::default();
        request.series(labels, samples);
        request
    }

    /// Appends a series: labels in the given order, unchecked, and (milliseconds, value) pairs.
    pub fn series<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, labels: &[(N, V)], samples: &[(i64, f64)]) {
        let mut series = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            bytes_field(&mut label, 1, name.as_ref());
            bytes_field(&mut label, 2, value.as_ref());
            bytes_field(&mut series, 1, &label);
        }
        for (timestamp, value) in samples {
            let mut sample = vec![1 << 3 | 1];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, timestamp.cast_unsigned());
            bytes_field(&mut series, 2, &sample);
        }
        bytes_field(&mut self.bytes, 1, &series);
    }

    /// Appends a metadata entry of a counter.
    pub fn metadata(&mut self, family: &str, help: &str) {
        let mut entry = vec![1 << 3, 1];
        bytes_field(&mut entry, 2, family.as_bytes());
        bytes_field(&mut entry, 4, help.as_bytes());
        bytes_field(&mut self.bytes, 3, &entry);
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The message, not compressed.
    pub fn protobuf(&self) -> &[u8] {
        &self.bytes
    }

    /// The message in a snappy block, as senders send it.
    pub fn compressed(&self) -> Bytes {
        compress(&self.bytes)
    }
}

/// A snappy block.
pub fn compress(bytes: &[u8]) -> Bytes {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a test body is far below snappy's 4 GiB").into()
}

/// Appends a length-delimited field.
pub fn bytes_field(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    varint(out, u64::from(number << 3 | 2));
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a base-128 varint.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let request = WriteRequest::one(&[("a", "b")], &[(300, 1.0)]);
        let label = [0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'];
        let sample = [0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02];
        let mut expected = vec![0x0a, 22];
        expected.extend(label);
        expected.extend(sample);
        assert_eq!(request.protobuf(), expected);
    }
}
