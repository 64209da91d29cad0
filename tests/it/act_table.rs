//! Every cell of the table of the worker's acts (DECISIONS "Incident"), through the API and through texts: what is answered,
//! what becomes of the visit, and what of the incident. After a call for help everything looks as it did without.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{
    app::{TestApp, WESTSHIRE},
    on_both,
};

/// Where a worker stands when they act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    NoVisit,
    Planned,
    Begun,
    InGrace,
    Overdue,
    Owned,
    WithPolice,
    Sos,
    SosJustNow,
    SosWithoutVisit,
    SosPlanned,
    SosWhileOverdue,
    SosOwned,
    SosWithPolice,
}

const STANDS: [Stands; 14] = [
    Stands::NoVisit,
    Stands::Planned,
    Stands::Begun,
    Stands::InGrace,
    Stands::Overdue,
    Stands::Owned,
    Stands::WithPolice,
    Stands::Sos,
    Stands::SosJustNow,
    Stands::SosWithoutVisit,
    Stands::SosPlanned,
    Stands::SosWhileOverdue,
    Stands::SosOwned,
    Stands::SosWithPolice,
];
const ACTS: [&str; 4] = ["OUT", "OK", "MORE", "SOS"];

/// One worker for each cell, all of Sam's team: w0, w1 …
fn organisation() -> String {
    let mut text = WESTSHIRE.to_owned();
    for n in 0..STANDS.len() * ACTS.len() {
        write!(
            text,
            "\n[[person]]\nkey = \"w{n}\"\nname = \"W{n}\"\nteam = \"north\"\nrole = \"worker\"\nphone = \"07700 900{}\"\nmanager = \"sam\"\n",
            300 + n
        )
        .unwrap();
    }
    text
}

/// What the worker is told, and then: the visit, and the incident as Sam sees it.
async fn cell(app: &TestApp, worker: &str, visit: Option<&str>, told: &str) -> String {
    let sees_visit = match visit {
        Some(id) => app.person(worker).get(&format!("/visits/{id}")).await.body,
        None => Value::Null,
    };
    let mut cell = format!("{told} | {}", sees_visit["state"].as_str().unwrap_or("no visit"));
    if sees_visit["state"] == "begun" {
        write!(cell, " till {}", &sees_visit["expected_departure"].as_str().unwrap()[11..16]).unwrap();
    }
    if let Some(how) = sees_visit["ended_how"].as_str() {
        write!(cell, " {how}").unwrap();
    }
    let subject = app.person(worker).get("/me").await.body["id"].clone();
    let open = app.person("sam").get("/incidents?state=open").await.body;
    let incident = open["incidents"].as_array().unwrap().iter().find(|one| one["subject"]["id"] == subject);
    match incident {
        None => cell.push_str(" | no incident"),
        Some(one) => {
            let holder = match (&one["with_police"], &one["owner"]["name"]) {
                (Value::Bool(true), owner) => format!("with police, {}", owner.as_str().unwrap()),
                (_, Value::String(owner)) => format!("owned by {owner}"),
                _ => "nobody's".into(),
            };
            let waits = &one["waits_until"].as_str().unwrap()[11..16];
            write!(
                cell,
                " | {} {holder}, worker {}, raise {}, waits till {waits}",
                one["kind"].as_str().unwrap(),
                one["worker_reports"].as_str().unwrap(),
                one["raise"]
            )
            .unwrap();
        }
    }
    cell
}

