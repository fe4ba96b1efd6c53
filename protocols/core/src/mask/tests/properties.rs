//! What must hold of every text: nothing covered is left, nothing panics, and no text takes longer than its length.

use super::*;
use proptest::prelude::*;

fn any_kind() -> impl Strategy<Value = MaskKind> {
    prop_oneof![
        (0..=4_u8, 0..=4_u8).prop_map(|(first, last)| MaskKind::Partial { first, last }),
        Just(MaskKind::Fake),
        Just(MaskKind::Hash),
        Just(MaskKind::Redact),
        Just(MaskKind::Null),
    ]
}

/// Texts of the characters that detectors look for.
fn suspicious() -> impl Strategy<Value = String> {
    "[0-9a-fA-Z @.:+()\"eyJ_/é-]{0,80}"
}

fn everything(kind: MaskKind) -> MaskPlan {
    plan(&[rule("all", kind).detectors(Detector::ALL).pattern("[A-Z]{3}-[0-9]{2,}")])
}

proptest! {
    #[test]
    fn a_covered_value_is_never_shown(value in "\\PC{1,40}", kind in any_kind()) {
        let shown = whole(kind, &value);
        prop_assert!(value.contains('*') || shown.as_deref() != Some(value.as_str()));
        if let (MaskKind::Redact | MaskKind::Hash, Some(shown)) = (kind, &shown) {
            prop_assert!(value.chars().count() < 6 || !shown.contains(&value));
        }
        if kind == MaskKind::Null {
            prop_assert_eq!(shown, None);
        }
    }

    #[test]
    fn partial_never_shows_more_than_half(value in "\\PC{0,40}", first in 0..=MAX_KEPT, last in 0..=MAX_KEPT) {
        let shown = whole(MaskKind::Partial { first, last }, &value).unwrap();
        let kept = shown.chars().zip(value.chars()).filter(|(s, v)| s == v && *s != '*').count();
        prop_assert!(value.is_empty() || kept * 2 <= value.chars().count());
    }

    #[test]
    fn fake_keeps_the_shape(value in "\\PC{0,60}") {
        let fake = whole(MaskKind::Fake, &value).unwrap();
        if fake != REDACTED {
            prop_assert_eq!(fake.chars().count(), value.chars().count());
            for (one, other) in value.chars().zip(fake.chars()) {
                prop_assert!(!one.is_ascii_punctuation() || one == other);
            }
        }
    }

    #[test]
    fn nothing_is_found_any_more_in_what_was_redacted(text in suspicious()) {
        let plan = everything(MaskKind::Redact);
        let mut mask = plan.text(MaskPlace::Message);
        let once = shown(&mut mask, &text).unwrap();
        let places = plan.find(&text);
        for finding in &places {
            let clear = &text[finding.place.clone()];
            prop_assert!(once.matches(clear).count() < text.matches(clear).count());
        }
        prop_assert_eq!(places.is_empty(), once == text);
    }

    #[test]
    fn detectors_cope_with_every_text(text in "\\PC{0,200}", kind in any_kind()) {
        let plan = everything(kind);
        let findings = plan.find(&text);
        for pair in findings.windows(2) {
            prop_assert!(pair[0].place.end <= pair[1].place.start);
        }
        plan.text(MaskPlace::Message).mask_text(&text).unwrap();
    }

    #[test]
    fn the_census_misses_nothing_that_a_detector_finds(text in suspicious()) {
        for detector in Detector::ALL {
            let mut found = false;
            detector.find(&text, &mut |_| found = true);
            let census = detector::Census::of(&text);
            prop_assert!(!found || detector.is_possible(&census), "{} {}", detector.name(), text);
        }
    }
}

/// Work is counted instead of time: twice the text must not take much more than twice as long, on a machine that others use
/// too. Only what grows with the square of the length is far off.
#[test]
fn no_text_takes_more_than_its_length() {
    let worst = [
        "4 ",
        "4-4",
        "11",
        "+1 ",
        "00 1",
        "(212) ",
        "a@",
        "@a.",
        "\"@",
        "a.b@c.d",
        "DE89 ",
        "1.",
        "1:",
        "::1 ",
        "eyJ.",
        "eyJa.b.c ",
        "bearer ",
        "AKIA",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "f-",
        "123-45-",
        "550e8400-e29b-",
        "ABC-1",
        "ABC-",
        "ééé@",
        " ",
    ];
    let plan = everything(MaskKind::Redact);
    let took = |text: &str| {
        let best = (0..3).map(|_| {
            let start = std::time::SystemTime::now();
            plan.text(MaskPlace::Message).mask_text(text).unwrap();
            start.elapsed().unwrap_or_default().as_secs_f64()
        });
        best.fold(f64::INFINITY, f64::min)
    };
    for piece in worst {
        let short = took(&piece.repeat(4_000 / piece.len()));
        let long = took(&piece.repeat(64_000 / piece.len()));
        // Sixteen times the length; the square would be 256 times the time.
        assert!(long < short * 100.0 + 0.05, "{piece:?}: {short} s, then {long} s");
    }
}
