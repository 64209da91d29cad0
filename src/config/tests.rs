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
    let config = load_with(&text, &[]).unwrap();
    assert_eq!((config.sms.len(), config.email.len()), (1, 1), "{text}");
    let unreadable = ["sms[0].secret", "email[0].password"];
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
