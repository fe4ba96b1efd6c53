//! Tests of the pure state.

use super::*;
use crate::classify::classify;
use std::sync::Arc;

fn prepare(names: &mut Names, name: &str, text: &str) -> Result<(), NameError> {
    names.prepare(name.to_owned(), text.as_bytes().into(), Vec::new(), Arc::new(classify(text)))
}

fn bind(names: &mut Names, portal: &str, statement: &str) -> Result<(), NameError> {
    let statement = Arc::clone(names.statement(statement).unwrap());
    names.bind(portal.to_owned(), statement, (Vec::new(), Vec::new()))
}

fn value(bytes: usize) -> Bound {
    Bound { format: 1, type_oid: 17, value: Some(vec![0; bytes]) }
}

#[test]
fn a_portal_keeps_the_statement_it_was_bound_to() {
    let mut names = Names::new(7);
    prepare(&mut names, "s", "SELECT 1").unwrap();
    bind(&mut names, "p", "s").unwrap();
    names.close_statement("s");
    prepare(&mut names, "s", "DELETE FROM accounts").unwrap();
    assert_eq!(names.portal("p").unwrap().statement.text.as_ref(), b"SELECT 1");
}

#[test]
fn no_two_statements_have_one_name_at_the_target() {
    let mut names = Names::new(7);
    prepare(&mut names, "", "SELECT 1").unwrap();
    let first = names.statement("").unwrap().name.clone();
    prepare(&mut names, "", "SELECT 2").unwrap();
    assert_ne!(names.statement("").unwrap().name, first);
    assert_eq!(prepare(&mut names, &"n".repeat(64), "SELECT 1"), Err(NameError::TooLong));
    prepare(&mut names, "s", "SELECT 1").unwrap();
    assert_eq!(prepare(&mut names, "s", "SELECT 1"), Err(NameError::DuplicateStatement));
}

#[test]
fn what_the_target_has_parsed_is_closed_there_once() {
    let mut names = Names::new(7);
    prepare(&mut names, "s", "SELECT 1").unwrap();
    let statement = Arc::clone(names.statement("s").unwrap());
    names.close_statement("s");
    assert!(names.take_stale().is_empty(), "the target never saw it");
    names.confirm(&statement);
    assert!(!names.is_confirmed(&statement));
    assert_eq!(names.take_stale(), [Stale::Statement(statement.name.clone())]);
    assert!(names.take_stale().is_empty());
}

#[test]
fn a_portal_at_the_target_is_closed_there_when_it_is_replaced_or_closed() {
    let mut names = Names::new(7);
    prepare(&mut names, "s", "SELECT 1").unwrap();
    for (portal, at_target) in [("", "cs_p1"), ("", "cs_p2"), ("p", "cs_p3")] {
        bind(&mut names, portal, "s").unwrap();
        names.portal_at_target(portal, at_target.to_owned());
    }
    assert_eq!(names.take_stale(), [Stale::Portal("cs_p1".to_owned())]);
    names.close_portal("p");
    assert_eq!(names.take_stale(), [Stale::Portal("cs_p3".to_owned())]);
    names.simple_query();
    names.transaction_ended();
    assert!(names.take_stale().is_empty(), "the target has dropped them with the transaction");
}

#[test]
fn portals_end_with_their_transaction() {
    let mut names = Names::new(7);
    prepare(&mut names, "s", "SELECT 1").unwrap();
    bind(&mut names, "p", "s").unwrap();
    assert_eq!(bind(&mut names, "p", "s"), Err(NameError::DuplicatePortal));
    names.transaction_ended();
    assert_eq!(names.portal("p").err(), Some(NameError::NoPortal));
}

#[test]
fn a_name_whose_parse_the_target_refused_is_free_again() {
    let mut names = Names::new(7);
    prepare(&mut names, "s", "SELECT mistake").unwrap();
    prepare(&mut names, "t", "SELECT 1").unwrap();
    let refused = Arc::clone(names.statement("s").unwrap());
    names.parse_failed(&refused);
    assert_eq!(names.statement("s").err(), Some(NameError::NoStatement));
    prepare(&mut names, "s", "SELECT 1").unwrap();
    // An error of the old one comes too late to mean the new one.
    names.parse_failed(&refused);
    names.statement("s").unwrap();
    names.statement("t").unwrap();
}

#[test]
fn texts_and_values_of_a_session_have_a_limit_in_bytes() {
    const MEGABYTE: usize = 1024 * 1024;
    let mut names = Names::new(7);
    let text = format!("SELECT '{}'", "x".repeat(MEGABYTE - 64));
    let mut prepared = 0;
    while prepare(&mut names, &format!("s{prepared}"), &text).is_ok() {
        prepared += 1;
    }
    assert!((4..16).contains(&prepared), "{prepared}");
    assert_eq!(prepare(&mut names, "more", &text), Err(NameError::TooLarge));
    // A portal keeps the text of a statement that is closed.
    bind(&mut names, "p", "s0").unwrap();
    names.close_statement("s0");
    assert_eq!(prepare(&mut names, "s0", &text), Err(NameError::TooLarge));
    names.close_portal("p");
    prepare(&mut names, "s0", &text).unwrap();
    names.close_statement("s0");
    // Values count too.
    let statement = Arc::clone(names.statement("s1").unwrap());
    let wanted = (vec![value(4 * MEGABYTE)], Vec::new());
    assert_eq!(names.bind(String::new(), statement, wanted), Err(NameError::TooLarge));
}
