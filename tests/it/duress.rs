//! Duress (row V8), as whoever holds the phone sees it: nothing. And as staff see it: at once.

mod statements;

use std::{collections::BTreeMap, fmt::Write};

use chrono::TimeDelta;
use homeward::{domain::contact::Channel, store::Pools};
use serde_json::{Value, json};

use crate::support::{
    Engine,
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

const PIN: &str = "4821";
const DURESS_PIN: &str = "9064";

/// Two workers who are alike in everything but the PIN that they use: `one` the usual one, `two` the duress PIN.
fn two_alike() -> String {
    let mut text = WESTSHIRE.to_owned();
    for (key, phone) in [("one", 301), ("two", 302)] {
        write!(
            text,
            "\n[[person]]\nkey = \"{key}\"\nname = \"Alex {key}\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 900{phone}\"\nmanager = \"sam\"\nemergency_contacts = [\"jo\"]\n",
        )
        .unwrap();
    }
    text
}

async fn set_both(app: &TestApp, who: &str) {
    let pins = json!({"pin": PIN, "duress_pin": DURESS_PIN, "duress_word": "Samantha"});
    assert_eq!(app.person(who).put("/me/pins", pins).await.status, 204);
}

/// What a person reads, without what differs between any two people: ids in the order in which they come, sealed places,
/// hashes, names.
struct Alike {
    ids: BTreeMap<String, usize>,
}

impl Alike {
    fn text(&mut self, value: &Value) -> String {
        let mut value = value.clone();
        self.walk(&mut value);
        value.to_string().replace("Alex one", "Alex").replace("Alex two", "Alex")
    }

    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| self.walk(one)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    if matches!(name.as_str(), "cursor" | "next" | "hash") && field.is_string() {
                        *field = json!(field.as_str().unwrap().len());
                    } else {
                        self.walk(field);
                    }
                }
            }
            Value::String(text) if uuid::Uuid::parse_str(text).is_ok() => {
                let next = self.ids.len();
                *value = json!(format!("id {}", *self.ids.entry(text.clone()).or_insert(next)));
            }
            _ => {}
        }
    }
}

/// Everything that somebody can read with their own token, as text.
async fn all_that_they_read(app: &TestApp, who: &str, visits: &[String]) -> Vec<String> {
    let mut alike = Alike { ids: BTreeMap::new() };
    let mut read = Vec::new();
    let mut paths: Vec<String> =
        ["/me", "/visits", "/incidents", "/incidents?state=open", "/incidents?state=closed", "/follow-ups"]
            .map(String::from)
            .into();
    for visit in visits {
        paths.extend([format!("/visits/{visit}"), format!("/events?visit={visit}")]);
    }
    paths.extend(["/events?limit=1".into(), "/events?limit=500".into()]);
    for path in paths {
        let Reply { status, body, .. } = app.person(who).get(&path).await;
        read.push(format!("{status} {}", alike.text(&body)));
    }
    for text in ["STATUS", "WHO"] {
        let said = app.person(who).post("/text", json!({ "text": text })).await;
        read.push(format!("{} {}", said.status, alike.text(&said.body)));
    }
    read.extend(
        app.texts(who)
            .await
            .into_iter()
            .map(|text| text.replace("Alex one", "Alex").replace("Alex two", "Alex")),
    );
    read
}

async fn they_read_the_same(app: &TestApp, when: &str, one: &[String], two: &[String]) {
    app.readers_have_caught_up().await;
    let (one, two) = (all_that_they_read(app, "one", one).await, all_that_they_read(app, "two", two).await);
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one, two, "{when}");
    }
    assert_eq!(one.len(), two.len(), "{when}");
}

/// What somebody does at a door with a PIN.
#[derive(Debug, Clone, Copy)]
enum Door {
    Api,
    Text,
}

async fn say(app: &TestApp, door: Door, who: &str, visit: Option<&String>, act: &str, pin: &str) -> String {
    let reply = if let (Door::Api, Some(visit)) = (door, visit) {
        let (word, body) = match act {
            "OUT" => ("check-out", json!({"pin": pin})),
            "OK" => ("check-in", json!({"pin": pin})),
            _ => ("extend", json!({"pin": pin, "minutes": 20})),
        };
        app.person(who).post(&format!("/visits/{visit}/{word}"), body).await
    } else {
        let text = if act == "MORE" { format!("MORE 20 {pin}") } else { format!("{act} {pin}") };
        app.person(who).post("/text", json!({ "text": text })).await
    };
    let mut alike = Alike { ids: BTreeMap::new() };
    let names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
    format!("{} {names:?} {}", reply.status, alike.text(&reply.body))
}

