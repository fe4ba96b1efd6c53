//! What is kept of a catalogue, and for how long.

use super::{Catalogues, Fact, Place, Question};

fn place(database: &str) -> Place {
    Place { target: "orders".to_owned(), revision: 1, database: database.to_owned() }
}

#[test]
fn a_change_that_goes_through_the_node_makes_it_forget_that_catalogue_only() {
    let catalogues = Catalogues::new();
    let question = Question::Function("upper".to_owned());
    for database in ["a", "b"] {
        let place = place(database);
        let generation = catalogues.generation(&place);
        catalogues.put(&place, question.clone(), Fact::Absent, generation);
    }
    catalogues.forget(&place("a"));
    assert_eq!(catalogues.get(&place("a"), &question), None);
    assert_eq!(catalogues.get(&place("b"), &question), Some(Fact::Absent));
}

#[test]
fn an_answer_from_before_a_change_is_not_kept_behind_it() {
    let (catalogues, place) = (Catalogues::new(), place("a"));
    let asked_in = catalogues.generation(&place);
    catalogues.forget(&place);
    catalogues.put(&place, Question::Casts, Fact::Absent, asked_in);
    assert_eq!(catalogues.get(&place, &Question::Casts), None);
}
