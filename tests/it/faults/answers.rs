//! What comes back to the service, and from whom: programs that open every link (F17), texts while nothing can be written (F20),
//! words that networks act on (F21), somebody else with the right number (F22), yesterday's code (F24).

use std::time::Duration;

use chrono::TimeDelta;
use homeward::{clock::stopwatch, domain::contact::Channel};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::Environment;
use crate::support::{
    Engine, TestDb,
    app::{TestApp, WESTSHIRE, noon},
    fake_sms::FakeSms,
    fake_smtp::FakeSmtp,
    fake_twilio, on_both,
    phones::{ANN, JO, PUBLIC, Phones, SAM},
};

const MOST_FOR_A_REQUEST: Duration = Duration::from_secs(5);

/// A program that looks for harm in mails: it opens what they lead to, runs what it finds there, and presses every button.
struct Scanner<'a> {
    app: &'a TestApp,
    http: reqwest::Client,
}

impl<'a> Scanner<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self { app, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Every address of ours that stands in a mail, as a path.
    fn links(mail: &str) -> Vec<String> {
        let ends = |c: char| c.is_whitespace() || "\"<>".contains(c);
        let mut links: Vec<String> = mail
            .split(PUBLIC)
            .skip(1)
            .map(|rest| rest.split(ends).next().unwrap().trim_end_matches('.').to_owned())
            .collect();
        links.sort();
        links.dedup();
        links
    }

    async fn opens(&self, path: &str) -> String {
        let url = self.app.url(path);
        assert!(self.http.head(&url).send().await.unwrap().status().is_success(), "{path}");
        let answer = self.http.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(!answer.headers().contains_key("refresh"));
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let page = answer.text().await.unwrap();
        let runs = ["<script", "http-equiv", "onload", "javascript:", "<img", "<iframe", "<link"];
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert!(runs.iter().all(|run| !page.contains(run)), "nothing on it runs or loads by itself: {page}");
        page
    }

    /// Presses each button of a page, its field empty or with a word that stands there; how often it did.
    async fn presses_everything(&self, path: &str, page: &str) -> usize {
        let values = |tag: &str, name: &str| -> Vec<String> {
            let (tag, name) = (format!("<{tag}"), format!(" {name}=\""));
            let of =
                |part: &str| Some(part.split('>').next()?.split(&name).nth(1)?.split('"').next()?.to_owned());
            page.split(&tag).skip(1).filter_map(of).collect()
        };
        let (fields, buttons) = (values("input", "name"), values("button", "value"));
        let name = values("button", "name").pop().unwrap_or_default();
        assert!(
            !page.contains("<form") || !fields.is_empty(),
            "a form that needs nothing would be sent: {page}"
        );
        let words = page.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() == 4);
        let mut pressed = 0;
        for typed in [""].into_iter().chain(words.take(2)) {
            for button in &buttons {
                let pairs = fields
                    .iter()
                    .map(|field| (field.as_str(), typed))
                    .chain([(name.as_str(), button.as_str())]);
                let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                assert!(!self.submits(path, form).await.0, "{button} with {typed:?}");
                pressed += 1;
            }
        }
        pressed
    }

    /// Whether it was taken, and what is shown then.
    async fn submits(&self, path: &str, form: String) -> (bool, String) {
        let request = self.http.post(self.app.url(path)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status().is_success(), answer.text().await.unwrap())
    }
}

async fn only_visit(app: &TestApp) -> Value {
    let list = app.person("ann").get("/visits").await;
    let visits = list.is_ok().body["visits"].as_array().unwrap();
    assert_eq!(visits.len(), 1, "{list:?}");
    visits[0].clone()
}

fn code_in(call: &str) -> String {
    call.split("ACK ").nth(1).unwrap_or_else(|| panic!("no call: {call}"))[..4].to_owned()
}

