//! Providers against scripted servers on loopback.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use chrono::DateTime;

use super::*;
use crate::domain::retry::Cause;

/// Serves each connection with the next of `scripts`; what the client wrote comes out of the channel, by connection.
fn server<S>(scripts: Vec<S>, serve: fn(TcpStream, S) -> String) -> (u16, mpsc::Receiver<String>)
where
    S: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            let sender = sender.clone();
            thread::spawn(move || sender.send(serve(stream, script)));
        }
    });
    (port, receiver)
}

fn entry(channel: Channel, settings: &str) -> Arc<Entry> {
    let variable = format!("HOMEWARD_{}", channel.as_str().to_uppercase());
    let config = Config::load(None, &BTreeMap::from([(variable, format!("[{settings}]"))])).unwrap();
    Arc::clone(&Providers::from_config(&config).unwrap().for_channel(channel)[0])
}

fn outgoing(channel: Channel, address: &str) -> Outgoing<'_> {
    let now = DateTime::parse_from_rfc3339("2026-11-21T09:00:00Z").unwrap().to_utc();
    let id = MessageId(uuid::Uuid::from_u128(7));
    Outgoing {
        id,
        channel,
        address,
        subject: "Réf 1\r\nBcc: x@example.org",
        body: "Ann is overdue – act",
        page: None,
        before: Before::Nothing,
        now,
    }
}

// --- SMS ---

fn serve_http(mut stream: TcpStream, answer: &'static str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut length) = (String::new(), 0);
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        reader.read_line(&mut request).unwrap();
        if let Some(value) = request[start..].to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    request + &String::from_utf8(body).unwrap()
}

async fn text(answers: Vec<&'static str>) -> (Handed, String) {
    let (port, requests) = server(answers, serve_http);
    let settings = format!(
        r#"{{ name = "gw", kind = "webhook", url = "http://127.0.0.1:{port}/send", timeout = "2s",
            secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }}"#
    );
    let handed = entry(Channel::Sms, &settings).send(&outgoing(Channel::Sms, "+447700900123")).await;
    (handed, requests.recv().unwrap())
}

