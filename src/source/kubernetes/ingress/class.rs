//! Which Ingresses are ours, by their class.

use super::IngressView;

/// The name by which IngressClasses ask for this controller.
pub const CONTROLLER: &str = "weir.dev/ingress-controller";
/// The name by which IngressClasses ask for ingress-nginx.
pub const NGINX_CONTROLLER: &str = "k8s.io/ingress-nginx";
/// How Ingresses named their class before they had a field for it; controllers still write it.
const ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Annotation of the IngressClass of Ingresses that name none.
pub const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// An IngressClass of one of our controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Name.
    pub name: String,
    /// Ingresses that name no class have this one.
    pub is_default: bool,
}

/// Whether Ingresses of a class are ours: it is one of `names`, or of one of our controllers' `classes`; without a class,
/// if one of these is the default.
pub fn is_ours<C: IntoIterator<Item = Class>>(
    class: Option<&str>,
    names: &[String],
    classes: impl FnOnce() -> C,
) -> bool {
    match class {
        Some(name) => names.iter().any(|own| own == name) || classes().into_iter().any(|class| class.name == name),
        None => classes().into_iter().any(|class| class.is_default),
    }
}

impl IngressView {
    /// The class that it names.
    pub fn class(&self) -> Option<&str> {
        self.spec.ingress_class_name.as_deref().or(self.annotations.get(ANNOTATION).map(String::as_str))
    }
}
