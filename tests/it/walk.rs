//! A new user's walk: `homeward demo`, from its first line to the closed incident. The README's terminal text is written here.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::support::{environment, process::Process};

const README: &str = "README.md";
const BEGIN: &str = "<!-- walk: begin -->\n";
const END: &str = "<!-- walk: end -->";

/// What the user does and sees.
struct Walk {
    api: String,
    http: reqwest::Client,
    seen: String,
}

impl Walk {
    fn sees(&mut self, lines: &str) {
        self.seen.push_str(lines);
        self.seen.push('\n');
    }

    /// A request as its curl line, and of the reply what matters here.
    async fn curl(
        &mut self,
        (who, token): (&str, &str),
        path: (&str, &str),
        body: Option<Value>,
        shown: &[&str],
    ) -> Value {
        let (written, real) = path;
        let data = body.as_ref().map_or_else(String::new, |body| format!(" -d '{body}'"));
        self.sees(&format!("$ curl -s -H \"${who}\" $API{written}{data}"));
        let url = format!("{}{real}", self.api);
        let request = match &body {
            Some(body) => self.http.post(url).body(body.to_string()),
            None => self.http.get(url),
        };
        let text = request.bearer_auth(token).send().await.unwrap().text().await.unwrap();
        let reply: Value = serde_json::from_str(&text).unwrap();
        let short: Vec<String> = shown.iter().map(|field| format!("\"{field}\":{}", reply[field])).collect();
        self.sees(&format!("{{{}, …}}", short.join(",")));
        reply
    }

