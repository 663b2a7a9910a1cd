//! What a user sees once everything is ready: where to connect, and which files say the rest.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use narthex_service::Components;

use crate::files::Connection;

const POLL: Duration = Duration::from_millis(20);

/// The message, and the files that go with it.
pub(super) struct Welcome {
    pub(super) connection: Connection,
    pub(super) data_dir: PathBuf,
    pub(super) first_start: bool,
}

impl Welcome {
    /// Prints the message when every condition of readiness is met.
    pub(super) async fn when_ready(&self, components: &Components) {
        while !components.health.is_ready() {
            components.clock.sleep(POLL).await;
        }
        let text = self.text(io::stdout().is_terminal());
        // A closed standard output is no reason to stop serving.
        let _ = io::stdout().write_all(text.as_bytes());
    }

    fn text(&self, terminal: bool) -> String {
        let Self { connection, data_dir, first_start } = self;
        let mut text = format!(
            "Narthex is ready.
    AMP API       {}
                  . {}
    remote write  {}/api/v1/remote_write
                  prometheus --config.file={}
    PromQL        {}/api/v1/query
                  Grafana data source: {}
",
            connection.endpoint,
            data_dir.join("client.env").display(),
            connection.workspace_url(&connection.write_endpoint),
            data_dir.join("prometheus.yml").display(),
            connection.workspace_url(&connection.query_endpoint),
            data_dir.join("grafana.yaml").display(),
        );
        if *first_start && terminal {
            text += &format!(
                "A new account was made. Its key, shown this once (it is also in client.env):
    AWS_ACCESS_KEY_ID      {}
    AWS_SECRET_ACCESS_KEY  {}
",
                connection.access_key_id, connection.secret_access_key
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_show_only_on_a_terminal_at_the_first_start() {
        let connection = Connection {
            endpoint: "http://127.0.0.1:9009".into(),
            write_endpoint: "http://127.0.0.1:9009".into(),
            query_endpoint: "http://127.0.0.1:9009".into(),
            region: "us-east-1".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "the-secret".into(),
            workspace: "ws-1".into(),
            extra: vec![],
        };
        let welcome =
            |first_start| Welcome { connection: connection.clone(), data_dir: "data".into(), first_start };
        assert!(welcome(true).text(true).contains("the-secret"));
        assert!(!welcome(true).text(false).contains("the-secret"));
        assert!(!welcome(false).text(true).contains("the-secret"));
        assert!(
            welcome(false).text(false).contains("http://127.0.0.1:9009/workspaces/ws-1/api/v1/remote_write")
        );
    }
}
