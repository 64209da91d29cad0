//! What organisations and people get wrong about agreements, and what becomes of it: said at its field, or somebody is asked all the
//! same (rows A1, A8, A11).

use homeward::app::organisation::{self, Defaults, Refused, Wanted};
use homeward::{
    domain::event::Door,
    store::{Db, Trace},
};
use serde_json::{Value, json};

use crate::store::execute;
use crate::support::{
    app::{TestApp, WESTSHIRE, noon},
    on_both,
};

/// Westshire, whose north team asks for agreement, with these deputies.
fn westshire(deputies: &[(&str, &str)], rules: &str) -> String {
    let mut file =
        WESTSHIRE.replace(r#"policy = { extension_cap = "2h" }"#, r#"policy = { agreement = "asked" }"#);
    for (who, deputy) in deputies {
        let key = format!("\nkey = \"{who}\"\n");
        assert!(file.contains(&key), "{who}");
        file = file.replace(&key, &format!("{key}deputy = \"{deputy}\"\n"));
    }
    format!(
        "{file}\n[agreement]\n{rules}\n[agreement.rules]\nno_phone = \"off\"\nno_emergency_contact = \"off\"\n"
    )
}

/// What is said of a file that is refused: each with its line as it stands there.
async fn refused(db: &Db, file: &str) -> Vec<(String, String)> {
    let trace = Trace::machine(Door::CommandLine, noon());
    let applied = match Wanted::parse(file, Defaults::default()) {
        Ok(wanted) => {
            db.write(async move |tx| organisation::apply(tx, &wanted, trace).await).await.unwrap().map(drop)
        }
        Err(refused) => Err(refused),
    };
    let Err(Refused(complaints)) = applied else { panic!("it was applied:\n{file}") };
    let line = |line: usize| file.lines().nth(line - 1).unwrap_or_default().to_owned();
    complaints
        .into_iter()
        .map(|complaint| (complaint.line.map(line).unwrap_or_default(), complaint.message))
        .collect()
}

/// Somebody who is assessed, so that people can agree.
async fn assessed(app: &TestApp) {
    app.person("ann").post("/cases", json!({"reference": "A123456", "visiting": "supervised"})).await.is_ok();
    let place = app.person("ann").post("/cases/A123456/places", json!({"address": "12 High St"})).await;
    let dog = json!({"about": "animals", "words": "a large dog", "measures": ["shut away"], "likelihood": 2, "severity": 2});
    let draft = json!({"factors": [dog], "review_on": "2026-07-01"});
    app.person("sam").post(&format!("/places/{}/assessments", place.is_ok().id()), draft).await.is_ok();
}

/// Without a purpose: somebody has to decide.
fn plan() -> Value {
    json!({"case_reference": "A123456", "expected_arrival": "2026-01-15T10:00:00Z", "expected_departure": "2026-01-15T11:00:00Z"})
}

async fn asked(app: &TestApp, who: &str) -> usize {
    app.texts(who).await.into_iter().filter(|text| text.contains("asks you to agree")).count()
}

on_both! {
    async fn deputies_in_a_circle_are_refused_with_their_lines(db: TestDb) {
        let db = db.open().await;
        let circle = "form a circle: while all are away nobody stands in";
        let two = refused(&db, &westshire(&[("sam", "dee"), ("dee", "sam")], "")).await;
        assert_eq!(two, [("deputy = \"dee\"".to_owned(), format!("the deputies of “sam” {circle}")), ("deputy = \"sam\"".to_owned(), format!("the deputies of “dee” {circle}"))]);
        let three = refused(&db, &westshire(&[("sam", "dee"), ("dee", "una"), ("una", "sam")], "")).await;
        assert_eq!(three.len(), 3, "{three:?}");
        let self_ = refused(&db, &westshire(&[("sam", "sam")], "")).await;
        assert_eq!(self_, [("deputy = \"sam\"".to_owned(), format!("the deputies of “sam” {circle}"))]);
        // Into a circle is not in it: those who are in it are named.
        let tail = refused(&db, &westshire(&[("ann", "sam"), ("sam", "dee"), ("dee", "sam")], "")).await;
        assert_eq!(tail.len(), 2, "{tail:?}");
        let nobody = refused(&db, &westshire(&[("sam", "nobody")], "")).await;
        assert_eq!(nobody, [("deputy = \"nobody\"".to_owned(), "there is no person with the key “nobody” in this file".to_owned())]);
        let outside = refused(&db, &westshire(&[("sam", "jo")], "")).await;
        assert_eq!(outside, [("deputy = \"jo\"".to_owned(), "the deputy of “sam” has no account".to_owned())]);
    }

    async fn where_everybody_in_the_line_is_away_they_are_asked_themselves(db: TestDb) {
        let app = TestApp::with(&db, &westshire(&[("sam", "dee")], ""), |_| {}).await;
        assessed(&app).await;
        for who in ["sam", "dee"] {
            assert_eq!(app.person(who).put("/me/away", json!({"until": "2026-01-20T08:00:00Z"})).await.status, 204);
        }
        app.person("ann").post("/visits", plan()).await.is_ok();
        app.work().await;
        assert_eq!((asked(&app, "sam").await, asked(&app, "dee").await), (1, 0), "better whoever is away than nobody");

        // A circle that a file of before has left in the database asks nobody in circles.
        let who = |key: &str| format!("(SELECT id FROM person WHERE key = '{key}')");
        let text = format!("UPDATE deputy SET deputy_id = {} WHERE person_id = {}", who("sam"), who("dee"));
        assert_eq!(execute(app.db(), &text).await.unwrap(), 1);
        let mut later = plan();
        later["expected_arrival"] = json!("2026-01-16T10:00:00Z");
        later["expected_departure"] = json!("2026-01-16T11:00:00Z");
        app.person("ann").post("/visits", later).await.is_ok();
        app.work().await;
        assert_eq!(asked(&app, "sam").await, 2, "somebody is asked all the same");
        app.verify().await;
    }

    async fn a_matrix_with_a_hole_is_refused_at_its_table(db: TestDb) {
        let db = db.open().await;
        for (rules, says) in [
            (r#"matrix = [["low", "medium"], ["low"]]"#, "row 2 has 1"),
            (r#"matrix = [["low", "high"], ["low", "medium"]]"#, "likelihood 2 with severity 2"),
            (r#"matrix = [["low"]]"#, "at least two"),
            ("matrix = []", "at least two"),
            ("office_from = \"18:00:00\"\noffice_to = \"08:00:00\"", "office_from has to be before office_to"),
            ("oldest_days = 0", "oldest_days is 1 at least"),
        ] {
            let said = refused(&db, &westshire(&[], rules)).await;
            assert_eq!(said.len(), 1, "{rules}: {said:?}");
            assert!(said[0].0 == "[agreement]" && said[0].1.contains(says), "{rules}: {said:?}");
        }
        for (rules, line) in [
            (r#"matrix = [["low", "none"], ["low", "low"]]"#, r#"matrix = [["low", "none"], ["low", "low"]]"#),
            (r#"own_visits = "never""#, r#"own_visits = "never""#),
            ("unacceptible = \"high\"", "unacceptible = \"high\""),
        ] {
            let said = refused(&db, &westshire(&[], rules)).await;
            assert!(said.len() == 1 && said[0].0 == line, "{rules}: {said:?}");
        }
        let private = westshire(&[], "") + "private_home = \"manager\"\n";
        let said = refused(&db, &private).await;
        assert!(said[0].1.contains("private_home is “nobody” and stays so"), "{said:?}");
    }

    async fn an_assessment_says_measures_and_a_day_ahead(db: TestDb) {
        let app = TestApp::with(&db, &westshire(&[], ""), |_| {}).await;
        app.person("ann").post("/cases", json!({"reference": "A123456", "visiting": "supervised"})).await.is_ok();
        let place = app.person("ann").post("/cases/A123456/places", json!({"address": "12 High St"})).await.is_ok().id();
        let path = format!("/places/{place}/assessments");
        let factor = |measures: Value| json!({"about": "animals", "words": "a large dog", "measures": measures, "likelihood": 2, "severity": 2});
        for (draft, field) in [
            (json!({"factors": [factor(json!(["shut away"])), factor(json!([]))], "review_on": "2026-07-01"}), "factors[1].measures"),
            (json!({"factors": [factor(json!([" "]))], "review_on": "2026-07-01"}), "factors[0].measures"),
            (json!({"factors": [factor(json!(["shut away"]))], "review_on": "2026-01-13"}), "review_on"),
            (json!({"factors": [factor(json!(["shut away"]))], "review_on": "2026-01-14"}), "review_on"),
            (json!({"factors": [factor(json!(["shut away"]))], "review_on": "2027-06-01"}), "review_on"),
            (json!({"factors": [factor(json!(["shut away"]))], "review_on": "soon"}), "review_on"),
            (json!({"factors": [factor(json!(["shut away"]))]}), "review_on"),
        ] {
            for who in ["ann", "sam"] {
                let refused = app.person(who).post(&path, draft.clone()).await;
                assert_eq!(refused.is_problem(422, "invalid-field").body["field"], field, "{who}: {draft}");
            }
        }
        assert_eq!(app.person("sam").get(&path).await.is_ok().body["assessments"], json!([]), "nothing was kept");
    }

    async fn ones_own_visit_is_agreed_by_somebody_else_unless_the_organisation_allows_it_and_then_marked(db: TestDb) {
        let decide = async |app: &TestApp, visit: &str| {
            let body = json!({"decision": "agree", "words": "a short one"});
            app.person("sam").post(&format!("/visits/{visit}/agreement/decide"), body).await
        };
        let usually = TestApp::with(&db, &westshire(&[], ""), |_| {}).await;
        assessed(&usually).await;
        let visit = usually.person("sam").post("/visits", plan()).await.id();
        decide(&usually, &visit).await.is_problem(403, "about-yourself");
        usually.work().await;
        assert_eq!((asked(&usually, "sam").await, asked(&usually, "dee").await > 0), (0, true), "others are asked");
        let other = db.another().await;
        let app = TestApp::with(&other, &westshire(&[], "own_visits = \"by_oneself\""), |_| {}).await;
        assessed(&app).await;
        let visit = app.person("sam").post("/visits", plan()).await.id();
        let agreed = decide(&app, &visit).await;
        assert_eq!((&agreed.is_ok().body["state"], &agreed.body["own_visit"], &agreed.body["decided_by"]["name"]), (&json!("agreed"), &json!(true), &json!("Sam Cole")));
        let log = app.person("ari").get(&format!("/events?visit={visit}")).await;
        let agreed: Vec<_> = log.body["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "visit.agreed").collect();
        assert_eq!((agreed.len(), &agreed[0]["body"]["own_visit"]), (1, &json!(true)), "and the log says so");
        // A worker agrees to nothing, their own least of all.
        let anns = app.person("ann").post("/visits", plan()).await.id();
        let body = json!({"decision": "agree"});
        app.person("ann").post(&format!("/visits/{anns}/agreement/decide"), body).await.is_problem(403, "role-too-small");
        app.verify().await;
    }
}
