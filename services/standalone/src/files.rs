//! The files that let clients connect: `client.env`, `prometheus.yml` and `grafana.yaml` in the data directory.
//!
//! All three hold the secret key, so they are written with mode 0600, and by rename, so that a reader never sees half a
//! file. They are looked at at every start, because the address may have changed, and rewritten where it has: a start on a full disk
//! needs no space for them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// What a client needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Base URL of the AMP API, such as `http://127.0.0.1:9009`, without a slash at the end.
    pub(crate) endpoint: String,
    /// Base URL for remote write; the same as `endpoint` where one address serves everything.
    pub(crate) write_endpoint: String,
    /// Base URL for queries; likewise.
    pub(crate) query_endpoint: String,
    /// Region that requests are signed for.
    pub(crate) region: String,
    /// Access key id.
    pub(crate) access_key_id: String,
    /// Secret access key.
    pub(crate) secret_access_key: String,
    /// Id of the workspace.
    pub(crate) workspace: String,
    /// Further lines of `client.env`, as name and value.
    pub(crate) extra: Vec<(String, String)>,
}

impl Connection {
    /// Base URL of the workspace at one of the endpoints, without a slash at the end.
    pub(crate) fn workspace_url(&self, endpoint: &str) -> String {
        format!("{endpoint}/workspaces/{}", self.workspace)
    }

    /// Writes all three files and returns their paths.
    pub(crate) fn write_files(&self, directory: &Path) -> io::Result<[PathBuf; 3]> {
        let files = [
            ("client.env", self.client_env()),
            ("prometheus.yml", self.prometheus_yml()),
            ("grafana.yaml", self.grafana_yaml()),
        ];
        let mut paths = Vec::with_capacity(files.len());
        for (name, text) in files {
            let path = directory.join(name);
            if !holds(&path, &text) {
                write_private(&path, &text)?;
            }
            paths.push(path);
        }
        Ok(paths.try_into().expect("one path for each of the three files"))
    }

    fn client_env(&self) -> String {
        let workspace_url = self.workspace_url(&self.query_endpoint);
        let lines = [
            ("AWS_ACCESS_KEY_ID", self.access_key_id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("AWS_ENDPOINT_URL_AMP", &self.endpoint),
            ("NARTHEX_WORKSPACE_ID", &self.workspace),
            ("NARTHEX_WORKSPACE_URL", &workspace_url),
        ];
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        lines.into_iter().chain(extra).map(|(name, value)| format!("export {name}='{value}'\n")).collect()
    }

    fn prometheus_yml(&self) -> String {
        let Self { region, access_key_id, secret_access_key, .. } = self;
        let url = self.workspace_url(&self.write_endpoint);
        format!(
            "# Add your own scrape_configs; everything scraped is written to the workspace.
global:
  scrape_interval: 15s
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ['localhost:9090']
remote_write:
  - url: {url}/api/v1/remote_write
    send_native_histograms: true
    sigv4:
      region: {region}
      access_key: {access_key_id}
      secret_key: {secret_access_key}
    queue_config:
      max_samples_per_send: 1000
      max_shards: 200
      capacity: 2500
      retry_on_http_429: true
"
        )
    }

    fn grafana_yaml(&self) -> String {
        let Self { region, access_key_id, secret_access_key, .. } = self;
        let url = self.workspace_url(&self.query_endpoint);
        format!(
            "# For Grafana's provisioning/datasources folder; Grafana needs [auth] sigv4_auth_enabled = true.
apiVersion: 1
datasources:
  - name: Narthex
    type: prometheus
    access: proxy
    url: {url}
    isDefault: true
    jsonData:
      httpMethod: POST
      prometheusType: Prometheus
      sigV4Auth: true
      sigV4AuthType: keys
      sigV4Region: {region}
    secureJsonData:
      sigV4AccessKey: {access_key_id}
      sigV4SecretKey: {secret_access_key}
"
        )
    }
}

/// Whether a file has this text and is its owner's alone.
fn holds(path: &Path, text: &str) -> bool {
    let private = fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o777 == 0o600);
    private && fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// Writes a file that only its owner may read, replacing an older one in one step.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    // A left-over draft may have other permissions.
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
