//! A call for help (row V7): raised at once, whatever else is open, and refused for nothing.

use std::any::Any;

use chrono::TimeDelta;
use homeward::{
    domain::{contact::Channel, notice::Purpose},
    store::{Db, Pools},
};
use serde_json::{Value, json};
use sqlx::{Database, Pool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::store::execute;
use crate::support::{app::TestApp, on_both};

/// Whoever else is served takes all that there is.
async fn every_connection(db: &Db) -> Vec<Box<dyn Any>> {
    async fn all<D: Database>(pool: &Pool<D>) -> Vec<Box<dyn Any>> {
        let mut taken: Vec<Box<dyn Any>> = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            taken.push(Box::new(pool.acquire().await.unwrap()));
        }
        taken
    }
    match db.pools() {
        Pools::Sqlite(pool) => all(pool).await,
        Pools::Postgres(pool) => all(pool).await,
    }
}

on_both! {
    async fn it_goes_out_before_whoever_is_called_later_about_another(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.person("ann").post("/visits", json!({"minutes": 30})).await.is_ok();
        app.pass(40).await;
        app.clock.advance(TimeDelta::minutes(5));
        app.app.timer.tick(app.now()).await.unwrap();
        app.clock.advance(TimeDelta::milliseconds(10));
        app.person("cas").post("/sos", json!({})).await.is_ok();
        let next = app.app.outbox.claim(app.now(), 1).await.unwrap();
        let about: Vec<_> = next.iter().map(|claimed| claimed.message.incident_id.unwrap().to_string()).collect();
        let incidents = app.person("una").get("/incidents").await;
        let all = incidents.is_ok().body["incidents"].as_array().unwrap();
        let sos = all.iter().find(|incident| incident["kind"] == "sos").unwrap()["id"].as_str().unwrap();
        assert!(!about.is_empty() && about.iter().all(|id| id == sos), "{about:?} {sos}");
    }

    async fn it_is_raised_at_once_with_nothing_but_a_token(db: TestDb) {
        let app = TestApp::start(&db).await;
        for (n, body) in ["", "{}", "not json", "[1,2", "{\"position\": 7, \"made_at\": \"?\"}", "\u{0}"].into_iter().enumerate() {
            let noted = app.person("ann").post_raw("/sos", body).await;
            assert_eq!((noted.status, noted.message()), (200, "Noted 12:00."), "{body:?}");
            assert!(!noted.body.to_string().contains("incident"), "whoever holds the phone learns nothing");
            let incident = app.the_incident().await;
            assert_eq!((incident["kind"].as_str(), incident["visit"].clone(), incident["raise"].as_i64()), (Some("sos"), Value::Null, Some(0)), "{n}: within two minutes it is the same one");
        }
        app.work().await;
        // The first two steps at once, by every channel; everybody after two minutes.
        let said = app.said().await;
        let called = |to: &str| said.iter().filter(|said| said.to == to && said.purpose.calls_to_act()).count();
        assert_eq!((called("sam"), called("dee"), called("jo"), called("una")), (2, 2, 2, 0));
        let sam = app.texts("sam").await;
        let code = app.the_incident_as("sam").await["code"].as_str().unwrap().to_owned();
        assert!(sam.contains(&format!("SOS: Ann Lee 12:00. Ring 999 now: the place stands in Homeward. Then take it there: {code}.")), "{sam:?}");
        assert!(app.texts("jo").await.contains(&"Ann Lee called for help 12:00. In danger: 999. Know where they are? Ring the duty manager on 07700900126.".to_owned()), "{:?}", app.texts("jo").await);
        assert_eq!(app.texts("ann").await, [""; 0]);
        app.pass(2).await;
        assert!(app.texts("una").await.iter().any(|text| text.starts_with("SOS: Ann Lee 12:00.")));
        // Nothing that comes from the phone stops it, and the subject reads nothing of it.
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("ann").get(&format!("/incidents/{id}")).await.is_problem(404, "not-found");
        app.person("ann").post(&format!("/incidents/{id}/close"), json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "me"})).await.is_problem(403, "about-yourself");
        assert_eq!(app.person("ann").get("/incidents").await.body["incidents"], json!([]));
        app.finish().await;
    }

    async fn it_upgrades_what_is_open_and_voids_who_has_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        let visit = app.ann_goes_in(10).await;
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        app.pass(1).await;
        app.person("ann").post("/sos", json!({"words": "he has locked the door", "position": {"latitude": 52.48, "longitude": -1.89, "accuracy_metres": 12}})).await.is_ok();
        app.work().await;
        let incident = app.the_incident_as("sam").await;
        assert_eq!((incident["id"].as_str(), incident["kind"].as_str(), incident["owner"].clone(), incident["raise"].as_i64()), (Some(id.as_str()), Some("sos"), Value::Null, Some(1)));
        assert_eq!(incident["position"]["latitude"], 52.48);
        assert!(app.texts("sam").await.contains(&"SOS: Ann Lee, whom you have, has called for help. Ring 999 now. Everyone is called again: take it again to keep it.".to_owned()));
        // Taken again, and called again within two minutes: told, and ownership stays; later it is a new raise.
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        app.pass(1).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        assert_eq!(app.the_incident().await["owner"]["name"], "Sam Cole");
        assert_eq!(app.texts("dee").await.last().unwrap(), "SOS: Ann Lee has called for help again, 12:22. Ring 999 if nobody has yet.");
        app.pass(2).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        assert_eq!((app.the_incident().await["owner"].clone(), app.the_incident().await["raise"].as_i64()), (Value::Null, Some(2)));
        // The PIN looks as if it worked, and is shown as what it is.
        let out = app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await;
        assert_eq!(out.message(), "Ended at 12:24. Others had been told that you were overdue: somebody will ring you to be sure.", "as without the call for help");
        let incident = app.the_incident().await;
        assert_eq!((incident["state"].as_str(), incident["worker_reports"].as_str()), (Some("open"), Some("pin_used")));
        assert_eq!(incident["worker_reports_text"], "PIN used since, last at 12:24: do not trust it until the worker is seen.");
        let said = app.said().await.len();
        app.pass(4).await;
        assert!(app.said().await.len() > said, "the ladder goes on");
        app.finish().await;
    }

    async fn it_takes_it_back_from_the_police_and_tells_whoever_has_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/police"), json!({"log_number": "WM-1234"})).await.is_ok();
        app.work().await;
        app.pass(1).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        // Before everything else: it goes with the first alarms.
        let said = app.said().await;
        let told = said.iter().find(|said| said.to == "sam" && said.text == "SOS: Ann Lee, whom you have, has called for help. Ring 999 now. Everyone is called again: take it again to keep it.");
        assert_eq!(told.unwrap().purpose, Purpose::FirstAlarm);
        assert_eq!(app.the_incident().await["with_police"], false);
        app.finish().await;
    }

    async fn a_visit_goes_on_beside_it_and_its_end_is_an_event_in_it(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(20).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.pass(1).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.pass(35).await;
        assert!(app.texts("ann").await.iter().any(|text| text.starts_with("You were due out 12:20")), "reminders come as ever");
        assert_eq!(app.open_incidents().await, 1, "not a second one");
        assert!(app.log("incident", &id).await.contains(&"incident.visit_overdue".to_owned()));
        // Closed with the worker still there: watched on.
        let close = json!({"outcome": "threatened", "known_by": "spoke_by_voice", "worker_now": "still_there", "minutes": 30, "note": "He calmed down; she stays with a colleague on the phone."});
        app.person("dee").post(&format!("/incidents/{id}/close"), close).await.is_ok();
        app.pass(41).await;
        let again = app.the_incident().await;
        assert_eq!((again["kind"].as_str(), again["id"] == json!(id)), (Some("overdue"), false));
        app.finish().await;
    }

    async fn a_second_visit_that_fell_overdue_meanwhile_is_raised_once_it_is_over(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        let visit = app.person("ann").post("/visits", json!({"minutes": 5, "place": "9 Quay Road"})).await;
        assert_eq!(visit.status, 201);
        app.pass(20).await;
        assert_eq!(app.open_incidents().await, 1);
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert!(app.log("incident", &id).await.contains(&"incident.visit_overdue".to_owned()));
        let still = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "still_there", "minutes": 10, "note": "n"});
        app.person("dee").post(&format!("/incidents/{id}/close"), still).await.is_problem(409, "wrong-state");
        app.person("dee").post(&format!("/incidents/{id}/close"), json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "elsewhere_safe", "note": "Sat on the phone."})).await.is_ok();
        app.work().await;
        assert_eq!(app.the_incident().await["kind"], "overdue", "nobody said that the visit is over");
        app.finish().await;
    }

    async fn where_the_worker_may_be_is_the_nearest_visit(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.set_pin("ann").await;
        let visit = app.person("ann").post("/visits", json!({"place": "12 High St", "minutes": 60})).await.id();
        app.pass(10).await;
        app.person("ann").post(&format!("/visits/{visit}/check-out"), json!({"pin": "4821"})).await.is_ok();
        app.person("ann").post("/visits", json!({"place": "9 Quay Road", "expected_arrival": app.at("18:00"), "minutes": 60})).await.is_ok();
        app.pass(5).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        let incident = app.the_incident_as("sam").await;
        assert_eq!((incident["place"].as_str(), incident["place_of"]["which"].as_str(), incident["place_of"]["at"].as_str()), (Some("12 High St"), Some("last_visit"), Some("2026-01-14T12:10:00Z")));
        let said = app.said().await;
        assert!(said.iter().all(|said| said.channel == Channel::Email || !said.text.contains("High St")), "no text names the place");
        app.finish().await;
    }

    async fn what_was_long_on_its_way_and_comes_again_is_the_same_call(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.pass(60).await;
        let cry = json!({"made_at": app.at("12:20")});
        app.person("cas").post("/sos", json!({"made_at": "-9000-01-01T00:00:00Z"})).await.is_ok();
        let bens = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{bens}/close"), json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "n"})).await.is_ok();
        app.person("ann").post("/sos", cry.clone()).await.is_ok();
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        app.person("ann").post("/sos", cry).await.is_ok();
        assert_eq!(app.the_incident().await["owner"]["name"], "Sam Cole", "nobody loses it to a repeat");
        // A phone whose clock is slow calls anew all the same.
        app.pass(10).await;
        app.person("ann").post("/sos", json!({"made_at": app.at("12:23")})).await.is_ok();
        assert_eq!(app.the_incident().await["owner"], Value::Null);
        app.finish().await;
    }

    async fn who_was_called_and_finds_them_not_safe_needs_no_more_than_an_old_token(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let code = app.the_incident_as("sam").await["code"].as_str().unwrap().to_owned();
        let (organisation, now) = (app.organisation, app.now());
        let listed = homeward::store::tokens::list(&mut app.db().read().await.unwrap(), organisation).await.unwrap();
        let sam = listed.iter().find(|token| token.person_key == "sam").unwrap().id;
        app.db().write(async move |tx| homeward::store::tokens::revoke(tx, organisation, sam, now).await).await.unwrap();
        let reply = app.person("sam").post("/text", json!({"text": format!("NOT SAFE {code} door open")})).await;
        assert_eq!(reply.is_ok().body["reply"], "Everybody is being called about Ann Lee now. Ring 999 if nobody has.");
        let incident = app.the_incident_as("dee").await;
        assert_eq!((incident["kind"].as_str(), incident["subject"]["name"].as_str()), (Some("sos"), Some("Ann Lee")));
        app.person("sam").post("/text", json!({"text": format!("ACK {code}")})).await.is_problem(401, "no-token");
        app.finish().await;
    }

    async fn an_open_incident_that_cannot_be_read_stands_in_nobodys_way(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        assert_eq!(app.open_incidents().await, 1);
        assert_eq!(execute(app.db(), "UPDATE incident SET claim = 'of a newer version'").await.unwrap(), 1);
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("SOS: Ann Lee 12:20.")), "{:?}", app.texts("sam").await);
    }

    async fn a_visit_and_a_ladder_that_cannot_be_read_stand_in_nobodys_way(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert_eq!(execute(app.db(), "UPDATE visit SET state = 'nonsense'").await.unwrap(), 1);
        assert!(execute(app.db(), "UPDATE ladder SET body = '{\"of\": \"a newer version\"}'").await.unwrap() > 0);
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("SOS: Ann Lee 12:20.") || text.starts_with("SOS: Ann Lee, whom")), "{:?}", app.texts("sam").await);
        let before = app.said().await.len();
        app.pass(3).await;
        assert!(app.said().await.len() > before, "and its ladder goes on");
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        // Another's goes up too, though no ladder can be read.
        app.person("cas").post("/sos", json!({})).await.is_ok();
        assert_eq!(app.open_incidents().await, 2);
    }

    async fn who_is_overdue_is_looked_for_though_no_ladder_can_be_read(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        assert!(execute(app.db(), "UPDATE ladder SET body = '{\"of\": \"a newer version\"}'").await.unwrap() > 0);
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("OVERDUE: Ann Lee")), "{:?}", app.texts("sam").await);
        app.person("sam").post(&format!("/incidents/{id}/acknowledge"), json!({})).await.is_ok();
        app.finish().await;
    }

    async fn a_visit_that_cannot_be_read_is_closed_by_nobody_unheard(db: TestDb) {
        let app = TestApp::start(&db).await;
        app.ann_goes_in(10).await;
        app.pass(20).await;
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert_eq!(execute(app.db(), "UPDATE visit SET state = 'nonsense'").await.unwrap(), 1);
        let how = |place: &str, minutes: Option<i64>| json!({"outcome": "safe_forgot", "known_by": "seen", "worker_now": place, "minutes": minutes, "note": "n"});
        let refused = app.person("sam").post(&format!("/incidents/{id}/close"), how("still_there", Some(30))).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert_eq!(app.open_incidents().await, 1);
        app.person("sam").post(&format!("/incidents/{id}/close"), how("home", None)).await.is_ok();
        app.pass(1).await;
        let log = app.everything_that_happened().await.body.to_string();
        assert!(log.contains("deadline.poisoned"), "whoever can mend it is told");
    }

    async fn it_does_not_wait_for_a_body_that_never_comes(db: TestDb) {
        let app = TestApp::start(&db).await;
        let token = app.tokens["ann"].clone();
        let address = app.url("").trim_start_matches("http://").to_owned();
        let mut phone = TcpStream::connect(&address).await.unwrap();
        let head = format!("POST /api/v1/sos HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 40\r\n\r\n{{\"words\"");
        phone.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        phone.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 200");
        assert_eq!(app.the_incident().await["kind"], "sos");
        app.finish().await;
    }

    async fn it_finds_its_way_though_every_connection_is_taken(db: TestDb) {
        let app = TestApp::start(&db).await;
        let taken = every_connection(app.db()).await;
        app.person("ann").post("/text", json!({"text": "SOS he has a knife"})).await.is_ok();
        app.person("sam").post("/sos", json!({})).await.is_ok();
        drop(taken);
        assert_eq!(app.open_incidents().await, 2);
        app.work().await;
        app.finish().await;
    }

    async fn an_old_token_is_enough_and_an_invented_one_is_not(db: TestDb) {
        let app = TestApp::start(&db).await;
        let organisation = app.organisation;
        let now = app.now();
        let listed = homeward::store::tokens::list(&mut app.db().read().await.unwrap(), organisation).await.unwrap();
        let ann = listed.iter().find(|token| token.person_key == "ann").unwrap().id;
        app.db().write(async move |tx| homeward::store::tokens::revoke(tx, organisation, ann, now).await).await.unwrap();
        app.person("ann").get("/me").await.is_problem(401, "no-token");
        app.person("ann").post("/sos", json!({})).await.is_ok();
        let id = app.the_incident().await["id"].as_str().unwrap().to_owned();
        assert!(app.log("incident", &id).await.contains(&"incident.sos_by_old_token".to_owned()));
        // By text too; all else by such a token is refused, and a start is told.
        assert_eq!(app.person("ann").post("/text", json!({"text": "help me"})).await.is_ok().body["reply"], "Noted 12:00.");
        app.person("ann").post("/text", json!({"text": "OUT 4821"})).await.is_problem(401, "no-token");
        app.person("ann").post("/text", json!({"text": "IN 60"})).await.is_problem(401, "not-being-watched");
        let refused = app.person("ann").post("/visits", json!({"minutes": 60})).await;
        assert_eq!(refused.is_problem(401, "not-being-watched").body["detail"], "YOU ARE NOT BEING WATCHED: this token has expired or was revoked. Your manager was told. Send it again, or ring them.");
        app.work().await;
        let told = app.texts("sam").await.into_iter().filter(|text| text == "A start by Ann Lee could not be read: Ann Lee is NOT BEING WATCHED. Ring them.").count();
        assert_eq!(told, 1, "once an hour: whoever found the phone must not be able to send many texts");
        app.with_token("hw_invented").post("/sos", json!({})).await.is_problem(401, "no-token");
        app.work().await;
        let events = app.everything_that_happened().await;
        assert!(events.body["events"].as_array().unwrap().iter().any(|event| event["kind"] == "token.unknown"), "somebody has to see that a call for help came with it");
        app.finish().await;
    }
}
