//! Any sound request: it passes, and each of its members arrives in the typed request as it was sent.

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::{collection::vec, option, prelude::*, sample::select, strategy::Union};
use serde_json::{Map, Value};

use super::{
    assemble,
    sample::{keys, lengths, text},
};
use crate::{
    Operation, parse, route,
    shape::{Kind, Member, Shape},
};

/// Items, entries and characters beyond the fewest.
const MORE: usize = 3;

fn sound(shape: &'static Shape, member: &'static str) -> BoxedStrategy<Value> {
    let value = match shape.kind {
        Kind::String(_) => {
            let (shortest, longest) = lengths(shape, member);
            let padded = move |length| Value::from(text(shape, member, length));
            (shortest..=longest.min(shortest + MORE)).prop_map(padded).boxed()
        }
        Kind::Enum(values) => select(values).prop_map(Value::from).boxed(),
        Kind::Integer(min, max) | Kind::Long(min, max) => {
            prop_oneof![min..=max, min..=max.min(1000)].prop_map(Value::from).boxed()
        }
        // Numbers of few digits: the parser of JSON may miss the last bit of others.
        Kind::Double(min) => {
            (0u32..1000).prop_map(move |quarters| (min + f64::from(quarters) / 4.0).into()).boxed()
        }
        Kind::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Blob => vec(any::<u8>(), 0..9).prop_map(|bytes| BASE64_STANDARD.encode(bytes).into()).boxed(),
        Kind::Timestamp => Just(Value::from(0)).boxed(),
        // No list in a query is empty: there it would be missing.
        Kind::List(of, min, max) => {
            vec(sound(of, member), min.max(1)..=max.min(min + MORE)).prop_map(Value::from).boxed()
        }
        Kind::Map(entries) => {
            let some = vec(sound(entries.value, member), entries.min..=entries.max.min(entries.min + MORE));
            let named = move |values: Vec<Value>| keys(entries.key, values.len()).into_iter().zip(values);
            some.prop_map(move |values| named(values).collect::<Map<_, _>>().into()).boxed()
        }
        Kind::Structure(members) => structure(members),
        Kind::Union(members) => Union::new(members.iter().map(one)).boxed(),
    };
    match shape.rule {
        Some(rule) => value.prop_filter("rules", move |value| rule(value).is_none()).boxed(),
        None => value,
    }
}

fn one(member: &'static Member) -> impl Strategy<Value = Value> + use<> {
    sound(member.shape, member.name)
        .prop_map(|value| Map::from_iter([(member.name.to_owned(), value)]).into())
}

fn structure(members: &'static [Member]) -> BoxedStrategy<Value> {
    let presence = |member: &'static Member| {
        let value = sound(member.shape, member.name);
        if member.required { value.prop_map(Some).boxed() } else { option::weighted(0.7, value).boxed() }
    };
    let all: Vec<_> = members.iter().map(presence).collect();
    let named = |(member, value): (&Member, Option<Value>)| Some((member.name.to_owned(), value?));
    all.prop_map(move |values| members.iter().zip(values).filter_map(named).collect::<Map<_, _>>().into())
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_sound_passes_and_arrives(
        (operation, members) in select(&Operation::ALL[..])
            .prop_flat_map(|operation| (Just(operation), sound(operation.input(), "")))
    ) {
        let raw = assemble::raw(operation, &members);
        let route = route(raw.method, &raw.path).expect("routed");
        let request = parse(&route, &raw.query, raw.body.as_bytes());
        prop_assert!(request.is_ok(), "{:?}: {:?}", raw, request);
        let read = serde_json::to_value(request.expect("just seen")).expect("JSON");
        for (name, sent) in members.as_object().expect("a structure") {
            prop_assert_eq!(Some(sent), read.get(name), "{}", name);
        }
    }
}