    /// The one open incident, once there is one: a bounded number of looks.
    async fn incident(&self, token: &str) -> Value {
        let look = async {
            loop {
                let url = format!("{}/incidents?state=open", self.api);
                let text = self.http.get(url).bearer_auth(token).send().await.unwrap().text().await.unwrap();
                let list: Value = serde_json::from_str(&text).unwrap();
                if let Some(incident) = list["incidents"].as_array().unwrap().first() {
                    return incident.clone();
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(45), look).await.expect("a first overdue visit within 30 s")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_walks_to_the_closed_incident() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_homeward"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).env_clear().stdin(Stdio::null());
    let mut demo = Process::start(command);
    demo.wait_for_line("Ctrl-C stops it.").await;
    let terminal = demo.lines().join("\n");
    let after = |marker: &str| {
        terminal.split(marker).nth(1).unwrap().split(['\'', '\n', '"']).next().unwrap().trim().to_owned()
    };
    let page = after("Page   ");
    let (ann, sam) = (after("ANN='Authorization: Bearer "), after("SAM='Authorization: Bearer "));
    homeward::providers::install_crypto();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let shown = http.get(&page).send().await.unwrap();
    assert!(shown.status().is_success() && shown.text().await.unwrap().contains("Homeward"));

    let mut walk = Walk { api: after("API="), http, seen: String::new() };
    let first: Vec<&str> =
        terminal.lines().take_while(|line| !line.starts_with("Watch it on the page")).collect();
    walk.sees(&format!("$ homeward demo\n{}\n", first.join("\n").trim()));

    walk.sees("# Ann goes in, gives a wrong PIN, then comes out");
    let start = json!({"place": "9 Quay Road", "minutes": 5});
    let visit = walk.curl(("ANN", &ann), ("/visits", "/visits"), Some(start), &["state", "message"]).await;
    let out = format!("/visits/{}/check-out", visit["id"].as_str().unwrap());
    let path = ("/visits/$VISIT/check-out", out.as_str());
    let wrong = walk.curl(("ANN", &ann), path, Some(json!({"pin": "0000"})), &["type", "detail"]).await;
    assert_eq!(wrong["status"], 403);
    let right = walk.curl(("ANN", &ann), path, Some(json!({"pin": "4821"})), &["state", "message"]).await;
    assert_eq!(right["state"], "ended");

    walk.sees("\n# Her other visit does not end. Sam sees the alarm, takes it, and says how it ended");
    let incident = walk.incident(&sam).await;
    let id = incident["id"].as_str().unwrap();
    let real = format!("/incidents/{id}");
    walk.curl(("SAM", &sam), ("/incidents/$ALARM", &real), None, &["headline", "subject_phone"]).await;
    let acknowledge = format!("{real}/acknowledge");
    let taken = walk
        .curl(("SAM", &sam), ("/incidents/$ALARM/acknowledge", &acknowledge), Some(json!({})), &["headline"])
        .await;
    assert_eq!(taken["owner"]["name"], "Sam Cole");
    let close = format!("{real}/close");
    let how = json!({"outcome": "safe_forgot", "known_by": "spoke_by_voice", "worker_now": "home", "note": "Rang Ann: she is at home."});
    let closed = walk
        .curl(("SAM", &sam), ("/incidents/$ALARM/close", &close), Some(how), &["state", "headline"])
        .await;
    assert_eq!(closed["state"], "closed");
    let log = walk.curl(("SAM", &sam), ("/incidents/$ALARM", &real), None, &["state"]).await;
    let happened: Vec<&str> =
        log["timeline"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let mut steps: Vec<&str> =
        happened.iter().copied().filter(|kind| !kind.starts_with("message.")).collect();
    steps.dedup();
    walk.sees(&format!("# and in its timeline: {}, and each message with whoever took it", steps.join(", ")));
    for kind in [
        "visit.started",
        "visit.reminded",
        "incident.opened",
        "incident.raised",
        "message.accepted",
        "incident.acknowledged",
        "incident.closed",
    ] {
        assert!(happened.contains(&kind), "{happened:?}");
    }

    walk.sees("\n# Ann calls for help by text: nothing on her phone shows what that did. Sam sees it");
    let text = json!({"text": "SOS"});
    let noted = walk.curl(("ANN", &ann), ("/text", "/text"), Some(text), &["reply"]).await;
    assert!(noted["reply"].as_str().unwrap().starts_with("Noted "));
    let sos = walk.incident(&sam).await;
    let real = format!("/incidents/{}", sos["id"].as_str().unwrap());
    let sos = walk.curl(("SAM", &sam), ("/incidents/$SOS", &real), None, &["kind", "headline"]).await;
    assert_eq!(sos["kind"], "sos");
    demo.terminate().await;
    assert!(demo.wait().await.success(), "it ends in order");

    let text = format!("```text\n{}```\n", settled(&walk.seen));
    let readme = std::fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (written, behind) = rest.split_once(END).unwrap();
    if environment("HOMEWARD_WRITE_README").is_some() {
        std::fs::write(README, format!("{before}{BEGIN}{text}{END}{behind}")).unwrap();
        return;
    }
    assert_eq!(
        written, text,
        "the README tells another walk: write it with HOMEWARD_WRITE_README=1 cargo test walk"
    );
}

/// Times of day, ports and folders differ from run to run.
fn settled(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.trim_start() {
            trimmed if trimmed.starts_with("Page ") => "  Page   http://127.0.0.1:8080/".to_owned(),
            trimmed if trimmed.starts_with("Data ") => {
                "  Data   /tmp/homeward-demo-… (deleted at the end)".to_owned()
            }
            _ => without_times(line),
        };
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

/// `15:04`, with or without a day, as `hh:mm`.
fn without_times(line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let (mut written, mut at) = (String::new(), 0);
    while at < characters.len() {
        let time = characters[at..].starts_with(&[':']) || characters.len() < at + 5;
        let pattern = |window: &[char]| {
            window.iter().enumerate().all(|(i, c)| if i == 2 { *c == ':' } else { c.is_ascii_digit() })
        };
        if !time && pattern(&characters[at..at + 5]) {
            written.push_str("hh:mm");
            at += 5;
            let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            let rest: String = characters[at..].iter().take(4).collect();
            if days.iter().any(|day| rest == format!(" {day}")) {
                at += 4;
            }
        } else {
            written.push(characters[at]);
            at += 1;
        }
    }
    written
}
