//! The policy table over the wire: rows of the evaluator's own table (`libs/policy/tests/table`) become users, roles, sessions, tags and
//! policies of workspaces of a real process, and a signed request each. Its verdict is the row's, in AWS's words.
//!
//! A row that needs what no client can bring about (another time, an organization, a VPC endpoint) is passed over, and so counted.

mod document;
mod patterns;
mod request;
mod row;
mod rows;

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::sandbox::{Standalone, scenario};

use self::{row::Row, rows::Rows};

/// So many rows run at least: about half of the table.
const ROWS: usize = 250;

#[test]
fn rows_of_the_policy_table_have_their_verdict_over_the_wire() {
    scenario(async |sandbox| {
        let Rows { rows, passed_over } = rows::read()?;
        report(&rows, &passed_over);
        ensure!(rows.len() >= ROWS, "only {} rows can be told over the wire", rows.len());
        every_sort_is_there(&rows)?;

        let folder = sandbox.path().join("data");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("bootstrap.yaml"), document::bootstrap(&rows).to_string())?;
        // The test speaks for the proxy that knows whence and how each request came.
        let flags = ["--edge.trusted-proxies=127.0.0.0/8"];
        let narthex = Standalone::start_in(sandbox, folder, &flags, &[]).await?;
        for row in &rows {
            request::prepare(&narthex, row).await.with_context(|| row.title.clone())?;
        }
        request::settle(sandbox, &narthex).await?;

        let mut failures = Vec::new();
        for row in &rows {
            if let Err(error) = request::check(&narthex, row).await {
                failures.push(format!("{}: {error:#}", row.title));
            }
        }
        let (failed, all) = (failures.len(), rows.len());
        ensure!(failures.is_empty(), "{failed} of {all} rows fail:\n{}", failures.join("\n"));
        Ok(())
    });
}

fn report(rows: &[Row], passed_over: &BTreeMap<&'static str, usize>) {
    let mut topics = BTreeMap::<&str, usize>::new();
    for row in rows {
        *topics.entry(row.topic.as_str()).or_default() += 1;
    }
    eprintln!("{} rows: {topics:?}; passed over: {passed_over:?}", rows.len());
}

/// What the rows are about, each with an allowed and a denied one.
fn every_sort_is_there(rows: &[Row]) -> Result<()> {
    type Sort = (&'static str, fn(&Row) -> bool);
    let sorts: [Sort; 11] = [
        ("users", |row| matches!(row.caller, row::Caller::User { .. })),
        ("sessions of roles", |row| matches!(row.caller, row::Caller::Session { .. })),
        ("management operations", |row| !row.is_data()),
        ("data-plane operations", Row::is_data),
        ("boundaries", |row| row.boundary.is_some()),
        ("session policies", |row| row.session.is_some()),
        ("policies of workspaces", |row| row.resource_policy.is_some()),
        ("tags of workspaces", |row| !row.resource_tags.is_empty()),
        ("tags of callers", |row| !row.principal_tags.is_empty()),
        ("conditions", |row| row.identity.iter().any(|policy| policy.to_string().contains("Condition"))),
        ("other accounts", |row| row.caller.account() != rows::OWNER && row.is_data()),
    ];
    for (name, is) in sorts {
        for allowed in [true, false] {
            let found = rows.iter().any(|row| is(row) && row.denial.is_none() == allowed);
            ensure!(found, "no row about {name} that is {}", if allowed { "allowed" } else { "denied" });
        }
    }
    for explicit in [true, false] {
        let said = if explicit { "with an explicit deny in" } else { "because no" };
        let found = rows.iter().filter_map(|row| row.denial.as_deref()).any(|text| text.contains(said));
        ensure!(found, "no denial says {said:?}");
    }
    Ok(())
}