#[tokio::test]
async fn a_text_is_posted_and_signed() {
    let (handed, request) = text(vec!["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"id\":\"abc\"}"]).await;
    assert_eq!(handed, Handed::Accepted { reference: Some("abc".into()) });
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    insta::assert_snapshot!(body, @r#"{"type":"sms.send","timestamp":"2026-11-21T09:00:00.000000Z","data":{"id":"00000000-0000-0000-0000-000000000007","to":"+447700900123","text":"Ann is overdue – act"}}"#);
    for header in [
        "webhook-id: 00000000-0000-0000-0000-000000000007",
        "webhook-timestamp: 1795251600",
        "webhook-signature: v1,",
    ] {
        assert!(head.contains(header), "{head}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_a_gateway_that_hangs_up_is_tried_again() {
    let (handed, _) =
        text(vec!["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]).await;
    assert_eq!(handed, Handed::TryAgain { reason: "HTTP 302".into() });
    let (handed, _) = text(vec!["HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"]).await;
    assert_eq!(handed, Handed::Slow { wait: Duration::from_secs(20) });
    let (handed, _) = text(vec![""]).await;
    assert_eq!(handed, Handed::TryAgain { reason: "the connection broke".into() });
    let (handed, _) = text(vec!["HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":"]).await;
    assert_eq!(handed, Handed::Accepted { reference: None }, "a broken body takes nothing back");
    let (handed, _) = text(vec!["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    assert_eq!(handed, Handed::Accepted { reference: None });
}

// --- mail ---

/// Answers to MAIL, RCPT, DATA, the end of the text and QUIT; an empty one hangs up, `-` never answers.
type Smtp = [&'static str; 5];
const FINE: Smtp = ["250 ok", "250 ok", "354 go on", "250 kept", "221 bye"];

fn serve_smtp(mut stream: TcpStream, script: Smtp) -> String {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let (mut seen, mut in_text) = (String::new(), false);
    stream.write_all(b"220 hi\r\n").unwrap();
    while let Some(Ok(line)) = lines.next() {
        seen += &line;
        seen.push('\n');
        let answer = match line.get(..4) {
            _ if in_text && line != "." => continue,
            _ if in_text => script[3],
            Some("EHLO") => "250-here\r\n250 8BITMIME",
            Some("NOOP") => "250 ok",
            Some("MAIL") => script[0],
            Some("RCPT") => script[1],
            Some("DATA") => script[2],
            _ => script[4],
        };
        in_text = answer.starts_with("354");
        match answer {
            "" => break,
            "-" => {}
            answer => stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap(),
        }
    }
    seen
}

fn mail_server(scripts: Vec<Smtp>, tls: &str, timeout: &str) -> (Arc<Entry>, mpsc::Receiver<String>) {
    let (port, seen) = server(scripts, serve_smtp);
    let settings = format!(
        r#"{{ name = "mail", kind = "smtp", host = "127.0.0.1", port = {port}, tls = "{tls}", timeout = "{timeout}",
            from = "Homeward <alarm@example.org>" }}"#
    );
    (entry(Channel::Email, &settings), seen)
}

fn mail() -> Outgoing<'static> {
    Outgoing { page: Some("https://h.example.org/alarm/x"), ..outgoing(Channel::Email, "ann@example.org") }
}

#[tokio::test]
async fn a_mail_carries_our_name_for_it_and_connections_are_used_again() {
    let (mail_server, seen) = mail_server(vec![FINE], "none", "5s");
    assert_eq!(mail_server.send(&mail()).await, Handed::Accepted { reference: None });
    assert_eq!(mail_server.send(&mail()).await, Handed::Accepted { reference: None });
    drop(mail_server);
    let seen = seen.recv().unwrap();
    assert_eq!(seen.matches("EHLO").count(), 1);
    let first = &seen[seen.find("From:").unwrap()..seen.find("NOOP").unwrap()];
    insta::assert_snapshot!(first.trim_end(), @r#"
    From: Homeward <alarm@example.org>
    To: ann@example.org
    Subject: =?utf-8?b?UsOpZg==?= 1  Bcc: x@example.org
    Message-ID: <00000000-0000-0000-0000-000000000007@example.org>
    Date: Sat, 21 Nov 2026 09:00:00 +0000
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: multipart/alternative;
     boundary="00000000-0000-0000-0000-000000000007"

    --00000000-0000-0000-0000-000000000007
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    Ann is overdue =E2=80=93 act

    https://h.example.org/alarm/x

    --00000000-0000-0000-0000-000000000007
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    <!doctype html>
    <html lang=3D"en">
    <head><meta charset=3D"utf-8"><title>Homeward</title></head>
    <body style=3D"font-family: Arial, Helvetica, sans-serif; font-size: 16px; =
    line-height: 1.4; color: #0b0c0c">
    <p>Ann is overdue =E2=80=93 act</p>
    <p><a href=3D"https://h.example.org/alarm/x" style=3D"font-weight: bold">Op=
    en the page</a></p>
    <p>Or copy this address: https://h.example.org/alarm/x</p>
    </body>
    </html>

    --00000000-0000-0000-0000-000000000007--

    .
    "#);
}

#[tokio::test]
async fn replies_decide_what_becomes_of_a_mail() {
    let again = |reason: &str| Handed::TryAgain { reason: reason.into() };
    let refused = |cause, reason: &str| Handed::Refused { cause, reason: reason.into() };
    for (at, answer, expected) in [
        (0, "530 5.7.0 log in first", again("SMTP 530")),
        (1, "451 ann@example.org greylisted", again("SMTP 451")),
        (1, "550 no ann@example.org here", refused(Cause::Other, "SMTP 550")),
        (1, "550 5.1.1 no ann@example.org here", refused(Cause::NoSuchAddress, "SMTP 550")),
        (1, "550 5.7.1 we do not like you", refused(Cause::Other, "SMTP 550")),
        (3, "554 no", refused(Cause::Other, "SMTP 554")),
        (3, "", again("the connection ended or the answer is not SMTP")),
        (3, "nonsense", again("the connection ended or the answer is not SMTP")),
        (4, "500 what?", Handed::Accepted { reference: None }),
    ] {
        let mut script = FINE;
        script[at] = answer;
        let (mail_server, _) = mail_server(vec![script], "none", "5s");
        assert_eq!(mail_server.send(&mail()).await, expected, "{answer}");
    }
    let (mail_server, _) = mail_server(vec![FINE, FINE], "starttls", "5s");
    assert!(matches!(mail_server.send(&mail()).await, Handed::TryAgain { .. }), "no STARTTLS, no mail");
    assert_eq!(
        mail_server.send(&outgoing(Channel::Email, "no address")).await,
        refused(Cause::NoSuchAddress, "not a mail address")
    );
}

#[tokio::test]
async fn a_mail_cut_short_by_the_time_out_leaves_no_connection_behind() {
    let mut hangs = FINE;
    hangs[3] = "-";
    let (mail_server, seen) = mail_server(vec![hangs, FINE], "none", "300ms");
    assert_eq!(mail_server.send(&mail()).await, Handed::TryAgain { reason: "no answer within 300ms".into() });
    assert_eq!(mail_server.send(&mail()).await, Handed::Accepted { reference: None });
    drop(mail_server);
    for _ in 0..2 {
        assert_eq!(seen.recv().unwrap().matches("EHLO").count(), 1, "each mail had its own connection");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mail = format!(
        r#"{{ name = "m", kind = "smtp", host = "127.0.0.1", port = {port}, tls = "none", from = "a@b.org" }}"#
    );
    let handed = entry(Channel::Email, &mail).send(&outgoing(Channel::Email, "ann@example.org")).await;
    assert_eq!(handed, Handed::TryAgain { reason: "no connection".into() });
}

// --- none ---

#[tokio::test]
async fn the_capture_accepts_all_until_it_is_made_to_fail() {
    let providers = Providers::captured();
    let captured = &providers.for_channel(Channel::Sms)[0];
    assert_eq!(captured.send(&outgoing(Channel::Sms, "x")).await, Handed::Accepted { reference: None });
    let Provider::Capture(capture) = captured.provider() else { panic!("not a capture") };
    capture.set_failing(true);
    assert!(matches!(captured.send(&outgoing(Channel::Sms, "x")).await, Handed::TryAgain { .. }));
}
