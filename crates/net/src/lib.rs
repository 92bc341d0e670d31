//! Where a server is reached: TCP and Unix addresses, streams and listeners as one type.
