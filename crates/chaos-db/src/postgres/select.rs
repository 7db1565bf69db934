//! Picks the tables that a person named, or all that may be touched.

use chaos_core::{Failure, FaultError, ResourceFilter};

use crate::schema::Table;

/// A name is suggested when at most this share of it is wrong.
const SIMILAR_MIN: f64 = 0.7;

/// Returns the tables named in `selection` (`table` or `schema.table`) in that order; without names all that `filter`
/// allows.
///
/// # Errors
/// [`FaultError::Params`] for a name that no table has, that several have, or that the filter forbids.
pub(crate) fn select(
    tables: Vec<Table>,
    selection: &[String],
    filter: &ResourceFilter,
) -> Result<Vec<Table>, FaultError> {
    if selection.is_empty() {
        return Ok(tables.into_iter().filter(|table| filter.allows(&table.qualified())).collect());
    }
    let mut chosen: Vec<Table> = Vec::new();
    for name in selection {
        let table = find(&tables, name)?;
        if !filter.allows(&table.qualified()) {
            let what = format!("use table `{}`, which `resource_filters` leave out", table.qualified());
            return Err(FaultError::Params(
                Failure::new(what).hint("name it in `resource_filters`, or not at all"),
            ));
        }
        // A table named twice is one table.
        if !chosen.iter().any(|known| known.qualified() == table.qualified()) {
            chosen.push(table.clone());
        }
    }
    Ok(chosen)
}

fn find<'a>(tables: &'a [Table], name: &str) -> Result<&'a Table, FaultError> {
    let qualified = tables.iter().find(|table| table.qualified() == name);
    if let Some(table) = qualified {
        return Ok(table);
    }
    let named: Vec<&Table> = tables.iter().filter(|table| table.name == name).collect();
    match named.as_slice() {
        [table] => Ok(table),
        [] => Err(unknown(tables, name)),
        several => {
            let names: Vec<String> = several.iter().map(|table| format!("`{}`", table.qualified())).collect();
            let hint = format!("say which one: {}", names.join(" or "));
            Err(FaultError::Params(
                Failure::new(format!("choose between the tables called `{name}`")).hint(hint),
            ))
        }
    }
}

fn unknown(tables: &[Table], name: &str) -> FaultError {
    let similar = |table: &&Table| {
        let (bare, full) =
            (strsim::jaro_winkler(&table.name, name), strsim::jaro_winkler(&table.qualified(), name));
        bare.max(full)
    };
    let nearest = tables.iter().max_by(|a, b| similar(a).total_cmp(&similar(b)));
    let hint = match nearest.filter(|table| similar(table) >= SIMILAR_MIN) {
        Some(table) => format!("did you mean `{}`?", table.qualified()),
        None => "see `chaos discover` for the tables that are there".to_owned(),
    };
    FaultError::Params(Failure::new(format!("find table `{name}`")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str) -> Table {
        Table {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_estimate: None,
            bytes: 0,
        }
    }

    fn chosen(selection: &[&str]) -> Result<Vec<String>, FaultError> {
        let tables = vec![table("public", "users"), table("public", "orders"), table("shop", "orders")];
        let selection: Vec<String> = selection.iter().map(ToString::to_string).collect();
        let chosen = select(tables, &selection, &ResourceFilter::default())?;
        Ok(chosen.iter().map(Table::qualified).collect())
    }

    #[test]
    fn a_bare_name_is_enough_where_only_one_table_has_it() {
        assert_eq!(chosen(&["users", "shop.orders"]).unwrap(), ["public.users", "shop.orders"]);
        assert_eq!(chosen(&["users", "public.users"]).unwrap(), ["public.users"]);
    }

    #[test]
    fn a_name_that_two_schemas_have_is_refused_with_both() {
        let error = chosen(&["orders"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "say which one: `public.orders` or `shop.orders`");
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_nearest() {
        assert_eq!(chosen(&["user"]).unwrap_err().hint().unwrap(), "did you mean `public.users`?");
        assert!(chosen(&["zzz"]).unwrap_err().hint().unwrap().contains("chaos discover"));
    }

    #[test]
    fn a_table_that_the_filter_leaves_out_is_refused_not_skipped() {
        let filter = ResourceFilter::new(vec![regex::Regex::new("^shop\\.").unwrap()]);
        let tables = vec![table("public", "users"), table("shop", "users")];
        assert!(select(tables.clone(), &["public.users".to_owned()], &filter).is_err());
        assert_eq!(select(tables, &[], &filter).unwrap().len(), 1);
    }
}
