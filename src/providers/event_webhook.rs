//! Event webhooks: what happened, as ids, posted to another system and signed as Standard Webhooks 1.0.0 (row D7). The address is an
//! organisation's word: it may lead nowhere near this service's own network.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use tokio::sync::Semaphore;

use super::{standard_webhooks as signed, web};
use crate::{
    clock::Time,
    config::{Complaint, Networks, Secret, literal},
    domain::webhook::{Fault, Posted},
};

/// So many names are looked up at the same time: the system does that in threads, of which there are not many, and whoever sends
/// alarms needs them too.
const LOOKUPS: usize = 32;

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("it leads into a private network")]
struct Private;

/// Whoever posts events.
#[derive(Debug, Clone)]
pub struct EventClient {
    client: Client,
    networks: Networks,
}

/// One event for one receiver.
#[derive(Clone, Copy)]
pub struct EventPost<'e> {
    /// Where it goes.
    pub url: &'e str,
    /// What signs it: each of them.
    pub secrets: &'e [Secret],
    /// Its name: the same for every try.
    pub id: &'e str,
    /// What it says.
    pub payload: &'e str,
    /// When this try is made.
    pub now: Time,
}

impl fmt::Debug for EventPost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPost").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Looks names up, and gives no address of a network that is not to be reached. What it gives is what is spoken to: no second look-up
/// can say otherwise.
struct Guard {
    networks: Networks,
    lookups: Arc<Semaphore>,
}

impl Guard {
    fn new(networks: Networks) -> Self {
        Self { networks, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, lookups) = (self.networks, Arc::clone(&self.lookups));
        Box::pin(async move {
            let room = lookups.acquire_owned().await?;
            // By itself: the system goes on looking, and so keeps its room, when nobody waits for it any more.
            let found = tokio::spawn(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                let found = found.map(Iterator::collect::<Vec<SocketAddr>>);
                drop(room);
                found
            });
            let found = found.await??;
            let fine: Vec<SocketAddr> =
                found.iter().copied().filter(|address| networks.may_reach(address.ip())).collect();
            if fine.is_empty() && !found.is_empty() {
                return Err(Private.into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

impl EventClient {
    /// No answer within `patience` is a failure.
    pub fn new(patience: Duration, networks: Networks) -> Result<Self, Complaint> {
        super::install_crypto();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Guard::new(networks))
            .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
            .timeout(patience)
            .build()
            .map_err(|_| Complaint::new("webhooks", "cannot be sent: TLS does not start"))?;
        Ok(Self { client, networks })
    }

    /// Posts one. Only 2xx is a yes.
    pub async fn post(&self, post: &EventPost<'_>) -> Posted {
        let EventPost { url, secrets, id, payload, now } = *post;
        let Ok(url) = url.parse::<Url>() else { return failed("its url is no address", Duration::ZERO) };
        // A name is looked up by the guard; what is no name is not.
        let literal: Option<IpAddr> = url.host_str().and_then(literal);
        if literal.is_some_and(|ip| !self.networks.may_reach(ip)) {
            return failed(&Private.to_string(), Duration::ZERO);
        }
        let timestamp = now.timestamp();
        let signatures: Vec<String> = secrets
            .iter()
            .filter_map(|secret| signed::signer(&secret.webhook_key()?))
            .map(|signer| signed::signature(&signer, id, timestamp, payload.as_bytes()))
            .collect();
        if signatures.is_empty() {
            return failed("no secret of it can be read: set it again", Duration::ZERO);
        }
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(signed::ID, id)
            .header(signed::TIMESTAMP, timestamp)
            .header(signed::SIGNATURE, signatures.join(" "))
            .body(payload.to_owned());
        match request.send().await {
            Ok(response) => answered(response.status(), web::retry_after(response.headers(), now)),
            Err(error) if leads_into_a_private_network(&error) => {
                failed(&Private.to_string(), Duration::ZERO)
            }
            Err(error) if error.is_timeout() => failed("no answer in time", Duration::ZERO),
            Err(error) if error.is_connect() => failed("no connection", Duration::ZERO),
            Err(_) => failed("the connection broke", Duration::ZERO),
        }
    }
}

fn failed(reason: &str, wait: Duration) -> Posted {
    Posted::Failed { reason: reason.into(), fault: Fault::OfTheReceiver { wait } }
}

fn answered(status: StatusCode, retry_after: Option<Duration>) -> Posted {
    let reason = format!("HTTP {}", status.as_u16());
    match status {
        status if status.is_success() => Posted::Taken,
        StatusCode::GONE => Posted::Gone,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => failed(&reason, retry_after.unwrap_or_default()),
        _ => Posted::Failed { reason, fault: Fault::OfThisOne },
    }
}

fn leads_into_a_private_network(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<Private>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_a_yes() {
        let outcome = |code: u16, wait: Option<u64>| {
            answered(StatusCode::from_u16(code).unwrap(), wait.map(Duration::from_secs))
        };
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(code, None), Posted::Taken, "{code}");
        }
        assert_eq!(outcome(410, None), Posted::Gone);
        for code in [301, 302, 307, 400, 401, 404, 422, 500] {
            let reason = format!("HTTP {code}");
            assert_eq!(outcome(code, None), Posted::Failed { reason, fault: Fault::OfThisOne });
        }
        for code in [429, 502, 503, 504] {
            let fault = Fault::OfTheReceiver { wait: Duration::from_secs(9) };
            assert_eq!(outcome(code, Some(9)), Posted::Failed { reason: format!("HTTP {code}"), fault });
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_followed() {
        let now = Time::UNIX_EPOCH;
        let secrets = [Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let public = EventClient::new(Duration::from_secs(5), Networks::Public).unwrap();
        for url in [
            "https://localhost/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://2130706433/x",
            "https://0x7f.1/",
        ] {
            let posted =
                public.post(&EventPost { url, secrets: &secrets, id: "evt_1", payload: "{}", now }).await;
            let Posted::Failed { reason, .. } = posted else { panic!("{url}: {posted:?}") };
            assert_eq!(reason, "it leads into a private network", "{url}");
        }
    }
}
