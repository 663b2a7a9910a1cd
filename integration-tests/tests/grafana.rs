//! What Grafana's Prometheus data source asks when it is saved and tested, in the query builder, the metric browser, variables,
//! Explore and alerting, with POST forms and with GET; signed as Grafana signs: before it adds its own headers, so that only the
//! host, the date and the length are signed.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use narthex_integration_tests::{
    aws::Signer,
    http::Reply,
    sandbox::{Sandbox, Standalone, scenario},
    wire::WriteRequest,
};
use serde_json::{Value, json};

/// What Grafana adds after it signed.
const HEADERS: [(&str, &str); 4] = [
    ("user-agent", "Grafana/12.1.0"),
    ("x-dashboard-uid", "ad8f3k"),
    ("x-panel-id", "12"),
    ("x-grafana-org-id", "1"),
];

/// The data source: a workspace's URL, SigV4 for `aps`, and whether it uses POST.
struct DataSource<'s> {
    sandbox: &'s Sandbox,
    url: String,
    signer: Signer,
    method: Method,
}

impl DataSource<'_> {
    /// A request below the URL, with its parameters where the method has them.
    async fn send(&self, method: &Method, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let post = *method == Method::POST;
        // The signer of the AWS SDK sends a space as %20.
        let query =
            if post || form.is_empty() { String::new() } else { format!("?{}", form.replace('+', "%20")) };
        let body = if post { Bytes::from(form) } else { Bytes::new() };
        let mut request = Request::builder().method(method).uri(format!("{}/{path}{query}", self.url));
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        let mut request = request.body(body)?;
        self.signer.sign(&mut request, &*self.sandbox.clock)?;
        for (name, value) in HEADERS {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if post {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert("content-type", form);
        }
        self.sandbox.http.send(request).await
    }

    /// A query, by the method of the data source.
    async fn query(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value> {
        success(&self.send(&self.method, path, fields).await?)
    }

    /// A resource that Grafana only ever gets.
    async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value> {
        success(&self.send(&Method::GET, path, fields).await?)
    }
}

/// The answer of a success.
fn success(reply: &Reply) -> Result<Value> {
    ensure!(reply.status == 200, "{reply}");
    ensure!(reply.header("content-type") == "application/json", "{:?}", reply.headers);
    let json = reply.json()?;
    ensure!(json["status"] == "success" && json.get("data").is_some(), "{reply}");
    Ok(json)
}

/// A workspace with a counter of two jobs, and the data sources that ask it.
struct World<'s> {
    narthex: Standalone,
    sources: [DataSource<'s>; 2],
    /// Seconds; the samples lie in the ten minutes before.
    end: i64,
}

async fn world(sandbox: &Sandbox) -> Result<World<'_>> {
    let narthex = Standalone::start(sandbox).await?;
    let end = sandbox.clock.now().0 / 60_000 * 60;
    let mut request = WriteRequest::default();
    for job in ["api", "db"] {
        let samples: Vec<(i64, f64)> =
            (0..40).map(|n| ((end - 15 * (39 - n)) * 1000, n as f64 * 2.0)).collect();
        let labels = [("__name__", "requests_total"), ("instance", "a:1"), ("job", job), ("le", "+Inf")];
        request.series(&labels, &samples);
    }
    request.metadata("requests_total", "Requests that were answered.");
    let reply = narthex.api.write(&narthex.base, request.compressed()).await?;
    ensure!(reply.status.is_success(), "{reply}");
    let signer = narthex.api.signer.clone().context("the all-in-one signs")?;
    let source = |method| DataSource {
        sandbox,
        url: format!("{}/workspaces/{}", narthex.base, narthex.api.workspace),
        signer: signer.clone(),
        method,
    };
    let sources = [source(Method::POST), source(Method::GET)];
    Ok(World { narthex, sources, end })
}