/// Where the two stand when they use their PINs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    WithoutVisit,
    Planned,
    Begun,
    InGrace,
    Overdue,
    Owned,
    CalledForHelp,
}

const STANDS: [Stands; 7] = [
    Stands::WithoutVisit,
    Stands::Planned,
    Stands::Begun,
    Stands::InGrace,
    Stands::Overdue,
    Stands::Owned,
    Stands::CalledForHelp,
];

async fn bring_to(app: &TestApp, stands: Stands) -> [Vec<String>; 2] {
    let mut visits = [vec![], vec![]];
    for (who, visits) in ["one", "two"].into_iter().zip(&mut visits) {
        set_both(app, who).await;
        let body = match stands {
            Stands::WithoutVisit => continue,
            Stands::Planned => {
                let at = |minutes| (app.now() + TimeDelta::minutes(minutes)).to_rfc3339();
                json!({"place": "x", "expected_arrival": at(90), "expected_departure": at(150)})
            }
            _ => json!({"place": "x", "minutes": 60}),
        };
        visits.push(app.person(who).post("/visits", body).await.is_ok().id());
    }
    match stands {
        Stands::InGrace => app.pass(65).await,
        Stands::Overdue | Stands::Owned => app.pass(72).await,
        _ => {}
    }
    if stands == Stands::Owned {
        for incident in open_incidents(app).await {
            app.person("sam")
                .post(&format!("/incidents/{}/acknowledge", incident["id"].as_str().unwrap()), json!({}))
                .await
                .is_ok();
        }
    }
    if stands == Stands::CalledForHelp {
        for who in ["one", "two"] {
            app.person(who).post("/sos", json!({})).await.is_ok();
        }
        app.work().await;
    }
    visits
}

async fn open_incidents(app: &TestApp) -> Vec<Value> {
    app.person("una").get("/incidents?state=open").await.body["incidents"].as_array().unwrap().clone()
}

async fn duress_about_two(app: &TestApp) -> Option<Value> {
    let all = app.person("una").get("/incidents").await.body["incidents"].as_array().unwrap().clone();
    all.into_iter().find(|incident| incident["kind"] == "duress")
}

async fn close(app: &TestApp, incident: &Value) {
    let path = format!("/incidents/{}/close", incident["id"].as_str().unwrap());
    let body =
        json!({"outcome": "threatened", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "n"});
    app.person("sam").post(&path, body).await.is_ok();
}

