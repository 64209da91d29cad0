use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;

struct Play {
    demo: Demo,
    clock: ManualClock,
}

impl Play {
    async fn begin(folder: &Path) -> Self {
        let clock = ManualClock::new("2026-03-02T14:00:00Z".parse().unwrap());
        let demo = prepare(folder, 60, Arc::new(clock.clone())).await.unwrap();
        Self { demo, clock }
    }

    async fn pass(&self, seconds: i64) {
        for _ in 0..seconds {
            self.clock.advance(TimeDelta::seconds(1));
            self.demo.app.timer.tick(self.clock.now()).await.unwrap();
            self.demo.app.outbox.deliver_due(self.clock.now()).await.unwrap();
        }
    }

    async fn press(&self, pressed: Value) {
        assert!(acts::press(&self.demo.stage, serde_json::from_value(pressed).unwrap()).await.unwrap());
    }

    async fn state(&self) -> Value {
        serde_json::to_value(pages::state(&self.demo.stage).await.unwrap()).unwrap()
    }

    /// What stands on a phone last.
    async fn last(&self, key: &str) -> String {
        let phone = self.phone(key).await;
        phone["bubbles"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap().to_owned()
    }

    async fn phone(&self, key: &str) -> Value {
        let state = self.state().await;
        state["phones"].as_array().unwrap().iter().find(|phone| phone["key"] == key).unwrap().clone()
    }
}

#[tokio::test]
async fn the_first_visit_raises_people_within_30_s_and_ends_by_their_acts() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    acts::first_visit(&play.demo.stage).await.unwrap();
    play.pass(21).await;
    assert!(play.state().await["incidents"].as_array().unwrap().is_empty());
    assert!(play.last("ann").await.contains("others are told"));
    play.pass(2).await;
    assert!(play.last("sam").await.contains("Reply ACK"), "{}", play.last("sam").await);
    assert_eq!(play.phone("una").await["bubbles"], json!([]));
    let code = |phone: Value| phone["calls"][0]["code"].clone();

    let jos = code(play.phone("jo").await);
    play.press(json!({"person": "jo", "act": "acknowledge", "code": jos})).await;
    assert_eq!(play.state().await["incidents"][0]["owner"], Value::Null);
    let sams = code(play.phone("sam").await);
    play.press(json!({"person": "sam", "act": "acknowledge", "code": sams})).await;
    assert_eq!(play.state().await["incidents"][0]["owner"], "Sam Cole");
    play.pass(1).await;
    let close = json!({"person": "sam", "act": "close", "code": sams, "outcome": "safe_forgot",
        "known_by": "spoke_by_voice", "worker_now": {"place": "home"}, "note": "Rang: all is well."});
    play.press(close).await;
    play.pass(1).await;
    let state = play.state().await;
    assert_eq!((&state["incidents"], &state["visits"]), (&json!([]), &json!([])));
    assert!(play.last("jo").await.contains("is over"));
}

#[tokio::test]
async fn a_wrong_pin_ends_nothing_and_no_phone_can_use_the_code_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    play.press(json!({"person": "ben", "act": "start"})).await;
    let visit = play.phone("ben").await["visits"][0]["id"].clone();
    play.press(json!({"person": "ben", "act": "out", "visit": visit, "pin": "4821"})).await;
    assert!(play.last("ben").await.starts_with("PIN not right."));
    play.press(json!({"person": "ann", "act": "out", "visit": visit, "pin": "4821"})).await;
    assert_eq!(play.last("ann").await, "there is nothing with this id");
    play.pass(42).await;
    let sams = play.phone("sam").await["calls"][0]["code"].clone();
    play.press(json!({"person": "una", "act": "acknowledge", "code": sams})).await;
    assert_eq!(play.last("una").await, "there is nothing with this id");
    play.press(json!({"person": "ben", "act": "out", "visit": visit, "pin": "1379"})).await;
    let state = play.state().await;
    assert_eq!(state["visits"], json!([]));
    assert!(state["incidents"][0]["claim"].as_str().unwrap().contains("reports safe"));
    assert!(!state.to_string().contains("PIN 1379"));
}

#[tokio::test]
async fn the_same_folder_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let first = Play::begin(folder.path()).await;
    assert!(first.demo.new);
    acts::first_visit(&first.demo.stage).await.unwrap();
    first.demo.app.site.db.close().await;
    let second = Play::begin(folder.path()).await;
    assert!(!second.demo.new);
    assert_eq!(second.state().await["visits"][0]["worker"], "Ann Lee");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(folder.path().join("demo.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_short_sleep_of_the_machine_is_no_outage_however_hurried_the_rules() {
    assert_eq!(hurried(60).outage, SHORTEST_OUTAGE);
    assert_eq!(hurried(60).grace, Duration::from_secs(10));
    assert_eq!(hurried(1), Policy::default());
    assert_eq!((seconds(quick(1, 60)), seconds(quick(1, 7))), ("1 s".into(), "8.6 s".into()));
}
