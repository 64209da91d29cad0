//! The address of a device: `/device/{secret}/sos` and `/device/{secret}/check-in`, for whatever a maker's server or a button can
//! send: any body or none, and no header.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;

use super::{
    Site,
    api::sos::{not_sent, noted, read},
    body::WhatCame,
    problem::{Kind, Problem},
};
use crate::{
    app::{
        access,
        devices::{self as cases, Heard},
    },
    clock::Time,
    domain::event::Door,
    store::{Lane, Trace, Tx},
};

/// Calls for help, about whoever has the device.
pub(super) async fn sos(
    State(site): State<Site>,
    Path(secret): Path<String>,
    WhatCame(body): WhatCame,
) -> Response {
    let now = site.clock.now();
    let cry = read(&body, now);
    let house = Arc::clone(&site.house);
    let case = async move |tx: &mut Tx| cases::call_for_help(tx, &house, &secret, cry.clone(), now).await;
    match site.db.write_in(Lane::Help, case).await {
        Ok(Some(zone)) => noted(now, zone).into_response(),
        Ok(None) => no_device(&site, now).await,
        Err(error) => {
            tracing::error!(%error, "a device's call for help could not be kept");
            not_sent()
        }
    }
}

/// Gives a sign: the last contact of whoever has the device, and nothing else.
pub(super) async fn check_in(State(site): State<Site>, Path(secret): Path<String>) -> Response {
    let now = site.clock.now();
    let case = async move |tx: &mut Tx| cases::check_in(tx, &secret, now).await;
    match site.db.write_in(Lane::Urgent, case).await {
        Ok(Heard::Noted(zone)) => noted(now, zone).into_response(),
        Ok(Heard::Revoked | Heard::Unknown) => Problem::of(Kind::NotFound).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// A call that nobody can be found for: refused, but somebody has to be able to see that it came. One a minute is kept.
async fn no_device(site: &Site, now: Time) -> Response {
    if site.unknown_caller.is_time_again(now, TimeDelta::minutes(1)) {
        let trace = Trace { actor: None, door: Door::Device, now };
        let kept = site.db.write(async move |tx| access::log_unknown_caller(tx, trace).await).await;
        if let Err(error) = kept {
            tracing::error!(%error, "a call for help by a secret that was never issued could not be logged");
        }
    }
    Problem::new(Kind::NotFound, "NOT SENT: no device has this address. In danger ring 999.").into_response()
}
