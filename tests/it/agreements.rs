//! Before the visit: cases, assessments, whether it is agreed, and what happens where it is not (rows A1 to A8, A11, E13).

use chrono::TimeDelta;
use homeward::domain::agreement::Rules;
use serde_json::{Value, json};

use crate::store::execute;
use crate::support::{
    TestDb,
    app::{Reply, TestApp, WESTSHIRE},
    on_both,
    phones::{ANN, Phones, SAM},
};

/// Westshire, whose north team asks for agreement; phones and contacts count as proved, since these tests are about the rest.
fn westshire(more: &str) -> String {
    let asked =
        WESTSHIRE.replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#);
    let asked = asked.replace("\nkey = \"sam\"\n", "\nkey = \"sam\"\ndeputy = \"dee\"\n");
    assert!(asked.contains("agreement") && asked.contains("deputy"), "{asked}");
    format!(
        "{asked}\n[agreement]\ncase_references = [\"A999999\"]\n{more}\n[agreement.rules]\nno_phone = \"off\"\nno_emergency_contact = \"off\"\n"
    )
}

async fn start(db: &TestDb) -> TestApp {
    TestApp::with(db, &westshire(""), |_| {}).await
}

/// A factor that is dealt with.
fn dog() -> Value {
    json!({"about": "animals", "words": "a large dog", "measures": ["ring first: it is shut away"], "likelihood": 2, "severity": 2})
}

/// A case with a place; the place's id.
async fn case(app: &TestApp, reference: &str) -> String {
    let opened = app
        .person("ann")
        .post("/cases", json!({"reference": reference, "visiting": "supervised", "name": "Robin"}))
        .await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let place = json!({"address": "12 High St", "household": "their brother"});
    app.person("ann").post(&format!("/cases/{reference}/places"), place).await.is_ok().id()
}

/// The same, assessed by Ann and agreed by Sam; the place and the assessment.
async fn assessed(app: &TestApp, reference: &str, factors: Value) -> (String, String) {
    let place = case(app, reference).await;
    let draft = json!({"factors": factors, "review_on": "2026-07-01"});
    let made = app.person("ann").post(&format!("/places/{place}/assessments"), draft).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.id();
    app.person("sam").post(&format!("/assessments/{id}/agree"), json!({})).await.is_ok();
    (place, id)
}

/// A plan of Ann's for tomorrow at ten.
fn plan(reference: &str) -> Value {
    json!({"case_reference": reference, "purpose": "supervision", "expected_arrival": "2026-01-15T10:00:00Z", "expected_departure": "2026-01-15T11:00:00Z"})
}

async fn agreement(app: &TestApp, visit: &str) -> Value {
    app.person("una").get(&format!("/visits/{visit}/agreement")).await.is_ok().body.clone()
}

fn rules(agreement: &Value) -> Vec<&str> {
    agreement["reasons"].as_array().unwrap().iter().map(|reason| reason["rule"].as_str().unwrap()).collect()
}

async fn decide(app: &TestApp, who: &str, visit: &str, decision: &str, words: &str) -> Reply {
    let body = json!({"decision": decision, "words": words});
    app.person(who).post(&format!("/visits/{visit}/agreement/decide"), body).await
}