on_both! {
    // Every place to stand, every act, both doors; before, meanwhile and afterwards. All cells on SQLite, each third on
    // PostgreSQL.
    async fn whoever_holds_the_phone_sees_no_difference(db: TestDb) {
        for (number, (stands, act, door)) in STANDS
            .into_iter()
            .flat_map(|stands| ["OUT", "OK", "MORE"].map(|act| (stands, act)))
            .flat_map(|(stands, act)| [Door::Api, Door::Text].map(|door| (stands, act, door)))
            .enumerate()
        {
            if db.engine == Engine::Postgres && number % 3 != 0 {
                continue;
            }
            let when = format!("{stands:?} {act} {door:?}");
            let fresh = db.another().await;
            let app = TestApp::with(&fresh, &two_alike(), |_| {}).await;
            let [one, two] = bring_to(&app, stands).await;
            they_read_the_same(&app, &format!("{when}: before"), &one, &two).await;
            let before = rows(&app).await;
            let usual = say(&app, door, "one", one.first(), act, PIN).await;
            let after_one = rows(&app).await;
            let silent = say(&app, door, "two", two.first(), act, DURESS_PIN).await;
            assert_eq!(usual, silent, "{when}");
            let after_two = rows(&app).await;
            assert_eq!(grown(&before, &after_one), grown(&after_one, &after_two), "{when}: rows and bytes");
            they_read_the_same(&app, &format!("{when}: at once"), &one, &two).await;
            app.work().await;
            let incident = duress_about_two(&app).await.unwrap_or_else(|| panic!("{when}: no alarm"));
            assert_eq!(incident["subject"]["name"], "Alex two", "{when}");
            they_read_the_same(&app, &format!("{when}: the alarm is up"), &one, &two).await;
            for minutes in [3, 8, 20] {
                app.pass(minutes).await;
                they_read_the_same(&app, &format!("{when}: {minutes} min later"), &one, &two).await;
            }
            // Used again, and by the usual PIN too, it goes on like that.
            for pin in [PIN, DURESS_PIN] {
                let again = [say(&app, door, "one", one.first(), act, PIN).await, say(&app, door, "two", two.first(), act, pin).await];
                assert_eq!(again[0], again[1], "{when}: again");
            }
            app.work().await;
            they_read_the_same(&app, &format!("{when}: again"), &one, &two).await;
            let told: Vec<_> = app.texts("two").await.into_iter().filter(|text| text.contains("DURESS")).collect();
            assert!(told.is_empty(), "{told:?}");
            app.finish().await;
        }
    }

    async fn staff_are_called_at_once_and_outside_contacts_are_not(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        let visit = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 60})).await.is_ok().id();
        app.pass(10).await;
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": DURESS_PIN})).await.is_ok();
        app.work().await;
        let called: Vec<_> = app.said().await.into_iter().filter(|said| said.text.contains("DURESS") && said.channel == Channel::Sms).collect();
        let mut to: Vec<_> = called.iter().map(|said| said.to.as_str()).collect();
        to.sort_unstable();
        assert_eq!(to, ["dee", "sam"], "the first two steps, and nobody from outside");
        assert!(called[0].text.starts_with("DURESS: Ann Lee 12:10. DO NOT ring or text.") || called[0].text.starts_with("DURESS Ann Lee 12:10. DO NOT ring or text."), "{called:?}");
        assert!(!called[0].text.contains("07700900123"), "her number is not there to be rung");
        app.pass(3).await;
        assert!(app.texts("una").await.iter().any(|text| text.contains("DURESS")), "everyone after two minutes");
        assert!(app.texts("jo").await.is_empty());
        app.finish().await;
    }

    async fn an_alarm_that_becomes_duress_stops_those_who_were_called(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        let visit = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 30})).await.is_ok().id();
        app.pass(41).await;
        assert!(app.texts("jo").await.iter().any(|text| text.contains("try to reach")));
        let incident = app.the_incident().await;
        let path = format!("/incidents/{}", incident["id"].as_str().unwrap());
        app.person("sam").post(&format!("{path}/acknowledge"), json!({})).await.is_ok();
        app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": DURESS_PIN})).await.is_ok();
        app.work().await;
        let incident = app.the_incident().await;
        assert_eq!((&incident["kind"], &incident["owner"]), (&json!("duress"), &Value::Null), "{incident}");
        let jo = app.texts("jo").await;
        assert!(jo.iter().any(|text| text.starts_with("STOP: please do NOT ring")), "{jo:?}");
        assert!(!jo.iter().any(|text| text.to_lowercase().contains("duress")), "{jo:?}");
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("DURESS: Ann Lee, whom you have. STOP")));
        // Nothing from her side lowers it, and it ends like every other: by a person.
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": PIN})).await.is_ok();
        app.work().await;
        assert_eq!(app.the_incident().await["worker_reports"], "pin_used");
        app.finish().await;
    }

    async fn only_a_right_pin_is_one_that_was_used_since(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        app.person("ann").post("/visits", json!({"minutes": 60})).await.is_ok();
        app.person("ann").post("/text", json!({"text": format!("OK {DURESS_PIN}")})).await.is_ok();
        app.pass(5).await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        for (text, used) in [
            ("OUT 1111", 0),
            ("MORE 1111", 0),
            ("MORE 4821", 0),
            ("STATUS", 0),
            ("OK 4821", 1),
            ("OUT 2222", 1),
            ("OK 9064", 2),
            ("OUT 4821", 3),
        ] {
            app.person("ann").post("/text", json!({ "text": text })).await.is_ok();
            app.pass(1).await;
            let log = app.log("incident", &incident).await;
            assert_eq!(log.iter().filter(|kind| *kind == "incident.pin_used").count(), used, "{text}: {log:?}");
        }
        let incident = app.the_incident().await;
        assert_eq!((&incident["kind"], &incident["worker_reports"]), (&json!("duress"), &json!("pin_used")));
        app.finish().await;
    }

    async fn she_reads_of_it_once_it_was_closed_and_released(db: TestDb) {
        let app = TestApp::with(&db, &two_alike(), |_| {}).await;
        let [one, two] = bring_to(&app, Stands::Begun).await;
        for (who, visit, pin) in [("one", &one, PIN), ("two", &two, DURESS_PIN)] {
            say(&app, Door::Api, who, visit.first(), "OUT", pin).await;
        }
        app.work().await;
        let incident = duress_about_two(&app).await.unwrap();
        let path = format!("/incidents/{}", incident["id"].as_str().unwrap());
        app.person("sam").post(&format!("{path}/release"), json!({})).await.is_problem(409, "wrong-state");
        close(&app, &incident).await;
        they_read_the_same(&app, "closed", &one, &two).await;
        for act in ["", "/acknowledge", "/note", "/release"] {
            let reply = if act.is_empty() {
                app.person("two").get(&path).await
            } else {
                let body = if act == "/note" { json!({"note": "n"}) } else { json!({}) };
                app.person("two").post(&format!("{path}{act}"), body).await
            };
            assert_eq!(reply.status, 404, "{act}: {reply:?}");
        }
        app.person("ari").post(&format!("{path}/release"), json!({})).await.is_problem(403, "role-too-small");
        app.person("sam").post(&format!("{path}/release"), json!({})).await.is_ok();
        app.person("sam").post(&format!("{path}/release"), json!({})).await.is_ok();
        assert_eq!(app.person("two").get(&path).await.is_ok().body["kind"], "duress");
        app.finish().await;
    }

    async fn a_locked_pin_answers_alike_and_the_alarm_goes_up(db: TestDb) {
        let app = TestApp::with(&db, &two_alike(), |_| {}).await;
        let [one, two] = bring_to(&app, Stands::Begun).await;
        for _ in 0..5 {
            for (who, visit) in [("one", &one), ("two", &two)] {
                say(&app, Door::Api, who, visit.first(), "OUT", "1111").await;
            }
        }
        let usual = say(&app, Door::Api, "one", one.first(), "OUT", PIN).await;
        let silent = say(&app, Door::Api, "two", two.first(), "OUT", DURESS_PIN).await;
        assert!(usual.starts_with("403"), "{usual}");
        assert_eq!(usual, silent);
        app.work().await;
        assert!(duress_about_two(&app).await.is_some());
        they_read_the_same(&app, "locked", &one, &two).await;
        app.finish().await;
    }

    async fn the_workers_own_word_after_the_usual_pin_does_it_too(db: TestDb) {
        for (text, raises) in [
            ("OUT 4821 cheers samantha", true),
            ("ok 4821 thanks, SAMANTHA!", true),
            ("MORE 20 4821 samantha says hi", true),
            ("OUT 4821 cheers Sam", false),
            ("OUT samantha 4821", false),
            ("OUT 1111 samantha", false),
            // Not enough to do anything else, and heard all the same.
            ("MORE 9064", true),
            ("MORE 4821 samantha", true),
        ] {
            let fresh = db.another().await;
            let app = TestApp::with(&fresh, &two_alike(), |_| {}).await;
            bring_to(&app, Stands::Begun).await;
            app.person("two").post("/text", json!({ "text": text })).await.is_ok();
            app.work().await;
            assert_eq!(duress_about_two(&app).await.is_some(), raises, "{text}");
            app.finish().await;
        }
    }

    async fn whoever_is_with_her_learns_nothing_either(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        // Her manager, whom the ladder calls first, goes with her.
        let visit = app.person("ann").post("/visits", json!({"minutes": 60, "with": ["sam"]})).await.is_ok().id();
        app.work().await;
        let before = app.texts("sam").await;
        app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": DURESS_PIN})).await.is_ok();
        app.pass(15).await;
        let incident = app.person("una").get("/incidents?state=open").await.body["incidents"][0].clone();
        assert_eq!(incident["kind"], "duress");
        assert_eq!(app.texts("sam").await, before);
        assert!(app.texts("dee").await.iter().any(|text| text.contains("DURESS")));
        let id = incident["id"].as_str().unwrap();
        for path in ["/incidents".into(), "/events?limit=500".into(), "/visits".into(), format!("/visits/{visit}")] {
            let read = app.person("sam").get(&path).await.is_ok().body.to_string();
            assert!(!read.contains(id) && !read.contains("duress"), "{path}: {read}");
        }
        for path in [format!("/incidents/{id}"), format!("/events?incident={id}")] {
            assert_eq!(app.person("sam").get(&path).await.status, 404, "{path}");
        }
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_problem(404, "not-found");
        let handed = app.person("una").post(&format!("/incidents/{id}/hand-over"), json!({"to": "sam"})).await;
        assert!(handed.status >= 400, "{handed:?}");
        app.finish().await;
    }

    async fn who_was_called_before_it_became_duress_reads_on_as_before(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        app.set_pin("sam").await;
        app.person("ann").post("/visits", json!({"minutes": 30, "with": ["sam"]})).await.is_ok();
        app.person("sam").post("/text", json!({"text": "MORE 120 4821"})).await.is_ok();
        app.pass(40).await;
        let call = app.texts("sam").await.into_iter().find(|text| text.contains("OVERDUE: Ann")).unwrap();
        let code = call.split_once("Homeward: ").unwrap().1.trim_matches('.').to_owned();
        let says = async |text: String| {
            let reply = app.person("sam").post("/text", json!({ "text": text })).await;
            reply.is_ok().body["reply"].as_str().unwrap().to_owned()
        };
        let before = says(format!("WHERE {code}")).await;
        app.person("ann").post("/text", json!({"text": format!("OK {DURESS_PIN}")})).await.is_ok();
        app.work().await;
        let duress = open_incidents(&app).await.into_iter().find(|incident| incident["kind"] == "duress").unwrap();
        let last_contact = |text: &str| text.split("Last heard").next().unwrap().to_owned();
        let after = says(format!("WHERE {code}")).await;
        assert_eq!(last_contact(&before), last_contact(&after));
        assert!(!after.contains("DO NOT"), "{after}");
        assert!(says("WHO".into()).await.contains("Ann Lee"));
        // Neither takes it nor sends the others home.
        for word in ["ACK", "HOLD 30 fine with", "SAFE", "NO"] {
            let text = if word.starts_with("HOLD") { format!("HOLD {code} 30 fine") } else { format!("{word} {code}") };
            let said = says(text).await;
            assert!(!said.contains("nothing with this id") && !said.to_lowercase().contains("duress"), "{word}: {said}");
        }
        let path = format!("/incidents/{}", duress["id"].as_str().unwrap());
        assert_eq!(app.person("una").get(&path).await.body["owner"], Value::Null);
        // A call for help is one of their own.
        says(format!("NOT SAFE {code}")).await;
        app.work().await;
        let kinds: Vec<_> = open_incidents(&app).await.into_iter().map(|incident| incident["kind"].clone()).collect();
        assert!(kinds.contains(&json!("sos")) && kinds.contains(&json!("duress")), "{kinds:?}");
        app.finish().await;
    }

    async fn who_left_the_visit_long_ago_is_called_about_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        app.set_pin("sam").await;
        app.person("ann").post("/visits", json!({"minutes": 180, "with": ["sam"]})).await.is_ok();
        app.person("sam").post("/text", json!({"text": "OUT 4821"})).await.is_ok();
        app.pass(90).await;
        app.person("ann").post("/text", json!({"text": format!("OK {DURESS_PIN}")})).await.is_ok();
        app.work().await;
        assert!(app.texts("sam").await.iter().any(|text| text.contains("DURESS")), "{:?}", app.texts("sam").await);
        app.finish().await;
    }

    async fn whoever_was_with_her_last_learns_nothing_though_she_began_another_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        set_both(&app, "ann").await;
        app.person("ann").post("/visits", json!({"minutes": 60, "with": ["sam"]})).await.is_ok();
        app.person("ann").post("/visits", json!({"minutes": 60, "place": "elsewhere"})).await.is_ok();
        app.person("ann").post("/text", json!({"text": format!("OUT {DURESS_PIN}")})).await.is_ok();
        app.pass(15).await;
        assert!(!app.texts("sam").await.iter().any(|text| text.contains("DURESS")), "{:?}", app.texts("sam").await);
        assert!(app.texts("dee").await.iter().any(|text| text.contains("DURESS")));
        app.finish().await;
    }

    async fn the_close_of_a_silent_alarm_reads_as_an_act_on_her_behalf(db: TestDb) {
        for worker_now in [json!({"worker_now": "home"}), json!({"worker_now": "still_there", "minutes": 30})] {
            let fresh = db.another().await;
            let app = TestApp::start(&fresh).await;
            set_both(&app, "ann").await;
            let visit = app.person("ann").post("/visits", json!({"minutes": 60})).await.is_ok().id();
            app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": DURESS_PIN})).await.is_ok();
            app.work().await;
            let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
            let mut body = json!({"outcome": "false_alarm", "known_by": "spoke_by_voice", "note": "n"});
            for (name, value) in worker_now.as_object().unwrap() {
                body[name] = value.clone();
            }
            app.person("sam").post(&format!("/incidents/{incident}/close"), body).await.is_ok();
            app.work().await;
            let read = app.person("ann").get(&format!("/visits/{visit}")).await.is_ok().body.to_string();
            let log = app.person("ann").get(&format!("/events?visit={visit}")).await.is_ok().body.to_string();
            for read in [read, log] {
                assert!(!read.contains("incident") && !read.contains("duress"), "{worker_now}: {read}");
            }
            assert!(app.texts("ann").await.last().unwrap().contains("Sam"), "{:?}", app.texts("ann").await);
            app.finish().await;
        }
    }

    async fn a_duress_pin_is_no_slip_away_from_the_pin(db: TestDb) {
        let app = TestApp::start(&db).await;
        let put = async |body: Value| app.person("ann").put("/me/pins", body).await;
        put(json!({"duress_pin": "9064"})).await.is_problem(422, "invalid-field");
        put(json!({})).await.is_problem(422, "invalid-field");
        for near in ["4821", "4820", "482", "48211", "8421"] {
            let refused = put(json!({"pin": "4821", "duress_pin": near})).await;
            assert_eq!(refused.status, 422, "{near}: {refused:?}");
        }
        for word in ["ok", "home", "a1b", "two words", "SOS"] {
            let refused = put(json!({"pin": "4821", "duress_word": word})).await;
            assert_eq!((refused.status, &refused.body["field"]), (422, &json!("duress_word")), "{word}");
        }
        put(json!({"pin": "4821", "duress_pin": "9064"})).await.is_ok();
        // Later: with the PIN; and the other stays what it was.
        put(json!({"duress_pin": "7350"})).await.is_problem(403, "pin-refused");
        put(json!({"duress_pin": "7350", "current_pin": "4821"})).await.is_ok();
        put(json!({"pin": "123456", "current_pin": "4821"})).await.is_ok();
        let visit = app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok().id();
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "7350"})).await.is_ok();
        app.work().await;
        assert_eq!(app.the_incident().await["kind"], "duress");
        // Whoever makes her change her PIN learns nothing, and raises it.
        put(json!({"pin": "2468", "current_pin": "7350"})).await.is_ok();
        app.finish().await;
    }
}

