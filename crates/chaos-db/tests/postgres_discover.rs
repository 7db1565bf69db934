//! Discovery on a real PostgreSQL: every aspect of a table that a fault leans on.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use chaos_core::{DiscoverFilter, FaultError, ResourceFilter, Target};
use chaos_db::postgres::PgTarget;
use chaos_db::schema::{ColumnKind, Identity, Table};
use common::{Scratch, config, url_of};

const SHOP: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE DOMAIN positive AS numeric(10,2) NOT NULL CHECK (VALUE > 0);
CREATE DOMAIN small_positive AS positive CHECK (VALUE < 100);
CREATE TABLE users (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email varchar(80) NOT NULL UNIQUE, nick text, age smallint CHECK (age BETWEEN 0 AND 150),
  mood mood DEFAULT 'happy', tags text[] NOT NULL DEFAULT '{}', prefs jsonb, seen timestamptz DEFAULT now(),
  stay daterange, home inet, price small_positive, full_name text GENERATED ALWAYS AS (email || '!') STORED,
  spot point, code char(3));
CREATE UNIQUE INDEX users_nick ON users (lower(nick));
CREATE UNIQUE INDEX users_day ON users (date_part('year', lower(stay)), age) WHERE age > 3;
CREATE TABLE "Order" ("user" bigint NOT NULL REFERENCES users ON DELETE CASCADE, "No" int, note text,
  PRIMARY KEY ("user", "No"), EXCLUDE USING btree (note WITH =));
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch BEFORE INSERT ON "Order" FOR EACH ROW EXECUTE FUNCTION noop();
CREATE TABLE events (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
CREATE TABLE visits (event int, at date, FOREIGN KEY (event, at) REFERENCES events);
CREATE SCHEMA other; CREATE TABLE other.users (id int);
CREATE SCHEMA chaos_20261121_084512_k3vq_1_1; CREATE TABLE chaos_20261121_084512_k3vq_1_1.m (a int);
CREATE VIEW v AS SELECT 1;
CREATE SCHEMA old; CREATE TABLE old.base (id int CHECK (id > 5)); CREATE TABLE old.heir () INHERITS (old.base);
INSERT INTO users (email, price) SELECT 'u' || n, 5 FROM generate_series(1, 50) n; ANALYZE users;
"#;

async fn tables(scratch: &Scratch, selection: &[&str]) -> Result<Vec<Table>, FaultError> {
    let session = scratch.target.session().await.unwrap();
    let selection: Vec<String> = selection.iter().map(ToString::to_string).collect();
    scratch.target.tables(&session, &selection, &ResourceFilter::default()).await
}

fn kind(table: &Table, column: &str) -> ColumnKind {
    table.column(column).unwrap().kind.clone()
}

#[tokio::test]
async fn columns_come_with_their_kinds_domains_defaults_and_checks() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let users = tables(&scratch, &["public.users"]).await.unwrap().remove(0);
    assert_eq!(kind(&users, "id"), ColumnKind::Int(64));
    assert_eq!(users.column("id").unwrap().identity, Some(Identity::Always));
    assert_eq!(kind(&users, "email"), ColumnKind::Text { max: Some(80), padded: false });
    assert_eq!(kind(&users, "code"), ColumnKind::Text { max: Some(3), padded: true });
    let labels = ["sad", "it's ok", "happy"].map(str::to_owned).to_vec();
    assert_eq!(kind(&users, "mood"), ColumnKind::Enum(labels));
    assert_eq!(
        kind(&users, "tags"),
        ColumnKind::Array(Box::new(ColumnKind::Text { max: None, padded: false }))
    );
    assert_eq!(kind(&users, "stay"), ColumnKind::Range(Box::new(ColumnKind::Date)));
    assert_eq!(kind(&users, "price"), ColumnKind::Numeric { precision: Some(10), scale: 2 });
    assert_eq!(kind(&users, "spot"), ColumnKind::Unsupported("point".to_owned()));
    assert!(users.column("price").unwrap().not_null, "a domain may refuse NULL");
    assert!(users.column("full_name").unwrap().generated);
    assert_eq!(users.column("seen").unwrap().default.as_deref(), Some("now()"));
    let checks: Vec<&str> = users.checks.iter().map(|check| check.expression.as_str()).collect();
    assert!(checks.iter().any(|text| text.contains("\"price\" > ")), "{checks:?}");
    assert!(checks.iter().any(|text| text.contains("\"price\")::numeric < ")), "{checks:?}");
    assert!(checks.iter().any(|text| text.contains("age >= 0")), "{checks:?}");
    assert_eq!(users.row_estimate, Some(50));
    assert!(users.bytes > 8192);
    let heir = tables(&scratch, &["old.heir"]).await.unwrap().remove(0);
    assert_eq!(heir.checks.len(), 1, "an inherited check counts too");
    scratch.drop().await;
}

