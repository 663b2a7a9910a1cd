//! Bodies that are cut off, that lie about their size, and that are no write request at all.

use anyhow::ensure;
use bytes::Bytes;
use narthex_integration_tests::wire::{WriteRequest, bytes_field, compress, varint};

use crate::bad_input::on_target;

#[test]
fn truncated_snappy() {
    on_target(async |target| {
        let whole = WriteRequest::one(&[("__name__", "cut")], &[(target.now, 1.0)]).compressed();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            let reply = target.write(whole.slice(..length)).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{length} bytes: {reply}");
        }
        ensure!(target.held("cut").await?.is_empty());
        Ok(())
    });
}

#[test]
fn snappy_bomb() {
    on_target(async |target| {
        // A block that declares 4 GiB and has nothing.
        let mut declared = Vec::new();
        varint(&mut declared, u64::from(u32::MAX));
        declared.extend_from_slice(&[0; 100]);
        target.refuses(declared.into(), 413, &["33554432"]).await?;
        // The beginning of a true block of one byte more than is accepted, and a whole one of as much as fits.
        let larger = compress(&vec![0; (32 << 20) + 1]).slice(..500_000);
        target.refuses(larger, 413, &["33554432"]).await?;
        let zeros = compress(&vec![0; 20 << 20]);
        ensure!(zeros.len() < 1 << 20, "the bomb has {} bytes", zeros.len());
        let reply = target.write(zeros).await?;
        ensure!(reply.status == 400, "{reply}");
        Ok(())
    });
}

#[test]
fn body_over_the_limit() {
    on_target(async |target| {
        let body = Bytes::from(vec![b'x'; (1 << 20) + 1]);
        let reply = target.refuses(body, 413, &["1048576"]).await?;
        ensure!(reply.header("x-amzn-requestid").len() == 36, "no request id: {reply}");
        ensure!(!reply.header("x-amzn-errortype").is_empty(), "no error type: {reply}");
        Ok(())
    });
}

#[test]
fn truncated_protobuf() {
    on_target(async |target| {
        let whole = WriteRequest::one(&[("__name__", "cut"), ("a", "b")], &[(target.now, 1.0)]);
        let bytes = whole.protobuf();
        for length in 1..bytes.len() {
            let reply = target.write(compress(&bytes[..length])).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{length} bytes: {reply}");
        }
        ensure!(target.held("cut").await?.is_empty());
        Ok(())
    });
}

#[test]
fn hostile_protobuf() {
    on_target(async |target| {
        let mut overlong = vec![0x0a];
        overlong.extend_from_slice(&[0xff; 10]);
        let mut beyond = vec![0x0a];
        varint(&mut beyond, u64::MAX >> 1);
        for (name, message) in [
            ("an endless varint", overlong),
            ("a length beyond the end", beyond),
            ("field zero", vec![0x02, 0x00]),
            ("a group", vec![0x0b, 0x0c]),
            ("wire type 7", vec![0x0f]),
            ("labels as a number", vec![0x0a, 2, 0x08, 1]),
            ("only ones", vec![0xff; 1000]),
        ] {
            let reply = target.write(compress(&message)).await?;
            ensure!(reply.status == 400 && !reply.body.is_empty(), "{name}: {reply}");
        }
        // A message in itself ten thousand times over ends as the odd name of a label without a value.
        let mut nested = Vec::new();
        for _ in 0..10_000 {
            let inner = std::mem::take(&mut nested);
            bytes_field(&mut nested, 1, &inner);
        }
        let reply = target.write(compress(&nested)).await?;
        ensure!(reply.status == 400 || reply.status.is_success(), "nested fields: {reply}");
        // Half a million empty series in a few bytes each are no error of the encoding, but they have no name.
        let empty: Vec<u8> = [0x0a, 0x00].repeat(500_000);
        let reply = target.write(compress(&empty)).await?;
        ensure!(reply.status == 400 || reply.status.is_success(), "empty series: {reply}");
        ensure!(reply.body.len() < 100_000, "the error has {} bytes", reply.body.len());
        Ok(())
    });
}

#[test]
fn unknown_fields_are_skipped() {
    on_target(async |target| {
        let mut request = WriteRequest::one(&[("__name__", "valid")], &[(target.now, 1.5)]);
        let mut unknown = Vec::new();
        bytes_field(&mut unknown, 900, b"from the future");
        request.raw(&unknown);
        let reply = target.write(request.compressed()).await?;
        ensure!(reply.status.is_success(), "{reply}");
        target.holds_the_valid_rest().await
    });
}

#[test]
fn empty_and_metadata_only_requests_succeed() {
    on_target(async |target| {
        let mut metadata = WriteRequest::default();
        metadata.metadata("m_total", "helps");
        for request in [WriteRequest::default(), metadata] {
            let reply = target.write(request.compressed()).await?;
            ensure!(reply.status.is_success(), "{reply}");
        }
        Ok(())
    });
}

#[test]
fn wrong_content_type_and_encoding() {
    on_target(async |target| {
        let narthex = &target.narthex;
        let body = WriteRequest::one(&[("__name__", "typed")], &[(target.now, 1.0)]).compressed();
        for (header, value) in [
            ("content-encoding", "zstd"),
            ("content-encoding", "gzip"),
            ("content-type", "application/json"),
            ("content-type", "application/x-protobuf;proto=io.prometheus.write.v9.Request"),
        ] {
            let mut request = narthex.api.write_request(&narthex.base, body.clone())?;
            request.headers_mut().insert(header, value.parse()?);
            let reply = narthex.api.send(request).await?;
            ensure!(reply.status == 415, "{header}: {value}: {reply}");
            ensure!(reply.header("x-amzn-requestid").len() == 36, "no request id: {reply}");
        }
        ensure!(target.held("typed").await?.is_empty());
        Ok(())
    });
}
