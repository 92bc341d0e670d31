//! An HTTP server whose every connection is accounted for, with a drain that has a deadline and a result.
