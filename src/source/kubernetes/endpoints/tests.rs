mod ports;
mod races;
mod revisions;
