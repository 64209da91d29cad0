//! Drills: the real ladder, marked in every text, behind everything that is real; and what workers rehearse by text (row E9).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use homeward::{
    app::text::{self, Received, Sender},
    domain::{
        event::Door,
        notice::Purpose,
        wording::{English, Wording},
    },
    store::{Trace, messages::MessageState, people},
};
use serde_json::{Value, json};

use crate::support::{
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
};

impl TestApp {
    async fn drill(&self, by: &str, body: Value) -> String {
        let drill = self.person(by).post("/drills", body).await;
        assert_eq!((drill.status, drill.body["state"].as_str()), (201, Some("running")), "{drill:?}");
        self.work().await;
        drill.id()
    }

    async fn report(&self, id: &str) -> Value {
        self.person("una").get(&format!("/drills/{id}")).await.is_ok().body.clone()
    }

    /// What of a drill stands on somebody's phone; their code is in the last of it.
    async fn drilled(&self, who: &str) -> Vec<String> {
        self.texts(who).await.into_iter().filter(|text| text.starts_with("DRILL: ")).collect()
    }

    async fn drill_code(&self, who: &str) -> String {
        let last = self.drilled(who).await.pop().unwrap();
        last.rsplit(": ").next().unwrap().trim_end_matches('.').rsplit(' ').next().unwrap().to_owned()
    }

    /// An outside contact texts, and this is answered.
    async fn outside_texts(&self, who: &str, text: &str) -> String {
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

    async fn drill_events(&self) -> Vec<String> {
        let all = self.everything_that_happened().await;
        let kind = |event: &Value| event["kind"].as_str().unwrap().to_owned();
        let all: Vec<_> = all.body["events"].as_array().unwrap().iter().map(kind).collect();
        all.into_iter().filter(|kind| kind.starts_with("drill.")).collect()
    }

    async fn all_drills(&self) -> Vec<Value> {
        self.person("una").get("/drills").await.is_ok().body["drills"].as_array().unwrap().clone()
    }
}

fn of<'v>(report: &'v Value, name: &str) -> &'v Value {
    let calls = report["calls"].as_array().unwrap();
    calls.iter().find(|call| call["person"]["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"))
}

