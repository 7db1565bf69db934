//! What the tests of `db.update_load` share: a shop, and a load that is prepared, injected and undone.
#![allow(dead_code, reason = "every test file uses its own part")]

use chaos_core::{Effect, Fault, FaultError, PrepareContext, Reverted};
use chaos_db::faults::update_load::Params;
use chaos_db::faults::update_load::postgres::{UpdateLoadPostgres, UpdateStep};
use serde_json::Value;

use crate::common::{Scratch, prepare_context, step_context};

/// The fault under test.
pub const FAULT: UpdateLoadPostgres = UpdateLoadPostgres;

/// Three tables that can be changed, and others that cannot: with a trigger, without a key, or with something that leans on
/// every column; and a copy of the users to compare with.
pub const SHOP: &str = "
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = 'spoilt'; RETURN NEW; END $$;
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE,
        name text NOT NULL, age int, score numeric(6,2), upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
    INSERT INTO users (email, name, age, score)
        SELECT 'u' || g || '@example.org', 'name ' || g, nullif(g % 90, 0), g / 100.0 FROM generate_series(1, 1000) g;
    CREATE TABLE orders (id int PRIMARY KEY, user_id bigint REFERENCES users, note text, paid bool);
    INSERT INTO orders SELECT g, g, 'note ' || g, g % 2 = 0 FROM generate_series(1, 500) g;
    CREATE TABLE audited (id int PRIMARY KEY, name text);
    INSERT INTO audited VALUES (1, 'a');
    CREATE TRIGGER audit BEFORE UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION spoil();
    CREATE TABLE nokey (name text);
    INSERT INTO nokey VALUES ('a');
    CREATE TABLE rigid (id int PRIMARY KEY, code text UNIQUE, amount int CHECK (amount > 0));
    INSERT INTO rigid VALUES (1, 'a', 1);
    CREATE TABLE items (order_id int REFERENCES orders, line int, text varchar(20), amount int, PRIMARY KEY (order_id, line));
    INSERT INTO items SELECT g % 500 + 1, g, 'item ' || g, g FROM generate_series(1, 1500) g;
    CREATE TABLE users_before AS TABLE users;
";

/// One use of the fault.
pub struct Load {
    /// What it was prepared with.
    pub cx: PrepareContext,
    /// Its steps.
    pub steps: Vec<UpdateStep>,
    /// What its steps did.
    pub effects: Vec<Effect>,
}

/// Reads parameters as a person writes them.
pub fn params(params: Value) -> Params {
    match serde_json::from_value(params) {
        Ok(params) => params,
        Err(error) => panic!("{error}"),
    }
}

impl Load {
    /// Prepares a load.
    pub async fn prepared(scratch: &Scratch, use_number: u32, given: Value) -> Result<Self, FaultError> {
        let cx = prepare_context(use_number);
        let steps = FAULT.prepare(&cx, &scratch.target, params(given)).await?;
        Ok(Self { cx, steps, effects: Vec::new() })
    }

    /// Prepares and injects a load.
    pub async fn injected(scratch: &Scratch, use_number: u32, given: Value) -> Self {
        match Self::prepared(scratch, use_number, given).await {
            Ok(mut load) => {
                load.inject(scratch).await;
                load
            }
            Err(error) => panic!("{}", error.chain()),
        }
    }

    /// Injects all steps.
    pub async fn inject(&mut self, scratch: &Scratch) {
        match self.try_inject(scratch).await {
            Ok(effects) => self.effects = effects,
            Err(error) => panic!("{}", error.chain()),
        }
    }

    /// Injects all steps, or says why not.
    pub async fn try_inject(&self, scratch: &Scratch) -> Result<Vec<Effect>, FaultError> {
        let cx = step_context(&self.cx);
        let mut effects = Vec::new();
        for step in &self.steps {
            let mut session = FAULT.arm(&cx, &scratch.target, step).await?;
            effects.push(FAULT.inject(&cx, &scratch.target, step, &mut session).await?);
        }
        Ok(effects)
    }

    /// Reverts all steps, the last one first, and returns what became of them in the order of the steps.
    pub async fn revert(&self, scratch: &Scratch) -> Result<Vec<Reverted>, FaultError> {
        let cx = step_context(&self.cx);
        let mut all = Vec::new();
        for step in self.steps.iter().rev() {
            all.insert(0, FAULT.revert(&cx, &scratch.target, step).await?);
        }
        Ok(all)
    }

    /// Removes the helpers.
    pub async fn disarm(&self, scratch: &Scratch) {
        let cx = step_context(&self.cx);
        for step in &self.steps {
            if let Err(error) = FAULT.disarm(&cx, &scratch.target, step).await {
                panic!("{}", error.chain());
            }
        }
    }

    /// Reverts without conflicts and disarms.
    pub async fn undo_all(&self, scratch: &Scratch) {
        match self.revert(scratch).await {
            Ok(all) => assert!(all.iter().all(|reverted| reverted.conflicts_total == 0), "{all:?}"),
            Err(error) => panic!("{} {:?}", error.chain(), error.hint()),
        }
        self.disarm(scratch).await;
    }
}