/// Brings every worker to where they stand at 12:35.
async fn set_up(app: &TestApp) -> Vec<Option<String>> {
    let mut visits = Vec::new();
    for (n, stands) in STANDS.iter().flat_map(|stands| ACTS.map(|_| *stands)).enumerate() {
        let worker = format!("w{n}");
        app.set_pin(&worker).await;
        let minutes = match stands {
            Stands::NoVisit | Stands::SosWithoutVisit => {
                visits.push(None);
                continue;
            }
            Stands::Planned | Stands::SosPlanned => {
                let plan = json!({"expected_arrival": app.at("15:00"), "minutes": 60});
                visits.push(Some(app.person(&worker).post("/visits", plan).await.id()));
                continue;
            }
            Stands::Begun | Stands::Sos | Stands::SosJustNow | Stands::SosOwned | Stands::SosWithPolice => 90,
            Stands::InGrace => 30,
            Stands::Overdue | Stands::Owned | Stands::WithPolice | Stands::SosWhileOverdue => 20,
        };
        let started = app.person(&worker).post("/visits", json!({"minutes": minutes})).await;
        visits.push(Some(started.id()));
    }
    app.pass(31).await;
    for (n, stands) in STANDS.iter().flat_map(|stands| ACTS.map(|_| *stands)).enumerate() {
        let worker = format!("w{n}");
        let incident = || async {
            let subject = app.person(&worker).get("/me").await.body["id"].clone();
            let open = app.person("sam").get("/incidents?state=open").await.body;
            let incidents = open["incidents"].as_array().unwrap();
            incidents.iter().find(|one| one["subject"]["id"] == subject).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        if matches!(
            stands,
            Stands::Sos
                | Stands::SosWithoutVisit
                | Stands::SosPlanned
                | Stands::SosWhileOverdue
                | Stands::SosOwned
                | Stands::SosWithPolice
        ) {
            app.person(&worker).post("/sos", json!({})).await.is_ok();
        }
        let (act, body) = match stands {
            Stands::Owned | Stands::SosOwned => ("acknowledge", json!({})),
            Stands::WithPolice | Stands::SosWithPolice => ("police", json!({"log_number": "WM-1234"})),
            _ => continue,
        };
        let id = incident().await;
        app.person("sam").post(&format!("/incidents/{id}/{act}"), body).await.is_ok();
    }
    app.pass(4).await;
    for (n, stands) in STANDS.iter().flat_map(|stands| ACTS.map(|_| *stands)).enumerate() {
        if stands == Stands::SosJustNow {
            app.person(&format!("w{n}")).post("/sos", json!({})).await.is_ok();
        }
    }
    app.work().await;
    visits
}

async fn by_text(app: &TestApp, worker: &str, act: &str) -> String {
    let text = match act {
        "SOS" => "SOS".to_owned(),
        "MORE" => "MORE 30 4821".to_owned(),
        act => format!("{act} 4821"),
    };
    let reply = app.person(worker).post("/text", json!({ "text": text })).await;
    reply.is_ok().body["reply"].as_str().unwrap().to_owned()
}

async fn by_api(app: &TestApp, worker: &str, visit: Option<&str>, act: &str) -> String {
    let nothing = "00000000-0000-7000-8000-000000000000";
    let id = visit.unwrap_or(nothing);
    let (path, body) = match act {
        "OUT" => (format!("/visits/{id}/check-out"), json!({"pin": "4821"})),
        "OK" => (format!("/visits/{id}/check-in"), json!({"pin": "4821"})),
        "MORE" => (format!("/visits/{id}/extend"), json!({"pin": "4821", "minutes": 30})),
        _ => ("/sos".to_owned(), json!({})),
    };
    let reply = app.person(worker).post(&path, body).await;
    let words = reply.body["message"].as_str().or(reply.body["detail"].as_str()).unwrap();
    format!("{} {words}", reply.status)
}

async fn table(app: &TestApp, texts: bool) -> String {
    let visits = set_up(app).await;
    let mut table = String::new();
    for (n, (stands, act)) in STANDS.iter().flat_map(|stands| ACTS.map(|act| (*stands, act))).enumerate() {
        let (worker, visit) = (format!("w{n}"), visits[n].as_deref());
        let told =
            if texts { by_text(app, &worker, act).await } else { by_api(app, &worker, visit, act).await };
        app.work().await;
        writeln!(table, "{stands:?} {act}: {}", cell(app, &worker, visit, &told).await).unwrap();
    }
    table
}

/// What the phone is told, and what it can see of the visit, is the same with and without a call for help.
fn a_call_for_help_looks_like_nothing(table: &str) {
    let seen = |stands: Stands, act: &str| {
        let row = table.lines().find_map(|line| line.strip_prefix(&format!("{stands:?} {act}: "))).unwrap();
        row.rsplit_once(" | ").unwrap().0.to_owned()
    };
    for act in ACTS {
        for (with, without) in [
            (Stands::SosWithoutVisit, Stands::NoVisit),
            (Stands::SosPlanned, Stands::Planned),
            (Stands::Sos, Stands::Begun),
            (Stands::SosJustNow, Stands::Begun),
            (Stands::SosOwned, Stands::Begun),
            (Stands::SosWithPolice, Stands::Begun),
            (Stands::SosWhileOverdue, Stands::Overdue),
        ] {
            assert_eq!(seen(with, act), seen(without, act), "{act} while {with:?}");
        }
    }
}

on_both! {
    async fn by_texts(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let table = table(&app, true).await;
        a_call_for_help_looks_like_nothing(&table);
        insta::allow_duplicates! {
            insta::assert_snapshot!(table, @r"
            NoVisit OUT: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | no incident
            NoVisit OK: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | no incident
            NoVisit MORE: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | no incident
            NoVisit SOS: Noted 12:35. | no visit | sos nobody's, worker none, raise 0, waits till 12:37
            Planned OUT: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | no incident
            Planned OK: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | no incident
            Planned MORE: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | no incident
            Planned SOS: Noted 12:35. | planned | sos nobody's, worker none, raise 0, waits till 12:37
            Begun OUT: Ended 12:35. You are no longer watched. | ended checked_out | no incident
            Begun OK: Watching you till 13:30. Reply OUT and your PIN when you leave. | begun till 13:30 | no incident
            Begun MORE: Watching you till 14:00. Reply OUT and your PIN when you leave. | begun till 14:00 | no incident
            Begun SOS: Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 0, waits till 12:37
            InGrace OUT: Ended 12:35. You are no longer watched. | ended late_check_out | no incident
            InGrace OK: Watching you till 12:45. Reply OUT and your PIN when you leave. | begun till 12:45 | no incident
            InGrace MORE: Watching you till 13:05. Reply OUT and your PIN when you leave. | begun till 13:05 | no incident
            InGrace SOS: Noted 12:35. | begun till 12:30 | sos nobody's, worker none, raise 0, waits till 12:37
            Overdue OUT: Ended 12:35. You are no longer watched. Others were told that you are overdue: somebody will ring you. | ended after_alarm | overdue nobody's, worker reports_safe, raise 0, waits till 13:05
            Overdue OK: You were due out 12:20. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 12:20 | overdue nobody's, worker reports_safe, raise 0, waits till 13:05
            Overdue MORE: Watching you till 13:05. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 13:05 | overdue nobody's, worker safe_inside, raise 0, waits till 13:05
            Overdue SOS: Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            Owned OUT: Ended 12:35. You are no longer watched. Others were told that you are overdue: somebody will ring you. | ended after_alarm | overdue owned by Sam Cole, worker reports_safe, raise 0, waits till 13:05
            Owned OK: You were due out 12:20. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 12:20 | overdue owned by Sam Cole, worker reports_safe, raise 0, waits till 13:05
            Owned MORE: Watching you till 13:05. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 13:05 | overdue owned by Sam Cole, worker safe_inside, raise 0, waits till 13:05
            Owned SOS: Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            WithPolice OUT: Ended 12:35. You are no longer watched. Others were told that you are overdue: somebody will ring you. | ended after_alarm | overdue with police, Sam Cole, worker reports_safe, raise 0, waits till 13:01
            WithPolice OK: You were due out 12:20. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 12:20 | overdue with police, Sam Cole, worker reports_safe, raise 0, waits till 13:01
            WithPolice MORE: Watching you till 13:05. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 13:05 | overdue with police, Sam Cole, worker safe_inside, raise 0, waits till 13:01
            WithPolice SOS: Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            Sos OUT: Ended 12:35. You are no longer watched. | ended checked_out | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos OK: Watching you till 13:30. Reply OUT and your PIN when you leave. | begun till 13:30 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos MORE: Watching you till 14:00. Reply OUT and your PIN when you leave. | begun till 14:00 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos SOS: Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            SosJustNow OUT: Ended 12:35. You are no longer watched. | ended checked_out | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow OK: Watching you till 13:30. Reply OUT and your PIN when you leave. | begun till 13:30 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow MORE: Watching you till 14:00. Reply OUT and your PIN when you leave. | begun till 14:00 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow SOS: Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 0, waits till 12:37
            SosWithoutVisit OUT: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosWithoutVisit OK: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosWithoutVisit MORE: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | no visit | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosWithoutVisit SOS: Noted 12:35. | no visit | sos nobody's, worker none, raise 1, waits till 12:37
            SosPlanned OUT: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosPlanned OK: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosPlanned MORE: Nothing running: you are NOT being watched. To be watched for an hour reply IN 60. | planned | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosPlanned SOS: Noted 12:35. | planned | sos nobody's, worker none, raise 1, waits till 12:37
            SosWhileOverdue OUT: Ended 12:35. You are no longer watched. Others were told that you are overdue: somebody will ring you. | ended after_alarm | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue OK: You were due out 12:20. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 12:20 | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue MORE: Watching you till 13:05. Reply OUT and your PIN when you leave. Others were told that you are overdue: somebody will ring you. | begun till 13:05 | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue SOS: Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 2, waits till 12:37
            SosOwned OUT: Ended 12:35. You are no longer watched. | ended checked_out | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned OK: Watching you till 13:30. Reply OUT and your PIN when you leave. | begun till 13:30 | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned MORE: Watching you till 14:00. Reply OUT and your PIN when you leave. | begun till 14:00 | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned SOS: Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            SosWithPolice OUT: Ended 12:35. You are no longer watched. | ended checked_out | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice OK: Watching you till 13:30. Reply OUT and your PIN when you leave. | begun till 13:30 | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice MORE: Watching you till 14:00. Reply OUT and your PIN when you leave. | begun till 14:00 | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice SOS: Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            ");
        }
        app.finish().await;
    }

    async fn by_the_api(db: TestDb) {
        let app = TestApp::with(&db, &organisation(), |_| {}).await;
        let table = table(&app, false).await;
        a_call_for_help_looks_like_nothing(&table);
        insta::allow_duplicates! {
            insta::assert_snapshot!(table, @r"
            NoVisit OUT: 404 There is nothing with this id that you may see. | no visit | no incident
            NoVisit OK: 404 There is nothing with this id that you may see. | no visit | no incident
            NoVisit MORE: 404 There is nothing with this id that you may see. | no visit | no incident
            NoVisit SOS: 200 Noted 12:35. | no visit | sos nobody's, worker none, raise 0, waits till 12:37
            Planned OUT: 200 Planned for 15:00. You are not watched until you start. | planned | no incident
            Planned OK: 409 this visit has not begun: nothing is running | planned | no incident
            Planned MORE: 409 this visit has not begun: nothing is running | planned | no incident
            Planned SOS: 200 Noted 12:35. | planned | sos nobody's, worker none, raise 0, waits till 12:37
            Begun OUT: 200 Ended at 12:35. You are no longer watched. | ended checked_out | no incident
            Begun OK: 200 Watching you till 13:30. Check out with your PIN when you leave. | begun till 13:30 | no incident
            Begun MORE: 200 Watching you till 14:00. Check out with your PIN when you leave. | begun till 14:00 | no incident
            Begun SOS: 200 Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 0, waits till 12:37
            InGrace OUT: 200 Ended at 12:35. You are no longer watched. | ended late_check_out | no incident
            InGrace OK: 200 Watching you till 12:45. Check out with your PIN when you leave. | begun till 12:45 | no incident
            InGrace MORE: 200 Watching you till 13:05. Check out with your PIN when you leave. | begun till 13:05 | no incident
            InGrace SOS: 200 Noted 12:35. | begun till 12:30 | sos nobody's, worker none, raise 0, waits till 12:37
            Overdue OUT: 200 Ended at 12:35. Others had been told that you were overdue: somebody will ring you to be sure. | ended after_alarm | overdue nobody's, worker reports_safe, raise 0, waits till 13:05
            Overdue OK: 200 You were due out 12:20. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 12:20 | overdue nobody's, worker reports_safe, raise 0, waits till 13:05
            Overdue MORE: 200 Watching you till 13:05. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 13:05 | overdue nobody's, worker safe_inside, raise 0, waits till 13:05
            Overdue SOS: 200 Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            Owned OUT: 200 Ended at 12:35. Others had been told that you were overdue: somebody will ring you to be sure. | ended after_alarm | overdue owned by Sam Cole, worker reports_safe, raise 0, waits till 13:05
            Owned OK: 200 You were due out 12:20. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 12:20 | overdue owned by Sam Cole, worker reports_safe, raise 0, waits till 13:05
            Owned MORE: 200 Watching you till 13:05. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 13:05 | overdue owned by Sam Cole, worker safe_inside, raise 0, waits till 13:05
            Owned SOS: 200 Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            WithPolice OUT: 200 Ended at 12:35. Others had been told that you were overdue: somebody will ring you to be sure. | ended after_alarm | overdue with police, Sam Cole, worker reports_safe, raise 0, waits till 13:01
            WithPolice OK: 200 You were due out 12:20. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 12:20 | overdue with police, Sam Cole, worker reports_safe, raise 0, waits till 13:01
            WithPolice MORE: 200 Watching you till 13:05. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 13:05 | overdue with police, Sam Cole, worker safe_inside, raise 0, waits till 13:01
            WithPolice SOS: 200 Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 1, waits till 12:37
            Sos OUT: 200 Ended at 12:35. You are no longer watched. | ended checked_out | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos OK: 200 Watching you till 13:30. Check out with your PIN when you leave. | begun till 13:30 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos MORE: 200 Watching you till 14:00. Check out with your PIN when you leave. | begun till 14:00 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            Sos SOS: 200 Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            SosJustNow OUT: 200 Ended at 12:35. You are no longer watched. | ended checked_out | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow OK: 200 Watching you till 13:30. Check out with your PIN when you leave. | begun till 13:30 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow MORE: 200 Watching you till 14:00. Check out with your PIN when you leave. | begun till 14:00 | sos nobody's, worker pin_used, raise 0, waits till 12:37
            SosJustNow SOS: 200 Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 0, waits till 12:37
            SosWithoutVisit OUT: 404 There is nothing with this id that you may see. | no visit | sos nobody's, worker none, raise 0, waits till 12:37
            SosWithoutVisit OK: 404 There is nothing with this id that you may see. | no visit | sos nobody's, worker none, raise 0, waits till 12:37
            SosWithoutVisit MORE: 404 There is nothing with this id that you may see. | no visit | sos nobody's, worker none, raise 0, waits till 12:37
            SosWithoutVisit SOS: 200 Noted 12:35. | no visit | sos nobody's, worker none, raise 1, waits till 12:37
            SosPlanned OUT: 200 Planned for 15:00. You are not watched until you start. | planned | sos nobody's, worker none, raise 0, waits till 12:37
            SosPlanned OK: 409 this visit has not begun: nothing is running | planned | sos nobody's, worker none, raise 0, waits till 12:37
            SosPlanned MORE: 409 this visit has not begun: nothing is running | planned | sos nobody's, worker none, raise 0, waits till 12:37
            SosPlanned SOS: 200 Noted 12:35. | planned | sos nobody's, worker none, raise 1, waits till 12:37
            SosWhileOverdue OUT: 200 Ended at 12:35. Others had been told that you were overdue: somebody will ring you to be sure. | ended after_alarm | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue OK: 200 You were due out 12:20. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 12:20 | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue MORE: 200 Watching you till 13:05. Check out with your PIN when you leave. Others were told that you are overdue: somebody will ring you to be sure. | begun till 13:05 | sos nobody's, worker pin_used, raise 1, waits till 12:37
            SosWhileOverdue SOS: 200 Noted 12:35. | begun till 12:20 | sos nobody's, worker none, raise 2, waits till 12:37
            SosOwned OUT: 200 Ended at 12:35. You are no longer watched. | ended checked_out | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned OK: 200 Watching you till 13:30. Check out with your PIN when you leave. | begun till 13:30 | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned MORE: 200 Watching you till 14:00. Check out with your PIN when you leave. | begun till 14:00 | sos owned by Sam Cole, worker pin_used, raise 0, waits till 12:36
            SosOwned SOS: 200 Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            SosWithPolice OUT: 200 Ended at 12:35. You are no longer watched. | ended checked_out | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice OK: 200 Watching you till 13:30. Check out with your PIN when you leave. | begun till 13:30 | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice MORE: 200 Watching you till 14:00. Check out with your PIN when you leave. | begun till 14:00 | sos with police, Sam Cole, worker pin_used, raise 0, waits till 13:01
            SosWithPolice SOS: 200 Noted 12:35. | begun till 13:30 | sos nobody's, worker none, raise 1, waits till 12:37
            ");
        }
        app.finish().await;
    }
}
