//! Equipment and travel (row P3): what is out with whom, shown to responders; devices that call for help by an address of their own.

use chrono::TimeDelta;
use homeward::{
    app::text::{self, Received, Sender},
    domain::{
        contact::Phone,
        event::Door,
        incident::Kind,
        notice::Purpose,
        policy::Policy,
        wording::{English, Wording},
    },
    store::{Trace, people},
};
use serde_json::{Value, json};

use crate::support::{
    app::{Reply, TestApp, WESTSHIRE, apply},
    on_both,
    phones::Phones,
};

fn organisation() -> String {
    let more = |key: &str, name: &str, team: &str, role: &str, phone: &str| {
        format!(
            "\n[[person]]\nkey = \"{key}\"\nname = \"{name}\"\nteam = \"{team}\"\nrole = \"{role}\"\nphone = \"{phone}\"\n"
        )
    };
    let south = "\n[[team]]\nkey = \"south\"\nname = \"South team\"\nparent = \"unit\"\n";
    let people = [
        more("ben", "Ben Okoro", "south", "worker", "07700 900130"),
        more("sol", "Sol Kane", "south", "manager", "07700 900132"),
    ];
    format!("{WESTSHIRE}{south}{}", people.concat())
}

fn device() -> Value {
    json!({"key": "alarm-4", "label": "Alarm 4", "kind": "lone_worker_device"})
}

fn car() -> Value {
    json!({"key": "pool-2", "label": "Pool car 2", "kind": "pool_car", "registration": "ab12 cde"})
}

impl TestApp {
    async fn adds(&self, who: &str, what: Value) -> Reply {
        let added = self.person(who).post("/equipment", what).await;
        assert_eq!(added.status, 201, "{added:?}");
        added
    }

    async fn lends(&self, what: &str, to: &str, due_back: Option<&str>) {
        let body = json!({"to": to, "due_back": due_back});
        self.person("sam").post(&format!("/equipment/{what}/lend"), body).await.is_ok();
    }

    /// One of the things that somebody sees.
    async fn item(&self, who: &str, key: &str) -> Value {
        let list = self.person(who).get("/equipment").await;
        let all = list.is_ok().body["equipment"].as_array().unwrap();
        all.iter().find(|item| item["key"] == key).cloned().unwrap_or_default()
    }

    async fn keys(&self, who: &str, query: &str) -> Vec<String> {
        let list = self.person(who).get(&format!("/equipment{query}")).await;
        let all = list.is_ok().body["equipment"].as_array().unwrap().iter();
        all.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    }

    /// The address of a device.
    async fn device_url(&self, what: &str) -> String {
        let issued = self.person("sam").post(&format!("/equipment/{what}/url"), json!({})).await;
        assert_eq!(issued.status, 201, "{issued:?}");
        issued.body["url"].as_str().unwrap().to_owned()
    }

    /// What a device, which knows nothing but its address, sends; and what it is answered.
    async fn device(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method.parse().unwrap(), self.url(path)).body(body.into());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn events_of(&self, kind: &str) -> Vec<Value> {
        let all = self.everything_that_happened().await;
        let events = all.body["events"].as_array().unwrap().iter();
        events.filter(|event| event["kind"] == kind).cloned().collect()
    }

    async fn next_nine(&self) {
        let day = self.now().date_naive();
        let nine = (day + TimeDelta::days(1)).and_hms_opt(9, 0, 0).unwrap().and_utc();
        self.clock.advance(nine - self.now());
        self.work().await;
    }

    /// An outside contact texts, and this is answered.
    async fn contact_texts(&self, who: &str, text: &str) -> String {
        let mut tx = self.db().read().await.unwrap();
        let directory = people::directory(&mut tx, self.organisation).await.unwrap();
        drop(tx);
        let person = directory.named(who).unwrap().id;
        let (house, key) = (self.app.site.house.clone(), self.app.site.key.clone());
        let sender = Sender::Outside { organisation: self.organisation, person };
        let received = Received { text: text.into(), made_at: None };
        let trace = Trace { actor: Some(person), door: Door::Sms, now: self.now() };
        let answer = self
            .db()
            .write(async move |tx| text::take(tx, &house, &key, &sender, &received, trace).await)
            .await
            .unwrap();
        English.reply(&answer.reply, self.now(), directory.zone)
    }
}

