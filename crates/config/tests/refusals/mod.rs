//! The texts of errors. Each was read by a person: change them with care.

mod certificates;
mod keys;
mod sections;
mod servers;
mod values;
