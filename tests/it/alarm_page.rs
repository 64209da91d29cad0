//! The page to which a mail about an alarm leads: looking does nothing, answering needs the code (row E10).

use homeward::{
    domain::ids::{IncidentId, PersonId},
    store::Pools,
};
use serde_json::{Value, json};

use crate::support::{
    TestDb,
    app::{TestApp, WESTSHIRE},
    on_both,
};

const PIN: &str = "4821";

async fn overdue(db: &TestDb) -> (TestApp, String) {
    let app = TestApp::with(db, WESTSHIRE, |config| {
        config.listen.public_url = Some("https://homeward.example.org/".into());
    })
    .await;
    app.set_pin("ann").await;
    app.person("ann").post("/visits", json!({"minutes": 30, "place": "12 High St"})).await.is_ok();
    app.pass(60).await;
    let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
    (app, incident)
}

async fn id_of(app: &TestApp, key: &str) -> PersonId {
    let me = app.person(key).get("/me").await;
    PersonId(me.is_ok().body["id"].as_str().unwrap().parse().unwrap())
}

fn page_of(app: &TestApp, incident: &str, person: PersonId) -> String {
    let pages = app.app.site.house.pages.as_ref().expect("the address is known");
    let page = pages.of_alarm(IncidentId(incident.parse().unwrap()), person);
    page.strip_prefix("https://homeward.example.org").expect("under the address").to_owned()
}

/// Somebody who was called, and their code.
async fn called(app: &TestApp, key: &str) -> (PersonId, String) {
    const CODE: &str =
        "SELECT p.id, a.code FROM alarm_code a JOIN person p ON p.id = a.person_id WHERE p.key = $1";
    match app.db().pools() {
        Pools::Sqlite(pool) => sqlx::query_as(CODE).bind(key).fetch_one(pool).await.unwrap(),
        Pools::Postgres(pool) => sqlx::query_as(CODE).bind(key).fetch_one(pool).await.unwrap(),
    }
}

fn code_of(texts: &[String]) -> String {
    texts[0].split_once("Homeward: ").unwrap().1.trim_matches('.').to_owned()
}