on_both! {
    async fn from_the_first_assessment_to_a_second_visit_to_which_nothing_has_changed(db: TestDb) {
        let app = start(&db).await;
        let place = case(&app, "A123456").await;
        // Planned before anybody has assessed it: nobody can agree.
        let first = app.person("ann").post("/visits", plan("A123456")).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert!(first.body["warnings"].to_string().contains("NOT AGREED"), "{first:?}");
        let visit = first.id();
        assert_eq!(rules(&agreement(&app, &visit).await), ["not_assessed"]);
        decide(&app, "sam", &visit, "agree", "").await.is_problem(409, "agreement");

        let draft = json!({"factors": [dog()], "review_on": "2026-07-01"});
        let made = app.person("ann").post(&format!("/places/{place}/assessments"), draft).await;
        assert_eq!((made.status, &made.body["rating"], &made.body["agreed_by"]), (201, &json!("low"), &Value::Null));
        // Weighed anew: the measures want a manager.
        let anew = app.person("ann").post(&format!("/visits/{visit}/agreement"), json!({"words": "assessed now"})).await;
        assert_eq!((&anew.is_ok().body["state"], rules(&anew.body)), (&json!("waiting"), vec!["assessment_not_agreed"]));
        app.work().await;
        let asked = app.texts("sam").await;
        assert!(asked.iter().any(|text| text.starts_with("Ann Lee asks you to agree to a visit 10:00 Thu")), "{asked:?}");
        assert!(asked.iter().all(|text| !text.contains("A123456") && !text.contains("Robin") && !text.contains("High St")), "{asked:?}");
        let queue = app.person("sam").get("/agreements").await;
        assert_eq!(queue.is_ok().body["agreements"].as_array().unwrap().len(), 1);
        app.person("ann").get("/agreements").await.is_problem(403, "role-too-small");
        decide(&app, "ann", &visit, "agree", "").await.is_problem(403, "role-too-small");
        let agreed = decide(&app, "sam", &visit, "agree", "ring before you go in").await;
        assert_eq!((&agreed.is_ok().body["state"], &agreed.body["decided_by"]["name"]), (&json!("agreed"), &json!("Sam Cole")));
        app.work().await;
        assert!(app.texts("ann").await.iter().any(|text| text.starts_with("AGREED by Sam Cole: your visit 10:00 Thu")), "{:?}", app.texts("ann").await);
        app.person("sam").post(&format!("/assessments/{}/agree", made.id()), json!({})).await.is_ok();

        // They go, and come out.
        app.clock.advance(TimeDelta::hours(22));
        let begun = app.person("ann").post("/visits", json!({"case_reference": "A123456", "minutes": 60})).await;
        assert_eq!((begun.id(), &begun.body["risk"]), (visit.clone(), &json!("normal")), "{begun:?}");
        assert_eq!(app.person("ann").put("/me/pins", json!({"pin": "4821"})).await.status, 409, "not during a visit");
        let known = json!({"known_by": "seen"});
        app.person("sam").post(&format!("/visits/{visit}/check-out"), known.clone()).await.is_ok();
        assert_eq!(app.person("sam").get("/agreements").await.is_ok().body["agreements"], json!([]), "nothing is left to decide");

        // The second time nothing has changed: five things are asked for at most.
        app.clock.advance(TimeDelta::days(7));
        let second = json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 45});
        assert!(second.as_object().unwrap().len() <= 4);
        let second = app.person("ann").post("/visits", second).await;
        assert!(second.body["warnings"].to_string().contains("has anything changed since 2026-01-14"), "{second:?}");
        let visit = second.id();
        let same = app.person("ann").post(&format!("/visits/{visit}/agreement"), json!({"changed": "no"})).await;
        assert_eq!((&same.is_ok().body["state"], &same.body["changed"]), (&json!("agreed"), &json!("no")));
        let versions = app.person("sam").get(&format!("/places/{place}/assessments")).await;
        let all = versions.is_ok().body["assessments"].as_array().unwrap();
        assert_eq!((all.len(), &all[0]["used_on"]), (1, &json!(["2026-01-22"])), "the same form, and the date of the visit");
        app.person("sam").post(&format!("/visits/{visit}/check-out"), known).await.is_ok();

        // The third time something has: a new version stands beside the old one.
        app.clock.advance(TimeDelta::days(7));
        let third = app.person("ann").post("/visits", plan_at(&app, "A123456", 60)).await.id();
        let say = json!({"changed": "yes"});
        app.person("ann").post(&format!("/visits/{third}/agreement"), say).await.is_problem(422, "invalid-field");
        let say = json!({"changed": "yes", "words": "a new partner lives there"});
        let changed = app.person("ann").post(&format!("/visits/{third}/agreement"), say).await;
        assert_eq!((&changed.is_ok().body["state"], rules(&changed.body)), (&json!("waiting"), vec!["changed_since"]));
        let partner = json!({"about": "household", "words": "a new partner, known for threats", "measures": ["two go"], "likelihood": 3, "severity": 4});
        let draft = json!({"factors": [dog(), partner], "review_on": "2026-07-01", "covers": {"company": "accompanied"}});
        let made = app.person("sam").post(&format!("/places/{place}/assessments"), draft).await;
        let otherwise: Vec<_> = made.body["differences"].as_array().unwrap().iter().map(|change| change["change"].as_str().unwrap()).collect();
        assert_eq!((&made.body["version"], &made.body["agreed_by"]["name"], otherwise), (&json!(2), &json!("Sam Cole"), vec!["added", "rating", "covers"]));
        let anew = app.person("ann").post(&format!("/visits/{third}/agreement"), json!({})).await;
        assert_eq!((&anew.is_ok().body["state"], rules(&anew.body)), (&json!("not_agreed"), vec!["company_not_covered", "high_risk"]));
        let two = app.person("ann").post(&format!("/visits/{third}/agreement"), json!({"company": "accompanied"})).await;
        assert_eq!((&two.is_ok().body["state"], rules(&two.body)), (&json!("waiting"), vec!["high_risk"]));
        decide(&app, "sam", &third, "refuse", "").await.is_problem(409, "agreement");
        decide(&app, "sam", &third, "refuse", "not this week").await.is_ok();
        app.work().await;
        assert!(app.texts("ann").await.iter().any(|text| text.starts_with("NOT AGREED by Sam Cole: your visit")), "{:?}", app.texts("ann").await);
        app.finish().await;
    }

    async fn a_start_that_nobody_agreed_is_watched_as_high_risk_until_somebody_decides(db: TestDb) {
        let app = start(&db).await;
        let sent = app.person("ann").post("/text", json!({"text": "IN 60 A999111"})).await;
        assert_eq!(sent.is_ok().body["reply"], "NOT AGREED: do not go in. Sam Cole has been asked. You are watched till 13:00 either way. Set your PIN now: without it you cannot end this.");
        // Said again it is the same visit.
        app.person("ann").post("/text", json!({"text": "IN 60 A999111"})).await.is_ok();
        let visits = app.person("ann").get("/visits").await;
        assert_eq!(visits.is_ok().body["visits"].as_array().unwrap().len(), 1);
        let visit = visits.is_ok().body["visits"][0].clone();
        assert_eq!((&visit["state"], &visit["risk"]), (&json!("begun"), &json!("high")));
        let id = visit["id"].as_str().unwrap();
        app.work().await;
        for who in ["sam", "dee"] {
            let texts = app.texts(who).await;
            assert!(texts.iter().any(|text| text.starts_with("NOT AGREED: Ann Lee goes in now, and nobody can agree to it")), "{who}: {texts:?}");
        }
        assert_eq!(app.texts("una").await, [""; 0]);
        // Every five minutes the next ones too.
        app.pass(5).await;
        assert_eq!(app.texts("sam").await.len(), 2);
        app.pass(5).await;
        assert!(!app.texts("una").await.is_empty(), "{:?}", agreement(&app, id).await);
        let queue = app.person("dee").get("/agreements").await;
        assert_eq!(queue.is_ok().body["agreements"][0]["begun_not_agreed"], true);
        assert_eq!(app.person("sam").get("/agreements").await.is_ok().body, queue.body);
        let refused = decide(&app, "dee", id, "refuse", "come out: nobody knows who lives there").await;
        assert_eq!(refused.is_ok().body["state"], "refused");
        app.work().await;
        assert!(app.texts("ann").await.iter().any(|text| text.starts_with("NOT AGREED by Dee Park: come out.")), "{:?}", app.texts("ann").await);
        let asked = app.texts("sam").await.len();
        app.pass(10).await;
        assert_eq!(app.texts("sam").await.len(), asked, "somebody has decided");
        // High risk has no grace: the alarm goes up at the deadline.
        app.pass(40).await;
        assert_eq!(app.open_incidents().await, 1);
        app.verify().await;
    }

    async fn what_a_person_said_is_taken_back_by_nobody_but_a_person(db: TestDb) {
        let app = start(&db).await;
        let worst = json!({"about": "hostility", "words": "has attacked staff", "measures": ["two go"], "likelihood": 5, "severity": 5});
        assessed(&app, "A333333", json!([worst])).await;
        let visit = app.person("ann").post("/visits", plan("A333333")).await.id();
        // A question, or a no, makes nobody of somebody who may not agree.
        decide(&app, "sam", &visit, "ask", "who goes along?").await.is_ok();
        decide(&app, "sam", &visit, "agree", "go").await.is_problem(409, "agreement");
        let two = json!({"company": "accompanied", "words": "Cas goes along"});
        app.person("ann").post(&format!("/visits/{visit}/agreement"), two).await.is_ok();
        decide(&app, "sam", &visit, "ask", "and the police?").await.is_ok();
        decide(&app, "sam", &visit, "agree", "go").await.is_problem(403, "role-too-small");
        decide(&app, "una", &visit, "agree", "with the police").await.is_ok();

        // Refused it stays so, whatever the worker says of it; arriving all the same is seen.
        assessed(&app, "A444444", json!([dog()])).await;
        let mut near = plan_at(&app, "A444444", 30);
        near["place"] = json!("12 High St");
        let visit = app.person("ann").post("/visits", near).await.id();
        assert_eq!(agreement(&app, &visit).await["state"], "agreed");
        decide(&app, "sam", &visit, "refuse", "not today").await.is_ok();
        let path = format!("/visits/{visit}/agreement");
        let said = app.person("ann").post(&path, json!({"changed": "no"})).await;
        assert_eq!((&said.is_ok().body["state"], rules(&said.body)), (&json!("waiting"), vec!["said_no"]));
        let said = app.person("ann").post(&path, json!({"changed": "no"})).await;
        assert_eq!(said.is_ok().body["state"], "waiting");
        let there = app.person("ann").post(&format!("/visits/{visit}/arrive"), json!({})).await;
        assert_eq!(there.is_ok().body["risk"], "high");
        assert!(there.body["warnings"].to_string().contains("NOT AGREED"), "{there:?}");
        app.work().await;
        assert!(app.texts("dee").await.iter().any(|text| text.starts_with("NOT AGREED: Ann Lee goes in now.")), "{:?}", app.texts("dee").await);
        decide(&app, "sam", &visit, "agree", "").await.is_ok();
        let shown = app.person("ann").get(&format!("/visits/{visit}")).await;
        assert_eq!(shown.is_ok().body["risk"], "normal");
        app.verify().await;
    }

    async fn nobody_goes_in_unweighed_since_others_said_that_they_were_out(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        let ann = app.person("ann");
        let plan = json!({"place": "12 High St", "expected_arrival": app.now() + TimeDelta::minutes(5), "minutes": 60});
        let id = ann.post("/visits", plan).await.is_ok().id();
        app.pass(6).await;
        app.person("sam").post(&format!("/visits/{id}/check-out"), json!({"known_by": "seen"})).await.is_ok();
        app.text("ann", "NOT OUT").await;
        let shown = ann.get(&format!("/visits/{id}")).await.body;
        assert_eq!((shown["state"].as_str(), shown["risk"].as_str()), (Some("begun"), Some("high")), "{shown:?}");
        app.work().await;
        let told = app.texts("sam").await;
        assert!(told.iter().any(|text| text.starts_with("NOT AGREED: Ann Lee")), "{told:?}");
        // Whose answer was lost is told again.
        for _ in 0..2 {
            let said = app.text("ann", "IN 30 somewhere else").await;
            assert!(said.starts_with("NOT AGREED"), "{said}");
            app.pass(1).await;
        }
        let visits = ann.get("/visits").await.body["visits"].clone();
        assert_eq!(visits.as_array().unwrap().len(), 2, "{visits:?}");
        app.finish().await;
    }

    async fn an_agreement_goes_for_its_place_and_not_for_another_that_is_named_at_the_door(db: TestDb) {
        let app = start(&db).await;
        app.set_pin("ann").await;
        assessed(&app, "A123456", json!([dog()])).await;
        app.person("ann").post("/cases/A123456/places", json!({"address": "9 Oak St"})).await.is_ok();
        let ann = app.person("ann");
        let stands = async |id: &str| {
            let agreement = agreement(&app, id).await;
            (agreement["state"].as_str().unwrap().to_owned(), rules(&agreement).join(" "))
        };
        for by_a_person in [false, true] {
            let plan = json!({"case_reference": "A123456", "place": "12 High St", "purpose": "supervision", "expected_arrival": app.now() + TimeDelta::minutes(10), "minutes": 30});
            let planned = async || {
                let id = ann.post("/visits", plan.clone()).await.is_ok().id();
                assert_eq!(stands(&id).await.0, "agreed");
                if by_a_person {
                    decide(&app, "sam", &id, "agree", "").await.is_ok();
                }
                id
            };
            // Words that are no place of the case change nothing.
            let there = planned().await;
            app.text("ann", "IN 20 A123456 cheers").await;
            let shown = ann.get(&format!("/visits/{there}")).await.body;
            assert_eq!((&shown["place_said"], &shown["risk"], stands(&there).await.0), (&json!("cheers"), &json!("normal"), "agreed".into()));
            ann.post(&format!("/visits/{there}/check-out"), json!({"pin": "4821"})).await.is_ok();
            let elsewhere = planned().await;
            let begun = ann.post("/visits", json!({"case_reference": "A123456", "place": "9, oak st", "minutes": 20})).await;
            assert_eq!((begun.id(), begun.body["risk"].as_str()), (elsewhere.clone(), Some("high")), "{begun:?}");
            assert_eq!(stands(&elsewhere).await, ("not_agreed".into(), "not_assessed".into()));
            ann.post(&format!("/visits/{elsewhere}/check-out"), json!({"pin": "4821"})).await.is_ok();
        }
        app.finish().await;
    }

    async fn agreed_at_the_door_it_runs_at_its_usual_risk(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        // Nobody has said what for.
        let begun = app.person("ann").post("/visits", json!({"case_reference": "a 123456", "minutes": 60})).await;
        assert_eq!((begun.status, rules(&agreement(&app, &begun.id()).await)), (201, vec!["no_purpose"]));
        let visit = begun.id();
        let shown = async || app.person("ann").get(&format!("/visits/{visit}")).await.is_ok().body.clone();
        assert_eq!(shown().await["risk"], "high");
        decide(&app, "sam", &visit, "agree", "").await.is_ok();
        assert_eq!(shown().await["risk"], "normal");
        app.pass(69).await;
        assert_eq!(app.open_incidents().await, 0, "the grace is there again");
        app.pass(2).await;
        assert_eq!(app.open_incidents().await, 1);
    }

    async fn what_is_out_of_the_ordinary_is_said_before_and_agreed_by_who_may(db: TestDb) {
        let app = start(&db).await;
        // Row A5: no assessment is possible.
        case(&app, "A111111").await;
        let visit = app.person("ann").post("/visits", plan("A111111")).await.id();
        let say = |exception: Value| json!({ "exception": exception });
        let path = format!("/visits/{visit}/agreement");
        let nothing = say(json!({"kind": "emergency", "circumstances": " "}));
        app.person("ann").post(&path, nothing).await.is_problem(422, "invalid-field");
        let emergency = say(json!({"kind": "emergency", "circumstances": "police asked for somebody at once"}));
        let waits = app.person("ann").post(&path, emergency).await;
        assert_eq!((&waits.is_ok().body["approver"], rules(&waits.body)), (&json!("manager"), vec!["not_assessed"]));
        decide(&app, "sam", &visit, "agree", "with the police").await.is_ok();

        // Row A7: a child at the home of a colleague; a one-off that a senior manager agrees, with a reason.
        let place = json!({"address": "7 Low Rd", "whose_home": "a_colleagues"});
        app.person("ann").post("/cases", json!({"reference": "A222222", "visiting": "child_or_family"})).await;
        let place = app.person("ann").post("/cases/A222222/places", place).await.is_ok().id();
        let draft = json!({"factors": [dog()], "review_on": "2026-07-01"});
        app.person("sam").post(&format!("/places/{place}/assessments"), draft).await;
        let visit = app.person("ann").post("/visits", plan("A222222")).await.id();
        assert_eq!(rules(&agreement(&app, &visit).await), ["private_home"]);
        let talk = |with: &str, at: &str| json!({"with": with, "at": at, "said": "agreed to it this once"});
        let one_off = |at: &str| say(json!({"kind": "one_off", "justification": "nobody else can take the child tonight",
            "senior_manager": talk("Una Hart", at), "parents_or_carers": talk("the mother", at)}));
        let path = format!("/visits/{visit}/agreement");
        let later = app.person("ann").post(&path, one_off("2026-01-14T18:00:00Z")).await;
        later.is_problem(422, "invalid-field");
        let waits = app.person("ann").post(&path, one_off("2026-01-14T11:00:00Z")).await;
        assert_eq!((&waits.is_ok().body["approver"], rules(&waits.body)), (&json!("senior_manager"), vec!["private_home", "one_off"]));
        decide(&app, "sam", &visit, "agree", "yes").await.is_problem(403, "role-too-small");
        decide(&app, "una", &visit, "agree", "").await.is_problem(409, "agreement");
        decide(&app, "una", &visit, "agree", "discussed; no other way").await.is_ok();

        // Row A8: too dangerous for anybody alone.
        let worst = json!({"about": "hostility", "words": "has attacked staff", "measures": ["two go"], "likelihood": 5, "severity": 5});
        assessed(&app, "A333333", json!([worst])).await;
        let visit = app.person("ann").post("/visits", plan("A333333")).await.id();
        assert_eq!(rules(&agreement(&app, &visit).await), ["unacceptable_risk"]);
        decide(&app, "una", &visit, "agree", "go").await.is_problem(409, "agreement");
        let path = format!("/visits/{visit}/agreement");
        let two = app.person("ann").post(&path, json!({"company": "accompanied"})).await;
        assert_eq!(two.is_ok().body["approver"], "senior_manager");
        decide(&app, "una", &visit, "agree", "with the police beside them").await.is_ok();
        // Whoever comes alone all the same has no agreement.
        app.clock.advance(TimeDelta::hours(22));
        let alone = app.person("ann").post("/visits", json!({"case_reference": "A333333", "minutes": 30, "place": "12 High St"})).await;
        assert_eq!((alone.id(), &alone.body["risk"]), (visit, &json!("high")), "{alone:?}");
        app.verify().await;
    }

    async fn responders_see_what_is_known_while_an_alarm_is_open_and_events_hold_nothing_personal(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        let visit = json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 60});
        app.person("ann").post("/visits", visit).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        let incident = app.the_incident_as("dee").await;
        let known = &incident["known"];
        assert_eq!((&known["household"], &known["address"], &known["risks"][0]["words"]), (&json!("their brother"), &json!("12 High St"), &json!("a large dog")));
        let said = app.said().await;
        for personal in ["Robin", "their brother", "A123456", "large dog"] {
            assert!(said.iter().all(|said| !said.text.contains(personal)), "{personal}");
        }
        let log = app.everything_that_happened().await;
        let bodies: Vec<String> = log.body["events"].as_array().unwrap().iter().map(|event| event["body"].to_string()).collect();
        for personal in ["Robin", "their brother", "A123456", "large dog", "12 High St", "shut away"] {
            assert!(bodies.iter().all(|body| !body.contains(personal)), "{personal}: {bodies:?}");
        }
        let id = incident["id"].as_str().unwrap();
        let how = json!({"outcome": "false_alarm", "known_by": "seen", "worker_now": "home", "note": "n"});
        app.person("dee").post(&format!("/incidents/{id}/close"), how).await.is_ok();
        assert_eq!(app.person("dee").get(&format!("/incidents/{id}")).await.is_ok().body["known"], Value::Null);
    }

    async fn what_cannot_be_weighed_is_watched_all_the_same(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        assert_eq!(execute(app.db(), "UPDATE assessment SET review_on = 'never'").await.unwrap(), 1);
        let visit = json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 60});
        let begun = app.person("ann").post("/visits", visit).await;
        assert_eq!((begun.status, &begun.body["state"]), (201, &json!("begun")));
        assert!(begun.body["warnings"].to_string().contains("could not be weighed"), "{begun:?}");
        app.pass(71).await;
        assert_eq!(app.open_incidents().await, 1);
    }

    async fn it_is_all_done_by_text_at_a_door(db: TestDb) {
        let phones = Phones::with(&db, &westshire("")).await;
        let app = &phones.app;
        let (place, _) = assessed(app, "A123456", json!([dog()])).await;
        let set = json!({"pin": "4821"});
        assert_eq!(app.person("ann").put("/me/pins", set).await.status, 204);
        // Nobody has said what for: Sam is asked, and agrees with a word more.
        let reply = phones.text(ANN, "IN 60 A123456").await;
        assert!(reply.starts_with("NOT AGREED: do not go in. Sam Cole has been asked. You are watched till 13:00"), "{reply}");
        app.work().await;
        let asked = phones.shows(SAM);
        let asked = asked.iter().find(|text| text.starts_with("NOT AGREED: Ann Lee goes in now.")).unwrap();
        let code = asked.split("AGREE ").nth(1).unwrap()[..4].to_owned();
        assert!(asked.contains(&format!("Reply AGREE {code}, or REFUSE {code} and why.")), "{asked}");
        assert!(phones.text(SAM, "AGREE ZZZZ").await.starts_with("Not decided"));
        assert!(phones.text(ANN, &format!("AGREE {code}")).await.starts_with("Not decided"), "the code is Sam's");
        assert_eq!(phones.text(SAM, &format!("question {code} what for?")).await, "Asked. Ann Lee has been told to answer or ring you.");
        assert_eq!(phones.text(SAM, &format!("agree {code} ring first")).await, "Agreed. Ann Lee has been told.");
        app.work().await;
        assert!(phones.shows(ANN).iter().any(|text| text == "AGREED by Sam Cole. You are watched as before."), "{:?}", phones.shows(ANN));
        assert_eq!(phones.text(ANN, "UNCHANGED").await, "Noted: nothing has changed. Still watching till 13:00.");
        assert!(phones.text(ANN, "OUT 4821").await.starts_with("Ended"));
        let versions = app.person("sam").get(&format!("/places/{place}/assessments")).await;
        assert_eq!(versions.is_ok().body["assessments"][0]["used_on"], json!(["2026-01-14"]));
        assert_eq!(phones.text(ANN, "CHANGED").await, "There is no visit of yours that has to be agreed.");
        // The next one: something has changed.
        phones.text(ANN, "IN 60 A123456").await;
        let reply = phones.text(ANN, "CHANGED a new partner").await;
        assert_eq!(reply, "Noted: something has changed. Your manager was asked. Still watching till 13:00.");
        let visits = app.person("ann").get("/visits?state=begun").await;
        let visit = visits.is_ok().body["visits"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(rules(&agreement(app, &visit).await), ["no_purpose", "changed_since"]);
        app.verify().await;
    }

    async fn who_is_away_is_stood_in_for_and_plans_are_asked_about_in_good_time(db: TestDb) {
        let app = start(&db).await;
        let away = json!({"until": "2026-01-20T08:00:00Z"});
        assert_eq!(app.person("sam").put("/me/away", away).await.status, 204);
        assessed(&app, "A123456", json!([dog()])).await;
        let mut body = plan("A123456");
        body["purpose"] = Value::Null;
        let visit = app.person("ann").post("/visits", body).await.id();
        app.work().await;
        let asked = |texts: &[String]| texts.iter().filter(|text| text.contains("asks you to agree")).count();
        assert_eq!((asked(&app.texts("sam").await), asked(&app.texts("dee").await)), (0, 1), "Dee stands in for Sam");
        // Four hours, an hour and a quarter of an hour before it begins; each time more people.
        app.clock.advance(TimeDelta::hours(18));
        app.work().await;
        assert_eq!(asked(&app.texts("dee").await), 2);
        app.clock.advance(TimeDelta::hours(3));
        app.work().await;
        app.clock.advance(TimeDelta::minutes(45));
        app.work().await;
        assert!(asked(&app.texts("una").await) > 0, "{:?}", agreement(&app, &visit).await);
        assert_eq!(app.person("sam").put("/me/away", json!({"until": null})).await.status, 204);
        app.verify().await;
    }

    async fn where_something_has_happened_others_are_told_and_plans_go_back(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        let later = app.person("ann").post("/visits", plan("A123456")).await.id();
        assert_eq!(agreement(&app, &later).await["state"], "agreed");
        let visit = json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 60});
        app.person("sam").post("/visits", visit.clone()).await;
        app.person("cas").post("/visits", visit).await;
        app.person("cas").post("/sos", json!({})).await.is_ok();
        app.work().await;
        assert!(app.texts("sam").await.iter().any(|text| text.starts_with("Something happened at another visit")), "{:?}", app.texts("sam").await);
        let back = agreement(&app, &later).await;
        assert_eq!((&back["state"], rules(&back)), (&json!("waiting"), vec!["recent_incident"]));
        assert!(app.texts("ann").await.iter().any(|text| text.contains("is not agreed any more")), "{:?}", app.texts("ann").await);
        app.verify().await;
    }

    async fn whoever_goes_along_is_weighed_too_and_watched_whatever_comes_of_it(db: TestDb) {
        let app = start(&db).await;
        let begun = app.person("ann").post("/visits", json!({"case_reference": "A999111", "minutes": 60, "with": ["cas"]})).await;
        assert_eq!(begun.status, 201);
        app.work().await;
        let visits = app.person("sam").get("/visits?state=begun").await;
        let visits = visits.is_ok().body["visits"].as_array().unwrap().clone();
        let with = visits.iter().find(|visit| visit["worker"]["name"] == "Cas Moss").unwrap()["id"].as_str().unwrap().to_owned();
        let theirs = agreement(&app, &with).await;
        assert_eq!((&theirs["begun_not_agreed"], &theirs["company"], &theirs["worker"]["name"]), (&json!(true), &json!("accompanied"), &json!("Cas Moss")));
        let said = app.said().await;
        assert!(said.iter().any(|said| said.to == "cas" && said.text.contains("NOT AGREED: do not go in. Your manager has been asked.")), "{said:?}");
        let asked = app.texts("sam").await;
        for who in ["Ann Lee", "Cas Moss"] {
            assert!(asked.iter().any(|text| text.starts_with(&format!("NOT AGREED: {who} goes in now"))), "{who}: {asked:?}");
        }
        app.pass(61).await;
        assert_eq!(app.open_incidents().await, 2, "both are watched, without grace");
        app.verify().await;
    }

    async fn a_question_at_the_door_is_no_decision(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        let visit = app.person("ann").post("/visits", json!({"case_reference": "A123456", "minutes": 60})).await.id();
        decide(&app, "sam", &visit, "ask", "what for?").await.is_ok();
        app.work().await;
        assert_eq!(agreement(&app, &visit).await["state"], "asked");
        app.pass(11).await;
        let asked = async |who: &str| app.texts(who).await.iter().filter(|text| text.starts_with("NOT AGREED: Ann Lee goes in now.")).count();
        assert_eq!(asked("sam").await, 3);
        assert!(asked("una").await > 0, "the next ones are asked too");
        decide(&app, "una", &visit, "agree", "").await.is_ok();
        app.pass(10).await;
        assert_eq!(asked("sam").await, 3);
        // That it was begun before anybody agreed stays to be seen.
        let now = agreement(&app, &visit).await;
        assert_eq!((&now["state"], &now["begun_not_agreed"]), (&json!("agreed"), &json!(true)));
        app.verify().await;
    }

    async fn what_nobody_agreed_to_has_the_checks_of_high_risk(db: TestDb) {
        let checked = westshire("").replace(r#"policy = { agreement = "asked" }"#, r#"policy = { agreement = "asked", check_every_high_risk = "20m" }"#);
        let app = TestApp::with(&db, &checked, |_| {}).await;
        assert_eq!(app.person("ann").put("/me/pins", json!({"pin": "4821"})).await.status, 204);
        let sent = app.person("ann").post("/text", json!({"text": "IN 60 A999111"})).await;
        assert_eq!(sent.is_ok().body["reply"], "NOT AGREED: do not go in. Sam Cole has been asked. You are watched till 13:00 either way. Gone away? Reply OUT and your PIN.");
        app.pass(31).await;
        assert_eq!(app.open_incidents().await, 1, "nobody answered the check");
        app.verify().await;
    }

    async fn those_who_go_there_unasked_are_warned_too(db: TestDb) {
        let app = start(&db).await;
        // The unit asks for no agreement; the same place in other words, and the same person without one.
        let visit = |place: &str, case: &str, more: Value| {
            let mut visit = json!({"place": place, "case_reference": case, "purpose": "supervision"});
            for (key, value) in more.as_object().unwrap() {
                visit[key] = value.clone();
            }
            visit
        };
        let ahead = json!({"expected_arrival": "2026-01-15T10:00:00Z", "expected_departure": "2026-01-15T11:00:00Z"});
        assert_eq!(app.person("una").post("/visits", visit("12, HIGH ST.", "B1", ahead)).await.status, 201);
        assert_eq!(app.person("dee").post("/visits", visit("", "a 123456", json!({"minutes": 60}))).await.status, 201);
        app.person("ann").post("/visits", visit("12 High St", "A123456", json!({"minutes": 60, "with": ["cas"]}))).await;
        app.person("ann").post("/sos", json!({})).await.is_ok();
        app.work().await;
        for (who, says) in [("una", "Speak to your manager before your visit"), ("dee", "Come out if you can and ring your manager")] {
            let texts = app.texts(who).await;
            assert!(texts.iter().any(|text| text.starts_with("Something happened at another visit") && text.contains(says)), "{who}: {texts:?}");
        }
        assert!(!app.texts("cas").await.iter().any(|text| text.starts_with("Something happened")), "cas went in with her, and may be held too");
        app.verify().await;
    }

    async fn a_start_is_watched_whatever_is_decided_about_it(db: TestDb) {
        let tuned_rules = ["no_case", "not_assessed", "no_purpose", "purpose_not_agreed", "little_information", "high_risk", "hours_not_covered"];
        for weight in ["off", "manager", "senior_manager", "nobody"] {
            let tuned = tuned_rules.map(|rule| format!("{rule} = \"{weight}\"\n")).concat();
            let db = db.another().await;
            let app = TestApp::with(&db, &format!("{}{tuned}", westshire("")), |_| {}).await;
            assessed(&app, "A123456", json!([dog()])).await;
            for (n, reference) in [json!("A123456"), json!("A765432"), json!("what is this"), json!(null)].into_iter().enumerate() {
                let body = json!({"case_reference": reference, "place": format!("{n} Low St"), "minutes": 60, "risk": if n % 2 == 0 { "high" } else { "normal" }});
                let begun = app.person("ann").post("/visits", body).await;
                assert_eq!((begun.status, &begun.body["state"]), (201, &json!("begun")), "{weight} {reference}: {begun:?}");
                let found = agreement(&app, &begun.id()).await;
                let named = !rules(&found).is_empty();
                assert_eq!(found["state"] == "agreed", !named, "what is not agreed has reasons: {found}");
            }
            app.pass(71).await;
            assert_eq!(app.open_incidents().await, 4, "{weight}");
            app.verify().await;
        }
    }

    async fn what_others_are_to_be_told_never_holds_up_a_call_for_help(db: TestDb) {
        let app = start(&db).await;
        assessed(&app, "A123456", json!([dog()])).await;
        app.person("ann").post("/visits", json!({"case_reference": "A123456", "purpose": "supervision", "minutes": 60})).await;
        execute(app.db(), "ALTER TABLE others_to_warn RENAME TO broken").await.unwrap();
        app.person("ann").post("/sos", json!({})).await.is_ok();
        execute(app.db(), "ALTER TABLE broken RENAME TO others_to_warn").await.unwrap();
        app.work().await;
        assert_eq!(app.the_incident_as("dee").await["kind"], "sos");
        assert!(!app.texts("sam").await.is_empty());
        app.verify().await;
    }

    async fn under_a_silent_alarm_a_visit_keeps_its_deadline(db: TestDb) {
        let app = start(&db).await;
        let pins = json!({"pin": "4821", "duress_pin": "7350"});
        assert_eq!(app.person("ann").put("/me/pins", pins).await.status, 204);
        assessed(&app, "A123456", json!([dog()])).await;
        let visit = app.person("ann").post("/visits", json!({"case_reference": "A123456", "minutes": 60})).await.id();
        app.person("ann").post(&format!("/visits/{visit}/check-in"), json!({"pin": "7350"})).await.is_ok();
        app.work().await;
        assert_eq!(app.open_incidents().await, 1);
        let said = json!({"words": "supervision, as agreed on the phone"});
        app.person("ann").post(&format!("/visits/{visit}/agreement"), said).await.is_ok();
        decide(&app, "sam", &visit, "agree", "").await.is_ok();
        app.pass(55).await;
        assert!(app.texts("ann").await.iter().any(|text| text.starts_with("Due out 13:00")), "as without an alarm: {:?}", app.texts("ann").await);
        app.verify().await;
    }

    async fn what_cannot_be_is_said_at_its_field(db: TestDb) {
        let app = start(&db).await;
        let bad = app.person("ann").post("/cases", json!({"reference": "12"})).await;
        bad.is_problem(422, "invalid-field");
        assert!(bad.body["detail"].to_string().contains("A999999"), "{bad:?}");
        let place = case(&app, "A123456").await;
        let path = format!("/places/{place}/assessments");
        for (draft, field) in [
            (json!({"factors": [], "review_on": "2026-07-01"}), "factors"),
            (json!({"factors": [{"about": "access", "words": "dark", "likelihood": 1, "severity": 1}], "review_on": "2026-07-01"}), "factors[0].measures"),
            (json!({"factors": [dog()], "review_on": "2026-01-14"}), "review_on"),
            (json!({"factors": [{"about": "access", "words": "dark", "measures": ["torch"], "likelihood": 9, "severity": 1}], "review_on": "2026-07-01"}), "factors[0].likelihood"),
        ] {
            let refused = app.person("ann").post(&path, draft).await;
            refused.is_problem(422, "invalid-field");
            assert_eq!(refused.body["field"], field, "{refused:?}");
        }
        app.person("ari").post(&path, json!({"factors": [dog()], "review_on": "2026-07-01"})).await.is_problem(403, "role-too-small");
        // One's own visit is somebody else's to agree.
        let own = app.person("sam").post("/visits", plan("A123456")).await.id();
        app.person("sam").post(&format!("/visits/{own}/agreement"), json!({"exception": {"kind": "emergency", "circumstances": "at once"}})).await.is_ok();
        decide(&app, "sam", &own, "agree", "").await.is_problem(403, "about-yourself");
        decide(&app, "dee", &own, "agree", "").await.is_ok();
    }
}

/// What the example file says in its comments is what holds where nothing is said.
#[test]
fn the_example_says_what_usually_holds() {
    let written: Vec<&str> = WESTSHIRE
        .lines()
        .skip_while(|line| *line != "# [agreement]")
        .skip(1)
        .take_while(|line| !line.contains("[agreement.rules]"))
        .map(|line| line.trim_start_matches('#'))
        .collect();
    let read: Rules = toml::from_str(&written.join("\n")).unwrap();
    assert_eq!(read.case_references.len(), 1);
    assert_eq!(Rules { case_references: Vec::new(), ..read }, Rules::default());
}

/// A plan that begins so many minutes from now.
fn plan_at(app: &TestApp, reference: &str, minutes: i64) -> Value {
    let at = |minutes| (app.now() + TimeDelta::minutes(minutes)).to_rfc3339();
    json!({"case_reference": reference, "purpose": "supervision", "expected_arrival": at(minutes), "expected_departure": at(minutes + 45)})
}
