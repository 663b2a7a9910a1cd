//! Every member of every operation of the management API over the wire: at, below and above each bound of the public model, of
//! wrong types, missing and unknown; and bytes that are no request at all. Each is refused with its reason and its member, or
//! carried out; none is answered with 500.

mod bytes;
mod covered;
mod model;
mod sent;
mod stock;
mod wire;

use anyhow::{Result, ensure};
use narthex_amp::{
    Operation,
    example::{Case, Expected, Things, cases, full, minimal},
};
use narthex_integration_tests::{
    sandbox::{ControlPlane, scenario},
    tools,
};

use self::stock::Target;

/// The least request of an operation, one with every member, and each change of that.
fn all_cases(operation: Operation, things: &Things) -> Vec<Case> {
    let whole = [("the least", minimal(operation, things)), ("everything", full(operation, things))];
    let whole =
        whole.map(|(what, request)| Case { what: what.into(), request, expected: Expected::Accepted });
    whole.into_iter().chain(cases(operation, things)).collect()
}

/// Quotas that no case comes to.
const NO_QUOTAS: [&str; 3] =
    ["--limits.workspaces=1000000", "--limits.scrapers=1000000", "--limits.max-out-of-order-window=100y"];

#[test]
fn the_cases_cover_every_member_and_bound_of_the_public_model() -> Result<()> {
    let counts = covered::check(&tools::service_model()?)?;
    eprintln!("{counts:?}");
    ensure!(counts.operations == 44 && counts.members > 200 && counts.bounds > 400, "{counts:?}");
    Ok(())
}

#[test]
fn every_member_is_checked_over_the_wire() {
    scenario(async |sandbox| {
        let plane = ControlPlane::start(sandbox, &NO_QUOTAS).await?;
        let target = Target { sandbox, plane: &plane };
        let tally = wire::all(&target).await?;
        let wire::Tally { requests, done, refused, in_the_way, .. } = &tally;
        eprintln!(
            "{requests} requests: {done} carried out, {refused} refused, {in_the_way} met another state"
        );
        tally.check(wire::excused)?;
        wire::nothing_there(&target).await?;
        target.is_well().await
    });
}
