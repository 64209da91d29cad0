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

    /// Sends a text from a phone; what it is answered.
    async fn text(&self, from: &str, text: &str) -> String {
        let before = self.received(from).await;
        self.press(json!({"person": from, "act": "text", "text": text})).await;
        // What is more urgent goes first.
        for _ in 0..5 {
            for _ in 0..3 {
                self.demo.app.outbox.deliver_due(self.clock.now()).await.unwrap();
            }
            if self.received(from).await > before {
                return self.last(from).await;
            }
            self.pass(1).await;
        }
        panic!("{from} got no answer to {text}");
    }

    /// How many texts a phone has got.
    async fn received(&self, key: &str) -> usize {
        let phone = self.phone(key).await;
        phone["bubbles"].as_array().unwrap().iter().filter(|bubble| bubble["from"] == "text").count()
    }

    async fn incident(&self) -> Value {
        self.state().await["incidents"][0].clone()
    }

    /// The code under which somebody was called.
    async fn code(&self, key: &str) -> String {
        self.phone(key).await["calls"][0]["code"].as_str().unwrap().to_owned()
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

    let jos = play.code("jo").await;
    assert!(play.text("jo", &format!("ACK {jos}")).await.starts_with("Thank you. Staff are told"));
    assert_eq!(play.incident().await["owner"], Value::Null);
    let sams = play.code("sam").await;
    assert!(play.text("sam", &format!("ack {sams}")).await.starts_with("You have the alarm about Ann Lee"));
    assert_eq!(play.incident().await["owner"], "Sam Cole");
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
    let goes_in = play.phone("ben").await["worker"]["goes_in"].as_str().unwrap().to_owned();
    assert!(play.text("ben", &goes_in).await.starts_with("Watching you till 14:01."), "{goes_in}");
    assert_eq!(play.phone("ben").await["worker"]["places"], json!(["4 Mill Lane"]));
    assert!(play.text("ben", "OUT 4821").await.starts_with("PIN not right."));
    assert!(play.text("ann", "OUT 4821").await.starts_with("Nothing running"));
    play.pass(72).await;
    let sams = play.code("sam").await;
    assert!(play.text("una", &format!("ACK {sams}")).await.starts_with("Nothing done: "));
    assert!(play.text("ben", "OUT 1379").await.contains("You are no longer watched."));
    let state = play.state().await;
    assert_eq!(state["visits"], json!([]));
    assert!(state["incidents"][0]["claim"].as_str().unwrap().contains("reports safe"));
    // The right PIN stands in the field where it is prefilled, and nowhere else.
    let everything = state.to_string();
    assert_eq!((everything.matches("1379").count(), everything.matches("4821").count()), (1, 1));
}

#[tokio::test]
async fn a_call_for_help_is_seen_and_nothing_from_the_workers_phone_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    play.text("ann", "IN 5 12 High Street").await;
    assert!(play.text("ann", "SOS").await.starts_with("Noted"));
    play.pass(1).await;
    let incident = play.incident().await;
    assert_eq!((&incident["kind"], &incident["what"]), (&json!("sos"), &json!("called for help")));
    play.text("ann", "OUT 4821").await;
    let incident = play.incident().await;
    assert!(incident["claim"].as_str().unwrap().starts_with("PIN used since"), "{incident}");
    assert_eq!(incident["held"], "nobody");

    // Jo, outside, hears that it goes on; Sam takes it and rings the police.
    let jos = play.code("jo").await;
    assert!(play.text("jo", &format!("NOT SAFE {jos}")).await.starts_with("Everybody is being called"));
    assert!(play.text("jo", "OUT 4821").await.starts_with("Nothing done"));
    let sams = play.code("sam").await;
    play.text("sam", &format!("ACK {sams}")).await;
    let police = json!({"person": "sam", "act": "with_police", "code": sams, "log_number": "WS 0412"});
    play.press(police).await;
    let incident = play.incident().await;
    assert_eq!(incident["held"], json!({"police": {"log_number": "WS 0412"}}));
    assert!(play.state().await["next"]["after"].as_str().unwrap().contains("Sam Cole is asked"));
}