/// Somebody who wants no database to be written to.
enum Locked {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Locked {
    async fn by_another(db: &TestDb) -> Self {
        match db.engine {
            Engine::Sqlite => {
                let mut conn = SqliteConnection::connect(&db.url).await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
                Self::Sqlite(conn)
            }
            Engine::Postgres => {
                let mut conn = PgConnection::connect(&db.url).await.unwrap();
                let lock = "BEGIN; LOCK TABLE inbound_text, visit IN ACCESS EXCLUSIVE MODE";
                sqlx::raw_sql(lock).execute(&mut conn).await.unwrap();
                Self::Postgres(conn)
            }
        }
    }

    async fn let_go(self) {
        match self {
            Self::Sqlite(mut conn) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap()),
            Self::Postgres(mut conn) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap()),
        }
    }
}

/// STOP and its like, as people and phones write them.
fn opting_out() -> Vec<String> {
    let words = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPT OUT"];
    let mut all = Vec::new();
    for word in words {
        let small = word.to_lowercase();
        all.extend([word.to_owned(), small.clone(), format!(" {word}. "), format!("“{small}!” 🛑")]);
        all.extend([format!("{small} please"), format!("{word} 4821"), format!("{word}\n")]);
    }
    all.extend(
        ["S T O P", "s.t.o.p", "STOP STOP", "ＳＴＯＰ", "st\u{ad}op", "stop texting me"].map(String::from),
    );
    all
}

