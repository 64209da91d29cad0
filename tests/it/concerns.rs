//! Concerns: raised on a visit, without one and by text; discussed, acted on, open until closed (row A10).

use chrono::TimeDelta;
use homeward::{
    domain::{concern::ConcernKind, contact::Channel},
    store::concerns,
};
use serde_json::{Value, json};

use crate::support::{
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

const WORDS: &str = "the boy at 12 High St has bruises";

/// Ben of Ann's team too, and Kim of another, whose manager is Lou.
fn more_people() -> String {
    let person = |key: &str, name: &str, team: &str, role: &str, phone: u32| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"{team}\"\nrole = \"{role}\"\nphone = \"07700 {phone}\"\n"
        )
    };
    format!(
        "{WESTSHIRE}\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n{}{}{}",
        person("ben", "Ben Okoro", "north", "worker", 900_300),
        person("kim", "Kim Diaz", "south", "worker", 900_301),
        person("lou", "Lou Reed", "south", "manager", 900_302),
    )
}

impl TestApp {
    async fn concern(&self, by: &str, body: Value) -> String {
        let raised = self.person(by).post("/concerns", body).await;
        assert_eq!((raised.status, raised.body["state"].as_str()), (201, Some("raised")), "{raised:?}");
        self.work().await;
        raised.id()
    }

    async fn discuss(&self, by: &str, id: &str, with: &str) -> Reply {
        self.person(by)
            .post(&format!("/concerns/{id}/discussed"), json!({"with": with, "words": "we spoke of it"}))
            .await
    }

    async fn close_concern(&self, by: &str, id: &str) -> Reply {
        self.person(by).post(&format!("/concerns/{id}/close"), json!({"outcome": "referred"})).await
    }

    async fn concerns_of(&self, who: &str, query: &str) -> Vec<Value> {
        let list = self.person(who).get(&format!("/concerns{query}")).await;
        list.is_ok().body["concerns"].as_array().unwrap().clone()
    }

    async fn concern_events(&self) -> Vec<Value> {
        let all = self.everything_that_happened().await;
        let all = all.body["events"].as_array().unwrap().iter();
        all.filter(|event| event["kind"].as_str().unwrap().starts_with("concern.")).cloned().collect()
    }

    /// Nine in the morning, so many days after the day on which the test began.
    async fn nine_after(&self, days: i64) {
        self.clock
            .set("2026-01-14T09:00:00Z".parse::<homeward::clock::Time>().unwrap() + TimeDelta::days(days));
        self.work().await;
    }
}