async fn look(app: &TestApp, path: &str) -> (u16, String) {
    let answer =
        reqwest::Client::builder().no_proxy().build().unwrap().get(app.url(path)).send().await.unwrap();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn say(app: &TestApp, path: &str, code: &str, what: &str) -> (u16, String) {
    let form = format!("code={code}&what={what}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(app.url(path)).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(form).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

on_both! {
    async fn looking_does_nothing_and_the_code_takes_the_alarm(db: TestDb) {
        let (app, incident) = overdue(&db).await;
        let path = page_of(&app, &incident, id_of(&app, "sam").await);
        let (status, shown) = look(&app, &path).await;
        assert_eq!(status, 200);
        assert!(shown.contains("Alarm about Ann Lee") && !shown.contains("High St"), "{shown}");
        for _ in 0..3 {
            look(&app, &path).await;
        }
        assert_eq!(app.the_incident().await["owner"], Value::Null);
        let code = code_of(&app.texts("sam").await);
        for (wrong, what) in [("ZZZZ", "take"), ("", "take"), (code.as_str(), "everything")] {
            let (status, said) = say(&app, &path, wrong, what).await;
            assert_eq!(status, 403);
            assert!(said.contains("Nothing was done") && !said.contains(&code), "{said}");
        }
        assert_eq!(app.the_incident().await["owner"], Value::Null);
        let (status, said) = say(&app, &path, &code.to_lowercase(), "where").await;
        assert!(status == 200 && said.contains("12 High St"), "{said}");
        assert_eq!(app.the_incident().await["owner"], Value::Null, "asking takes nothing");
        let (status, said) = say(&app, &path, &code, "take").await;
        assert!(status == 200 && said.contains("You have the alarm about Ann Lee until"), "{said}");
        assert_eq!(app.the_incident().await["owner"]["name"], "Sam Cole");
        app.work().await;
        app.finish().await;
    }

    async fn an_outside_contact_is_told_no_place_and_stops_nothing(db: TestDb) {
        let (app, incident) = overdue(&db).await;
        assert!(!app.texts("jo").await.is_empty());
        let (jo, code) = called(&app, "jo").await;
        let path = page_of(&app, &incident, jo);
        let (_, shown) = look(&app, &path).await;
        assert!(shown.contains("I am trying to reach them") && !shown.contains("Show the place"), "{shown}");
        let (_, said) = say(&app, &path, &code, "where").await;
        assert!(!said.contains("High St"), "{said}");
        say(&app, &path, &code, "take").await;
        assert_eq!(app.the_incident().await["owner"], Value::Null);
        app.work().await;
        app.finish().await;
    }

    async fn a_made_up_address_and_an_alarm_that_is_over_do_nothing(db: TestDb) {
        let (app, incident) = overdue(&db).await;
        let path = page_of(&app, &incident, id_of(&app, "sam").await);
        let mut other = path.clone();
        let last = if other.pop() == Some('A') { 'Q' } else { 'A' };
        other.push(last);
        for path in [other.as_str(), "/alarm/x", &format!("/alarm/{incident}"), &page_of(&app, &incident, id_of(&app, "ari").await)] {
            assert_eq!(look(&app, path).await.0, 404, "{path}");
            assert_eq!(say(&app, path, "K7QF", "take").await.0, 404, "{path}");
        }
        let code = code_of(&app.texts("sam").await);
        let close = json!({"outcome": "safe_delayed", "known_by": "seen", "worker_now": "home", "note": "n"});
        app.person("sam").post(&format!("/incidents/{incident}/close"), close).await.is_ok();
        assert!(look(&app, &path).await.1.contains("This alarm is over"));
        let (_, said) = say(&app, &path, &code, "take").await;
        assert!(said.contains("over"), "{said}");
        app.work().await;
        app.finish().await;
    }

    async fn whoever_guesses_a_code_is_stopped(db: TestDb) {
        let (app, incident) = overdue(&db).await;
        let path = page_of(&app, &incident, id_of(&app, "sam").await);
        // The same again and again is a program that presses buttons; others are guesses.
        for n in 0..100 {
            assert_eq!(say(&app, &path, "ZZZZ", "take").await.0, 403);
            if n < 49 {
                say(&app, &path, &format!("0{n}"), "take").await;
            }
        }
        let code = code_of(&app.texts("sam").await);
        let (status, said) = say(&app, &path, &code, "take").await;
        assert!(status == 403 && said.contains("Too many wrong codes"), "{said}");
        // By text he still can.
        app.person("sam").post("/text", json!({"text": format!("ACK {code}")})).await.is_ok();
        assert_eq!(app.the_incident().await["owner"]["name"], "Sam Cole");
        app.work().await;
        app.finish().await;
    }

    async fn a_companion_reads_nothing_new_of_a_silent_alarm(db: TestDb) {
        let app = TestApp::with(&db, WESTSHIRE, |config| {
            config.listen.public_url = Some("https://homeward.example.org/".into());
        })
        .await;
        let pins = json!({"pin": PIN, "duress_pin": "9064"});
        app.person("ann").put("/me/pins", pins).await;
        app.set_pin("sam").await;
        app.person("ann").post("/visits", json!({"minutes": 30, "with": ["sam"]})).await.is_ok();
        app.person("sam").post("/text", json!({"text": "MORE 120 4821"})).await.is_ok();
        app.pass(40).await;
        let incident = app.the_incident().await["id"].as_str().unwrap().to_owned();
        let path = page_of(&app, &incident, id_of(&app, "sam").await);
        let code = code_of(&app.texts("sam").await.into_iter().filter(|text| text.contains("OVERDUE")).collect::<Vec<_>>());
        let before = (look(&app, &path).await, say(&app, &path, &code, "cannot").await.0);
        app.person("ann").post("/text", json!({"text": "OK 9064"})).await.is_ok();
        app.work().await;
        assert_eq!(app.person("una").get(&format!("/incidents/{incident}")).await.body["kind"], "duress");
        let after = (look(&app, &path).await, say(&app, &path, &code, "cannot").await.0);
        assert_eq!(before, after);
        app.work().await;
        app.finish().await;
    }
}
