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
        assert!(
            acts::press(&self.demo.stage, serde_json::from_value(pressed).unwrap()).await.unwrap().is_some()
        );
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

    /// What lies on a part of Sam's desk.
    async fn desk(&self, part: &str) -> Vec<Value> {
        self.state().await["desk"][part].as_array().unwrap().clone()
    }

    /// What a worker reads of a visit of theirs.
    async fn reads(&self, key: &str, place: &str) -> String {
        let planned = self.phone(key).await["worker"]["planned"].as_array().unwrap().clone();
        let one = planned.iter().find(|one| one["place"] == place).unwrap();
        one["words"].as_str().unwrap().to_owned()
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

/// The row about a place or a case.
fn about<'v>(rows: &'v [Value], what: &str) -> &'v Value {
    rows.iter().find(|row| row["place"] == what || row["reference"] == what).unwrap()
}

async fn with_a_caseload(folder: &Path) -> Play {
    let play = Play::begin(folder).await;
    Box::pin(caseload::play(&play.demo)).await.unwrap();
    play.pass(2).await;
    play
}

#[tokio::test]
async fn the_desk_shows_what_waits_to_be_agreed_and_agreeing_there_takes_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let play = with_a_caseload(folder.path()).await;
    let queue = play.desk("queue").await;
    assert_eq!(queue.len(), 2, "{queue:?}");
    // Raj went in though nobody agreed: first in the queue, watched as high risk, and both managers know.
    let raj = about(&queue, "15 Dock Street");
    assert_eq!((raj, &raj["at_the_door"]), (&queue[0], &json!(true)));
    let out = play.state().await["visits"].as_array().unwrap().clone();
    assert_eq!((out.len(), &out[0]["worker"], &out[0]["not_agreed"]), (1, &json!("Raj Patel"), &json!(true)));
    assert!(play.last("raj").await.starts_with("NOT AGREED: do not go in."), "{}", play.last("raj").await);
    for manager in ["sam", "dee"] {
        let bubbles = play.phone(manager).await["bubbles"].to_string();
        assert!(bubbles.contains("NOT AGREED: Raj Patel goes in now."), "{bubbles}");
    }
    let eve = about(&queue, "8 Canal Side");
    assert_eq!(eve["because"], json!(["the assessment was to be reviewed by 2026-02-21"]));
    assert!(play.reads("eve", "8 Canal Side").await.starts_with("NOT AGREED yet"));
    assert_eq!(play.reads("eve", "27 Station Road").await, "Agreed: no rule objects");

    play.press(json!({"person": "sam", "act": "agree", "visit": eve["visit"], "words": ""})).await;
    assert_eq!(play.desk("queue").await.len(), 1);
    assert_eq!(play.reads("eve", "8 Canal Side").await, "Agreed by Sam Cole");
    play.pass(2).await;
    assert!(play.last("eve").await.starts_with("AGREED by Sam Cole"), "{}", play.last("eve").await);

    // No without a word is no answer.
    let refuse =
        |words: &str| json!({"person": "sam", "act": "refuse", "visit": raj["visit"], "words": words});
    play.press(refuse(" ")).await;
    assert!(play.last("sam").await.starts_with("Not done: "), "{}", play.last("sam").await);
    assert_eq!(play.desk("queue").await.len(), 1);
    play.press(refuse("Come out: two go tomorrow")).await;
    assert_eq!(play.desk("queue").await, Vec::<Value>::new());
    assert_eq!(about(&play.desk("refused").await, "15 Dock Street")["words"], "Come out: two go tomorrow");
    // Refused is the visit, never the watching.
    assert_eq!(play.state().await["visits"][0]["worker"], "Raj Patel");
}

#[tokio::test]
async fn who_agrees_to_what_is_begun_takes_the_high_risk_off_it() {
    let folder = tempfile::tempdir().unwrap();
    let play = with_a_caseload(folder.path()).await;
    let visit = play.desk("queue").await[0]["visit"].clone();
    // Eve is no manager.
    play.press(json!({"person": "eve", "act": "agree", "visit": visit, "words": ""})).await;
    assert_eq!(play.desk("queue").await.len(), 2);
    play.press(json!({"person": "sam", "act": "agree", "visit": visit, "words": "Ring me at three"})).await;
    let out = play.state().await["visits"].clone();
    assert_eq!((&out[0]["worker"], &out[0]["not_agreed"]), (&json!("Raj Patel"), &json!(false)));
    assert_eq!(play.reads("raj", "15 Dock Street").await, "Agreed by Sam Cole");
}

