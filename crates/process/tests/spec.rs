//! Specifications are refused before anything is started.

use ostler_process::{ChildSpec, SpecError, TemplateError};

#[test]
fn an_unknown_placeholder_is_refused_with_the_nearest_valid_name() {
    let error = ChildSpec::new(["node", "server.js", "--port={prt}"]).unwrap_err();
    let SpecError::Template(TemplateError::Unknown { argument, name, nearest }) = &error else {
        panic!("{error}")
    };
    assert_eq!((argument.as_str(), name.as_str(), *nearest), ("--port={prt}", "prt", "port"));
}
