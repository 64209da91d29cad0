use std::{collections::BTreeMap, fs, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::domain::policy::Policy;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const GATEWAY: &str = r#"
    [[sms]]
    name = "gateway"
    kind = "webhook"
    url = "https://sms.example.org/send"
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;
const SMTP: &str = r#"
    [[email]]
    name = "mail"
    kind = "smtp"
    host = "smtp.example.org"
    port = 587
    tls = "starttls"
    user = "homeward"
    password = "hunter2"
    from = "Homeward <alarm@example.org>"
"#;

const TWILIO: &str = r#"
    [listen]
    public_url = "https://homeward.example.org"
    [[sms]]
    name = "twilio"
    kind = "twilio"
    account_sid = "AC0123456789abcdef0123456789ABCDEF"
    auth_token = "hunter2"
    from = "+447700900123"
"#;
const NOTIFY: &str = r#"
    [listen]
    public_url = "https://homeward.example.org"
    [[sms]]
    name = "notify"
    kind = "govuk_notify"
    api_key = "live-key-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0"
    template_id = "e595707f-fd1a-4191-b331-2cd5102b1e6c"
    sender_id = "7fbea4eb-4a20-4a21-adaa-0e3a21e11e61"
    callback_token = "hunter2hunter2"
"#;

fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
}

/// Loads `text` as the operator's file.
fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("own.toml");
    fs::write(&file, text).unwrap();
    Config::load(Some(&file), &env(variables))
}

fn error(text: &str, variables: &[(&str, &str)]) -> String {
    load_with(text, variables).unwrap_err().to_string()
}

/// The keys complained of, without the server key's.
fn complaints(text: &str) -> Vec<String> {
    let config = load_with(text, &[]).unwrap();
    let keys = config.complaints().into_iter().map(|complaint| complaint.key);
    keys.filter(|key| key != "secrets.server_key_file").collect()
}

#[test]
fn the_defaults_are_those_of_the_code() {
    let config = Config::load(None, &BTreeMap::new()).unwrap();
    assert_eq!(config.policy, Policy::default());
    assert!(config.sms.is_empty() && config.email.is_empty() && config.operator.email.is_none());
    assert_eq!(config.settings().url, "sqlite:homeward.db");
    assert_eq!(config.outbox.lease, Duration::from_secs(30));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(complaints(""), ["sms"]);
}

#[test]
fn every_key_is_documented() {
    let lines: Vec<_> = DEFAULT.lines().collect();
    let keys = lines.iter().enumerate().filter(|(_, line)| line.contains('=') && !line.starts_with('#'));
    let bare: Vec<_> =
        keys.filter(|(at, _)| !lines[at - 1].starts_with("# ")).map(|(_, line)| line).collect();
    assert!(bare.is_empty(), "{bare:?} lack a comment");
}

#[test]
fn the_examples_in_the_default_file_are_right() {
    let shown = |line: &str| {
        let code = line.strip_prefix("# ")?;
        let key = code.split(" = ").next()?;
        (code.starts_with("[[") || code.contains(" = ") && !key.contains(' ')).then(|| code.to_owned())
    };
    let text = DEFAULT.lines().filter_map(shown).collect::<Vec<_>>().join("\n");
    let text = format!("{text}\n[listen]\npublic_url = \"https://homeward.example.org\"");
    let config = load_with(&text, &[]).unwrap();
    assert_eq!((config.sms.len(), config.email.len()), (3, 2), "{text}");
    let unreadable = [
        "sms[0].secret",
        "sms[0].inbound_secret",
        "sms[1].auth_token",
        "sms[2].api_key",
        "sms[2].callback_token",
        "email[0].password",
        "email[1].api_key",
    ];
    assert_eq!(complaints(&text), unreadable, "only the files that are not there");
}

