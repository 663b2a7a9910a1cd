//! Rule files, alert manager definitions and scrape configurations: promtool and amtool accept and refuse the documents of our own
//! tables (`libs/definitions/tests/table`) as we do.
//!
//! A row on which both sides may differ is named here with the reason; one that is named and does not differ is a mistake too. Of
//! scrape configurations only those that we accept are shown to promtool, for a scraper takes a part of them only.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use narthex_definitions::{alertmanager, rules, scrape};
use narthex_integration_tests::tools;
use serde_json::Value;

const ENCODED: &str = "only we take a document that is encoded once more";

const OLDER: &str = "the packaged promtool is older";

/// Rows of the tables on which the real tool differs.
type Differences<'a> = &'a [(&'a str, &'a str)];

const RULES: Differences<'_> = &[
    ("encoded once more", ENCODED),
    ("two documents", "promtool ignores the second document"),
    ("tag of a program", "promtool ignores tags"),
    ("dash as a text", "the parser behind promtool takes what YAML does not"),
    ("interval below the minimum", "a minimum is the service's"),
    ("names of 722 bytes", "namespaces are the service's"),
    ("newer functions of templates", OLDER),
    ("labels of a group", "promtool does not look at templates in labels of groups"),
];

const ALERTMANAGER: Differences<'_> = &[
    ("something behind the document", "amtool ignores it"),
    ("SNS with what it cannot have", "the service chooses endpoint and proxy"),
    ("topics that cannot be published to", "amtool does not look at ARNs"),
    ("templates in a receiver that are none", "amtool looks at template files only"),
    ("all of PagerDuty", "references to secrets are the service's"),
    ("a template twice in one file", "amtool looks at listed template files only"),
    ("a template file that is missing", "amtool ignores paths that match nothing"),
    ("a template that is a list", "the template is not in the configuration"),
];

const SCRAPE: Differences<'_> =
    &[("encoded once more", ENCODED), ("options of the newest Prometheus", OLDER)];

struct Row {
    name: String,
    document: String,
}

fn rows(table: &str) -> Result<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libs/definitions/tests/table").join(table);
    let table: Value = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let text = |row: &Value, key: &str| Some(row.get(key)?.as_str()?.to_owned());
    let rows = table["rows"].as_array().context("a table has rows")?;
    rows.iter()
        .map(|row| {
            let (name, document) = text(row, "row").zip(text(row, "document")).context("a row has texts")?;
            Ok(Row { name, document })
        })
        .collect()
}

/// Whether a tool accepts; what it says if not. A tool that cannot be started is no verdict.
fn verdict(command: &mut Command) -> Result<Option<String>> {
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    match output.status.code() {
        Some(0) => Ok(None),
        Some(_) => Ok(Some(String::from_utf8_lossy(&said).into_owned())),
        None => bail!("{command:?} was killed"),
    }
}

/// Our refusal and the tool's, either of which is absent where the document is accepted.
type Verdicts = (Option<String>, Option<String>);

/// Compares all rows; a row without verdicts is not for the tool.
fn compare(
    table: &str,
    differences: Differences<'_>,
    judge: impl Fn(&str, &Path) -> Result<Option<Verdicts>>,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for row in rows(table)? {
        let Some((ours, theirs)) = judge(&row.document, folder.path())? else { continue };
        compared += 1;
        let may_differ = differences.iter().any(|(name, _)| *name == row.name);
        if may_differ != (ours.is_some() != theirs.is_some()) {
            let told = |refusal: Option<String>| refusal.unwrap_or_else(|| "accepted".into());
            wrong.push(format!("{}\n  we: {}\n  they: {}", row.name, told(ours), told(theirs)));
        }
    }
    ensure!(wrong.is_empty(), "{} of {compared} rows of {table}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{compared} rows of {table} compared");
    Ok(())
}

fn refusal<T>(read: Result<T, narthex_definitions::Invalid>) -> Option<String> {
    read.err().map(|invalid| invalid.to_string())
}

#[test]
fn rule_files_are_judged_as_promtool_does() -> Result<()> {
    let promtool = tools::promtool()?;
    compare("rules.yaml", RULES, |document, folder| {
        let ours = refusal(rules::parse(document.as_bytes(), "namespace", &Default::default()));
        let file = folder.join("rules.yml");
        fs::write(&file, document)?;
        let theirs = verdict(promtool.command().args(["check", "rules", "--lint=none"]).arg(&file))?;
        Ok(Some((ours, theirs)))
    })
}

#[test]
fn definitions_are_judged_as_amtool_does() -> Result<()> {
    let amtool = tools::amtool()?;
    compare("alertmanager.yaml", ALERTMANAGER, |document, folder| {
        // What is not of the form of our definitions, amtool does not know.
        let Ok(whole) = serde_saphyr::from_str::<Value>(document) else { return Ok(None) };
        let Some(config) = whole.get("alertmanager_config").and_then(Value::as_str) else { return Ok(None) };
        let ours = refusal(alertmanager::parse(document.as_bytes(), &Default::default()));
        let folder = tempfile::tempdir_in(folder)?;
        let templates = whole.get("template_files").and_then(Value::as_object);
        for (name, text) in templates.into_iter().flatten() {
            fs::write(folder.path().join(name), text.as_str().unwrap_or_default())?;
        }
        let file = folder.path().join("alertmanager.yml");
        fs::write(&file, config)?;
        Ok(Some((ours, verdict(amtool.command().arg("check-config").arg(&file))?)))
    })
}

#[test]
fn accepted_scrape_configurations_are_prometheus_configurations() -> Result<()> {
    let promtool = tools::promtool()?;
    let check = |document: &str, folder: &Path| {
        let file = folder.join("prometheus.yml");
        fs::write(&file, document)?;
        let check = ["check", "config", "--syntax-only", "--lint=none"];
        verdict(promtool.command().args(check).arg(&file))
    };
    for (table, source, differences) in
        [("scrape.yaml", scrape::SourceKind::Kubernetes, SCRAPE), ("vpc.yaml", scrape::SourceKind::Vpc, &[])]
    {
        compare(table, differences, |document, folder| {
            if scrape::parse(document.as_bytes(), source, &Default::default()).is_err() {
                return Ok(None);
            }
            Ok(Some((None, check(document, folder)?)))
        })?;
    }
    let folder = tempfile::tempdir()?;
    let told = check(scrape::DEFAULT, folder.path())?;
    ensure!(told.is_none(), "the default configuration: {told:?}");
    Ok(())
}