/// How many rows each table has, and how many bytes its texts have together.
async fn rows(app: &TestApp) -> BTreeMap<String, (i64, i64)> {
    const TABLES: [&str; 12] = [
        "visit",
        "visit_deadline",
        "incident",
        "incident_deadline",
        "message",
        "outbox",
        "event",
        "event_private",
        "pin",
        "alarm_code",
        "idempotency",
        "chase",
    ];
    let mut all = BTreeMap::new();
    for table in TABLES {
        let counted: (i64, i64) = match app.db().pools() {
            Pools::Sqlite(pool) => {
                let count = sqlx::AssertSqlSafe(format!("SELECT count(*), count(*) FROM {table}"));
                sqlx::query_as(count).fetch_one(pool).await.unwrap()
            }
            Pools::Postgres(pool) => {
                let text =
                    format!("SELECT count(*), coalesce(sum(length(t::text)), 0)::bigint FROM {table} t");
                sqlx::query_as(sqlx::AssertSqlSafe(text)).fetch_one(pool).await.unwrap()
            }
        };
        all.insert(table.to_owned(), counted);
    }
    all
}

fn grown(
    before: &BTreeMap<String, (i64, i64)>,
    after: &BTreeMap<String, (i64, i64)>,
) -> BTreeMap<String, (i64, i64)> {
    before
        .iter()
        .map(|(table, was)| (table.clone(), (after[table].0 - was.0, after[table].1 - was.1)))
        .collect()
}
