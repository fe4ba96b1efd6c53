//! The order of stages is compulsory by types: each short cut in `ui/` must not compile.

#[test]
fn no_short_cut_compiles() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