on_both! {
    async fn a_concern_on_a_visit_is_discussed_acted_on_and_closed(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.person("ann").post("/visits", json!({"minutes": 60, "place": "12 High St", "case_reference": "A123456"})).await.id();
        app.clock.advance(TimeDelta::minutes(32));
        let raised = app.person("ann").post(&format!("/visits/{visit}/concerns"), json!({"words": WORDS, "kind": "safeguarding"})).await;
        assert_eq!(raised.status, 201, "{raised:?}");
        assert_eq!((raised.body["visit"].as_str(), raised.body["case_reference"].as_str(), raised.body["kind"].as_str()), (Some(visit.as_str()), Some("A123456"), Some("safeguarding")));
        assert_eq!(raised.body["told"], json!([{"id": raised.body["told"][0]["id"], "name": "Sam Cole"}]));
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee raised a concern at 12:32. Read it in Homeward."], "without words, place or case");
        let id = raised.id();

        // Nothing before it was discussed, and not by whoever is no manager.
        for early in [app.close_concern("sam", &id).await, app.person("sam").post(&format!("/concerns/{id}/actions"), json!({"what": "x", "owner": "ann", "due_on": "2026-01-20"})).await] {
            early.is_problem(409, "wrong-state");
            assert_eq!(early.body["state"], "raised");
            assert!(early.body["detail"].as_str().unwrap().contains("not discussed yet"), "{early:?}");
        }
        app.discuss("ann", &id, "sam").await.is_problem(403, "role-too-small");
        app.discuss("cas", &id, "ann").await.is_problem(404, "not-found");
        for nobody in ["jo", "sam", "nobody"] {
            let refused = app.discuss("sam", &id, nobody).await;
            refused.is_problem(422, "invalid-field");
            assert_eq!(refused.body["field"], "with", "{nobody}");
        }
        let ahead = app.person("sam").post(&format!("/concerns/{id}/discussed"), json!({"with": "ann", "words": "w", "at": "2026-01-14T13:00:00Z"})).await;
        assert_eq!((ahead.status, &ahead.body["field"]), (422, &json!("at")));

        let body = json!({"with": "ann", "at": "2026-01-14T12:31:00Z", "words": "Ann will not go alone again"});
        let discussed = app.person("sam").post(&format!("/concerns/{id}/discussed"), body).await;
        assert_eq!((discussed.status, discussed.body["state"].as_str()), (200, Some("discussed")), "{discussed:?}");
        assert_eq!((discussed.body["discussions"][0]["with"]["name"].as_str(), discussed.body["discussions"][0]["by"]["name"].as_str()), (Some("Ann Lee"), Some("Sam Cole")));
        app.discuss("una", &id, "sam").await.is_ok();

        let acted = app.person("sam").post(&format!("/concerns/{id}/actions"), json!({"what": "ring social care", "owner": "ann", "due_on": "2026-01-20"})).await;
        assert_eq!(acted.status, 201, "{acted:?}");
        let action = acted.body["actions"][0]["id"].as_str().unwrap().to_owned();
        let open = app.close_concern("sam", &id).await;
        open.is_problem(409, "wrong-state");
        assert!(open.body["detail"].as_str().unwrap().contains("still to be done"), "{open:?}");
        let done = format!("/concerns/{id}/actions/{action}/done");
        app.person("cas").post(&done, json!({"note": "n"})).await.is_problem(404, "not-found");
        let rung = app.person("ann").post(&done, json!({"note": "rung, they visit tomorrow"})).await;
        assert_eq!((rung.status, rung.body["actions"][0]["done_by"]["name"].as_str()), (200, Some("Ann Lee")), "{rung:?}");
        let again = app.person("sam").post(&done, json!({"note": "again"})).await;
        assert_eq!(again.body["actions"][0]["note"], "rung, they visit tomorrow", "said again it changes nothing");
        app.close_concern("ann", &id).await.is_problem(403, "role-too-small");
        assert_eq!(app.close_concern("sam", &id).await.body["state"], "closed");
        for late in [app.close_concern("una", &id).await, app.discuss("una", &id, "ann").await] {
            assert_eq!((late.status, late.body["detail"].as_str()), (409, Some("this concern is closed")));
        }

        // Whoever raised it sees what came of it.
        let seen = app.person("ann").get(&format!("/concerns/{id}")).await;
        assert_eq!((seen.body["outcome"].as_str(), seen.body["closed_by"]["name"].as_str(), seen.body["discussions"].as_array().unwrap().len()), (Some("referred"), Some("Sam Cole"), 2));

        // Each step is an event, with who and when; the words stand apart, the case by a hash alone.
        let events = app.concern_events().await;
        let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["concern.raised", "concern.discussed", "concern.discussed", "concern.action_set", "concern.action_done", "concern.closed"]);
        assert_eq!(events[1]["happened_at"], "2026-01-14T12:31:00Z", "when it was discussed, not when that was written down");
        assert_eq!((events[0]["words"]["words"].as_str(), events[4]["words"]["note"].as_str(), events[5]["words"]["outcome"].as_str()), (Some(WORDS), Some("rung, they visit tomorrow"), Some("referred")));
        assert!(events.iter().all(|event| event["actor"].is_string()), "{events:#?}");
        let bodies: String = events.iter().map(|event| event["body"].to_string()).collect();
        for private in ["A123456", "bruises", "High St", "alone", "social", "referred", "rung"] {
            assert!(!bodies.contains(private), "{private}: {bodies}");
        }
        assert_eq!((events[0]["body"]["kind"].as_str(), events[0]["body"]["case"].as_str().unwrap().len()), (Some("safeguarding"), 32));
        app.finish().await;
    }

    async fn a_concern_without_a_visit(db: TestDb) {
        let app = TestApp::with(&db, &more_people(), |_| {}).await;
        let one = app.concern("ann", json!({"words": WORDS, "case_reference": " a123456 "})).await;
        let other = app.concern("ben", json!({"words": "the gate", "kind": "property", "case_reference": "A123456"})).await;
        let shown = app.person("ann").get(&format!("/concerns/{one}")).await;
        assert_eq!((&shown.body["visit"], shown.body["kind"].as_str(), shown.body["case_reference"].as_str(), shown.body["worker"]["name"].as_str()), (&Value::Null, Some("other"), Some("A123456"), Some("Ann Lee")));
        for (body, field) in [(json!({"words": " "}), "words"), (json!({"kind": "risk"}), "words"), (json!({"words": "w", "kind": "rumour"}), "kind"), (json!({"words": "w", "who": 1}), "who")] {
            let refused = app.person("ann").post("/concerns", body).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (422, Some(field)), "{refused:?}");
        }
        app.person("ann").post("/visits/01902b84-0000-7000-8000-000000000000/concerns", json!({"words": "w"})).await.is_problem(404, "not-found");

        // Sent again with its key it is one concern, and the manager is told of it once.
        let key = async || app.person("kim").post_once("/concerns", "k1", json!({"words": "a car that waits", "kind": "risk"})).await.is_ok().id();
        assert_eq!(key().await, key().await);

        // Who sees which: one's own; the team's manager and those above; the auditor.
        let seen = async |who: &str| app.concerns_of(who, "").await.len();
        let seen = [seen("ann").await, seen("ben").await, seen("sam").await, seen("lou").await, seen("una").await, seen("ari").await, seen("cas").await];
        assert_eq!(seen, [1, 1, 2, 1, 3, 3, 0]);
        app.person("ben").get(&format!("/concerns/{one}")).await.is_problem(404, "not-found");
        app.person("lou").get(&format!("/concerns/{one}")).await.is_problem(404, "not-found");
        app.discuss("ari", &one, "ann").await.is_problem(403, "role-too-small");

        // Filters, and the open ones first.
        app.discuss("sam", &one, "ann").await.is_ok();
        app.close_concern("sam", &one).await.is_ok();
        let ids = |list: Vec<Value>| list.iter().map(|concern| concern["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(app.concerns_of("sam", "").await), [other.as_str(), &one]);
        assert_eq!(ids(app.concerns_of("sam", "?state=open&case_reference=a123456").await), [other.as_str()]);
        assert_eq!(ids(app.concerns_of("sam", "?state=closed").await), [one.as_str()]);
        assert_eq!(app.concerns_of("sam", "?state=discussed").await.len(), 0);
        let ann = app.person("ann").get("/me").await.body["id"].as_str().unwrap().to_owned();
        assert_eq!(ids(app.concerns_of("una", &format!("?worker={ann}")).await), [one.as_str()]);
        let refused = app.person("sam").get("/concerns?state=lost").await;
        assert_eq!((refused.status, &refused.body["field"]), (422, &json!("state")));

        // What whoever agrees a visit there has to weigh.
        let mut tx = app.db().read().await.unwrap();
        let open = concerns::open_about_case(&mut tx, app.organisation, "a123456").await.unwrap();
        assert_eq!(open.iter().map(|(id, at, kind)| (id.to_string(), *at, *kind)).collect::<Vec<_>>(), [(other, app.now(), ConcernKind::Property)]);
        assert_eq!(concerns::open_about_case(&mut tx, app.organisation, "B123456").await.unwrap(), []);
        drop(tx);
        let events = app.concern_events().await;
        assert_eq!(events[0]["body"]["case"], events[1]["body"]["case"], "the same case, the same hash");
        app.finish().await;
    }

    async fn a_concern_by_text_goes_with_the_visit_of_the_day(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        assert_eq!(app.text("ann", "CONCERN the lift is broken").await, "Noted 12:00. Sam Cole is told.", "before any visit");
        app.text("ann", "IN 60 12 High St").await;
        app.clock.advance(TimeDelta::minutes(5));
        let said = app.text("ann", &format!("Concern: {WORDS}")).await;
        assert_eq!(said, "Noted 12:05, with your visit. Sam Cole is told. Still watching till 13:00.");
        assert_eq!(app.text("ann", "CONCERN").await, "Not noted: what is it about? Reply CONCERN and your words. Still watching till 13:00.");
        app.clock.advance(TimeDelta::minutes(5));
        app.text("ann", "OUT 4821").await;
        assert_eq!(app.text("ann", "CONCERN he was waiting by my car, pin 4821").await, "Noted 12:10, with your visit. Sam Cole is told.", "after it, too");
        app.clock.advance(TimeDelta::days(1));
        assert_eq!(app.text("ann", "CONCERN one more thing").await, "Noted 12:10. Sam Cole is told.", "it was yesterday's");
        let texts: Vec<_> = app.texts("sam").await.into_iter().filter(|text| text.contains("Read it")).collect();
        assert_eq!(texts, ["12:00", "12:05", "12:10", "12:10"].map(|at| format!("Ann Lee raised a concern at {at}. Read it in Homeward.")));
        let list = app.concerns_of("sam", "").await;
        let kept: Vec<_> = list.iter().rev().map(|concern| (concern["words"].as_str().unwrap(), concern["visit"].is_string())).collect();
        assert_eq!(kept, [("the lift is broken", false), (WORDS, true), ("he was waiting by my car, pin ****", true), ("one more thing", false)]);
        let visit = list[1]["visit"].as_str().unwrap();
        assert_eq!(app.concerns_of("ann", &format!("?visit={visit}")).await.len(), 2);
        // What was said without signal counts from then.
        let late = app.person("ann").post("/text", json!({"text": "CONCERN late", "made_at": "2026-01-15T11:40:00Z"})).await;
        assert_eq!(late.body["reply"], "Noted 11:40. Sam Cole is told.");
        // A call for help is one whatever it stands in.
        assert_eq!(app.text("ann", "CONCERN help me").await, "Noted 12:10.");
        assert_eq!(app.the_incident().await["kind"], "sos");
        app.finish().await;
    }

    async fn who_has_no_manager_is_told_that_nobody_knows(db: TestDb) {
        // Una is everybody's manager and has none; nobody is on duty.
        let alone = "key = \"a\"\nname = \"A\"\nzone = \"Europe/London\"\nlast_resort = [\"07700 900900\", \"07700 900901\"]\n[[team]]\nkey = \"t\"\nname = \"T\"\n\
            [[person]]\nkey = \"ari\"\nname = \"Ari\"\nteam = \"t\"\nrole = \"auditor\"\nemail = \"ari@example.org\"\n\
            [[person]]\nkey = \"una\"\nname = \"Una Hart\"\nteam = \"t\"\nrole = \"senior_manager\"\nphone = \"07700 900127\"\n";
        let app = TestApp::with(&db, alone, |_| {}).await;
        assert_eq!(app.text("una", "CONCERN the dog").await, "Noted 12:00. NOBODY could be told: ring your manager.");
        let told: Vec<_> = app.said().await.into_iter().map(|said| (said.to, said.text)).collect();
        assert_eq!(told, ["+447700900900", "+447700900901"].map(|to| (to.to_owned(), "Una Hart raised a concern at 12:00. Read it in Homeward.".to_owned())));
        app.nine_after(1).await;
        assert_eq!(app.said().await.len(), 4, "and every day");
        app.finish().await;
    }

    async fn whoever_raised_it_does_not_discuss_it_with_themselves(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = app.concern("sam", json!({"words": "the parking lot", "kind": "risk"})).await;
        assert_eq!((app.texts("dee").await.len(), app.texts("una").await.len(), app.texts("sam").await.len()), (1, 1, 0), "those above, not Sam");
        let refused = app.discuss("sam", &id, "ann").await;
        refused.is_problem(403, "about-yourself");
        assert!(refused.body["detail"].as_str().unwrap().contains("another manager"), "{refused:?}");
        app.discuss("dee", &id, "sam").await.is_ok();
        app.close_concern("dee", &id).await.is_ok();
        // On somebody else's visit: their manager is told; whoever may not see the visit raises nothing there.
        let visit = app.person("ann").post("/visits", json!({"minutes": 30})).await.id();
        let raised = app.person("cas").post(&format!("/visits/{visit}/concerns"), json!({"words": "w"})).await;
        assert_eq!((raised.status, raised.body["worker"]["name"].as_str(), raised.body["raised_by"]["name"].as_str()), (201, Some("Ann Lee"), Some("Cas Moss")));
        app.work().await;
        assert_eq!(app.texts("sam").await, ["Cas Moss raised a concern at 12:00. Read it in Homeward."]);
        assert_eq!((app.concerns_of("cas", "").await.len(), app.concerns_of("ann", "").await.len()), (1, 0), "it is Cas's word");
        app.finish().await;
    }

    async fn it_is_asked_for_every_day_until_it_is_discussed(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = app.concern("ann", json!({"words": WORDS})).await;
        let asked = async |who: &str| app.texts(who).await.into_iter().filter(|text| text.contains("has discussed it yet")).collect::<Vec<_>>();
        app.nine_after(1).await;
        assert_eq!(asked("sam").await, ["Ann Lee raised a concern at 12:00 Wed. Nobody has discussed it yet. Please do, and say so in Homeward."]);
        app.nine_after(2).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (2, 0));
        app.nine_after(3).await;
        assert_eq!(asked("sam").await.len(), 3);
        for above in ["dee", "una"] {
            assert_eq!(asked(above).await, ["Ann Lee raised a concern at 12:00 Wed. Nobody has discussed it yet, though Sam Cole was asked."], "from the third day");
        }
        app.discuss("sam", &id, "ann").await.is_ok();
        app.nine_after(4).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (3, 1), "no more");
        assert_eq!(app.person("ann").get(&format!("/concerns/{id}")).await.body["state"], "discussed", "nothing closes by itself");

        // What is to be done is asked for from its day on.
        let due = |text: &String| text.contains("about a concern");
        let action = json!({"what": "ring social care", "owner": "ann", "due_on": "2026-01-20"});
        let set = app.person("sam").post(&format!("/concerns/{id}/actions"), action).await;
        let action = set.body["actions"][0]["id"].as_str().unwrap().to_owned();
        app.nine_after(5).await;
        assert_eq!(app.texts("ann").await.iter().filter(|text| due(text)).count(), 0);
        for day in 6..9 {
            app.nine_after(day).await;
        }
        let anns: Vec<_> = app.texts("ann").await.into_iter().filter(due).collect();
        assert_eq!(anns, ["To do about a concern, by 20 Jan: read it in Homeward. It is open until you say there that it is done."; 3]);
        let sams: Vec<_> = app.texts("sam").await.into_iter().filter(due).collect();
        assert_eq!(sams, ["What was to be done about a concern by 20 Jan is not done. Ann Lee has it. Read it in Homeward."], "from the third day");
        app.person("ann").post(&format!("/concerns/{id}/actions/{action}/done"), json!({"note": "done"})).await.is_ok();
        app.nine_after(9).await;
        assert_eq!(app.texts("ann").await.into_iter().filter(due).count(), 3);
        let said = app.said().await;
        assert!(said.iter().all(|said| said.channel == Channel::Sms), "{said:?}");
        for private in ["bruises", "High St", "social"] {
            assert!(said.iter().all(|said| !said.text.contains(private)), "{private}");
        }
        app.finish().await;
    }

    async fn what_was_discussed_is_asked_for_each_week_until_it_is_closed(db: TestDb) {
        let app = TestApp::start(&db).await;
        let id = app.concern("ann", json!({"words": WORDS})).await;
        app.discuss("sam", &id, "ann").await.is_ok();
        let asked = async |who: &str| app.texts(who).await.into_iter().filter(|text| text.contains("still open")).collect::<Vec<_>>();
        for day in 1..7 {
            app.nine_after(day).await;
        }
        assert_eq!(asked("sam").await, [""; 0]);
        for day in 7..14 {
            app.nine_after(day).await;
        }
        assert_eq!(asked("sam").await, ["The concern that Ann Lee raised on 14 Jan was discussed and is still open. Say in Homeward what is to be done, or what came of it."]);
        app.nine_after(14).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (2, 0));
        app.nine_after(21).await;
        assert_eq!(asked("sam").await.len(), 3);
        for above in ["dee", "una"] {
            assert_eq!(asked(above).await, ["The concern that Ann Lee raised on 14 Jan was discussed and is still open, though Sam Cole was asked."]);
        }
        // Discussed again by somebody else: they are asked, a week later.
        app.discuss("una", &id, "sam").await.is_ok();
        app.nine_after(27).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (3, 1));
        app.nine_after(28).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (3, 2));
        app.close_concern("una", &id).await.is_ok();
        app.nine_after(35).await;
        assert_eq!((asked("sam").await.len(), asked("una").await.len()), (3, 2), "closed");
        app.finish().await;
    }

    async fn the_next_assessment_weighs_what_is_open(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.person("ann").post("/cases", json!({"reference": "A123456", "visiting": "supervised"})).await.is_ok();
        let place = app.person("ann").post("/cases/A123456/places", json!({"address": "12 High St"})).await.is_ok().id();
        let path = format!("/places/{place}/assessments");
        let open = async || {
            let shown = app.person("ann").get(&path).await;
            let concerns = shown.is_ok().body["open_concerns"].as_array().unwrap().clone();
            concerns.iter().map(|open| (open["id"].as_str().unwrap().to_owned(), open["kind"].as_str().unwrap().to_owned(), open["since_last_version"].as_bool().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(open().await, []);
        let first = app.concern("ann", json!({"words": WORDS, "kind": "safeguarding", "case_reference": "a123456"})).await;
        assert_eq!(open().await, [(first.clone(), "safeguarding".to_owned(), true)], "nobody has assessed it yet");
        app.clock.advance(TimeDelta::hours(1));
        let dog = json!({"about": "animals", "words": "a large dog", "measures": ["ring first"], "likelihood": 2, "severity": 2});
        app.person("sam").post(&path, json!({"factors": [dog], "review_on": "2026-07-01"})).await.is_ok();
        app.clock.advance(TimeDelta::hours(1));
        let second = app.concern("cas", json!({"words": "he shouts", "kind": "behaviour", "case_reference": "A123456"})).await;
        app.concern("cas", json!({"words": "elsewhere", "case_reference": "B123456"})).await;
        assert_eq!(open().await, [(first.clone(), "safeguarding".to_owned(), false), (second.clone(), "behaviour".to_owned(), true)]);
        // Which, not what: that stands where not everybody reads it.
        let shown = app.person("ann").get(&path).await.body.to_string();
        assert!(!shown.contains("shouts") && !shown.contains("bruises"), "{shown}");
        app.person("ann").get(&format!("/concerns/{second}")).await.is_problem(404, "not-found");
        app.discuss("sam", &first, "ann").await.is_ok();
        app.close_concern("sam", &first).await.is_ok();
        assert_eq!(open().await, [(second, "behaviour".to_owned(), true)]);
        app.finish().await;
    }

    async fn whoever_has_something_to_do_sees_it_and_no_more(db: TestDb) {
        let app = TestApp::with(&db, &more_people(), |_| {}).await;
        let id = app.concern("ann", json!({"words": WORDS})).await;
        app.concern("ann", json!({"words": "another"})).await;
        app.discuss("sam", &id, "ann").await.is_ok();
        let set = async |owner: &str| app.person("sam").post(&format!("/concerns/{id}/actions"), json!({"what": "w", "owner": owner, "due_on": "2026-01-20"})).await;
        let jo = set("jo").await;
        assert_eq!((jo.status, jo.body["field"].as_str()), (422, Some("owner")), "an outside contact has no account");
        set("kim").await.is_ok();
        let both = set("ben").await;
        assert_eq!((app.concerns_of("kim", "").await.len(), app.concerns_of("lou", "").await.len()), (1, 0));
        let bens = both.body["actions"][1]["id"].as_str().unwrap();
        app.person("kim").post(&format!("/concerns/{id}/actions/{bens}/done"), json!({"note": "n"})).await.is_problem(403, "role-too-small");
        app.person("sam").post(&format!("/concerns/{id}/actions/{bens}/done"), json!({"note": "not needed any more"})).await.is_ok();
        app.discuss("kim", &id, "ann").await.is_problem(403, "role-too-small");
        app.finish().await;
    }

    /// Row V8: whoever holds the phone learns nothing from a concern, and nobody loses one.
    async fn under_a_silent_alarm_everything_about_concerns_is_as_usual(db: TestDb) {
        let app = TestApp::with(&db, &more_people(), |_| {}).await;
        for who in ["ann", "ben"] {
            app.person(who).put("/me/pins", json!({"pin": "4821", "duress_pin": "7350"})).await.is_ok();
        }
        let mut seen = Vec::new();
        for (who, pin, name) in [("ann", "7350", "Ann Lee"), ("ben", "4821", "Ben Okoro")] {
            app.text(who, "IN 60").await;
            let mut said = vec![app.text(who, &format!("OK {pin}")).await, app.text(who, "CONCERN the dog").await];
            said.push(app.text(who, &format!("OUT {pin}")).await);
            said.push(app.text(who, "CONCERN the dog again").await);
            let list = app.person(who).get("/concerns").await.is_ok().body["concerns"].as_array().unwrap().clone();
            let visit = list[0]["visit"].as_str().unwrap();
            said.push(app.person(who).post(&format!("/visits/{visit}/concerns"), json!({"words": "w"})).await.status.to_string());
            let shown = list.iter().map(|concern| format!("{} {} {}", concern["state"], concern["told"][0]["name"], concern["visit"].is_string()));
            said.extend(shown);
            let sams = app.texts("sam").await.into_iter().filter(|text| text.contains("concern") && text.contains(name)).map(|text| text.replace(name, "-"));
            said.extend(sams);
            seen.push(said);
        }
        // Kim's team has no say in it; Sam manages both.
        let [under_duress, usual] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(under_duress, usual);
        assert_eq!(app.open_incidents().await, 1, "the silent alarm is up");
        app.finish().await;
    }
}
