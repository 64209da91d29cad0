//! The service, its people's phones, and Twilio between them.

use std::collections::BTreeMap;

use homeward::domain::{contact::Channel, ids::MessageId, notice::Occasion};
use reqwest::header::HeaderMap;

use super::{
    TestDb,
    app::{TestApp, WESTSHIRE, noon},
    fake_twilio::{self, FakeTwilio, TOKEN},
};

pub const ANN: &str = "+447700900123";
pub const JO: &str = "+447700900124";
pub const SAM: &str = "+447700900125";
pub const DEE: &str = "+447700900126";
pub const PUBLIC: &str = "https://homeward.example.org";

pub fn environment(sms: &str) -> BTreeMap<String, String> {
    [
        ("HOMEWARD_SMS", format!("[{sms}]")),
        ("HOMEWARD_EMAIL", r#"[{ name = "mail", kind = "capture" }]"#.into()),
        ("HOMEWARD_POLICY__OUTAGE", "24h".into()),
        ("HOMEWARD_OPERATOR__EMAIL", "operator@example.org".into()),
        ("HOMEWARD_LISTEN__PUBLIC_URL", PUBLIC.into()),
        ("HOMEWARD_ANSWERING__BY_TEXT", "true".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The service, its people's phones, and Twilio between them.
pub struct Phones {
    pub app: TestApp,
    pub twilio: FakeTwilio,
    pub sent: std::cell::Cell<u32>,
}

impl Phones {
    pub async fn start(db: &TestDb) -> Self {
        Self::with(db, WESTSHIRE).await
    }

    /// Of another organisation.
    pub async fn with(db: &TestDb, organisation: &str) -> Self {
        let twilio = FakeTwilio::start().await;
        let environment = environment(&twilio.entry_with("twilio", ""));
        let app = TestApp::with_providers(db, organisation, &environment, noon()).await;
        Self { app, twilio, sent: std::cell::Cell::new(0) }
    }

    /// Twilio posts a text of somebody under this id.
    pub async fn posts(&self, id: &str, from: &str, text: &str) -> u16 {
        let path = "/inbound/sms/twilio";
        let fields = [
            ("MessageSid", id),
            ("AccountSid", fake_twilio::ACCOUNT),
            ("From", from),
            ("To", fake_twilio::NUMBER),
            ("Body", text),
        ];
        let (headers, body) = fake_twilio::signed(TOKEN, &format!("{PUBLIC}{path}"), &fields);
        post(&self.app, path, headers, body).await.0
    }

    /// Somebody texts, and has the answer on their phone.
    pub async fn text(&self, from: &str, text: &str) -> String {
        self.sent.set(self.sent.get() + 1);
        let id = format!("SM{:032}", self.sent.get());
        assert_eq!(self.posts(&id, from, text).await, 200, "{text}");
        self.app.app.outbox.deliver_due(self.app.now()).await.unwrap();
        let occasion = Occasion::new(format!("text/twilio/{id}/reply")).id();
        let reply = MessageId::of(occasion, Channel::Sms).to_string();
        let said = self.app.said().await.into_iter().find(|said| said.id == reply);
        said.map(|said| said.text).unwrap_or_default()
    }

    /// What a phone shows.
    pub fn shows(&self, phone: &str) -> Vec<String> {
        self.twilio.ledger().texts_to(phone).into_iter().map(String::from).collect()
    }

    /// Twilio tells what became of the last text to this phone that calls somebody to act.
    pub async fn receipt(&self, to: &str, status: &str, code: Option<&str>) -> u16 {
        let ledger = self.twilio.ledger();
        let sent = ledger.accepted.iter().rev().find(|sms| sms.to == to).expect("nothing was sent there");
        let callback = sent.callback.clone().expect("no callback was asked for");
        let path = callback.strip_prefix(PUBLIC).unwrap();
        let mut fields = vec![("MessageSid", sent.sid.as_str()), ("MessageStatus", status), ("To", to)];
        fields.extend(code.map(|code| ("ErrorCode", code)));
        let (headers, body) = fake_twilio::signed(TOKEN, &callback, &fields);
        post(&self.app, path, headers, body).await.0
    }

    pub async fn begun(&self) -> usize {
        let list = self.app.person("ann").get("/visits").await;
        list.body["visits"].as_array().unwrap().iter().filter(|visit| visit["state"] == "begun").count()
    }

    pub async fn mails_to_sam(&self) -> usize {
        let said = self.app.said().await;
        said.iter()
            .filter(|said| said.to == "sam" && said.channel == Channel::Email && said.purpose.calls_to_act())
            .count()
    }
}

pub async fn post(app: &TestApp, path: &str, headers: HeaderMap, body: String) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(app.url(path)).headers(headers).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