/// The car takes the room of nothing that finds the worker sooner.
#[test]
fn the_car_stands_in_a_text_where_there_is_room_for_it() {
    let at = |place: &str, position| {
        let reply = homeward::domain::reply::Reply::Where {
            worker: "Annabel Lee-Harris".into(),
            place: Some(place.into()),
            place_said: None,
            purpose: Some("Home visit, the second one of three".into()),
            position,
            last_contact: Some(crate::support::app::noon()),
            phone: Some(Phone::parse("07700 900123").unwrap()),
            kind: Kind::Sos,
            car: Some("AB12 CDE".into()),
        };
        English.reply(&reply, crate::support::app::noon(), chrono_tz::Europe::London)
    };
    let short = at("12 High St", None);
    assert!(short.ends_with(" 07700900123. Car AB12 CDE."), "{short}");
    let long = at("Flat 12, Riverside Court, 9 Quay Road N", Some((52.486_24, -1.890_40)));
    assert!(long.contains("Flat 12, Riverside Court, 9 Quay Road N") && !long.contains("Car"), "{long}");
    for text in [short, long] {
        assert!(homeward::domain::wording::sms::fits(&text), "{text}");
    }
}

on_both! {
    async fn what_is_out_with_whom_is_known(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        let cars = app.adds("sam", car()).await;
        assert_eq!((cars.body["registration"].as_str(), cars.body["team"]["key"].as_str(), cars.body["holder"].clone()), (Some("AB12 CDE"), Some("north"), Value::Null));
        app.adds("sol", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        app.adds("una", json!({"team": "south", "key": "hire-1", "label": "Hire car", "kind": "hire_car", "registration": "XY 1"})).await;

        app.lends("pool-2", "ann", Some("2026-01-14T17:00")).await;
        let out = app.item("sam", "pool-2").await;
        assert_eq!((out["holder"]["name"].as_str(), out["due_back"].as_str(), out["late"].as_bool()), (Some("Ann Lee"), Some("2026-01-14T17:00:00Z"), Some(false)));
        // Seen by those in whose reach it is, and by whoever has it.
        assert_eq!(app.keys("una", "").await, ["alarm-4", "hire-1", "phone-1", "pool-2"]);
        assert_eq!(app.keys("una", "?team=south").await, ["hire-1", "phone-1"]);
        assert_eq!(app.keys("una", "?team=unit").await.len(), 4, "and those below it");
        assert_eq!(app.keys("ari", "").await.len(), 4);
        assert_eq!((app.keys("sam", "").await, app.keys("cas", "").await), (vec!["alarm-4".to_owned(), "pool-2".into()], vec!["alarm-4".to_owned(), "pool-2".into()]));
        assert_eq!((app.keys("ann", "").await, app.keys("ben", "").await), (vec!["pool-2".to_owned()], vec![]));
        app.person("sam").get("/equipment?team=east").await.is_problem(422, "invalid-field");

        // It is with one person at a time; for longer, back, and back again.
        let twice = app.person("cas").post("/equipment/pool-2/lend", json!({"to": "ben"})).await;
        assert_eq!(twice.is_problem(409, "wrong-state").body["detail"], "it is out with Ann Lee: first it has to come back");
        app.lends("pool-2", "ann", Some("2026-01-14T19:00")).await;
        assert_eq!(app.item("sam", "pool-2").await["due_back"], "2026-01-14T19:00:00Z");
        app.person("ann").post("/equipment/pool-2/return", json!({})).await.is_problem(403, "role-too-small");
        for _ in 0..2 {
            let back = app.person("cas").post("/equipment/pool-2/return", json!({})).await;
            assert_eq!(back.is_ok().body["holder"], Value::Null);
        }
        app.lends("pool-2", "ben", None).await;
        let kinds: Vec<_> = app.events_of("equipment.lent").await.iter().map(|event| event["body"]["due_back"].clone()).collect();
        assert_eq!((kinds.len(), kinds[2].clone(), app.events_of("equipment.returned").await.len()), (3, Value::Null, 1));
        app.finish().await;
    }

    async fn what_is_not_back_is_asked_for_daily_then_of_the_manager(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", car()).await;
        app.lends("pool-2", "ann", Some("2026-01-15T08:00")).await;
        app.lends("pool-2", "ann", Some("2026-01-14T17:00")).await;
        let about_it = async |who: &str| -> Vec<String> {
            app.texts(who).await.into_iter().filter(|text| text.contains("Pool car")).collect()
        };
        app.pass(5 * 60 + 5).await;
        assert_eq!((about_it("ann").await.len(), app.item("sam", "pool-2").await["late"].clone()), (0, json!(true)), "nobody is asked in the evening");
        app.next_nine().await;
        assert_eq!(about_it("ann").await, ["Please bring back Pool car 2 (AB12 CDE), due 17:00 Wed. It is out with you until its return stands in Homeward."]);
        app.next_nine().await;
        assert_eq!((about_it("ann").await.len(), about_it("sam").await.len()), (2, 0));
        app.next_nine().await;
        assert_eq!(about_it("sam").await, ["Ann Lee has not brought back Pool car 2 (AB12 CDE), due 17:00 Wed, though asked."]);
        assert_eq!(app.events_of("equipment.asked").await.len(), 3);
        // For longer: not asked till then. Back: not asked any more.
        app.lends("pool-2", "ann", Some("2026-01-19T17:00")).await;
        app.next_nine().await;
        app.next_nine().await;
        assert_eq!(about_it("ann").await.len(), 3);
        app.next_nine().await;
        assert_eq!((about_it("ann").await.len(), about_it("sam").await.len()), (4, 1), "and anew from the first day on");
        app.person("sam").post("/equipment/pool-2/return", json!({})).await.is_ok();
        app.next_nine().await;
        assert_eq!(about_it("ann").await.len(), 4);
        app.finish().await;
    }

    async fn who_left_with_it_is_asked_of_their_manager_at_once(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", car()).await;
        app.lends("pool-2", "ann", Some("2026-01-14T17:00")).await;
        let left = organisation().replace("key = \"ann\"", "key = \"ann\"\nleft = true");
        apply(app.db(), &left, Policy::default(), app.now()).await;
        app.next_nine().await;
        assert_eq!(app.texts("sam").await, ["Ann Lee has not brought back Pool car 2 (AB12 CDE), due 17:00 Wed, though asked."]);
        assert!(!app.texts("ann").await.iter().any(|text| text.contains("Pool car")));
        // A button that whoever has left still has is heard.
        app.adds("una", json!({"team": "north", "key": "alarm-5", "label": "Alarm 5", "kind": "lone_worker_device"})).await;
        app.lends("alarm-5", "cas", None).await;
        let url = app.device_url("alarm-5").await;
        let left = left.replace("key = \"cas\"", "key = \"cas\"\nleft = true");
        apply(app.db(), &left, Policy::default(), app.now()).await;
        assert_eq!(app.device("POST", &format!("{url}/sos"), "").await.0, 200);
        assert_eq!(app.the_incident().await["subject"]["name"], "Cas Moss");
        app.work().await;
        app.finish().await;
    }

    async fn another_organisations_things_are_nothing_here(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let id = app.adds("sam", car()).await.id();
        let eastshire = organisation().replace("key = \"westshire\"", "key = \"eastshire\"");
        let (_, tokens) = apply(app.db(), &eastshire, Policy::default(), app.now()).await;
        let una = app.with_token(&tokens["una"]);
        assert_eq!(una.get("/equipment").await.is_ok().body["equipment"], json!([]));
        for named in [id.as_str(), "pool-2"] {
            una.post(&format!("/equipment/{named}/lend"), json!({"to": "ann"})).await.is_problem(404, "not-found");
            una.post(&format!("/equipment/{named}/return"), json!({})).await.is_problem(404, "not-found");
        }
        assert_eq!(una.post("/equipment", car()).await.status, 201, "a key stands for one in each");
        app.finish().await;
    }

    async fn a_device_is_tested_in_each_month(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        let flag = async || app.item("sam", "alarm-4").await["test"].clone();
        assert_eq!(flag().await, "not_this_month");
        app.lends("alarm-4", "ann", None).await;
        let test = json!({"on": "2026-01-02", "result": "works", "words": "Rang Ann's desk at once."});
        app.person("ann").post("/equipment/alarm-4/tested", test).await.is_ok();
        assert_eq!(flag().await, "tested", "whoever has it can test it");
        let faulty = json!({"on": "2026-01-03", "result": "faulty", "words": "no light"});
        app.person("cas").post("/equipment/alarm-4/tested", faulty).await.is_ok();
        assert_eq!(flag().await, "faulty");
        app.person("cas").post("/equipment/alarm-4/tested", json!({"on": "2026-01-01", "result": "works"})).await.is_ok();
        assert_eq!(flag().await, "faulty", "an older test says nothing about now");
        app.person("cas").post("/equipment/alarm-4/tested", json!({"on": "2026-01-14", "result": "works"})).await.is_ok();
        assert_eq!((flag().await, app.item("sam", "alarm-4").await["tested_on"].clone()), (json!("tested"), json!("2026-01-14")));
        app.clock.advance(TimeDelta::days(18));
        assert_eq!(flag().await, "not_this_month", "it is February");
        let tests = app.events_of("equipment.tested").await;
        assert_eq!((tests.len(), tests[0]["words"]["words"].as_str()), (4, Some("Rang Ann's desk at once.")));
        assert!(tests.iter().all(|event| !event["body"].to_string().contains("desk")));
        app.finish().await;
    }

    async fn responders_see_what_the_worker_has_and_contacts_do_not(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |config| config.answering.by_text = true).await;
        app.adds("sam", car()).await;
        app.adds("sam", json!({"key": "own-ann", "label": "Ann's Golf", "kind": "own_car", "registration": "OLD 1"})).await;
        app.adds("sam", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        app.lends("own-ann", "ann", None).await;
        app.clock.advance(TimeDelta::seconds(1));
        app.lends("pool-2", "ann", Some("2026-01-14T19:00")).await;
        app.lends("phone-1", "ann", None).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let incident = app.the_incident_as("sam").await;
        let id = incident["id"].as_str().unwrap().to_owned();
        let shown = app.person("sam").get(&format!("/incidents/{id}")).await.is_ok().body["equipment"].clone();
        let one = |key: &str| shown.as_array().unwrap().iter().find(|item| item["label"] == key).cloned().unwrap();
        assert_eq!((one("Pool car 2")["kind"].as_str(), one("Pool car 2")["registration"].as_str()), (Some("pool_car"), Some("AB12 CDE")));
        assert_eq!((one("Ann's Golf")["registration"].as_str(), one("Pool phone")["number"].as_str()), (Some("OLD 1"), Some("+447700900140")));
        let code = incident["code"].as_str().unwrap();
        let reply = app.text("sam", &format!("WHERE {code}")).await;
        assert_eq!(reply, "Ann Lee: 12 High St. Last heard 12:00. 07700900123. Car AB12 CDE.", "the one that she took last");
        // Outside contacts learn nothing of it, by no door.
        let jos = app.texts("jo").await.join("\n");
        let to_jo = app.said().await.into_iter().filter(|said| said.to == "jo").map(|said| said.text).collect::<String>();
        assert!(!jos.is_empty() && !jos.contains("AB12") && !to_jo.contains("AB12"), "{to_jo}");
        let code = jos.split("ACK ").nth(1).unwrap()[..4].to_owned();
        let reply = app.contact_texts("jo", &format!("WHERE {code}")).await;
        assert!(!reply.contains("AB12") && !reply.contains("High St"), "{reply}");
        // Closed: what she has is nobody's business any more.
        let how = json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": "home", "note": "n"});
        app.person("sam").post(&format!("/incidents/{id}/close"), how).await.is_ok();
        assert_eq!(app.person("sam").get(&format!("/incidents/{id}")).await.is_ok().body["equipment"], json!([]));
        app.work().await;
        app.finish().await;
    }

    async fn a_device_calls_for_help_about_whoever_has_it(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        app.lends("alarm-4", "ann", None).await;
        let url = app.device_url("alarm-4").await;
        assert!(url.starts_with("/device/hw_") && app.item("sam", "alarm-4").await["has_url"] == true);
        for body in ["", "{}", "not json", "\u{0}", "{\"position\": 7}"] {
            let (status, said) = app.device("POST", &format!("{url}/sos"), body).await;
            assert!(status == 200 && said.contains("Noted 12:00."), "{body:?}: {status} {said}");
        }
        let (status, _) = app.device("POST", &format!("{url}/sos"), r#"{"words": "he is back", "position": {"latitude": 52.48, "longitude": -1.89}}"#).await;
        assert_eq!(status, 200);
        let (status, _) = app.device("POST", &format!("{url}/sos"), vec![b'x'; 70_000]).await;
        assert_eq!(status, 200, "nothing refuses it");
        let incident = app.the_incident().await;
        assert_eq!((incident["kind"].as_str(), incident["subject"]["name"].as_str(), incident["position"]["latitude"].as_f64()), (Some("sos"), Some("Ann Lee"), Some(52.48)));
        let id = incident["id"].as_str().unwrap().to_owned();
        app.work().await;
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("SOS: Ann Lee 12:00.")), "{:?}", app.texts("sam").await);
        assert_eq!(app.texts("ann").await, [""; 0]);
        let log = app.person("ari").get(&format!("/events?incident={id}&limit=500")).await;
        let by_device: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "incident.sos_by_device").collect();
        assert_eq!((by_device.len(), by_device[0]["door"].as_str(), by_device[0]["actor"].clone(), by_device[0]["body"]["url_revoked"].clone()), (7, Some("device"), Value::Null, json!(false)), "it proves nobody");
        // Looking does nothing.
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            assert_eq!(app.device(method, &format!("{url}/sos"), "").await.0, 405, "{method}");
            assert_eq!(app.device(method, &format!("{url}/check-in"), "").await.0, 405, "{method}");
        }
        // No message and no event has the secret.
        let secret = url.rsplit('/').next().unwrap();
        assert!(!app.everything_that_happened().await.body.to_string().contains(secret));
        app.finish().await;
    }

    async fn a_device_that_nobody_has_is_heard_by_whoever_is_on_duty(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        let url = app.device_url("alarm-4").await;
        assert_eq!(app.device("POST", &format!("{url}/sos"), "somebody took it").await.0, 200);
        app.work().await;
        let said = app.said().await;
        let called: Vec<_> = said.iter().filter(|said| said.purpose == Purpose::FirstAlarm).collect();
        assert_eq!((called.len(), called[0].to.as_str(), called[0].text.as_str()), (1, "dee", "SOS from Alarm 4, a device that is out with nobody. Find out now who has it; in danger 999."), "{said:?}");
        assert_eq!(app.open_incidents().await, 0);
        let events = app.events_of("device.called_for_help").await;
        assert_eq!((events.len(), events[0]["words"]["words"].as_str()), (1, Some("somebody took it")));
        app.lends("alarm-4", "ann", None).await;
        app.person("sam").post("/equipment/alarm-4/return", json!({})).await.is_ok();
        app.pass(3).await;
        assert_eq!(app.device("POST", &format!("{url}/sos"), "").await.0, 200);
        app.work().await;
        assert!(app.texts("dee").await.contains(&"SOS from Alarm 4, a device that is out with nobody. Last out with Ann Lee. Find out now who has it; in danger 999.".to_owned()), "{:?}", app.texts("dee").await);
        app.finish().await;
    }

    async fn an_old_address_still_calls_for_help_and_an_invented_one_does_not(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        app.lends("alarm-4", "ann", None).await;
        let first = app.device_url("alarm-4").await;
        let second = app.device_url("alarm-4").await;
        assert_ne!(first, second);
        let visit = app.ann_goes_in(60).await;
        app.clock.advance(TimeDelta::minutes(5));
        assert_eq!(app.device("POST", &format!("{first}/check-in"), "").await.0, 404, "the one before is revoked");
        assert_eq!(app.person("ann").get(&format!("/visits/{visit}")).await.body["last_contact_at"], "2026-01-14T12:00:00Z");
        assert_eq!(app.events_of("device.refused").await.len(), 1);
        assert_eq!(app.device("POST", &format!("{first}/sos"), "").await.0, 200);
        let incident = app.the_incident().await;
        assert_eq!((incident["subject"]["name"].as_str(), incident["visit"].as_str()), (Some("Ann Lee"), Some(visit.as_str())));
        let marked = app.events_of("incident.sos_by_device").await;
        assert_eq!(marked[0]["body"]["url_revoked"], true);
        let revoked = app.person("sam").post("/equipment/alarm-4/url/revoke", json!({})).await;
        assert_eq!((revoked.status, app.item("sam", "alarm-4").await["has_url"].clone()), (204, json!(false)));
        assert_eq!(app.device("POST", &format!("{second}/sos"), "").await.0, 200);
        assert_eq!((app.events_of("device.url_issued").await.len(), app.events_of("device.url_revoked").await.len()), (2, 1));
        app.work().await;

        let (status, said) = app.device("POST", "/device/hw_invented/sos", "").await;
        assert!(status == 404 && said.contains("NOT SENT"), "{status} {said}");
        assert_eq!(app.device("POST", "/device/hw_invented/check-in", "").await.0, 404);
        assert_eq!(app.events_of("token.unknown").await.len(), 1, "somebody has to see that it came");
        app.finish().await;
    }

    async fn a_sign_of_a_device_is_the_last_contact_and_nothing_else(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        let url = app.device_url("alarm-4").await;
        let sign = async || {
            let (status, said) = app.device("POST", &format!("{url}/check-in"), "").await;
            assert!(status == 200 && said.contains("Noted "), "{status} {said}");
            said
        };
        sign().await;
        app.lends("alarm-4", "ann", None).await;
        sign().await;
        app.set_pin("ann").await;
        let plan = json!({"place": "9 Quay Road", "expected_arrival": "2026-01-14T15:00:00Z", "minutes": 30});
        let plan = app.person("ann").post("/visits", plan).await.id();
        let body = json!({"place": "12 High St", "minutes": 60, "check_every_minutes": 20});
        let visit = app.person("ann").post("/visits", body).await.id();
        let see = async |id: &str| app.person("ann").get(&format!("/visits/{id}")).await.body;
        let (before, planned) = (see(&visit).await, see(&plan).await);
        app.clock.advance(TimeDelta::minutes(10));
        sign().await;
        let after = see(&visit).await;
        assert_eq!(after["last_contact_at"], "2026-01-14T12:10:00Z");
        for same in ["state", "expected_departure", "next_check_at", "extended_minutes", "ended_at", "message"] {
            assert_eq!(after[same], before[same], "{same}");
        }
        assert_eq!(see(&plan).await, planned, "a plan has not begun");
        assert!(app.log("visit", &visit).await.contains(&"visit.device_heard".to_owned()));
        // The check falls due all the same, and the alarm goes up and stays.
        for _ in 0..30 {
            app.pass(1).await;
            sign().await;
        }
        let incident = app.the_incident().await;
        assert_eq!((incident["awaited"].as_str(), incident["worker_reports"].as_str()), (Some("welfare_check"), Some("none")));
        assert_eq!(incident["last_contact_at"], "2026-01-14T12:40:00Z", "responders see when there was a sign");
        assert!(!app.log("incident", incident["id"].as_str().unwrap()).await.contains(&"incident.worker_reports".to_owned()));
        app.finish().await;
    }

    async fn what_cannot_be_is_said_at_its_field(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        for (field, body) in [
            ("registration", json!({"key": "c", "label": "c", "kind": "pool_car"})),
            ("registration", json!({"key": "c", "label": "c", "kind": "own_car", "registration": "£$%"})),
            ("registration", json!({"key": "c", "label": "c", "kind": "phone", "number": "07700 900140", "registration": "AB1"})),
            ("number", json!({"key": "c", "label": "c", "kind": "phone"})),
            ("number", json!({"key": "c", "label": "c", "kind": "phone", "number": "999"})),
            ("number", json!({"key": "c", "label": "c", "kind": "other", "number": "07700 900140"})),
            ("tested_on", json!({"key": "c", "label": "c", "kind": "other", "tested_on": "2026-01-01"})),
            ("tested_on", json!({"key": "c", "label": "c", "kind": "lone_worker_device", "tested_on": "2026-01-15"})),
            ("key", json!({"key": "c d", "label": "c", "kind": "other"})),
            ("label", json!({"key": "c", "label": "\n", "kind": "other"})),
            ("kind", json!({"key": "c", "label": "c", "kind": "bicycle"})),
            ("team", json!({"team": "east", "key": "c", "label": "c", "kind": "other"})),
        ] {
            let refused = app.person("sam").post("/equipment", body.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        assert_eq!(app.keys("una", "").await, [""; 0], "nothing was added");
        let other = |team: &str| json!({"team": team, "key": "o", "label": "o", "kind": "other"});
        for (who, team) in [("ann", "north"), ("cas", "north"), ("ari", "north"), ("sam", "south"), ("sam", "unit")] {
            app.person(who).post("/equipment", other(team)).await.is_problem(403, "role-too-small");
        }
        app.adds("sam", car()).await;
        app.adds("sam", device()).await;
        app.adds("sam", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        app.adds("sol", json!({"key": "phone-2", "label": "Ben's", "kind": "phone", "number": "07700 900130"})).await;
        assert_eq!(app.person("sam").post("/equipment", car()).await.is_problem(422, "invalid-field").body["field"], "key");
        let same = json!({"key": "phone-3", "label": "p", "kind": "phone", "number": "+447700900140"});
        assert_eq!(app.person("sol").post("/equipment", same).await.is_problem(422, "invalid-field").body["field"], "number", "one number, one phone");

        for (field, body) in [
            ("to", json!({"to": "jo"})),
            ("to", json!({"to": "nobody"})),
            ("to", json!({})),
            ("due_back", json!({"to": "ann", "due_back": "2026-01-14T11:59"})),
            ("due_back", json!({"to": "ann", "due_back": "tomorrow"})),
            ("days", json!({"to": "ann", "days": 2})),
        ] {
            let refused = app.person("sam").post("/equipment/pool-2/lend", body.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        let bens = app.person("sol").post("/equipment/phone-2/lend", json!({"to": "sol"})).await;
        assert_eq!(bens.is_problem(422, "invalid-field").body["field"], "to", "it is Ben's number: {bens:?}");
        app.person("sol").post("/equipment/phone-2/lend", json!({"to": "ben"})).await.is_ok();
        for (field, body) in [
            ("on", json!({"on": "2026-01-15", "result": "works"})),
            ("on", json!({"on": "0001-01-15", "result": "works"})),
            ("result", json!({"on": "2026-01-14", "result": "fine"})),
            ("result", json!({"on": "2026-01-14"})),
            ("words", json!({"on": "2026-01-14", "result": "works", "words": " "})),
        ] {
            let refused = app.person("sam").post("/equipment/alarm-4/tested", body.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        assert_eq!(app.person("sam").post("/equipment/pool-2/url", json!({})).await.is_problem(422, "invalid-field").body["field"], "kind");
        for what in ["nothing", "0198b5a0-0000-7000-8000-000000000000", "phone-2"] {
            for (act, body) in [("lend", json!({"to": "ann"})), ("return", json!({})), ("tested", json!({"on": "2026-01-14", "result": "works"})), ("url", json!({})), ("url/revoke", json!({}))] {
                app.person("sam").post(&format!("/equipment/{what}/{act}"), body).await.is_problem(404, "not-found");
            }
        }
        for who in ["cas", "ann"] {
            app.person(who).post("/equipment/alarm-4/url", json!({})).await.is_problem(403, "role-too-small");
        }
        // What is shown once is shown again to nobody, whatever key comes with it.
        let (one, other) = (app.person("sam").post_once("/equipment/alarm-4/url", "k", json!({})).await, app.person("sam").post_once("/equipment/alarm-4/url", "k", json!({})).await);
        assert!(one.status == 201 && other.status == 201 && one.body != other.body);
        app.finish().await;
    }

    async fn what_is_retired_is_lent_flagged_and_counted_no_more(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        app.adds("sam", car()).await;
        app.adds("sam", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        app.lends("alarm-4", "ann", None).await;
        app.lends("pool-2", "ann", Some("2026-01-14T17:00")).await;
        app.device_url("alarm-4").await;
        let retire = async |who: &str, what: &str, body: Value| app.person(who).post(&format!("/equipment/{what}/retire"), body).await;
        for who in ["ann", "cas"] {
            retire(who, "alarm-4", json!({"because": "lost"})).await.is_problem(403, "role-too-small");
        }
        retire("sol", "alarm-4", json!({"because": "lost"})).await.is_problem(404, "not-found");
        for (field, body) in [("because", json!({})), ("because", json!({"because": "eaten"})), ("words", json!({"because": "lost", "words": " "}))] {
            let refused = retire("sam", "alarm-4", body.clone()).await;
            assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{body}");
        }
        let gone = retire("sam", "alarm-4", json!({"because": "lost", "words": "left on the 42 bus"})).await;
        let is = |key: &str| gone.is_ok().body[key].clone();
        assert_eq!((is("retired")["because"].clone(), is("retired")["by"]["name"].clone(), is("retired")["words"].clone()), (json!("lost"), json!("Sam Cole"), json!("left on the 42 bus")));
        assert_eq!((is("holder")["name"].clone(), is("test"), is("has_url")), (json!("Ann Lee"), Value::Null, json!(false)), "who had it stays on record");
        let again = retire("sam", "alarm-4", json!({"because": "sold"})).await;
        assert_eq!(again.is_ok().body["retired"]["because"], "lost", "said again it changes nothing");
        retire("sam", "pool-2", json!({"because": "broken"})).await.is_ok();
        retire("sam", "phone-1", json!({"because": "lost"})).await.is_ok();

        assert_eq!((app.keys("sam", "").await, app.keys("sam", "?retired=true").await), (vec![], vec!["alarm-4".to_owned(), "phone-1".into(), "pool-2".into()]));
        assert_eq!(app.keys("ann", "").await, [""; 0]);
        for (act, body) in [("lend", json!({"to": "ben"})), ("tested", json!({"on": "2026-01-14", "result": "works"})), ("url", json!({}))] {
            let refused = app.person("una").post(&format!("/equipment/alarm-4/{act}"), body).await;
            assert_eq!(refused.is_problem(409, "wrong-state").body["state"], "retired", "{act}");
        }
        // Nobody is asked to bring it back, and responders are not sent after it.
        app.pass(5).await;
        app.next_nine().await;
        assert!(app.texts("ann").await.iter().all(|text| !text.contains("Pool car")), "{:?}", app.texts("ann").await);
        app.person("ann").post("/sos", json!({})).await.is_ok();
        let incident = app.the_incident_as("sam").await["id"].as_str().unwrap().to_owned();
        assert_eq!(app.person("sam").get(&format!("/incidents/{incident}")).await.is_ok().body["equipment"], json!([]));
        // Its number goes into the next phone, its key does not.
        app.adds("sam", json!({"key": "phone-2", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        assert_eq!(app.person("sam").post("/equipment", car()).await.is_problem(422, "invalid-field").body["field"], "key");
        let events = app.events_of("equipment.retired").await;
        assert_eq!((events.len(), events[0]["words"]["words"].as_str(), events[0]["body"]["because"].as_str()), (3, Some("left on the 42 bus"), Some("lost")));
        assert!(!events[0]["body"].to_string().contains("bus"));
        app.work().await;
        app.finish().await;
    }

    /// ADR 0021: a false alarm costs a call, a refused one may cost more.
    async fn a_retired_device_still_calls_for_help_and_says_so(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        app.adds("sam", device()).await;
        app.adds("sam", json!({"key": "alarm-5", "label": "Alarm 5", "kind": "lone_worker_device"})).await;
        app.lends("alarm-4", "ann", None).await;
        let (lost, broken) = (app.device_url("alarm-4").await, app.device_url("alarm-5").await);
        app.person("sam").post("/equipment/alarm-4/retire", json!({"because": "lost"})).await.is_ok();
        app.person("sam").post("/equipment/alarm-5/retire", json!({"because": "broken"})).await.is_ok();
        let visit = app.ann_goes_in(60).await;
        app.clock.advance(TimeDelta::minutes(5));
        assert_eq!(app.device("POST", &format!("{lost}/check-in"), "").await.0, 404, "a sign of it is worth nothing");
        assert_eq!(app.person("ann").get(&format!("/visits/{visit}")).await.body["last_contact_at"], "2026-01-14T12:00:00Z");
        // Out with Ann when it was lost: she may have found it.
        assert_eq!(app.device("POST", &format!("{lost}/sos"), "").await.0, 200);
        assert_eq!(app.the_incident().await["subject"]["name"], "Ann Lee");
        let marked = app.events_of("incident.sos_by_device").await;
        assert_eq!((marked[0]["body"]["retired"].as_str(), marked[0]["body"]["url_revoked"].as_bool()), (Some("lost"), Some(true)));
        // In the cupboard when it broke: whoever is on duty.
        assert_eq!(app.device("POST", &format!("{broken}/sos"), "").await.0, 200);
        app.work().await;
        assert!(app.texts("dee").await.contains(&"SOS from Alarm 5, a device out of use (broken). Find out now who has it; in danger 999.".to_owned()), "{:?}", app.texts("dee").await);
        assert_eq!(app.events_of("device.called_for_help").await[0]["body"]["retired"], "broken");
        app.finish().await;
    }

    async fn a_phone_that_was_lost_speaks_for_nobody(db: TestDb) {
        let phones = Phones::start(&db).await;
        let (app, number) = (&phones.app, "+447700900140");
        app.adds("sam", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        app.lends("phone-1", "ann", None).await;
        assert!(phones.text(number, "IN 60").await.starts_with("Watching you till"));
        app.person("sam").post("/equipment/phone-1/retire", json!({"because": "lost"})).await.is_ok();
        // Whoever found it learns nothing of Ann; a call for help goes to whoever is on duty.
        phones.text(number, "STATUS").await;
        assert!(phones.shows(number).iter().any(|text| text.contains("YOU ARE NOT BEING WATCHED")), "{:?}", phones.shows(number));
        phones.text(number, "SOS").await;
        app.work().await;
        assert!(phones.shows(crate::support::phones::DEE).iter().any(|text| text.starts_with("SOS from 07700900140")), "{:?}", phones.shows(crate::support::phones::DEE));
    }

    async fn a_phone_that_was_lent_speaks_for_whoever_has_it(db: TestDb) {
        let phones = Phones::start(&db).await;
        let (app, number) = (&phones.app, "+447700900140");
        app.set_pin("ann").await;
        app.adds("sam", json!({"key": "phone-1", "label": "Pool phone", "kind": "phone", "number": "07700 900140"})).await;
        phones.text(number, "IN 60").await;
        assert!(phones.shows(number)[0].contains("YOU ARE NOT BEING WATCHED"), "nobody has it: {:?}", phones.shows(number));
        app.lends("phone-1", "ann", None).await;
        assert!(phones.text(number, "IN 60").await.starts_with("Watching you till"));
        assert!(phones.text(number, "OUT 0000").await.starts_with("PIN not right"), "the number proves nobody");
        assert!(phones.text(number, "OUT 4821").await.starts_with("Ended"));
        assert!(phones.text(number, "SOS").await.starts_with("Noted"));
        assert_eq!(app.the_incident().await["subject"]["name"], "Ann Lee");
    }
}
