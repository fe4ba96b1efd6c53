//! Tests of the pure state.

use super::*;
use crate::classify::classify;
use std::sync::Arc;

fn prepare(names: &mut Names, name: &str, text: &str) -> Result<(), NameError> {
    names.prepare(name.to_owned(), text.as_bytes().into(), Vec::new(), Arc::new(classify(text)))
}

fn portal(names: &Names, statement: &str) -> Portal {
    let statement = Arc::clone(names.statement(statement).unwrap());
    Portal {
        statement,
        parameters: Vec::new(),
        result_formats: Vec::new(),
        place: PortalPlace::Here,
    }
}

#[test]
fn a_portal_keeps_the_statement_it_was_bound_to() {
    let mut names = Names::default();
    prepare(&mut names, "s", "SELECT 1").unwrap();
    let bound = portal(&names, "s");
    names.bind("p".to_owned(), bound).unwrap();
    names.close_statement("s");
    prepare(&mut names, "s", "DELETE FROM accounts").unwrap();
    assert_eq!(names.portal("p").unwrap().statement.text.as_ref(), b"SELECT 1");
}

#[test]
fn no_two_statements_have_one_name_at_the_target() {
    let mut names = Names::default();
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
    let mut names = Names::default();
    prepare(&mut names, "s", "SELECT 1").unwrap();
    let statement = Arc::clone(names.statement("s").unwrap());
    names.close_statement("s");
    assert!(names.take_stale().is_empty(), "the target never saw it");
    names.confirm(&statement);
    assert!(!names.is_confirmed(&statement));
    assert_eq!(names.take_stale(), std::slice::from_ref(&statement.name));
    assert!(names.take_stale().is_empty());
}

#[test]
fn portals_end_with_their_transaction() {
    let mut names = Names::default();
    prepare(&mut names, "s", "SELECT 1").unwrap();
    let bound = portal(&names, "s");
    names.bind("p".to_owned(), bound.clone()).unwrap();
    assert_eq!(names.bind("p".to_owned(), bound), Err(NameError::DuplicatePortal));
    names.transaction_ended();
    assert_eq!(names.portal("p").err(), Some(NameError::NoPortal));
}
