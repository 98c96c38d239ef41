//! Objects of a Kubernetes cluster to a model.

pub mod ingress;