on_both! {
    async fn f17_a_program_opens_every_link_and_presses_every_button_fifty_times(db: TestDb) {
        let (sms, mail) = (FakeSms::start(super::SECRET).await, FakeSmtp::start().await);
        let environment = Environment::sms([&sms]).mail(&mail).with("HOMEWARD_LISTEN__PUBLIC_URL", PUBLIC).with("HOMEWARD_ANSWERING__BY_TEXT", "true");
        let app = TestApp::with_providers(&db, WESTSHIRE, &environment.0, noon()).await;
        app.ann_goes_in(30).await;
        app.pass(46).await;
        let mails = mail.ledger().accepted;
        let mut links: Vec<String> = mails.iter().flat_map(|mail| Scanner::links(&mail.body)).collect();
        links.sort();
        links.dedup();
        assert!(links.len() >= 3, "Jo, Sam and Dee have each their own: {links:?}");
        let scanner = Scanner::new(&app);
        let mut pressed = 0;
        for _ in 0..50 {
            for link in &links {
                let page = scanner.opens(link).await;
                pressed += scanner.presses_everything(link, &page).await;
            }
        }
        assert!(pressed >= 50 * 9 * links.len(), "{pressed}");
        app.work().await;
        let incident = app.the_incident().await;
        assert_eq!((&incident["owner"], &incident["kind"]), (&Value::Null, &json!("overdue")));
        assert_eq!(only_visit(&app).await["state"], "begun");
        let kinds = app.log("incident", incident["id"].as_str().unwrap()).await;
        let deed = |kind: &&String| {
            ["acknowledged", "cannot", "not_safe", "contact", "where"].iter().any(|deed| kind.contains(deed))
        };
        assert_eq!(kinds.iter().find(deed), None, "{kinds:?}");
        // A human: opens it, gives the code that stands beside it.
        let to_sam = mails.iter().rfind(|mail| mail.to == ["sam@example.org"]).unwrap();
        let link = Scanner::links(&to_sam.body).pop().unwrap();
        let page = scanner.opens(&link).await;
        assert!(page.contains("Alarm about Ann Lee"), "{page}");
        let code = code_in(&app.texts("sam").await.pop().unwrap());
        assert!(to_sam.body.contains(&code), "it stands in the mail too: {}", to_sam.body);
        let (taken, said) = scanner.submits(&link, format!("code={code}&what=take")).await;
        assert!(taken && said.contains("You have the alarm about Ann Lee"), "{said}");
        assert_eq!(app.the_incident().await["owner"]["name"], "Sam Cole");
        app.work().await;
        app.finish().await;
    }

    async fn f20_a_text_while_nothing_can_be_written_is_refused_in_time_and_done_once_when_it_is_sent_again(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.app.set_pin("ann").await;
        let lock = Locked::by_another(&db).await;
        let took = stopwatch();
        let posts = tokio::join!(phones.posts("SM1", ANN, "IN 60 12 High St"), phones.posts("SM1", ANN, "IN 60 12 High St"));
        assert!(posts.0 >= 500 && posts.1 >= 500, "never thanked for what is not kept: {posts:?}");
        assert!(took.elapsed() < MOST_FOR_A_REQUEST, "{:?}", took.elapsed());
        phones.app.clock.advance(TimeDelta::seconds(20));
        lock.let_go().await;
        assert_eq!((phones.begun().await, phones.shows(ANN).len()), (0, 0));
        // Its provider sends it again, and again.
        for _ in 0..3 {
            assert_eq!(phones.posts("SM1", ANN, "IN 60 12 High St").await, 200);
        }
        phones.app.work().await;
        assert_eq!(only_visit(&phones.app).await["state"], "begun");
        let shown = phones.shows(ANN);
        assert!(shown.len() == 1 && shown[0].starts_with("Watching you till 13:00."), "{shown:?}");
        // And so is the text that ends it.
        let lock = Locked::by_another(&db).await;
        assert!(phones.posts("SM2", ANN, "OUT 4821").await >= 500);
        lock.let_go().await;
        for _ in 0..2 {
            assert_eq!(phones.posts("SM2", ANN, "OUT 4821").await, 200);
        }
        phones.app.work().await;
        assert_eq!((phones.begun().await, phones.shows(ANN).len()), (0, 2));
        phones.app.finish().await;
    }

    async fn f21_sixty_spellings_of_stop_end_no_watching_and_take_no_alarm(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.app.set_pin("ann").await;
        phones.text(ANN, "IN 60 12 High St").await;
        let visit = only_visit(&phones.app).await;
        let spellings = opting_out();
        assert!(spellings.len() >= 60, "{}", spellings.len());
        for text in spellings.iter().map(String::as_str).chain(["YES", "Yes please", "START", "INFO"]) {
            let before = phones.shows(SAM).len();
            let reply = phones.text(ANN, text).await;
            assert!(reply.starts_with("You are still watched, till 13:00."), "{text}: {reply}");
            phones.app.work().await;
            let told = phones.shows(SAM).split_off(before);
            assert!(told.iter().any(|told| told.starts_with("Ann Lee sent ")), "{text}: {told:?}");
        }
        let after = only_visit(&phones.app).await;
        for field in ["state", "expected_departure"] {
            assert_eq!(after[field], visit[field]);
        }
        // She says nothing more; whoever was called says STOP in as many ways, and goes on being called about this alarm.
        phones.app.pass(71).await;
        let incident = phones.app.the_incident().await;
        for text in &spellings {
            let reply = phones.text(JO, text).await;
            assert!(!reply.is_empty() && !reply.contains("You have the alarm"), "{text}: {reply}");
        }
        phones.app.work().await;
        let before = phones.shows(JO).len();
        phones.app.pass(6).await;
        assert!(phones.shows(JO).split_off(before).iter().any(|text| text.contains("ACK ")), "{:?}", phones.shows(JO));
        let after = phones.app.the_incident().await;
        assert_eq!((&after["id"], &after["owner"]), (&incident["id"], &Value::Null));
        phones.app.finish().await;
    }

    async fn f21_a_network_that_takes_no_more_texts_for_her_keeps_nobody_from_being_told(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.text(ANN, "IN 60 12 High St").await;
        phones.text(ANN, "STOP").await;
        let opted_out = fake_twilio::Answer::Error { status: 400, code: 21610 };
        phones.twilio.for_phone(ANN, opted_out);
        // Her reminder is the next that goes there.
        phones.app.pass(51).await;
        let told = phones.shows(SAM);
        assert!(told.iter().any(|text| text.starts_with("Ann Lee cannot be reached by text")), "{told:?}");
        let reminded = phones.app.said().await.into_iter().any(|said| said.to == "ann" && said.channel == Channel::Email);
        assert!(reminded, "by the channel that works");
        let visit = only_visit(&phones.app).await;
        assert_eq!((&visit["state"], phones.app.open_incidents().await), (&json!("begun"), 0));
        phones.app.pass(20).await;
        assert_eq!(phones.app.the_incident().await["kind"], "overdue");
        assert!(phones.shows(SAM).last().unwrap().starts_with("OVERDUE: Ann Lee"), "{:?}", phones.shows(SAM));
        phones.app.finish().await;
    }

    async fn f21_help_is_a_call_for_help_in_every_spelling(db: TestDb) {
        for text in ["HELP", "help", "Help me", "HELP!", "help 🆘", "H E L P", "999", "police", "Help please", "STOP HELP ME"] {
            let fresh = db.another().await;
            let phones = Phones::start(&fresh).await;
            phones.text(ANN, "IN 60").await;
            let reply = phones.text(ANN, text).await;
            assert_eq!(reply, "Noted 12:00.", "{text}");
            phones.app.work().await;
            assert_eq!(phones.app.the_incident().await["kind"], "sos", "{text}");
            assert!(phones.shows(SAM).iter().any(|text| text.starts_with("SOS")), "{text}: {:?}", phones.shows(SAM));
            phones.app.finish().await;
        }
    }

    async fn f22_whoever_has_the_right_number_and_not_the_pin_ends_nothing(db: TestDb) {
        let phones = Phones::start(&db).await;
        let pins = json!({"pin": "4821", "duress_pin": "9064", "duress_word": "Samantha"});
        phones.app.person("ann").put("/me/pins", pins).await.is_ok();
        phones.text(ANN, "IN 60 12 High St").await;
        let visit = only_visit(&phones.app).await;
        let wrong_pins = |phones: &Phones| phones.shows(SAM).iter().filter(|text| text.contains("wrong PINs")).count();
        for text in ["OUT", "OK", "MORE 30", "out please"] {
            let reply = phones.text(ANN, text).await;
            assert!(reply.contains("Still watching till 13:00"), "{text}: {reply}");
        }
        for guess in 1..=20 {
            let text = match guess % 3 {
                0 => format!("OUT 11{guess:02}"),
                1 => format!("ok 11{guess:02} all fine"),
                _ => format!("MORE 30 11{guess:02}"),
            };
            assert_eq!(phones.text(ANN, &text).await, "PIN not right. Still watching till 13:00.", "{text}");
            phones.app.work().await;
            assert_eq!(wrong_pins(&phones), usize::from(guess >= 3), "after {guess}");
        }
        let after = only_visit(&phones.app).await;
        for field in ["state", "expected_departure"] {
            assert_eq!(after[field], visit[field]);
        }
        // Locked is locked for the right one too, for these three alone.
        for text in ["OUT 4821", "OK 4821", "MORE 30 4821"] {
            assert_eq!(phones.text(ANN, text).await, "PIN not right. Still watching till 13:00.", "{text}");
        }
        assert_eq!(phones.text(ANN, "STATUS").await, "Watching you till 13:00.");
        assert!(phones.text(ANN, "IN 90 9 Quay Road").await.starts_with("Watching you till 13:30."));
        assert_eq!(phones.text(ANN, "HELP").await, "Noted 12:00.");
        phones.app.work().await;
        assert_eq!(phones.app.the_incident().await["kind"], "sos");
        // After a quarter of an hour the right one does it.
        phones.app.pass(15).await;
        let reply = phones.text(ANN, "OUT 4821").await;
        assert!(reply.starts_with("Ended 12:15: your visits begun 12:00, 12:00."), "{reply}");
        phones.app.finish().await;
    }

    async fn f22_duress_looks_like_the_usual_pin_and_while_locked_like_a_locked_one(db: TestDb) {
        for (locked, texts) in [
            (false, ["OUT 4821", "OUT 9064"]),
            (false, ["OUT 4821 cheers", "OUT 4821 cheers samantha"]),
            (false, ["MORE 30 4821", "MORE 30 9064"]),
            (true, ["OUT 4821", "OUT 9064"]),
            (true, ["OK 4821", "OK 9064"]),
            (true, ["MORE 30 4821 hi", "MORE 30 4821 hi Samantha"]),
        ] {
            let mut replies = Vec::new();
            for (text, silent) in texts.into_iter().zip([false, true]) {
                let fresh = db.another().await;
                let phones = Phones::start(&fresh).await;
                let pins = json!({"pin": "4821", "duress_pin": "9064", "duress_word": "Samantha"});
                phones.app.person("ann").put("/me/pins", pins).await.is_ok();
                phones.text(ANN, "IN 60 12 High St").await;
                for _ in 0..if locked { 5 } else { 0 } {
                    phones.text(ANN, "OUT 1111").await;
                }
                replies.push(phones.text(ANN, text).await);
                assert_eq!(phones.app.open_incidents().await, 0, "{text}: nothing before the answer");
                phones.app.work().await;
                let open = phones.app.person("una").get("/incidents?state=open").await.body["incidents"].clone();
                let kinds: Vec<_> = open.as_array().unwrap().iter().map(|incident| incident["kind"].clone()).collect();
                assert_eq!(kinds, if silent { vec![json!("duress")] } else { vec![] }, "locked {locked}: {text}");
                let shown = phones.shows(ANN);
                assert!(!shown.iter().any(|text| text.to_lowercase().contains("duress")), "{shown:?}");
                phones.app.finish().await;
            }
            assert_eq!(replies[0], replies[1], "locked {locked}: {texts:?}");
            assert_eq!(replies[0] == "PIN not right. Still watching till 13:00.", locked, "{replies:?}");
        }
    }

    async fn f24_yesterdays_code_takes_nothing_and_is_told_what_is_open(db: TestDb) {
        let phones = Phones::start(&db).await;
        phones.app.set_pin("ann").await;
        phones.text(ANN, "IN 30 12 High St").await;
        phones.app.pass(41).await;
        let yesterdays = [SAM, JO].map(|phone| code_in(&phones.shows(phone).pop().unwrap()));
        let incident = phones.app.the_incident().await["id"].as_str().unwrap().to_owned();
        let close = json!({"outcome": "safe_delayed", "known_by": "seen", "worker_now": "home", "note": "n"});
        phones.app.person("sam").post(&format!("/incidents/{incident}/close"), close).await.is_ok();
        phones.app.work().await;
        phones.app.clock.advance(TimeDelta::days(1));
        phones.app.work().await;
        assert_eq!(phones.text(SAM, &format!("ACK {}", yesterdays[0])).await, "That alarm is over. Nothing is open.");
        phones.text(ANN, "IN 30 9 Quay Road").await;
        phones.app.pass(41).await;
        let before = phones.app.the_incident().await;
        let log = phones.app.log("incident", before["id"].as_str().unwrap()).await;
        let closed = phones.app.person("una").get(&format!("/incidents/{incident}")).await.body;
        let todays = [SAM, JO].map(|phone| code_in(&phones.shows(phone).pop().unwrap()));
        for ((phone, yesterdays), todays) in [SAM, JO].into_iter().zip(&yesterdays).zip(&todays) {
            assert_ne!(yesterdays, todays, "unused again for 30 days");
            for word in ["ACK", "NO", "SAFE", "HOLD", "WHERE"] {
                let text = if word == "HOLD" { format!("HOLD {yesterdays} 30 on my way") } else { format!("{word} {yesterdays}") };
                let reply = phones.text(phone, &text).await;
                assert!(reply.starts_with("That alarm is over. Open now: "), "{text}: {reply}");
                assert!(reply.contains("Ann Lee") && reply.contains(todays.as_str()), "{text}: {reply}");
            }
        }
        let after = phones.app.the_incident().await;
        assert_eq!(after, before, "no effect");
        assert_eq!(phones.app.log("incident", before["id"].as_str().unwrap()).await, log);
        assert_eq!(phones.app.person("una").get(&format!("/incidents/{incident}")).await.body, closed);
        let reply = phones.text(SAM, &format!("ACK {}", todays[0])).await;
        assert!(reply.starts_with("You have the alarm about Ann Lee"), "{reply}");
        phones.app.work().await;
        phones.app.finish().await;
    }
}
