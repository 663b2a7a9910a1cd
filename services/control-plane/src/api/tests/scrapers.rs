//! Scrapers and their logs.

use super::*;

const CONFIGURATION: &str = "global:\n  scrape_interval: 30s\nscrape_configs:\n  - job_name: pods\n    kubernetes_sd_configs:\n      - role: pod\n";
const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/prom:*";

fn cluster(name: &str) -> String {
    format!("arn:aws:eks:us-east-1:{ACCOUNT}:cluster/{name}")
}

fn destination(workspace: &str) -> Value {
    let id = workspace.trim_start_matches("/workspaces/");
    json!({ "ampConfiguration": { "workspaceArn": format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}") } })
}

fn scraper(workspace: &str, name: &str) -> Value {
    json!({
        "alias": name,
        "scrapeConfiguration": { "configurationBlob": base64(CONFIGURATION) },
        "source": { "eksConfiguration": { "clusterArn": cluster(name), "subnetIds": ["subnet-1", "subnet-2"] } },
        "destination": destination(workspace),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_from_its_creation_to_its_end() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let mut body = scraper(&workspace, "one");
    body["clientToken"] = "t".into();
    let created = server.good(202, "POST", "/scrapers", body.clone()).await;
    let id = created["scraperId"].as_str().expect("an id");
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:scraper/{id}");
    assert!(id.starts_with("s-"));
    assert_eq!(
        created,
        json!({ "scraperId": id, "arn": arn, "status": { "statusCode": "CREATING" }, "tags": {} })
    );
    assert_eq!(
        server.good(202, "POST", "/scrapers", body).await,
        created,
        "the same token, the same scraper"
    );
    let path = format!("/scrapers/{id}");
    let shown = server.until(&path, "/scraper/status/statusCode", "ACTIVE").await;
    let described = &shown["scraper"];
    let role = format!(
        "arn:aws:iam::{ACCOUNT}:role/aws-service-role/scraper.aps.amazonaws.com/AWSServiceRoleForAmazonPrometheusScraper_"
    );
    assert!(described["roleArn"].as_str().is_some_and(|arn| arn.starts_with(&role)), "{described}");
    assert_eq!(described["scrapeConfiguration"], json!({ "configurationBlob": base64(CONFIGURATION) }));
    assert_eq!((&described["alias"], &described["destination"]), (&json!("one"), &destination(&workspace)));
    assert_eq!(described["source"]["eksConfiguration"]["subnetIds"], json!(["subnet-1", "subnet-2"]));
    assert!(described["createdAt"].is_f64() && described["lastModifiedAt"].is_f64());
    assert!(described.get("exporters").is_none() && described.get("roleConfiguration").is_none());

    let roles = json!({ "sourceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/Source") });
    let exporters = json!([{ "openSearchConfiguration": { "domainArn": format!("arn:aws:es:us-east-1:{ACCOUNT}:domain/d") } }]);
    let update = json!({ "alias": "two", "roleConfiguration": roles, "exporters": exporters });
    let updated = server.good(202, "PUT", &path, update).await;
    assert_eq!(
        (&updated["scraperId"], &updated["status"]),
        (&json!(id), &json!({ "statusCode": "UPDATING" }))
    );
    server.bad(CONFLICT, "PUT", &path, json!({ "alias": "three" })).await;
    let shown = server.until(&path, "/scraper/status/statusCode", "ACTIVE").await;
    let described = &shown["scraper"];
    assert_eq!((&described["alias"], &described["roleConfiguration"]), (&json!("two"), &roles));
    assert_eq!(described["exporters"], exporters);
    server.good(202, "PUT", &path, json!({ "destination": destination(&workspace), "exporters": [] })).await;
    let shown = server.until(&path, "/scraper/status/statusCode", "ACTIVE").await;
    assert!(
        shown["scraper"].get("exporters").is_none() && shown["scraper"].get("roleConfiguration").is_none()
    );
    assert_eq!(shown["scraper"]["alias"], "two", "what is left out stays");

    let deleted = server.good(202, "DELETE", &path, Value::Null).await;
    assert_eq!(deleted, json!({ "scraperId": id, "status": { "statusCode": "DELETING" } }));
    server.until_gone(&path).await;
    server.bad(MISSING, "DELETE", &path, Value::Null).await;
    server.bad(MISSING, "PUT", &path, json!({ "alias": "a" })).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapers_are_filtered_by_everything_at_once() {
    let server = Server::start(25).await;
    let (first, second) = (server.workspace().await, server.workspace().await);
    for (workspace, name) in [(&first, "a"), (&first, "b"), (&second, "c")] {
        server.good(202, "POST", "/scrapers", scraper(workspace, name)).await;
    }
    let arn = destination(&first)["ampConfiguration"]["workspaceArn"].as_str().expect("an ARN").to_owned();
    let encoded = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
    let cases = [
        (String::new(), vec!["a", "b", "c"]),
        ("?alias=a&alias=c".to_owned(), vec!["a", "c"]),
        (format!("?destinationArn={}", encoded(&arn)), vec!["a", "b"]),
        (format!("?destinationArn={}&alias=b&alias=c", encoded(&arn)), vec!["b"]),
        (format!("?sourceArn={}", encoded(&cluster("c"))), vec!["c"]),
        ("?status=DELETING".to_owned(), vec![]),
        ("?status=ACTIVE&status=CREATING".to_owned(), vec!["a", "b", "c"]),
    ];
    for (query, expected) in cases {
        let page = server.good(200, "GET", &format!("/scrapers{query}"), Value::Null).await;
        let found = page["scrapers"].as_array().expect("a list").iter();
        let mut aliases: Vec<_> = found.map(|found| found["alias"].as_str().expect("an alias")).collect();
        aliases.sort_unstable();
        assert_eq!(aliases, expected, "{query}");
    }
    server.bad(INVALID, "GET", "/scrapers?color=red", Value::Null).await;
    let other = server.call_as("210987654321", "GET", "/scrapers", "").await;
    assert_eq!(other.body, json!({ "scrapers": [] }));
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapers_that_cannot_be_are_refused() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let with = |pointer: &str, value: Value| {
        let mut body = scraper(&workspace, "a");
        *body.pointer_mut(pointer).expect(pointer) = value;
        body
    };
    let cases = [
        (INVALID, with("/scrapeConfiguration/configurationBlob", json!(base64("scrape_configs: 5")))),
        (
            INVALID,
            with(
                "/scrapeConfiguration/configurationBlob",
                json!(base64(&CONFIGURATION.replace("30s", "29s"))),
            ),
        ),
        (
            INVALID,
            with(
                "/source/eksConfiguration/clusterArn",
                json!("arn:aws:eks:eu-west-1:123456789012:cluster/c"),
            ),
        ),
        (
            INVALID,
            with(
                "/destination/ampConfiguration/workspaceArn",
                json!("arn:aws:aps:eu-west-1:123456789012:workspace/ws-1"),
            ),
        ),
        (
            MISSING,
            with(
                "/destination/ampConfiguration/workspaceArn",
                json!("arn:aws:aps:us-east-1:123456789012:workspace/ws-1"),
            ),
        ),
        (MISSING, with("/destination", destination("ws-00000000-0000-4000-8000-000000000000"))),
    ];
    for (refusal, body) in cases {
        server.bad(refusal, "POST", "/scrapers", body).await;
    }
    let mut kafka = scraper(&workspace, "a");
    kafka["exporters"] =
        json!([{ "kafkaConfiguration": { "clusterArn": "arn:aws:kafka:us-east-1:123456789012:cluster/k" } }]);
    let refused = server.bad(INVALID, "POST", "/scrapers", kafka).await;
    assert_eq!(refused["fieldList"][0]["name"], "exporters[0].kafkaConfiguration");

    let key = r#"{"kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/12ab"}"#;
    let keyed = server.create(key).await;
    let mut body = scraper(&keyed, "a");
    let refused = server.bad(INVALID, "POST", "/scrapers", body.clone()).await;
    assert_eq!(refused["fieldList"][0]["name"], "roleConfiguration");
    body["roleConfiguration"] = json!({ "sourceRoleArn": "arn:aws:iam::123456789012:role/Source" });
    server.good(202, "POST", "/scrapers", body).await;
    let default = server.good(200, "GET", "/scraperconfiguration", Value::Null).await;
    let blob = default["configuration"].as_str().expect("a blob");
    let mut usable = scraper(&workspace, "b");
    usable["scrapeConfiguration"]["configurationBlob"] = blob.into();
    server.good(202, "POST", "/scrapers", usable).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_scraper_are_directed() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let created = server.good(202, "POST", "/scrapers", scraper(&workspace, "one")).await;
    let id = created["scraperId"].as_str().expect("an id");
    let path = format!("/scrapers/{id}/logging-configuration");
    let target = json!({ "cloudWatchLogs": { "logGroupArn": GROUP } });
    server.bad(MISSING, "GET", &path, Value::Null).await;
    server
        .bad(MISSING, "PUT", "/scrapers/s-1/logging-configuration", json!({ "loggingDestination": target }))
        .await;
    let made = server.good(202, "PUT", &path, json!({ "loggingDestination": target })).await;
    assert_eq!(made, json!({ "status": { "statusCode": "CREATING" } }));
    let shown = server.until(&path, "/status/statusCode", "ACTIVE").await;
    assert_eq!((&shown["scraperId"], &shown["loggingDestination"]), (&json!(id), &target));
    assert_eq!(shown["scraperComponents"].as_array().map(Vec::len), Some(3), "all that there are");
    assert!(shown["modifiedAt"].is_f64() && shown.get("createdAt").is_none());
    let components = json!([{ "type": "EXPORTER", "config": { "options": { "level": "debug" } } }]);
    let body = json!({ "loggingDestination": target, "scraperComponents": components });
    let updated = server.good(202, "PUT", &path, body.clone()).await;
    assert_eq!(updated, json!({ "status": { "statusCode": "UPDATING" } }));
    // The same again is a client that missed the answer: there is no token that would tell.
    let again = server.good(202, "PUT", &path, body).await;
    assert_eq!(again, updated);
    server.bad(CONFLICT, "PUT", &path, json!({ "loggingDestination": target })).await;
    let shown = server.until(&path, "/status/statusCode", "ACTIVE").await;
    assert_eq!(shown["scraperComponents"], components);
    server.good(202, "DELETE", &path, Value::Null).await;
    server.until_gone(&path).await;
    server.plane.stop().await;
}
