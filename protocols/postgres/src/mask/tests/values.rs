//! What comes in place of a value, by type and format.

use super::super::{
    scan::scanned,
    types::Type,
    value::{Format, Place, Written, covered},
};
use crate::tests::gate::plan;
use countersign_core::mask::{ColumnMask, ColumnName, Detector, MaskKind, MaskPlace, MaskTally};

fn place(oid: u32, format: Format) -> Place {
    Place { of: Type::of(oid), format, modifier: -1 }
}

fn column(kind: MaskKind) -> ColumnMask {
    plan(&["public.t.c"], &[], kind).column(&ColumnName::new("public", "t", "c"))
}

fn masked(kind: MaskKind, place: Place, value: &[u8]) -> Option<Vec<u8>> {
    match covered(place, kind, &mut column(kind), value).unwrap() {
        Written::Same => Some(value.to_vec()),
        Written::Null => None,
        Written::Other(value) => Some(value.to_vec()),
    }
}

fn text(kind: MaskKind, oid: u32, value: &str) -> Option<String> {
    let place = place(oid, Format::Text);
    masked(kind, place, value.as_bytes()).map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn text_takes_the_words_of_its_kind() {
    assert_eq!(text(MaskKind::Redact, 25, "secret").unwrap(), "[redacted]");
    assert_eq!(text(MaskKind::Null, 25, "secret"), None);
    let partial = MaskKind::Partial { first: 0, last: 2 };
    assert_eq!(text(partial, 1043, "secret").unwrap(), "****et");
    let fake = text(MaskKind::Fake, 25, "Abc-12").unwrap();
    assert_eq!((fake.len(), &fake[3..4]), (6, "-"));
    // As much as the type holds.
    let short = |oid| Place { modifier: 4 + 4, ..place(oid, Format::Text) };
    assert_eq!(masked(MaskKind::Redact, short(1043), b"abc").unwrap(), b"[red");
    let padded = Place { modifier: 4 + 12, ..place(1042, Format::Text) };
    assert_eq!(masked(MaskKind::Redact, padded, b"abc").unwrap(), b"[redacted]  ");
    assert_eq!(masked(MaskKind::Redact, short(1042), b"abc").unwrap(), b"[red");
}

#[test]
fn documents_stay_valid() {
    assert_eq!(text(MaskKind::Redact, 114, "{\"a\": 1}").unwrap(), "\"[redacted]\"");
    let binary = masked(MaskKind::Redact, place(3802, Format::Binary), b"\x01{}").unwrap();
    assert_eq!(binary, b"\x01\"[redacted]\"");
    let ends = MaskKind::Partial { first: 2, last: 0 };
    assert_eq!(text(ends, 114, r#" "quo\u0074\"ed" "#).unwrap(), r#""qu*****""#);
    // A literal would be told by its length, an object by its punctuation.
    for kind in [ends, MaskKind::Fake] {
        for value in ["true", "false", "null", "{\"a\": 1}", "[true]", "[]"] {
            assert_eq!(text(kind, 3802, value).unwrap(), "\"[redacted]\"", "{kind:?} {value}");
        }
    }
    assert_eq!(text(ends, 142, "<a>secret</a>").unwrap(), "&lt;a***********");
}

#[test]
fn numbers_and_times_stay_of_their_type_and_the_same_in_both_formats() {
    let int = text(MaskKind::Hash, 23, "4711").unwrap();
    assert_ne!(int, "4711");
    assert!(int.parse::<i32>().unwrap() >= 0);
    assert_eq!(text(MaskKind::Hash, 23, "4711").unwrap(), int);
    assert_ne!(text(MaskKind::Hash, 23, "4712").unwrap(), int);
    let binary = masked(MaskKind::Hash, place(23, Format::Binary), &4711_i32.to_be_bytes());
    assert_eq!(binary.unwrap(), int.parse::<i32>().unwrap().to_be_bytes());
    for oid in [21, 20, 700, 701, 1700] {
        let shown = text(MaskKind::Fake, oid, "12").unwrap();
        assert!(shown.parse::<i64>().unwrap() >= 0, "{oid} {shown}");
    }
    assert!(text(MaskKind::Hash, 21, "12").unwrap().parse::<i16>().is_ok());
    // numeric(5,2)
    let small = Place { modifier: 4 + (5 << 16 | 2), ..place(1700, Format::Text) };
    let shown = String::from_utf8(masked(MaskKind::Hash, small, b"123.45").unwrap()).unwrap();
    assert!(shown.parse::<u32>().unwrap() < 1000, "{shown}");
    let binary =
        masked(MaskKind::Hash, Place { format: Format::Binary, ..small }, b"\0\x01").unwrap();
    assert_eq!(binary.len(), 8 + 2 * usize::from(binary[1]));
    let date = text(MaskKind::Fake, 1082, "1999-12-31").unwrap();
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "{date}");
    assert_eq!(masked(MaskKind::Fake, place(1082, Format::Binary), &[0; 4]).unwrap().len(), 4);
    assert_eq!(masked(MaskKind::Fake, place(1184, Format::Binary), &[0; 8]).unwrap().len(), 8);
    let zoned = text(MaskKind::Fake, 1184, "1999-12-31 10:00:00+01").unwrap();
    assert!(zoned.ends_with(" 00:00:00+00"), "{zoned}");
    let id = "3b241101-e2bb-4255-8caf-4136c566a962";
    let shown = text(MaskKind::Hash, 2950, id).unwrap();
    assert_eq!((shown.len(), shown.as_bytes()[14]), (36, b'8'));
    let bytes: Vec<u8> = (0..16)
        .map(|n| u8::from_str_radix(&id.replace('-', "")[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    let binary = masked(MaskKind::Hash, place(2950, Format::Binary), &bytes).unwrap();
    assert_eq!(super::super::value::written_uuid(&binary), shown);
    let hash = text(MaskKind::Hash, 17, "\\x00ff").unwrap();
    assert!(hash.starts_with("\\x") && hash.len() == 2 + 64, "{hash}");
}

#[test]
fn what_a_type_cannot_hold_is_null() {
    for (kind, oids) in [
        (
            MaskKind::Redact,
            &[
                16_u32, 20, 21, 23, 700, 701, 1700, 1082, 1114, 1184, 1083, 1186, 2950, 17, 869,
                1009, 1007, 3904, 2249, 16_500,
            ][..],
        ),
        (MaskKind::Partial { first: 1, last: 1 }, &[16, 23, 1700, 1082, 2950, 17, 869, 1009]),
        (MaskKind::Hash, &[16, 1083, 1186, 869, 1009, 1007, 3904, 2249, 16_500]),
        (MaskKind::Fake, &[16, 1083, 1186, 869, 17, 1009, 2249, 16_500]),
    ] {
        for oid in oids {
            for format in [Format::Text, Format::Binary] {
                let mut mask = column(kind);
                let written = covered(place(*oid, format), kind, &mut mask, b"1234").unwrap();
                assert_eq!(written, Written::Null, "{oid} {kind:?}");
                let mut tally = MaskTally::default();
                mask.add_to(&mut tally);
                assert_eq!(tally.iter().map(|(_, _, values)| values).sum::<u64>(), 1, "{oid}");
            }
        }
    }
}

fn searched(oid: u32, format: Format, value: &[u8]) -> Written {
    let plan = plan(&[], &[Detector::Email], MaskKind::Redact);
    scanned(place(oid, format), &mut plan.text(MaskPlace::Message), value).unwrap()
}

#[test]
fn detectors_leave_texts_documents_and_arrays_valid() {
    let found = |oid, value: &str| match searched(oid, Format::Text, value.as_bytes()) {
        Written::Same => "same".to_owned(),
        Written::Null => "null".to_owned(),
        Written::Other(value) => String::from_utf8(value.to_vec()).unwrap(),
    };
    assert_eq!(found(25, "mail ann@example.com!"), "mail [redacted]!");
    assert_eq!(found(25, "nothing"), "same");
    assert_eq!(
        found(114, r#"{"a": ["x", "ann@example.com"], "b": 1.5e3}"#),
        r#"{"a": ["x", "[redacted]"], "b": 1.5e3}"#
    );
    assert_eq!(
        found(114, r#"{"a": "ann\u0040example.com \"q\""}"#),
        r#"{"a": "[redacted] \"q\""}"#
    );
    assert_eq!(found(114, r#"{"a\\": "b"}"#), "same");
    assert_eq!(found(1009, r#"{a,"b c",ann@example.com,NULL}"#), r#"{a,"b c","[redacted]",NULL}"#);
    assert_eq!(
        found(1009, r#"[0:1]={{"x\"ann@example.com"},{y}}"#),
        r#"[0:1]={{"x\"[redacted]"},{y}}"#
    );
    assert_eq!(found(1009, "{a,b}"), "same");
    // Whatever else may hold text is no value at all.
    assert_eq!(found(2249, "(1,ann@example.com)"), "null");
    assert_eq!(found(16_500, "ann@example.com"), "null");
    assert_eq!(found(16_500, "plain"), "same");
    assert_eq!(found(23, "17"), "same");
}

#[test]
fn detectors_see_what_escapes_in_values_in_values_hide() {
    let found = |oid, format, value: &[u8]| searched(oid, format, value) == Written::Null;
    let escaped = r#""ann\u0040example.com""#;
    let deeper = serde_json::to_string(&format!("x{escaped}")).unwrap();
    for text in [
        // json[], and a composite with a json and with a composite of one.
        format!("{{{}}}", serde_json::to_string(escaped).unwrap()),
        format!("({},1)", serde_json::to_string(escaped).unwrap()),
        format!("({},1)", escaped.replace('"', "\"\"").replace('\\', "\\\\")),
        format!("({},1)", serde_json::to_string(&format!("({deeper})")).unwrap()),
    ] {
        for oid in [199, 2249, 99_999] {
            assert!(found(oid, Format::Text, text.as_bytes()), "{text}");
        }
    }
    let boundless = format!("({})", "\\".repeat(1000));
    assert!(found(2249, Format::Text, boundless.as_bytes()));
    for text in [r#"("a""b","c\\d",e\"#, r#"{"\"\\u00"}"#, "(\"\")"] {
        assert_eq!(searched(2249, Format::Text, text.as_bytes()), Written::Same, "{text}");
    }
    // The same in binary, where the type of a part is told and where it is not.
    for oid in [25_u32, 114, 3802, 99_999] {
        let length = u32::try_from(escaped.len()).unwrap();
        let head = [1, oid, length].map(u32::to_be_bytes).concat();
        let record = [&head[..], escaped.as_bytes()].concat();
        assert!(found(2249, Format::Binary, &record), "{oid}");
    }
}

#[test]
fn what_stands_beside_a_text_in_binary_does_not_hide_it() {
    let plan = plan(&[], &[Detector::PaymentCard], MaskKind::Redact);
    let number = b"4111111111111111";
    // A length, or a place of a lexeme, that is the code of a digit.
    let length = 49_u32.to_be_bytes();
    let padded = [&number[..], &[b' '; 33]].concat();
    let pair = [&2_u32.to_be_bytes()[..], &length, &padded, &length, &padded].concat();
    let hstore = [&1_u32.to_be_bytes()[..], &length, &padded, &length, &padded].concat();
    let lexemes = [b"\0\0\0\x02a\0\0\x01\x30\x31".as_slice(), number, b"\0\0\0"].concat();
    for (oid, value) in [(99_999, &pair), (99_999, &hstore), (3614, &lexemes)] {
        let mut mask = plan.text(MaskPlace::Message);
        let found = scanned(place(oid, Format::Binary), &mut mask, value);
        assert_eq!(found.unwrap(), Written::Null, "{oid} {value:?}");
    }
}

#[test]
fn detectors_see_text_in_binary_values() {
    assert_eq!(
        searched(3802, Format::Binary, b"\x01\"ann@example.com\""),
        Written::Other(b"\x01\"[redacted]\"".as_slice().into())
    );
    let array = |elements: &[&str]| {
        let mut out = [1_u32, 0, 25, 2, 1].map(u32::to_be_bytes).concat();
        for element in elements {
            out.extend(u32::try_from(element.len()).unwrap().to_be_bytes());
            out.extend(element.as_bytes());
        }
        out
    };
    assert_eq!(
        searched(1009, Format::Binary, &array(&["a", "ann@example.com"])),
        Written::Other(array(&["a", "[redacted]"]).into())
    );
    assert_eq!(searched(1009, Format::Binary, &array(&["a", "b"])), Written::Same);
    let record = [
        &2_u32.to_be_bytes()[..],
        &25_u32.to_be_bytes(),
        &15_u32.to_be_bytes(),
        b"ann@example.com",
    ]
    .concat();
    assert_eq!(searched(2249, Format::Binary, &record), Written::Null);
}

#[test]
fn detectors_see_addresses_in_binary_values() {
    let plan = plan(&[], &[Detector::Ipv4, Detector::Ipv6], MaskKind::Redact);
    let four = [2, 32, 0, 4, 192, 0, 2, 7];
    let six = [&[3, 128, 0, 16, 0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1]].concat();
    let array =
        [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8][..], &four]
            .concat();
    for (oid, value) in
        [(869, &four[..]), (650, &four), (869, &six), (1041, &array), (99_999, &array)]
    {
        let mut mask = plan.text(MaskPlace::Message);
        let found = scanned(place(oid, Format::Binary), &mut mask, value);
        assert_eq!(found.unwrap(), Written::Null, "{oid} {value:?}");
    }
    let mut mask = plan.text(MaskPlace::Message);
    scanned(place(869, Format::Binary), &mut mask, &four[..5]).unwrap_err();
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let plan = plan(&[], &[Detector::Email], MaskKind::Redact);
    for (oid, format, value) in [
        (25, Format::Text, &b"\xff"[..]),
        (114, Format::Text, b"\"open"),
        (114, Format::Text, b"\"\\q\""),
        (3802, Format::Binary, b"\x02{}"),
        (1009, Format::Text, b"{\"open"),
        (1009, Format::Binary, b"\0\0\0\x09"),
        (1009, Format::Binary, b"\0\0\0\0\0\0\0\0\0\0\0\x19\0\0\0\x09a"),
    ] {
        let mut mask = plan.text(MaskPlace::Message);
        scanned(place(oid, format), &mut mask, value).unwrap_err();
    }
    covered(place(25, Format::Text), MaskKind::Redact, &mut column(MaskKind::Redact), b"\xff")
        .unwrap_err();
}
