//! Pages whose bytes are anything: damage or values, but never a panic, and never more values than stated.

use proptest::prelude::*;

use super::*;
use crate::{schema::HISTOGRAM_COLUMNS, writer::coding::Coding};

/// A data page of version 1 with a correct header around any body.
fn page(values: i32, encoding: i32, body: &[u8]) -> Bytes {
    page_with(values, encoding, body, None)
}

fn page_with(values: i32, encoding: i32, body: &[u8], checksum: Option<u32>) -> Bytes {
    let mut page = vec![0x15, 0x00];
    let number = |value: i32, page: &mut Vec<u8>| {
        page.push(0x15);
        let mut rest = (value << 1) ^ (value >> 31);
        while rest as u32 >= 0x80 {
            page.push(rest as u8 | 0x80);
            rest = (rest as u32 >> 7) as i32;
        }
        page.push(rest as u8);
    };
    number(body.len() as i32, &mut page);
    number(body.len() as i32, &mut page);
    match checksum {
        Some(checksum) => {
            number(checksum.cast_signed(), &mut page);
            page.push(0x1C);
        }
        None => page.push(0x2C),
    }
    for value in [values, encoding, 3, 3] {
        number(value, &mut page);
    }
    page.extend([0, 0]);
    page.extend_from_slice(body);
    page.into()
}

/// Levels of one run each, in the form of version 1, then values: every value is the first of its row.
fn body(column: Column, count: usize, values: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let (def, rep) = column.levels();
    let runs = [(rep > 0).then_some(0), (def > 0).then_some(def)];
    for level in runs.into_iter().flatten() {
        let mut run = Vec::new();
        let mut head = count << 1;
        while head >= 0x80 {
            run.push(head as u8 | 0x80);
            head >>= 7;
        }
        run.extend([head as u8, level]);
        body.extend((run.len() as u32).to_le_bytes());
        body.extend(run);
    }
    body.extend_from_slice(values);
    body
}

fn columns() -> impl Strategy<Value = Column> {
    let mut all = vec![
        Column::Label(0),
        Column::MapKey,
        Column::SeriesHash,
        Column::Exponent,
        Column::Timestamps,
        Column::Decimals,
        Column::Values,
    ];
    all.extend(HISTOGRAM_COLUMNS);
    proptest::sample::select(all)
}

/// Decodes a page as every kind of column that it can be; returns rows.
fn decode(page: &Bytes, codec: Codec, column: Column) -> Result<usize, Damage> {
    let body = Body::open(page, codec, column)?;
    assert!(body.count <= MAX_PAGE_VALUES);
    let text = TextPage::decode(&body, None).map(|page| page.rows());
    let texts = TextListPage::decode(&body, None).map(|page| page.rows());
    let flat = FlatPage::decode(&body, column).map(|page| page.rows());
    let integers = ListPage::<i64>::decode(&body, column).map(|page| page.rows());
    let doubles = ListPage::<f64>::decode(&body, column).map(|page| page.rows());
    let nested = NestedPage::<i64>::decode(&body, column).map(|page| page.rows());
    let nested_doubles = NestedPage::<f64>::decode(&body, column).map(|page| page.rows());
    text.or(texts).or(flat).or(integers).or(doubles).or(nested).or(nested_doubles)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_page_or_a_page(bytes in proptest::collection::vec(any::<u8>(), 0..80), column in columns()) {
        let _ = decode(&bytes.into(), Codec::Plain, column);
    }

    #[test]
    fn any_body_behind_a_header_is_damage_or_values(
        values in prop_oneof![0i32..100, any::<i32>()],
        encoding in 0i32..11,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        column in columns(),
        zstd: bool,
    ) {
        let codec = if zstd { Codec::Zstd } else { Codec::Plain };
        let _ = decode(&page(values, encoding, &bytes), codec, column);
        if let Ok(count) = usize::try_from(values) {
            let _ = decode(&page(values, encoding, &body(column, count.min(1 << 20), &bytes)), codec, column);
        }
    }
}

/// Integers as samples have them: any, of one pace, of nearly one, growing, and up and down, with a leap now and then.
fn integers() -> impl Strategy<Value = Vec<i64>> {
    let steps = (any::<i64>(), -70_000i64..70_000, 0u32..33).prop_flat_map(|(start, pace, bits)| {
        let step = prop_oneof![
            20 => (-(1i64 << bits)..=1 << bits).prop_map(move |noise| pace + noise),
            1 => any::<i64>(),
        ];
        proptest::collection::vec(step, 0..400).prop_map(move |steps| {
            let mut at = start;
            steps
                .into_iter()
                .map(|step| {
                    at = at.wrapping_add(step);
                    at
                })
                .collect()
        })
    });
    prop_oneof![steps, proptest::collection::vec(any::<i64>(), 0..400)]
}

proptest! {
    #[test]
    fn every_coding_gives_integers_back(values in integers()) {
        let column = Column::Timestamps;
        let plain: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
        for coding in [Coding::Plain, Coding::Split, Coding::Packed { block: 128 }, Coding::Packed { block: 1024 }] {
            let mut encoded = Vec::new();
            coding.encode(&plain, &mut encoded);
            let page = page(values.len() as i32, coding.encoding() as i32, &body(column, values.len(), &encoded));
            let opened = Body::open(&page, Codec::Plain, column).expect("a page");
            prop_assert_eq!(i64::decode(&opened, column, values.len()), Ok(values.clone()));
        }
    }
}

#[test]
fn a_run_that_claims_more_than_a_page_may_hold_is_refused() {
    let column = Column::Timestamps;
    let count = MAX_PAGE_VALUES + 1;
    let huge = page(count as i32, encoding::DELTA_BINARY_PACKED, &body(column, count, &[]));
    let error = Body::open(&huge, Codec::Plain, column).err().expect("too many");
    assert!(error.0.contains("states"), "{}", error.0);
}

#[test]
fn plain_integers_read_back() {
    let values: Vec<u8> = [5i64, -7].iter().flat_map(|value| value.to_le_bytes()).collect();
    let column = Column::Timestamps;
    let opened = Body::open(&page(2, encoding::PLAIN, &body(column, 2, &values)), Codec::Plain, column);
    let list = ListPage::<i64>::decode(&opened.expect("a page"), column).expect("two rows");
    assert_eq!(
        (list.rows(), list.row(0).dense(), list.row(1).dense()),
        (2, Some(&[5i64][..]), Some(&[-7i64][..]))
    );
}

#[test]
fn a_page_is_held_to_its_checksum_if_it_has_one() {
    let column = Column::Timestamps;
    let intact = body(column, 2, &[0; 16]);
    let checksum = crc32fast::hash(&intact);
    let open = |body: &[u8], checksum| {
        Body::open(&page_with(2, encoding::PLAIN, body, checksum), Codec::Plain, column).map(drop)
    };
    assert_eq!(open(&intact, Some(checksum)), Ok(()));
    for at in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x10;
        let error = open(&damaged, Some(checksum)).expect_err("damaged");
        assert!(error.0.contains("checksum"), "byte {at}: {}", error.0);
    }
    assert_eq!(open(&intact, None), Ok(()));
}