#[tokio::test]
async fn keys_are_known_both_ways_and_expressions_are_not_taken_for_columns() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let users = tables(&scratch, &["public.users"]).await.unwrap().remove(0);
    assert_eq!(users.primary_key, ["id"]);
    assert!(users.unique.contains(&vec!["email".to_owned()]));
    assert!(users.unique.contains(&vec!["nick".to_owned()]), "lower(nick): {:?}", users.unique);
    let odd = users.unique.iter().find(|key| key.len() == 2).unwrap();
    assert!(odd[0].contains("date_part") && odd[1] == "age", "{odd:?}");
    assert_eq!(users.referenced_by.len(), 1);
    assert_eq!(users.referenced_by[0].on_delete, "CASCADE");

    let order = tables(&scratch, &["Order"]).await.unwrap().remove(0);
    assert_eq!(order.primary_key, ["user", "No"]);
    assert_eq!(order.foreign_keys[0].parent_columns, ["id"]);
    assert_eq!(order.triggers, ["watch"]);
    assert!(order.checks.iter().any(|check| check.expression.starts_with("EXCLUDE")), "{:?}", order.checks);

    let events = tables(&scratch, &["events"]).await.unwrap().remove(0);
    assert_eq!(events.referenced_by.len(), 1, "{:?}", events.referenced_by);
    scratch.drop().await;
}

#[tokio::test]
async fn partitions_views_and_helpers_are_no_tables_and_schemas_narrow() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let names: Vec<String> = tables(&scratch, &[]).await.unwrap().iter().map(Table::qualified).collect();
    assert_eq!(
        names,
        [
            "old.base",
            "old.heir",
            "other.users",
            "public.Order",
            "public.events",
            "public.users",
            "public.visits"
        ]
    );
    let ambiguous = tables(&scratch, &["users"]).await.unwrap_err();
    assert!(ambiguous.hint().unwrap().contains("`other.users`"), "{ambiguous:?}");

    let mut narrow = config(url_of(&scratch.name));
    narrow.schemas = vec!["other".to_owned()];
    let target = PgTarget::connect(&narrow).await.unwrap();
    let inventory = target.discover(&DiscoverFilter::default()).await.unwrap();
    assert_eq!(inventory.data["tables"].as_array().unwrap().len(), 1);
    narrow.schemas = vec!["othr".to_owned()];
    let target = PgTarget::connect(&narrow).await.unwrap();
    let error = target.discover(&DiscoverFilter::default()).await.unwrap_err();
    assert!(matches!(error, FaultError::Params(_)) && error.to_string().contains("`othr`"), "{error:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn a_discovery_shows_server_role_tables_and_settings() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let inventory = scratch.target.discover(&DiscoverFilter::default()).await.unwrap();
    let titles: Vec<&str> = inventory.tables.iter().map(|table| table.title.as_str()).collect();
    assert_eq!(titles[..3], ["Server", "Tables", "Columns of old.base"]);
    assert!(
        inventory.tables.iter().all(|table| table.rows.iter().all(|row| row.len() == table.columns.len()))
    );
    let server = &inventory.data["server"];
    assert!(server["version"].as_str().unwrap().starts_with("PostgreSQL"), "{server}");
    assert!(server["superuser"].is_boolean() && server["in_recovery"] == false, "{server}");
    assert!(inventory.data["settings"].as_array().unwrap().iter().any(|setting| setting["name"] == "port"));
    scratch.drop().await;
}

#[tokio::test]
async fn a_lock_on_one_table_does_not_hold_up_the_discovery_of_another() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let holder = scratch.target.session().await.unwrap();
    holder.begin().await.unwrap();
    holder.batch("lock", "LOCK TABLE public.users").await.unwrap();
    let started = std::time::Instant::now();
    assert_eq!(tables(&scratch, &["events"]).await.unwrap().len(), 1);
    assert!(started.elapsed() < std::time::Duration::from_secs(4));
    drop(holder);
    scratch.drop().await;
}
