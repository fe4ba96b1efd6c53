//! What a waiting agent hears, over time. The clock is the test's: it stands still but when everybody waits, and then goes
//! to whatever is due next.

use super::{
    agent::{Agent, kinds},
    place::Place,
};
use crate::frame;
use std::time::Duration;
use tokio::time::{Instant, pause, resume};

#[tokio::test]
async fn a_waiting_agent_hears_a_heartbeat_every_15_seconds_and_a_reminder_every_5_minutes() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    assert_eq!(agent.next().await.field('C'), "01CS1");
    let hold = place.gate.hold(0).await;
    pause();
    let start = Instant::now();
    for round in 1..=2 {
        for _ in 0..20 {
            let heartbeat = agent.next().await;
            let body = String::from_utf8_lossy(&heartbeat.body).into_owned();
            assert_eq!(heartbeat.kind, 'S', "{heartbeat:?}");
            assert!(body.starts_with("countersign.hold\0pending;"), "{body}");
        }
        let reminder = agent.next().await;
        assert_eq!((reminder.kind, reminder.field('C').as_str()), ('N', "01CS1"));
        // The clock may go on by one beat before what was said has arrived.
        let off = start.elapsed().abs_diff(Duration::from_secs(300 * round));
        assert!(off <= Duration::from_secs(30), "reminder {round} came {off:?} off");
    }
    resume();
    hold.decide
        .send_replace(super::gate::Decision::Refuse(countersign_core::refusal::Refusal::Internal));
    assert_eq!(kinds(&agent.until_ready().await), "EZ");
}