#[test]
fn save_and_test_works_and_tells_what_is_wrong() {
    scenario(async |sandbox| {
        let world = world(sandbox).await?;
        for source in &world.sources {
            let answer = source.query("api/v1/query", &[("query", "1+1"), ("time", "4")]).await?;
            ensure!(
                answer == json!({"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}),
                "{answer}"
            );
            let build = source.get("api/v1/status/buildinfo", &[]).await?;
            for name in ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"] {
                ensure!(build["data"][name].is_string(), "no {name} in {build}");
            }
            // Without features and application it is a Prometheus, of a version that Grafana can read.
            ensure!(
                build["data"].get("features").is_none() && build["data"].get("application").is_none(),
                "{build}"
            );
            let version = build["data"]["version"].as_str().unwrap_or_default();
            ensure!(version.split('.').filter_map(|part| part.parse::<u32>().ok()).count() == 3, "{version}");
        }
        let right = &world.sources[0];
        let test = [("query", "1+1"), ("time", "4")];
        let elsewhere = DataSource {
            url: format!("{}/workspaces/ws-00000000-0000-4000-8000-000000000000", world.narthex.base),
            sandbox,
            signer: right.signer.clone(),
            method: Method::POST,
        };
        let reply = elsewhere.send(&Method::POST, "api/v1/query", &test).await?;
        ensure!(reply.status == 404, "another workspace: {reply}");
        let spoils: [fn(&mut Signer); 3] = [
            |signer| signer.region = "eu-north-1".into(),
            |signer| signer.secret_access_key.push('x'),
            |signer| signer.access_key_id.push('X'),
        ];
        for spoil in spoils {
            let mut signer = right.signer.clone();
            spoil(&mut signer);
            let wrong = DataSource { signer, url: right.url.clone(), sandbox, method: Method::POST };
            let reply = wrong.send(&Method::POST, "api/v1/query", &test).await?;
            ensure!(reply.status == 403, "wrong credentials: {reply}");
        }
        Ok(())
    });
}

#[test]
fn the_metric_browser_and_variables_are_filled() {
    scenario(async |sandbox| {
        let world = world(sandbox).await?;
        let (start, end) = ((world.end - 3600).to_string(), world.end.to_string());
        let range = [("limit", "40000"), ("start", start.as_str()), ("end", end.as_str())];
        let with = |more: &[(&'static str, &'static str)]| [&range[..], more].concat();
        for source in &world.sources {
            let names = source.query("api/v1/labels", &range).await?;
            ensure!(names["data"] == json!(["__name__", "instance", "job", "le"]), "{names}");
            let some = source.query("api/v1/labels", &with(&[("match[]", "{__name__=\"nothing\"}")])).await?;
            ensure!(some["data"] == json!([]), "{some}");
            for (label, matcher, values) in [
                ("__name__", "", json!(["requests_total"])),
                ("job", "", json!(["api", "db"])),
                ("job", "requests_total{job!=\"db\"}", json!(["api"])),
                ("job", "{\"requests_total\"}", json!(["api", "db"])),
                ("U__job", "", json!(["api", "db"])),
                ("U____name__", "", json!([])),
                ("U__service_2e_name", "", json!([])),
                ("service.name", "", json!([])),
            ] {
                let mut fields = range.to_vec();
                fields.extend((!matcher.is_empty()).then_some(("match[]", matcher)));
                let found = source.get(&format!("api/v1/label/{label}/values"), &fields).await?;
                ensure!(found["data"] == values, "{label} {matcher}: {found}");
            }
            let cut = [("limit", "1"), ("start", start.as_str()), ("end", end.as_str())];
            let cut = source.get("api/v1/label/job/values", &cut).await?;
            ensure!(cut["data"] == json!(["api"]) && cut["warnings"].is_array(), "{cut}");
            let series = source
                .query("api/v1/series", &with(&[("match[]", "{__name__=~\"req.*\",job=\"api\"}")]))
                .await?;
            let one = json!({"__name__": "requests_total", "instance": "a:1", "job": "api", "le": "+Inf"});
            ensure!(series["data"] == json!([one]), "{series}");
            let metadata = source.get("api/v1/metadata", &[("limit", "40000")]).await?;
            let entry = json!([{"type": "counter", "help": "Requests that were answered.", "unit": ""}]);
            ensure!(metadata["data"]["requests_total"] == entry, "{metadata}");
        }
        // A resource of a POST data source that is refused is asked again by GET, so both must say the same.
        for source in &world.sources {
            let reply = source.send(&source.method, "api/v1/series", &with(&[("match[]", "{}")])).await?;
            ensure!(reply.status == 400 && reply.json()?["errorType"] == "bad_data", "{reply}");
        }
        Ok(())
    });
}

#[test]
fn explore_and_panels_are_drawn() {
    scenario(async |sandbox| {
        let world = world(sandbox).await?;
        let (start, end) = ((world.end - 300).to_string(), world.end.to_string());
        let timed = [("start", start.as_str()), ("end", end.as_str()), ("step", "15")];
        for source in &world.sources {
            let rate = [("query", "sum by(job) (rate(requests_total[1m0s]))"), ("timeout", "60s")];
            let matrix = source.query("api/v1/query_range", &[&rate[..], &timed].concat()).await?;
            ensure!(matrix["data"]["resultType"] == "matrix", "{matrix}");
            let result = matrix["data"]["result"].as_array().context("no result")?;
            ensure!(result.len() == 2 && result[0]["metric"] == json!({"job": "api"}), "{matrix}");
            let values = result[0]["values"].as_array().context("no values")?;
            ensure!(values.len() == 21, "{} values", values.len());
            for (at, pair) in (world.end - 300..=world.end).step_by(15).zip(values) {
                ensure!(
                    pair[0] == at && pair[1].as_str().is_some_and(|value| value.parse::<f64>().is_ok()),
                    "{pair}"
                );
            }
            let at = format!("{}.5", world.end);
            let vector =
                source.query("api/v1/query", &[("query", "requests_total"), ("time", at.as_str())]).await?;
            ensure!(vector["data"]["resultType"] == "vector", "{vector}");
            let metric = json!({"__name__": "requests_total", "instance": "a:1", "job": "api", "le": "+Inf"});
            let expected = json!({"metric": metric, "value": [world.end as f64 + 0.5, "78"]});
            ensure!(vector["data"]["result"][0] == expected, "{vector}");
            let exemplars = [("query", "requests_total"), ("start", start.as_str()), ("end", end.as_str())];
            ensure!(source.query("api/v1/query_exemplars", &exemplars).await?["data"] == json!([]));
            // The hints of the builder, and what a custom parameter of the data source adds.
            let hint = [
                ("query", "count(requests_total)"),
                ("time", end.as_str()),
                ("max_samples_processed_warning_threshold", "1"),
            ];
            let answer = source.query("api/v1/query", &hint).await?;
            ensure!(answer["warnings"].as_array().is_some_and(|warnings| warnings.len() == 1), "{answer}");
            let wrong =
                source.send(&source.method, "api/v1/query", &[("query", "sum("), ("time", "1")]).await?;
            let error = wrong.json()?;
            ensure!(
                wrong.status == 400 && error["status"] == "error" && error["errorType"] == "bad_data",
                "{wrong}"
            );
            ensure!(error["error"].as_str().is_some_and(|text| text.contains("parse error")), "{wrong}");
        }
        // Alerting asks for rules and alerts; Grafana takes it that a data source has none.
        for path in ["api/v1/rules", "api/v1/alerts"] {
            let reply = world.sources[0].send(&Method::GET, path, &[]).await?;
            ensure!([200, 400, 404].contains(&reply.status.as_u16()), "{path}: {reply}");
            reply.json()?;
        }
        Ok(())
    });
}
