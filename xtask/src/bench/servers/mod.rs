//! Faults on servers: on very many hosts beside Ansible, and what one host must keep to.

mod ansible;
mod farm;
mod machine;
mod many;
mod one;
mod running;

use super::chaos::Chaos;
use super::{Arguments, Figure};
use crate::Outcome;

/// Measures everything.
pub fn measure(chaos: &Chaos, arguments: &Arguments) -> Outcome<Vec<Figure>> {
    let farm = farm::Farm::take(arguments.hosts)?;
    let mut figures = one::measure(chaos, &farm, arguments.repetitions)?;
    figures.extend(many::measure(chaos, &farm)?);
    Ok(figures)
}