#[test]
fn environment_goes_before_file_and_file_before_default() {
    let file = "[outbox]\nlease = \"40s\"\nat_once = 8\n[answering]\nby_text = true";
    let variables = [
        ("HOMEWARD_OUTBOX__AT_ONCE", "9"),
        ("HOMEWARD_POLICY__GRACE", "0"),
        ("HOMEWARD_DATABASE__URL", "postgres://x/y"),
    ];
    let config = load_with(file, &variables).unwrap();
    assert_eq!((config.outbox.at_once, config.outbox.lease), (9, Duration::from_secs(40)));
    assert!(config.answering.by_text && config.policy.grace.is_zero());
    assert_eq!(config.settings().url, "postgres://x/y");
    assert_eq!(config.settings().connections, 16);
    let list = [("HOMEWARD_SMS", r#"[{ name = "demo", kind = "capture" }]"#)];
    assert!(matches!(load_with(GATEWAY, &list).unwrap().sms[0].kind, Kind::Capture));
}

#[test]
fn unknown_keys_are_refused_by_name() {
    assert!(error("[database]\nurll = \"x\"", &[]).ends_with("own.toml: there is no key database.urll"));
    assert!(error("databse = 1", &[]).ends_with("there is no key databse"));
    assert!(error("[policy]\ngraze = \"1m\"", &[]).ends_with("there is no key policy.graze"));
    let typo = error(&GATEWAY.replace("url", "urll"), &[]);
    assert!(typo.starts_with("sms[0].urll: unknown field"), "{typo}");
    let typo = error(&SMTP.replace("port", "prot"), &[]);
    assert!(typo.starts_with("email[0].prot: unknown field"), "{typo}");
    for (variable, key) in [
        ("HOMEWARD_DATABASE__URLL", "database.urll"),
        ("HOMEWARD_DATABASE_URL", "database_url"),
        ("HOMEWARD_DATABASE", "database"),
        ("HOMEWARD_PORT__X", "port.x"),
    ] {
        assert_eq!(error("", &[(variable, "x")]), format!("{variable}: there is no key {key}"));
    }
    let kubernetes =
        [("HOMEWARD_SERVICE_HOST", "10.0.0.1"), ("HOMEWARD_PORT", "tcp://10.0.0.1:80"), ("PATH", "/bin")];
    assert!(load_with("", &kubernetes).is_ok());
}

#[test]
fn what_cannot_be_read_is_named_and_secrets_are_not_quoted() {
    let broken = error("[outbox]\n\nlease = \"40s", &[]);
    assert!(broken.contains("own.toml, line 3: "), "{broken}");
    assert!(
        error("[outbox]\nlease = \"soon\"", &[]).starts_with("outbox.lease: “soon” is no length of time")
    );
    assert!(
        error("", &[("HOMEWARD_OUTBOX__AT_ONCE", "many")])
            .starts_with("outbox.at_once: HOMEWARD_OUTBOX__AT_ONCE")
    );
    assert!(error("sms = 5", &[]).starts_with("sms: write it as a list"));
    assert!(error(&GATEWAY.replace("webhook", "smtp"), &[]).starts_with("sms[0].kind: "));
    assert!(error("[[email]]\nkind = \"capture\"", &[]).starts_with("email[0]: missing field `name`"));
    let hidden = error(&SMTP.replace("\"hunter2\"", "12345"), &[]);
    assert!(hidden.starts_with("email[0].password: ") && !hidden.contains("12345"), "{hidden}");
    let all = format!("{:?}", load_with(&format!("{GATEWAY}{SMTP}"), &[]).unwrap());
    assert!(!all.contains("hunter2") && !all.contains("MfKQ") && !all.contains("homeward.db"), "{all}");
    assert!(matches!(
        Config::load(Some(Path::new("/nowhere")), &env(&[])),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn risky_settings_are_complained_of() {
    assert_eq!(complaints(&format!("{GATEWAY}{SMTP}")), Vec::<String>::new());
    for (from, to, key) in [
        ("https://", "http://", "sms[0].url"),
        ("https://", "ftp://", "sms[0].url"),
        ("https://", "", "sms[0].url"),
        ("whsec_MfKQ9r8G", "whsec_", "sms[0].secret"),
        ("whsec_", "", "sms[0].secret"),
        ("secret =", "secret_file =", "sms[0].secret"),
        ("secret =", "secret_file = \"x\"\nsecret =", "sms[0].secret"),
        ("secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "", "sms[0].secret"),
        ("kind = \"webhook\"", "kind = \"webhook\"\ntimeout = \"25s\"", "outbox.lease"),
        ("kind = \"webhook\"", "kind = \"webhook\"\ntimeout = \"0\"", "sms[0].timeout"),
        ("name = \"gateway\"", "name = \"mail\"", "email[0].name"),
        ("alarm@example.org", "alarm", "email[0].from"),
        ("tls = \"starttls\"", "tls = \"none\"", "email[0].tls"),
        ("user = \"homeward\"", "", "email[0].user"),
        ("password =", "password_file = \"x\"\npassword =", "email[0].password"),
    ] {
        let text = format!("{GATEWAY}{SMTP}").replacen(from, to, 1);
        assert_eq!(complaints(&text), [key], "{from} -> {to}");
    }
    for (section, key) in [
        ("[listen]\naddress = \"8080\"", "listen.address"),
        ("[database]\nurl = \"mysql://x\"", "database.url"),
        ("[database]\nconnections = 0", "database.connections"),
        ("[outbox]\nlease = \"13s\"", "outbox.lease"),
        ("[outbox]\nat_once = 0", "outbox.at_once"),
        ("[timer]\nlongest_sleep = \"0s\"", "timer.longest_sleep"),
        ("[timer]\nlongest_sleep = \"1m\"", "timer.longest_sleep"),
        ("[listen]\npublic_url = \"homeward.example.org\"", "listen.public_url"),
        ("[listen]\npublic_url = \"http://homeward.example.org\"", "listen.public_url"),
        ("[listen]\npublic_url = \"ftp://homeward.example.org\"", "listen.public_url"),
        ("[listen]\npublic_url = \"https://a:b@homeward.example.org\"", "listen.public_url"),
        ("[listen]\npublic_url = \"https://homeward.example.org/?x\"", "listen.public_url"),
        ("[metrics]\nlisten = \"9090\"", "metrics.listen"),
        ("[metrics]\nlisten = \"127.0.0.1:8080\"", "metrics.listen"),
        ("[heartbeat]\nurl = \"hc-ping.example.org/4f2a\"", "heartbeat.url"),
        ("[heartbeat]\nurl = \"http://hc-ping.example.org/4f2a\"", "heartbeat.url"),
        ("[heartbeat]\ninterval = \"0s\"", "heartbeat.interval"),
        ("[policy]\nownership = \"1m\"", "policy"),
    ] {
        assert_eq!(complaints(&format!("{section}\n{GATEWAY}{SMTP}")), [key], "{section}");
    }
    for fine in [
        "[listen]\npublic_url = \"https://homeward.example.org/\"",
        "[listen]\npublic_url = \"http://127.0.0.1:8080\"",
        "[metrics]\nlisten = \"127.0.0.1:9090\"",
        "[heartbeat]\nurl = \"https://hc-ping.example.org/4f2a\"",
    ] {
        let text = format!("{fine}\n{GATEWAY}{SMTP}");
        assert_eq!(complaints(&text), Vec::<String>::new(), "{fine}");
        assert!(!format!("{:?}", load_with(&text, &[]).unwrap()).contains("4f2a"));
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let text = GATEWAY.replace("https://sms.example.org", &format!("http://{host}:9000"));
        assert_eq!(complaints(&text), Vec::<String>::new(), "{host}");
    }
}

#[test]
fn what_cannot_work_with_twilio_is_named() {
    assert_eq!(complaints(TWILIO), Vec::<String>::new());
    let api_key = "api_key_sid = \"SK0123456789abcdef0123456789abcdef\"\napi_key_secret = \"x\"";
    for (from, to, key) in [
        ("account_sid = \"AC0", "account_sid = \"SK0", "sms[0].account_sid"),
        ("CDEF\"", "CDE\"", "sms[0].account_sid"),
        ("auth_token = \"hunter2\"", "", "sms[0].auth_token"),
        ("hunter2", "", "sms[0].auth_token"),
        ("auth_token =", "auth_token_2 =", "sms[0].auth_token"),
        ("auth_token =", "auth_token_2_file = \"nowhere\"\nauth_token =", "sms[0].auth_token_2"),
        ("auth_token =", "api_key_sid = \"x\"\nauth_token =", "sms[0].api_key_sid"),
        ("auth_token =", "api_key_sid = \"x\"\napi_key_secret = \"y\"\nauth_token =", "sms[0].api_key_sid"),
        ("auth_token = \"hunter2\"", api_key, "sms[0].auth_token"),
        ("from = \"+447700900123\"", "", "sms[0].from"),
        ("from = ", "messaging_service_sid = \"MG0123456789abcdef0123456789abcdef\"\nfrom = ", "sms[0].from"),
        ("from = \"+447700900123\"", "messaging_service_sid = \"x\"", "sms[0].messaging_service_sid"),
        ("+447700900123", "07700900123", "sms[0].from"),
        ("+447700900123", "A name that is too long", "sms[0].from"),
        ("from =", "url = \"http://twilio.example.org\"\nfrom =", "sms[0].url"),
        ("https://homeward", "http://127.0.0.1:8080?", "listen.public_url listen.public_url"),
        ("https://homeward.example.org", "http://127.0.0.1:8080", "listen.public_url"),
        ("https://homeward.example.org", "", "listen.public_url"),
        ("https://homeward.", "https://home_ward.", "listen.public_url"),
        ("name = \"twilio\"", "name = \"our twilio\"", "sms[0].name"),
        ("+447700900123\"", "Homeward\"\n[answering]\nby_text = true", "sms[0].from"),
    ] {
        let text = TWILIO.replacen(from, to, 1);
        assert_ne!(text, TWILIO, "{from}");
        assert_eq!(complaints(&text).join(" "), key, "{from} -> {to}");
    }
    for (from, to) in [
        ("+447700900123", "Homeward"),
        ("+447700900123", "60123"),
        ("from = \"+447700900123\"", "messaging_service_sid = \"MG0123456789abcdef0123456789abcdef\""),
        ("from =", "callbacks = false\nfrom ="),
        ("auth_token =", "auth_token_2 = \"next\"\nauth_token ="),
        ("auth_token = \"hunter2\"", &format!("{api_key}\ncallbacks = false")),
        ("auth_token = \"hunter2\"", &format!("{api_key}\nauth_token_2 = \"a shared key\"")),
    ] {
        assert_eq!(complaints(&TWILIO.replacen(from, to, 1)), Vec::<String>::new(), "{from} -> {to}");
    }
    let without =
        TWILIO.replace("https://homeward.example.org", "").replace("from =", "callbacks = false\nfrom =");
    assert_eq!(complaints(&without), Vec::<String>::new(), "who is not called needs no address");
    assert!(!format!("{:?}", load_with(TWILIO, &[]).unwrap()).contains("hunter2"));
    assert!(error(&TWILIO.replace("from", "fromm"), &[]).starts_with("sms[0].fromm: unknown field"));
    assert!(
        error(&TWILIO.replace("[[sms]]", "[[email]]"), &[])
            .contains("write “smtp”, “govuk_notify” or “capture”")
    );
}

#[test]
fn what_cannot_work_with_notify_is_named() {
    let both = format!(
        "{NOTIFY}{}",
        NOTIFY[NOTIFY.find("[[sms]]").unwrap()..].replace("sms", "email").replace("\"notify", "\"mail")
    );
    assert_eq!((complaints(NOTIFY), complaints(&both)), (vec![], vec![]));
    for (from, to, key) in [
        ("live-key-", "", "sms[0].api_key"),
        ("f122b0", "f122b", "sms[0].api_key"),
        ("-3d84", "_3d84", "sms[0].api_key"),
        ("api_key =", "api_key_file =", "sms[0].api_key"),
        ("api_key =", "api_key_file = \"x\"\napi_key =", "sms[0].api_key"),
        ("template_id = \"e595707f-fd1a-4191-b331-2cd5102b1e6c\"", "", "sms[0].template_id"),
        ("e595707f-", "", "sms[0].template_id"),
        ("7fbea4eb-", "", "sms[0].sender_id"),
        ("hunter2hunter2", "hunter2", "sms[0].callback_token"),
        ("hunter2hunter2", "", "sms[0].callback_token"),
        ("callback_token =", "callback_token_2 = \"\"\ncallback_token =", "sms[0].callback_token_2"),
        ("callback_token =", "url = \"notify\"\ncallback_token =", "sms[0].url"),
        ("https://homeward.example.org", "", "listen.public_url"),
        ("https://homeward.example.org", "http://127.0.0.1:8080", "listen.public_url"),
    ] {
        let text = NOTIFY.replacen(from, to, 1);
        assert_ne!(text, NOTIFY, "{from}");
        assert_eq!(complaints(&text), [key], "{from} -> {to}");
    }
    let silent =
        NOTIFY.replace("callback_token", "# callback_token").replace("https://homeward.example.org", "");
    assert_eq!(complaints(&silent), Vec::<String>::new(), "who is not called needs no address");
    let all = format!("{:?}", load_with(NOTIFY, &[]).unwrap());
    assert!(!all.contains("hunter2") && !all.contains("3d844edf"), "{all}");
    let no_template = load_with(&NOTIFY.replace("template_id", "# template_id"), &[]).unwrap().complaints();
    assert!(no_template.iter().any(|wrong| wrong.message.contains("((message))")), "{no_template:?}");
}

#[test]
fn what_a_gateway_sends_here_is_signed_by_one_of_two() {
    let second = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let both = format!("{GATEWAY}inbound_secret = \"{second}\"\ninbound_secret_2 = \"{second}\"");
    assert_eq!(complaints(&both), Vec::<String>::new());
    for (from, to, key) in [
        ("inbound_secret = \"whsec_", "inbound_secret = \"", "sms[0].inbound_secret"),
        ("inbound_secret_2 =", "inbound_secret_2_file =", "sms[0].inbound_secret_2"),
        ("inbound_secret =", "inbound_secret_file = \"x\"\ninbound_secret =", "sms[0].inbound_secret"),
    ] {
        assert_eq!(complaints(&both.replacen(from, to, 1)), [key], "{from} -> {to}");
    }
}

#[test]
fn the_server_key_is_read_from_its_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("key");
    let variables = env(&[("HOMEWARD_SECRETS__SERVER_KEY_FILE", path.to_str().unwrap())]);
    let config = Config::load(None, &variables).unwrap();
    assert!(config.read_server_key().unwrap_err().message.contains("openssl rand -base64 32"));
    fs::write(&path, format!("{KEY}\n")).unwrap();
    assert!(config.read_server_key().is_ok());
    fs::write(&path, "c2hvcnQ=").unwrap();
    assert_eq!(config.read_server_key().unwrap_err().key, "secrets.server_key_file");
}
