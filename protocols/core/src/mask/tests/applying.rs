//! What each kind makes of a value, and what is found in one.

use super::*;

#[test]
fn each_kind_leaves_what_it_says() {
    assert_eq!(whole(MaskKind::Null, "x"), None);
    assert_eq!(whole(MaskKind::Redact, "x").unwrap(), "[redacted]");
    let hash = whole(MaskKind::Hash, "ada@example.com").unwrap();
    assert!(hash.starts_with("hash_") && hash.len() == 37, "{hash}");
    assert_eq!(whole(MaskKind::Hash, "ada@example.com").unwrap(), hash);
    assert_ne!(whole(MaskKind::Hash, "ada@example.org").unwrap(), hash);
    let fake = whole(MaskKind::Fake, "Ada-42@x.com").unwrap();
    assert_eq!(whole(MaskKind::Fake, "Ada-42@x.com").unwrap(), fake);
    assert_ne!(fake, "Ada-42@x.com");
}

#[test]
fn partial_keeps_the_ends_of_long_values_and_nothing_of_short_ones() {
    let last4 = MaskKind::Partial { first: 0, last: 4 };
    let ends = MaskKind::Partial { first: 1, last: 2 };
    let cases = [
        (last4, "4111111111111111", "************1111"),
        (last4, "12345678", "****5678"),
        (last4, "1234567", "*******"),
        (last4, "1", "*"),
        (ends, "abcdef", "a***ef"),
        (ends, "abcde", "*****"),
        (ends, "äöüßéè", "ä***éè"),
        (ends, "", "[redacted]"),
        (MaskKind::Partial { first: 0, last: 0 }, "abc", "***"),
    ];
    for (kind, value, expected) in cases {
        assert_eq!(whole(kind, value).unwrap(), expected, "{kind:?} {value}");
    }
}

#[test]
fn fake_keeps_the_shape_and_numbers_stay_numbers() {
    for value in ["1984-06-12", "0.50", "+49 (30) 1234567", "Ångström 7", "AB-cd/09", "5", "x"] {
        let fake = whole(MaskKind::Fake, value).unwrap();
        assert_ne!(fake, value);
        assert_eq!(fake.chars().count(), value.chars().count());
        for (one, other) in value.chars().zip(fake.chars()) {
            let same = match one {
                c if c.is_ascii_digit() => other.is_ascii_digit(),
                c if c.is_uppercase() => other.is_ascii_uppercase(),
                c if c.is_ascii_lowercase() || !c.is_ascii() => other.is_ascii_lowercase(),
                c => c == other,
            };
            assert!(same, "{value} became {fake}");
        }
    }
    for number in 10..300 {
        let fake = whole(MaskKind::Fake, &number.to_string()).unwrap();
        assert!(!fake.starts_with('0'), "{number} became {fake}");
    }
}

#[test]
fn a_value_that_has_nothing_but_a_shape_is_redacted() {
    for value in ["", "--", " ", "$!?"] {
        assert_eq!(whole(MaskKind::Fake, value).unwrap(), REDACTED, "{value:?}");
    }
}

#[test]
fn what_two_rules_make_of_a_value_cannot_be_compared() {
    let of = |name: &str, kind| {
        let plan = plan(&[rule(name, kind).columns(&["s.t.c"])]);
        shown(&mut plan.column(&column("s.t.c")), "ada@example.com").unwrap()
    };
    for kind in [MaskKind::Hash, MaskKind::Fake] {
        assert_eq!(of("one", kind), of("one", kind));
        assert_ne!(of("one", kind), of("two", kind));
    }
}

#[test]
fn another_cluster_makes_other_values() {
    let of = |secret: u8| {
        let key = MaskKey::new(Secret::new([secret; 32]));
        let rule = rule("r", MaskKind::Hash).columns(&["s.t.c"]);
        let rules = MaskRules::compile(&key, Revision(1), vec![rule]).unwrap();
        let plan = rules.plan(&session("orders", &[]));
        shown(&mut plan.column(&column("s.t.c")), "x").unwrap()
    };
    assert_ne!(of(1), of(2));
}

#[test]
fn keys_are_not_shown() {
    let plan = plan(&[rule("r", MaskKind::Hash).columns(&["s.t.c"])]);
    let shown = format!("{:?} {plan:?}", key());
    assert!(shown.contains("RuleKey(***)") && !shown.contains("7, 7, 7"), "{shown}");
}

#[test]
fn what_is_found_in_a_text_is_replaced_in_its_place() {
    let plan = plan(&[
        rule("cards", MaskKind::Partial { first: 0, last: 4 }).detectors(&[Detector::PaymentCard]),
        rule("mails", MaskKind::Redact).detectors(&[Detector::Email]),
    ]);
    let mut mask = plan.text(MaskPlace::Position(2));
    let text = "ada@x.com paid with 4111 1111 1111 1111 and bob@y.org did not";
    let expected = "[redacted] paid with ***************1111 and [redacted] did not";
    assert_eq!(shown(&mut mask, text).unwrap(), expected);
    assert_eq!(shown(&mut mask, "nothing here").unwrap(), "nothing here");
    let mut tally = MaskTally::default();
    mask.add_to(&mut tally);
    let counted: Vec<_> = tally.iter().collect();
    assert_eq!(counted, [("cards", "#2", 1), ("mails", "#2", 2)]);
    mask.add_to(&mut tally);
    assert_eq!(tally.iter().map(|(.., values)| values).sum::<u64>(), 3, "counted once");
}

#[test]
fn a_finding_under_null_takes_the_value_and_leaves_a_message_its_words() {
    let plan = plan(&[rule("mails", MaskKind::Null).detectors(&[Detector::Email])]);
    assert_eq!(shown(&mut plan.text(MaskPlace::Position(1)), "to ada@x.com"), None);
    let message = plan.text(MaskPlace::Message).mask_text("Key (mail)=(ada@x.com) exists").unwrap();
    assert_eq!(message, "Key (mail)=([redacted]) exists");
}

#[test]
fn a_digest_is_made_only_where_equal_values_may_look_alike() {
    let of = |kind| {
        let plan = plan(&[rule("r", kind).columns(&["s.t.c"])]);
        plan.column(&column("s.t.c")).digest(b"4711")
    };
    assert!(of(MaskKind::Hash).is_ok() && of(MaskKind::Fake).is_ok());
    for kind in [MaskKind::Redact, MaskKind::Null, MaskKind::Partial { first: 1, last: 1 }] {
        assert_eq!(of(kind), Err(MaskError::Key));
    }
}

#[test]
fn a_tally_is_bounded_and_loses_no_count() {
    let mut tally = MaskTally::default();
    for place in 0..1000 {
        tally.add("r", &format!("#{place}"), 2);
    }
    assert!(tally.iter().count() <= MAX_TALLY + 1);
    assert_eq!(tally.iter().map(|(.., values)| values).sum::<u64>(), 2000);
    let mut other = MaskTally::default();
    other.merge(&tally);
    assert_eq!(other, tally);
}