#[tokio::test]
async fn whoever_takes_it_and_says_no_more_loses_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    acts::first_visit(&play.demo.stage).await.unwrap();
    play.pass(23).await;
    let sams = play.code("sam").await;
    play.text("sam", &format!("ACK {sams}")).await;
    assert_eq!(play.incident().await["held"], "owner");
    play.pass(16).await;
    assert_eq!(play.incident().await["held"], "nobody");
    let state = play.state().await;
    let lapsed = |line: &Value| line["kind"] == "incident.lapsed";
    assert!(state["log"].as_array().unwrap().iter().any(lapsed), "{state}");
    assert!(play.last("sam").await.starts_with("NOT ENDED: "), "{}", play.last("sam").await);
}

#[tokio::test]
async fn while_the_first_gateway_is_down_every_text_goes_by_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    assert_eq!(play.state().await["first_gateway"], "down");
    acts::first_visit(&play.demo.stage).await.unwrap();
    play.pass(23).await;
    let texts = async |key: &str| {
        let bubbles = play.phone(key).await["bubbles"].as_array().unwrap().clone();
        bubbles.into_iter().filter(|bubble| bubble["from"] == "text").collect::<Vec<_>>()
    };
    assert_eq!((texts("sam").await.len(), texts("jo").await.len()), (1, 1), "none is lost, none comes twice");
    for key in ["ann", "jo", "sam"] {
        let by: Vec<String> =
            texts(key).await.iter().map(|text| text["by"].as_str().unwrap().to_owned()).collect();
        assert!(by.iter().all(|by| by.starts_with("second-gateway")), "{key}: {by:?}");
    }
    play.demo.stage.switch(pages::Gateway::Up);
    assert_eq!(play.state().await["first_gateway"], "up");
    // It has failed several times: one text in ten seconds tries whether it works again.
    play.pass(20).await;
    assert_eq!(texts("sam").await.last().unwrap()["by"], "first-gateway");
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

#[tokio::test]
async fn duress_shows_on_the_managers_phone_and_not_on_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    // From the same second, or the times in the answers would differ.
    let mut seen = Vec::new();
    for pin in ["4821", "7350"] {
        let goes_in = play.text("ann", "IN 5 12 High Street").await;
        let out = play.text("ann", &format!("OUT {pin}")).await;
        seen.push((goes_in, out));
        assert_eq!(play.state().await["visits"], json!([]));
    }
    assert_eq!(seen[0], seen[1], "her phone shows no difference");
    play.pass(3).await;
    let incident = play.incident().await;
    assert_eq!((&incident["kind"], &incident["held"]), (&json!("duress"), &json!("nobody")), "{incident}");
    assert!(play.last("sam").await.starts_with("DURESS Ann Lee"), "{}", play.last("sam").await);
    assert!(play.last("ann").await.starts_with("Ended"), "{}", play.last("ann").await);
    assert_eq!(play.received("jo").await, 0, "outside contacts are left out");
    // Sam takes it by the code in his text.
    let sams = play.code("sam").await;
    let taken = play.text("sam", &format!("ACK {sams}")).await;
    assert!(taken.contains("DO NOT ring or text"), "{taken}");
    assert!(play.last("ann").await.starts_with("Ended"), "and her phone shows nothing still");
}

#[tokio::test]
async fn a_phone_of_the_page_is_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::begin(folder.path()).await;
    assert!(play.text("jo", "STOP").await.starts_with("Noted: no texts to you"));
    play.text("jo", "START").await;
    play.pass(2).await;
    let question = play.phone("jo").await["bubbles"].to_string();
    assert!(question.contains("Thank you. A text with a code"), "{question}");
    let code = question.split("Agree? Reply ").nth(1).unwrap()[..4].to_owned();
    assert!(play.text("jo", &code).await.starts_with("Thank you: you are emergency contact of Ann Lee"));
}