on_both! {
    async fn a_drill_runs_the_whole_ladder_and_says_who_answered(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| config.answering.by_text = true).await;
        let id = app.drill("una", json!({"worker": "ann"})).await;
        let said = app.said().await;
        let called: BTreeSet<_> = said.iter().map(|said| (said.to.as_str(), said.channel.as_str())).collect();
        assert_eq!(called, BTreeSet::from([("jo", "email"), ("jo", "sms"), ("sam", "email"), ("sam", "sms")]), "as the first step of the real one");
        for said in &said {
            assert!(said.text.starts_with("DRILL: ") && said.purpose == Purpose::Drill && said.state == MessageState::Accepted, "{said:?}");
        }
        let (sams, jos) = (app.drill_code("sam").await, app.drill_code("jo").await);
        assert!(sams.starts_with('X') && jos.starts_with('X') && sams != jos, "{sams} {jos}");

        app.clock.advance(TimeDelta::seconds(40));
        assert_eq!(app.text("sam", &format!("ACK {jos}")).await, "Nothing done: no alarm that you were called about is open. ACK needs the code of one.", "it is Jo's");
        assert_eq!(app.text("sam", &format!("ack {sams}")).await, "DRILL answered. Thank you. Nothing else to do.");
        app.pass(5).await;
        assert_eq!((app.drilled("sam").await.len(), app.drilled("jo").await.len(), app.drilled("dee").await.len()), (1, 2, 1), "whoever has answered is left alone");
        let dees = app.drill_code("dee").await;
        assert_eq!(app.text("dee", &format!("WHERE {dees}")).await, "That was a DRILL: nothing has happened, and nobody was called now. ACK or NO and its code count. In danger ring 999.");
        assert_eq!(app.text("dee", &format!("NOT SAFE {dees}")).await, app.text("dee", &format!("SAFE {dees}")).await);
        assert_eq!(app.text("dee", &format!("NO {dees}")).await, "DRILL: noted that you could not. Thank you. Nothing else to do.");
        app.pass(10).await;
        let unas = app.drill_code("una").await;
        let answered = app.person("una").post(&format!("/drills/{unas}/acknowledge"), json!({})).await;
        assert_eq!((answered.status, of(&answered.body, "Una Hart")["answer"].as_str()), (200, Some("taken")), "{answered:?}");
        app.pass(5).await;

        let report = app.report(&id).await;
        assert_eq!((report["state"].as_str(), report["called"].as_i64(), report["answered"].as_i64()), (Some("ladder_done"), Some(4), Some(3)), "{report:#}");
        let (sam, dee, jo) = (of(&report, "Sam Cole"), of(&report, "Dee Park"), of(&report, "Jo Lee"));
        assert_eq!((sam["answer"].as_str(), sam["answered_after_seconds"].as_i64()), (Some("taken"), Some(40)));
        assert_eq!((dee["answer"].as_str(), jo["answer"].as_str()), (Some("cannot"), None));
        let by: Vec<_> = sam["deliveries"].as_array().unwrap().iter().map(|delivery| (delivery["by"].as_str().unwrap(), delivery["state"].as_str().unwrap())).collect();
        assert_eq!(BTreeSet::from_iter(by), BTreeSet::from([("sms", "accepted"), ("email", "accepted")]));
        assert_eq!(jo["deliveries"].as_array().unwrap().len(), 8, "four rounds by two channels");
        assert_eq!(app.texts("jo").await.last().unwrap(), "DRILL OVER. Nothing to do. Thank you.");
        assert!(!app.texts("sam").await.iter().any(|text| text.starts_with("DRILL OVER")));
        assert_eq!(app.outside_texts("jo", &format!("ACK {jos}")).await, "That DRILL is over. Thank you. Nothing else to do.");
        let before = app.said().await.len();
        app.pass(30).await;
        assert_eq!(app.said().await.len(), before, "it is over");
        assert_eq!((app.open_incidents().await, app.texts("ann").await), (0, vec![]), "it was no alarm");
        let said = app.said().await;
        assert!(said.iter().all(|said| said.text.starts_with("DRILL")), "{said:?}");
        assert_eq!(app.drill_events().await, ["started", "raised", "answered", "raised", "answered", "raised", "raised", "answered", "ended"].map(|kind| format!("drill.{kind}")));
        app.finish().await;
    }

    async fn a_drill_is_over_once_everybody_has_answered(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| config.answering.by_text = true).await;
        let id = app.drill("sam", json!({"team": "north"})).await;
        assert_eq!(app.report(&id).await["worker"]["name"], "Ann Lee", "the one worker of the team");
        app.clock.advance(TimeDelta::seconds(10));
        assert_eq!(app.outside_texts("jo", &app.drill_code("jo").await.to_lowercase()).await, "DRILL answered. Thank you. Nothing else to do.", "the code alone is enough");
        app.text("sam", &app.drill_code("sam").await).await;
        app.pass(15).await;
        for who in ["dee", "una"] {
            assert_eq!(app.report(&id).await["state"], "running");
            app.text(who, &format!("ACK {}", app.drill_code(who).await)).await;
        }
        let report = app.report(&id).await;
        assert_eq!((report["state"].as_str(), report["called"].as_i64(), report["answered"].as_i64()), (Some("all_answered"), Some(4), Some(4)));
        let before = app.said().await.len();
        app.pass(30).await;
        assert_eq!(app.said().await.len(), before, "and nobody needs to be told");
        // The next has other codes.
        let first = app.drill_code("sam").await;
        app.drill("sam", json!({"team": "north"})).await;
        assert_ne!(app.drill_code("sam").await, first);
        assert_eq!(app.text("sam", &format!("ACK {first}")).await, "DRILL answered. Thank you. Nothing else to do.", "said before");
        app.person("sam").post(&format!("/drills/{}/end", app.all_drills().await[0]["id"].as_str().unwrap()), json!({})).await.is_ok();
        app.finish().await;
    }

    async fn a_real_alarm_goes_first_and_the_drill_steps_aside(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| config.answering.by_text = true).await;
        app.ann_goes_in(30).await;
        let id = app.person("una").post("/drills", json!({"worker": "ann"})).await.id();
        app.app.timer.tick(app.now()).await.unwrap();
        app.clock.advance(TimeDelta::seconds(1));
        app.person("ann").post("/sos", json!({})).await.is_ok();
        // Both wait to be sent: only what is real is claimed, and while that is under way nothing of the drill is.
        let claimed = app.app.outbox.claim(app.now(), 100).await.unwrap();
        assert_eq!(claimed.len(), 6, "Jo, Sam and Dee by two channels");
        assert!(claimed.iter().all(|claimed| claimed.message.purpose == Purpose::FirstAlarm), "{claimed:?}");
        assert_eq!(app.app.outbox.deliver_due(app.now()).await.unwrap(), 0);
        let mut sent = Vec::new();
        for claimed in claimed {
            sent.push(app.app.outbox.send(claimed).await);
        }
        app.app.outbox.mark(sent).await;
        app.work().await;
        let drilled: Vec<_> = app.said().await.into_iter().filter(|said| said.purpose == Purpose::Drill).collect();
        assert!(drilled.len() == 4 && drilled.iter().all(|said| said.state == MessageState::TakenBack), "{drilled:?}");
        let report = app.report(&id).await;
        assert_eq!((report["state"].as_str(), report["answered"].as_i64()), (Some("stepped_aside"), Some(0)), "{report:#}");
        // The drill's code takes nothing real, and no real code stands for a drill.
        let code = app.drill_code("sam").await;
        assert_eq!(app.text("sam", &format!("ACK {code}")).await, "That DRILL is over. Thank you. Nothing else to do.");
        assert_eq!(app.the_incident().await["owner"], Value::Null);
        assert!(!app.the_incident_code("sam").await.starts_with('X'));
        app.pass(20).await;
        assert!(!app.said().await.iter().any(|said| said.text.starts_with("DRILL OVER")), "nobody is told of it now");
        app.person("una").post("/drills", json!({"worker": "ann"})).await.is_problem(409, "drill-not-now");
        app.person("sam").post("/drills", json!({"team": "unit"})).await.is_problem(403, "role-too-small");
        assert_eq!(app.open_incidents().await, 1);
    }

    async fn a_hidden_alarm_changes_nothing_that_a_drill_shows(db: TestDb) {
        let organisation = format!("{WESTSHIRE}\n[[person]]\nkey = \"ben\"\nname = \"Ben Okoro\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 900130\"\nmanager = \"sam\"\n");
        let app = TestApp::with(&db, &organisation, |config| config.answering.by_text = true).await;
        let pins = json!({"pin": "4821", "duress_pin": "9064"});
        assert_eq!(app.person("ann").put("/me/pins", pins).await.status, 204);
        app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 60, "with": ["sam"]})).await.is_ok();
        let id = app.drill("una", json!({"worker": "ben"})).await;
        app.clock.advance(TimeDelta::seconds(5));
        app.text("ann", "OUT 9064").await;
        app.pass(1).await;
        assert_eq!(app.the_incident().await["kind"], "duress");
        app.pass(5).await;
        assert_eq!(app.report(&id).await["state"], "running", "it goes on as if there were none");
        app.person("una").post(&format!("/drills/{id}/end"), json!({})).await.is_ok();
        app.work().await;
        app.clock.advance(TimeDelta::seconds(1));
        // Una's board shows it; Sam was on the visit, and his shows nothing.
        assert_eq!(app.person("sam").get("/incidents?state=open").await.body["incidents"], json!([]));
        app.person("una").post("/drills", json!({"worker": "ben"})).await.is_problem(409, "drill-not-now");
        let sams = app.person("sam").post("/drills", json!({"worker": "ben"})).await;
        assert_eq!(sams.status, 201, "{sams:?}");
        app.pass(1).await;
        assert_eq!(app.report(&sams.id()).await["state"], "running");
        app.person("sam").post(&format!("/drills/{}/end", sams.id()), json!({})).await.is_ok();
        // Nor does it keep a schedule from its moment.
        app.person("sam").put("/drill-schedules", json!({"team": "north", "cron": "30 12 * * *"})).await.is_ok();
        app.pass(30).await;
        app.app.scheduler.tick(app.now()).await.unwrap();
        assert_eq!(app.all_drills().await.len(), 3);
    }

    async fn one_moment_begins_one_drill(db: TestDb) {
        let app = TestApp::start(&db).await;
        let replica = app.another(&db, &BTreeMap::new()).await;
        let set = app.person("sam").put("/drill-schedules", json!({"team": "north", "cron": "30 13 * * WED"})).await;
        assert_eq!((set.status, set.body["version"].as_i64(), set.body["next_at"].as_str()), (200, Some(1), Some("2026-01-14T13:30:00Z")), "{set:?}");
        let again = app.person("una").put("/drill-schedules", json!({"team": "north", "cron": "30 13 * * WED"})).await;
        assert_eq!(again.body, set.body, "the same again changes nothing");
        app.pass(89).await;
        app.app.scheduler.tick(app.now()).await.unwrap();
        assert_eq!(app.all_drills().await, Vec::<Value>::new());
        app.clock.advance(TimeDelta::minutes(1));
        let (one, other) = tokio::join!(app.app.scheduler.tick(app.now()), replica.scheduler.tick(app.now()));
        assert_eq!(one.unwrap() + other.unwrap(), 1, "whoever comes first");
        let drills = app.all_drills().await;
        assert_eq!((drills.len(), &drills[0]["schedule"], drills[0]["started_by"]["name"].as_str()), (1, &set.body["id"], Some("Sam Cole")));
        app.work().await;
        assert_eq!(app.drilled("jo").await.len(), 1);
        app.pass(25).await;
        assert_eq!(app.all_drills().await[0]["state"], "ladder_done");

        // Down over three moments of which the last is half an hour ago: that one alone. Down for longer: none.
        let next = app.person("sam").put("/drill-schedules", json!({"team": "north", "cron": "0 10 * * *"})).await;
        assert_eq!((next.body["version"].as_i64(), next.body["next_at"].as_str()), (Some(2), Some("2026-01-15T10:00:00Z")));
        app.down_for(2 * 24 * 60 + 20 * 60 + 35);
        app.work().await;
        app.app.scheduler.tick(app.now()).await.unwrap();
        let drills = app.all_drills().await;
        assert_eq!((drills.len(), drills[0]["starts_at"].as_str()), (2, Some("2026-01-17T10:30:00Z")), "{drills:#?}");
        app.pass(25).await;
        app.down_for(24 * 60 + 10);
        app.app.scheduler.tick(app.now()).await.unwrap();
        assert_eq!(app.all_drills().await.len(), 2, "a moment of 65 minutes ago is over");
        assert_eq!(app.drill_events().await.last().unwrap(), "drill.not_begun");

        // Not for four hours after an alarm, whatever became of it.
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.person("sam").put("/drill-schedules", json!({"team": "north", "cron": "0 12 * * *"})).await.is_ok();
        app.down_for(55);
        app.app.scheduler.tick(app.now()).await.unwrap();
        assert_eq!(app.all_drills().await.len(), 2);

        let list = app.person("ari").get("/drill-schedules").await;
        let schedules = list.is_ok().body["schedules"].as_array().unwrap();
        assert_eq!((schedules.len(), schedules[0]["version"].as_i64()), (1, Some(3)));
        let remove = format!("/drill-schedules/{}/remove", schedules[0]["id"].as_str().unwrap());
        app.person("cas").post(&remove, json!({})).await.is_problem(403, "role-too-small");
        assert_eq!(app.person("sam").post(&remove, json!({})).await.status, 204);
        app.person("sam").post(&remove, json!({})).await.is_problem(404, "not-found");
        app.down_for(24 * 60);
        assert_eq!(app.app.scheduler.tick(app.now()).await.unwrap(), 0);
    }

    async fn who_may_and_what_is_wrong(db: TestDb) {
        let app = TestApp::start(&db).await;
        let (una, sam) = (app.person("una"), app.person("sam"));
        for (who, worker, status) in [("ann", "sam", 403), ("ari", "ann", 403), ("cas", "ann", 403), ("sam", "dee", 403), ("sam", "sam", 403), ("sam", "jo", 422), ("sam", "nobody", 422)] {
            assert_eq!(app.person(who).post("/drills", json!({"worker": worker})).await.status, status, "{who} {worker}");
        }
        for body in [json!({}), json!({"team": "north", "worker": "ann"}), json!({"worker": 3}), json!({"worker": "ann", "when": "now"})] {
            assert_eq!(sam.post("/drills", body.clone()).await.status, 422, "{body}");
        }
        una.post("/drills", json!({"team": "south"})).await.is_problem(422, "invalid-field");
        una.post("/drills", json!({"team": "unit"})).await.is_problem(409, "drill-not-now");
        let id = app.drill("sam", json!({"worker": "ann"})).await;
        una.post("/drills", json!({"team": "north"})).await.is_problem(409, "drill-not-now");
        // Its subject sees nothing of it; whoever was called sees themselves; who looks after the team sees all.
        let path = format!("/drills/{id}");
        for act in ["end", "acknowledge"] {
            app.person("ann").post(&format!("{path}/{act}"), json!({})).await.is_problem(404, "not-found");
        }
        app.person("ann").get(&path).await.is_problem(404, "not-found");
        app.person("ann").get("/drills").await.is_problem(403, "role-too-small");
        assert_eq!(app.person("cas").get(&path).await.is_ok().body["called"], 2);
        app.person("cas").post(&format!("{path}/end"), json!({})).await.is_problem(403, "role-too-small");
        una.post(&format!("{path}/acknowledge"), json!({})).await.is_problem(404, "not-found");
        una.post("/drills/XXXX/acknowledge", json!({})).await.is_problem(404, "not-found");
        una.get("/drills/one").await.is_problem(404, "not-found");
        app.clock.advance(TimeDelta::seconds(1));
        let ended = una.post(&format!("{path}/end"), json!({})).await;
        assert_eq!((ended.body["state"].as_str(), ended.body["ended_by"]["name"].as_str()), (Some("ended_by_hand"), Some("Una Hart")), "{ended:?}");
        assert_eq!(una.post(&format!("{path}/end"), json!({})).await.body["finished_at"], ended.body["finished_at"]);
        app.work().await;
        assert_eq!(app.texts("jo").await.last().unwrap(), "DRILL OVER. Nothing to do. Thank you.");

        for (cron, said) in [("every tuesday", "is not read"), ("0 10 30 2 *", "never") , ("*/5 * * * *", "within a day"), ("0 0 10 * * *", "is not read"), ("", "is not read")] {
            let refused = sam.put("/drill-schedules", json!({"team": "north", "cron": cron})).await;
            refused.is_problem(422, "invalid-field");
            assert_eq!(refused.body["field"], "cron");
            let detail = refused.body["detail"].as_str().unwrap();
            assert!(detail.contains(said) || said == "never" && detail.contains("no moment"), "{cron}: {detail}");
        }
        sam.put("/drill-schedules", json!({"team": "south", "cron": "0 10 * * *"})).await.is_problem(422, "invalid-field");
        sam.put("/drill-schedules", json!({"team": "unit", "cron": "0 10 * * *"})).await.is_problem(403, "role-too-small");
        for who in ["ann", "ari", "cas"] {
            app.person(who).put("/drill-schedules", json!({"team": "north", "cron": "0 10 * * *"})).await.is_problem(403, "role-too-small");
        }
        app.finish().await;
    }

    async fn a_worker_rehearses_by_text_and_nobody_hears_of_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        assert_eq!(app.text("ann", "TEST OUT 4821").await, "TEST: you have no PIN, so you could end no visit. Set it first, in Homeward; your manager helps.");
        app.person("ann").put("/me/pins", json!({"pin": "4821", "duress_pin": "9064", "duress_word": "Samantha"})).await.is_ok();
        let due = app.rehearsals("una", "?due=true").await;
        assert_eq!((due.len(), due[0]["worker"]["name"].as_str(), &due[0]["whole_at"]), (1, Some("Ann Lee"), &Value::Null));
        assert!(app.text("ann", "TEST").await.starts_with("TEST: for 15 min text TEST IN 60, TEST OUT with each PIN you have, TEST SOS."));
        assert_eq!(app.text("ann", "test in 60 12 High St").await, "TEST: IN understood. You are NOT being watched: for a visit leave out TEST. Next: TEST OUT and your PIN.");
        assert_eq!(app.text("ann", "TEST OUT").await, "TEST: OUT needs a PIN. Text TEST OUT and your PIN.");
        let usual = app.text("ann", "TEST OUT 4821").await;
        assert!(usual.starts_with("TEST: OUT understood, PIN right. Nothing has ended."), "{usual}");
        assert_eq!(app.text("ann", "TEST SOS").await, "TEST: SOS understood. NOBODY was called. In danger text SOS alone, without TEST.");
        assert_eq!(app.text("ann", "TEST MORE 30 4821").await, "TEST: nothing done. Text TEST IN 60, TEST OUT and your PIN, or TEST SOS. In danger text SOS alone.");
        // Without duress it is not whole; whichever way that is said, the phone shows the same.
        assert_eq!(app.rehearsals("sam", "").await[0]["whole_at"], Value::Null);
        for under_duress in ["TEST OUT 9064", "TEST OUT 4821 cheers Samantha"] {
            assert_eq!(app.text("ann", under_duress).await, usual);
        }
        app.pass(1).await;
        let seen = app.rehearsals("sam", "").await;
        assert!(seen[0]["duress_at"].is_string() && seen[0]["whole_at"].is_string() && seen[0]["is_due"] == false, "{seen:?}");
        assert_eq!(app.rehearsals("una", "?due=true").await, Vec::<Value>::new());
        app.person("ann").get("/rehearsals").await.is_problem(403, "role-too-small");
        app.person("una").get("/rehearsals?due=perhaps").await.is_problem(422, "invalid-field");
        // Nothing came of it, and nobody heard of it.
        assert_eq!((app.open_incidents().await, app.person("ann").get("/visits").await.body["visits"].clone()), (0, json!([])));
        assert_eq!(app.said().await, []);
        assert!(!app.everything_that_happened().await.body.to_string().contains("duress"), "nor does the log tell the PINs apart");
        app.pass(15).await;
        let said = app.said().await;
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].to == "ann" && said[0].text.starts_with("TEST is over. You are NOT being watched"), "{said:?}");
        // A month later it is due again; what was begun then is not what was done now.
        app.clock.advance(TimeDelta::days(31));
        app.text("ann", "TEST IN 60").await;
        let due = app.rehearsals("una", "?due=true").await;
        assert!(due[0]["is_due"] == true && due[0]["whole_at"].is_string() && due[0]["sos_at"].is_null(), "{due:?}");
        app.pass(16).await;
        app.finish().await;
    }

    async fn what_is_real_stays_real_in_a_rehearsal(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.person("ann").put("/me/pins", json!({"pin": "4821", "duress_pin": "9064"})).await.is_ok();
        app.text("ann", "TEST").await;
        app.text("ann", "TEST SOS").await;
        assert_eq!(app.open_incidents().await, 0);
        // A real visit begins, and TEST is refused while it runs.
        assert!(app.text("ann", "IN 60 12 High St").await.starts_with("Watching you till 13:00."));
        for text in ["TEST", "TEST IN 60", "TEST OUT 4821", "TEST OUT 9064", "TEST SOS"] {
            assert_eq!(app.text("ann", text).await, "TEST not now: you are on a visit. Still watching till 13:00. In danger text SOS alone.", "{text}");
        }
        app.pass(1).await;
        assert_eq!((app.open_incidents().await, app.text("ann", "STATUS").await), (0, "Watching you till 13:00.".into()));
        app.pass(15).await;
        assert_eq!(app.texts("ann").await, [""; 0], "whoever is on a visit is not told that they are not watched");
        assert!(app.text("ann", "OUT 4821").await.starts_with("Ended"));
        // One word more than TEST SOS, or one less, is a call for help.
        for (count, text) in [(1, "TEST SOS he has a knife"), (1, "SOS")] {
            app.text("ann", "TEST").await;
            assert!(app.text("ann", text).await.starts_with("Noted"), "{text}");
            assert_eq!(app.open_incidents().await, count);
            app.clock.advance(TimeDelta::minutes(3));
        }
        // A duress alarm that nobody may know of here does not refuse a rehearsal.
        assert!(app.text("ann", "TEST").await.starts_with("TEST: for 15 min"));
        // The PIN cannot be guessed by it: wrong ones count, the manager is told, and it locks.
        let before = app.texts("sam").await.len();
        for wrong in 1..=5 {
            assert_eq!(app.text("ann", &format!("TEST OUT 700{wrong}")).await, "TEST: PIN not right. Nothing was changed.");
        }
        assert_eq!(app.text("ann", "TEST OUT 4821").await, "TEST: PIN not right. Nothing was changed.");
        let told = app.texts("sam").await;
        assert!(told[before..].iter().any(|text| text.contains("PIN")), "{told:?}");
    }
}

impl TestApp {
    async fn rehearsals(&self, who: &str, query: &str) -> Vec<Value> {
        let list: Reply = self.person(who).get(&format!("/rehearsals{query}")).await;
        list.is_ok().body["workers"].as_array().unwrap().clone()
    }

    async fn the_incident_code(&self, who: &str) -> String {
        let list = self.person(who).get("/incidents?state=open").await;
        list.body["incidents"][0]["code"].as_str().unwrap().to_owned()
    }
}
