//! The corpus of the detectors: what each finds, and what only looks like it.

use super::super::detector::Census;
use super::*;

/// What a detector finds in a text; what overlaps is one.
fn found(detector: Detector, text: &str) -> Vec<&str> {
    let mut places = Vec::new();
    if detector.is_possible(&Census::of(text)) {
        detector.find(text, &mut |place| places.push(place));
    }
    places.sort_by_key(|place| (place.start, place.end));
    let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
    for place in places {
        match apart.last_mut() {
            Some(last) if place.start < last.end => last.end = last.end.max(place.end),
            Some(_) | None => apart.push(place),
        }
    }
    apart.into_iter().map(|place| &text[place]).collect()
}

/// The lines of the corpus: a detector, then `+` and a text in which what stands between `«` and `»` is found, or `-` and a
/// text in which nothing is.
#[test]
fn every_detector_finds_what_it_is_for_and_leaves_what_only_looks_like_it() {
    let mut positives = BTreeSet::new();
    let mut negatives = BTreeSet::new();
    for line in include_str!("detectors.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, rest) = line.split_once(' ').unwrap();
        let detector: Detector = name.parse().unwrap();
        let (sign, text) = rest.split_once(' ').unwrap();
        let text = text.replace("\\n", "\n");
        let bare = text.replace(['«', '»'], "");
        let expected: Vec<&str> =
            text.split('«').skip(1).map(|part| part.split('»').next().unwrap()).collect();
        assert_eq!(sign == "+", !expected.is_empty(), "{line}");
        if sign == "+" {
            positives.insert(detector)
        } else {
            negatives.insert(detector)
        };
        assert_eq!(found(detector, &bare), expected, "{line}");
    }
    assert!(positives.iter().eq(Detector::ALL), "every detector has what it finds: {positives:?}");
    assert!(negatives.iter().eq(Detector::ALL), "and what it leaves: {negatives:?}");
}

#[test]
fn uuids_are_looked_for_only_where_a_rule_says_so() {
    let by_default: Vec<_> = Detector::by_default().collect();
    assert!(!by_default.contains(&Detector::Uuid));
    assert_eq!(by_default.len() + 1, Detector::ALL.len());
}

#[test]
fn a_detector_is_named_as_its_error_says() {
    for detector in Detector::ALL {
        assert_eq!(detector.name().parse(), Ok(*detector));
    }
    let error = "mail".parse::<Detector>().unwrap_err().to_string();
    assert!(error.contains("email, payment_card, iban"), "{error}");
}

#[test]
fn a_pattern_that_finds_too_much_covers_the_rest() {
    let plan = plan(&[rule("r", MaskKind::Redact).pattern("a+b|a")]);
    let text = format!("{}tail", "ac".repeat(5000));
    let shown = shown(&mut plan.text(MaskPlace::Message), &text).unwrap();
    assert!(shown.ends_with(REDACTED), "{}", &shown[shown.len() - 40..]);
    assert!(!shown.contains("tail"));
}
