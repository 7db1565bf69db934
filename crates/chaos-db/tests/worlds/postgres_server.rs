//! A PostgreSQL server whose settings may be changed.

use std::sync::Arc;

use chaos_db::DbTarget;
use chaos_testkit::World;
use tokio::sync::OnceCell;

use super::observer::Observer;
use crate::own_server::OwnServer;

/// A server of its own, with one setting pinned by its administrator.
pub struct Server {
    server: Arc<OnceCell<Option<OwnServer>>>,
    observer: Option<Observer>,
}

impl Server {
    pub fn new() -> Self {
        Self { server: Arc::default(), observer: None }
    }

    /// Starts the server the first time; `None` where no server can be started.
    async fn server(&self) -> Option<&OwnServer> {
        let start = async {
            let server = OwnServer::start("").await?;
            server.run(&["ALTER SYSTEM SET work_mem = '3MB'", "SELECT pg_reload_conf()"]).await;
            Some(server)
        };
        self.server.get_or_init(|| start).await.as_ref()
    }
}

impl World for Server {
    type Target = DbTarget;

    async fn is_there(&self) -> bool {
        self.server().await.is_some()
    }

    async fn fresh(&self) -> Self {
        let server = self.server().await.expect("the server is there");
        Self { server: self.server.clone(), observer: Some(Observer::on(&server.target).await) }
    }

    async fn connect(&self) -> DbTarget {
        let server = self.server().await.expect("the server is there");
        DbTarget::Postgres(server.connect_as("chaos").await)
    }

    async fn snapshot(&self) -> String {
        let server = self.server().await.expect("the server is there");
        let seen = self.observer.as_ref().expect("it is fresh").look().await;
        format!("{seen}{}\n", server.state().await.join("\n"))
    }

    async fn remove(mut self) {
        if let Some(observer) = self.observer.take() {
            observer.close().await;
        }
    }
}
