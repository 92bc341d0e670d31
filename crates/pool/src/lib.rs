//! A keyed pool of resources: started on demand, leased, evicted when idle, never orphaned.