#[tokio::test]
async fn the_desk_shows_the_exceptions_till_a_senior_manager_has_looked_and_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let play = with_a_caseload(folder.path()).await;
    let exceptions = play.desk("exceptions").await;
    assert_eq!(exceptions.len(), 2, "{exceptions:?}");
    let emergency = about(&exceptions, "3 Rowan Court");
    assert!(emergency["said"][0].as_str().unwrap().starts_with("Circumstances: "), "{emergency}");
    assert_eq!(emergency["outcome"], "Not said yet: asked for each morning");
    let asked = play.phone("eve").await["bubbles"].to_string();
    assert!(asked.contains("1 Mar 09:00"), "she was asked how it ended: {asked}");
    let one_off = about(&exceptions, "9 Church Row");
    assert_eq!((&one_off["agreed"], &one_off["outcome"]), (&json!("Agreed by Una Hart"), &json!("seen")));
    let said = one_off["said"].to_string();
    for part in ["with Una Hart", "with Mrs Moore", "Why: ", "Justified"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let review = |who: &str, words: &str| json!({"person": who, "act": "review", "visit": one_off["visit"], "words": words});
    play.press(review("una", "")).await;
    play.press(review("sam", "Fine")).await;
    assert_eq!(
        play.desk("exceptions").await.len(),
        2,
        "neither without a word, nor by who is no senior manager"
    );
    play.press(review("una", "Right to go, and once only")).await;
    assert_eq!(play.desk("exceptions").await.len(), 1);

    let refused = play.desk("refused").await;
    assert_eq!(
        (refused.len(), &refused[0]["place"], &refused[0]["by"]),
        (1, &json!("61 Hill View"), &json!("Sam Cole"))
    );
    assert!(refused[0]["because"].to_string().contains("the risk is too high to go alone"), "{refused:?}");
    assert!(play.reads("raj", "61 Hill View").await.starts_with("REFUSED by Sam Cole: "));
}

#[tokio::test]
async fn the_due_list_has_somebody_overdue_somebody_excused_and_somebody_who_cannot_be_computed() {
    let folder = tempfile::tempdir().unwrap();
    let play = with_a_caseload(folder.path()).await;
    let due = play.desk("due").await;
    let states: Vec<_> = due.iter().map(|row| row["state"].as_str().unwrap()).collect();
    let presses = ["Overdue by 7 days", "Due today", "Cannot be computed"];
    assert_eq!((&states[..3], states.len()), (&presses[..], 7), "{due:?}");
    assert_eq!(states.iter().filter(|state| **state == "In time").count(), 3, "{states:?}");
    let overdue = about(&due, "X118290");
    assert_eq!((&overdue["by"], &overdue["worker"]), (&json!("Mon 23 Feb"), &json!("Eve Hall")));
    let why = overdue["why"].to_string();
    assert!(why.contains("within 6 weeks") && why.contains("tried in vain: Sat 31 Jan, Thu 12 Feb"), "{why}");
    assert_eq!(overdue["planned"], "Eve Hall, Tue 3 Mar 10:00");
    let excused = about(&due, "X187301");
    assert_eq!((&excused["state"], &excused["by"]), (&json!("Excused"), &json!("Mon 9 Mar")));
    assert!(
        excused["why"][0].as_str().unwrap().contains("Sam Cole excused it, was due Wed 25 Feb: In hospital")
    );
    let unknown = about(&due, "X231105");
    assert_eq!((&unknown["why"], &unknown["by"]), (&json!(["the level of risk is not known"]), &json!("")));
}

/// At night, at a weekend, where the clocks change: it is the same caseload.
#[tokio::test]
async fn the_caseload_is_the_same_whenever_it_is_told() {
    for now in
        ["2026-03-29T00:59:30Z", "2026-12-26T23:58:00Z", "2027-01-01T00:00:30Z", "2028-02-29T12:00:00Z"]
    {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(now.parse().unwrap());
        let demo = prepare(folder.path(), 60, Arc::new(clock.clone())).await.unwrap();
        let play = Play { demo, clock };
        Box::pin(caseload::play(&play.demo)).await.unwrap();
        let counts = [play.desk("queue").await, play.desk("exceptions").await, play.desk("refused").await];
        assert_eq!(counts.map(|rows| rows.len()), [2, 2, 1], "{now}");
        let due = play.desk("due").await;
        let states: Vec<_> = due.iter().map(|row| row["state"].as_str().unwrap()).collect();
        assert_eq!(states[..3], ["Overdue by 7 days", "Due today", "Cannot be computed"], "{now}");
        assert!(states.contains(&"Excused"), "{now}: {states:?}");
    }
}
